"""Generated texts over HTTP: many at once, each as alone, none behind another."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import warmstart as ws

from .conftest import Client
from .processes import until

PATH = "/v1/predict/shakespeare_gpt2"
REQUESTS = [
    {"inputs": "ROMEO:", "options": {"max_new_tokens": 30}},
    {"inputs": "A", "options": {"max_new_tokens": 5, "seed": 4}},
    {
        "inputs": ["To be, or not", "\0", "JULIET:"],
        "options": {"max_new_tokens": 20, "top_k": 3, "seed": 1},
    },
    {"inputs": "A", "options": {"max_new_tokens": 12, "num_return_sequences": 3, "seed": 2}},
    {"inputs": "The king", "options": {"max_new_tokens": 10, "num_beams": 3}},
    {"inputs": "word " * 60, "options": {"max_new_tokens": 25, "temperature": 0.7, "seed": 9}},
]


@pytest.fixture(scope="module")
def server():
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer
    from warmstart.serve.settings import Settings

    model = ws.load("shakespeare_gpt2", engine="litert")
    app = create_app({"shakespeare_gpt2": model}, Settings(max_cached_tokens=1000))
    with BackgroundServer(app) as address:
        client = Client(address)
        client.served = app.state.warmstart.registry["shakespeare_gpt2"]
        yield client


def texts(answer) -> list:
    found = answer.json
    results = found.get("results", [found])
    return [
        one.get("error")
        or [one["text"], one["finish"], *(o["text"] for o in one.get("others", ()))]
        for one in results
    ]


def test_every_request_gets_what_it_gets_alone(server):
    alone = [texts(server.post(PATH, request)) for request in REQUESTS]
    with ThreadPoolExecutor(len(REQUESTS) * 3) as pool:
        answers = list(pool.map(lambda request: server.post(PATH, request), REQUESTS * 3))
    assert {answer.status for answer in answers} == {200}
    assert [texts(answer) for answer in answers] == alone * 3
    metrics = server.get("/metrics").body.decode()
    name = 'model="shakespeare_gpt2"'
    figures = {
        line.split()[0]: float(line.split()[1]) for line in metrics.splitlines() if name in line
    }
    steps = figures[f"warmstart_batch_size_count{{{name}}}"]
    assert figures[f"warmstart_batch_size_sum{{{name}}}"] > 1.5 * steps  # side by side
    assert figures[f"warmstart_first_text_seconds_count{{{name}}}"] > len(REQUESTS)
    assert figures[f"warmstart_cached_tokens{{{name}}}"] == 0


def test_a_short_text_is_not_behind_a_long_one(server):
    slow = {"inputs": "ROMEO:", "options": {"max_new_tokens": 2000, "overflow": "slide", "seed": 1}}
    answers = {}
    thread = threading.Thread(
        target=lambda: answers.update(slow=server.post(PATH, slow, X_Request_Timeout="3"))
    )
    thread.start()
    until(lambda: server.served.running)
    quick = server.post(PATH, REQUESTS[1])
    assert quick.status == 200
    assert thread.is_alive()  # it is still being generated
    thread.join(60)
    assert answers["slow"].status in (200, 504)


def test_a_stream_goes_on_beside_others(server):
    ask = {"model": "shakespeare_gpt2", "prompt": "ROMEO:", "max_tokens": 40, "temperature": 0}
    whole = server.post("/v1/completions", ask).json["choices"][0]["text"]
    with ThreadPoolExecutor(4) as pool:
        streams = list(
            pool.map(lambda _: server.post("/v1/completions", {**ask, "stream": True}), range(4))
        )
    for stream in streams:
        events = [
            json.loads(line[6:])
            for line in stream.body.decode().split("\n\n")
            if line.startswith("data: {")
        ]
        pieces = [event["choices"][0]["text"] for event in events if event["choices"]]
        assert "".join(pieces) == whole
        assert len(pieces) > 10


def test_a_request_that_needs_more_of_the_cache_than_there_is(server):
    ask = {"inputs": "A", "options": {"max_new_tokens": 200, "num_return_sequences": 8, "seed": 1}}
    answer = server.post(PATH, ask)
    assert answer.status == 413
    assert "tokens of the cache, and this server has 1,000" in answer.json["error"]
    waiting = {"inputs": ["A"] * 12, "options": {"max_new_tokens": 100}}  # 1,212 tokens: in turns
    start = time.monotonic()
    answer = server.post(PATH, waiting)
    assert answer.status == 200
    assert len({tuple(one) for one in texts(answer)}) == 1
    assert time.monotonic() - start < 30
