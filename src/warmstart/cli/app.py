"""The commands, put together. Each lives in a file of its own and imports what is slow when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from warmstart.cli import (
    catalog_commands,
    compile_command,
    evaluate_command,
    export_command,
    finetune_command,
    hub_commands,
    pick_command,
    predict_command,
    serve_command,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Pretrained models: use one, look them up, keep them on disk.",
)


def _version(asked: bool) -> None:
    if asked:
        import warmstart

        typer.echo(f"warmstart {warmstart.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


app.command("predict")(predict_command.predict)
app.command("list")(catalog_commands.list_models)
app.command("info")(catalog_commands.info)
app.command("pull")(hub_commands.pull)
app.command("compile")(compile_command.compile_models)
app.command("pick")(pick_command.pick)
app.command("finetune")(finetune_command.finetune)
app.command("export")(export_command.export)
app.command("evaluate")(evaluate_command.evaluate)
app.command("serve")(serve_command.serve)
app.add_typer(hub_commands.cache_app, name="cache")
