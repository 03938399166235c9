"""`warmstart predict --on local|ray`: answers into a folder, with progress, and a word on how to go on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmstart.bulk.batch import BatchResult, Progress

NOT_HERE = {"draw", "masks", "plot", "format", "context", "output"}
"""Options of `predict` that show answers, or make other files of them."""
SHOWN_FAILURES = 10
EVERY = 30.0  # seconds between two lines of progress where there is no terminal


def run(inputs: list[str], name: str | None, task: str | None, choices: dict[str, str], offline: bool, as_json: bool,
        as_csv: bool, many: dict[str, Any], given: dict[str, Any]) -> None:
    """The command; its exit code is 1 where rows failed, 130 where it was interrupted."""
    from warmstart.bulk.batch import batch
    from warmstart.cli.consoles import console_of
    from warmstart.cli.consoles.forecasting import levels
    from warmstart.cli.opening import compiling, open_model, say
    from warmstart.errors import UsageError

    output = given.pop("output", None)
    if "on" not in many:
        told = {"format": "shards"}.get(first := next(iter(many)), first)
        raise UsageError(f"--{told.replace('_', '-')} belongs to --on local or --on ray, with --output FOLDER.")
    if output is None:
        raise UsageError("--on writes its answers into a folder: name it with --output.")
    if as_csv:
        raise UsageError("--on writes files of JSON lines or Parquet (--shards); leave --csv away.")
    if name is None:
        raise UsageError("--on needs a --model, since a run that goes on has to have the same one.")
    model, _ = open_model(name, offline=offline or None, **{**choices, "task": task})
    for option in given.keys() - (console_of(model.entry.task).options - NOT_HERE):
        raise UsageError(f"{model.name} does {model.entry.task}, which has no option --{option.replace('_', '-')} "
                         "together with --on.")
    if "quantiles" in given:
        given["quantiles"] = levels(given["quantiles"])
    if "cpus" in many:
        many["worker"] = {"num_cpus": many.pop("cpus")}
    with compiling(model):
        model.engine  # noqa: B018 (compiles now, with its progress shown)
    say(f"Model: {model.name}")
    last: list[Progress] = []
    try:
        with _shown(console_of(model.entry.task).unit) as show:
            def progress(now: Progress) -> None:
                last[:] = [now]
                show(now)

            done = batch(model, inputs, output, progress=progress, **many, **given)
    except KeyboardInterrupt:
        if last:
            say(f"\n{last[0].rows:,} of {last[0].total:,} are answered; those of files that were not whole yet will be "
                "again. The same command goes on from here.")
        raise
    if as_json:
        print(json.dumps(done.to_dict(), ensure_ascii=False))
    else:
        _tell(done, say)
    if done.failed:
        raise typer.Exit(1)


def _tell(done: BatchResult, say: Callable[[str], None]) -> None:
    now = done.rows - done.before
    before = f"{done.before:,} before, " if done.before else ""
    speed = f" in {done.seconds:.1f} s, {now / max(done.seconds, 1e-9):,.1f} a second" if now else ""
    print(f"{done.folder}: {done.rows - done.failed:,} of {done.rows:,} answered ({before}{now:,} now{speed})")
    if not done.failed:
        return
    say(f"\n{done.failed:,} failed; they stand in {done.folder}/_failed:")
    for place, failure in enumerate(done.failures()):
        if place == SHOWN_FAILURES:
            say("  …")
            break
        say(f"  {failure['error']}")


@contextmanager
def _shown(unit: str) -> Iterator[Callable[[Progress], None]]:
    """A function that shows progress: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        told = time.monotonic()

        def line(now: Progress) -> None:
            nonlocal told
            if time.monotonic() - told >= EVERY:
                told = time.monotonic()
                left = "" if now.left is None else f", {_time(now.left)} left"
                print(f"{now.rows:,} of {now.total:,} {unit}, {now.rate:,.1f} a second{left}, {now.failed:,} failed",
                      file=sys.stderr, flush=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(f"{unit}  {{task.fields[told]}}", markup=False))
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("", total=None, told="")

        def show(now: Any) -> None:
            left = "" if now.left is None else f", {_time(now.left)} left"
            failed = f", {now.failed:,} failed" if now.failed else ""
            bars.update(bar, completed=now.rows, total=now.total, told=f"{now.rate:,.1f}/s{left}{failed}")

        yield show


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
