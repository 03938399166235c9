"""The base class of models of encoders: a text becomes tokens, which are batched with other texts of
similar length.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item
from warmstart.core.model import Model, Prepared, Row
from warmstart.core.options import BatchOptions, takes
from warmstart.engines.base import TensorSpec
from warmstart.models import family
from warmstart.text.inputs import Pair, TextKind, display_text
from warmstart.text.settings import TextSettings
from warmstart.text.tokenizer import Encoded, Tokenizer

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

LIST_GROUP, STREAM_GROUP = 1024, 32
"""Texts that are sorted by length together: of a list, and of a stream, whose results should not
wait long.
"""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

InputT = TypeVar("InputT")
ResultT = TypeVar("ResultT")
OptionsT = TypeVar("OptionsT", bound=BatchOptions)


@dataclass(frozen=True, eq=False)
class Windows:
    """A prepared text: usually one window; for long contexts of questions, several."""

    text: str | Pair
    encoded: Sequence[Encoded]

    @property
    def input(self) -> str:
        """How results name the text."""
        return display_text(self.text)

    @property
    def truncated(self) -> bool:
        """Whether a part of the text was left out."""
        return any(window.truncated for window in self.encoded)


class TextModel(Model[InputT, ResultT, OptionsT], Generic[InputT, ResultT, OptionsT]):
    """A model of texts; subclasses turn the outputs of a text into a result."""

    settings_type = TextSettings
    decodes_ahead = False  # encoding a text is faster than passing it to a thread

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer, from the files next to its weights.

        Raises:
            BundleError: there are none, or they are damaged, or of another model.
        """
        return Tokenizer.of(self)

    @property
    def max_length(self) -> int:
        """Maximum number of tokens of a text, special tokens included."""
        return int(self.entry.processing["max_length"])

    def files(self) -> Mapping[str, Path | bytes]:
        """The tokenizer and `config.json`, which make the bundle a repository that transformers
        loads.
        """
        write = getattr(family(self.entry.architecture), "write", None)
        if write is None:
            return self.tokenizer.files()
        config = write(self.entry, self.labels)
        return {
            **self.tokenizer.files(),
            "config.json": (json.dumps(config, indent=2) + "\n").encode(),
        }

    @takes(BatchOptions)
    def features(
        self, texts: InputT | Several[InputT], options: BatchOptions
    ) -> NDArray[np.float32]:
        """The hidden states of the last layer, averaged over the tokens of a text.

        Args:
            texts: one, or a list of them.

        Returns:
            float32 (D,) for one text, (N, D) for a list.

        Raises:
            InputError: a text is unusable.
        """
        return self.predict_features(texts, self.options(**vars(options)))

    @property
    def feature_size(self) -> int:
        config = self.entry.config
        size = config.get("hidden_size", config.get("n_embd"))
        return super().feature_size if size is None else int(size)

    def check_parts(self) -> None:
        super().check_parts()
        self.tokenizer  # noqa: B018 (is compared with the vocabulary)

    def ready(self) -> None:
        self.tokenizer  # noqa: B018 (errors of the model come before those of inputs)
        super().ready()

    def group_size(self, options: OptionsT, is_list: bool) -> int:
        batch_size = options.batch_size or self.batch_size
        return LIST_GROUP if is_list else max(STREAM_GROUP, 4 * batch_size)

    def prepare(self, item: Item, options: OptionsT) -> Prepared:
        texts = self.input_kind
        assert isinstance(texts, TextKind)
        text = texts.read(item)
        encoded = [
            window
            for sequence in self.sequences(text, item.name, options)
            for window in self.windows(sequence, item.name)
        ]
        rows = [self.row(sequence) for sequence in encoded]
        return Prepared(item.name, rows, Windows(text, encoded), item.index)

    def sequences(self, text: str | Pair, name: str, options: OptionsT) -> Sequence[str | Pair]:
        """The text that the network reads for one input: the text itself, unless a task extends it.

        Args:
            text: as it was passed.
            name: of the input, for errors.
            options: of the call.

        Raises:
            InputError: the options are not for such an input.
        """
        return [text]

    def windows(self, text: str | Pair, name: str = "") -> Sequence[Encoded]:
        """The rows of one sequence for the engine: itself, or its windows if the task splits long
        sequences.
        """
        return [self.tokenize(text, name)]

    def tokenize(self, text: str | Pair, name: str = "") -> Encoded:
        """A text or pair as the model's tokens, truncated to `max_length`.

        Raises:
            InputError: the text cannot be encoded.
        """
        first, second = text if isinstance(text, Pair) else (text, None)
        if self.entry.processing.get("lowercase"):
            first = first.lower()
        return self.tokenizer.encode(first, second, limit=self.max_length, name=name)

    def row(self, encoded: Encoded) -> Row:
        """The arrays of one text that the program takes: int32 (T,) each."""
        row = {
            "input_ids": encoded.ids,
            "attention_mask": np.ones(len(encoded), np.int32),
        }
        if type_count := self.entry.config.get("type_vocab_size"):
            row["token_type_ids"] = np.minimum(encoded.types, type_count - 1)
        return {name: row[name] for name in self.entry.config.get("names", row)}

    def batch(self, rows: Sequence[Row]) -> dict[str, NDArray[np.int32]]:
        """Rows as the arrays that the program takes, int32 (N, T), padded to the longest."""
        length = self.entry.config.get("length") or max(len(row["input_ids"]) for row in rows)
        if len(rows) == 1 and len(rows[0]["input_ids"]) == length:
            return {name: np.asarray(values, np.int32)[None] for name, values in rows[0].items()}
        arrays = {}
        for name in rows[0]:
            fill = self.entry.config.get("pad_token_id", 0) if name == "input_ids" else 0
            arrays[name] = np.full((len(rows), length), fill, np.int32)
            for index, row in enumerate(rows):
                arrays[name][index, : len(row[name])] = row[name]
        return arrays

    def forward(self, rows: Sequence[Row], batch_size: int) -> Generator[None, None, list[Row]]:
        """Run `forward` on rows of any lengths; similar lengths go through the engine together.

        Returns:
            The outputs of each row; without the padding if an output has one value per token.
        """
        lengths = [len(row["input_ids"]) for row in rows]
        order = sorted(range(len(rows)), key=lengths.__getitem__)
        order.reverse()  # the longest first: memory grows once
        engine = self.engine
        signature = engine.signatures["forward"]
        per_token = signature.per_token
        batch_size = signature.rows_per_call(batch_size)
        outputs: list[Row] = [{}] * len(rows)
        for number, indices in enumerate(self._batches(order, lengths, batch_size)):
            if number:
                yield
            arrays = engine.run("forward", **self.batch([rows[index] for index in indices]))
            for position, index in enumerate(indices):
                end = lengths[index]
                outputs[index] = {
                    name: array[position, :end] if name in per_token else array[position]
                    for name, array in arrays.items()
                }
        return outputs

    def _batches(
        self, order: Sequence[int], lengths: Sequence[int], batch_size: int
    ) -> Iterator[Sequence[int]]:
        """The rows of each call of the engine. A model without a mask cannot tell padding from
        tokens, so that only texts of one length go through it together.
        """
        config = self.entry.config
        names = config.get("names", INPUTS)
        pads = "attention_mask" in names or config.get("length") is not None
        start = 0
        while start < len(order):
            end = min(start + batch_size, len(order))
            while not pads and lengths[order[end - 1]] != lengths[order[start]]:
                end -= 1
            yield order[start:end]
            start = end

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: the inputs of `TextModel.batch`, int32 (batch, tokens) → the model's outputs
        and `features`.
        """
        from warmstart.engines.keras import Function, Program
        from warmstart.models import architecture
        from warmstart.models.text.outputs import with_features

        processing, config = entry.processing, entry.config
        module = architecture(entry.architecture)
        own = getattr(module, "outputs", None)
        if make := getattr(module, "text_outputs", None):
            model = make(model, config)
        elif own is None:
            pooling, normalize = processing.get("pooling"), bool(processing.get("normalize"))
            model = with_features(model, pooling, normalize)
        types = config.get("type_vocab_size", 0)
        highest = {
            "input_ids": config["vocab_size"] - 1,
            "attention_mask": 1,
            "token_type_ids": max(types - 1, 0),
        }
        names = config.get("names") or (INPUTS if types else INPUTS[:2])
        length = config.get("length") or "tokens"
        specs = tuple(
            TensorSpec(
                name,
                "int32",
                (config.get("batch", "batch"), length),
                float(name == "attention_mask"),
                highest[name],
            )
            for name in names
        )

        def forward(*tensors: Any) -> Any:
            inputs = dict(zip(names, tensors, strict=True))
            return own(model, inputs) if own else model(inputs, training=False)

        return Program({"forward": Function(forward, specs)}, model)
