"""Evaluation of detection and segmentation models on labelled photos."""

from __future__ import annotations

from typing import Any

import numpy as np

from warmstart.core import records
from warmstart.counts import counted
from warmstart.image.annotations.box_data import BoxedPhoto
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.annotations.masks import read_masks
from warmstart.image.metrics.coco import MOST, CocoEvaluation, PredictedBoxes, Truth
from warmstart.image.metrics.segmentation import Confusion


def evaluate_detection(model: Any, data: Any, options: Any) -> dict[str, Any]:
    """See `ObjectDetector.evaluate`."""
    names = [label.name for label in model.labels]
    annotated = read_boxes(data, names, strict=True, **options.reading())
    photos = records.evaluation_split(annotated.photos)
    evaluation = CocoEvaluation(len(names))
    errors = list(annotated.problems)
    results = model.stream(
        (p.photo for p in photos),
        threshold=0.0,
        max_boxes=MOST[-1],
        batch_size=options.batch_size,
    )
    for photo, result in records.usable_results(
        model.name, photos, results, errors, options.progress
    ):
        evaluation.add(truth_of(photo), predicted_boxes(result))
    records.require_usable("photo", len(evaluation.photos), errors)
    if not any(photo.counted.any() for photo in photos):
        errors.append(
            f"None of the {counted(len(photos), 'photo')} has a box that counts, so ap and the other figures are "
            "undefined"
        )
    figures = evaluation.result()
    figures["per_class"] = {names[index]: values for index, values in figures["per_class"].items()}
    return {**figures, "count": len(evaluation.photos), "errors": errors}


def truth_of(photo: BoxedPhoto) -> Truth:
    """The true boxes of a photo for the metric."""
    return Truth(photo.boxes, photo.labels, photo.crowd, photo.area, photo.difficult)


def predicted_boxes(result: Any) -> PredictedBoxes:
    """The boxes of a `Detections` as arrays."""
    boxes = np.array([[b.xmin, b.ymin, b.xmax, b.ymax] for b in result], np.float64).reshape(-1, 4)
    return PredictedBoxes(
        boxes, np.array([b.index for b in result], int), np.array([b.score for b in result], float)
    )


def evaluate_segmentation(model: Any, data: Any, options: Any) -> dict[str, Any]:
    """See `ImageSegmenter.evaluate`."""
    names = [label.name for label in model.labels]
    annotated = read_masks(data, names, strict=True, **options.reading())
    photos = records.evaluation_split(annotated.photos)
    confusion = Confusion(len(names))
    errors, count = list(annotated.problems), 0
    results = model.stream((p.photo for p in photos), batch_size=options.batch_size)
    for photo, result in records.usable_results(
        model.name, photos, results, errors, options.progress
    ):
        confusion.add(photo.mask(), result.labels_map)
        count += 1
    records.require_usable("photo", count, errors)
    figures = confusion.result()
    for key in ("iou", "dice"):
        figures[key] = {name: float(value) for name, value in zip(names, figures[key], strict=True)}
    return {**figures, "count": count, "errors": errors}
