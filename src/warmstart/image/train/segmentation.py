"""Fine-tuning a segmenter: DeepLabV3+ on a classification backbone, or a segmenter of the catalogue, on masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from warmstart.catalog import Entry, ImagePreprocessing, Label
from warmstart.core.model import Model
from warmstart.image import decoder
from warmstart.image.annotations.masks import NOT_COUNTED, MaskData, read_masks
from warmstart.image.geometry import Frame
from warmstart.image.label_maps import label_map
from warmstart.image.metrics.segmentation import Confusion
from warmstart.image.results.segmentation import Segmentation
from warmstart.image.train import dense
from warmstart.image.train.dense import Judged, Predictor, base_of, compiled, sized
from warmstart.image.train.dense_augment import Variation
from warmstart.image.train.dense_batches import MaskBatches
from warmstart.models import family
from warmstart.training import charts
from warmstart.training.report import Report, beside, command_line, pictures, table, text

SHOWN = 6
Colours = Mapping[str, tuple[int, int, int]]


def finetune(base: str | Path | Model, data: Any, *, learning_rate: float = 1e-3, width: int = 96,
             colours: Colours | None = None, **options: Any) -> Model:
    """Fine-tune a segmenter; see `warmstart.image.train.dense.finetune` for the other options.

    Args:
        base: a classifier whose network becomes the backbone, or a segmenter.
        data: photos with masks as `read_masks` takes them.
        colours: as for `read_masks`.
        width: of the pyramid and decoder of a new segmenter.

    Raises:
        UsageError: the data or an option cannot be used.
        TrainingError: training cannot go on.
    """
    return dense.finetune(Segmenting(width, colours), base, data, learning_rate=learning_rate, **options)


class Segmenting(dense.DenseRecipe[MaskData]):
    """Masks: DeepLabV3+ or a segmenter of the catalogue, chosen by mean IoU."""

    task, what = "image-segmentation", "segmenter"
    figures = ("miou", "pixel_accuracy")
    clip_norm = 5.0
    variation = Variation(mosaic=0.0)

    def __init__(self, width: int, colours: Colours | None):
        self.width, self.colours = width, colours

    def read(self, source: Any, labels: Sequence[str] | None) -> MaskData:
        return read_masks(source, labels, self.colours)

    def told(self, training: MaskData, others: MaskData) -> list[str]:
        return [f"training: {len(training.photos)} photos, validation: {len(others.photos)}; classes: "
                f"{', '.join(training.labels)}"]

    def digest(self, data: MaskData) -> str:
        told = sha256()
        for photo in data.photos:
            told.update(photo.name.encode())
            told.update(photo.mask().tobytes())
        return told.hexdigest()

    def config(self, model: Model, data: MaskData, image_size: Any) -> tuple[str, dict[str, Any]]:
        if model.entry.task == self.task and hasattr(family(model.entry.architecture), "SEGMENTATION"):
            module, config = model.entry.architecture, dict(model.entry.to_dict()["config"])
            image_size = image_size or config["input_size"]
        else:
            module, config = "deeplabv3", {"base": base_of(model), "width": self.width}
        config["input_size"] = sized(image_size, [decoder.size(p.photo, name=p.name) for p in data.photos[:50]])
        config["classes"] = len(data.labels)
        return module, config

    def trained(self, network: keras.Model, data: MaskData, config: Mapping[str, Any]) -> tuple[keras.Model, Any]:
        return network, Loss(len(data.labels))

    def batches(self, data: MaskData, rules: ImagePreprocessing, batch_size: int, seed: int, vary: Variation | None, *,
                learn: bool) -> MaskBatches:
        return MaskBatches(data, rules, batch_size, seed, vary)

    def predictor(self, network: keras.Model) -> Predictor:
        return compiled(network)

    def measured(self, call: Predictor, held: MaskBatches) -> dict[str, Any]:
        confusion = Confusion(len(held.data.labels))
        for photo, told in predicted(call, held):
            confusion.add(held.mask(photo), told)
        return confusion.result()

    def entry(self, model: Model, module: str) -> dict[str, Any]:
        known = module == model.entry.architecture
        ending = "_finetuned" if known else "_deeplabv3"
        return {"name": model.name if model.name.endswith(ending) else model.name + ending,
                "family": model.entry.family if known else "deeplabv3",
                "title": model.entry.title if known else f"DeepLabV3+ on {model.entry.title}", "processing": {}}

    def report(self, judged: Judged, training: MaskData, others: MaskData) -> str:
        return _report(judged, training)

    def kept(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        return {**figures, "iou": figures["iou"].tolist(), "dice": figures["dice"].tolist()}


@keras.saving.register_keras_serializable("warmstart")
class Loss(keras.losses.Loss):
    """Cross entropy plus soft Dice (Milletari et al. 2016, arXiv:1606.04797), at the masks' size; one number a batch.

    Takes class indices (B, H, W), `NOT_COUNTED` for pixels that do not count, and logits (B, h, w, classes).
    """

    def __init__(self, classes: int, name: str = "segmentation"):
        super().__init__(name=name, reduction="sum")
        self.classes = classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        height, width = y_true.shape[1:3]
        logits = ops.image.resize(y_pred, (height, width), interpolation="bilinear")
        kind = ops.cast(y_true, "int32")
        counted = ops.cast(kind != NOT_COUNTED, "float32")
        wanted = ops.one_hot(ops.where(kind == NOT_COUNTED, -1, kind), self.classes)
        entropy = -ops.sum(wanted * ops.log_softmax(logits), axis=-1)
        entropy = ops.sum(entropy * counted) / ops.maximum(ops.sum(counted), 1.0)
        chance = ops.softmax(logits) * counted[..., None]
        shared, both = ops.sum(chance * wanted, axis=(0, 1, 2)), ops.sum(chance + wanted, axis=(0, 1, 2))
        dice = ops.mean(1 - (2 * shared + 1) / (both + 1))
        return entropy + dice


def predicted(call: Predictor, held: MaskBatches) -> Iterator[tuple[Any, np.ndarray]]:
    """(photo, class of every pixel), photo by photo."""
    for start in range(0, len(held.data.photos), held.batch_size):
        photos = held.data.photos[start : start + held.batch_size]
        answer = np.asarray(call(np.stack([held.plain(photo) for photo in photos])))
        for photo, logits in zip(photos, answer, strict=True):
            height, width = held.mask(photo).shape
            yield photo, label_map(logits, Frame.of((width, height), held.rules))


def _report(judged: Judged, training: MaskData) -> str:
    """The HTML page."""
    entry, held, fitted, figures = judged.entry, judged.held, judged.fitted, judged.figures
    labels = training.labels
    page = Report(entry.title, f"{len(labels)} classes: {', '.join(labels)}")
    page.tiles([(f"{figures['miou']:.3f}", "mean IoU"), (f"{figures['mean_dice']:.3f}", "mean Dice"),
                (f"{figures['pixel_accuracy']:.1%}", "of the pixels right")])
    page.section("Data", text(f"{len(training.photos)} photos to learn from, {len(held.data.photos)} to measure on."),
                 *(text(problem, warning=True) for problem in (*training.problems, *held.data.problems)[:30]))
    page.section("Curves", beside(
        charts.lines({"training": [(r["epoch"], r["loss"]) for r in fitted.history if "loss" in r]}, x="epoch",
                     y="loss", mark=fitted.best),
        charts.lines({"mean IoU": [(r["epoch"], r["val_miou"]) for r in fitted.history if "val_miou" in r]}, x="epoch",
                     y="validation", mark=fitted.best)))
    rows = [[name, f"{figures['iou'][i]:.3f}", f"{figures['dice'][i]:.3f}"] for i, name in enumerate(labels)]
    page.section("Per class", table(("class", "IoU", "Dice"), rows))
    page.section("Photos", text("Validation photos with the most wrong pixels: the mask, then what the model says."),
                 pictures(list(_drawn(entry, judged.call, held))))
    return page.render(command_line(f"ws.finetune(…, task={entry.task!r})"))


def _drawn(entry: Entry, call: Predictor, held: MaskBatches) -> Iterator[tuple[Any, str]]:
    names = tuple(Label(i, n, n) for i, n in enumerate(held.data.labels))
    judged = []
    for photo, told in predicted(call, held):
        mask = held.mask(photo)
        judged.append((float(((mask != told) & (mask != NOT_COUNTED)).mean()), photo, mask, told))
        judged = sorted(judged, key=lambda row: -row[0])[:SHOWN]
    for wrong, photo, mask, told in judged:
        for values, what in ((mask, "mask"), (told, f"{wrong:.1%} wrong")):
            read = partial(decoder.decode, photo.photo, name=photo.name)
            drawn = Segmentation(photo.name, entry.name, values, names, read).overlay()
            drawn.thumbnail((480, 480))
            yield drawn, f"{photo.name.rsplit('/', 1)[-1]}: {what}"
