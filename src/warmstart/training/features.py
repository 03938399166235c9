"""Pooled features of photos: from the cache, or from the model's engine while threads decode.

A vector's key is the sha256 of the photo's content, of the model (weights, architecture, preprocessing,
compiled program, precision) and of the view (`"clean"`, or the name of an augmentation): a renamed photo
is found again, a changed one is not, and `pick` and `finetune` share what either has computed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.inputs import image, items, preprocess, reading, stream
from warmstart.tasks.building import artifact_key
from warmstart.tasks.image_classification import BATCH_SIZE, ImageClassifier
from warmstart.training.feature_cache import FeatureCache

if TYPE_CHECKING:
    from PIL import Image

FORMAT = 2  # part of every key: raise it when what a vector means changes
CLEAN = "clean"
WRITE_EVERY = 256  # vectors: what a kill loses at most

T = TypeVar("T")
Transform = Callable[["Image.Image", str, np.random.Generator], "Image.Image"]
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Features:
    """The features of some photos.

    Attributes:
        vectors: float32 (photos, views, D); NaN where the photo is unusable.
        confidence: float32 (photos, views): the probability of the best of the model's own classes; NaN likewise.
        failed: what is wrong with each unusable photo, by its place.
        computed: vectors that went through the network; the others came from the cache, or from an equal photo.
    """

    vectors: np.ndarray
    confidence: np.ndarray
    failed: Mapping[int, InputError]
    computed: int


def photo_features(model: ImageClassifier, photos: Sequence[Any], *, views: Sequence[str] = (CLEAN,),
                   transform: Transform | None = None, value_range: Any = None, cache: FeatureCache | None = None,
                   progress: Progress | None = None, on: str = "local") -> Features:
    """The pooled features of photos, from the cache or from the model's engine.

    Args:
        model: its engine computes what the cache does not have, while threads decode.
        photos: paths, bytes, PIL images or arrays, as the model takes them, one each.
        views: what to look at: `"clean"` is the photo as the model would see it; any other name is what
            `transform` makes of it. A name stands in the key, so it must tell everything that decides the
            pixels (kind, strength, seed): `"flip"`, `"crop 0.6..1 seed 0 #3"`.
        transform: `transform(picture, view, random) -> picture`, from the whole upright RGB picture to what
            is then resized, cropped and scaled as usual. `random` is seeded by view and content, so that the
            same view of the same photo has the same pixels in every process, whatever the order. Threads
            call it.
        value_range: of float arrays, as the model takes it.
        cache: default: the shared one.
        progress: called with (name of the model, photos so far, photos in all) while vectors are computed.
        on: `"local"`, or `"ray"`: what is missing is computed by the actors of a Ray cluster; of paths, URLs and bytes.

    Raises:
        BatchError: Ray cannot be reached, or gave up.
        UsageError: a view is not "clean" and there is no transform, or the model has no pooled features.
    """
    if transform is None and (named := [view for view in views if view != CLEAN]):
        raise UsageError(f"The view {named[0]!r} needs a transform that makes it.")
    if not isinstance(model, ImageClassifier):
        raise UsageError(f"{model.name} does {model.entry.task}; features of photos need an image classifier.")
    if on not in ("local", "ray"):
        raise UsageError(f"Features are computed on 'local' or 'ray', not on {on!r}.")
    if on == "ray":
        from warmstart.bulk.cluster import require_ray

        require_ray()
        for photo in photos:
            if not isinstance(photo, str | bytes | os.PathLike):
                raise UsageError("Ray is sent paths, URLs and bytes of photos, not an object of type "
                                 f"{type(photo).__name__}.")
    cache = FeatureCache() if cache is None else cache  # an empty one is false
    work = Work(model, list(views), transform, value_range, model_key(model))
    listed = [items.Item(reading.given_name(photo) or f"item {n}", photo) for n, photo in enumerate(photos, 1)]
    failed: dict[int, InputError] = {}
    digests: dict[int, str] = {}  # by place
    with closing(stream.decoded(listed, work.digest, ahead=64)) as hashed:
        for place, (_, told) in enumerate(hashed):
            if isinstance(told, InputError):
                failed[place] = told
            else:
                digests[place] = told
    keys = {digest: [work.key(digest, view) for view in views] for digest in dict.fromkeys(digests.values())}
    known = cache.get([key for row in keys.values() for key in row], work.width)
    missing: dict[str, int] = {}  # digest -> the first place that has it
    for place, digest in digests.items():
        if any(key not in known for key in keys[digest]):
            missing.setdefault(digest, place)
    computed, broken = _compute(work, [listed[place] for place in missing.values()], known, cache, progress, on)
    unusable = {digest: error for digest, error in zip(missing, broken, strict=True) if error is not None}
    rows = np.full((len(listed), len(views), work.width), np.nan, np.float32)
    for place, digest in digests.items():
        if digest in unusable:
            failed[place] = unusable[digest]
        else:
            rows[place] = [known[key] if key in known else computed[key] for key in keys[digest]]
    return Features(rows[..., :-1], rows[..., -1], dict(sorted(failed.items())), len(computed))


@dataclass
class Work:
    """What the decoding threads do."""

    model: ImageClassifier
    views: list[str]
    transform: Transform | None
    value_range: Any
    model_key: str
    width: int = field(init=False)

    def __post_init__(self) -> None:
        outputs = {spec.name: spec for spec in self.model.engine.signatures["forward"].outputs}
        if "features" not in outputs:
            raise UsageError(f"{self.model.name} gives no pooled features.")
        self.width = int(outputs["features"].shape[-1]) + 1  # the confidence is kept as one more number

    def key(self, digest: str, view: str) -> bytes:
        told = json.dumps([FORMAT, digest, self.model_key, view])
        return hashlib.sha256(told.encode()).digest()[:20]

    def digest(self, item: items.Item) -> str:
        """The sha256 of the photo's bytes, or of its pixels where it is no file."""
        return self._read(item)[0]

    def _read(self, item: items.Item) -> tuple[str, Any]:
        value = item.value
        if isinstance(value, InputError) or hasattr(value, "__array__") or isinstance(value, _pil_image()):
            picture = image.decode(value, name=item.name, value_range=self.value_range)
            told = hashlib.sha256(f"pixels {picture.size}".encode())
            told.update(picture.tobytes())
            return told.hexdigest(), picture
        with reading.opened(value, item.name) as file:
            data = file.read()
        return hashlib.sha256(data).hexdigest(), data

    def rows(self, item: items.Item, known: Mapping[bytes, np.ndarray]) -> list[tuple[bytes, np.ndarray]]:
        """(key, network's input) of every view that is not known; the key is of the bytes that were decoded."""
        digest, content = self._read(item)
        rules = self.model.preprocessing
        target = preprocess.decode_target(rules)
        picture = image.decode(content, name=item.name, target=target, value_range=self.value_range)
        found = []
        for view in self.views:
            key = self.key(digest, view)
            if key in known:
                continue
            seen = picture
            if view != CLEAN:
                seed = int.from_bytes(hashlib.sha256(f"{view}\n{digest}".encode()).digest()[:16], "big")
                assert self.transform is not None
                seen = self.transform(picture, view, np.random.default_rng(seed))
            found.append((key, preprocess.preprocess(seen, rules)))
        return found


def _pil_image() -> type:
    from PIL import Image

    return Image.Image


def _compute(work: Work, listed: list[items.Item], known: Mapping[bytes, np.ndarray], cache: FeatureCache,
             progress: Progress | None, on: str) -> tuple[dict[bytes, np.ndarray], list[InputError | None]]:
    """The vectors of all views that are not known, also put into the cache; and each photo's error, or None."""
    computed: dict[bytes, np.ndarray] = {}
    unwritten: dict[bytes, np.ndarray] = {}
    errors: list[InputError | None] = [None] * len(listed)

    def write() -> None:
        cache.put(unwritten)
        computed.update(unwritten)
        unwritten.clear()

    if on == "ray":
        from warmstart.training import features_on_ray

        answers = features_on_ray.compute(work, listed)
    else:
        answers = _numbered(computed_rows(work, listed, known))
    try:
        with closing(answers):
            for done, (place, found) in enumerate(answers, 1):
                if isinstance(found, InputError):
                    errors[place] = found
                else:
                    unwritten.update({key: vector for key, vector in found.items() if key not in known})
                if len(unwritten) >= WRITE_EVERY:
                    write()
                if progress:
                    progress(work.model.name, done, len(listed))
    finally:
        write()  # also what was computed before an interrupt
    return computed, errors


def computed_rows(work: Work, listed: Sequence[items.Item],
                  known: Mapping[bytes, Any]) -> Generator[dict[bytes, np.ndarray] | InputError]:
    """The vectors of each photo by key, those that are known left out, or what is wrong with it; in order."""
    photos: deque[list[bytes] | InputError] = deque()
    waiting: dict[bytes, np.ndarray] = {}
    vectors: dict[bytes, np.ndarray] = {}

    def run(count: int) -> None:
        batch = [(key, waiting.pop(key)) for key in list(waiting)[:count]]
        outputs = work.model.engine.run("forward", images=np.stack([row for _, row in batch]))
        rows = np.column_stack([outputs["features"], outputs["probabilities"].max(-1)])
        vectors.update(zip((key for key, _ in batch), rows, strict=True))

    def ready() -> Iterator[dict[bytes, np.ndarray] | InputError]:
        while photos:
            first = photos[0]
            if isinstance(first, InputError):
                yield first
            elif all(key in vectors for key in first):
                yield {key: vectors.pop(key) for key in first}
            else:
                return
            photos.popleft()

    with closing(stream.decoded(listed, lambda item: work.rows(item, known), ahead=2 * BATCH_SIZE + 4)) as decoded:
        for _, found in decoded:
            photos.append(found if isinstance(found, InputError) else [key for key, _ in found])
            waiting.update(() if isinstance(found, InputError) else found)
            while len(waiting) >= BATCH_SIZE:
                run(BATCH_SIZE)
            yield from ready()
    if waiting:
        run(len(waiting))
    yield from ready()


def _numbered(rows: Generator[T]) -> Generator[tuple[int, T]]:
    with closing(rows):
        yield from enumerate(rows)


def model_key(model: ImageClassifier) -> str:
    """Names everything of a model that decides its features: weights, architecture, preprocessing, program."""
    program = "keras" if model.engine.name == "keras" else model.artifact.sha256
    told = {"artifact": artifact_key(model.entry, model.weights, model.precision), "program": program,
            "precision": model.precision, "preprocessing": model.entry.to_dict()["preprocessing"]}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
