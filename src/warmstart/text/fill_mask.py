"""Fill-mask: text with masks → tokens → engine → the likeliest tokens at each mask → `FilledMask`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, overload

import numpy as np

from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared
from warmstart.core.options import BatchOptions, Option, takes
from warmstart.core.results import Failed, Prediction, best
from warmstart.errors import InputError
from warmstart.text import data as text_data
from warmstart.text.encoder import TextModel, Windows, softmax
from warmstart.text.inputs import Pair, Text, shown
from warmstart.text.results import FilledMask
from warmstart.text.tokenizer import Encoded

MASKS = ("[MASK]", "<mask>")
"""Spellings that every model takes for its own mask."""


@dataclass(frozen=True, kw_only=True)
class FillMaskOptions(BatchOptions):
    """Options of fill-mask."""

    top_k: Annotated[int, Option("Tokens for each mask, best first.", ge=1, short="-k")] = 5


class FillMask(TextModel[Text, FilledMask, FillMaskOptions]):
    """Predicts the tokens that were masked in a text.

    Example:
        >>> model = ws.load("bert_base_uncased")
        >>> model("Paris is the [MASK] of France.")[0].label
        'capital'
    """

    task = "fill-mask"
    options = FillMaskOptions
    result = FilledMask

    @overload
    @takes(FillMaskOptions)
    def __call__(self, text: Text, options: FillMaskOptions) -> FilledMask: ...
    @overload
    @takes(FillMaskOptions)
    def __call__(
        self, text: Several[Text], options: FillMaskOptions
    ) -> list[FilledMask | Failed]: ...
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
            UsageError: an option is wrong, or `text` stands for many texts and is no list.
        """
        return self.predict(text, options)

    @takes(FillMaskOptions)
    def stream(
        self, texts: Iterable[Text] | os.PathLike[str], options: FillMaskOptions
    ) -> Iterator[FilledMask | Failed]:
        """Fill the masks of an iterator, a column, or the `Path` of a file with a text a line, in
        constant memory.
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
            raise InputError(f"{name}: has no {MASKS[0]} for {self.name} to fill", name)
        return encoded

    def decode(self, prepared: Prepared, outputs: Any, options: FillMaskOptions) -> FilledMask:
        ids = np.array(prepared.context.encoded[0].ids)
        masks = []
        for position in np.flatnonzero(ids == self.tokenizer.special_id("mask")):
            scores = softmax(outputs[0]["logits"][position])
            tokens = best(scores, options.top_k).tolist()
            masks.append(tuple(self._prediction(token, float(scores[token])) for token in tokens))
            ids[position] = tokens[0]
        prompt: Windows = prepared.context
        filled = self.tokenizer.decode(ids)
        return FilledMask(shown(prompt.text), self.name, tuple(masks), filled, prompt.truncated)

    def _prediction(self, token: int, score: float) -> Prediction:
        spelling = self.tokenizer.token(token) or ""
        return Prediction(token, spelling, self.tokenizer.decode([token]).strip(), score)

    def evaluate(
        self, data: Any, *, batch_size: int | None = None, progress: Any = None
    ) -> dict[str, Any]:
        """How often the model finds the one token that was masked.

        Args:
            data: (text with one mask, word) pairs, or a file of them; see `text.data.examples`.
            batch_size: texts per call of the engine.
            progress: called with (name of the model, texts so far, texts in all).

        Returns:
            `top1`, `top5` (0 to 1), `count`, `errors`.
        """
        examples = text_data.examples(data)
        errors: list[str] = []
        hits = np.zeros(2)
        texts: Any = (example.text for example in examples)
        results = self.stream(texts, top_k=5, batch_size=batch_size)
        for done, (example, result) in enumerate(zip(examples, results, strict=True), 1):
            if isinstance(result, Failed):
                errors.append(str(result.error))
            else:
                names = [prediction.label for prediction in result]
                hits += [example.labels[0] == names[0], example.labels[0] in names]
            if progress:
                progress(self.name, done, len(examples))
        count = len(examples) - len(errors)
        top1, top5 = (float(share) for share in hits / max(count, 1))
        return {"top1": top1, "top5": top5, "count": count, "errors": errors}
