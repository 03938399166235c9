"""Large bodies are parsed in another process: with the same answers, and without holding up others."""

import base64
import contextlib
import gc
import io
import json
import os
import signal
import sys
import threading
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from .conftest import Client
from .processes import until

PHOTO, SERIES = "/v1/predict/cifar10_resnet20", "/v1/predict/deepar"
NUMBERS = b'{"inputs": [' + b"1.5," * 5_000_000 + b"1]}"
"""Refused, for they are more than the server takes, after they were parsed."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")


@pytest.fixture
def server(models):
    """A server of its own, whose `processes()` are those that parse for it."""
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    others = parsing_processes()
    with BackgroundServer(create_app(models)) as address:
        client = Client(address)
        client.processes = lambda: parsing_processes() - others
        yield client
    until(lambda: not client.processes(), 20)


def parsing_processes() -> set[int]:
    """The processes of this one that parse."""
    found = set()
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, children.read_text().split()):
            with contextlib.suppress(OSError):  # it has just ended
                if b"parsing_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.add(pid)
    return found


def large_bmp() -> bytes:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "bmp")
    return file.getvalue()


def test_base64(client):
    photo = large_bmp()
    expected = client.post(PHOTO, photo, Content_Type="image/bmp").json
    answer = client.post(PHOTO, {"inputs": base64.b64encode(photo).decode()})
    assert answer.status == 200, answer
    assert answer.json["predictions"] == expected["predictions"]


def test_tensors(client):
    rows = np.random.default_rng(0).random((20, 32, 32, 3), np.float32)
    tensor = {"name": "images", "datatype": "FP32", "shape": list(rows.shape)}
    whole = {"inputs": [{**tensor, "data": rows.ravel().tolist()}]}
    answer = client.post("/v2/models/cifar10_resnet20/infer", whole)
    assert answer.status == 200, answer
    first = {"inputs": [{**tensor, "shape": [1, 32, 32, 3], "data": rows[0].ravel().tolist()}]}
    expected = client.post("/v2/models/cifar10_resnet20/infer", first).json["outputs"][0]["data"]
    found = answer.json["outputs"][0]["data"][: len(expected)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_table(client):
    values = np.round(np.sin(np.arange(60_000) / 4), 3).tolist()
    query = "?horizon=3&samples=20&seed=1"
    expected = client.post(f"{SERIES}{query}", {"inputs": values}).json
    table = b"y\n" + b"".join(b"%.3f\n" % value for value in values)
    answer = client.post(f"{SERIES}{query}", table, Content_Type="text/csv")
    assert answer.status == 200, answer
    assert answer.json["results"][0]["mean"] == expected["mean"]


@pytest.mark.parametrize(
    ("path", "data", "says"),
    [
        (SERIES, b'{"inputs": [' + b"1," * 200_000 + b'"a"]}', "array of numbers"),
        (SERIES, b'{"inputs": [' + b"1," * 200_000, "JSON is invalid"),
        (SERIES, b'{"inputs": [1], "options": [' + b"1," * 200_000 + b"1]}", "options"),
        (
            "/v1/completions",
            b'{"model": "x", "a": [' + b"1," * 200_000 + b"1]}",
            "There is no field",
        ),
        ("/v2/models/deepar/infer", b'{"inputs": [' + b"1," * 200_000 + b"1]}", "tensor"),
    ],
)
def test_errors(client, path, data, says):
    answer = client.post(path, data, Content_Type="application/json")
    assert 400 <= answer.status < 500
    assert says in json.dumps(answer.json)


def test_other_requests_go_on(server, cat):
    answers = []
    parsing = threading.Thread(
        target=lambda: answers.append(server.post(SERIES, NUMBERS, Content_Type="application/json"))
    )
    parsing.start()
    others = 0
    while parsing.is_alive():
        assert server.post(PHOTO, cat, Content_Type="image/jpeg").status == 200
        others += 1
    assert answers[0].status == 413
    assert others > 2


@linux
def test_the_process_ends_at_the_deadline(server):
    path, media = SERIES, {"Content_Type": "application/json"}
    assert server.post(path, NUMBERS, X_Request_Timeout="0.15", **media).status == 504
    until(lambda: not server.processes(), 20)
    assert server.post(path, NUMBERS, **media).status == 413


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_whole_group_leave_the_process_to_the_server(server, number):
    media = {"Content_Type": "application/json"}
    assert server.post(SERIES, NUMBERS, **media).status == 413
    before = server.processes()
    for pid in before:
        os.kill(pid, number)
    assert "4,000,000 at most" in server.post(SERIES, NUMBERS, **media).json["error"]
    assert server.processes() == before


@linux
def test_the_process_is_killed(server):
    media = {"Content_Type": "application/json"}
    assert server.post(SERIES, NUMBERS, **media).status == 413
    [idle] = server.processes()
    os.kill(idle, signal.SIGKILL)
    assert server.post(SERIES, NUMBERS, **media).status == 413  # by a new process
    answers = []
    parsing = threading.Thread(target=lambda: answers.append(server.post(SERIES, NUMBERS, **media)))
    parsing.start()
    while parsing.is_alive():
        for pid in server.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert answers[0].status == 413
    assert "memory" in answers[0].json["error"]
    assert "4,000,000 at most" in server.post(SERIES, NUMBERS, **media).json["error"]


def test_a_refused_body_is_freed_without_the_garbage_collector(server):
    body = b'{"inputs": [' + b'"a",' * 250_000 + b"}"  # 1 MB
    refused = partial(server.post, SERIES, body, Content_Type="application/json")
    assert refused().status == 400
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(5):
            assert refused().status == 400
        in_use, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert in_use < 2 * len(body)
