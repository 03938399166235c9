"""Whatever a client sends, it gets 4xx with JSON or loses its connection; the server goes on."""

import gzip
import json
import socket
import time
import zlib
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from .conftest import Client
from .processes import until

SMALL = 2**20
PATH = "/v1/predict/cifar10_resnet20"


@pytest.fixture(scope="module")
def server(models):
    """A server with short limits; after every test it must still answer."""
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer
    from warmstart.serve.settings import Settings

    app = create_app(models, Settings(max_body=SMALL, body_timeout=1.0, deadline=20))
    with BackgroundServer(app) as address:
        found = Client(address)
        found.state = app.state.warmstart
        yield found


@pytest.fixture(autouse=True)
def still_answers(server, cat):
    yield
    assert server.post(PATH, cat, Content_Type="image/jpeg").status == 200
    until(lambda: not server.state.registry["shakespeare_gpt2"].waiting)


def raw(server: Client, *pieces: bytes, wait: float = 15.0, pause: float = 0.0) -> bytes:
    """Send bytes, and read all that comes back."""
    host, port = urlsplit(server.address).netloc.split(":")
    with closing(socket.create_connection((host, int(port)), timeout=wait)) as connection:
        found = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            while part := connection.recv(65536):
                found += part
        except (ConnectionError, TimeoutError):
            pass
        return found


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def head(*lines: str, path: str = PATH) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: 1\r\n\r\n",
        head("Content-Length: -1"),
        head("Content-Length: 1", "Content-Length: 2"),
        head("Content-Length: abc"),
        head("Content-Length: 9" + "9" * 30),
        head("Transfer-Encoding: gzip, chunked"),
        head("Transfer-Encoding: chunked") + b"zz\r\n",
        head("Transfer-Encoding: chunked") + b"-5\r\nabc\r\n",
        head("Connection: close", "X: " + "y" * 100_000),
        head("Connection: close", *[f"X{n}: y" for n in range(20_000)]),
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
    ids=range(18),
)
def test_what_is_no_http(server, sent):
    answer = raw(server, sent)
    assert 400 <= status(answer) < 500
    assert json.loads(answer.partition(b"\r\n\r\n")[2]).keys() == {"error"}


def test_both_lengths_are_not_two_requests(server):
    """Request smuggling: with both, the body is chunked, and what follows it on the connection is
    not a request.
    """
    smuggled = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = raw(server, head("Content-Length: 5", "Transfer-Encoding: chunked") + smuggled, wait=3)
    assert 400 <= status(answer) < 500


def test_body_limits(server):
    assert server.post(PATH, b"x" * (SMALL + 1)).status == 413
    answer = raw(server, head(f"Content-Length: {10 * SMALL}"), *[b"x" * 65536] * 160)
    assert status(answer) == 413
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    answer = raw(server, head("Transfer-Encoding: chunked"), *[chunk] * 400, b"0\r\n\r\n")
    assert status(answer) == 413
    assert b"more than" in answer


def test_an_endless_flood_is_cut_off(server, monkeypatch):
    monkeypatch.setattr("warmstart.serve.middleware.DISCARD_SECONDS", 0.5)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    start = time.monotonic()
    answer = raw(server, head("Transfer-Encoding: chunked"), *[chunk] * 20_000)
    assert time.monotonic() - start < 20
    assert status(answer) in (0, 413)


def test_packed_bodies(server, cat):
    for packed, encoding in (
        (gzip.compress(cat), "gzip"),
        (zlib.compress(cat), "deflate"),
        (zlib.compress(cat)[2:-4], "deflate"),
    ):
        answer = server.post(PATH, packed, Content_Encoding=encoding, Content_Type="image/jpeg")
        assert answer.status == 200, encoding
    bomb = zlib.compressobj(9, wbits=31)
    data = b"".join(bomb.compress(b"\0" * SMALL) for _ in range(300)) + bomb.flush()
    assert len(data) < SMALL
    start = time.monotonic()
    assert server.post(PATH, data, Content_Encoding="gzip").status == 413
    assert time.monotonic() - start < 5
    assert (
        server.post(PATH, gzip.compress(data), Content_Encoding="gzip").status == 400
    )  # a bomb in a bomb: no picture
    for damaged in (gzip.compress(cat)[:-9], b"nothing", gzip.compress(cat) + b"x", b""):
        assert server.post(PATH, damaged, Content_Encoding="gzip").status == 400
    assert server.post(PATH, cat, Content_Encoding="br").status == 415


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"inputs":' * 100_000,
        b'{"inputs": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"inputs": "\xff\xfe"}',
        b'{"inputs": "\\ud800"}',
        b'{"inputs": 1e99999}',
        b"nan",
        b'{"inputs": [1, 2',
        b"\xef\xbb\xbf{}",
        b"\0",
        b'{"inputs": ' + b"9" * 100_000 + b"}",
        b'"x"',
        b"[]",
        b"null",
        b"{}",
        b'{"inputs": null}',
    ],
)
def test_strange_json(server, text):
    for path in (
        PATH,
        "/v1/predict/deepar",
        "/v1/predict/shakespeare_gpt2",
        "/v1/completions",
        "/v2/models/cifar10_resnet20/infer",
    ):
        answer = server.post(path, text, Content_Type="application/json")
        assert 400 <= answer.status < 500, (path, answer)
        assert "error" in answer.json


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--x--",
        b"--x\r\n",
        b"--x\r\n\r\n\r\n--x--",
        b"--y\r\n",
        b"--x\r\nA: b\r\n\r\nz\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
        b"--x\r\n" * 500,
        b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\r\n--x--',
        b'--x\r\nContent-Disposition: form-data; name="options"\r\n\r\n{\r\n--x--',
        b"x" * 1000,
    ],
)
def test_strange_forms(server, body):
    for kind in (
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        'multipart/form-data; boundary=""',
    ):
        assert server.post(PATH, body, Content_Type=kind).status == 400
        assert server.post("/v1/audio/transcriptions", body, Content_Type=kind).status == 400


def test_slow_writers_are_cut_off(server):
    """Of headers, of a body, and of a connection on which nothing comes."""
    for sent, expected in (
        (b"", 0),
        (b"POST / HT", 408),
        (head("Content-Length: 10") + b"abc", 408),
        (head("Transfer-Encoding: chunked") + b"3\r\nabc\r\n", 408),
    ):
        start = time.monotonic()
        assert status(raw(server, sent)) == expected, sent
        assert time.monotonic() - start < 12


def test_a_slow_header_after_a_good_request(server):
    start = time.monotonic()
    raw(
        server,
        b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v2/hea",
        pause=0.3,
    )
    assert time.monotonic() - start < 12


def test_disconnects(server, cat):
    """Before, within and after the body, and in the middle of a stream."""
    ask = json.dumps(
        {"model": "shakespeare_gpt2", "prompt": "ROMEO:", "max_tokens": 2000, "stream": True}
    ).encode()
    asks = [
        head(f"Content-Length: {len(cat)}", "Content-Type: image/jpeg") + cat[:n]
        for n in (0, 1000, len(cat))
    ]
    asks.append(head(f"Content-Length: {len(ask)}", path="/v1/completions") + ask)
    host, port = urlsplit(server.address).netloc.split(":")
    for _ in range(3):
        for sent in asks:
            with closing(socket.create_connection((host, int(port)))) as connection:
                connection.sendall(sent)
                if b"completions" in sent:
                    assert connection.recv(10)
    until(lambda: "warmstart_open_requests 1.0" in server.get("/metrics").body.decode())
    answer = server.post(
        "/v1/completions", {"model": "shakespeare_gpt2", "prompt": "A", "max_tokens": 2}
    )
    assert answer.status == 200


def test_a_slow_reader_holds_nobody_up(server):
    """It asks for far more than the sockets' buffers hold, and reads nothing."""
    host, port = urlsplit(server.address).netloc.split(":")
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400)
        time.sleep(0.3)
        assert server.get("/v2/health/ready").status == 200


def test_half_closed_connections_get_their_answer(server, cat):
    host, port = urlsplit(server.address).netloc.split(":")
    with closing(socket.create_connection((host, int(port)), timeout=20)) as connection:
        connection.sendall(
            head(f"Content-Length: {len(cat)}", "Content-Type: image/jpeg", "Connection: close")
            + cat
        )
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
    assert status(found) in (0, 200)
