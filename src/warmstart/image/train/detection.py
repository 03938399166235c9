"""Fine-tuning a detector: FCOS on a classification backbone, or one that was fine-tuned before, on labelled boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import ImagePreprocessing
from warmstart.core.model import Model
from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.annotations.collector import BoxData
from warmstart.image.boxes import choose
from warmstart.image.metrics.coco import CocoEvaluation, Found, Truth
from warmstart.image.train import dense, detection_report, fcos_targets
from warmstart.image.train.dense import Judged, Predictor, base_of, compiled, sized, told_size
from warmstart.image.train.dense_augment import Variation
from warmstart.image.train.dense_batches import BoxBatches
from warmstart.models import architecture

SUPPRESSION = 0.6
CONSIDERED = 0.05  # least score that counts while measuring; as COCO's evaluations of one-stage detectors do


def finetune(base: str | Path | Model, data: Any, *, learning_rate: float = 2e-3, width: int = 64, depth: int = 2,
             **options: Any) -> Model:
    """Fine-tune a detector; see `warmstart.image.train.dense.finetune` for the other options.

    Args:
        base: a classifier whose network becomes the backbone, or a detector that was fine-tuned before.
        data: labelled photos as `read_boxes` takes them.
        width, depth: of pyramid and head, of a new detector.

    Raises:
        UsageError: the data or an option cannot be used.
        TrainingError: training cannot go on.
    """
    return dense.finetune(Detection(width, depth), base, data, learning_rate=learning_rate, **options)


class Detection(dense.DenseRecipe[BoxData]):
    """Boxes: FCOS, chosen by COCO's AP."""

    task, what = "object-detection", "detector"
    figures = ("ap", "ap50")
    clip_norm = 10.0
    variation = Variation()

    def __init__(self, width: int, depth: int):
        self.width, self.depth = width, depth

    def read(self, source: Any, labels: Sequence[str] | None) -> BoxData:
        return read_boxes(source, labels)

    def told(self, training: BoxData, others: BoxData) -> list[str]:
        return [f"{name}: {len(data.photos)} photos, " + ", ".join(f"{n} {label}" for label, n in data.counts().items())
                for name, data in (("training", training), ("validation", others))]

    def digest(self, data: BoxData) -> str:
        told = sha256()
        for photo in data.photos:
            told.update(f"{photo.name} {photo.size}".encode())
            for array in (photo.boxes, photo.labels):
                told.update(np.ascontiguousarray(array).tobytes())
        return told.hexdigest()

    def config(self, model: Model, data: BoxData, image_size: Any) -> tuple[str, dict[str, Any]]:
        if model.entry.architecture == "fcos":
            config = {**model.entry.to_dict()["config"], "classes": len(data.labels)}
        elif model.entry.task == self.task:
            raise UsageError(f"{model.name} cannot be fine-tuned here; begin with a classifier such as "
                             "mobilenet_v2, whose network becomes the backbone.")
        else:
            config = {"base": base_of(model), "classes": len(data.labels), "width": self.width, "depth": self.depth}
        size = image_size if image_size is not None else config.get("input_size")
        config["input_size"] = sized(size, [photo.size for photo in data.photos])
        return "fcos", config

    def trained(self, network: keras.Model, data: BoxData, config: Mapping[str, Any]) -> tuple[keras.Model, Any]:
        parts = [network.output[key] for key in ("logits", "distances", "quality")]
        flat = keras.Model(network.input, keras.ops.concatenate(parts, axis=-1), name="training")
        return flat, fcos_targets.Loss(len(data.labels), told_size(config))

    def batches(self, data: BoxData, rules: ImagePreprocessing, batch_size: int, seed: int, vary: Variation | None, *,
                learn: bool) -> BoxBatches:
        return BoxBatches(data, rules, batch_size, seed, vary, fcos_targets.Targets(rules.size) if learn else None)

    def predictor(self, network: keras.Model) -> Predictor:
        return compiled(keras.Model(network.input, architecture("fcos").detections(network)))

    def measured(self, call: Predictor, held: BoxBatches) -> dict[str, Any]:
        evaluation = CocoEvaluation(len(held.data.labels))
        for photo, found in predicted(call, held):
            evaluation.add(Truth(photo.boxes, photo.labels, photo.crowd, photo.area), found)
        return evaluation.result()

    def entry(self, model: Model, module: str) -> dict[str, Any]:
        known = model.entry.architecture == module
        return {"name": model.name if known or model.name.endswith("_fcos") else f"{model.name}_fcos",
                "family": "fcos", "title": model.entry.title if known else f"FCOS on {model.entry.title}",
                "processing": {"suppression": SUPPRESSION, "threshold": 0.4}}

    def report(self, judged: Judged, training: BoxData, others: BoxData) -> str:
        return detection_report.report(judged, training, others, predicted(judged.call, judged.held))

    def kept(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in figures.items() if key != "per_class"}


def predicted(call: Predictor, held: BoxBatches) -> Iterator[tuple[Any, Found]]:
    """(photo, what the network finds in it), photo by photo."""
    for start in range(0, len(held.data.photos), held.batch_size):
        photos = held.data.photos[start : start + held.batch_size]
        answer = call(np.stack([held.plain(photo) for photo in photos]))
        for photo, boxes, scores in zip(photos, np.asarray(answer["boxes"]), np.asarray(answer["scores"]), strict=True):
            sides = np.clip(boxes, 0, 1) * np.array(photo.size * 2)
            place, kind, score = choose(sides, scores, CONSIDERED, 100, SUPPRESSION)
            yield photo, Found(sides[place], kind, score)
