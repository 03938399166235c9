"""The page of a detector's fine-tuning: figures, curves, and what was found, missed and imagined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.image import decoder
from warmstart.image.annotations.collector import BoxData, BoxedPhoto
from warmstart.image.boxes import overlaps
from warmstart.image.metrics.coco import Found
from warmstart.image.results.detections import Box, draw_boxes
from warmstart.training import charts
from warmstart.training.report import Report, beside, command_line, pictures, table, text

if TYPE_CHECKING:
    from warmstart.image.train.dense import Judged

SHOWN, SURE, SAME = 6, 0.4, 0.5
RIGHT, MISSED, FALSE = (46, 160, 67), (208, 60, 50), (230, 140, 20)


def report(judged: Judged, training: BoxData, others: BoxData, found: Iterable[tuple[BoxedPhoto, Found]]) -> str:
    """The HTML page; `found` is what the network finds in each of the validation photos."""
    entry, fitted, figures = judged.entry, judged.fitted, judged.figures
    page = Report(entry.title, f"{len(training.labels)} classes: {', '.join(training.labels)}")
    page.tiles([(f"{figures['ap50']:.3f}", "AP50"), (f"{figures['ap']:.3f}", "AP, mean over overlaps 0.5 to 0.95"),
                (f"{figures['ar100']:.3f}", "AR, 100 boxes a photo")])
    page.section("Data", table(("class", "training", "validation"), [
        [name, training.counts()[name], others.counts()[name]] for name in training.labels]),
        *(text(problem, warning=True) for problem in (*training.problems, *others.problems)[:30]))
    history = fitted.history
    series = {key: [(r["epoch"], r[f"val_{key}"]) for r in history if f"val_{key}" in r] for key in ("ap50", "ap")}
    page.section("Curves", beside(
        charts.lines({"training": [(r["epoch"], r["loss"]) for r in history if "loss" in r]}, x="epoch", y="loss",
                     mark=fitted.best),
        charts.lines(series, x="epoch", y="validation", mark=fitted.best)))
    rows = [[training.labels[kind], told["count"], *(f"{told[key]:.3f}" for key in ("ap50", "ap", "ar100"))]
            for kind, told in figures["per_class"].items()]
    page.section("Per class", table(("class", "boxes", "AP50", "AP", "AR"), rows))
    page.section("Photos", text(f"Validation photos with the most faults. Green: found (score of {SURE:g} and more, "
                                f"overlap of {SAME:g} and more). Red: missed. Orange: false alarms."),
                 pictures(list(_drawn(found, others.labels))))
    return page.render(command_line(f"ws.finetune(…, task={entry.task!r})"))


def _drawn(results: Iterable[tuple[BoxedPhoto, Found]], names: Sequence[str]) -> Iterator[tuple[Any, str]]:
    judged = []
    for photo, found in results:
        sure = found.scores >= SURE
        hit, seen = matched(found.boxes[sure], found.labels[sure], photo.boxes, photo.labels)
        judged.append((int((~hit).sum() + (~seen).sum()), photo, found, sure, hit, seen))
    judged.sort(key=lambda row: -row[0])
    for faults, photo, found, sure, hit, seen in judged[:SHOWN]:
        marks = [(Box(names[k], int(k), float(s), *map(float, b)), f"{names[k]} {s:.0%}" if not ok else "",
                  RIGHT if ok else FALSE)
                 for b, k, s, ok in zip(found.boxes[sure], found.labels[sure], found.scores[sure], hit, strict=True)]
        marks += [(Box(names[k], int(k), 1.0, *map(float, b)), names[k], MISSED)
                  for b, k, ok in zip(photo.boxes, photo.labels, seen, strict=True) if not ok]
        picture = draw_boxes(decoder.decode(photo.photo), marks)
        picture.thumbnail((720, 720))
        yield picture, f"{photo.name.rsplit('/', 1)[-1]}: {faults} faults"


def matched(boxes: np.ndarray, labels: np.ndarray, truth: np.ndarray, kinds: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray]:
    """Which of the told boxes (surest first) are right, and which of the true ones were seen; one to one."""
    hit, seen = np.zeros(len(boxes), bool), np.zeros(len(truth), bool)
    if len(boxes) and len(truth):
        overlap = np.where(labels[:, None] == kinds[None], overlaps(boxes, truth.astype(float)), 0)
        for place in range(len(boxes)):
            free = np.where(seen, 0, overlap[place])
            best = int(free.argmax())
            if free[best] >= SAME:
                hit[place] = seen[best] = True
    return hit, seen
