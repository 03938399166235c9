"""Pictures from URLs, against a real server on loopback that fails in every way servers do."""

import http.server
import threading
import urllib.parse

import numpy as np
import pytest

from warmstart.core import reading
from warmstart.errors import InputError
from warmstart.image.decoder import decode


@pytest.fixture
def server(encoded, monkeypatch):
    """A server; `server.asked` lists the paths, `server.address` is where it is."""
    picture = encoded("PNG")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = urllib.parse.unquote(self.path)
            asked.append(path)
            first = asked.count(path) == 1
            headers, body, status = {}, picture, 200
            if path == "/missing.png":
                status, body = 404, b"<html>no</html>"
            elif path == "/page.jpg":
                body = b"<!doctype html><html><body>Please log in</body></html>"
            elif path == "/busy" and first:
                status = 503
            elif path == "/limited" and first:
                status = 429
            elif path == "/down":
                status = 500
            elif (path == "/cut" and first) or path == "/always-cut":
                headers, body = {"Content-Length": str(len(picture))}, picture[:50]
            elif path == "/huge":
                headers, body = {"Content-Length": str(2**40)}, b""
            elif path == "/untold":
                headers, body = {"Content-Length": None}, picture + b"\0" * 2**20
            elif path == "/no-length":
                headers = {"Content-Length": None}
            elif path == "/moved":
                status, headers = 302, {"Location": "/a.png"}
            elif path == "/moved-to-file":
                status, headers = 302, {"Location": "file:///etc/passwd"}
            elif path == "/moved-to-ftp":
                status, headers = 302, {"Location": "ftp://127.0.0.1/a.png"}
            elif path == "/circle":
                status, headers = 302, {"Location": "/circle"}
            elif path == "/silent":
                stop.wait(5)
            elif path == "/drip":
                self.send_response(200)
                self.end_headers()
                while not stop.wait(0.02):
                    try:
                        self.wfile.write(b"\0")
                    except OSError:
                        break
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # clients that hang up are part of the tests

    asked: list[str] = []
    stop = threading.Event()
    monkeypatch.setattr(reading, "PAUSE", 0.01)
    monkeypatch.setenv("no_proxy", "*")
    with Server(("127.0.0.1", 0), Handler) as running:
        running.asked, running.address = asked, f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        stop.set()
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "times"),
    [("/a.png", 1), ("/a.png?x=1#part", 1), ("/Käfer groß.png", 1), ("/busy", 2), ("/limited", 2), ("/cut", 2),
     ("/no-length", 1), ("/moved", 2)],
)  # fmt: skip
def test_pictures_arrive(server, photo, path, times):
    assert np.array_equal(np.asarray(decode(server.address + path)), np.asarray(photo))
    assert len(server.asked) == times


@pytest.mark.parametrize(
    ("path", "message", "times"),
    [
        ("/missing.png", "responds 404 Not Found", 1),
        ("/page.jpg", "is a web page, not a picture", 1),
        ("/down", "responds 500", 3),
        ("/always-cut", r"ended after 50 of \d+ bytes", 3),
        ("/huge", "larger than 64 MiB", 1),
        ("/moved-to-file", r"redirects to 'file:///etc/passwd', which is refused", 1),
        ("/moved-to-ftp", r"redirects to 'ftp://127.0.0.1/a.png', which is refused", 1),
        ("/circle", r"redirects to '/circle', which is refused", 1),
    ],
)
def test_failures_name_the_address(server, path, message, times):
    url = server.address + path
    with pytest.raises(InputError, match=message) as caught:
        decode(url)
    assert caught.value.item == url
    assert url in str(caught.value)
    assert len(server.asked) == times


def test_a_body_that_grows_over_the_limit_is_given_up(server, monkeypatch):
    monkeypatch.setattr(reading, "MAX_DOWNLOAD", 2**19)
    with pytest.raises(InputError, match="larger than"):
        decode(server.address + "/untold")


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(reading, "TIMEOUT", 0.1)
    with pytest.raises(InputError, match=r"stopped sending|does not respond"):
        decode(server.address + "/silent")
    assert len(server.asked) == 3


def test_a_dripping_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(reading, "DEADLINE", 0.3)
    with pytest.raises(InputError, match="took longer than"):
        decode(server.address + "/drip")
    assert len(server.asked) == 1


def test_no_server_at_all(monkeypatch):
    monkeypatch.setattr(reading, "PAUSE", 0.01)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(InputError, match="cannot be reached"):
        decode("http://127.0.0.1:1/a.png")


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://host:port/a.png", "http:///a.png", "http://a b/c"]
)
def test_addresses_that_are_none(url, monkeypatch):
    monkeypatch.setattr(reading, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(InputError) as caught:
        decode(url)
    assert caught.value.item == url


@pytest.mark.parametrize("variable", ["WARMSTART_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_asks_nobody(server, variable, monkeypatch):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(InputError, match="forbids going online"):
        decode(server.address + "/a.png")
    assert server.asked == []


def test_a_fetch_of_the_callers(photo, encoded):
    asked = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return encoded("PNG")

    assert np.array_equal(
        np.asarray(decode("https://example.org/a.png", fetch=fetch)), np.asarray(photo)
    )
    assert asked == ["https://example.org/a.png"]
