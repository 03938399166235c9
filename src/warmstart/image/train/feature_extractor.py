"""Computes the features of photos: reads and hashes them, makes their views, and runs the engine."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.core import inputs, prefetch, reading
from warmstart.core.compiling import artifact_key
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder, preprocessing
from warmstart.image.classification import ImageClassifier
from warmstart.image.train.photos import Photos

if TYPE_CHECKING:
    from PIL import Image

FORMAT = 2
"""A part of every key; increase it when the meaning of vectors changes."""
CLEAN = "clean"
Transform = Callable[["Image.Image", str, np.random.Generator], "Image.Image"]


@dataclass
class Work:
    """The work of the decoding threads."""

    model: ImageClassifier
    views: list[str]
    transform: Transform | None
    value_range: Any
    model_key: str
    photos: Photos | None = None
    width: int = field(init=False)

    def __post_init__(self) -> None:
        outputs = {spec.name: spec for spec in self.model.engine.signatures["forward"].outputs}
        if "features" not in outputs:
            raise UsageError(
                f"{self.model.name} has no features, so nothing can be trained on it. If it is a "
                "wrapped .onnx or .tflite file, wrap its Keras model instead, or the part that "
                "returns features, with embedding=True."
            )
        self.width = int(outputs["features"].shape[-1]) + 1  # the last number is the confidence

    def key(self, digest: str, view: str) -> bytes:
        text = json.dumps([FORMAT, digest, self.model_key, view])
        return hashlib.sha256(text.encode()).digest()[:20]

    def digest(self, item: inputs.Item) -> str:
        """The sha256 of the photo's bytes, or of its pixels if it is not a file."""
        return self._read(item)[0]

    def _read(self, item: inputs.Item) -> tuple[str, Any]:
        value = item.value
        if (
            isinstance(value, InputError)
            or hasattr(value, "__array__")
            or isinstance(value, _pil_image())
        ):
            picture = decoder.decode(value, name=item.name, value_range=self.value_range)
            digest = hashlib.sha256(f"pixels {picture.size}".encode())
            digest.update(picture.tobytes())
            return digest.hexdigest(), picture
        if self.photos is not None and (content := self.photos.content(value)) is not None:
            return content
        with reading.opened(value, item.name) as file:
            data = file.read()
        return hashlib.sha256(data).hexdigest(), data

    def rows(
        self, item: inputs.Item, cached: Mapping[bytes, np.ndarray]
    ) -> list[tuple[bytes, np.ndarray]]:
        """(key, network's input) of every view that is not cached."""
        digest, content = self._read(item)
        rules = self.model.preprocessing
        target = preprocessing.decode_target(rules)

        def decode(_: Any = None) -> Image.Image:
            return decoder.decode(
                content, name=item.name, target=target, value_range=self.value_range
            )

        picture = (
            decode() if self.photos is None else self.photos.decoded(digest, item.value, decode)
        )
        views = []
        for view in self.views:
            key = self.key(digest, view)
            if key in cached:
                continue
            pixels = picture
            if view != CLEAN:
                seed = int.from_bytes(
                    hashlib.sha256(f"{view}\n{digest}".encode()).digest()[:16], "big"
                )
                assert self.transform is not None
                pixels = self.transform(picture, view, np.random.default_rng(seed))
            views.append((key, preprocessing.preprocess(pixels, rules)))
        return views


def _pil_image() -> type:
    from PIL import Image

    return Image.Image


def computed_rows(
    work: Work, listed: Sequence[inputs.Item], cached: Mapping[bytes, Any]
) -> Generator[dict[bytes, np.ndarray] | InputError]:
    """The vectors of each photo by key, without cached ones, or its error; in order."""
    photos: deque[list[bytes] | InputError] = deque()
    waiting: dict[bytes, np.ndarray] = {}
    vectors: dict[bytes, np.ndarray] = {}

    def run(count: int) -> None:
        batch = [(key, waiting.pop(key)) for key in list(waiting)[:count]]
        outputs = work.model.engine.run("forward", images=np.stack([row for _, row in batch]))
        features = outputs["features"]
        scores = outputs.get("probabilities", np.zeros((len(features), 1), np.float32))
        rows = np.column_stack([features, scores.max(-1)])
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

    size = ImageClassifier.batch_size
    with closing(
        prefetch.decoded(listed, lambda item: work.rows(item, cached), ahead=2 * size + 4)
    ) as decoded:
        for _, views in decoded:
            photos.append(views if isinstance(views, InputError) else [key for key, _ in views])
            waiting.update(() if isinstance(views, InputError) else views)
            while len(waiting) >= size:
                run(size)
            yield from ready()
    if waiting:
        run(len(waiting))
    yield from ready()


def model_key(model: ImageClassifier) -> str:
    """A digest of everything that decides the features of a model: weights, architecture,
    preprocessing and program.
    """
    program = "keras" if model.engine.name == "keras" else model.artifact.sha256
    settings = {
        "artifact": artifact_key(model.entry, model.weights, model.precision),
        "program": program,
        "precision": model.precision,
        "preprocessing": model.entry.to_dict()["preprocessing"],
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
