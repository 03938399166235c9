"""Pooled features of photos: from the cache, or from the model's engine while threads decode.

A vector's key is the sha256 of the photo's content, of the model (weights, architecture,
preprocessing, compiled program, precision) and of the view (`"clean"`, or the name of an
augmentation): a renamed photo is recognised, a changed one is not, and `pick` and `finetune` share
what either has computed.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from warmstart.core import inputs, prefetch, reading
from warmstart.errors import InputError, UsageError, require
from warmstart.hub.progress import Progress
from warmstart.image.classification import ImageClassifier
from warmstart.image.train import ray_features
from warmstart.image.train.feature_cache import FeatureCache
from warmstart.image.train.feature_extractor import CLEAN, Transform, Work, computed_rows, model_key
from warmstart.image.train.photos import Photos

WRITE_EVERY = 256  # vectors: what a kill loses at most

T = TypeVar("T")


@dataclass(frozen=True)
class Features:
    """The features of some photos.

    Attributes:
        vectors: float32 (photos, views, D); NaN where the photo is unusable.
        confidence: float32 (photos, views): the probability of the best of the model's own classes;
            NaN likewise.
        failed: what is wrong with each unusable photo, by its index.
        computed: vectors that went through the network; the others came from the cache, or from an
            equal photo.
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
        model: its engine computes what the cache does not have, while threads decode.
        photos: paths, bytes, PIL images or arrays, as the model takes them, one each.
        views: what to look at: `"clean"` is the photo as the model would see it; any other name is
            what `transform` makes of it. A name stands in the key, so it must tell everything that
            decides the pixels (method, strength, seed): `"flip"`, `"crop 0.6..1 seed 0 #3"`.
        transform: `transform(picture, view, random) -> picture`, from the whole upright RGB picture
            to what is then resized, cropped and scaled as usual. `random` is seeded by view and
            content, so that the same view of the same photo has the same pixels in every process,
            whatever the order. Threads call it.
        value_range: of float arrays, as the model takes it.
        cache: default: the shared one.
        progress: called with (name of the model, photos so far, photos in all) while vectors are
            computed.
        on: `"local"`, or `"ray"`: what is missing is computed by the actors of a Ray cluster; of
            paths, URLs and bytes.
        in_memory: contents that were read before; what is decoded is stored there, under its digest.

    Raises:
        BatchError: Ray cannot be reached, or gave up.
        UsageError: a view is not "clean" and there is no transform, or the model has no pooled
        features.
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
    cache = FeatureCache() if cache is None else cache  # an empty one is false
    work = Work(model, list(views), transform, value_range, model_key(model), in_memory)
    listed = [
        inputs.Item(reading.input_name(photo) or f"item {n}", photo)
        for n, photo in enumerate(photos, 1)
    ]
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
    known = cache.get([key for row in keys.values() for key in row], work.width)
    missing: dict[str, int] = {}  # digest -> the first index that has it
    for index, digest in digests.items():
        if any(key not in known for key in keys[digest]):
            missing.setdefault(digest, index)
    computed, broken = _compute(
        work, [listed[index] for index in missing.values()], known, cache, progress, on
    )
    unusable = {
        digest: error for digest, error in zip(missing, broken, strict=True) if error is not None
    }
    rows = np.full((len(listed), len(views), work.width), np.nan, np.float32)
    for index, digest in digests.items():
        if digest in unusable:
            failed[index] = unusable[digest]
        else:
            rows[index] = [known[key] if key in known else computed[key] for key in keys[digest]]
    return Features(rows[..., :-1], rows[..., -1], dict(sorted(failed.items())), len(computed))


def _compute(
    work: Work,
    listed: list[inputs.Item],
    known: Mapping[bytes, np.ndarray],
    cache: FeatureCache,
    progress: Progress | None,
    on: str,
) -> tuple[dict[bytes, np.ndarray], list[InputError | None]]:
    """The vectors of all views that are not known, also put into the cache; and each photo's error,
    or None.
    """
    computed: dict[bytes, np.ndarray] = {}
    unwritten: dict[bytes, np.ndarray] = {}
    errors: list[InputError | None] = [None] * len(listed)

    def write() -> None:
        cache.put(unwritten)
        computed.update(unwritten)
        unwritten.clear()

    answers = (
        ray_features.compute(work, listed)
        if on == "ray"
        else _numbered(computed_rows(work, listed, known))
    )
    try:
        with closing(answers):
            for done, (index, rows) in enumerate(answers, 1):
                if isinstance(rows, InputError):
                    errors[index] = rows
                else:
                    unwritten.update(
                        {key: vector for key, vector in rows.items() if key not in known}
                    )
                if len(unwritten) >= WRITE_EVERY:
                    write()
                if progress:
                    progress(work.model.name, done, len(listed))
    finally:
        write()  # also what was computed before an interrupt
    return computed, errors


def _numbered(rows: Generator[T]) -> Generator[tuple[int, T]]:
    with closing(rows):
        yield from enumerate(rows)
