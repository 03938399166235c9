"""`warmstart serve`: models over HTTP."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import click

from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import (
    COMPILED,
    engine_option,
    offline_option,
    precision_option,
    weights_or_random_option,
)

if TYPE_CHECKING:
    from warmstart.core.model import Model

LIMITS = "Limits"
ACCESS = "Access"
POSITIVE = click.IntRange(min=1)
SECONDS = click.FloatRange(min=0)
TIMEOUT = click.FloatRange(min=0.001)
LIMIT_OPTIONS: tuple[tuple[str, click.ParamType[Any], float, str], ...] = (
    ("max-batch", POSITIVE, 4, "Maximum number of inputs in a batch."),
    (
        "max-delay",
        SECONDS,
        50.0,
        "Maximum milliseconds that an input waits for others while the engine is busy.",
    ),
    (
        "queue",
        POSITIVE,
        64,
        "Maximum number of inputs waiting for a model; more are answered with 429.",
    ),
    ("deadline", TIMEOUT, 60.0, "Maximum seconds for a request."),
    ("max-body", POSITIVE, 64, "Maximum MiB of a request, also after decompression."),
    ("max-inputs", POSITIVE, 64, "Maximum number of inputs of a request."),
    ("max-text", POSITIVE, 200_000, "Maximum number of characters of a text."),
    ("max-pixels", POSITIVE, 50, "Maximum megapixels of a photo."),
    (
        "max-audio",
        TIMEOUT,
        1800.0,
        "Maximum seconds of a recording; with channel=each, of all channels together.",
    ),
    ("max-values", POSITIVE, 4_000_000, "Maximum number of values of a series or table."),
    ("max-columns", POSITIVE, 1000, "Maximum number of columns of a table."),
    ("max-new-tokens", POSITIVE, 2048, "Maximum number of tokens that an input may generate."),
    (
        "max-tokens",
        POSITIVE,
        65_536,
        "Maximum number of tokens that all inputs of a request may generate, times beams.",
    ),
    (
        "max-cached-tokens",
        POSITIVE,
        4096,
        "Maximum number of tokens, with prompts, of the texts that a model generates at "
        "once; other texts wait.",
    ),
    (
        "max-generated",
        POSITIVE,
        5_000_000,
        "Maximum number of other values that a request may generate: steps times sample "
        "paths, or audio samples.",
    ),
    (
        "max-connections",
        POSITIVE,
        1000,
        "Maximum number of open connections; idle ones are closed for new ones.",
    ),
    ("keep-alive", POSITIVE, 75, "Maximum seconds that a connection may be idle."),
    (
        "body-timeout",
        TIMEOUT,
        30.0,
        "Maximum seconds until the headers of a request have arrived, then its body, and until a "
        "client reads more of the response.",
    ),
    ("drain", SECONDS, 1.0, "Seconds after SIGTERM in which requests are still accepted."),
    ("grace", SECONDS, 60.0, "Seconds after --drain in which running requests may finish."),
)
"""Name, type, default and help of the options that are limits of `Settings`."""
COMMON_LIMITS = {"max-batch", "max-delay", "queue", "deadline", "max-inputs"}
"""The limits that `--help` lists; `--help-all` lists all."""


@click.command(
    "serve",
    cls=Command,
    examples=(
        "warmstart serve efficientnet_lite0",
        "warmstart serve film=sst2_bert_tiny ./my-model --port 9000",
        "warmstart serve ./my-model --host 0.0.0.0 --token SECRET",
    ),
    params=[
        Argument(
            ["models"],
            nargs=-1,
            help=(
                "Names from `warmstart list`, folders, or hf://org/name. `NAME=` before one "
                "serves it under that name: flowers=path/of/bundle. Default: the models that "
                "ship with the package."
            ),
        ),
        Option(["--host"], default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all."),
        Option(
            ["--port"],
            type=click.IntRange(0, 65535),
            default=8000,
            help="Port to listen on; 0 for any free one.",
        ),
        engine_option(COMPILED),
        precision_option(),
        weights_or_random_option(),
        offline_option(),
        Option(
            ["--no-access-log"],
            is_flag=True,
            help="Write no access log to standard output.",
        ),
        Option(
            ["--trace"],
            is_flag=True,
            help="Export an OpenTelemetry span for each request to OTEL_EXPORTER_OTLP_ENDPOINT.",
            rare=True,
        ),
        Option(
            ["--watch"],
            type=click.FloatRange(min=0),
            default=2.0,
            help="Seconds between checks for changed bundles, which are loaded without losing a "
            "request; 0: never.",
        ),
        *(
            Option(
                [f"--{name}"],
                type=value_type,
                default=default,
                help=text,
                panel=LIMITS,
                rare=name not in COMMON_LIMITS,
            )
            for name, value_type, default, text in LIMIT_OPTIONS
        ),
        Option(
            ["--token"],
            envvar="WARMSTART_TOKEN",
            help="Require `Authorization: Bearer TOKEN`; also from WARMSTART_TOKEN.",
            panel=ACCESS,
        ),
        Option(
            ["--allow-urls"],
            is_flag=True,
            help="Fetch http(s) URLs in requests; paths are never opened.",
            panel=ACCESS,
        ),
        Option(
            ["--cors"],
            multiple=True,
            metavar="ORIGIN",
            help=(
                "Origin whose pages may use the server, such as https://app.example.com; `*` for "
                "all."
            ),
            panel=ACCESS,
        ),
        Option(
            ["--allow-host"],
            multiple=True,
            metavar="NAME",
            help=(
                "Host name to accept in addition to localhost, such as that of a proxy in front "
                "of the server."
            ),
            panel=ACCESS,
        ),
    ],
)
def command(
    models: tuple[str, ...],
    host: str,
    port: int,
    engine: str,
    precision: str,
    weights: str,
    offline: bool,
    no_access_log: bool,
    trace: bool,
    watch: float,
    token: str | None,
    allow_urls: bool,
    cors: tuple[str, ...],
    allow_host: tuple[str, ...],
    **limits: Any,
) -> None:
    """Serve models over HTTP: a page, a plain endpoint, the Open Inference Protocol, OpenAI's
    endpoints.
    """
    from warmstart.errors import UsageError, require

    require(
        "starlette",
        "uvicorn",
        "msgspec",
        "prometheus_client",
        extra="serve",
        purpose="to serve models",
    )
    if engine == "keras":
        raise UsageError("The server does not support the keras engine, which needs TensorFlow.")
    from warmstart.cli.models import open_engine, open_model
    from warmstart.core.terminal import say
    from warmstart.serve.app import create_app
    from warmstart.serve.logs import write_logs
    from warmstart.serve.models import open_models
    from warmstart.serve.server import bound, run
    from warmstart.serve.settings import MIB, Settings
    from warmstart.serve.tracing import export_spans

    if token is None and os.environ.get("WARMSTART_TOKEN") == "":
        raise UsageError("WARMSTART_TOKEN is empty; set it to a token, or unset it.")
    limits["max_delay"] /= 1e3
    limits["max_body"] *= MIB
    limits["max_pixels"] *= 10**6
    settings = Settings(
        watch=watch,
        token=token,
        allow_urls=allow_urls,
        cors=cors,
        hosts=allow_host,
        tracing=trace,
        **limits,
    )
    names = list(models)
    if not names:
        names = embedded_models()
        say(f"No model was named; serving those that ship with the package: {', '.join(names)}")
    options = {
        "engine": engine,
        "precision": precision,
        "weights": None if weights == "random" else weights,
    }

    def load(name: str) -> Model[Any, Any, Any]:
        return open_model(name, offline=offline or None, **options)

    with (
        export_spans() if trace else contextlib.nullcontext(),
        write_logs(access=not no_access_log),
        bound(host, port) as sockets,
        open_models(names, load, copied=watch > 0) as opened,
    ):
        for name, model in opened.models.items():
            open_engine(model)
            say(f"{name}: {model.task}, engine {model.engine.name}")
        app = create_app(opened.models, settings)
        with opened.reloading(app.state.warmstart, load):
            run(app, host, sockets, lambda address: say(f"Serving on {address} (Ctrl+C stops)"))


def embedded_models() -> list[str]:
    """Names of the models that ship with the package."""
    from warmstart.catalog import search

    return [
        entry.name
        for entry in search()
        if any(file.source.startswith("embedded:") for file in entry.weights.values())
    ]
