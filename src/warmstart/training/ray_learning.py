"""Fine-tuning on a Ray cluster: workers compute the gradients of their shares of each batch, and this
process, which has optimizer, checkpoints and validation, applies their weighted sum.

Keras 3 cannot fit under TensorFlow's MultiWorkerMirroredStrategy: its loop fails on the parts that
the strategy's datasets consist of. So gradients travel through Ray.
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
    Share,
    is_seed,
    state_variables,
    untrained,
)

DEATHS = 20
"""How many workers may die before a fit gives up."""
PATIENCE = 60.0
"""Seconds after which the terminal shows that workers have not started."""
COPIES, FLOAT = 2, 4
"""Of all weights in half of Ray's object store, and the bytes of each number."""
GROWTH = ("TF_FORCE_GPU_ALLOW_GROWTH", "true")
"""Makes TensorFlow take memory of a GPU as it needs it, so that processes can share one."""
NETWORKS = ("network", "head", "predictor", "model", "base", "validation_text_batches")
PROCESS = ("run", "trackers", "terminal", "fits", "restart", "tolerance")
"""Attributes of a trainer that stay in this process."""


@contextlib.contextmanager
def connected(options: Any, parameters: int) -> Iterator[None]:
    """A connection to the cluster of the options, which is large enough.

    Args:
        options: of the training.
        parameters: of the network. Where a cluster is started here, its object store has room for
            weights and gradients.

    Raises:
        MissingPackageError: Ray is not installed.
        BatchError: the cluster cannot be reached.
        UsageError: it is too small.
    """
    require("ray", extra="ray", purpose="to fine-tune on a cluster")
    os.environ.setdefault(*GROWTH)
    _use_one_gpu()
    with cluster.connected(options.address, COPIES * FLOAT * parameters):
        layout_of(options)
        yield


def _use_one_gpu() -> None:
    """Leave all GPUs but one to the workers: this process applies gradients, and validates."""
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
    import ray  # not before: it reads the mode of authentication

    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    machines = [Machine(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in resources]
    return layout(machines, workers=options.workers, cpus=options.cpus, device=options.device)


@contextlib.contextmanager
def distributed(trainer: Any, learner: keras.Model, batches: Batches) -> Iterator[Batches]:
    """Inside, `learner.fit` on the batches that this yields trains on the cluster.

    Args:
        trainer: with its data read.
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
            trainer.terminal.say(
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
        shares = [one for one in self.pool.step(state, scale, epoch, index) if one.examples]
        total = sum(one.examples for one in shares)
        parts = [one.examples / total for one in shares]
        first = shares[0]
        self.trained = [n for n, value in enumerate(first.gradients) if value is not None]
        self.apply([_sum([one.gradients[n] for one in shares], parts) for n in self.trained])
        for n, variable in enumerate(self.untrained):
            values = [one.state[n] for one in shares]
            is_average = not is_seed(variable) and np.issubdtype(values[0].dtype, np.floating)
            variable.assign(_sum(values, parts) if is_average else values[0])
        for n, variable in enumerate(self.learner.metrics_variables):
            variable.assign_add(sum(one.metrics[n] for one in shares))
        results: dict[str, Any] = self.learner.get_metrics_result()
        return results


def _sum(values: Sequence[Any], parts: Sequence[float]) -> np.ndarray:
    """Weighted."""
    total = sum(value * part for value, part in zip(values, parts, strict=True))
    return np.asarray(total, values[0].dtype)


class _Pool:
    """The workers; one that dies is replaced, and repeats its step."""

    def __init__(self, packed: Packed, weights: list[np.ndarray], layout: Layout):
        import ray

        try:
            self.packed, self.weights = ray.put(packed), ray.put(weights)
        except TypeError as error:  # Ray's, a report of many lines about what cannot be pickled
            raise UsageError(
                "The loss, a metric or the augmentation cannot be sent to the workers of the Ray "
                f"cluster: {error.__cause__ or error}."
            ) from error
        self.layout, self.deaths = layout, 0
        self.actor = ray.remote(GradientWorker)
        self.workers = [self._started(rank) for rank in range(layout.workers)]

    def _started(self, rank: int) -> Any:
        layout = self.layout
        return self.actor.options(num_cpus=layout.cpus, num_gpus=layout.gpus).remote(
            self.packed, rank, layout, self.weights, os.getcwd()
        )

    def missing(self, seconds: float) -> int:
        """The workers that have not started after so many seconds."""
        import ray

        started = [worker.started.remote() for worker in self.workers]
        return len(ray.wait(started, num_returns=len(started), timeout=seconds)[1])

    def step(self, state: list[np.ndarray], scale: float, epoch: int, index: int) -> list[Share]:
        """The shares of all workers, in order.

        Raises:
            TrainingError: a worker fails, or workers die again and again.
        """
        import ray

        arguments = (ray.put(state), scale, epoch, index)
        pending = [worker.step.remote(*arguments) for worker in self.workers]
        shares: list[Share] = []
        while (rank := len(shares)) < len(self.workers):
            try:
                shares.append(ray.get(pending[rank]))
            except ray.exceptions.RayActorError as error:
                if error.actor_init_failed or self.deaths >= DEATHS:
                    raise TrainingError(
                        f"Workers of the Ray cluster cannot train: {_reason(error)}. The last "
                        "checkpoint is intact: the same call resumes."
                    ) from error
                self.deaths += 1
                self.workers[rank] = self._started(rank)
                pending[rank] = self.workers[rank].step.remote(*arguments)
            except ray.exceptions.RayError as error:
                raise TrainingError(
                    f"A worker of the Ray cluster failed: {_reason(error)}."
                ) from error
        return shares

    def close(self) -> None:
        """End the workers."""
        import ray

        for worker in self.workers:
            with contextlib.suppress(Exception):  # one that is dead already
                ray.kill(worker)


def _reason(error: Exception) -> str:
    """What a worker raised, without Ray's traceback."""
    cause = getattr(error, "cause", None) or error.__cause__
    return str(cause).rstrip(".") if isinstance(cause, WarmstartError) else cluster.in_short(error)


def packed(trainer: Any) -> Packed:
    """A trainer as it travels: with its data, without its networks."""
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
