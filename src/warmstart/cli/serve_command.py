"""`warmstart serve`: models over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

LIMITS = "Limits"
SAFETY = "Who may ask, and what"


def serve(
    models: Annotated[list[str] | None, typer.Argument(help="Names from `warmstart list`, folders, or hf://org/name; "
                                                       "each maybe with a name of its own: flowers=path/of/bundle. "
                                                       "Default: the models inside the package.",
                                                       show_default=False)] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    engine: Annotated[str, typer.Option(help="auto, litert or openvino.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or int8.")] = "float32",
    weights: Annotated[str, typer.Option(help="A checkpoint to use instead of the published weights; `random` for "
                                              "speed tests.")] = "pretrained",
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")] = False,
    no_access_log: Annotated[bool, typer.Option("--no-access-log", help="Write no JSON object for each request to "
                                                "standard output.")] = False,
    watch: Annotated[float, typer.Option(min=0, help="Seconds between looks for changed bundles, which are loaded "
                                                     "without losing a request; 0: never.")] = 2.0,
    max_batch: Annotated[int, typer.Option(min=1, help="Inputs that go through the engine together.",
                                           rich_help_panel=LIMITS)] = 4,
    max_delay: Annotated[float, typer.Option(min=0, help="Milliseconds that an input waits for others while the engine "
                                                         "is busy.", rich_help_panel=LIMITS)] = 50.0,
    queue: Annotated[int, typer.Option(min=1, help="Inputs that may wait for a model; more get 429.",
                                       rich_help_panel=LIMITS)] = 64,
    deadline: Annotated[float, typer.Option(min=0.001, help="Seconds a request may take.",
                                            rich_help_panel=LIMITS)] = 60.0,
    max_body: Annotated[int, typer.Option(min=1, help="MiB of a request, also when unpacked.",
                                          rich_help_panel=LIMITS)] = 64,
    drain: Annotated[float, typer.Option(min=0, help="Seconds after SIGTERM in which requests are still taken.",
                                         rich_help_panel=LIMITS)] = 1.0,
    token: Annotated[str | None, typer.Option(envvar="WARMSTART_TOKEN", help="Ask for `Authorization: Bearer TOKEN`.",
                                              rich_help_panel=SAFETY)] = None,
    allow_urls: Annotated[bool, typer.Option("--allow-urls", help="Fetch http(s) addresses that requests name; paths "
                                             "are never opened.", rich_help_panel=SAFETY)] = False,
) -> None:
    """Serve models over HTTP: a page, a plain endpoint, the Open Inference Protocol, and OpenAI's endpoints."""
    from warmstart.errors import UsageError, require

    packages = ("starlette", "uvicorn", "httptools", "msgspec", "prometheus_client", "python_multipart")
    require(*packages, extra="serve", purpose="to serve")
    if engine == "keras":
        raise UsageError("The keras engine is not for serving: it needs TensorFlow in the server.")
    from warmstart.cli.opening import compiling, open_model, say
    from warmstart.serve.app import create_app
    from warmstart.serve.logs import write_logs
    from warmstart.serve.opening import open_models
    from warmstart.serve.running import run
    from warmstart.serve.settings import MIB, Settings

    settings = Settings(max_batch=max_batch, max_delay=max_delay / 1e3, queue=queue, deadline=deadline,
                        max_body=max_body * MIB, drain=drain, watch=watch, token=token, allow_urls=allow_urls)
    if not models:
        models = inside()
        say(f"No model was named; these are inside the package: {', '.join(models)}")
    chosen = {"engine": engine, "precision": precision, "weights": None if weights == "random" else weights}

    def load(name: str):
        return open_model(name, offline=offline or None, **chosen)[0]

    with write_logs(access=not no_access_log), open_models(models, load, copied=watch > 0) as opened:
        for name, model in opened.models.items():
            with compiling(model):
                model.engine  # noqa: B018 (compiled now, with its progress shown)
            say(f"{name}: {model.task}, engine {model.engine.name}")
        app = create_app(opened.models, settings)
        with opened.reloading(app.state.warmstart, load):
            run(app, host, port, lambda address: say(f"Serving on {address} (Ctrl+C stops)"))


def inside() -> list[str]:
    """Names of the models that ship with the package."""
    from warmstart.catalog import search

    return [entry.name for entry in search()
            if any(file.source.startswith("embedded:") for file in entry.weights.values())]
