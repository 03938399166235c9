"""Full queues, deadlines, tokens, and what is only allowed when it is switched on."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.image import decoder

from .conftest import Client
from .processes import until

CAT = "/v1/predict/net"


@pytest.fixture
def serving():
    """Starts servers of one model whose engine can be held."""
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer
    from warmstart.serve.settings import Settings

    opened = []

    def start(**options):
        model = ws.load(CIFAR, engine="litert")
        model.engine.workers = lambda count: (
            model.engine,
        )  # so that all goes through the one that is held
        app = create_app({"net": model}, Settings(**options))
        server = BackgroundServer(app)
        client = Client(server.__enter__())
        run, client.gate, client.inside = model.engine.run, threading.Event(), threading.Event()
        client.gate.set()

        def held(function, **arrays):
            client.inside.set()
            assert client.gate.wait(30)
            return run(function, **arrays)

        model.engine.run = held
        client.engine = model.engine
        client.batcher = app.state.warmstart.registry["net"].batcher
        opened.append((client, server))
        return client

    yield start
    for client, server in opened:
        client.gate.set()
        server.__exit__()


def test_more_than_fits_is_refused_and_the_rest_is_answered(serving, cat):
    client = serving(queue=2, max_batch=1)
    client.gate.clear()
    client.inside.clear()
    with ThreadPoolExecutor(10) as pool:
        first = [pool.submit(client.post, CAT, cat, Content_Type="image/jpeg") for _ in range(2)]
        until(lambda: client.batcher.running == 2)
        first += [pool.submit(client.post, CAT, cat, Content_Type="image/jpeg") for _ in range(2)]
        until(lambda: client.batcher.waiting == 2)
        for path in (CAT, "/v2/models/net/infer"):
            answer = client.post(
                path, cat, Content_Type="image/jpeg", Inference_Header_Content_Length="0"
            )
            assert answer.status == 429
            assert answer.headers["retry-after"] == "1"
            assert "waiting" in answer.json["error"]
        client.gate.set()
        assert [one.result(30).status for one in first] == [200] * 4
    metrics = client.get("/metrics").body.decode()
    assert 'warmstart_requests_total{model="net",reason="full",status="429"} 2.0' in metrics
    assert 'warmstart_pending{model="net"} 0.0' in metrics


def test_deadlines(serving, cat):
    client = serving(deadline=0.3)
    client.gate.clear()
    answer = client.post(CAT, cat, Content_Type="image/jpeg")
    assert answer.status == 504
    assert "deadline" in answer.json["error"]
    client.gate.set()
    assert client.post(CAT, cat, Content_Type="image/jpeg", X_Request_Timeout="30").status in (
        200,
        504,
    )
    for wrong in ("0", "-1", "x", "nan", "inf"):
        assert (
            client.post(CAT, cat, Content_Type="image/jpeg", X_Request_Timeout=wrong).status == 400
        )


def test_several_requests_share_a_batch(serving, cat):
    client = serving(max_batch=4)
    client.gate.clear()
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(client.post, CAT, cat, Content_Type="image/jpeg") for _ in range(6)]
        asked += [
            pool.submit(client.post, CAT, b"no picture", Content_Type="image/jpeg")
            for _ in range(2)
        ]
        until(lambda: client.batcher.running == 2)
        client.gate.set()
        answers = [one.result(30) for one in asked]
    assert [one.status for one in answers] == [200] * 6 + [400] * 2
    assert len({one.body for one in answers[:6]}) == 1
    assert (
        'warmstart_batch_size_bucket{le="1.0",model="net"} 8'
        not in client.get("/metrics").body.decode()
    )


def test_a_token(serving, cat):
    client = serving(token="secret-7")
    for headers in (
        {},
        {"Authorization": "secret-7"},
        {"Authorization": "Bearer secret-8"},
        {"Authorization": "Basic secret-7"},
        {"Authorization": "Bearer "},
    ):
        for path in ("/v1/models", "/metrics", "/openapi.json", "/v2"):
            answer = client("GET", path, None, headers)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
    right = {"Authorization": "Bearer secret-7"}
    assert client("POST", CAT, cat, {"Content-Type": "image/jpeg", **right}).status == 200
    assert client("GET", "/openapi.json", None, right).json["security"] == [{"token": []}]
    for path in ("/", "/v2/health/live", "/v2/health/ready", "/page/index.html"):
        assert client.get(path).status == 200


def test_addresses_only_where_they_are_allowed(serving, cat, tmp_path):
    import functools
    import http.server

    (tmp_path / "cat.jpg").write_bytes(cat)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        ask = {"inputs": f"http://127.0.0.1:{files.server_port}/cat.jpg"}
        assert serving().post(CAT, ask).status == 400
        allowed = serving(allow_urls=True)
        assert allowed.post(CAT, ask).json["predictions"][0]["label"] == "cat"
        assert allowed.post(CAT, {"inputs": ask["inputs"] + "x"}).status == 400
        for path in (str(tmp_path / "cat.jpg"), f"file://{tmp_path}/cat.jpg"):
            assert allowed.post(CAT, {"inputs": path}).status == 400
        files.shutdown()


def test_slow_addresses_end_with_the_deadline(serving, cat):
    import http.server

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.2)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as files:
        files.daemon_threads = True
        threading.Thread(target=files.serve_forever, daemon=True).start()
        client = serving(allow_urls=True, deadline=1.0)
        slow = [f"http://127.0.0.1:{files.server_port}/{n}.jpg" for n in range(8)]
        assert client.post(CAT, {"inputs": slow}).status == 504
        until(lambda: not client.batcher.running, 5)
        assert client.post(CAT, cat, Content_Type="image/jpeg").status == 200
        files.shutdown()


def test_a_failing_engine_is_reported_without_details(serving, cat):
    client = serving()

    def broken(function, **arrays):
        raise RuntimeError("the secret of the house")

    client.engine.run = broken
    answer = client.post(CAT, cat, Content_Type="image/jpeg")
    assert answer.status == 500
    assert b"secret" not in answer.body


def readiness(client: Client) -> tuple[int, int, bool]:
    """The status of the server's and the model's readiness, and whether the metric says ready."""
    metrics = client.get("/metrics").body.decode()
    server, model = (
        client.get(path).status for path in ("/v2/health/ready", "/v2/models/net/ready")
    )
    return server, model, 'warmstart_model_ready{model="net"} 1.0' in metrics


def test_a_model_whose_answers_fail_is_not_ready_until_it_answers_again(serving, cat, monkeypatch):
    monkeypatch.setattr("warmstart.serve.registry.HEALTH_CHECK_SECONDS", 0.1)
    client = serving()
    works, fails = client.engine.run, threading.Event()
    fails.set()

    def run(function, **arrays):
        if fails.is_set():
            raise RuntimeError("out of order")
        return works(function, **arrays)

    client.engine.run = run
    for _ in range(3):
        assert readiness(client) == (200, 200, True)
        assert client.post(CAT, b"no photo", Content_Type="image/jpeg").status == 400
        assert client.post(CAT, cat, Content_Type="image/jpeg").status == 500
    assert readiness(client) == (503, 503, False)
    fails.clear()
    until(lambda: readiness(client) == (200, 200, True))


def test_a_model_that_hangs_is_not_ready(serving, cat):
    client = serving(deadline=0.2)
    client.gate.clear()
    for _ in range(2):  # one for each thread
        assert client.post(CAT, cat, Content_Type="image/jpeg").status == 504
    until(lambda: readiness(client) == (503, 503, False))
    assert client.get("/v2/health/live").status == 200
    client.gate.set()
    until(lambda: readiness(client) == (200, 200, True))


def test_large_photos_are_answered_one_at_a_time(client, cat, monkeypatch):
    running, counts, real = [], [], decoder.decode

    def decode(*arguments, **options):
        running.append(None)
        counts.append(len(running))
        time.sleep(0.02)
        try:
            return real(*arguments, **options)
        finally:
            running.pop()

    monkeypatch.setattr("warmstart.image.decoder.decode", decode)
    monkeypatch.setattr("warmstart.image.inputs.LARGE", 0)
    with ThreadPoolExecutor(6) as pool:
        path, media = "/v1/predict/cifar10_resnet20", {"Content_Type": "image/jpeg"}
        answers = list(pool.map(lambda _: client.post(path, cat, **media).status, range(6)))
    assert answers == [200] * 6
    assert counts == [1] * 6
