"""Downloads of MNIST, from a server on this machine."""

import gzip
import hashlib
import http.server
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from boltzprune.datasets import LABELLED_SOURCES, mnist
from boltzprune.errors import InputError

SOURCE = LABELLED_SOURCES["mnist"]
STEMS = list(mnist.CHECKSUMS)
MNIST = {
    "train-images-idx3-ubyte": bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2]) + bytes(range(6)),
    "train-labels-idx1-ubyte": bytes([0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 9]),
    "t10k-images-idx3-ubyte": bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8]),
    "t10k-labels-idx1-ubyte": bytes([0, 0, 8, 1, 0, 0, 0, 1, 4]),
}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves four small files under /good/ and damaged ones under /bad/; the cache is in tmp_path."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    packed = {stem: gzip.compress(content, mtime=0) for stem, content in MNIST.items()}
    server.files = {f"/good/{stem}.gz": content for stem, content in packed.items()}
    server.files |= {f"/bad/{stem}.gz": content[:-3] for stem, content in packed.items()}
    server.asked, server.url = [], f"http://127.0.0.1:{server.server_address[1]}"
    server.cache = tmp_path / "boltzprune" / "mnist"
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    for stem, content in packed.items():
        monkeypatch.setitem(mnist.CHECKSUMS, stem, (hashlib.sha256(content).hexdigest(), ""))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def use(server, monkeypatch):
    """Sets the mirrors, each a folder of the server or an address."""

    def set_mirrors(*folders):
        urls = [folder if folder.startswith("http") else server.url + folder for folder in folders]
        monkeypatch.setattr(mnist, "MIRRORS", urls)

    return set_mirrors


def _settings(**changed):
    return SimpleNamespace(**{"directory": None, "download": True, "n_classes": 10, **changed})


def test_four_files_go_into_the_cache_once(use, server):
    use("/good/")
    paths = SOURCE.locate(_settings())
    assert paths == [server.cache / f"{stem}.gz" for stem in STEMS]
    found = SOURCE.read(paths, _settings())
    assert found.train_images[:, 0].tolist() == [[0, 1], [2, 3], [4, 5]] and found.train_labels.tolist() == [0, 1, 9]
    np.testing.assert_array_equal(found.test_images, [[[7, 8]]])
    assert found.test_labels.tolist() == [4] and len(found.notes) == 1
    assert SOURCE.locate(_settings()) == SOURCE.locate(_settings(download=False)) == paths
    assert server.asked == [f"/good/{stem}.gz" for stem in STEMS]


@pytest.mark.parametrize("first", ["/bad/", "/missing/", "http://127.0.0.1:9/"])
def test_the_next_mirror_is_tried(use, server, first):
    use(first, "/good/")
    assert [path.name for path in SOURCE.locate(_settings())] == [f"{stem}.gz" for stem in STEMS]
    assert [path.name for path in sorted(server.cache.iterdir())] == sorted(f"{stem}.gz" for stem in STEMS)


def test_only_what_is_missing_or_damaged_is_downloaded(use, server):
    use("/good/")
    SOURCE.locate(_settings())
    (server.cache / f"{STEMS[1]}.gz").write_bytes(b"damaged")
    (server.cache / f"{STEMS[2]}.gz").unlink()
    server.asked.clear()
    SOURCE.read(SOURCE.locate(_settings()), _settings())
    assert server.asked == [f"/good/{stem}.gz" for stem in STEMS[1:3]]


def test_no_mirror_left_names_each_and_what_to_do(use, server):
    use("/bad/", "/missing/")
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz could not be downloaded") as caught:
        SOURCE.locate(_settings())
    for part in ("/bad/train-images-idx3-ubyte.gz: what it sent has another checksum", "/missing/", str(server.cache)):
        assert part in str(caught.value)
    assert "'digits', which needs no download" in str(caught.value) and list(server.cache.iterdir()) == []


def test_nothing_is_downloaded_unless_allowed(use, server):
    use("/good/")
    with pytest.raises(InputError, match=r"train images: none.*digits\.data\.download is false: put train-images-idx3"):
        SOURCE.locate(_settings(download=False))
    assert server.asked == []


def test_the_official_checksums_and_mirrors():
    assert all(url.startswith("https://") and url.endswith("/mnist/") for url in mnist.MIRRORS)
    assert list(mnist.CHECKSUMS) == [
        f"{which}-{kind}-ubyte" for which in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    beginnings = [(packed[:8], unpacked[:8]) for packed, unpacked in mnist.CHECKSUMS.values()]
    assert beginnings == [
        ("440fcabf", "ba891046"),
        ("3552534a", "65a50cbb"),
        ("8d422c7b", "0fa7898d"),
        ("f7ae60f9", "ff7bcfd4"),
    ]
    assert {len(checksum) for pair in mnist.CHECKSUMS.values() for checksum in pair} == {64}
