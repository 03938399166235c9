"""What tasks on photos share where the answer is in the pixels of the photo: its true size, and drawing on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.core import inputs as items
from warmstart.core import prefetch
from warmstart.core.model import Model
from warmstart.core.results import Failed
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image import preprocessing as preprocess
from warmstart.image.inputs import iter_photos

if TYPE_CHECKING:
    from PIL.Image import Image

    from warmstart.catalog import ImagePreprocessing

BATCH_SIZE = 4  # on CPUs larger batches bring little speed and hold results back
Rows = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Frame:
    """Where a photo lies in the network's input.

    Attributes:
        width, height: of the upright photo, in pixels.
        left, top, inner_width, inner_height: the rectangle of the input that shows the whole photo, in pixels.
        input_width, input_height: of the network's input.
    """

    width: int
    height: int
    left: int
    top: int
    inner_width: int
    inner_height: int
    input_width: int
    input_height: int

    @classmethod
    def of(cls, size: tuple[int, int], rules: ImagePreprocessing) -> Frame:
        """For a photo of (width, height); the resize rule must show all of it ("squash" or "pad")."""
        width, height = size
        input_height, input_width = rules.size
        if rules.resize == "squash" or (width, height) == (input_width, input_height):
            return cls(width, height, 0, 0, input_width, input_height, input_width, input_height)
        if rules.resize == "crop":
            raise UsageError("The resize rule 'crop' loses the sides of photos; this task needs 'squash' or 'pad'.")
        inner_width, inner_height = preprocess.fitted(size, rules.size)
        return cls(width, height, (input_width - inner_width) // 2, (input_height - inner_height) // 2,
                   inner_width, inner_height, input_width, input_height)


@dataclass(frozen=True)
class Photo:
    """A photo on its way: the array for the network, where the photo lies in it, and how to see it again."""

    name: str
    array: np.ndarray
    frame: Frame
    picture: Callable[[], Image]


class PhotoModel(Model):
    """A model from photos to something in their pixels; subclasses say what the engine's rows mean."""

    @property
    def preprocessing(self) -> ImagePreprocessing:
        """The rules that turn a photo into the array that the model was trained on."""
        assert self.entry.preprocessing is not None
        return self.entry.preprocessing

    def preprocess(self, photo: Any, *, value_range: Any = None) -> np.ndarray:
        """One photo as the model takes it: float32 (H, W, 3), for use with `keras`.

        Raises:
            InputError: the photo is unusable.
        """
        return self._prepare(next(iter(iter_photos([photo]))), value_range).array

    def _prepare(self, item: items.Item, value_range: Any) -> Photo:
        rules = self.preprocessing
        read = partial(decoder.decode, item.value, name=item.name, value_range=value_range)
        picture = read(target=preprocess.decode_target(rules))
        frame = Frame.of(picture.info["size"], rules)
        # Results can be drawn later: files are read again then, so that a list of results does not hold all photos.
        once = hasattr(item.value, "read") or (isinstance(item.value, str) and "://" in item.value)
        return Photo(item.name, preprocess.preprocess(picture, rules), frame, picture.copy if once else read)

    def _answers(self, inputs: Any, outputs: tuple[str, ...], batch_size: int | None,
                 value_range: Any) -> Iterator[tuple[Photo, Rows] | Failed]:
        """The photo and its rows of the outputs, or `Failed`, per item, in order; decoding runs beside the engine."""
        engine = self.engine
        work = partial(self._prepare, value_range=value_range)
        if items.is_single(inputs):
            (item,) = iter_photos(inputs)
            try:
                photo = work(item)
            except InputError as error:
                yield Failed(item.name, error)
                return
            yield from _run(engine, [photo], outputs)
            return
        size = batch_size or BATCH_SIZE
        prepared = prefetch.decoded(iter_photos(inputs), work, ahead=2 * size + 4)
        with contextlib.closing(prepared):  # stops the decoding threads
            waiting: list[Photo | Failed] = []
            for item, value in prepared:
                waiting.append(Failed(item.name, value) if isinstance(value, InputError) else value)
                if len(waiting) == size:
                    yield from _run(engine, waiting, outputs)
                    waiting.clear()
            yield from _run(engine, waiting, outputs)

    def _results(self, inputs: Any, outputs: tuple[str, ...], batch_size: int | None, value_range: Any,
                 result: Callable[[Photo, Rows], Any]) -> Any:
        """One result, a list of them, or an iterator, as the inputs ask for."""
        _check_batch_size(batch_size)
        results = (a if isinstance(a, Failed) else result(*a)
                   for a in self._answers(inputs, outputs, batch_size, value_range))
        if items.is_single(inputs):
            (only,) = results
            if isinstance(only, Failed):
                raise only.error
            return only
        return list(results) if isinstance(inputs, list | tuple | np.ndarray) else results

    def features(self, inputs: Any, *, batch_size: int | None = None, value_range: Any = None) -> Any:
        """The backbone's last feature map, averaged over its pixels.

        Args:
            inputs, batch_size, value_range: as for calling the model.

        Returns:
            float32 (D,) for one photo, (N, D) for a list or batch array, an iterator of (D,) otherwise.

        Raises:
            InputError: a photo is unusable.
        """
        _check_batch_size(batch_size)

        def vectors() -> Iterator[np.ndarray]:
            for answer in self._answers(inputs, ("features",), batch_size, value_range):
                if isinstance(answer, Failed):
                    raise answer.error
                yield answer[1]["features"]

        if items.is_single(inputs):
            return next(vectors())
        if not isinstance(inputs, list | tuple | np.ndarray):
            return vectors()
        (width,) = (s.shape[-1] for s in self.engine.signatures["forward"].outputs if s.name == "features")
        return np.array(list(vectors()), np.float32).reshape(-1, int(width))


def _check_batch_size(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, not {batch_size}.")


def _run(engine: Any, waiting: list[Photo | Failed], outputs: tuple[str, ...]) -> Iterator[tuple[Photo, Rows] | Failed]:
    """Run the engine once on the photos that could be read; failures keep their place."""
    arrays = [photo.array for photo in waiting if isinstance(photo, Photo)]
    answer = engine.run("forward", images=np.stack(arrays)) if arrays else {}
    place = 0
    for photo in waiting:
        if isinstance(photo, Failed):
            yield photo
        else:
            yield photo, {name: answer[name][place] for name in outputs}
            place += 1
