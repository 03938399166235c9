"""`ws.batch`: predict any number of inputs into a folder of result files, resumable at any moment."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from warmstart.bulk import manifest, writing
from warmstart.bulk.listing import list_rows
from warmstart.bulk.plan import Plan, Shard, make_plan, rows_of
from warmstart.bulk.rows import RowReader
from warmstart.bulk.shards import FinishedShard, Job, run_shard
from warmstart.bulk.storage import Folder
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.errors import UsageError, documented_in, require
from warmstart.json_values import JSON

RUNNERS = ("local", "ray")


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        rows: number of rows that are done, including those of earlier runs.
        total: number of all rows.
        failed: number of failures.
        rate: rows per second of this run.
        left: estimated seconds until the end; None if no row is done yet.
    """

    rows: int
    total: int
    failed: int
    rate: float
    left: float | None


@dataclass(frozen=True)
class BatchResult:
    """A finished run.

    Attributes:
        folder: the output folder, a path or URL.
        rows: the number of rows; each is in exactly one file of results or failures.
        failed: the number of failures.
        before: the number of rows that earlier, interrupted runs have computed.
        seconds: duration of this run, including the listing.

    Example:
        >>> done = ws.batch("efficientnet_lite0", "photos", "labels", top_k=1)
        >>> done.rows, done.failed
        (3, 0)
        >>> [row["predictions"][0]["label"] for row in done.results()]
        ['tiger cat', 'espresso', 'missile']
        >>> list(done.failures())
        []
        >>> sorted(done.to_dict())
        ['before', 'failed', 'folder', 'rows', 'seconds']
    """

    folder: str
    rows: int
    failed: int
    before: int
    seconds: float

    def results(self) -> Iterator[dict[str, JSON]]:
        """The results, in the order of the inputs."""
        folder = Folder(self.folder)
        for name in sorted(folder.names()):
            data = folder.read(name) if name.startswith("part-") else None
            if data is None:
                continue
            if name.endswith(".jsonl"):
                yield from map(json.loads, data.splitlines())
            else:
                require("pyarrow", extra="parquet", purpose="to read Parquet files")
                import pyarrow
                import pyarrow.parquet

                yield from pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pylist()

    def failures(self) -> Iterator[dict[str, JSON]]:
        """The failures, in the order of the inputs: `row`, `source` and `error`."""
        folder = Folder(self.folder)
        for name in sorted(folder.names(writing.FAILED)):
            if name.startswith("part-"):
                yield from map(
                    json.loads, (folder.read(f"{writing.FAILED}/{name}") or b"").splitlines()
                )

    def to_dict(self) -> dict[str, JSON]:
        """The attributes, as JSON values."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


@documented_in("batch.md")
def batch(
    model: str | Path | Model[Any, Any, Any],
    inputs: object,
    output: str | Path,
    *,
    on: str = "local",
    format: str = "jsonl",
    column: str | tuple[str, ...] | list[str] | None = None,
    shard_rows: int | None = None,
    workers: int | None = None,
    worker: Mapping[str, object] | None = None,
    address: str | None = None,
    engine: str = "auto",
    precision: str = "float32",
    task: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: object,
) -> BatchResult:
    """Predict many inputs and write the results to a folder.

    The folder gets a result file for every `shard_rows` rows (`part-00000.jsonl`, …), the failures in
    `_failed/`, and the settings of the run in `_manifest.json`. Files are written atomically. The
    same call resumes a run that was killed, and keeps finished files. One machine and Ray produce
    the same files.

    Args:
        model: a name, folder or source as for `ws.load`, or a loaded model.
        inputs: for photos and recordings a folder, pattern, path or URL, or a list of these; for
            texts a list of texts or pairs. For all of them also tables: `.jsonl`, `.csv`, `.tsv`
            and `.parquet` files with an input in each row, `.txt` files with one per line; folders
            and patterns of them. Paths may be URLs that fsspec opens (`s3://…`), for single photos
            and recordings also of the web. For forecasters tables of series as `ws.load(…)(…)`
            takes them, or `.jsonl` files with a series per line: `item_id`, `start`, `freq`,
            `target`.
        output: a folder: a path, or a URL that fsspec opens; new, empty, or with an unfinished run
            of this call.
        on: `"local"`, or `"ray"`: a Ray cluster, or this machine with several processes.
        format: `"jsonl"` or `"parquet"`.
        column: the column of the inputs in a table, or two columns for pairs of texts; default:
            `path`, `text`, ….
        shard_rows: rows per result file, and the maximum number of rows that each worker repeats
            after an interruption; default: depends on the task.
        workers: number of processes on Ray; default: one for each processor of the cluster.
        worker: Ray's options for each process, such as `{"num_cpus": 4}` (also the number of
            threads of its engine; default: 1) or `{"runtime_env": …}`.
        address: of the Ray cluster; default: RAY_ADDRESS, or the cluster on this machine, or a new
            one.
        engine, precision, task: as for `ws.load`, if `model` is not a loaded model.
        progress: a function that is called regularly.
        **options: options of the call: `top_k`, `threshold`, `batch_size`, ….

    Returns:
        The counts, and access to the results.

    Raises:
        UsageError: an option is wrong, there are no inputs, or the folder contains something else
            or a run with other settings.
        BatchError: the run cannot continue: the disk is full, the folder is read-only, a worker
            dies repeatedly. Finished rows are not lost.

    Example:
        >>> done = ws.batch("sst2_bert_tiny", ["a delight", "a waste of time"], "sentiments")
        >>> done.rows
        2
    """
    start = time.monotonic()
    _check(on, shard_rows, workers, worker, address)
    writing.check_format(format)
    opened = (
        model
        if isinstance(model, Model)
        else load(model, task=task, engine=engine, precision=precision)
    )
    job = _job(opened, output, format, column, options)
    folder = Folder(job.output)
    recorded = manifest.read(folder)
    if recorded is None:
        opened([], **job.options)  # raises for wrong options, before a million inputs are listed
    rows = rows_of(job.task, shard_rows, recorded and recorded["shards"])
    plan = make_plan(list_rows(inputs, RowReader(opened, job.columns, job.options)), rows)
    if not plan.rows:
        raise UsageError("The inputs have no rows.")
    with folder.locked():
        recorded = manifest.read(folder)
        if recorded is not None:
            manifest.check(recorded, manifest.make(opened, "", job, plan, rows), folder)
            folder.sweep()
        names = folder.names()
        done: list[Shard] = []
        pending: list[Shard] = []
        for shard in plan.shards:
            (done if f"{shard.name}.{format}" in names else pending).append(shard)
        reporter = _Reporter(plan, done, folder, progress)
        if recorded is None or pending:
            name = recorded["model"]["runs_on"] if recorded else opened.engine.name
            if recorded is None:
                manifest.write(folder, manifest.NAME, manifest.make(opened, name, job, plan, rows))
            reporter.now()
            with closing(
                _run(on, opened, name, job, pending, reporter, workers, worker, address)
            ) as finished:
                for shard_done in finished:
                    reporter.shard(shard_done)
            folder.sweep()  # for workers that were killed
        manifest.write(folder, manifest.SUMMARY, {"rows": plan.rows, "failed": reporter.failed})
    return BatchResult(
        folder.path, plan.rows, reporter.failed, reporter.before, time.monotonic() - start
    )


def _run(
    on: str,
    model: Model[Any, Any, Any],
    engine: str,
    job: Job,
    shards: list[Shard],
    reporter: _Reporter,
    workers: int | None,
    worker: Mapping[str, object] | None,
    address: str | None,
) -> Generator[FinishedShard]:
    if on == "local":
        ready = model.on_engine(engine)
        for shard in shards:
            yield run_shard(ready, job, shard, reporter.rows)
        return
    from warmstart.bulk import cluster

    yield from cluster.run(
        model, engine, job, shards, workers=workers, worker=worker or {}, address=address
    )


def _check(
    on: str, shard_rows: int | None, workers: int | None, worker: Any, address: str | None
) -> None:
    if on not in RUNNERS:
        raise UsageError(f"on must be 'local' or 'ray', not {on!r}.")
    for name, number in (("shard_rows", shard_rows), ("workers", workers)):
        if number is not None and (not isinstance(number, int) or number < 1):
            raise UsageError(f"{name} must be 1 or more, not {number!r}.")
    if on == "local":
        for name, value in (("workers", workers), ("worker", worker), ("address", address)):
            if value is not None:
                raise UsageError(
                    f"{name} is for on='ray'; on='local' is one process that uses all processors."
                )
    else:
        require("ray", "pyarrow", extra="ray", purpose="for on='ray' (on='local' needs neither)")


def _job(
    model: Model[Any, Any, Any],
    output: str | Path,
    format: str,
    column: Any,
    options: dict[str, Any],
) -> Job:
    if model.result.is_file:
        raise UsageError(
            f"{model.name} does {model.entry.task}, whose results are files of their own; call it, or use "
            "`warmstart predict` without --on."
        )
    columns = (column,) if isinstance(column, str) else tuple(column or ())
    input_kind = model.input_kind
    if len(columns) > (2 if input_kind.pairs else 1):
        pair = ", or the two of a pair" if input_kind.pairs else ""
        raise UsageError(
            f"column names the one that holds the {input_kind.noun}{pair}, not {columns}."
        )
    try:
        json.dumps(options)
    except (TypeError, ValueError) as error:
        raise UsageError(
            "The options of a batch must be numbers, strings and lists, so that they can be "
            f"stored ({error})."
        ) from error
    if "batch_size" in options and options["batch_size"] is None:
        del options["batch_size"]
    if not isinstance(output, str | os.PathLike):
        raise UsageError(
            f"output must be a path or URL of a folder, not an object of type {type(output).__name__}."
        )
    return Job(os.fsdecode(output), model.entry.task, format, columns, options)


class _Reporter:
    """Counts finished rows, and reports progress."""

    def __init__(
        self,
        plan: Plan,
        done: list[Shard],
        folder: Folder,
        progress: Callable[[Progress], None] | None,
    ):
        self.total, self.progress = plan.rows, progress
        self.before = self.done = sum(map(len, done))
        self.failed = sum(writing.failures_of(folder, shard) for shard in done)
        self.started = time.monotonic()
        self.unfinished: tuple[int, int] = (0, 0)
        self.reported = 0.0

    def rows(self, rows: int, failed: int) -> None:
        """Count rows of the current shard."""
        self.unfinished = self.unfinished[0] + rows, self.unfinished[1] + failed
        if self.progress and time.monotonic() - self.reported > 0.1:
            self.now()

    def shard(self, done: FinishedShard) -> None:
        """Count a finished shard, in place of its rows that were counted before."""
        self.unfinished = (0, 0)
        self.done, self.failed = self.done + done.rows, self.failed + done.failed
        self.now()

    def now(self) -> None:
        if self.progress is None:
            return
        self.reported = time.monotonic()
        rows = self.done + self.unfinished[0]
        rate = (rows - self.before) / max(self.reported - self.started, 1e-9)
        self.progress(
            Progress(
                rows,
                self.total,
                self.failed + self.unfinished[1],
                rate,
                (self.total - rows) / rate if rows > self.before else None,
            )
        )
