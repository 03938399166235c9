"""The report of a detector: figures, and true positives, misses and false positives on photos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.image import decoder
from warmstart.image.annotations.box_data import BoxedPhoto
from warmstart.image.boxes import overlaps
from warmstart.image.metrics.coco import PredictedBoxes
from warmstart.image.results.detections import Box, Mark, draw_boxes
from warmstart.training.page import Section
from warmstart.training.report import pictures, table, text

SHOWN, SURE, SAME = 6, 0.4, 0.5
RIGHT, MISSED, FALSE = (46, 160, 67), (208, 60, 50), (230, 140, 20)


def tiles(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The large figures."""
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
    """Figures of each class, and the photos with the most mistakes.

    Args:
        figures: of the validation photos.
        names: of the classes.
        results: each validation photo with the boxes that the network predicts.
    """
    rows = [
        [names[label], some["count"], *(f"{some[key]:.3f}" for key in ("ap50", "ap", "ar100"))]
        for label, some in figures["per_class"].items()
    ]
    note = (
        f"Validation photos with the most mistakes. Green: true positives (score of {SURE:g} and more, overlap of "
        f"{SAME:g} and more). Red: misses. Orange: false positives."
    )
    return [
        ("Per class", table(("class", "boxes", "AP50", "AP", "AR"), rows)),
        ("Photos", text(note) + pictures(list(_worst_photos(results, names)))),
    ]


def _worst_photos(
    results: Iterable[tuple[BoxedPhoto, PredictedBoxes]], names: Sequence[str]
) -> Iterator[tuple[Any, str]]:
    judged = []
    for photo, predictions in results:
        sure = predictions.scores >= SURE
        right, detected = matched(
            predictions.boxes[sure], predictions.labels[sure], photo.boxes, photo.labels
        )
        judged.append(
            (int((~right).sum() + (~detected).sum()), photo, predictions, sure, right, detected)
        )
    judged.sort(key=lambda row: -row[0])
    for mistakes, photo, predictions, sure, right, detected in judged[:SHOWN]:
        boxes = zip(
            predictions.boxes[sure],
            predictions.labels[sure],
            predictions.scores[sure],
            right,
            strict=True,
        )
        marks: list[Mark] = [
            (
                Box(names[label], int(label), float(score), *map(float, box)),
                None if correct else f" {score:.0%}",
                RIGHT if correct else FALSE,
            )
            for box, label, score, correct in boxes
        ]
        marks += [
            (Box(names[label], int(label), 1.0, *map(float, box)), "", MISSED)
            for box, label, hit in zip(photo.boxes, photo.labels, detected, strict=True)
            if not hit
        ]
        picture = draw_boxes(decoder.decode(photo.photo), marks)
        picture.thumbnail((720, 720))
        yield picture, f"{photo.name.rsplit('/', 1)[-1]}: {mistakes} mistakes"


def matched(
    boxes: np.ndarray, labels: np.ndarray, truth: np.ndarray, true_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the predicted boxes (most confident first) are right, and which of the true ones are
    detected; one to one.
    """
    right, detected = np.zeros(len(boxes), bool), np.zeros(len(truth), bool)
    if len(boxes) and len(truth):
        same = labels[:, None] == true_labels[None]
        overlap = np.where(same, overlaps(boxes, truth.astype(float)), 0)
        for index in range(len(boxes)):
            free = np.where(detected, 0, overlap[index])
            best = int(free.argmax())
            if free[best] >= SAME:
                right[index] = detected[best] = True
    return right, detected
