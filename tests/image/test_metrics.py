"""COCO's figures against pycocotools' (tests/golden/vision/coco.json); IoU and Dice against their
definitions.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from warmstart.image.metrics.coco import CocoEvaluation, PredictedBoxes, Truth
from warmstart.image.metrics.segmentation import Confusion

GOLDEN = Path(__file__).parents[1] / "golden" / "vision" / "coco.json"
STATS = (
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar1",
    "ar10",
    "ar100",
    "ar_small",
    "ar_medium",
    "ar_large",
)


def corners(records):
    boxes = np.array([r["bbox"] for r in records], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes, np.array([r["category_id"] - 1 for r in records], int)


def evaluate_boxes(truths, predictions, classes):
    evaluation = CocoEvaluation(classes)
    for truth, predicted in zip(truths, predictions, strict=True):
        evaluation.add(truth, predicted)
    return evaluation.result()


def test_equal_to_pycocotools():
    data = json.loads(GOLDEN.read_text())
    truths, found = [], []
    for photo in data["images"]:
        mine = [a for a in data["annotations"] if a["image_id"] == photo["id"]]
        theirs = [d for d in data["detections"] if d["image_id"] == photo["id"]]
        truths.append(
            Truth(
                *corners(mine),
                np.array([a["iscrowd"] for a in mine], bool),
                np.array([a["area"] for a in mine], float),
            )
        )
        found.append(
            PredictedBoxes(*corners(theirs), np.array([d["score"] for d in theirs], float))
        )
    result = evaluate_boxes(truths, found, 4)
    for name, value in zip(STATS, data["stats"], strict=True):
        assert result[name] == pytest.approx(value, abs=1e-6), name
    for kind, (ap, ap50) in enumerate(data["per_class"]):
        got = result["per_class"][kind]
        if ap is None:
            assert math.isnan(got["ap"])
        else:
            assert (got["ap"], got["ap50"]) == pytest.approx((ap, ap50), abs=1e-6)


def test_no_objects_at_all():
    empty = Truth(np.zeros((0, 4)), np.zeros(0, int))
    nothing = PredictedBoxes(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    assert math.isnan(evaluate_boxes([empty], [nothing], 2)["ap"])
    one = Truth(np.array([[0, 0, 9, 9.0]]), np.array([1]))
    assert evaluate_boxes([empty, one], [nothing, nothing], 2)["ap"] == 0
    right = PredictedBoxes(one.boxes, one.labels, np.array([0.5]))
    assert evaluate_boxes([empty, one], [nothing, right], 2)["ap"] == pytest.approx(1)
    assert evaluate_boxes([empty, one], [right, right], 2)["ap50"] == pytest.approx(
        0.5
    )  # a false alarm as sure


def test_overlap_of_maps():
    confusion = Confusion(3)
    confusion.add(np.array([[0, 0, 1], [1, 255, 1]]), np.array([[0, 1, 1], [1, 2, 0]]))
    confusion.add(np.array([[0]]), np.array([[0]]))
    result = confusion.result()
    np.testing.assert_allclose(result["iou"], [2 / 4, 2 / 4, np.nan])
    np.testing.assert_allclose(result["dice"], [4 / 6, 4 / 6, np.nan])
    assert result["miou"] == 0.5
    assert result["pixel_accuracy"] == pytest.approx(4 / 6)
    with pytest.raises(ValueError, match="pixels"):
        confusion.add(np.zeros((2, 2), int), np.zeros((2, 3), int))
    with pytest.raises(ValueError, match="value 7 is none of the 3 classes"):
        confusion.add(np.full((1, 1), 7), np.zeros((1, 1), int))
    assert math.isnan(Confusion(2).result()["miou"])


def test_difficult_objects_are_neither_missed_nor_false():
    """As in Pascal VOC's evaluation: any number of boxes may match one without being counted."""
    boxes = np.array([[0, 0, 100, 100], [200, 200, 300, 300]], float)
    labels, difficult = np.zeros(2, int), np.array([False, True])
    truth = Truth(boxes, labels, difficult=difficult)
    one = PredictedBoxes(boxes[:1], labels[:1], np.array([0.9]))
    twice = PredictedBoxes(boxes[[1, 0, 1]], np.zeros(3, int), np.array([0.95, 0.9, 0.8]))
    for found in (one, twice):
        figures = evaluate_boxes([truth], [found], 1)
        assert figures["ap"] == pytest.approx(1)
        assert (figures["ar100"], figures["per_class"][0]["count"]) == (1, 1)
    elsewhere = PredictedBoxes(
        np.array([[400.0, 0, 500, 100], boxes[0]]), labels, np.array([0.95, 0.9])
    )
    assert evaluate_boxes([truth], [elsewhere], 1)["ap"] == pytest.approx(0.5, abs=0.01)
    only = Truth(boxes, labels, difficult=np.ones(2, bool))
    assert np.isnan(evaluate_boxes([only], [one], 1)["ap"])


@pytest.mark.tensorflow
def test_difficult_objects_are_learned_neither_as_objects_nor_as_background():
    from warmstart.image.train.fcos_targets import IGNORED, FCOSLoss, FCOSTargets

    boxes = np.array([[8, 8, 40, 40], [60, 60, 90, 90]], np.float32)
    targets = FCOSTargets((96, 96))
    both, marked = (targets(boxes, np.array(labels)) for labels in ([0, 1], [0, IGNORED]))
    ignored = marked[:, 0] == IGNORED
    assert ignored.any()
    assert not (ignored & (both[:, 0] == 0)).any()
    np.testing.assert_array_equal(marked[marked[:, 0] == 0], both[both[:, 0] == 0])
    outputs = np.random.default_rng(0).normal(size=(1, len(both), 7)).astype(np.float32)
    loss = FCOSLoss(2, (96, 96))
    changed = outputs.copy()
    changed[0, ignored, :2] += 5
    assert float(loss(marked[None], changed)) == pytest.approx(float(loss(marked[None], outputs)))
    assert float(loss(both[None], changed)) != pytest.approx(float(loss(both[None], outputs)))
