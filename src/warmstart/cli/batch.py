"""`--on local|ray`: write the results of many inputs to a folder; an interrupted run can be resumed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from warmstart.cli.arguments import STDIN
from warmstart.core.records.suffixes import SUFFIXES
from warmstart.core.terminal import is_quiet, print_error, say
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.bulk.batch import BatchResult, Progress
    from warmstart.cli.tasks import Request

SHOWN_FAILURES = 10
INTERVAL = 30.0
"""Seconds between two lines of progress if there is no terminal."""
_FLAGS = {"format": "shards"}
"""Options of `ws.batch` whose flag has another name."""


def run(request: Request) -> None:
    """The body of the command; the exit code is 1 if rows failed, 130 after an interruption."""
    from warmstart.bulk.batch import batch
    from warmstart.cli.models import open_engine
    from warmstart.cli.predict import opened

    folder, options = _options(request)
    inputs = list(request.arguments)
    if not all(isinstance(one, str) for one in inputs):
        raise UsageError(
            "With --on, `-` reads a name or text from each line, not the content of a file."
        )
    model, hint = opened(request)
    open_engine(model, hint)
    last: list[Progress] = []
    try:
        with _progress(model.input_kind.plural) as show:

            def progress(now: Progress) -> None:
                last[:] = [now]
                show(now)

            result = batch(
                model,
                inputs,
                folder,
                progress=progress,
                **options,
                **request.options,
            )
    except KeyboardInterrupt:
        if last:
            say(
                f"\n{last[0].rows:,} of {last[0].total:,} rows are done; those of incomplete "
                "files are computed again. The same command resumes the run."
            )
        raise
    if request.as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        _print(result)
    if result.failed:
        click.get_current_context().exit(1)


def _options(request: Request) -> tuple[str, dict[str, Any]]:
    """The folder and the options of `ws.batch`.

    Raises:
        UsageError: an option is missing, or cannot be combined with a batch.
    """
    options = dict(request.batch)
    if "on" not in options:
        if "column" in options:
            typed = request.arguments.raw
            raise UsageError(_not_a_table(typed[0] if typed else "the input"))
        name = next(iter(options))
        flag = _FLAGS.get(name, name).replace("_", "-")
        raise UsageError(f"--{flag} needs --on local or --on ray, with --output FOLDER.")
    if request.output is None:
        raise UsageError("--on writes its results to a folder: pass it with --output.")
    if request.as_csv:
        raise UsageError("--on writes files of JSON lines or Parquet (--shards); leave out --csv.")
    for name in request.flags:
        if name != "output":
            raise UsageError(f"--{name.replace('_', '-')} cannot be combined with --on.")
    if request.overwrite:
        raise UsageError("--overwrite cannot be combined with --on, whose runs resume.")
    if "cpus" in options:
        options["worker"] = {"num_cpus": options.pop("cpus")}
    return request.output, options


def _not_a_table(name: str) -> str:
    if name == STDIN:
        return (
            "--column names a column of a table, and standard input is read as one input per "
            "line; write the table to a file, and pass its path."
        )
    listed = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
    return f"--column names a column of a table ({listed} file), which {name} is not."


def _print(result: BatchResult) -> None:
    now = result.rows - result.before
    before = f"{result.before:,} before, " if result.before else ""
    speed = (
        f" in {result.seconds:.1f} s, {now / max(result.seconds, 1e-9):,.1f} a second"
        if now
        else ""
    )
    usable = result.rows - result.failed
    print(f"{result.folder}: {usable:,} of {result.rows:,} succeeded ({before}{now:,} now{speed})")
    if not result.failed:
        return
    print_error(f"\n{result.failed:,} failed; they are listed in {result.folder}/_failed:")
    for index, failure in enumerate(result.failures()):
        if index == SHOWN_FAILURES:
            print_error("  …")
            break
        print_error(f"  {failure['error']}")


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[Progress], None]]:
    """A function that shows progress: a bar on a terminal, else a line every `INTERVAL` seconds."""
    if is_quiet():
        yield lambda now: None
        return
    if not sys.stderr.isatty():
        yield _LineProgress(unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}  {{task.fields[speed]}}", markup=False),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("", total=None, speed="")

        def show(now: Progress) -> None:
            left = "" if now.left is None else f", {_time(now.left)} left"
            failed = f", {now.failed:,} failed" if now.failed else ""
            speed = f"{now.rate:,.1f}/s{left}{failed}"
            bars.update(bar, completed=now.rows, total=now.total, speed=speed)

        yield show


class _LineProgress:
    """Prints progress to standard error every `INTERVAL` seconds."""

    def __init__(self, unit: str):
        self.unit, self.printed = unit, time.monotonic()

    def __call__(self, now: Progress) -> None:
        if time.monotonic() - self.printed < INTERVAL:
            return
        self.printed = time.monotonic()
        left = "" if now.left is None else f", {_time(now.left)} left"
        print(
            f"{now.rows:,} of {now.total:,} {self.unit}, {now.rate:,.1f} a second{left}, "
            f"{now.failed:,} failed",
            file=sys.stderr,
            flush=True,
        )


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
