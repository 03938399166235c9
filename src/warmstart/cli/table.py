"""A table as the input of a command: the output is the table with the results as further columns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from warmstart.cli.progress import counting
from warmstart.cli.streams import warn_of_escapes
from warmstart.core.records.suffixes import names_table
from warmstart.counts import counted
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.cli.tasks import Request


def is_table(request: Request) -> bool:
    """Whether the input is one table whose rows are the inputs.

    Raises:
        UsageError: there is a table among other inputs.
    """
    typed = request.arguments.raw
    tables = [name for name in typed if names_table(name)]
    if not tables or request.batch.keys() - {"column"}:
        return False
    if request.task.input_kind().table_suffixes:
        return False
    if len(typed) > 1:
        raise UsageError(
            f"{tables[0]} is a table, whose rows are the inputs: pass no other input, or use "
            "--on local, which reads several."
        )
    return True


def run(request: Request) -> None:
    """The body of the command; its exit code is 1 if a row was unusable."""
    from warmstart.bulk.predict_table import predict_table
    from warmstart.cli.models import open_engine
    from warmstart.cli.predict import opened
    from warmstart.core.options import make
    from warmstart.core.terminal import print_error, say

    if request.as_json and request.as_csv:
        raise UsageError("Choose one of --json and --csv.")
    for name in request.flags:
        if name != "output":
            plural = request.task.input_kind().plural
            raise UsageError(
                f"--{name.replace('_', '-')} cannot be used with a table; leave it out, or "
                f"pass the {plural} themselves."
            )
    target = _target(request)
    options = make(request.task.model_class().options, request.options, request.task.name)
    model, hint = opened(request)
    open_engine(model, hint)
    source = request.arguments.raw[0]
    columns = request.batch.get("column", ())
    table = predict_table(model, source, options, columns, option="--column", **request.reading)
    say(f"Input: {' and '.join(table.inputs)} of {source}")
    failures: list[str] = []
    count = 0
    with counting("rows") as progress:
        for row in _write(table, target, ".jsonl" if request.as_json else ".csv"):
            count += 1
            if table.error in row:
                failures.append(row[table.error])
            if (
                target or not sys.stdout.isatty()
            ):  # on a terminal the printed rows show the progress
                progress(model.name, count, None)
    if target:
        say(f"written: {target}, {counted(count, 'row')}")
    if failures:
        print_error(f"\n{len(failures):,} of {counted(count, 'row')} failed:")
        for failure in failures:
            print_error(f"  {failure}")
        click.get_current_context().exit(1)


def _target(request: Request) -> Path | None:
    """The output file; None: standard output."""
    from warmstart.bulk.predict_table import WRITTEN
    from warmstart.core.output_files import refuse_existing, refuse_same_file

    output = request.output or request.flags.get("output")
    if output is None:
        return None
    path = Path(output).expanduser()
    if path.suffix.lower() not in WRITTEN:
        raise UsageError(f"--output {path}: a table is written as {', '.join(WRITTEN)}.")
    refuse_same_file(path, request.arguments.raw[0])
    if request.as_json or request.as_csv:
        raise UsageError(
            "The suffix of --output determines the format; leave out --json and --csv."
        )
    refuse_existing(path, "--output", overwrite=request.overwrite)
    return path


def _write(table: Any, target: Path | None, suffix: str) -> Iterator[dict[str, Any]]:
    from warmstart.bulk.predict_table import write_lines, write_table

    if target is None:
        if suffix == ".csv":
            warn_of_escapes()
        yield from write_lines(table, sys.stdout, suffix)
    else:
        yield from write_table(table, target)
