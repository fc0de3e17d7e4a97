"""Downloads when servers, connections and disks fail, and eight at once: the file is whole or not there."""

import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time

import pytest
from limits import watched

from boltzprune.datasets import download
from boltzprune.errors import InputError

CONTENT = bytes(range(256)) * 4099
"""A megabyte; its length is no power of 2."""
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REMEDY = "put it there yourself"
PAGE = b"<html><body>We have moved</body></html>"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        try:
            getattr(self, self.path.strip("/").split("/")[0])()
        except OSError:
            pass  # the other side has had enough

    def answer(self, status, content, **headers):
        self.send_response(status)
        for name, value in {"Content_Length": len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def good(self):
        self.answer(200, CONTENT)

    def slow_but_good(self):
        time.sleep(0.3)
        self.answer(200, CONTENT)

    def together(self):
        """Answers when all eight have asked."""
        stop = time.monotonic() + 20
        while len(self.server.asked) < 8 and time.monotonic() < stop:
            time.sleep(0.01)
        self.answer(200, CONTENT)

    def wrong(self):
        self.answer(200, CONTENT[:-1] + b"!")

    def longer(self):
        self.answer(200, CONTENT + b"!")

    def page(self):
        self.answer(200, PAGE, Content_Type="text/html")

    def packed_page(self):
        self.answer(200, gzip.compress(PAGE), Content_Type="text/html", Content_Encoding="gzip")

    def empty(self):
        self.answer(200, b"")

    def redirect(self):
        self.answer(302, b"", Location="/page")

    def redirect_to_good(self):
        self.answer(302, b"", Location="/good")

    def circle(self):
        self.answer(302, b"", Location="/circle")

    def nowhere(self):
        self.answer(302, b"", Location="file:///etc/passwd")

    def cut(self):
        self.answer(200, CONTENT[:5000], Content_Length=len(CONTENT))

    def cut_chunk(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"ffff\r\n" + CONTENT[:500])

    def no_length(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])

    def silence(self):
        self.server.over.wait(20)

    def no_http(self):
        self.wfile.write(b"\x00\xff" * 999)

    def drip(self):
        self.answer(200, b"", Content_Length=len(CONTENT))
        while not self.server.over.wait(0.05):
            self.wfile.write(b"x")

    def endless(self):
        self.send_response(200)
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(bytes(2**16))

    def status(self):
        self.answer(int(self.path.split("/")[2]), PAGE)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server whose paths are the methods of the handler; it is asked without a proxy."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.asked, made.over, made.daemon_threads = [], threading.Event(), True
    made.url = f"http://127.0.0.1:{made.server_address[1]}"
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(download, "MAX_BYTES", 2**22)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    with watched(60):
        yield made
    made.over.set()
    made.shutdown()
    made.server_close()


BAD = """wrong longer page packed_page empty redirect circle nowhere cut cut_chunk no_length silence no_http drip
endless status/403 status/404 status/500 status/503 closed no_such_host""".split()


def url(server, name):
    """The address of a kind of answer."""
    elsewhere = {"closed": "http://127.0.0.1:9/x", "no_such_host": "http://no-such-host.invalid/x"}
    return elsewhere.get(name, f"{server.url}/{name}")


@pytest.mark.parametrize("name", BAD)
def test_a_mirror_that_fails_is_named_and_leaves_nothing(name, server, tmp_path):
    path, start = tmp_path / "cache" / "my.gz", time.monotonic()
    with pytest.raises(InputError) as caught:
        download.fetch([url(server, name)], SHA256, path, REMEDY)
    message = str(caught.value)
    assert message.startswith(f"my.gz could not be downloaded ({url(server, name)}: ")
    assert message.endswith(REMEDY) and "\n" not in message
    assert list(path.parent.iterdir()) == [] and time.monotonic() - start < 10


@pytest.mark.torture
def test_the_next_mirror_follows_one_that_fails(server, tmp_path, promise):
    with promise(
        "downloads: after a mirror that fails in any way the next one is asked, and the file is whole"
    ) as count:
        for name in BAD:
            path = tmp_path / name.replace("/", "") / "my.gz"
            found = download.fetch([url(server, name), f"{server.url}/good"], SHA256, path, REMEDY)
            whole = found == path and path.read_bytes() == CONTENT
            count(whole and [p.name for p in path.parent.iterdir()] == ["my.gz"], name)


TOLD = {
    "wrong": "another checksum",
    "page": "another checksum",
    "cut": "IncompleteRead(5000 bytes read",
    "cut_chunk": "IncompleteRead",
    "drip": "bytes in 1 s; expected 1000 per second",
    "silence": "timed out",
    "endless": "it sends more than 4194304 bytes",
    "status/503": "503 Server Error",
    "closed": "Connection refused",
    "circle": "redirects",
}


@pytest.mark.parametrize("name", TOLD)
def test_the_message_says_what_failed(name, server, tmp_path):
    with pytest.raises(InputError) as caught:
        download.fetch([url(server, name)], SHA256, tmp_path / "my.gz", REMEDY)
    assert TOLD[name] in str(caught.value)


def test_a_redirect_to_the_file_is_followed(server, tmp_path):
    download.fetch([f"{server.url}/redirect_to_good"], SHA256, tmp_path / "my.gz", REMEDY)
    assert (tmp_path / "my.gz").read_bytes() == CONTENT


def test_a_slow_download_above_the_limit_goes_on(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SLOWEST", 1)
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.4)
    download.fetch([f"{server.url}/slow_but_good"], SHA256, tmp_path / "my.gz", REMEDY)
    assert (tmp_path / "my.gz").read_bytes() == CONTENT


def _fetching(address, path):
    """A process of its own that fetches a file."""
    code = f"from boltzprune.datasets.download import *; fetch([{address!r}], {SHA256!r}, Path({str(path)!r}), '')"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


@pytest.mark.torture
def test_eight_downloads_of_one_file_at_once(server, tmp_path, promise, at_scale):
    with promise("downloads: 8 processes fetch one file at once, each finds it whole, nothing is left over") as count:
        for attempt in range(at_scale(1, 25)):
            server.asked.clear()
            path = tmp_path / str(attempt) / "my.gz"
            jobs = [_fetching(f"{server.url}/together", path) for _ in range(8)]
            for job in jobs:
                told = job.communicate(timeout=60)[1]
                count(job.returncode == 0 and path.read_bytes() == CONTENT, told[-500:])
            count([p.name for p in path.parent.iterdir()] == ["my.gz"], "something is left over")
            count(len(server.asked) == 8, "they did not meet")


def test_what_a_killed_download_left_behind_is_no_hindrance(server, tmp_path):
    (tmp_path / "my.gz").write_bytes(CONTENT[:999])
    (tmp_path / "tmpabcdef").write_bytes(CONTENT[:999])
    download.fetch([f"{server.url}/good"], SHA256, tmp_path / "my.gz", REMEDY)
    assert (tmp_path / "my.gz").read_bytes() == CONTENT


def test_a_download_that_is_killed_leaves_no_file_of_that_name(server, tmp_path):
    job = _fetching(f"{server.url}/drip", tmp_path / "my.gz")
    while not any(tmp_path.iterdir()):
        assert job.poll() is None, job.stderr.read()
        time.sleep(0.01)
    job.kill()
    job.communicate()
    assert not (tmp_path / "my.gz").exists()


@pytest.mark.parametrize("place", ["/proc/self", "/proc/self/new", "file/new"])
def test_a_cache_that_cannot_be_written_is_named(place, server, tmp_path):
    if place.startswith("/proc") and not os.path.isdir("/proc/self"):
        pytest.skip("no /proc, in which not even root may write")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"my\.gz|{place}") as caught:
        download.fetch([f"{server.url}/good"], SHA256, tmp_path / place / "my.gz", REMEDY)
    assert str(caught.value).endswith(REMEDY) and "Error" not in str(caught.value).split("(")[0]
