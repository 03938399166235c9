"""The report of a detector: metrics, and photos with true positives, misses and false positives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.counts import counted
from warmstart.engines.boxes import overlaps
from warmstart.image import decoder
from warmstart.image.annotations.box_data import BoxedPhoto
from warmstart.image.metrics.coco import PredictedBoxes
from warmstart.image.results.detections import Box, Mark, draw_boxes
from warmstart.training.page import Section
from warmstart.training.report import pictures, table, text

SHOWN, LEAST_SCORE, LEAST_OVERLAP = 6, 0.4, 0.5
CORRECT, MISSED, FALSE = (46, 160, 67), (208, 60, 50), (230, 140, 20)


def tiles(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The large figures of the report."""
    return [
        (f"{figures['ap50']:.3f}", "AP50"),
        (f"{figures['ap']:.3f}", "AP, mean over overlaps 0.5 to 0.95"),
        (f"{figures['ar100']:.3f}", "AR, 100 boxes per photo"),
    ]


def sections(
    figures: Mapping[str, Any],
    names: Sequence[str],
    results: Iterable[tuple[BoxedPhoto, PredictedBoxes]],
) -> list[Section]:
    """The metrics of each class, and the photos with the most mistakes.

    Args:
        figures: of the validation photos.
        names: of the classes.
        results: (validation photo, predicted boxes).
    """
    rows = [
        [names[label], row["count"], *(f"{row[key]:.3f}" for key in ("ap50", "ap", "ar100"))]
        for label, row in figures["per_class"].items()
    ]
    note = (
        f"Validation photos with the most mistakes. Green: true positives (score of {LEAST_SCORE:g} and more, "
        f"overlap of {LEAST_OVERLAP:g} and more). Red: misses. Orange: false positives."
    )
    return [
        ("Per class", table(("class", "boxes", "AP50", "AP", "AR"), rows)),
        ("Photos", text(note) + pictures(list(_worst_photos(results, names)))),
    ]


def _worst_photos(
    results: Iterable[tuple[BoxedPhoto, PredictedBoxes]], names: Sequence[str]
) -> Iterator[tuple[Any, str]]:
    photos = []
    for photo, predictions in results:
        is_confident = predictions.scores >= LEAST_SCORE
        boxes, labels, scores = (
            array[is_confident]
            for array in (predictions.boxes, predictions.labels, predictions.scores)
        )
        correct, detected = matched(boxes, labels, photo.boxes, photo.labels)
        mistakes = int((~correct).sum() + (~detected).sum())
        photos.append((mistakes, photo, zip(boxes, labels, scores, correct, strict=True), detected))
    photos.sort(key=lambda item: -item[0])
    for mistakes, photo, predicted, detected in photos[:SHOWN]:
        marks: list[Mark] = [
            (
                Box(names[label], int(label), float(score), *map(float, box)),
                None if is_correct else f" {score:.0%}",
                CORRECT if is_correct else FALSE,
            )
            for box, label, score, is_correct in predicted
        ]
        marks += [
            (Box(names[label], int(label), 1.0, *map(float, box)), "", MISSED)
            for box, label, hit in zip(photo.boxes, photo.labels, detected, strict=True)
            if not hit
        ]
        picture = draw_boxes(decoder.decode(photo.photo), marks)
        picture.thumbnail((720, 720))
        yield picture, f"{photo.name.rsplit('/', 1)[-1]}: {counted(mistakes, 'mistake')}"


def matched(
    boxes: np.ndarray, labels: np.ndarray, truth: np.ndarray, true_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the predicted boxes (highest score first) are correct, and the true ones detected,
    when they are matched one to one.
    """
    correct, detected = np.zeros(len(boxes), bool), np.zeros(len(truth), bool)
    if len(boxes) and len(truth):
        same = labels[:, None] == true_labels[None]
        overlap = np.where(same, overlaps(boxes, truth.astype(float)), 0)
        for index in range(len(boxes)):
            free = np.where(detected, 0, overlap[index])
            best = int(free.argmax())
            if free[best] >= LEAST_OVERLAP:
                correct[index] = detected[best] = True
    return correct, detected
