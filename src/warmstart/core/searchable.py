"""Comparing inputs and searching a corpus, with any model that has features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import tee
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from warmstart.core.compiling import artifact_key
from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item
from warmstart.core.loaded_model import LoadedModel
from warmstart.core.results import Failed, raise_failed
from warmstart.core.search import (
    DEFAULT_TOP_K,
    SECTION,
    Index,
    Matches,
    item_name,
    make_index,
    similarity,
)
from warmstart.core.wire import Result
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SearchableModel(LoadedModel):
    """Adds `similarity`, `index` and `search`, which compare the features of inputs."""

    def query_features(self, queries: Several[object]) -> NDArray[np.float32]:
        """The features of queries, (Q, D); a task may prepare them in another way than a corpus."""
        features: NDArray[np.float32] = self._as_model().features(queries)
        return features

    def corpus_vectors(self, items: Iterable[Item]) -> Iterator[NDArray[np.float32] | Failed]:
        """The features of the inputs of a corpus, (D,) each."""
        model = self._as_model()
        vectors: Iterator[NDArray[np.float32] | Failed] = model.run(
            items, model.options(), (model.compute_features, model.vector)
        )
        return vectors

    def encode(self, inputs: object, **options: object) -> NDArray[np.float32]:
        """The same as `features`, under the name that sentence-transformers gives it.

        Example:
            >>> ws.load("efficientnet_lite0").encode(["photos/cat.jpg", "photos/rocket.jpg"]).shape
            (2, 1280)
        """
        features: NDArray[np.float32] = self._as_model().features(inputs, **options)
        return features

    def similarity(self, a: object, b: object) -> NDArray[np.float32]:
        """The cosine similarity of the features of inputs, -1 to 1.

        Args:
            a, b: an input, or a list of them; or vectors of this model: an `Embedding`, a list of
                them, or float arrays (D,) or (N, D).

        Returns:
            float32 (N, M) for two lists; an axis is left out for a single input.

        Raises:
            InputError: an input is unusable.
            UsageError: the model has no features.

        Example:
            >>> cosine = ws.load("efficientnet_lite0").similarity("photos/cat.jpg", "photos/cat.jpg")
            >>> round(float(cosine), 2)
            1.0
        """
        first, second = self._vectors(a), self._vectors(b)
        cosines = similarity(np.atleast_2d(first), np.atleast_2d(second))
        return cosines[tuple(slice(None) if v.ndim == 2 else 0 for v in (first, second))]

    def _vectors(self, inputs: Any) -> NDArray[np.float32]:
        """The features of an input (D,) or of a list (N, D), which may be vectors already."""
        model = self._as_model()
        size = model.feature_size
        first = inputs[0] if isinstance(inputs, list) and inputs else inputs
        is_result = isinstance(first, Result | Failed) and hasattr(model.result, "__array__")
        if is_result and isinstance(inputs, list):
            inputs = np.stack([np.asarray(vector) for vector in raise_failed(inputs)])
        elif is_result:
            inputs = np.asarray(inputs)
        is_text = model.input_kind.name == "text"  # arrays of numbers are inputs of other models
        if is_text and isinstance(inputs, np.ndarray) and np.issubdtype(inputs.dtype, np.floating):
            if inputs.ndim not in (1, 2) or inputs.shape[-1] != size:
                raise UsageError(
                    f"Vectors of {self.name} are arrays ({size},) or (N, {size}), not {inputs.shape}.",
                    section=SECTION,
                )
            return inputs.astype(np.float32)
        features: NDArray[np.float32] = model.features(inputs)
        return features

    def index(self, corpus: object) -> Index:
        """The features of a corpus, for `search`.

        Args:
            corpus: a list, a folder, a pattern or an iterator, as for `stream`.

        Returns:
            The index; unusable inputs are left out, see `Index.errors`.

        Raises:
            UsageError: there is no usable input, or the model has no features.
        """
        model = self._as_model()
        if isinstance(corpus, str | bytes) and not model.input_kind.suffixes:
            raise UsageError(
                f"A corpus of {model.input_kind.plural} is a list, an iterator, or the Path of a file "
                "with one per line; this is a single string.",
                section=SECTION,
            )
        items, again = tee(model.stream_items(corpus, model.options()))
        return make_index(model, again, self.corpus_vectors(items))

    @overload
    def search(  # type: ignore[overload-overlap]  # a list is an object, too
        self, queries: Several[object], corpus: object, top_k: int = DEFAULT_TOP_K
    ) -> list[Matches]: ...
    @overload
    def search(self, queries: object, corpus: object, top_k: int = DEFAULT_TOP_K) -> Matches: ...
    def search(
        self, queries: object, corpus: object, top_k: int = DEFAULT_TOP_K
    ) -> Matches | list[Matches]:
        """The inputs of a corpus that are most similar to a query, by the cosine similarity of their
        features.

        Args:
            queries: an input, or a list of them.
            corpus: an `Index` of this model, or a corpus as for `index`.
            top_k: matches for each query.

        Returns:
            `Matches` for one query, a list for a list.

        Raises:
            InputError: a query is unusable.
            UsageError: the index is of another model.

        Example:
            >>> model = ws.load("efficientnet_lite0")
            >>> index = model.index("photos")
            >>> model.search("photos/rocket.jpg", index, top_k=1)[0].item
            'photos/rocket.jpg'
        """
        model = self._as_model()
        index = corpus if isinstance(corpus, Index) else self.index(corpus)
        if index.digest != self.features_digest:
            raise UsageError(
                f"The index was made by {index.model} with other weights or settings than "
                f"those of {self.name}; build it again with model.index(…).",
                section=SECTION,
            )
        inputs = model.input_kind
        several = inputs.is_several(queries)
        items = list(inputs.elements(queries)) if several else [inputs.single(queries)]
        vectors = self.query_features(cast("Several[object]", queries if several else [queries]))
        results = [
            Matches(item_name(model, item), self.name, matches)
            for item, matches in zip(items, index.matches(vectors, top_k), strict=True)
        ]
        return results if several else results[0]

    @property
    def features_digest(self) -> str:
        """A digest of everything that determines the features: weights, architecture, precision."""
        return artifact_key(self.entry, self.weights, self.precision)

    def _as_model(self) -> Any:
        return self
