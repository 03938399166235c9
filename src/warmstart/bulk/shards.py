"""Predict one shard: run the model on its rows, and write its results and failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warmstart.bulk import writing
from warmstart.bulk.plan import Shard
from warmstart.bulk.rows import Row, RowReader, rows_of
from warmstart.bulk.storage import Folder
from warmstart.core.model import Model
from warmstart.core.options import make
from warmstart.core.results import Failed
from warmstart.errors import InputError, UsageError, WarmstartError


@dataclass(frozen=True)
class Job:
    """The settings that all shards share.

    Attributes:
        output: the folder, a path or URL.
        task: of the model.
        format: of the result files.
        columns: of the input in tables; empty: the usual names.
        options: of the model's call.
    """

    output: str
    task: str
    format: str
    columns: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FinishedShard:
    """A shard that is finished."""

    shard: int
    rows: int
    failed: int


def run_shard(
    model: Model[Any, Any, Any],
    job: Job,
    shard: Shard,
    report: Callable[[int, int], None] = lambda rows, failed: None,
) -> FinishedShard:
    """Predict the rows of a shard and write its files.

    Args:
        model: of the job's task.
        job: the settings of the run.
        shard: the rows.
        report: called with the numbers of rows and of failures since the last call.

    Raises:
        BatchError: the files cannot be written.
        WarmstartError: every row fails for a reason other than its input.
    """
    results: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    rows = list(rows_of(shard, RowReader(model, job.columns, job.options)))
    options = _options(model, job, shard)
    for row, answer in zip(rows, predictions(model, rows, options), strict=True):
        if isinstance(answer, InputError):
            failures.append(
                {"row": row.number, "source": row.source, "error": _message(answer, row.source)}
            )
        else:
            results.append({"row": row.number, "source": row.source, **answer})
        report(1, int(isinstance(answer, InputError)))
    writing.write(Folder(job.output), shard, results, failures, job.task, job.format)
    return FinishedShard(shard.number, len(rows), len(failures))


def predictions(
    model: Model[Any, Any, Any], rows: Sequence[Row], options: Mapping[str, Any]
) -> Iterator[dict[str, Any] | InputError]:
    """The `.to_dict()` of each row's result, or its error, in order."""
    usable = [row.value for row in rows if not isinstance(row.value, InputError)]
    done = 0
    results = _results(model, usable, options)
    try:
        for row in rows:
            answer = row.value if isinstance(row.value, InputError) else next(results)
            yield answer
            done += 1
    except (UsageError, GeneratorExit):
        raise
    except Exception as error:  # of one row of the batch, or of the model itself
        yield from _one_by_one(model, rows[done:], options, error)


def _results(
    model: Model[Any, Any, Any], values: list[Any], options: Mapping[str, Any]
) -> Iterator[dict[str, Any] | InputError]:
    checked = make(model.options, options, model.name)
    items = model.elements(values, checked)
    for result in model.results(items, checked, is_list=True):
        yield result.error if isinstance(result, Failed) else result.to_dict()


def _one_by_one(
    model: Model[Any, Any, Any], rows: Sequence[Row], options: Mapping[str, Any], first: Exception
) -> Iterator[dict[str, Any] | InputError]:
    """Compute rows one by one, after a batch of them failed as a whole.

    Raises:
        Exception: `first`, if no row can be predicted.
    """
    results: list[dict[str, Any] | InputError] = []
    answered = broken = 0
    for row in rows:
        if isinstance(row.value, InputError):
            results.append(row.value)
            continue
        try:
            results.append(next(_results(model, [row.value], options)))
            answered += 1
        except Exception as error:
            broken += 1
            reason = (
                str(error)
                if isinstance(error, WarmstartError)
                else f"{type(error).__name__}: {error}"
            )
            results.append(InputError(f"{row.source}: {reason}", row.source))
    if broken and not answered:
        raise first
    yield from results


def _options(model: Model[Any, Any, Any], job: Job, shard: Shard) -> dict[str, Any]:
    options = dict(job.options)
    if model.seeded_by_index:  # an input has the same index in each shard
        options["seed"] = options.get("seed", 0) + shard.number
    return options


def _message(error: InputError, source: str) -> str:
    """The message, with the row's source in place of its index within the call."""
    text = str(error)
    if error.item and error.item != source and text.startswith(error.item):
        return source + text[len(error.item) :]
    return text
