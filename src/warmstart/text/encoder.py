"""What all text tasks share: text -> tokens -> engine -> one row of outputs per text, batched by length, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from warmstart.catalog import Entry
from warmstart.core.inputs import Item
from warmstart.core.model import Model
from warmstart.core.results import Failed
from warmstart.engines.base import TensorSpec
from warmstart.errors import BundleError, InputError, UsageError
from warmstart.models import family
from warmstart.text import inputs as text_items
from warmstart.text.inputs import Pair
from warmstart.text.tokenizer import Encoded, Tokenizer, padded

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

BATCH_SIZE = 8
AHEAD_LIST, AHEAD_STREAM = 1024, 32
"""Texts that are sorted by length together: of a list, and of a generator, whose results should not wait long."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

R = TypeVar("R")
Row = Mapping[str, np.ndarray]


class TextTask(Model):
    """A model of texts. Subclasses turn one row of outputs into a result."""

    pairs: ClassVar[bool] = False
    """Whether a pair of texts is an input."""

    _tokenizer: Tokenizer | None = None

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer, from the files beside its weights.

        Raises:
            BundleError: there are none, or they are damaged, or of another model.
        """
        with self._lock:
            if self._tokenizer is None:
                if self._folder is None:
                    raise BundleError(f"{self.name} has no folder with a tokenizer; load it by name, folder or source.")
                self._tokenizer = Tokenizer.open(self._folder, rows=self.entry.config["vocab_size"])
            return self._tokenizer

    @property
    def max_length(self) -> int:
        """The most tokens of one text, special ones included."""
        return int(self.entry.processing["max_length"])

    def files(self) -> Mapping[str, Path | bytes]:
        """The tokenizer and `config.json`, which make the bundle a repository that transformers loads."""
        config = family(self.entry.architecture).write(self.entry, self.labels)
        return {**self.tokenizer.files(), "config.json": (json.dumps(config, indent=2) + "\n").encode()}

    def features(self, inputs: Any, *, batch_size: int | None = None) -> Any:
        """The hidden states of the last layer, averaged over the text's tokens.

        Args:
            inputs, batch_size: as for calling the model.

        Returns:
            float32 (D,) for one text, (N, D) for a list, an iterator of (D,) otherwise.

        Raises:
            InputError: a text is unusable.
        """
        vectors = (row if isinstance(row, Failed) else row[2][0]["features"]
                   for row in self._answers(inputs, batch_size))
        if text_items.is_single(inputs):
            return _raised(next(vectors))
        if not _is_list(inputs):
            return map(_raised, vectors)
        return np.array([_raised(v) for v in vectors], np.float32).reshape(-1, int(self.entry.config["hidden_size"]))

    def _results(self, inputs: Any, batch_size: int | None,
                 result: Callable[[str | Pair, Sequence[Encoded], Sequence[Row]], R]) -> Any:
        """One result for one text; a list for a list, an iterator otherwise, with `Failed` for unusable texts."""
        results = (row if isinstance(row, Failed) else result(*row) for row in self._answers(inputs, batch_size))
        if text_items.is_single(inputs):
            return _raised(next(results))
        return list(results) if _is_list(inputs) else results

    def _answers(self, inputs: Any,
                 batch_size: int | None) -> Iterator[tuple[str | Pair, Sequence[Encoded], Sequence[Row]] | Failed]:
        """(text, its windows of tokens, the outputs of each), or `Failed`, per text and in order."""
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch_size must be 1 or more, not {batch_size}.")
        self.tokenizer, self.engine  # noqa: B018 (errors of the model come before those of inputs)
        items = text_items.iter_texts(inputs)
        ahead = AHEAD_LIST if _is_list(inputs) else max(AHEAD_STREAM, 4 * (batch_size or BATCH_SIZE))
        return self._in_order(items, ahead, batch_size or BATCH_SIZE)

    def _in_order(self, items: Iterator[Item], ahead: int,
                  batch_size: int) -> Iterator[tuple[str | Pair, Sequence[Encoded], Sequence[Row]] | Failed]:
        while chunk := list(islice(items, ahead)):
            prepared = [self._prepared(item) for item in chunk]
            encoded = [window for one in prepared if not isinstance(one, Failed) for window in one[1]]
            rows = iter(self.run(encoded, batch_size=batch_size))
            for one in prepared:
                yield one if isinstance(one, Failed) else (*one, list(islice(rows, len(one[1]))))

    def _prepared(self, item: Item) -> tuple[str | Pair, Sequence[Encoded]] | Failed:
        try:
            text = text_items.text_of(item)
            return text, self.windows(text, item.name)
        except InputError as error:
            return Failed(item.name, error)

    def windows(self, text: str | Pair, name: str = "") -> Sequence[Encoded]:
        """What goes through the engine for one text: itself, or where a task cuts long ones, its windows."""
        return [self.encode(text, name)]

    def encode(self, text: str | Pair, name: str = "") -> Encoded:
        """A text or pair as the model's tokens, cut to what it takes.

        Raises:
            InputError: the text cannot be encoded, or is a pair where the model takes single texts.
        """
        if isinstance(text, Pair) and not self.pairs:
            raise InputError(f"{name}: is a pair of texts; {self.name} takes one text at a time", name)
        first, second = text if isinstance(text, Pair) else (text, None)
        if self.entry.processing.get("lowercase"):
            first = first.lower()
        return self.tokenizer.encode(first, second, limit=self.max_length, name=name)

    def run(self, encoded: Sequence[Encoded], *, batch_size: int = BATCH_SIZE) -> list[Row]:
        """The outputs of texts, in their order; those of similar lengths go through the engine together.

        Args:
            encoded: of any lengths.
            batch_size: texts per call of the engine; does not change results.

        Returns:
            Name of output -> its row, for each text; rows of padding are cut off where the output has one per token.
        """
        order = np.argsort([len(one) for one in encoded], kind="stable")[::-1]  # the longest first: memory grows once
        rows: list[Row] = [{}] * len(encoded)
        spec = {output.name: output.shape for output in self.engine.signatures["forward"].outputs}
        for start in range(0, len(order), batch_size):
            places = order[start:start + batch_size]
            batch = self.batch([encoded[place] for place in places])
            outputs = self.engine.run("forward", **batch)
            for row, place in enumerate(places):
                length = len(encoded[place])
                rows[place] = {name: value[row, :length] if spec[name][1:2] == ("tokens",) else value[row]
                               for name, value in outputs.items()}
        return rows

    def batch(self, encoded: Sequence[Encoded]) -> dict[str, np.ndarray]:
        """The arrays that the program takes, padded to the longest text."""
        config = self.entry.config
        arrays = padded(encoded, config["pad_token_id"])
        kinds = config["type_vocab_size"]
        if kinds:
            arrays["token_type_ids"] = np.minimum(arrays["token_type_ids"], kinds - 1)
        else:
            del arrays["token_type_ids"]
        return arrays

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: the inputs of `TextTask.batch`, int32 (batch, tokens), -> the model's outputs and `features`."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models.text.outputs import with_features

        outputs = with_features(model, entry.processing.get("pooling"), bool(entry.processing.get("normalize")))
        highest = {"input_ids": entry.config["vocab_size"] - 1, "attention_mask": 1,
                   "token_type_ids": max(entry.config["type_vocab_size"] - 1, 0)}
        names = INPUTS if entry.config["type_vocab_size"] else INPUTS[:2]
        specs = tuple(TensorSpec(name, "int32", ("batch", "tokens"), float(name == "attention_mask"), highest[name])
                      for name in names)

        def forward(*tensors: Any) -> Any:
            return outputs(dict(zip(names, tensors, strict=True)), training=False)

        return Program({"forward": Function(forward, specs)}, outputs)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Shares that add up to 1 along the last axis; float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Each logit as a probability of its own; float64, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))


def _is_list(inputs: Any) -> bool:
    return isinstance(inputs, list | np.ndarray) or (isinstance(inputs, tuple) and not text_items.is_single(inputs))


def _raised(result: Any) -> Any:
    if isinstance(result, Failed):
        raise result.error
    return result
