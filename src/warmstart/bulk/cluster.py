"""Shards on a Ray cluster: Ray Data distributes them to actors, each of which opens the model once.

An actor that dies is replaced, and its shards are repeated, except those already written.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

from warmstart import errors
from warmstart.bulk import shipping
from warmstart.bulk.plan import Shard
from warmstart.bulk.shards import FinishedShard, Job, run_shard
from warmstart.bulk.storage import TRIES, Folder
from warmstart.bulk.writing import failures_of
from warmstart.core.model import Model
from warmstart.engines.noise import quiet
from warmstart.errors import BatchError, UsageError, WarmstartError

MAX_DEATHS = 20
"""Number of worker deaths on the same shard after which the run fails."""
AUTH_MODE = "RAY_AUTH_MODE"
"""The variable that selects whether Ray authenticates."""
START_ATTEMPTS = 3
"""Number of attempts to start Ray: on a busy machine it gives up after half a minute."""
LOCAL = "local"
"""The address of a new cluster on this machine, as Ray calls it."""
CONNECT_SECONDS = 10
"""Maximum seconds of the first connection to a cluster."""
OBJECT_STORE_BYTES = 256 * 2**20
"""Bytes of shared memory of a cluster that is started here, besides the model."""
WORKER_OPTIONS = (
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "accelerator_type",
    "label_selector",
    "runtime_env",
)
"""The options of a worker, as `ray.data.Dataset.map_batches` takes it."""
FORWARDED = ("WARMSTART_OFFLINE", "HF_HUB_OFFLINE")


class Worker:
    """An actor; created from the packed model and the job."""

    def __init__(
        self,
        shipped: Any,
        job: Job,
        working_directory: str,
        threads: int,
        environment: Mapping[str, str],
    ):
        import ray

        os.environ.update(environment)
        prepare_process(threads, working_directory)
        self.job = job
        self.model = shipping.unpack(ray.get(shipped[0]))

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        answer: dict[str, list[Any]] = {"shard": [], "rows": [], "failed": [], "error": []}
        for text in batch["shard"]:
            done, error = self._one(Shard.from_json(str(text)))
            for name, value in (
                ("shard", done.shard),
                ("rows", done.rows),
                ("failed", done.failed),
                ("error", error),
            ):
                answer[name].append(value)
        return answer

    def _one(self, shard: Shard) -> tuple[FinishedShard, str]:
        folder = Folder(self.job.output)
        try:
            if folder.has(
                f"{shard.name}.{self.job.format}"
            ):  # by an actor that died before it returned
                return FinishedShard(shard.number, len(shard), failures_of(folder, shard)), ""
            tries = folder.read(f"{TRIES}/{shard.name}") or b""
            if len(tries) >= MAX_DEATHS:  # Ray itself would repeat it without end
                raise BatchError(
                    f"{shard.name} (from row {shard.first} on) was started {MAX_DEATHS} times, "
                    "and each time the worker died: it has too little memory, or one of the "
                    "rows crashes it."
                )
            folder.write(f"{TRIES}/{shard.name}", tries + b".")
            done = run_shard(self.model, self.job, shard)
            folder.remove(f"{TRIES}/{shard.name}")
            return done, ""
        except MemoryError:
            folder.remove(f"{TRIES}/{shard.name}")
            message = (
                f"{shard.name} (from row {shard.first} on) needs more memory than the worker "
                "has; give the workers more memory, or set a smaller shard_rows."
            )
            return FinishedShard(shard.number, 0, 0), json.dumps(["BatchError", message])
        except WarmstartError as error:
            return FinishedShard(shard.number, 0, 0), json.dumps([type(error).__name__, str(error)])


def prepare_process(threads: int, working_directory: str) -> None:
    """Set the number of threads and the working directory of an actor's process."""
    os.environ["WARMSTART_THREADS"] = str(threads)
    with contextlib.suppress(OSError):  # on another machine there may be no such folder
        os.chdir(working_directory)


def run(
    model: Model[Any, Any, Any],
    engine: str,
    job: Job,
    shards: Sequence[Shard],
    *,
    workers: int | None,
    worker: Mapping[str, Any],
    address: str | None,
) -> Generator[FinishedShard]:
    """Predict shards on a cluster, in the order in which they finish.

    Args:
        model: is compiled here; the workers get its program.
        engine: of all workers.
        job: the settings of the run.
        shards: to predict.
        workers: number of actors; default: as many as the cluster has processors for.
        worker: Ray's options for each actor.
        address: of the cluster.

    Raises:
        BatchError: a worker cannot write, or dies repeatedly.
    """
    shipped = shipping.pack(model, engine)
    rows = [{"shard": shard.to_json()} for shard in shards]
    environment = {name: os.environ[name] for name in FORWARDED if name in os.environ}
    with ray_cluster(address, shipped.size):
        answers = map_rows(
            rows,
            Worker,
            lambda reference, threads: (reference, job, os.getcwd(), threads, environment),
            shipped,
            workers=workers,
            worker=worker,
        )
        with contextlib.closing(answers):  # ends the actors, also where this is left early
            for answer in answers:
                for number, count, failed, error in zip(
                    *(answer[k] for k in ("shard", "rows", "failed", "error")), strict=True
                ):
                    if error:
                        name, message = json.loads(str(error))
                        raise getattr(errors, name, BatchError)(message)
                    yield FinishedShard(int(number), int(count), int(failed))


def map_rows(
    rows: Sequence[Mapping[str, Any]],
    actor: type,
    arguments: Callable[[Any, int], tuple[Any, ...]],
    shipped: Any,
    *,
    workers: int | None,
    worker: Mapping[str, Any],
    per_call: int = 1,
) -> Generator[Any]:
    """Send rows through a pool of actors, by Ray Data; yields their outputs as columns of arrays.

    Args:
        rows: plain values.
        actor: the class of the actors.
        arguments: (list with the reference of `shipped`, number of threads) -> the arguments of the
            actor's constructor.
        shipped: an object that is put into Ray's object store once.
        workers, worker: as for `run`.
        per_call: rows that an actor gets at a time.

    Raises:
        BatchError: Ray gave up.
    """
    import ray
    import ray.data

    resources = {"num_cpus": 1, **worker}
    if unknown := resources.keys() - WORKER_OPTIONS:
        raise UsageError(
            f"The options of a Ray worker are {', '.join(WORKER_OPTIONS)}, not {min(unknown)!r}."
        )
    processors = float(resources["num_cpus"] or 1)
    count = workers or max(int(ray.cluster_resources().get("CPU", 1) // processors), 1)
    blocks = -(-len(rows) // per_call)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of its own settings
        context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    reference = ray.put(shipped)
    with _quiet():
        data = ray.data.from_items(list(rows), override_num_blocks=blocks).map_batches(
            actor,
            fn_constructor_args=arguments([reference], max(int(processors), 1)),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(
                size=min(count, blocks), max_tasks_in_flight_per_actor=2
            ),
            **resources,
        )
        try:
            yield from data.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0)
        except ray.exceptions.RayError as error:
            raise BatchError(
                f"Ray gave up: {last_line(error)}. Finished files are kept; the same call resumes."
            ) from error


def last_line(error: Exception) -> str:
    """The last line of an error of Ray."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")


@contextlib.contextmanager
def ray_cluster(address: str | None, size: int) -> Iterator[None]:
    """Connect to a Ray cluster while the block runs, or start one; do nothing if Ray is initialised.

    Raises:
        BatchError: the cluster does not answer, or none can be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of how Ray Data makes actors
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    use_token()
    import ray

    if ray.is_initialized():
        yield
        return
    cluster = address or os.environ.get("RAY_ADDRESS") or _running() or LOCAL
    is_new = cluster == LOCAL
    options: dict[str, Any] = {"address": cluster}
    if is_new:
        options |= {
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES + 2 * size,
        }
    else:
        _check_port(cluster)
    attempts = START_ATTEMPTS if is_new else 1
    for attempt in range(1, attempts + 1):
        try:
            with _quiet(), quiet():
                ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
            break
        except Exception as error:  # Ray raises bare ones, too
            ray.shutdown()
            if attempt == attempts:
                what = "started" if is_new else f"reached at {cluster}"
                hint = "" if is_new else _about_token()
                raise BatchError(f"Ray cannot be {what}: {last_line(error)}.{hint}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_port(address: str) -> None:
    """Connect once: Ray itself tries for minutes.

    Raises:
        BatchError: nothing listens there.
    """
    host, _, port = address.rpartition(":")
    if "//" in host or not port.isdigit():  # such as ray://…, or "auto"
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            return
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BatchError(f"Ray cannot be reached at {address}: {reason}.") from error


def use_token() -> None:
    """Let Ray authenticate if there is a token, because clusters require one by default from Ray 2.60
    on. Ray reads the mode when it is imported.
    """
    if AUTH_MODE not in os.environ and _has_token():
        os.environ[AUTH_MODE] = "token"


def _has_token() -> bool:
    """Whether Ray finds a token: in RAY_AUTH_TOKEN, in the file of RAY_AUTH_TOKEN_PATH, or in its
    own.
    """
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or os.path.join("~", ".ray", "auth_token")
    return os.path.isfile(os.path.expanduser(path))


def _about_token() -> str:
    """Advice for clusters that may require a token."""
    if _has_token() and os.environ.get(AUTH_MODE) == "token":
        return " If it requires a token, the one set here may belong to another cluster."
    return (
        " If it requires a token, set RAY_AUTH_TOKEN to that of the cluster, which `ray "
        "get-auth-token` prints on its head node."
    )


def _running() -> str | None:
    """The address of a cluster that was started on this machine with `ray start`.

    One that was killed leaves its address behind.
    """
    from ray._private.utils import read_ray_address

    address = read_ray_address()
    try:
        _check_port(address or "")
    except BatchError:
        return None
    return address


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Ray's own messages."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
