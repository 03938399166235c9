"""The limits and switches of a server."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from types import MappingProxyType
from typing import Any

from warmstart.errors import UsageError

MIB = 2**20
_HOST = r"([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
_NAME = re.compile(_HOST)
_ORIGIN = re.compile(rf"[a-z][a-z0-9+.-]*://{_HOST}(:[0-9]{{1,5}})?")
_DEFAULT_PORT = re.compile("http://.*:80|https://.*:443")
BUDGETS = MappingProxyType(
    {
        "top_k": 1_000_000,
        "max_boxes": 10_000,
        "max_answer_tokens": 1_000,
        "num_beams": 16,
        "num_return_sequences": 16,
        "min_new_tokens": 2048,
        "no_repeat_ngram_size": 1_000,
        "horizon": 10_000,
        "samples": 1_000,
        "beam": 128,
        "seconds": 60,
    }
)
"""The maximum value of each option that increases the work."""
WARMUP_OPTIONS = MappingProxyType(
    {"max_new_tokens": 2, "horizon": 2, "samples": 4, "seconds": 0.05}
)
"""Options of the first call of a model, before it is served; they limit its output."""


@dataclass(frozen=True)
class Settings:
    """Limits and switches of one server.

    Attributes:
        max_batch: inputs of several requests that go through the engine together.
        max_delay: seconds that an input waits for others while another batch is being computed.
        queue: inputs that may wait for one model; more are refused with 429.
        deadline: seconds from the headers of a request to its response; a client may request a
            shorter one.
        max_body: bytes of a request body, also after decompression.
        max_inputs: inputs of one request.
        max_text: characters of one text.
        max_pixels: pixels of one picture.
        max_audio: seconds of one recording; with channel=each, of all channels together.
        max_values: numbers of one series or table.
        max_columns: columns of one table.
        max_new_tokens: tokens that one input may generate.
        max_tokens: tokens that all inputs of a request may generate, times beams.
        max_cached_tokens: maximum tokens, with prompts, of the texts that a model generates at
            once; other texts wait. The keys and values of each token take memory.
        max_generated: other values that a request may generate step by step: steps times sample
            paths of all series, samples of sound.
        budgets: the maximum of each other option that increases the work, by name.
        body_timeout: seconds within which the headers of a request must arrive, then its body, and
            within which a client must read more of the response.
        drain: seconds from SIGTERM during which requests are still accepted while clients look for
            another server.
        grace: seconds after that within which running requests are finished.
        watch: seconds between checks for changed bundles; 0: never.
        token: the token that requests must have in `Authorization: Bearer …`; None: none.
        allow_urls: whether http(s) URLs in requests are fetched. Paths are never opened.
        max_connections: open connections. For a further one the longest idle one is closed; if none
            is idle, only health probes are served.
        keep_alive: seconds that a connection may be idle.
        cors: origins whose pages may use the server, such as "https://app.example.com"; "*": all.
        hosts: host names besides localhost that a server on a loopback address accepts, such as
            that of a proxy in front of it.
        tracing: whether to export an OpenTelemetry span for each request.
    """

    max_batch: int = 4
    max_delay: float = 0.05
    queue: int = 64
    deadline: float = 60.0
    max_body: int = 64 * MIB
    max_inputs: int = 64
    max_text: int = 200_000
    max_pixels: int = 50_000_000
    max_audio: float = 1800.0
    max_values: int = 4_000_000
    max_columns: int = 1000
    max_new_tokens: int = 2048
    max_tokens: int = 65_536
    max_cached_tokens: int = 4096
    max_generated: int = 5_000_000
    budgets: Mapping[str, float] = field(default_factory=lambda: BUDGETS)
    body_timeout: float = 30.0
    drain: float = 1.0
    grace: float = 60.0
    watch: float = 2.0
    token: str | None = None
    allow_urls: bool = False
    max_connections: int = 1000
    keep_alive: int = 75
    cors: Collection[str] = ()
    hosts: Collection[str] = ()
    tracing: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return partial(Settings, **{**values, "budgets": dict(self.budgets)}), ()

    def __post_init__(self) -> None:
        budgets = {**self.budgets, "max_new_tokens": self.max_new_tokens}
        object.__setattr__(self, "budgets", MappingProxyType(budgets))
        for name in (
            "max_batch",
            "queue",
            "max_body",
            "max_inputs",
            "max_text",
            "max_pixels",
            "max_values",
            "max_columns",
            "max_new_tokens",
            "max_tokens",
            "max_cached_tokens",
            "max_generated",
            "max_connections",
        ):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be 1 or more, not {getattr(self, name)}.")
        for name in ("max_delay", "drain", "grace", "watch"):
            if not 0 <= getattr(self, name) < 1e6:
                raise UsageError(f"{name} must be 0 or more seconds, not {getattr(self, name)}.")
        for name in ("deadline", "body_timeout", "max_audio"):
            if not 0 < getattr(self, name) < 1e6:
                raise UsageError(f"{name} must be more than 0 seconds, not {getattr(self, name)}.")
        if self.token is not None and not (
            self.token.isascii() and self.token.isprintable() and self.token.strip()
        ):
            raise UsageError("The token must be printable ASCII, and not empty.")
        object.__setattr__(self, "hosts", frozenset(name.lower() for name in self.hosts))
        object.__setattr__(self, "cors", frozenset(origin.lower() for origin in self.cors))
        for origin in self.cors:
            is_origin = _ORIGIN.fullmatch(origin) and not _DEFAULT_PORT.fullmatch(origin)
            if origin != "*" and not is_origin:
                raise UsageError(
                    f"{origin!r} is not an origin as browsers send it: a scheme, a host and maybe a port "
                    "(without :80 of http and :443 of https), such as https://app.example.com. There "
                    "are no patterns; name each origin, or '*' for all."
                )
        for name in self.hosts:
            if not _NAME.fullmatch(name):
                raise UsageError(
                    f"{name!r} is not the name of a host, such as models.example.com: it has no scheme, "
                    "port or pattern. Name each host."
                )
