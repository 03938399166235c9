"""Text embedding: text → tokens → engine → pooled vector → `Embedding`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared
from warmstart.core.options import BatchOptions, takes
from warmstart.core.results import Failed
from warmstart.errors import UsageError
from warmstart.text import data as text_data
from warmstart.text.encoder import TextModel, Windows
from warmstart.text.inputs import Pair, Text, shown
from warmstart.text.results import Embedding

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TextEmbedder(TextModel[Text, Embedding, BatchOptions]):
    """Turns texts into vectors whose angles tell how alike the texts are.

    Example:
        >>> model = ws.load("all_minilm_l6_v2")
        >>> a, b = model(["a cat sat on the mat", "there is a cat"])
        >>> float(a.vector @ b.vector)
        0.63
    """

    task = "text-embedding"
    options = BatchOptions
    result = Embedding

    @overload
    @takes(BatchOptions)
    def __call__(self, text: Text, options: BatchOptions) -> Embedding: ...
    @overload
    @takes(BatchOptions)
    def __call__(self, text: Several[Text], options: BatchOptions) -> list[Embedding | Failed]: ...
    @takes(BatchOptions)
    def __call__(self, text: Any, options: BatchOptions) -> Any:
        """Embed a text (str or UTF-8 bytes), or a list of texts.

        Vectors are pooled and normalised as the checkpoint's `modules.json` says; default: the
        mean, not normalised.

        Returns:
            One `Embedding`; for a list a list, in which an unusable text is a `Failed` at its
            index.

        Raises:
            InputError: the one text is unusable.
            UsageError: an option is wrong, or `text` stands for many texts and is no list.
        """
        return self.predict(text, options)

    @takes(BatchOptions)
    def stream(
        self, texts: Iterable[Text] | os.PathLike[str], options: BatchOptions
    ) -> Iterator[Embedding | Failed]:
        """Embed the texts of an iterator, a column, or the `Path` of a file with one a line, in
        constant memory.
        """
        return self.predict_stream(texts, options)

    def decode(self, prepared: Prepared, outputs: Any, options: BatchOptions) -> Embedding:
        vector = np.array(outputs[0]["features"])  # a copy: the batch can be freed
        text: Windows = prepared.context
        return Embedding(shown(text.text), self.name, vector, text.truncated)

    def evaluate(
        self, data: Any, *, batch_size: int | None = None, progress: Any = None
    ) -> dict[str, Any]:
        """How well the cosine of two texts' vectors follows the scores that people gave.

        Args:
            data: ((text, text), score) pairs.
            batch_size: texts per call of the engine.
            progress: called with (name of the model, pairs so far, pairs in all).

        Returns:
            `spearman` and `pearson` (-1 to 1), `count`, `errors`.

        Raises:
            UsageError: there are fewer than two pairs.
        """
        examples = text_data.examples(data)
        pairs = [example.text for example in examples if isinstance(example.text, Pair)]
        if len(examples) < 2 or len(pairs) < len(examples):
            raise UsageError("Embeddings are evaluated on two or more ((text, text), score) pairs.")
        truth = np.array([float(example.labels[0]) for example in examples])
        first = self.features([pair.text for pair in pairs], batch_size=batch_size)
        second = self.features([pair.pair for pair in pairs], batch_size=batch_size)
        lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        cosine = (first * second).sum(1) / np.maximum(lengths, 1e-12)
        if progress:
            progress(self.name, len(examples), len(examples))
        return {
            "spearman": float(np.corrcoef(_ranks(cosine), _ranks(truth))[0, 1]),
            "pearson": float(np.corrcoef(cosine, truth)[0, 1]),
            "count": len(examples),
            "errors": [],
        }


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks of values, equal ones sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((ends - counts + ends - 1) / 2)[inverse]
    return ranks
