"""Fine-tuning on a Ray cluster: workers compute the gradients of their parts of each batch, and
this process, which has the optimizer, checkpoints and validation, applies their weighted sum.

Keras 3 cannot fit under TensorFlow's MultiWorkerMirroredStrategy: its loop fails on the per-replica
values of the strategy's datasets. Gradients therefore go through Ray.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from warmstart.bulk import cluster
from warmstart.bulk.shipping import files_of
from warmstart.errors import TrainingError, UsageError, WarmstartError, require
from warmstart.training.batches import Batches
from warmstart.training.ray_layout import Layout, Machine, layout
from warmstart.training.ray_worker import (
    GradientWorker,
    Packed,
    PartResult,
    is_seed,
    state_variables,
    untrained,
)

MAX_RESTARTS = 20
"""Workers that are replaced before a fit fails."""
PATIENCE = 60.0
"""Seconds after which the terminal shows that workers have not started."""
COPIES, FLOAT = 2, 4
"""Copies of all weights that half of Ray's object store contains, and bytes per weight."""
GROWTH = ("TF_FORCE_GPU_ALLOW_GROWTH", "true")
"""Makes TensorFlow allocate GPU memory as needed, so that processes can share a GPU."""
NETWORKS = ("network", "head", "predictor", "model", "base", "validation_text_batches")
PROCESS = ("run", "trackers", "terminal", "fits", "restart", "tolerance")
"""Attributes of a trainer that stay in this process."""


@contextlib.contextmanager
def connected(options: Any, parameters: int) -> Iterator[None]:
    """A connection to the cluster of the options, after a check that it is large enough.

    Args:
        options: of the training.
        parameters: of the network. A new local cluster has an object store with space for weights
            and gradients.

    Raises:
        MissingPackageError: Ray is not installed.
        BatchError: the cluster cannot be reached.
        UsageError: it is too small.
    """
    require("ray", extra="ray", purpose="to fine-tune on a cluster")
    os.environ.setdefault(*GROWTH)
    _use_one_gpu()
    with cluster.ray_cluster(options.address, COPIES * FLOAT * parameters):
        layout_of(options)
        yield


def _use_one_gpu() -> None:
    """Leave all GPUs but one to the workers: this process only applies gradients and validates."""
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    if len(gpus) > 1:
        try:
            tf.config.set_visible_devices(gpus[:1], "GPU")
        except RuntimeError as error:
            raise UsageError(
                "TensorFlow has started on several GPUs already; fine-tune with on='ray' in a new "
                "process, or set CUDA_VISIBLE_DEVICES=0 before Python starts."
            ) from error


def layout_of(options: Any) -> Layout:
    """The workers of the options on the connected cluster.

    Raises:
        UsageError: it is too small.
    """
    import ray  # only here, because it reads the authentication mode when imported

    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    machines = [Machine(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in resources]
    return layout(machines, workers=options.workers, cpus=options.cpus, device=options.device)


@contextlib.contextmanager
def distributed(trainer: Any, learner: keras.Model, batches: Batches) -> Iterator[Batches]:
    """A context in which `learner.fit` on the yielded batches trains on the cluster.

    Args:
        trainer: after it has read its data.
        learner: compiled.
        batches: of the trainer.
    """
    learner._symbolic_build(data_batch=batches.batch(0, 0))
    workers = layout_of(trainer.options)
    pool = _Pool(packed(trainer), learner.get_weights(), workers)
    step = _Step(learner, pool)
    learner.__dict__["_maybe_symbolic_build"] = lambda **_: None
    learner.__dict__["make_train_function"] = lambda force=False: None
    learner.train_function = step
    try:
        if missing := pool.missing(PATIENCE):
            trainer.terminal.write_lines(
                f"waiting for {missing} of {workers.workers} workers of the Ray cluster"
            )
        yield _Positions(len(batches))
    finally:
        del learner.__dict__["_maybe_symbolic_build"], learner.__dict__["make_train_function"]
        learner.train_function = None
        pool.close()


class _Positions:
    """The epoch and index of each batch, instead of the batch itself."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        return (np.array([[epoch, index]], np.int64),)


class _Step:
    """One step of training, as `keras.Model.fit` calls it."""

    def __init__(self, learner: keras.Model, pool: _Pool):
        import tensorflow as tf

        self.learner, self.pool = learner, pool
        self.state = state_variables(learner)
        self.untrained = untrained(learner, self.state)
        self.apply = tf.function(self._apply)
        self.trained: list[int] = []

    def _apply(self, gradients: list[Any]) -> None:
        variables = [self.learner.trainable_variables[index] for index in self.trained]
        self.learner.optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))

    def __call__(self, iterator: Any) -> dict[str, Any]:
        epoch, index = (int(value) for value in next(iterator)[0][0])
        state = [np.asarray(variable) for variable in self.state]
        scale = float(getattr(self.learner.optimizer, "dynamic_scale", 1.0))
        results = [part for part in self.pool.step(state, scale, epoch, index) if part.examples]
        total = sum(part.examples for part in results)
        weights = [part.examples / total for part in results]
        self.trained = [n for n, value in enumerate(results[0].gradients) if value is not None]
        self.apply([_mean([part.gradients[n] for part in results], weights) for n in self.trained])
        for n, variable in enumerate(self.untrained):
            values = [part.state[n] for part in results]
            is_average = not is_seed(variable) and np.issubdtype(values[0].dtype, np.floating)
            variable.assign(_mean(values, weights) if is_average else values[0])
        for n, variable in enumerate(self.learner.metrics_variables):
            variable.assign_add(sum(part.metrics[n] for part in results))
        metrics: dict[str, Any] = self.learner.get_metrics_result()
        return metrics


def _mean(values: Sequence[Any], weights: Sequence[float]) -> np.ndarray:
    """The weighted mean; the weights sum to 1."""
    total = sum(value * weight for value, weight in zip(values, weights, strict=True))
    return np.asarray(total, values[0].dtype)


class _Pool:
    """The workers; one that dies is replaced, and its step is repeated."""

    def __init__(self, packed: Packed, weights: list[np.ndarray], layout: Layout):
        import ray

        try:
            self.packed, self.weights = ray.put(packed), ray.put(weights)
        except TypeError as error:  # of Ray, with many lines about objects that cannot be pickled
            raise UsageError(
                "The loss, a metric or the augmentation cannot be sent to the workers of the Ray "
                f"cluster: {error.__cause__ or error}."
            ) from error
        self.layout, self.restarts = layout, 0
        self.actor = ray.remote(GradientWorker)
        self.workers = [self._start(rank) for rank in range(layout.workers)]

    def _start(self, rank: int) -> Any:
        layout = self.layout
        return self.actor.options(num_cpus=layout.cpus, num_gpus=layout.gpus).remote(
            self.packed, rank, layout, self.weights, os.getcwd()
        )

    def missing(self, seconds: float) -> int:
        """The number of workers that have not started after this many seconds."""
        import ray

        started = [worker.started.remote() for worker in self.workers]
        return len(ray.wait(started, num_returns=len(started), timeout=seconds)[1])

    def step(
        self, state: list[np.ndarray], scale: float, epoch: int, index: int
    ) -> list[PartResult]:
        """The results of all workers, in order.

        Raises:
            TrainingError: a worker fails, or workers die repeatedly.
        """
        import ray

        arguments = (ray.put(state), scale, epoch, index)
        pending = [worker.step.remote(*arguments) for worker in self.workers]
        results: list[PartResult] = []
        while (rank := len(results)) < len(self.workers):
            try:
                results.append(ray.get(pending[rank]))
            except ray.exceptions.RayActorError as error:
                if error.actor_init_failed or self.restarts >= MAX_RESTARTS:
                    raise TrainingError(
                        f"Workers of the Ray cluster cannot train: {_reason(error)}. The last "
                        "checkpoint is intact: the same call resumes."
                    ) from error
                self.restarts += 1
                self.workers[rank] = self._start(rank)
                pending[rank] = self.workers[rank].step.remote(*arguments)
            except ray.exceptions.RayError as error:
                raise TrainingError(
                    f"A worker of the Ray cluster failed: {_reason(error)}."
                ) from error
        return results

    def close(self) -> None:
        """Stop the workers."""
        import ray

        for worker in self.workers:
            with contextlib.suppress(Exception):  # it may have died already
                ray.kill(worker)


def _reason(error: Exception) -> str:
    """The error of a worker without Ray's traceback."""
    cause = getattr(error, "cause", None) or error.__cause__
    return str(cause).rstrip(".") if isinstance(cause, WarmstartError) else cluster.last_line(error)


def packed(trainer: Any) -> Packed:
    """A trainer to send to workers: with its data, without its networks."""
    model, copied = trainer.model, copy.copy(trainer)
    for name in (*NETWORKS, *PROCESS):
        copied.__dict__.pop(name, None)
    copied.options = replace(
        trainer.options,
        optimizer=None,
        callbacks=(),
        track=(),
        output=None,
        validation="auto",
        verbose=False,
    )
    return Packed(
        copied,
        type(model),
        model.entry.to_dict(),
        tuple(model.labels),
        model.precision,
        files_of(model.folder),
    )
