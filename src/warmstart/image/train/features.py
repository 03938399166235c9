"""Pooled features of photos: from the cache, or from the model's engine while threads decode.

A vector's key is the sha256 of the photo's content, of the model (weights, architecture,
preprocessing, compiled program, precision) and of the view (`"clean"`, or the name of an
augmentation). So a photo may be renamed, a changed photo is computed again, and `pick` and
`finetune` use the same cache.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from warmstart.core import inputs, prefetch
from warmstart.errors import InputError, UsageError, require
from warmstart.hub.progress import Progress
from warmstart.image.classification import ImageClassifier
from warmstart.image.train import ray_features
from warmstart.image.train.feature_cache import FeatureCache
from warmstart.image.train.feature_extractor import CLEAN, Transform, Work, computed_rows, model_key
from warmstart.image.train.photos import Photos

WRITE_EVERY = 256
"""The largest number of vectors that are lost when the process is killed."""

T = TypeVar("T")


@dataclass(frozen=True)
class Features:
    """The features of photos.

    Attributes:
        vectors: float32 (photos, views, D); NaN for unusable photos.
        confidence: float32 (photos, views), the probability of the best class of the model; NaN for
            unusable photos.
        failed: the errors of unusable photos, by index.
        computed: the number of vectors that the network computed; the others are from the cache, or
            from an equal photo.
    """

    vectors: np.ndarray
    confidence: np.ndarray
    failed: Mapping[int, InputError]
    computed: int


def photo_features(
    model: ImageClassifier,
    photos: Sequence[Any],
    *,
    views: Sequence[str] = (CLEAN,),
    transform: Transform | None = None,
    value_range: Any = None,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
    on: str = "local",
    in_memory: Photos | None = None,
) -> Features:
    """The pooled features of photos, from the cache or from the model's engine.

    Args:
        model: its engine computes the vectors that the cache lacks.
        photos: paths, bytes, PIL images or arrays, as for the model.
        views: `"clean"` is the photo as for predicting; the photo of another name is computed by
            `transform`. The name is part of the key, so it must contain everything that decides the
            pixels (method, strength, seed): `"flip"`, `"crop 0.6..1 seed 0 #3"`.
        transform: `transform(picture, view, random) -> picture`, from the upright RGB picture to
            one that is then resized, cropped and scaled. `random` is seeded by view and content, so
            that a view of a photo has the same pixels in every process and order. It is called by
            threads.
        value_range: of float arrays, as for the model.
        cache: default: the shared one.
        progress: called with (name of the model, photos so far, total) while vectors are computed.
        on: `"local"`, or `"ray"`: the actors of a Ray cluster compute missing vectors, from paths,
            URLs and bytes.
        in_memory: contents that were read before; decoded photos are stored there by digest.

    Raises:
        BatchError: Ray cannot be reached, or failed.
        UsageError: a view other than "clean" has no transform, or the model has no pooled features.
    """
    if transform is None and (named := [view for view in views if view != CLEAN]):
        raise UsageError(f"The view {named[0]!r} needs a transform that makes it.")
    if not isinstance(model, ImageClassifier):
        raise UsageError(
            f"{model.name} is a model for {model.entry.task}; features of photos need an "
            "image classifier."
        )
    if on not in ("local", "ray"):
        raise UsageError(f"Features are computed on 'local' or 'ray', not on {on!r}.")
    if on == "ray":
        require("ray", "pyarrow", extra="ray", purpose="for on='ray' (on='local' needs neither)")
        for photo in photos:
            if not isinstance(photo, str | bytes | os.PathLike):
                raise UsageError(
                    "With Ray, photos must be paths, URLs or bytes, not an object of type "
                    f"{type(photo).__name__}."
                )
    cache = FeatureCache() if cache is None else cache  # an empty cache is falsy
    work = Work(model, list(views), transform, value_range, model_key(model), in_memory)
    listed = list(inputs.single_items(photos))
    failed: dict[int, InputError] = {}
    digests: dict[int, str] = {}  # by index
    with closing(prefetch.decoded(listed, work.digest, ahead=64)) as hashed:
        for index, (_, digest) in enumerate(hashed):
            if isinstance(digest, InputError):
                failed[index] = digest
            else:
                digests[index] = digest
    keys = {
        digest: [work.key(digest, view) for view in views]
        for digest in dict.fromkeys(digests.values())
    }
    cached = cache.get([key for row in keys.values() for key in row], work.width)
    missing: dict[str, int] = {}  # digest -> the first index with it
    for index, digest in digests.items():
        if any(key not in cached for key in keys[digest]):
            missing.setdefault(digest, index)
    computed, errors = _compute(
        work, [listed[index] for index in missing.values()], cached, cache, progress, on
    )
    unusable = {
        digest: error for digest, error in zip(missing, errors, strict=True) if error is not None
    }
    rows = np.full((len(listed), len(views), work.width), np.nan, np.float32)
    for index, digest in digests.items():
        if digest in unusable:
            failed[index] = unusable[digest]
        else:
            rows[index] = [cached[key] if key in cached else computed[key] for key in keys[digest]]
    return Features(rows[..., :-1], rows[..., -1], dict(sorted(failed.items())), len(computed))


def _compute(
    work: Work,
    listed: list[inputs.Item],
    cached: Mapping[bytes, np.ndarray],
    cache: FeatureCache,
    progress: Progress | None,
    on: str,
) -> tuple[dict[bytes, np.ndarray], list[InputError | None]]:
    """Compute the vectors that are not cached, and add them to the cache; returns them and the
    error of each photo, or None.
    """
    computed: dict[bytes, np.ndarray] = {}
    unwritten: dict[bytes, np.ndarray] = {}
    errors: list[InputError | None] = [None] * len(listed)

    def write() -> None:
        cache.put(unwritten)
        computed.update(unwritten)
        unwritten.clear()

    results = (
        ray_features.compute(work, listed)
        if on == "ray"
        else _numbered(computed_rows(work, listed, cached))
    )
    try:
        with closing(results):
            for done, (index, rows) in enumerate(results, 1):
                if isinstance(rows, InputError):
                    errors[index] = rows
                else:
                    unwritten.update(
                        {key: vector for key, vector in rows.items() if key not in cached}
                    )
                if len(unwritten) >= WRITE_EVERY:
                    write()
                if progress:
                    progress(work.model.name, done, len(listed))
    finally:
        write()  # also after an interrupt
    return computed, errors


def _numbered(rows: Generator[T]) -> Generator[tuple[int, T]]:
    with closing(rows):
        yield from enumerate(rows)
