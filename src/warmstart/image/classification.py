"""Image classification: photo -> array -> engine -> probabilities -> `Classification`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry, ImagePreprocessing
from warmstart.core import inputs as items
from warmstart.core import prefetch, records
from warmstart.core.metrics.classification import ClassificationFigures, DecisionFigures
from warmstart.core.model import Model
from warmstart.core.ranking import best
from warmstart.core.results import Classification, Failed, Prediction
from warmstart.engines.base import TensorSpec
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image import preprocessing as preprocess
from warmstart.image.inputs import iter_photos

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

BATCH_SIZE = 4  # on CPUs larger batches bring little speed and hold results back
PROBE_RANGES = {"tf": (-1.0, 1.0), "caffe": (-120.0, 140.0), "torch": (-2.0, 2.5), "standard": (-2.0, 2.0),
                "raw": (0.0, 255.0)}


class ImageClassifier(Model):
    """Tells what is in a photo.

    Example:
        >>> model = ws.load("mobilenet_v2")
        >>> model("cat.jpg", top_k=3).label
        'tabby'
    """

    task = "image-classification"

    @property
    def preprocessing(self) -> ImagePreprocessing:
        """The rules that turn a photo into the array that the model was trained on."""
        assert self.entry.preprocessing is not None
        return self.entry.preprocessing

    def __call__(self, inputs: Any, *, top_k: int = 5, batch_size: int | None = None,
                 value_range: Any = None, **options: Any) -> Any:
        """Classify photos.

        Args:
            inputs: a path, URL, bytes, file object, PIL image or array (H, W, 3); or a list, generator,
                folder, glob or array (N, H, W, 3) of them.
            top_k: how many classes a result holds, best first; at most all of them.
            batch_size: photos per call of the engine where there are several; does not change results.
            value_range: `"0..1"` or `"0..255"`; needed for float arrays, which do not say it themselves.

        Returns:
            One `Classification`; a list of them for a list or batch array; an iterator for a generator,
            folder or glob. In a list or iterator an unusable photo is a `Failed` in its place.

        Raises:
            InputError: the one photo is unusable.
            UsageError: an option is wrong, or a folder or glob holds no photos.
        """
        if options:
            raise UsageError(f"ImageClassifier takes no option {next(iter(options))!r}.")
        if top_k < 1:
            raise UsageError(f"top_k must be 1 or more, not {top_k}.")
        answers = self._answers(inputs, "probabilities", batch_size, value_range)
        results = (a if isinstance(a, Failed) else self._result(name, a, top_k) for name, a in answers)
        if items.is_single(inputs):
            (result,) = results
            if isinstance(result, Failed):
                raise result.error
            return result
        return list(results) if _is_list(inputs) else results

    def features(self, inputs: Any, *, batch_size: int | None = None, value_range: Any = None) -> Any:
        """The last feature map, averaged over its pixels: what a new head would be trained on.

        Args:
            inputs, batch_size, value_range: as for calling the model.

        Returns:
            float32 (D,) for one photo, (N, D) for a list or batch array, an iterator of (D,) otherwise.

        Raises:
            InputError: a photo is unusable.
        """
        vectors = (_raise_failed(a) for _, a in self._answers(inputs, "features", batch_size, value_range))
        if items.is_single(inputs):
            return next(vectors)
        if not _is_list(inputs):
            return vectors
        (width,) = (s.shape[-1] for s in self.engine.signatures["forward"].outputs if s.name == "features")
        return np.array(list(vectors), np.float32).reshape(-1, int(width))

    def evaluate(self, data: Any, *, batch_size: int | None = None,
                 progress: Callable[[str, int, int | None], None] | None = None) -> dict[str, Any]:
        """How good the model is on labelled photos.

        Args:
            data: pairs (photo, label), a folder of class folders, or a table of paths and labels, in a file or in
                memory (see `core.records.read_table`). A label is an id or name of `labels`, or an index; where the
                model gives several labels a photo, a tuple of them.
            batch_size: photos per call of the engine; does not change results.
            progress: called with (name of the model, photos so far, photos in all).

        Returns:
            What `core.metrics.classification.ClassificationFigures.result` says (`top1`, `top5`, `per_class`,
            `confusions`, `calibration_error`, …; accuracies 0 to 1), for several labels a photo
            `DecisionFigures.result`; and `errors`: what is wrong with each photo that could not be read.

        Raises:
            UsageError: no photos, or a label that the model does not have.
        """
        pairs = _labelled(data)
        if not pairs:
            raise UsageError("There are no photos to evaluate on.")
        names, several = [label.name for label in self.labels], bool(self.entry.processing.get("multi_label"))
        truth = [self._label_indices(label) if several else self._label_index(label) for _, label in pairs]
        figures: Any = DecisionFigures(names) if several else ClassificationFigures(names)
        errors: list[str] = []
        answers = self._answers((photo for photo, _ in pairs), "probabilities", batch_size, None)
        for done, ((name, answer), right) in enumerate(zip(answers, truth, strict=True), 1):
            if isinstance(answer, Failed):
                errors.append(str(answer.error))
            elif several:
                figures.add(answer, np.isin(np.arange(len(names)), right))
            else:
                figures.add(name, answer, right)
            if progress:
                progress(self.name, done, len(pairs))
        return {**figures.result(), "errors": errors}

    def preprocess(self, photo: Any, *, value_range: Any = None) -> np.ndarray:
        """One photo as the model takes it: float32 (H, W, 3), for use with `keras` or `ws.backbone`.

        Raises:
            InputError: the photo is unusable.
        """
        return self._prepare(next(iter(iter_photos([photo]))), value_range)

    def _prepare(self, item: items.Item, value_range: Any) -> np.ndarray:
        given = item.value
        if type(given) is np.ndarray and given.dtype == np.uint8 and given.shape == (*self.preprocessing.size, 3) \
                and value_range is None:
            return preprocess.scale(given, self.preprocessing)  # it is what decoding would make of it
        target = preprocess.decode_target(self.preprocessing)
        picture = decoder.decode(item.value, name=item.name, target=target, value_range=value_range)
        return preprocess.preprocess(picture, self.preprocessing)

    def _answers(self, inputs: Any, output: str, batch_size: int | None,
                 value_range: Any) -> Iterator[tuple[str, np.ndarray | Failed]]:
        """(name, output row or `Failed`) per item, in order; decoding runs beside the engine."""
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch_size must be 1 or more, not {batch_size}.")
        engine = self.engine
        if items.is_single(inputs):
            (item,) = iter_photos(inputs)
            try:
                row = self._prepare(item, value_range)
            except InputError as error:
                return iter([(item.name, Failed(item.name, error))])
            return iter([(item.name, engine.run("forward", images=row[None])[output][0])])
        size = batch_size or BATCH_SIZE
        prepared = prefetch.decoded(iter_photos(inputs), partial(self._prepare, value_range=value_range),
                                  ahead=2 * size + 4)
        return _batched(engine, prepared, output, size)

    def _result(self, name: str, probabilities: np.ndarray, top_k: int) -> Classification:
        places = best(probabilities, top_k)
        return Classification(name, self.name, tuple(
            Prediction(i, self.labels[i].id, self.labels[i].name, score)
            for i, score in zip(places.tolist(), probabilities[places].tolist(), strict=True)
        ))

    def _label_index(self, label: Any) -> int:
        if isinstance(label, int | np.integer) and 0 <= label < len(self.labels):
            return int(label)
        for known in self.labels:
            if label in (known.id, known.name, known.name.replace(" ", "_")):
                return known.index
        if isinstance(label, str) and label.isdecimal() and int(label) < len(self.labels):
            return int(label)
        raise UsageError(f"{self.name} has no class {label!r}; its `labels` lists those it has.")

    def _label_indices(self, labels: Any) -> list[int]:
        several = labels if isinstance(labels, list | tuple | set) else (labels,)
        return [self._label_index(label) for label in several]

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: images float32 (batch, H, W, 3) -> probabilities (batch, classes), features (batch, D)."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models.image import classifier_outputs

        rules = entry.preprocessing
        assert rules is not None
        outputs = classifier_outputs(model)
        low, high = PROBE_RANGES[rules.scaling]
        images = TensorSpec("images", "float32", ("batch", *rules.size, 3), low, high)
        return Program({"forward": Function(lambda images: outputs(images, training=False), (images,))}, outputs)


def _batched(engine: Any, prepared: Generator[tuple[items.Item, np.ndarray | InputError]], output: str,
             size: int) -> Iterator[tuple[str, np.ndarray | Failed]]:
    """Run the engine on up to `size` arrays at a time; failures keep their place among the answers."""
    waiting: list[tuple[str, np.ndarray | Failed]] = []

    def flush() -> Iterator[tuple[str, np.ndarray | Failed]]:
        arrays = [value for _, value in waiting if not isinstance(value, Failed)]
        rows = iter(engine.run("forward", images=np.stack(arrays))[output] if arrays else ())
        for name, value in waiting:
            yield name, value if isinstance(value, Failed) else next(rows)
        waiting.clear()

    with contextlib.closing(prepared):  # stops the decoding threads
        for item, value in prepared:
            waiting.append((item.name, Failed(item.name, value) if isinstance(value, InputError) else value))
            if len(waiting) == size:
                yield from flush()
        yield from flush()


def _is_list(inputs: Any) -> bool:
    return isinstance(inputs, list | tuple | np.ndarray)


def _raise_failed(answer: np.ndarray | Failed) -> np.ndarray:
    if isinstance(answer, Failed):
        raise answer.error
    return answer


def _labelled(data: Any) -> list[tuple[Any, Any]]:
    """(photo, label) pairs of a folder of class folders, of a table, or as they are."""
    path = Path(data) if isinstance(data, str | Path) else None
    if path is not None and (path.is_dir() or not records.is_table(path)):
        return list(_class_folders(path))
    if path is not None and not path.is_file():
        raise UsageError(f"There is no file {path}.")
    if records.is_table(data):
        return [(one.value, one.label) for one in records.read_photos(data)]
    return list(data)


def _class_folders(folder: Path) -> list[tuple[Path, str]]:
    """(photo, name of its class folder) for every photo two levels down."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder of class folders, nor a table of paths and labels.")
    return [
        (Path(item.value), child.name)
        for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.startswith(".")
        for item in iter_photos(child)
    ]
