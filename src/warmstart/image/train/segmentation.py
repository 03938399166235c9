"""Fine-tuning of segmenters on masks: DeepLabV3+ on a classification backbone, or a segmenter of
the catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import keras
import numpy as np
from keras import ops

from warmstart.image import decoder
from warmstart.image.annotations.mask_encoding import Encoding
from warmstart.image.annotations.mask_values import NOT_COUNTED
from warmstart.image.annotations.masks import MaskData, MaskedPhoto, read_masks
from warmstart.image.geometry import Frame
from warmstart.image.label_maps import label_map
from warmstart.image.metrics.segmentation import Confusion
from warmstart.image.results.segmentation import Segmentation
from warmstart.image.train.backbone import base_of
from warmstart.image.train.dense import DenseTrainer, count_pixels, sized
from warmstart.image.train.dense_augment import Variation
from warmstart.image.train.dense_batches import MaskBatches
from warmstart.image.train.options import SegmentationOptions
from warmstart.models import family
from warmstart.training.page import Section
from warmstart.training.report import pictures, table, text

SHOWN = 6
"""Photos in the report, those with the most wrong pixels."""


class SegmentationTrainer(DenseTrainer[SegmentationOptions, MaskData]):
    """The trainer of segmenters; the best epoch has the highest mean IoU."""

    task = "image-segmentation"
    figures = ("miou", "pixel_accuracy")
    annotation_name = "a pixel that counts"
    monitor = "val_miou"
    rate = 1e-3
    clip_norm = 5.0
    variation = Variation(mosaic=0.0)
    validation_photos: MaskBatches
    encoding: Encoding | None = None

    def open(self) -> None:
        super().open()
        if not self.is_segmenter:
            base_of(self.model)

    @property
    def is_segmenter(self) -> bool:
        """Whether the base is a segmenter, and not a backbone."""
        entry = self.model.entry
        return entry.task == self.task and hasattr(family(entry.architecture), "SEGMENTATION")

    def read_photos(
        self, source: Any, labels: Sequence[str] | None, *, strict: bool = False
    ) -> MaskData:
        data = read_masks(
            source,
            labels,
            self.options.colours,
            strict=strict,
            mask_encoding=self.encoding,
            **self.options.reading(),
        )
        self.names, self.encoding = data.labels, data.encoding
        self.masks: dict[str, tuple[bytes, Counter[int]]] = getattr(self, "masks", {})
        for photo in data.photos:
            mask = photo.mask()
            self.masks[photo.name] = sha256(mask.tobytes()).digest(), count_pixels(mask)
        return data

    def labels_of(self, photo: MaskedPhoto) -> Sequence[str]:
        pixels = self.masks[photo.name][1]
        return [self.names[label] for label in sorted(pixels) if label != NOT_COUNTED]

    def baseline_sentence(self) -> str:
        train, validation = (
            sum((self.masks[photo.name][1] for photo in data.photos), Counter[int]())
            for data in (self.training, self.validation)
        )
        del train[NOT_COUNTED], validation[NOT_COUNTED]
        label, _ = train.most_common(1)[0]
        accuracy = validation[label] / max(validation.total(), 1)
        return f"always {self.names[label]!r}: {accuracy:.1%} of the validation pixels right"

    def digest(self, data: MaskData) -> str:
        digest = sha256()
        for photo in data.photos:
            digest.update(photo.name.encode())
            digest.update(self.masks[photo.name][0])
        return digest.hexdigest()

    def network_config(self, data: MaskData) -> tuple[str, dict[str, Any]]:
        entry, size = self.model.entry, self.options.image_size
        config: dict[str, Any]
        if self.is_segmenter:
            module, config = entry.architecture, dict(entry.to_dict()["config"])
            size = size or config["input_size"]
        else:
            module, config = "deeplabv3", {"base": base_of(self.model), "width": self.options.width}
        sizes = [decoder.size(photo.photo, name=photo.name) for photo in data.photos[:50]]
        return module, {**config, "input_size": sized(size, sizes), "classes": len(data.labels)}

    def loss(self) -> keras.losses.Loss:
        return SegmentationLoss(len(self.labels))

    def photo_batches(self, data: MaskData, split: str) -> MaskBatches:
        options = self.options
        return MaskBatches(
            self.photos,
            split,
            data,
            self.rules,
            batch_size=options.batch_size,
            seed=options.seed,
            augment=self.augmentation if split == "train" else None,
        )

    def prediction(self) -> keras.Model:
        return self.network

    def evaluate(self) -> dict[str, Any]:
        confusion = Confusion(len(self.labels))
        for row, labels in self.predicted():
            confusion.add(self.validation_photos.mask(row), labels)
        return confusion.result()

    def predicted(self) -> Iterator[tuple[int, np.ndarray]]:
        """(row, classes of the pixels) of each validation photo."""
        for row, logits in self.outputs():
            height, width = self.validation_photos.mask(row).shape
            yield row, label_map(logits, Frame.of((width, height), self.rules))

    def own_entry(self, module: str) -> dict[str, Any]:
        entry, name = self.model.entry, self.model.name
        is_same = module == entry.architecture
        ending = "_finetuned" if is_same else "_deeplabv3"
        return {
            "name": name if name.endswith(ending) else name + ending,
            "family": entry.family if is_same else "deeplabv3",
            "title": entry.title if is_same else f"DeepLabV3+ on {entry.title}",
            "processing": {},
        }

    def tiles(self) -> list[tuple[str, str]]:
        figures = self.result_figures
        return [
            (f"{figures['miou']:.3f}", "mean IoU"),
            (f"{figures['mean_dice']:.3f}", "mean Dice"),
            (f"{figures['pixel_accuracy']:.1%}", "of the pixels correct"),
        ]

    def sections(self) -> list[Section]:
        figures = self.result_figures
        rows = [
            [
                label.name,
                f"{figures['iou'][label.index]:.3f}",
                f"{figures['dice'][label.index]:.3f}",
            ]
            for label in self.labels
        ]
        note = (
            "Validation photos with the most wrong pixels: the true mask, then the predicted one."
        )
        return [
            ("Per class", table(("class", "IoU", "Dice"), rows)),
            ("Photos", text(note) + pictures(list(self._overlays()))),
        ]

    def _overlays(self) -> Iterator[tuple[Any, str]]:
        worst: list[tuple[float, int, np.ndarray, np.ndarray]] = []
        for row, labels in self.predicted():
            mask = self.validation_photos.mask(row)
            wrong = float(((mask != labels) & (mask != NOT_COUNTED)).mean())
            worst = sorted([*worst, (wrong, row, mask, labels)], key=lambda item: -item[0])[:SHOWN]
        for wrong, row, mask, labels in worst:
            photo = self.validation.photos[row]
            for values, what in ((mask, "mask"), (labels, f"{wrong:.1%} wrong")):
                read = partial(decoder.decode, photo.photo, name=photo.name)
                result = Segmentation(photo.name, self.entry.name, values, tuple(self.labels), read)
                overlay = result.overlay()
                overlay.thumbnail((480, 480))
                yield overlay, f"{photo.name.rsplit('/', 1)[-1]}: {what}"

    def recorded_figures(self) -> dict[str, Any]:
        figures = self.result_figures
        return {**figures, "iou": figures["iou"].tolist(), "dice": figures["dice"].tolist()}


@keras.saving.register_keras_serializable("warmstart", name="Loss")  # the name in saved files
class SegmentationLoss(keras.losses.Loss):
    """Cross entropy plus soft Dice (Milletari et al. 2016, arXiv:1606.04797), at the masks' size;
    one number per batch.

    Takes class indices (B, H, W), `NOT_COUNTED` for ignored pixels, and logits (B, h, w, classes).
    """

    def __init__(self, classes: int, name: str = "segmentation"):
        super().__init__(name=name, reduction="sum")
        self.classes = classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        height, width = y_true.shape[1:3]
        logits = ops.image.resize(y_pred, (height, width), interpolation="bilinear")
        index = ops.cast(y_true, "int32")
        counted = ops.cast(index != NOT_COUNTED, "float32")
        truth = ops.one_hot(ops.where(index == NOT_COUNTED, -1, index), self.classes)
        entropy = -ops.sum(truth * ops.log_softmax(logits), axis=-1)
        entropy = ops.sum(entropy * counted) / ops.maximum(ops.sum(counted), 1.0)
        probability = ops.softmax(logits) * counted[..., None]
        shared, both = (
            ops.sum(probability * truth, axis=(0, 1, 2)),
            ops.sum(probability + truth, axis=(0, 1, 2)),
        )
        dice = ops.mean(1 - (2 * shared + 1) / (both + 1))
        return entropy + dice
