"""Work is bounded before it starts, and stops when nobody waits for it."""

import json
import socket
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest

import warmstart as ws

from .conftest import Client
from .processes import until

WORK = {  # takes far longer than the tests wait
    "shakespeare_gpt2": {
        "inputs": ["ROMEO:"] * 8,
        "options": {"max_new_tokens": 2048, "overflow": "slide", "temperature": 1.0},
    },
    "deepar": {"inputs": [1.0, 2.0, 3.0] * 40, "options": {"horizon": 4900, "samples": 1000}},
    "digits_wavenet": {"inputs": "seven " * 500},
}
STOPPED = 3.0
"""Seconds after which nothing may run any more, on a busy machine; benchmarks/serving_pressure.py has the bar."""


@pytest.fixture(scope="module")
def server():
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    app = create_app({name: ws.load(name, engine="litert") for name in WORK})
    with BackgroundServer(app) as address:
        client = Client(address)
        client.registry = app.state.warmstart.registry
        yield client


def sent(client: Client, path: str, body: object) -> socket.socket:
    """A connection on which a request was sent."""
    host, port = urlsplit(client.address).netloc.split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return connection


def stops(client: Client, name: str) -> None:
    served = client.registry[name]
    until(lambda: not served.running and not served.waiting, STOPPED)


@pytest.mark.parametrize("name", WORK)
def test_work_stops_when_the_client_leaves(server, name):
    with closing(sent(server, f"/v1/predict/{name}", WORK[name])):
        until(lambda: server.registry[name].running)
        time.sleep(0.3)
        assert server.registry[name].running
    stops(server, name)


@pytest.mark.parametrize("name", WORK)
def test_work_stops_at_its_deadline(server, name):
    answer = server.post(f"/v1/predict/{name}", WORK[name], X_Request_Timeout="0.5")
    assert answer.status == 504
    stops(server, name)


@pytest.mark.parametrize("stream", [False, True])
def test_completions_stop_when_the_client_leaves(server, stream):
    ask = {"model": "shakespeare_gpt2", "prompt": "A", "max_tokens": 120, "stream": stream}
    with closing(sent(server, "/v1/completions", ask)):
        until(lambda: server.registry["shakespeare_gpt2"].running)
    stops(server, "shakespeare_gpt2")


def test_one_that_leaves_does_not_stop_the_others_of_its_batch(server):
    ask = {"inputs": "ROMEO:", "options": {"max_new_tokens": 100, "seed": 1}}
    path = "/v1/predict/shakespeare_gpt2"
    expected = server.post(path, ask).json["text"]
    others = [sent(server, path, ask) for _ in range(4)]
    stays = sent(server, path, ask)
    for other in others:
        other.close()
    with closing(stays):
        head, _, body = stays.recv(2**20).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["text"] == expected


@pytest.mark.parametrize(
    ("name", "inputs", "options"),
    [
        (
            "shakespeare_gpt2",
            ["A"] * 64,
            {"max_new_tokens": 2048, "num_beams": 16, "overflow": "slide"},
        ),
        ("digits_wavenet", "seven " * 2000, {}),
        ("digits_wavenet", ["seven"] * 64, {"seconds": 60}),
        ("deepar", [1.0, 2.0, 3.0], {"horizon": 10_000, "samples": 1000}),
        ("deepar", [[1.0, 2.0, 3.0]] * 64, {"horizon": 1000, "samples": 100}),
        ("deepar", {f"s{n}": [1.0, 2.0, 3.0] for n in range(900)}, {"samples": 1000}),
    ],
    ids=range(6),
)
def test_more_than_a_request_may_generate(server, name, inputs, options):
    start = time.monotonic()
    answer = server.post(f"/v1/predict/{name}", {"inputs": inputs, "options": options})
    assert answer.status == 413, answer
    assert "may generate" in answer.json["error"]
    assert time.monotonic() - start < 5


def test_a_header_wider_than_its_rows_is_refused_before_it_is_parsed(server):
    table = b",".join(b"c%d" % n for n in range(1000)) + b"\n" + b"1\n" * 5000
    start = time.monotonic()
    answer = server.post("/v1/predict/deepar", table, Content_Type="text/csv")
    assert answer.status == 400, answer
    assert "line 1 has 1,000 cells" in answer.json["error"]
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "table",
    [
        b"," * 2**16,
        b" \n \n" + b"," * 2**16,
        b"a;b\n" + b";" * 2**16,
        b",".join(b"c%d" % n for n in range(1000)) + b"\n" + (b"1" + b",2" * 999 + b"\n") * 5000,
        b'a,b\n1,x"' + b"," * 2**16 + b'"\n',
        b"t\n" + b"1\n" * 5_000_000,
    ],
    ids=["commas", "blank lines first", "second line", "wide", "quote inside a field", "rows"],
)
def test_wide_tables_are_refused_before_they_are_parsed(server, table):
    start = time.monotonic()
    answer = server.post("/v1/predict/deepar", table, Content_Type="text/csv")
    assert answer.status == 413, answer
    assert "at most" in answer.json["error"]
    assert time.monotonic() - start < 10


def test_separators_inside_of_quotes_are_not_columns(server):
    rows = b"".join(b'"%s",%d\n' % (b"," * 2000, n) for n in range(30))
    table = b"note,y\n" + rows
    answer = server.post("/v1/predict/deepar?target=y&horizon=2", table, Content_Type="text/csv")
    assert answer.status == 200, answer


@pytest.mark.parametrize(
    "text",
    [
        b'{"inputs": [1, ' + b"[" * 40 + b"]" * 40 + b"]}",
        b'{"inputs": [' + b"[]," * 1_100_000 + b"[]]}",
        b'{"inputs": [' + b"1," * 10_100_000 + b"1]}",
        b'{"inputs": [' + b'"",' * 2_100_000 + b'""]}',
        b'{"inputs": {' + b'"a":1,' * 2_100_000 + b'"a":1}}',
    ],
    ids=["deep, not first", "arrays", "numbers", "strings", "keys"],
)
def test_json_bombs(server, text):
    answer = server.post("/v1/predict/deepar", text, Content_Type="application/json")
    assert answer.status in (400, 413), answer
    assert "JSON" in answer.json["error"]


def test_wide_json_tables(server):
    wide = {"inputs": {f"c{n}": [1.0] for n in range(1001)}}
    answer = server.post("/v1/predict/deepar", wide)
    assert (answer.status, "columns" in answer.json["error"]) == (413, True)
    rows = {"name": "series", "datatype": "FP64", "shape": [1001, 1], "data": [0.0] * 1001}
    assert server.post("/v2/models/deepar/infer", {"inputs": [rows]}).status == 413
