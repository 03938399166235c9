"""Fill-mask: text with masks -> tokens -> engine -> the likeliest tokens at each mask -> `FilledMask`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from warmstart.core.ranking import best
from warmstart.core.results import Prediction
from warmstart.errors import InputError, UsageError
from warmstart.text.encoder import Row, TextTask, softmax
from warmstart.text.inputs import Pair, shown
from warmstart.text.results import FilledMask
from warmstart.text.tokenizer import Encoded

MASKS = ("[MASK]", "<mask>")
"""Spellings that every model takes for its own mask."""


class FillMask(TextTask):
    """Guesses the words that were left out of a text.

    Example:
        >>> model = ws.load("bert_base_uncased")
        >>> model("Paris is the [MASK] of France.")[0].label
        'capital'
    """

    task = "fill-mask"

    def __call__(self, inputs: Any, *, top_k: int = 5, batch_size: int | None = None, **options: Any) -> Any:
        """Fill masks.

        Args:
            inputs: a text with one or more `[MASK]` (or `<mask>`, whatever the model calls it); a list or generator of
                them; a path object of a file with one text a line.
            top_k: how many tokens are told for each mask.
            batch_size: texts per call of the engine where there are several; does not change results.

        Returns:
            One `FilledMask`; a list of them for a list; an iterator for a generator or file. In a list or iterator an
            unusable text is a `Failed` in its place.

        Raises:
            InputError: the one text is unusable, or has no mask.
            UsageError: an option is wrong.
        """
        if options:
            raise UsageError(f"FillMask takes no option {next(iter(options))!r}.")
        if top_k < 1:
            raise UsageError(f"top_k must be 1 or more, not {top_k}.")

        def result(text: str | Pair, windows: Sequence[Encoded], rows: Sequence[Row]) -> FilledMask:
            ids = np.array(windows[0].ids)
            masks = []
            for place in np.flatnonzero(ids == self.tokenizer.special_id("mask")):
                scores = softmax(rows[0]["logits"][place])
                places = best(scores, top_k)
                masks.append(tuple(self._prediction(int(i), float(scores[i])) for i in places))
                ids[place] = places[0]
            return FilledMask(shown(text), self.name, tuple(masks), self.tokenizer.decode(ids))

        return self._results(inputs, batch_size, result)

    def encode(self, text: str | Pair, name: str = "") -> Encoded:
        mask = self.tokenizer.special.get("mask")
        if mask is None:
            raise InputError(f"{name}: the tokenizer of {self.name} has no mask", name)
        if isinstance(text, str):
            for other in MASKS:
                text = text.replace(other, mask)
        encoded = super().encode(text, name)
        if self.tokenizer.special_id("mask") not in encoded.ids:
            raise InputError(f"{name}: has no {MASKS[0]} for {self.name} to fill", name)
        return encoded

    def evaluate(self, data: Any, *, batch_size: int | None = None, progress: Any = None) -> dict[str, Any]:
        """How often the model finds the one token that was left out.

        Args:
            data: (text with one mask, word) pairs, or a file of them; see `text.data.examples`.
            batch_size: texts per call of the engine.
            progress: called with (name of the model, texts so far, texts in all).

        Returns:
            `top1`, `top5` (0 to 1), `count`, `errors`.
        """
        from warmstart.core.results import Failed
        from warmstart.text import data as text_data

        examples = text_data.examples(data)
        errors, hits = [], np.zeros(2)
        results = self((one.text for one in examples), top_k=5, batch_size=batch_size)
        for done, (one, result) in enumerate(zip(examples, results, strict=True), 1):
            if isinstance(result, Failed):
                errors.append(str(result.error))
            else:
                names = [prediction.label for prediction in result]
                hits += [one.labels[0] == names[0], one.labels[0] in names]
            if progress:
                progress(self.name, done, len(examples))
        count = len(examples) - len(errors)
        return {"top1": float(hits[0]) / max(count, 1), "top5": float(hits[1]) / max(count, 1), "count": count,
                "errors": errors}

    def _prediction(self, number: int, score: float) -> Prediction:
        return Prediction(number, self.tokenizer.token(number) or "", self.tokenizer.decode([number]).strip(), score)
