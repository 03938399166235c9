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
from warmstart.errors import TrainingError, UsageError, require
from warmstart.training.batches import Batches
from warmstart.training.ray_worker import (
    GradientWorker,
    Share,
    is_seed,
    state_variables,
    untrained,
)

DEATHS = 20
"""How many workers may die before a fit gives up."""
ROOM = 2**28
"""Bytes of Ray's object store for weights and gradients, where a cluster is started here."""
NETWORKS = ("network", "head", "predictor", "model", "base", "validation_text_batches")
PROCESS = ("run", "trackers", "terminal", "fits", "restart", "tolerance")
"""Attributes of a trainer that stay in this process."""


@contextlib.contextmanager
def connected(options: Any) -> Iterator[None]:
    """A connection to the cluster of the options, with enough processors.

    Raises:
        MissingPackageError: Ray is not installed.
        BatchError: the cluster cannot be reached.
        UsageError: it has too few processors.
    """
    require("ray", extra="ray", purpose="to fine-tune on a cluster")
    with cluster.connected(options.address, ROOM):
        import ray  # not before: it reads the mode of authentication

        _check_processors(options, int(ray.cluster_resources().get("CPU", 0)))
        yield


def _check_processors(options: Any, processors: int) -> None:
    workers, cpus = sizes(options, processors)
    if workers * cpus > processors:
        raise UsageError(
            f"The cluster has {processors} processors, too few for {workers} workers of {cpus}: ask "
            "for fewer workers, or fewer cpus."
        )


def sizes(options: Any, processors: int) -> tuple[int, int]:
    """(workers, processors of each)."""
    workers = options.workers or max(1, processors // (options.cpus or processors))
    return workers, options.cpus or max(1, processors // workers)


@contextlib.contextmanager
def distributed(trainer: Any, learner: keras.Model, batches: Batches) -> Iterator[Batches]:
    """Inside, `learner.fit` on the batches that this yields trains on the cluster.

    Args:
        trainer: with its data read.
        learner: compiled.
        batches: of the trainer.
    """
    import ray

    learner._symbolic_build(data_batch=batches.batch(0, 0))
    workers, cpus = sizes(trainer.options, int(ray.cluster_resources().get("CPU", 1)))
    pool = _Pool(_packed(trainer), learner.get_weights(), workers, cpus)
    step = _Step(learner, pool)
    learner.__dict__["_maybe_symbolic_build"] = lambda **_: None
    learner.__dict__["make_train_function"] = lambda force=False: None
    learner.train_function = step
    try:
        yield _Positions(len(batches))
    finally:
        del learner.__dict__["_maybe_symbolic_build"], learner.__dict__["make_train_function"]
        learner.train_function = None
        pool.close()


class _Positions:
    """In place of batches: where each is found."""

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
        shares = [one for one in self.pool.step(state, epoch, index) if one.examples]
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

    def __init__(self, packed: Any, weights: list[np.ndarray], count: int, cpus: int):
        import ray

        self.packed, self.weights = ray.put(packed), ray.put(weights)
        self.count, self.cpus, self.deaths = count, cpus, 0
        self.actor = ray.remote(GradientWorker)
        self.workers = [self._started(rank) for rank in range(count)]

    def _started(self, rank: int) -> Any:
        return self.actor.options(num_cpus=self.cpus).remote(
            self.packed, rank, self.count, self.weights, os.getcwd(), self.cpus
        )

    def step(self, state: list[np.ndarray], epoch: int, index: int) -> list[Share]:
        """The shares of all workers, in order.

        Raises:
            TrainingError: a worker fails, or workers die again and again.
        """
        import ray

        values = ray.put(state)
        answers = [worker.step.remote(values, epoch, index) for worker in self.workers]
        shares: list[Share] = []
        for rank in range(self.count):
            while len(shares) == rank:
                try:
                    shares.append(ray.get(answers[rank]))
                except ray.exceptions.RayActorError as error:
                    if isinstance(error.__cause__, Exception) or self.deaths >= DEATHS:
                        raise TrainingError(
                            f"Workers of the Ray cluster cannot train: {cluster.in_short(error)}. The "
                            "last checkpoint is intact: the same call resumes."
                        ) from error
                    self.deaths += 1
                    self.workers[rank] = self._started(rank)
                    answers[rank] = self.workers[rank].step.remote(values, epoch, index)
                except ray.exceptions.RayError as error:
                    raise TrainingError(
                        f"A worker of the Ray cluster failed: {cluster.in_short(error)}."
                    ) from error
        return shares

    def close(self) -> None:
        """End the workers."""
        import ray

        for worker in self.workers:
            with contextlib.suppress(Exception):  # one that is dead already
                ray.kill(worker)


def _packed(trainer: Any) -> Any:
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
    weights = model.weights
    return (
        copied,
        type(model),
        model.entry.to_dict(),
        weights.path,
        weights.digest,
        tuple(model.labels),
        model.precision,
        model._folder,
    )
