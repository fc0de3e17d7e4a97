"""Downloads, from a server on this machine."""

import hashlib
import http.server
import threading

import pytest

from boltzprune.datasets import SOURCES, cifar10
from boltzprune.errors import InputError

SOURCE = SOURCES["cifar10"]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"") + self.server.promised_too_much))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args):
        pass


@pytest.fixture
def server(make, tmp_path, monkeypatch):
    """Serves /good, /html and /part; .url, .asked (the paths), .archive (the content of the good file)."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    path = make.tar(tmp_path / "made.tar.gz", [("cifar-10-batches-py/data_batch_2", make.batch(make.pixels(7, 3)))])
    server.archive = path.read_bytes()
    server.files = {"/good": server.archive, "/html": b"<html>moved</html>", "/part": server.archive[:-7]}
    server.asked, server.promised_too_much = [], 0
    server.cache = tmp_path / "cache" / "boltzprune" / "cifar10"
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(server.archive).hexdigest())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def use(server, monkeypatch):
    """Sets the mirrors, each a path on the server or an address."""

    def set_mirrors(*paths):
        urls = [path if path.startswith("http") else server.url + path for path in paths]
        monkeypatch.setattr(cifar10, "MIRRORS", urls)

    return set_mirrors


def test_a_download_goes_into_the_cache_and_is_not_repeated(use, server, settings):
    use("/good")
    wanted = settings(directory=None, download=True)
    (path,) = SOURCE.locate(wanted)
    assert path == server.cache / cifar10.ARCHIVE and path.read_bytes() == server.archive
    raw = SOURCE.read([path], wanted)
    assert raw.notes == ["1 of 5 batches of CIFAR-10 found: data_batch_2 (7 images)"]
    assert SOURCE.locate(wanted) == [path] and server.asked == ["/good"]


@pytest.mark.parametrize("first", ["/html", "/missing", "/part", "http://127.0.0.1:9/closed", "http://127.0.0.1:0/"])
def test_the_next_mirror_is_tried(use, server, settings, first):
    use(first, "/good")
    (path,) = SOURCE.locate(settings(directory=None, download=True))
    assert path.read_bytes() == server.archive and server.asked[-1] == "/good"
    assert [found.name for found in path.parent.iterdir()] == [cifar10.ARCHIVE]


def test_no_mirror_left_names_each_and_what_to_do(use, server, settings):
    use("/html", "/missing", "http://127.0.0.1:9/closed")
    folder = server.cache
    with pytest.raises(InputError, match="could not be downloaded") as caught:
        SOURCE.locate(settings(directory=None, download=True))
    message = str(caught.value)
    for part in (
        f"{server.url}/html: what it sent has another checksum",
        "/missing: HTTPError: 404",
        "/closed: ConnectionRefusedError: [Errno 111] Connection refused",
    ):
        assert part in message
    assert f"into {folder}" in message and "'sample_images', which needs no download" in message and "\n" not in message
    assert list(folder.iterdir()) == []


def test_a_connection_that_breaks_leaves_nothing(use, server, settings):
    server.promised_too_much = 5
    use("/good")
    folder = server.cache
    with pytest.raises(InputError, match="could not be downloaded"):
        SOURCE.locate(settings(directory=None, download=True))
    assert list(folder.iterdir()) == []


def test_without_a_directory_the_cache_is_used_and_checked(use, server, settings):
    use("/good")
    folder = server.cache
    folder.mkdir(parents=True)
    (folder / cifar10.ARCHIVE).write_bytes(server.archive[:-7])
    (path,) = SOURCE.locate(settings(directory=None, download=True))
    assert path == folder / cifar10.ARCHIVE and path.read_bytes() == server.archive
    SOURCE.locate(settings(directory=None, download=True))
    assert server.asked == ["/good"]
    assert SOURCE.locate(settings(directory=None)) == [path]


def test_an_archive_in_the_users_folder_is_never_replaced(use, server, settings, tmp_path):
    use("/good")
    path = tmp_path / cifar10.ARCHIVE
    path.write_bytes(b"mine")
    assert SOURCE.locate(settings(download=True)) == [path]
    assert path.read_bytes() == b"mine" and server.asked == []


def test_a_folder_that_cannot_be_made_is_named(use, settings, tmp_path):
    use("/good")
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(InputError, match=r"the folder .*boltzprune/cifar10 cannot be made \(Not a directory\)"):
        SOURCE.locate(settings(directory=None, download=True))


def test_the_mirrors_are_addresses_of_one_file():
    assert cifar10.MIRRORS[0] == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert all(url.startswith("https://") and url.endswith("/" + cifar10.ARCHIVE) for url in cifar10.MIRRORS)
    assert len(cifar10.SHA256) == 64
