"""A worker of fine-tuning on Ray: computes the gradients of its part of each batch.

It has no state: weights and seeds come with each step. A worker that dies can thus be replaced and
the step repeated without affecting the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from warmstart.bulk import cluster
from warmstart.bulk.shipping import folder_of
from warmstart.catalog import Entry, Label
from warmstart.checkpoints.naming import finalize_layers
from warmstart.core.model import Model
from warmstart.core.weights import Weights
from warmstart.training.batches import Batches, take
from warmstart.training.checkpointing import changing_variables
from warmstart.training.fit import seeded
from warmstart.training.progress import Terminal
from warmstart.training.ray_layout import Layout

SEED_STEP = 104_729
"""The difference between the seeds of two workers, so that their dropout differs."""


class PartResult(NamedTuple):
    """The result of a step on a worker's part of a batch.

    Attributes:
        examples: their number; if it is 0, the other attributes are empty.
        gradients: in the order of the trainable variables; None if the loss does not depend on one.
        state: the values of the untrained `state_variables` after the step.
        metrics: the values of the metrics' variables, for this step only.
    """

    examples: int
    gradients: list[np.ndarray | None]
    state: list[np.ndarray]
    metrics: list[np.ndarray]


@dataclass(frozen=True)
class Packed:
    """The data from which a worker builds its network. All weights come from the training process.

    Attributes:
        trainer: with its data, without its networks.
        model_class: of the base.
        entry: of the base, as JSON-able values.
        labels, precision: of the base.
        files: of the base's folder, by relative path: tokenizer, config.
    """

    trainer: Any
    model_class: type[Model[Any, Any, Any]]
    entry: Mapping[str, Any]
    labels: tuple[Label, ...]
    precision: str
    files: Mapping[str, bytes]

    def unpack(self) -> Any:
        """The trainer with its base, with random weights."""
        base = self.model_class(
            Entry.from_dict(dict(self.entry)),
            Weights.random(),
            self.labels,
            precision=self.precision,
            folder=folder_of(self.files),
        )
        self.trainer.model = self.trainer.base = base
        self.trainer.terminal, self.trainer.fits = Terminal(verbose=False), {}
        return self.trainer


class Gradients(keras.optimizers.Optimizer):
    """An optimizer that stores the gradients and does not change the variables.

    Attributes:
        buffers: the gradients of the last step, in the order of the trainable variables.
        received: indices of the variables on which the loss depends.
        scale: a factor of the loss, for the driver's `LossScaleOptimizer`.
    """

    def __init__(self) -> None:
        super().__init__(learning_rate=0.0)
        self.received: set[int] = set()

    def build(self, variables: Any) -> None:
        if self.built:
            return
        super().build(variables)
        self.scale = self.add_variable((), initializer="ones", name="scale")
        self.buffers = [self.add_variable_from_reference(v, "gradient") for v in variables]
        self.indices = {id(v): index for index, v in enumerate(variables)}

    def scale_loss(self, loss: Any) -> Any:
        return loss * self.scale

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        import tensorflow as tf

        variables = (
            self._trainable_variables if trainable_variables is None else trainable_variables
        )
        for gradient, variable in zip(grads, variables, strict=True):
            if gradient is not None:
                index = self.indices[id(variable)]
                self.received.add(index)
                self.buffers[index].assign(tf.convert_to_tensor(gradient))


class GradientWorker:
    """The class of the Ray actors.

    Args:
        packed: the data from which to build the network.
        rank: of this worker, from 0.
        layout: of the workers.
        weights: of the learner.
        here: the folder to which relative paths refer.
    """

    def __init__(
        self,
        packed: Packed,
        rank: int,
        layout: Layout,
        weights: list[np.ndarray],
        here: str,
    ):
        import tensorflow as tf

        cluster.prepare_process(layout.cpus, here)
        tf.config.threading.set_intra_op_parallelism_threads(layout.cpus)
        if not layout.gpus:
            tf.config.set_visible_devices([], "GPU")
        self.rank, self.count = rank, layout.workers
        trainer = packed.unpack()
        with seeded(trainer.options.seed):
            trainer.network = trainer.build()
            trainer.freeze()
            self.batches: Batches = trainer.batches()
            self.learner: keras.Model = trainer.learner()
            self.optimizer = Gradients()
            trainer.compile(self.learner, self.optimizer)
        self.learner.optimizer = self.optimizer  # without Keras' scaling of losses in float16
        self.learner._symbolic_build(data_batch=self.batches.batch(0, 0))
        self.optimizer.build(self.learner.trainable_variables)
        self.learner.set_weights(weights)
        finalize_layers(self.learner)
        self.state = state_variables(self.learner)

    def started(self) -> None:
        """Returns when the worker is ready."""

    def step(self, state: list[np.ndarray], scale: float, epoch: int, index: int) -> PartResult:
        """The gradients of this worker's part of a batch.

        Args:
            state: values of the `state_variables`.
            scale: of the loss.
            epoch, index: of the batch.
        """
        batch = part_of(self.batches, epoch, index, self.rank, self.count)
        examples = len(keras.tree.flatten(batch[0])[0])
        if not examples:
            return PartResult(0, [], [], [])
        for variable, value in zip(self.state, state, strict=True):
            variable.assign(value)
            if is_seed(variable):
                variable.assign_add(np.array([self.rank * SEED_STEP, 0], value.dtype))
        self.optimizer.scale.assign(scale)
        self.learner.reset_metrics()
        self.learner.train_on_batch(*batch, return_dict=True)
        return PartResult(
            examples,
            [
                np.asarray(buffer) if index in self.optimizer.received else None
                for index, buffer in enumerate(self.optimizer.buffers)
            ],
            [np.asarray(variable) for variable in untrained(self.learner, self.state)],
            [np.asarray(variable) for variable in self.learner.metrics_variables],
        )


def state_variables(learner: keras.Model) -> list[Any]:
    """The variables that a step can change, without those of the metrics."""
    metrics = {id(variable) for variable in learner.metrics_variables}
    return [variable for variable in changing_variables(learner) if id(variable) not in metrics]


def untrained(learner: keras.Model, state: list[Any]) -> list[Any]:
    """The state variables that change without a gradient: moving averages and seeds."""
    trained = {id(variable) for variable in learner.trainable_variables}
    return [variable for variable in state if id(variable) not in trained]


def is_seed(variable: Any) -> bool:
    """Whether a variable is the state of a random number generator."""
    return "seed_generator_state" in variable.path


def part_of(batches: Batches, epoch: int, index: int, rank: int, count: int) -> tuple[Any, ...]:
    """A worker's part of a batch; batches that read files read only those of the part."""
    if hasattr(batches, "part_of"):
        part: tuple[Any, ...] = batches.part_of(epoch, index, rank, count)
        return part
    batch = batches.batch(epoch, index)
    rows = np.array_split(np.arange(len(keras.tree.flatten(batch[0])[0])), count)[rank]
    return tuple(take(arrays, rows) for arrays in batch)
