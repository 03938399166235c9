"""Fine-tuning of text encoders: a pretrained encoder with a new head, AdamW, warm-up and linear
decay.

Source of the recipe: Devlin et al., "BERT" (2018), section 4 and appendix A.3.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import keras
import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core.records import require_usable
from warmstart.core.task import task_class
from warmstart.counts import counted, singular
from warmstart.errors import UsageError
from warmstart.models import architecture, family
from warmstart.models.text.encoder_config import is_body, is_head
from warmstart.text.encoder import TextModel
from warmstart.text.tokenizer import Encoded
from warmstart.text.train import lora
from warmstart.text.train.batches import Pad, TextBatches, padder
from warmstart.text.train.options import EncoderOptions
from warmstart.training.adamw import warmed
from warmstart.training.batches import Batches
from warmstart.training.freeze import Block
from warmstart.training.options import validation_fraction
from warmstart.training.repeats import contents, repeats
from warmstart.training.sorted_batches import SortedBatches
from warmstart.training.split import fingerprint, split
from warmstart.training.summary import Summary, class_counts, data_name
from warmstart.training.trainer import SOURCE, Trainer

WIDTH, RATE, HIGHEST_RATE = 768, 5e-5, 3e-4
"""BERT's learning rate at its base width; narrower encoders take a higher one, in proportion."""
VALIDATION_BATCH = 32
FEWEST_EPOCHS, MOST_EPOCHS, FEWEST_STEPS = 3, 20, 300
"""Limits of the default number of epochs."""


class HasGroup(Protocol):
    """An example that may belong to a split, and to a group that stays together."""

    @property
    def split(self) -> str | None: ...

    @property
    def group(self) -> str | None: ...


EncoderOptionsT = TypeVar("EncoderOptionsT", bound=EncoderOptions)
ExampleT = TypeVar("ExampleT", bound=HasGroup)
TaskT = TypeVar("TaskT", bound=TextModel[Any, Any, Any])


class EncoderTrainer(Trainer[EncoderOptionsT], Generic[EncoderOptionsT, ExampleT, TaskT]):
    """The base class of the trainers of encoders.

    Attributes:
        train_examples, validation_examples: the examples of the two splits.
        problems: the faults of examples that are left out.
        columns: sentences on how the columns of tables were recognised.
        predictor: a model of the task with the result's entry, for encoding and decoding.
        set_aside: whether the validation examples are a share of those for training.
        processing: of the result's entry.
        has_head: whether the head came from the base, too.
    """

    unit: ClassVar[str] = "texts"
    example: ClassVar[str] = '"a text"'
    jit_compile = False  # XLA would compile every length separately
    model: TextModel[Any, Any, Any]
    predictor: TaskT
    has_head: bool
    train_examples: list[ExampleT]
    validation_examples: list[ExampleT]
    processing: Mapping[str, Any] = {}

    @abstractmethod
    def examples(self, data: Any) -> Sequence[ExampleT]:
        """The examples of data."""

    def labels_of(self, example: ExampleT) -> Sequence[str]:
        """The labels of an example, for the split and the counts."""
        return ()

    def group_of(self, example: ExampleT) -> Any:
        """The group of an example, which stays in one split; None if it has no group."""
        return example.group

    def content_of(self, example: ExampleT) -> Hashable:
        """A key that is equal for equal inputs; None: repeated examples are not detected."""
        return None

    def inspect(self, examples: Sequence[ExampleT]) -> None:
        """Derive from all examples what the split depends on."""

    def check(self) -> None:
        """Set `labels` and the other attributes that follow from the examples."""

    @abstractmethod
    def text_batches(self, examples: Sequence[ExampleT], shuffle: bool) -> SortedBatches:
        """The examples with their targets."""

    def open(self) -> None:
        super().open()
        if not isinstance(self.model, TextModel) or not hasattr(
            family(self.model.entry.architecture), "BLOCK"
        ):
            raise UsageError(
                f"{self.model.name} is not a text encoder; use a BERT, DistilBERT or RoBERTa."
            )
        if self.options.lora is not None:
            lora.check(self.model, self.options.lora)
        self.check_length()

    def check_length(self) -> None:
        """Refuse texts that are longer than the base has positions for.

        Raises:
            UsageError: the option asks for them.
        """
        config = self.model.entry.config
        longest = config["max_position_embeddings"]
        if first := getattr(family(self.model.entry.architecture), "first_position", None):
            longest -= first(config)
        if self.options.max_length is not None and self.options.max_length > longest:
            raise UsageError(
                f"{self.model.name} takes at most {longest} tokens, not "
                f"max_length={self.options.max_length}."
            )

    def read(self, data: Any) -> Summary:
        options = self.options
        self.problems: list[str] = []
        self.columns: list[str] = []
        examples = self.examples(data)
        columns = tuple(self.columns)
        require_usable(singular(self.unit), len(examples), self.problems)
        self.inspect(examples)
        chosen = split(
            examples,
            options.validation,
            options.seed,
            self.examples,
            labels=self.labels_of,
            group=self.group_of,
            split_of=lambda example: example.split,
        )
        self.train_examples, self.validation_examples = chosen.train, chosen.validation
        has_split = any(example.split == "validation" for example in examples)
        uses_split = options.validation == "auto" and has_split
        self.set_aside = bool(validation_fraction(options.validation)) and not uses_split
        self.check()
        splits = {"train": chosen.train, "validation": chosen.validation}
        if chosen.test:
            splits["test"] = chosen.test
        counts = {name: len(rows) for name, rows in splits.items()}
        labels = {name: [self.labels_of(row) for row in rows] for name, rows in splits.items()}
        names = sorted({label for rows in labels.values() for row in rows for label in row})
        return Summary(
            data_name(data),
            self.unit,
            counts,
            class_counts(names, labels),
            self.baseline_sentence(),
            (*chosen.warnings, *repeats(contents(splits, self.content_of, self.labels_of))),
            self.problems,
            columns,
            self.baseline_metrics(),
        )

    def epochs(self, batches: Batches) -> int:
        if self.options.epochs is not None:
            return self.options.epochs
        return min(MOST_EPOCHS, max(FEWEST_EPOCHS, -(-FEWEST_STEPS // len(batches))))

    def baseline_sentence(self) -> str:
        """A sentence on the metrics of a trivial model on the validation examples."""
        return ""

    def baseline_metrics(self) -> dict[str, float]:
        """The metrics of a trivial model, by name."""
        return {}

    def identity(self) -> dict[str, Any]:
        return {
            "labels": [label.name for label in self.labels],
            "train": fingerprint(self.train_examples),
            "validation": fingerprint(self.validation_examples),
        }

    def head_config(self) -> Mapping[str, Any]:
        """The settings of the head in the config of the network."""
        return {}

    def build(self) -> keras.Model:
        """The base's encoder, with the base's head if it fits task and labels, else a new one."""
        base, options = self.model, self.options
        config = {**base.entry.config, "head": self.task, "pooler": False, **self.head_config()}
        if self.labels:
            config["num_labels"] = len(self.labels)
        self.result_entry = replace(
            base.entry,
            name=options.name or f"{base.name}_finetuned",
            task=self.task,
            config=config,
            weights={},
            labels="",
            title=f"{base.entry.title}, fine-tuned",
            metrics=(),
            aliases=(),
            processing={
                "max_length": options.max_length or base.max_length,
                **self.processing,
            },
            parameters=family(base.entry.architecture).parameters(config),
        )
        network = architecture(self.result_entry.architecture).build(config)
        self.has_head = self._copy_weights(network)
        if not self.has_head:
            self.terminal.write_lines(
                f"{base.name} has no head for these labels; a new one is trained."
            )
        if options.lora is not None:
            lora.adapt(network, self.result_entry, options.lora, options.seed)
        predictor: Any = task_class(self.task)(
            self.result_entry,
            base.weights,
            tuple(self.labels),
            engine="keras",
            folder=base._folder,
        )
        self.predictor = predictor
        self.network = network
        if self.validation_examples:
            self.validation_text_batches = self.text_batches(
                self.validation_examples, shuffle=False
            )
        return network

    def _copy_weights(self, network: keras.Model) -> bool:
        """Copy layers by name; returns whether all of them, the head too, came from the base."""
        base = self.model
        same_labels = [label.id for label in self.labels] == [label.id for label in base.labels]
        same_head = base.entry.task == self.task and same_labels
        source = {layer.name: layer for layer in base.keras.layers}
        whole = True
        for layer in network.layers:
            if not layer.weights:
                continue
            other = source.get(layer.name)
            fits = other is not None and (
                [weight.shape for weight in other.weights]
                == [weight.shape for weight in layer.weights]
            )
            if other is not None and fits and (same_head or not is_head(layer.name)):
                layer.set_weights(other.get_weights())
            else:
                whole = False
        return whole

    def freeze(self) -> None:
        if self.options.lora is None:
            super().freeze()

    def blocks(self) -> list[Block]:
        blocks: list[list[keras.layers.Layer]] = [
            [] for _ in range(self.result_entry.config["num_hidden_layers"])
        ]
        pattern = family(self.result_entry.architecture).BLOCK
        for layer in self.network.layers:
            if layer.weights and is_body(layer.name):
                match = re.match(pattern, layer.name)
                blocks[int(match[1]) if match else 0].append(layer)
        return [list(block) for block in blocks]

    def batches(self) -> SortedBatches:
        return self.text_batches(self.train_examples, shuffle=True)

    def batched(
        self,
        encoded: Sequence[Encoded],
        targets: Callable[[np.ndarray, int], Any],
        shuffle: bool,
    ) -> TextBatches:
        """Encoded texts as batches; `targets` as for `TextBatches`."""
        options = self.options
        size = options.batch_size if shuffle else VALIDATION_BATCH
        return TextBatches(
            encoded, targets, self.pad, batch_size=size, shuffle=shuffle, seed=options.seed
        )

    @property
    def pad(self) -> Pad:
        """Makes the network's inputs of texts."""
        return padder(self.result_entry.config)

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        options = self.options
        rate = min(HIGHEST_RATE, RATE * WIDTH / self.result_entry.config["hidden_size"])
        return warmed(
            options.learning_rate or rate,
            steps,
            weight_decay=options.weight_decay,
            warmup=options.warmup,
        )

    def predict(self) -> dict[str, list[np.ndarray]]:
        """The outputs of all validation texts by name: one row per text, in order."""
        rows: dict[str, list[np.ndarray]] = {}
        order: list[int] = []
        for index in range(len(self.validation_text_batches)):
            outputs = self.network.predict_on_batch(self.validation_text_batches.batch(0, index)[0])
            order += self.validation_text_batches.indices(0, index).tolist()
            for name, value in outputs.items():
                rows.setdefault(name, []).extend(np.asarray(value))
        indices = np.argsort(order)
        return {name: [value[index] for index in indices] for name, value in rows.items()}

    def describe(self) -> Entry:
        metrics = tuple(
            Metric(name.removeprefix("val_"), float(value), self.measured_on, SOURCE)
            for name, value in self.fits["fit"].metrics.items()
            if name.startswith("val_") and name != "val_loss"
        )
        return replace(self.result_entry, metrics=metrics)

    @property
    def measured_on(self) -> str:
        """The data of the metrics."""
        unit = f"validation {singular(self.unit)}"
        return counted(len(self.validation_examples), unit, f"validation {self.unit}")

    def details(self) -> dict[str, Any]:
        return {"examples": dict(self.summary.counts)}

    def exported(self) -> tuple[keras.Model, Any]:
        rank = self.options.lora
        if rank is None:
            return self.network, None
        digest, source = self.model.weights.digest, lora.source_of(self.base, self.model)
        adapter = lora.adapter(self.network, self.entry, digest, source, rank)
        return lora.merged(self.network, self.entry), adapter
