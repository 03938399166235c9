"""Text embedding: text -> tokens -> engine -> pooled vector -> `Embedding`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from warmstart.errors import UsageError
from warmstart.text.encoder import Row, TextTask
from warmstart.text.inputs import Pair, shown
from warmstart.text.results import Embedding
from warmstart.text.tokenizer import Encoded


class TextEmbedder(TextTask):
    """Turns texts into vectors whose angles tell how alike the texts are.

    Example:
        >>> model = ws.load("all_minilm_l6_v2")
        >>> a, b = model(["a cat sat on the mat", "there is a cat"])
        >>> float(a.vector @ b.vector)
        0.63
    """

    task = "text-embedding"

    def __call__(self, inputs: Any, *, batch_size: int | None = None, **options: Any) -> Any:
        """Embed texts, pooled and normalised as the checkpoint's `modules.json` says (default: mean, as it is).

        Args:
            inputs: a text (str or UTF-8 bytes); a list or generator of them; a path object of a file with one text a
                line.
            batch_size: texts per call of the engine where there are several; does not change results.

        Returns:
            One `Embedding`; a list of them for a list; an iterator for a generator or file. In a list or iterator an
            unusable text is a `Failed` in its place.

        Raises:
            InputError: the one text is unusable.
            UsageError: an option is wrong.
        """
        if options:
            raise UsageError(f"TextEmbedder takes no option {next(iter(options))!r}.")

        def result(text: str | Pair, windows: Sequence[Encoded], rows: Sequence[Row]) -> Embedding:
            return Embedding(shown(text), self.name, np.array(rows[0]["features"]))

        return self._results(inputs, batch_size, result)

    def evaluate(self, data: Any, *, batch_size: int | None = None, progress: Any = None) -> dict[str, Any]:
        """How well the cosine of two texts' vectors follows what people said of them.

        Args:
            data: ((text, text), score) pairs.
            batch_size: texts per call of the engine.
            progress: called with (name of the model, pairs so far, pairs in all).

        Returns:
            `spearman` and `pearson` (-1 to 1), `count`, `errors`.

        Raises:
            UsageError: there are fewer than two pairs.
        """
        from warmstart.text import data as text_data

        examples = text_data.examples(data)
        if len(examples) < 2 or not all(isinstance(one.text, Pair) for one in examples):
            raise UsageError("Embeddings are evaluated on two or more ((text, text), score) pairs.")
        truth = np.array([float(one.labels[0]) for one in examples])
        sides = [self.features([one.text[side] for one in examples], batch_size=batch_size) for side in (0, 1)]
        lengths = np.linalg.norm(sides[0], axis=1) * np.linalg.norm(sides[1], axis=1)
        cosine = (sides[0] * sides[1]).sum(1) / np.maximum(lengths, 1e-12)
        if progress:
            progress(self.name, len(examples), len(examples))
        return {"spearman": float(np.corrcoef(_ranks(cosine), _ranks(truth))[0, 1]),
                "pearson": float(np.corrcoef(cosine, truth)[0, 1]), "count": len(examples), "errors": []}


def _ranks(values: np.ndarray) -> np.ndarray:
    """Places in order, equal values sharing their mean place."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + ends - 1) / 2)[inverse]
