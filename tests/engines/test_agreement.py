"""When two engines have given the same answer."""

import numpy as np
import pytest

from warmstart.engines.agreement import Rule
from warmstart.engines.calibration import Calibration

LOGITS = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]], np.float32)
OTHER = np.array([[3.0, 1.0, 2.0], [0.0, 1.0, 5.0]], np.float32)


def agreement(rule, actual, expected, **inputs):
    return rule.agreement(
        rule.decide(inputs, {"logits": np.asarray(actual)}),
        rule.decide(inputs, {"logits": np.asarray(expected)}),
    )


@pytest.mark.parametrize(
    ("rule", "actual", "expected", "share"),
    [
        (Rule("classes", ("logits",)), OTHER, LOGITS, 0.5),
        (Rule("classes", ("logits",)), 2 * LOGITS, LOGITS, 1.0),
        (Rule("labels", ("logits",), above=1.5), OTHER, LOGITS, 0.5),
        (Rule("labels", ("logits",), above=10.0), OTHER, LOGITS, 1.0),
        (Rule("positions", ("logits",)), OTHER, LOGITS, 0.5),
        (Rule("values", ("logits",)), LOGITS, LOGITS, 1.0),
        (Rule("values", ("logits",)), np.full_like(LOGITS, LOGITS.mean()), LOGITS, 0.0),
        (Rule("values", ("logits",)), np.full_like(LOGITS, np.nan), LOGITS, 0.0),
        (Rule("vectors", ("logits",)), 2 * LOGITS, LOGITS, 1.0),
        (Rule("vectors", ("logits",)), -LOGITS, LOGITS, 0.0),
    ],
)
def test_agreement(rule, actual, expected, share):
    assert agreement(rule, actual, expected) == pytest.approx(share, abs=1e-6)


def test_padding_does_not_count():
    rule = Rule("classes", ("logits",), mask="attention_mask")
    mask = np.array([[1, 0]], np.int32)
    assert agreement(rule, OTHER[None], LOGITS[None], attention_mask=mask) == 1.0
    ends = Rule("positions", ("logits",), mask="attention_mask")
    assert agreement(ends, OTHER, LOGITS, attention_mask=np.ones((2, 3), np.int32)) == 0.5
    assert agreement(ends, OTHER, LOGITS, attention_mask=np.array([[1, 0, 1]] * 2)) == 1.0


def test_two_outputs_must_both_agree():
    rule = Rule("positions", ("start", "end"))
    same, moved = {"start": LOGITS, "end": LOGITS}, {"start": LOGITS, "end": OTHER}
    assert rule.agreement(rule.decide({}, same), rule.decide({}, moved)) == 0.5


def test_a_calibration_is_saved_and_known_by_its_numbers(tmp_path):
    rule = Rule("classes", ("logits",), mask="mask")
    inputs = {"images": LOGITS, "mask": np.ones(2, np.int32)}
    calibration = Calibration(inputs, rule, 0.9)
    loaded = Calibration.load(calibration.save(tmp_path / "inputs.npz"))
    assert (loaded.rule, loaded.threshold, len(loaded)) == (rule, 0.9, 2)
    assert loaded.digest == calibration.digest
    assert Calibration(inputs, rule, 0.8).digest != calibration.digest
    assert Calibration({**inputs, "images": OTHER}, rule, 0.9).digest != calibration.digest
    batches = list(calibration.batches())
    assert len(batches) == 2
    np.testing.assert_array_equal(batches[1]["images"], LOGITS[1:])


BOXES = np.array([[0.0, 0.0, 0.2, 0.2], [0.02, 0.0, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9]])
SCORES = np.array([[0.9, 0.1], [0.8, 0.1], [0.1, 0.7]])


@pytest.mark.parametrize(
    ("scores", "boxes", "f1"),
    [
        (SCORES, BOXES, 1.0),
        (SCORES, BOXES + 0.02, 1.0),
        (SCORES, BOXES + 0.05, 0.5),  # the small one is another
        (SCORES[:, ::-1], BOXES, 0.0),  # other classes
        ([[0.9, 0.1], [0.8, 0.1], [0.1, 0.3]], BOXES, 2 / 3),  # one score is too low
        ([[0.9, 0.1], [0.1, 0.1], [0.1, 0.7]], BOXES, 1.0),  # it would be suppressed
        (0 * SCORES, BOXES, 0.0),
        (SCORES[::-1], BOXES[::-1], 1.0),  # the order of the boxes means nothing
    ],
)
def test_agreement_of_boxes(scores, boxes, f1):
    rule = Rule("boxes", ("scores", "boxes"), above=0.4, suppression=0.5)
    pairs = ((np.asarray(scores), np.asarray(boxes)), (SCORES, BOXES))
    first, second = (
        rule.decide({}, {"scores": scores[None], "boxes": boxes[None]}) for scores, boxes in pairs
    )
    assert rule.agreement(first, second) == pytest.approx(f1)
    assert rule.agreement(second, first) == pytest.approx(f1)


def test_each_box_has_one_counterpart():
    rule = Rule("boxes", ("scores", "boxes"), above=0.4)
    twice = rule.decide({}, {"scores": SCORES[None, [0, 0]], "boxes": BOXES[None, [0, 0]]})
    once = rule.decide({}, {"scores": SCORES[None, :1], "boxes": BOXES[None, :1]})
    assert rule.agreement(twice, once) == pytest.approx(2 / 3)


def test_photos_without_boxes_agree():
    rule = Rule("boxes", ("scores", "boxes"), above=0.95)
    none = rule.decide({}, {"scores": SCORES[None], "boxes": BOXES[None]})
    assert rule.agreement(none, none) == 1.0
