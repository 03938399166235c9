"""Who may ask: this machine's own names, origins that are allowed, and whoever has the token."""

import contextlib
import json
import os
import socket
import time
from collections import Counter
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from tests.photos import CIFAR

import warmstart as ws

from .conftest import Client
from .processes import running, until

PATH = "/v1/predict/net"
ORIGIN = "https://app.example.com"


@contextlib.contextmanager
def serving(**settings):
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer
    from warmstart.serve.settings import Settings

    app = create_app({"net": ws.load(CIFAR, engine="litert")}, Settings(**settings))
    with BackgroundServer(app) as address:
        yield Client(address)


def test_the_url_of_an_ipv6_address():
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    app = create_app({"net": ws.load(CIFAR, engine="litert")})
    with BackgroundServer(app, "::1") as address:
        assert address.startswith("http://[::1]:")
        assert Client(address).get("/v2/health/live").status == 200


@pytest.fixture(scope="module")
def server():
    with serving() as client:
        yield client


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "127.8.8.8", "[::1]:8000", "a.localhost"]
)
def test_names_of_this_machine(server, host):
    assert server("GET", "/v1/models", None, {"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1"],
)
def test_names_that_resolve_to_this_machine_are_refused(server, host):
    """DNS rebinding."""
    answer = server("GET", "/v1/models", None, {"Host": host})
    assert answer.status == 403
    assert host in answer.json["error"]["message"]
    metrics = server.get("/metrics").body.decode()
    assert 'reason="foreign_host",status="403"' in metrics


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost:1", "null", "file://"]
)
def test_pages_of_other_origins_are_refused(server, cat, origin):
    for path, body, media in (
        (PATH, cat, "image/jpeg"),
        (PATH, cat, "text/plain"),
        ("/v1/completions", b"{}", "application/json"),
    ):
        headers = {"Origin": origin, "Content-Type": media}
        answer = server("POST", path, body, headers)
        assert answer.status == 403
        assert "--cors" in json.dumps(answer.json["error"])
    assert server("GET", "/v1/models", None, {"Origin": origin}).status == 403


def test_its_own_page_may_ask(server, cat):
    headers = {"Origin": server.address, "Content-Type": "image/jpeg"}
    assert server("POST", PATH, cat, headers).status == 200


def test_origins_that_are_allowed(cat):
    with serving(cors=(ORIGIN,), token="secret-7") as client:
        ask = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
        answer = client("OPTIONS", PATH, None, ask)
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "authorization" in answer.headers["access-control-allow-headers"]
        headers = {"Origin": ORIGIN, "Content-Type": "image/jpeg"}
        answer = client("POST", PATH, cat, headers)
        assert answer.status == 401
        assert answer.headers["access-control-allow-origin"] == ORIGIN  # so that the page sees it
        answer = client("POST", PATH, cat, {**headers, "Authorization": "Bearer secret-7"})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        ask["Origin"] = "https://evil.example"
        answer = client("OPTIONS", PATH, None, ask)
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_proxy_in_front(cat):
    with serving(hosts=("models.example.com",)) as client:
        headers = {"Host": "models.example.com", "Content-Type": "image/jpeg"}
        assert client("POST", PATH, cat, headers).status == 200
        headers["Origin"] = "https://models.example.com"
        assert client("POST", PATH, cat, headers).status == 200


def test_headers_of_a_preflight_request():
    """Clients add headers of their own, such as the `x-stainless-os` of OpenAI's."""
    from warmstart.serve.origins import ALLOWED_HEADERS, preflight
    from warmstart.serve.settings import Settings

    def allowed(requested):
        ask = {"origin": ORIGIN, "access-control-request-method": "POST"}
        ask |= {"access-control-request-headers": requested} if requested else {}
        return dict(preflight(ask, Settings(cors=(ORIGIN,)))[0]["headers"])[
            b"access-control-allow-headers"
        ].decode()

    for requested in ("x-stainless-os", "authorization,content-type,x-stainless-os", "a, b"):
        assert allowed(requested) == requested
    for requested in ("", "*", "a\r\nb", "a" * 100, ",".join(["a"] * 100)):
        assert allowed(requested) == ALLOWED_HEADERS


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(
            ("cors", origin, "is not an origin")
            for origin in (
                "app.example.com",
                "https://app.example.com/",
                "https://",
                "",
                "https://*.example.com",
                "https://app.example.com:443",
                "http://app.example.com:80",
                "https://bücher.example",
            )
        ),
        *(
            ("hosts", host, "is not the name of a host")
            for host in ("*", "http://example.com", "example.com:8000", "*.example.com", "", "::1")
        ),
    ],
)
def test_what_never_matches_is_refused(name, value, message):
    from warmstart.errors import UsageError
    from warmstart.serve.settings import Settings

    with pytest.raises(UsageError, match=message):
        Settings(**{name: (value,)})
    origins = (
        "*",
        "https://app.example.com",
        "http://localhost:3000",
        "http://[::1]:80",
        "app://x",
    )
    Settings(cors=(origins[0], *origins[1:3], origins[4]), hosts=("a-b.example.com", "[::1]", "x"))


def test_json_endpoints_demand_json(client):
    """A page may send a form, a text, or a body of no type without asking first."""
    ask = json.dumps({"model": "shakespeare_gpt2", "prompt": "A", "max_tokens": 1}).encode()
    for media in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client("POST", "/v1/completions", ask, {"Content-Type": media})
        assert answer.status == 415
        assert "application/json" in answer.json["error"]["message"]
    media = "application/json; charset=utf-8"
    assert client("POST", "/v1/completions", ask, {"Content-Type": media}).status == 200
    answer = client.post("/v2/models/cifar10_resnet20/infer", b"{}", Content_Type="text/plain")
    assert answer.status == 415


@pytest.mark.parametrize(
    ("arguments", "environment"), [((), ""), (("--token", ""), None), (("--token", " "), "x")]
)
def test_an_empty_token_is_an_error(arguments, environment, monkeypatch):
    from click.testing import CliRunner

    from warmstart.cli.app import app

    if environment is not None:
        monkeypatch.setenv("WARMSTART_TOKEN", environment)
    result = CliRunner().invoke(app, ["serve", str(CIFAR), *arguments])
    assert result.exit_code
    assert "token" in (str(result.exception) + result.output).lower()
    assert "empty" in str(result.exception) + result.output


def connect(client: Client) -> socket.socket:
    host, port = urlsplit(client.address).netloc.split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_idle_connections_make_room(cat):
    with serving(max_connections=20) as client, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(closing(connect(client))) for _ in range(200)]
        for one in idle[100:]:
            with contextlib.suppress(OSError):
                one.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n")  # begun, and never ended
        assert client.get("/v2/health/live").status == 200
        assert client.post(PATH, cat, Content_Type="image/jpeg").status == 200


def test_probes_are_answered_while_all_connections_are_in_use(cat):
    head = b"POST /v1/predict/net HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    with serving(max_connections=5) as client, contextlib.ExitStack() as stack:

        def no_room() -> bool:
            stack.enter_context(closing(connect(client))).sendall(head)
            return client.post(PATH, cat, Content_Type="image/jpeg").status == 503

        until(no_room)
        assert client.get("/v2/health/live").status == 200
        answer = client.post(PATH, cat, Content_Type="image/jpeg")
        assert "connections" in answer.json["error"]
        assert answer.headers["retry-after"] == "1"
        assert client.get("/v2/health/ready").status == 200


def test_a_burst_of_new_connections_is_answered():
    """Each has a moment to send its request; what is too much is told so, and is not reset."""
    ask = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with serving(max_connections=5) as client, contextlib.ExitStack() as stack:
        # 133 may stay open; 67 are turned away before they send anything
        burst = [stack.enter_context(closing(connect(client))) for _ in range(200)]
        for one in burst:
            one.sendall(ask)
        answers = [b"".join(iter(lambda one=one: one.recv(65536), b"")) for one in burst]
        metrics = client.get("/metrics").body.decode()
    statuses = Counter(int(answer.split()[1]) for answer in answers)
    assert set(statuses) == {200, 503}
    assert statuses[200] >= 5
    for answer in answers:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert ("error" in json.loads(body)) == (b" 503 " in head) == (b"retry-after: 1" in head)
    assert f'reason="crowded",status="503"}} {statuses[503]}.0' in metrics


def test_refusals_of_what_is_not_http_are_logged():
    with running(f"net={CIFAR}", "--body-timeout", "0.5") as server:
        client = Client(server.address)
        for sent, status, reason in (
            (b"\x16\x03\x01", 400, "no_http"),
            (b"GET / HT", 408, "slow"),
        ):
            with closing(connect(client)) as connection:
                connection.sendall(sent + (b"\r\n\r\n" if status == 400 else b""))
                answer = connection.recv(1000)
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert "error" in json.loads(answer.partition(b"\r\n\r\n")[2])
            until(lambda reason=reason: any(f'"{reason}"' in line for line in server.log))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="limits of files are those of POSIX")
def test_a_thousand_idle_sockets_do_not_starve_the_probe():
    with running(f"net={CIFAR}", "--max-connections", "300") as server:
        client = Client(server.address)
        with contextlib.ExitStack() as stack:
            for _ in range(900):
                stack.enter_context(closing(connect(client)))
            start = time.monotonic()
            assert client.get("/v2/health/live").status == 200
            assert time.monotonic() - start < 2
