"""Run a model on inputs and print the results: as text, JSON lines or CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from warmstart.cli.arguments import STDIN, piping, possible_text
from warmstart.cli.help import in_flags
from warmstart.cli.progress import counting, is_shown
from warmstart.cli.streams import warn_of_escapes
from warmstart.core.results import Failed
from warmstart.core.task import TASKS
from warmstart.counts import counted
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.cli.tasks import Request
    from warmstart.core.console import Console
    from warmstart.core.model import Model


def run(request: Request) -> None:
    """The body of the command; its exit code is 1 if an input was unusable."""
    from warmstart.cli.models import open_engine
    from warmstart.core.options import make
    from warmstart.core.output_files import CommandInputs
    from warmstart.core.terminal import print_error

    if request.as_json and request.as_csv:
        raise UsageError("Choose one of --json and --csv.")
    console_class = request.task.console_class()
    if request.output is not None and "output" not in request.flags:
        raise UsageError(
            "--output is for tables, and for --on local or --on ray, which write a folder; redirect "
            "other results into a file: --csv > results.csv."
        )
    flags = make(console_class.options, request.flags, request.task.name)
    make(request.task.model_class().options, request.options, request.task.name)
    for form in console_class.forms:
        if getattr(flags, form) is not None and (request.as_json or request.as_csv):
            other = "--json" if request.as_json else "--csv"
            raise UsageError(f"--{form} and {other} both set the output format; choose one.")
    inputs = CommandInputs(request.arguments.raw, request.task.input_kind())
    console_class.check(flags, inputs, overwrite=request.overwrite)
    model, hint = opened(request)
    console = console_class(model, flags)
    is_silent = (request.as_json or request.as_csv) and request.model is not None
    open_engine(model, None if is_silent else hint)
    if request.as_json:
        results = _json_lines(console, console.results(request.arguments, request.options))
    elif request.as_csv:
        results = _csv_rows(console, console.results(request.arguments, request.options))
    else:
        results = console.shown(request.arguments, request.options)
    failed: list[Failed] = []
    usable = 0
    with counting(model.input_kind.plural) as progress:
        total = None if sys.stdout.isatty() else input_count(request, model)
        for done, result in enumerate(results, 1):
            if isinstance(result, Failed):
                failed.append(result)
            else:
                usable += 1
            if not sys.stdout.isatty():  # on a terminal the printed results show the progress
                progress(model.name, done, total)
    if failed:
        print_error(f"\n{len(failed)} of {counted(len(failed) + usable, 'input')} failed:")
        context = click.get_current_context()
        text = possible_text(request.arguments)
        if text and not _may_be_text(request):  # checked last, since it imports other wings
            text = None
        for failure in failed:
            advice = f". {piping(text, request.command)}" if text and failure.input == text else ""
            print_error(f"  {in_flags(str(failure.error), context.command.params)}{advice}")
        context.exit(1)


def _may_be_text(request: Request) -> bool:
    """Whether a text could have been an input of this command, for another task."""
    inputs = [task.input_kind() for task in TASKS.values() if task.verb == request.task.verb]
    is_routed = request.model is None and request.task.input_kind().is_file
    return is_routed and any(
        not (input_kind.is_file or input_kind.suffixes) for input_kind in inputs
    )


def input_count(request: Request, model: Model[Any, Any, Any]) -> int | None:
    """The number of inputs; None if it is unknown before they are read."""
    input_kind = model.input_kind
    if not is_shown() or STDIN in request.arguments.raw or input_kind.table_suffixes:
        return None
    return sum(1 for _ in input_kind.stream(input_kind.from_arguments(request.arguments.raw)))


def opened(request: Request) -> tuple[Model[Any, Any, Any], str]:
    """The model of a request, and a short description if it is the default."""
    from warmstart.cli.models import open_default, open_model

    if request.model is not None:
        return open_model(request.model, task=request.task.name, **request.load), ""
    if request.load["weights"] != "pretrained":
        raise UsageError("--weights needs the --model that the weights belong to.")
    if not request.task.default_model:
        raise UsageError(
            f"{request.command} needs a --model; `warmstart list --task {request.task.name}` "
            "lists some."
        )
    return open_default(request.task.name, **request.load)


def _json_lines(console: Console, results: Iterable[Any]) -> Iterator[Any]:
    for result in results:
        line = result.to_dict() if isinstance(result, Failed) else console.to_json(result)
        print(json.dumps(line, ensure_ascii=False), flush=True)
        yield result


def _csv_rows(console: Console, results: Iterable[Any]) -> Iterator[Any]:
    import csv

    warn_of_escapes()
    columns = console.columns()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*columns, "error"])
    for result in results:
        if isinstance(result, Failed):
            writer.writerow([result.input, *[""] * (len(columns) - 1), str(result.error)])
        else:
            writer.writerows([*row, ""] for row in console.rows(result))
        yield result
