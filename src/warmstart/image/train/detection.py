"""Fine-tuning of detectors on labelled boxes: an FCOS on the backbone of a classifier, or an FCOS
that was fine-tuned before; for D-FINE see `dfine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, ClassVar, TypeAlias

import keras
import numpy as np

from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.core.task_record import resolve
from warmstart.engines.boxes import choose
from warmstart.errors import UsageError
from warmstart.image.annotations.box_data import BoxData, BoxedPhoto
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.evaluation import truth_of
from warmstart.image.metrics.coco import CocoEvaluation, PredictedBoxes
from warmstart.image.train import detection_report, fcos_targets
from warmstart.image.train.backbone import base_of
from warmstart.image.train.dense import DenseTrainer, input_size, sized
from warmstart.image.train.dense_augment import Variation
from warmstart.image.train.dense_batches import BoxBatches
from warmstart.image.train.options import DetectionOptions
from warmstart.models import architecture
from warmstart.training.page import Section

TRAINERS = {"dfine": "warmstart.image.train.dfine:DFineTrainer"}
"""Trainers by architecture, for detectors other than FCOS."""
SUPPRESSION = 0.6
LEAST_SCORE = 0.05
"""The lowest score that is evaluated, as in COCO's evaluations of one-stage detectors."""
TargetEncoder: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]


class DetectionTrainer(DenseTrainer[DetectionOptions, BoxData]):
    """The trainer of FCOS; the best epoch has the highest AP of COCO."""

    task = "object-detection"
    figures = ("ap", "ap50")
    annotation_name = "a box that counts"
    monitor = "val_ap"
    rate = 2e-3
    clip_norm = 10.0
    variation = Variation()
    suppression: ClassVar[float | None] = SUPPRESSION
    """The overlap above which the box with the lower score of two boxes of a class is dropped."""
    validation_photos: BoxBatches

    @classmethod
    def of(cls, base: Any, options: DetectionOptions) -> DetectionTrainer:
        model = base if isinstance(base, Model) else load(base)
        trainer = TRAINERS.get(model.entry.architecture)
        trainer_class: type[DetectionTrainer] = cls if trainer is None else resolve(trainer)
        return trainer_class(model, options)

    def open(self) -> None:
        super().open()
        entry = self.model.entry
        if entry.task == self.task and entry.architecture not in ("fcos", *TRAINERS):
            raise UsageError(
                f"{self.model.name} cannot be fine-tuned: training is not implemented for its "
                f"family, {entry.family}. Start from a classifier such as mobilenet_v2, whose "
                "network becomes the backbone of an FCOS, or from bccd_fcos, a D-FINE or a detector "
                "of your own."
            )
        if entry.task != self.task:
            base_of(self.model)

    def read_photos(
        self, source: Any, labels: Sequence[str] | None, *, strict: bool = False
    ) -> BoxData:
        data = read_boxes(source, labels, strict=strict, **self.options.reading())
        self.names = data.labels
        return data

    def labels_of(self, photo: BoxedPhoto) -> Sequence[str]:
        return [self.names[label] for label in np.unique(photo.labels[photo.counted])]

    def digest(self, data: BoxData) -> str:
        digest = sha256()
        for photo in data.photos:
            digest.update(f"{photo.name} {photo.size}".encode())
            for array in (photo.boxes, photo.labels, photo.counted):
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def network_config(self, data: BoxData) -> tuple[str, dict[str, Any]]:
        entry, options = self.model.entry, self.options
        config: dict[str, Any]
        if entry.architecture == "fcos":
            config = {**entry.to_dict()["config"], "classes": len(data.labels)}
        else:
            sizes = {"width": options.width, "depth": options.depth}
            config = {"base": base_of(self.model), "classes": len(data.labels), **sizes}
        size = options.image_size if options.image_size is not None else config.get("input_size")
        config["input_size"] = sized(size, [photo.size for photo in data.photos])
        return "fcos", config

    def learner(self) -> keras.Model:
        parts = [self.network.output[key] for key in ("logits", "distances", "quality")]
        flat = keras.ops.concatenate(parts, axis=-1)
        return keras.Model(self.network.input, flat, name="training")

    def loss(self) -> keras.losses.Loss:
        return fcos_targets.FCOSLoss(len(self.labels), input_size(self.config))

    def targets(self, data: BoxData) -> TargetEncoder:
        """A function from boxes and labels of a photo to the target of the loss."""
        return fcos_targets.FCOSTargets(self.rules.size)

    def photo_batches(self, data: BoxData, split: str) -> BoxBatches:
        train, options = split == "train", self.options
        return BoxBatches(
            self.photos,
            split,
            data,
            self.rules,
            batch_size=options.batch_size,
            seed=options.seed,
            augment=self.augmentation if train else None,
            targets=self.targets(data) if train else None,
        )

    def prediction(self) -> keras.Model:
        detections = architecture(self.module).detections(self.network)
        return keras.Model(self.network.input, detections)

    def evaluate(self) -> dict[str, Any]:
        evaluation = CocoEvaluation(len(self.labels))
        for photo, boxes in self.predicted():
            evaluation.add(truth_of(photo), boxes)
        return evaluation.result()

    def predicted(self) -> Iterator[tuple[BoxedPhoto, PredictedBoxes]]:
        """(photo, predicted boxes) of each validation photo."""
        for row, outputs in self.outputs():
            photo = self.validation.photos[row]
            boxes = np.clip(outputs["boxes"], 0, 1) * np.array(photo.size * 2)
            scores = outputs["scores"]
            index, label, score = choose(boxes, scores, LEAST_SCORE, 100, self.suppression)
            yield photo, PredictedBoxes(boxes[index], label, score)

    def own_entry(self, module: str) -> dict[str, Any]:
        entry, name = self.model.entry, self.model.name
        is_fcos = entry.architecture == module
        return {
            "name": name if is_fcos or name.endswith("_fcos") else f"{name}_fcos",
            "family": "fcos",
            "title": entry.title if is_fcos else f"FCOS on {entry.title}",
            "processing": {"suppression": SUPPRESSION, "threshold": 0.4},
        }

    def tiles(self) -> list[tuple[str, str]]:
        return detection_report.tiles(self.result_figures)

    def sections(self) -> list[Section]:
        return detection_report.sections(self.result_figures, self.names, self.predicted())

    def recorded_figures(self) -> dict[str, Any]:
        return {key: value for key, value in self.result_figures.items() if key != "per_class"}
