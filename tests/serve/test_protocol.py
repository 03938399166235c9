"""HTTP on the wire: what is odd but allowed is answered, what has no end is cut off."""

import asyncio
import contextlib
import http.client
import io
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from warmstart.serve.protocol import JoiningTransport

LIVE = "/v2/health/live"
PATH = "/v1/predict/cifar10_resnet20"


@pytest.fixture(scope="module")
def address(models):
    """Where a server listens that has a client timeout of a second."""
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer
    from warmstart.serve.settings import Settings

    with BackgroundServer(create_app(models, Settings(body_timeout=1.0))) as found:
        yield found


def opened(address):
    host, port = urlsplit(address).netloc.split(":")
    return closing(socket.create_connection((host, int(port)), timeout=15))


class Received(io.BytesIO):
    """All bytes of a connection, as a socket that outlives the answers that are read from it."""

    def makefile(self, *_, **__):
        return self

    def close(self):
        pass


def answers(address, *pieces, pause=0.0):
    """(status, body) of every answer on one connection, until the server closes it; and the seconds
    that took.
    """
    start, whole = time.monotonic(), b""
    with opened(address) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                whole += part
    received, found = Received(whole), []
    while received.tell() < len(whole):
        answer = http.client.HTTPResponse(received)
        answer.begin()
        found.append((answer.status, answer.read()))
    return found, time.monotonic() - start


def get(path=LIVE, *lines, version="1.1", method="GET", host="Host: localhost"):
    return "\r\n".join(
        [f"{method} {path} HTTP/{version}", *filter(None, (host,)), *lines, "", ""]
    ).encode()


def post(*lines):
    return get(PATH, *lines, method="POST")


def test_several_requests_at_once_are_answered_in_order(address):
    found, _ = answers(address, get() + get("/nothing") + get() + get("/v2", "Connection: close"))
    assert [status for status, _ in found] == [200, 404, 200, 200]
    assert json.loads(found[3][1])["name"] == "warmstart"


def test_requests_whose_answers_nobody_reads_are_bounded(address):
    found, _ = answers(address, get() * 60 + get(LIVE, "Connection: close"))
    assert [status for status, _ in found] == [200] * 61
    found, seconds = answers(address, get() * 5000)
    assert len(found) < 100
    assert seconds < 10


def test_a_request_may_come_byte_by_byte(address):
    whole = get("/v2", "Connection: close")
    found, _ = answers(address, *(whole[n : n + 1] for n in range(len(whole))), pause=0.002)
    assert [status for status, _ in found] == [200]


def test_old_clients_name_no_host(address):
    found, seconds = answers(address, get(version="1.0", host=""))
    assert [status for status, _ in found] == [200]
    assert seconds < 0.9  # closed at once, not at the end of the client timeout
    assert [status for status, _ in answers(address, get(host=""))[0]] == [400]


@pytest.mark.parametrize(
    "lines",
    [
        ("Connection: upgrade", "Upgrade: websocket"),
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"),
    ],
    ids=["websocket", "h2c"],
)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_a_request_for_another_protocol_is_answered_with_its_body(address, lines, is_chunked):
    body = b'{"inputs": ["ROMEO:"], "options": {"max_new_tokens": 1, "temperature": 0}}'
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if is_chunked else body
    path = "/v1/predict/shakespeare_gpt2"
    head = get(path, *lines, framing, "Content-Type: application/json", method="POST")
    last = get(LIVE, "Connection: close")
    for pieces in [
        (get(LIVE, *lines) + (head + sent) * 2 + last,),
        (
            get(LIVE, *lines) + head[:50],
            head[50:],
            sent[:9],
            sent[9:] + head + sent[:9],
            sent[9:] + last,
        ),
    ]:
        found, _ = answers(address, *pieces, pause=0.02)
        assert [status for status, _ in found] == [200] * 4
        assert len(json.loads(found[1][1])["results"]) == 1
        assert found[1] == found[2]


def test_a_request_for_another_protocol_needs_one_host(address):
    lines = ("Connection: upgrade", "Upgrade: h2c")
    for host in ("", "Host: localhost\r\nHost: localhost"):
        assert [status for status, _ in answers(address, get(LIVE, *lines, host=host))[0]] == [400]


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        get("x:80", method="CONNECT"),
        get("*", "Connection: close", method="OPTIONS"),
        get("http://["),
    ],
    ids=range(4),
)
def test_what_servers_of_pages_are_not_asked(address, sent):
    found, _ = answers(address, sent)
    assert [400 <= status < 500 for status, _ in found] == [True]
    assert json.loads(found[0][1]).keys() == {"error"}


def test_head_has_no_body(address):
    host = urlsplit(address).netloc
    connection = http.client.HTTPConnection(host, timeout=10)
    for path, status in (("/v2", 200), ("/nothing", 404)):
        connection.request("HEAD", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, b"")
    connection.close()


def test_what_follows_a_chunked_body_is_dropped(address):
    body = b"3\r\nabc\r\n0\r\nContent-Type: image/png\r\nHost: y\r\n\r\n"
    found, _ = answers(
        address,
        post("Transfer-Encoding: chunked", "Content-Type: image/jpeg") + body,
        get("/v2", "Connection: close"),
    )
    assert [status for status, _ in found] == [400, 200]  # "abc" is no picture


@pytest.mark.parametrize(
    "endless", [b"X: " + b"y" * 1000 + b"\r\n", b"y" * 1000], ids=["lines", "one line"]
)
@pytest.mark.parametrize(
    "begin", [get()[:-2], post("Transfer-Encoding: chunked") + b"0\r\n"], ids=["head", "trailer"]
)
def test_headers_without_end_are_cut_off(address, begin, endless):
    start = begin if endless.endswith(b"\n") else begin + b"X: "
    found, _ = answers(address, start, *[endless * 10] * 100)
    assert [status for status, _ in found] in (
        [400],
        [],
    )  # a client that still writes may miss the answer


def test_frames_without_content_are_cut_off(address):
    frame = b"1;" + b"x" * 1000 + b"\r\nx\r\n"
    found, _ = answers(address, post("Transfer-Encoding: chunked"), *[frame * 20] * 50)
    assert [status for status, _ in found] in ([400], [])


def test_small_chunks_are_a_body(address):
    frames = b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"
    found, _ = answers(
        address,
        post("Transfer-Encoding: chunked", "Connection: close", "Content-Type: image/png"),
        *(frames[n : n + 3000] for n in range(0, len(frames), 3000)),
    )
    assert [status for status, _ in found] == [400]
    assert b"JPEG" in found[0][1]  # and this is none


def test_who_says_nothing_more_is_left(address):
    for before, statuses in (
        ((b"",), []),
        ((get()[:20],), [408]),
        ((get(), b"\r\n"), [200]),
        ((get() + get()[:20],), [200, 408]),
        ((get(), get()[:20]), [200, 408]),
    ):
        found, seconds = answers(address, *before, pause=0.3)
        assert [status for status, _ in found] == statuses
        assert 0.5 < seconds < 10


def test_pieces_of_an_answer_for_a_client_that_has_gone_are_dropped(caplog):
    """Several may be written before the event loop hears that nobody reads them."""

    async def write():
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        theirs.close()
        joined = JoiningTransport(transport)
        for _ in range(20):
            joined.write(b"piece")
        joined.close()

    with ThreadPoolExecutor(1) as thread:  # the browser's tests leave a loop in this one
        thread.submit(lambda: asyncio.run(write())).result()
    assert not caplog.messages
