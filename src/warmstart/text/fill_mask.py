"""Fill-mask: text with masks → tokens → engine → the likeliest tokens at each mask → `FilledMask`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.core import records
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared
from warmstart.core.options import BatchOptions, ColumnOptions, Option, takes
from warmstart.core.probabilities import softmax
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed, Prediction
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.ranking import best
from warmstart.text import data as text_data
from warmstart.text.data import EvaluateTextsOptions
from warmstart.text.encoder import TextModel, Windows
from warmstart.text.inputs import Pair, Text
from warmstart.text.results import FilledMask
from warmstart.text.tokenizer import Encoded

MASKS = ("[MASK]", "<mask>")
"""Spellings of the mask that every model accepts."""


@dataclass(frozen=True, kw_only=True)
class FillMaskOptions(BatchOptions, ColumnOptions):
    """Options of fill-mask."""

    top_k: Annotated[
        int, Option("Number of tokens for each mask, best first.", ge=1, short="-k")
    ] = 5
    targets: Annotated[
        Sequence[str], Option("Words to choose from; default: the whole vocabulary.")
    ] = ()


class FillMask(TextModel[Text, FilledMask, FillMaskOptions]):
    """Predicts the tokens that were masked in a text.

    Example:
        >>> model = ws.load("mask-model")  # such as "bert_base_uncased"
        >>> result = model("Paris is the [MASK] of France.", top_k=3)
        >>> len(result), "[MASK]" in result.text
        (3, False)
        >>> model.max_length, model.tokenizer.encode("Paris").ids
        (64, array([ 2, 68,  3], dtype=int32))
        >>> model.tokenize("Paris is [MASK]").ids.shape
        (5,)
    """

    task = "fill-mask"
    options = FillMaskOptions
    evaluate_options = EvaluateTextsOptions
    result = FilledMask

    @overload
    @takes(FillMaskOptions)
    def __call__(self, text: Text, options: FillMaskOptions) -> FilledMask: ...
    @overload
    @takes(FillMaskOptions)
    def __call__(
        self, text: Several[Text], options: FillMaskOptions
    ) -> Results[FilledMask | Failed]: ...
    @takes(FillMaskOptions)
    def __call__(self, text: Any, options: FillMaskOptions) -> Any:
        """Fill the masks of a text, or of a list of texts.

        Args:
            text: with one or more `[MASK]` (or `<mask>`, whatever the model calls it).

        Returns:
            One `FilledMask`; for a list a list, in which an unusable text is a `Failed` at its
            index.

        Raises:
            InputError: the one text is unusable, or has no mask.
            UsageError: an option is wrong, or `text` stands for many texts and is not a list.
        """
        return self.predict(text, options)

    @takes(FillMaskOptions)
    def stream(
        self, texts: Iterable[Text] | os.PathLike[str], options: FillMaskOptions
    ) -> ResultStream[FilledMask | Failed]:
        """Fill the masks of an iterator, a column, or the `Path` of a file with one text per line, in
        constant memory.

        Returns:
            An iterator with a `FilledMask` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of texts.
        """
        return self.predict_stream(texts, options)

    def tokenize(self, text: str | Pair, name: str = "") -> Encoded:
        """A text as the model's tokens, its masks spelled as the model does.

        Raises:
            InputError: the text cannot be encoded, or has no mask.
        """
        mask = self.tokenizer.special.get("mask")
        if mask is None:
            raise InputError(f"{name}: the tokenizer of {self.name} has no mask", name)
        if isinstance(text, str):
            for spelling in MASKS:
                text = text.replace(spelling, mask)
        encoded = super().tokenize(text, name)
        if self.tokenizer.special_id("mask") not in encoded.ids:
            if encoded.truncated and mask in text:
                raise InputError(
                    f"{name}: has no {MASKS[0]} in the {self.max_length} tokens that {self.name} "
                    "takes; shorten the text",
                    name,
                )
            raise InputError(f"{name}: has no {MASKS[0]} for {self.name} to fill", name)
        return encoded

    def decode(self, prepared: Prepared, outputs: Any, options: FillMaskOptions) -> FilledMask:
        windows: Windows = prepared.context
        ids = np.array(windows.encoded[0].ids)
        masks = []
        targets = self._targets(options)
        for position in np.flatnonzero(ids == self.tokenizer.special_id("mask")):
            scores = softmax(outputs[0]["logits"][position])
            if targets is None:
                tokens = best(scores, options.top_k).tolist()
            else:
                tokens = targets[best(scores[targets], options.top_k)].tolist()
            masks.append(tuple(self._prediction(token, float(scores[token])) for token in tokens))
            ids[position] = tokens[0]
        filled = self.tokenizer.decode(ids)
        return FilledMask(windows.input, self.name, tuple(masks), filled, windows.truncated)

    def check_options(self, options: FillMaskOptions) -> None:
        super().check_options(options)
        self._targets(options)

    def _targets(self, options: FillMaskOptions) -> NDArray[np.int64] | None:
        """The tokens to choose among; None for all.

        Raises:
            UsageError: a word is not one token of the model.
        """
        if not options.targets:
            return None
        tokens = [self._target(word) for word in options.targets]
        return np.array(list(dict.fromkeys(tokens)), np.int64)

    def _target(self, word: str) -> int:
        spellings = (word, f" {word}") if word == word.strip() else (word,)
        for spelling in reversed(spellings):  # byte-level tokens begin with the space before them
            ids = self.tokenizer.encode(spelling, special=False).ids.tolist()
            if len(ids) == 1 and ids[0] != self.tokenizer.special_id("unk"):
                return int(ids[0])
        raise UsageError(
            f"{word!r} is not a single token of {self.name}, so it cannot fill a mask; "
            "choose another word."
        )

    def _prediction(self, token: int, score: float) -> Prediction:
        spelling = self.tokenizer.token(token) or ""
        return Prediction(token, spelling, self.tokenizer.decode([token]).strip(), score)

    @takes(EvaluateTextsOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluateTextsOptions) -> Evaluation:
        """Measure how often the model predicts the masked token.

        Args:
            data: (text with one mask, word) pairs, or a file of them; see `text.data.examples`.
            options: how a table is read, and texts per call of the engine.

        Returns:
            `top1`, `top5` (0 to 1), `count`, `errors`.
        """
        examples = records.evaluation_split(
            text_data.examples(data, multi_label=False, **options.reading())
        )
        errors: list[str] = []
        hits = np.zeros(2)
        texts: Any = (example.text for example in examples)
        results = self.stream(texts, top_k=5, batch_size=options.batch_size)
        answers = records.usable_results(self.name, examples, results, errors, options.progress)
        for example, result in answers:
            names = [prediction.label for prediction in result]
            hits += [example.labels[0] == names[0], example.labels[0] in names]
        count = len(examples) - len(errors)
        top1, top5 = (float(share) for share in hits / max(count, 1))
        figures = {"top1": top1, "top5": top5, "count": count, "errors": errors}
        return Evaluation.of(self, figures)
