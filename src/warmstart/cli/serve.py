"""`warmstart serve`: models over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import engine_option, offline_option, precision_option

if TYPE_CHECKING:
    from warmstart.core.model import Model

LIMITS = "Limits"
SAFETY = "Access"
POSITIVE = click.IntRange(min=1)


@click.command(
    "serve",
    cls=Command,
    params=[
        Argument(
            ["models"],
            nargs=-1,
            help="Names from `warmstart list`, folders, or hf://org/name, each with another name "
            "before `=` if you like: flowers=path/of/bundle. Default: the models inside the "
            "package.",
        ),
        Option(["--host"], default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all."),
        Option(["--port"], type=click.IntRange(0, 65535), default=8000, help="0 takes a free one."),
        engine_option(("auto", "litert", "openvino")),
        precision_option(),
        Option(
            ["--weights"],
            default="pretrained",
            help="A checkpoint to use instead of the published weights; `random` for speed tests.",
        ),
        offline_option(),
        Option(
            ["--no-access-log"],
            is_flag=True,
            help="Write no JSON object for each request to standard output.",
        ),
        Option(
            ["--watch"],
            type=click.FloatRange(min=0),
            default=2.0,
            help="Seconds between checks for changed bundles, which are loaded without losing a "
            "request; 0: never.",
        ),
        Option(
            ["--max-batch"],
            type=POSITIVE,
            default=4,
            help="Inputs that go through the engine together.",
            panel=LIMITS,
        ),
        Option(
            ["--max-delay"],
            type=click.FloatRange(min=0),
            default=50.0,
            help="Milliseconds that an input waits for others while the engine is busy.",
            panel=LIMITS,
        ),
        Option(
            ["--queue"],
            type=POSITIVE,
            default=64,
            help="Inputs that may wait for a model; more get 429.",
            panel=LIMITS,
        ),
        Option(
            ["--deadline"],
            type=click.FloatRange(min=0.001),
            default=60.0,
            help="Seconds a request may take.",
            panel=LIMITS,
        ),
        Option(
            ["--max-body"],
            type=POSITIVE,
            default=64,
            help="MiB of a request, also when unpacked.",
            panel=LIMITS,
        ),
        Option(
            ["--drain"],
            type=click.FloatRange(min=0),
            default=1.0,
            help="Seconds after SIGTERM in which requests are still taken.",
            panel=LIMITS,
        ),
        Option(
            ["--token"],
            envvar="WARMSTART_TOKEN",
            help="Require `Authorization: Bearer TOKEN`; also from WARMSTART_TOKEN.",
            panel=SAFETY,
        ),
        Option(
            ["--allow-urls"],
            is_flag=True,
            help="Fetch http(s) addresses that requests name; paths are never opened.",
            panel=SAFETY,
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
    watch: float,
    max_batch: int,
    max_delay: float,
    queue: int,
    deadline: float,
    max_body: int,
    drain: float,
    token: str | None,
    allow_urls: bool,
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
        raise UsageError("The keras engine is not for serving: it needs TensorFlow in the server.")
    from warmstart.cli.models import compiling, open_model, say
    from warmstart.serve.app import create_app
    from warmstart.serve.logs import write_logs
    from warmstart.serve.opening import open_models
    from warmstart.serve.running import run
    from warmstart.serve.settings import MIB, Settings

    settings = Settings(
        max_batch=max_batch,
        max_delay=max_delay / 1e3,
        queue=queue,
        deadline=deadline,
        max_body=max_body * MIB,
        drain=drain,
        watch=watch,
        token=token,
        allow_urls=allow_urls,
    )
    names = list(models)
    if not names:
        names = embedded_models()
        say(f"No model was named; these are inside the package: {', '.join(names)}")
    options = {
        "engine": engine,
        "precision": precision,
        "weights": None if weights == "random" else weights,
    }

    def load(name: str) -> Model[Any, Any, Any]:
        return open_model(name, offline=offline or None, **options)

    with write_logs(access=not no_access_log), open_models(names, load, copied=watch > 0) as opened:
        for name, model in opened.models.items():
            with compiling(model):
                model.engine  # noqa: B018 (compiled now, with its progress shown)
            say(f"{name}: {model.task}, engine {model.engine.name}")
        app = create_app(opened.models, settings)
        with opened.reloading(app.state.warmstart, load):
            run(app, host, port, lambda address: say(f"Serving on {address} (Ctrl+C stops)"))


def embedded_models() -> list[str]:
    """Names of the models that ship with the package."""
    from warmstart.catalog import search

    return [
        entry.name
        for entry in search()
        if any(file.source.startswith("embedded:") for file in entry.weights.values())
    ]
