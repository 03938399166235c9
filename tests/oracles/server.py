"""One server with the models of all cases."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..serve.processes import running


@contextmanager
def serving(arguments: Sequence[str]) -> Iterator[Callable[[str, Any], tuple[int, Any]]]:
    """`warmstart serve` as a process; gives (path, JSON body or None) -> (status, JSON)."""
    with running(
        *arguments, "--watch", "0", "--no-access-log", environment={"WARMSTART_OFFLINE": "1"}
    ) as process:
        connection = http.client.HTTPConnection(urlsplit(process.address).netloc, timeout=60)

        def ask(path: str, body: Any) -> tuple[int, Any]:
            method, data = ("GET", None) if body is None else ("POST", json.dumps(body))
            connection.request(
                method, path, data, {"Content-Type": "application/json"} if data else {}
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

        try:
            yield ask
        finally:
            connection.close()
