"""One server for the tests that do not break it: models that answer at once, on loopback, in a
thread.
"""

import http.client
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.photos import CIFAR

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
SERVED = {
    "cifar10_resnet20": CIFAR,
    "shakespeare_gpt2": "shakespeare_gpt2",
    "deepar": "deepar",
}


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Plain HTTP, one connection a request."""

    def __init__(self, address: str):
        self.address, self.host = address, urlsplit(address).netloc

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        headers = dict(headers or {})
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self("GET", path, None, headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self(
            "POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )


@pytest.fixture(scope="session")
def models():
    import warmstart as ws

    return {name: ws.load(source, engine="litert") for name, source in SERVED.items()}


@pytest.fixture(scope="session")
def client(models):
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    with BackgroundServer(create_app(models)) as address:
        yield Client(address)


@pytest.fixture(scope="session")
def cat() -> bytes:
    return (PHOTOS / "cat.jpg").read_bytes()
