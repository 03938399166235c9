"""Search by meaning: the inputs of a corpus whose features are most like those of a query.

Features are compared by the cosine of their angle, with every vector of the corpus: exact, and one
product of matrices.

    index = model.index(corpus)         # texts or photos, once
    index.save("notes-index")
    model.search("who lives in Paris?", Index.load("notes-index"), top_k=5)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from warmstart.core.output_files import whole_folder
from warmstart.core.results import Failed
from warmstart.core.wire import Record, Result, Score
from warmstart.counts import counted
from warmstart.digests import sha256_of
from warmstart.errors import BundleError, UsageError
from warmstart.ranking import best

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from warmstart.core.inputs import Item
    from warmstart.core.model import Model

FORMAT = 1
MANIFEST, VECTORS, ITEMS = "index.json", "vectors.safetensors", "items.jsonl"
BLOCK = 2**25
"""Scores that are in memory at once."""
DEFAULT_TOP_K = 5
SECTION = "text.md#embeddings"
"""The section of the documentation on indices."""


@dataclass(frozen=True)
class Match(Record):
    """An input of a corpus: its index, what it is (the text, or the path of the photo), and the
    cosine of its angle to the query, -1 to 1.
    """

    index: int
    item: str
    score: Score


@dataclass(frozen=True, repr=False)
class Matches(Result):
    """The inputs of a corpus that are most similar to a query, best first; `len`, indexing and iteration
    are over `matches`.

    Example:
        >>> matches = ws.load("efficientnet_lite0").search("photos/cat.jpg", "photos", top_k=2)
        >>> matches[0].item, round(matches[0].score, 3)
        ('photos/cat.jpg', 1.0)
    """

    rows: ClassVar = "matches"
    ranked: ClassVar = True

    input: str
    model: str
    matches: tuple[Match, ...]

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    def __len__(self) -> int:
        return len(self.matches)

    def __getitem__(self, index: int) -> Match:
        return self.matches[index]

    def __str__(self) -> str:
        return ", ".join(f"{match.item} ({match.score:.3f})" for match in self)

    def show(self) -> str:
        lines = [f"  {match.score:6.3f}  {match.item}" for match in self]
        return "\n".join([self.input, *lines, ""])


@dataclass(frozen=True, eq=False)
class Index:
    """The features of a corpus, with the texts or paths of its inputs.

    Attributes:
        model: the name of the model that computed the features.
        digest: of the weights of that model and the settings of its features.
        items: the texts, or the paths of the photos, in order.
        vectors: float32 (N, D), each of length 1.
        errors: messages for inputs that are left out.

    Example:
        >>> model = ws.load("efficientnet_lite0")
        >>> index = model.index("photos")
        >>> index
        <Index of 3 inputs by efficientnet_lite0, 1280 numbers each>
        >>> index.save("photo-index")
        PosixPath('photo-index')
        >>> model.search("photos/cat.jpg", ws.Index.load("photo-index"), top_k=1)[0].item
        'photos/cat.jpg'
        >>> index.matches(model.features(["photos/cat.jpg"]), top_k=1)[0][0].item
        'photos/cat.jpg'
    """

    model: str
    digest: str
    items: Sequence[str]
    vectors: NDArray[np.float32]
    errors: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"<Index of {counted(len(self), 'input')} by {self.model}, {self.vectors.shape[1]} numbers each>"

    def matches(
        self, queries: NDArray[np.float32], top_k: int = DEFAULT_TOP_K
    ) -> list[tuple[Match, ...]]:
        """The best matches of each query.

        Args:
            queries: float32 (Q, D).
            top_k: how many for each.

        Raises:
            UsageError: the vectors have another length, or `top_k` is below 1.
        """
        if top_k < 1:
            raise UsageError(f"top_k must be 1 or more, not {top_k}.", section=SECTION)
        if queries.ndim != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise UsageError(
                f"The index contains vectors of {self.vectors.shape[1]} numbers; queries are "
                f"(Q, {self.vectors.shape[1]}), not {queries.shape}.",
                section=SECTION,
            )
        queries = unit(queries)
        size = max(1, BLOCK // max(len(self), 1))
        matches: list[tuple[Match, ...]] = []
        for start in range(0, len(queries), size):
            block = queries[start : start + size]
            # one query as a vector: half the time of a product of matrices
            rows = block @ self.vectors.T if len(block) > 1 else [self.vectors @ block[0]]
            for scores in rows:
                indices = best(scores, top_k).tolist()
                matches.append(tuple(Match(i, self.items[i], float(scores[i])) for i in indices))
        return matches

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the index into a new or empty folder: `vectors.safetensors`, `items.jsonl` and
        `index.json`.

        Raises:
            UsageError: the folder is not empty, or cannot be written.
        """
        from warmstart.checkpoints.safetensors import save_safetensors

        target = Path(folder)
        with whole_folder(target) as temporary:
            save_safetensors(temporary / VECTORS, {"vectors": self.vectors})
            with (temporary / ITEMS).open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in self.items)
            manifest = {
                "format": FORMAT,
                "model": self.model,
                "digest": self.digest,
                "sha256": {name: sha256_of(temporary / name) for name in (VECTORS, ITEMS)},
            }
            (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a saved index.

        Raises:
            BundleError: files are missing or damaged, or do not belong together.
        """
        from warmstart.checkpoints.formats import open_checkpoint

        path = Path(folder)
        if not is_index(path):
            raise BundleError(
                f"{path} contains no {MANIFEST}, so it is not an index.", section=SECTION
            )
        try:
            manifest = json.loads((path / MANIFEST).read_text("utf-8"))
            if manifest["format"] != FORMAT:
                raise BundleError(
                    f"{path} has index format {manifest['format']}; this version reads {FORMAT}.",
                    section=SECTION,
                )
            for name, expected in manifest.get("sha256", {}).items():
                if name in (VECTORS, ITEMS) and sha256_of(path / name) != expected:
                    raise BundleError(
                        f"{path} is a damaged index: {name} is not the file that was saved; "
                        "build it again.",
                        section=SECTION,
                    )
            with (path / ITEMS).open(encoding="utf-8", newline="\n") as file:
                items = [json.loads(line) for line in file]
            model, digest = str(manifest["model"]), str(manifest["digest"])
            with open_checkpoint(path / VECTORS) as checkpoint:
                vectors = checkpoint.read("vectors")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(
                f"{path} is a damaged index ({error}); build it again.", section=SECTION
            ) from error
        if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != len(items):
            raise BundleError(
                f"{path} is a damaged index: {len(items):,} items and vectors "
                f"{vectors.shape} of {vectors.dtype}; build it again.",
                section=SECTION,
            )
        return cls(model, digest, items, vectors)


def is_index(folder: Path) -> bool:
    """Whether a folder holds a saved index."""
    return (folder / MANIFEST).is_file()


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Vectors (N, D) scaled to length 1, in their dtype; those of length 0 stay as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: NDArray[Any] = vectors / np.maximum(lengths, lengths.dtype.type(1e-12))
    return units


def similarity(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float32]:
    """Cosines of the angles of vectors: (N, D) and (M, D) -> float32 (N, M)."""
    cosines: NDArray[np.float32] = (unit(a) @ unit(b).T).astype(np.float32)
    return cosines


def make_index(
    model: Model[Any, Any, Any],
    items: Iterable[Item],
    vectors: Iterable[NDArray[np.float32] | Failed],
) -> Index:
    """The index of a corpus.

    Args:
        model: that made the vectors.
        items: of the corpus.
        vectors: of the items; those that are `Failed` are left out.

    Raises:
        UsageError: no input of the corpus can be used.
    """
    names: list[str] = []
    usable: list[NDArray[np.float32]] = []
    errors: list[str] = []
    for item, vector in zip(items, vectors, strict=True):
        if isinstance(vector, Failed):
            errors.append(str(vector.error))
        else:
            names.append(item_name(model, item))
            usable.append(vector)
    if not usable:
        reason = " ".join(errors[:1])
        raise UsageError(f"The corpus contains no usable input. {reason}".strip(), section=SECTION)
    return Index(model.name, model.features_digest, names, unit(np.stack(usable)), tuple(errors))


def item_name(model: Model[Any, Any, Any], item: Item) -> str:
    """An item as stored in the index: the path of a file, or the text itself."""
    value = item.value
    if isinstance(value, bytes) and not model.input_kind.is_file:
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) and not model.input_kind.is_file else item.name
