"""Overlaps, suppression, and the way back to the photo's pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmstart.catalog import ImagePreprocessing
from warmstart.engines.boxes import choose, overlaps, suppress
from warmstart.image.detection import in_photo
from warmstart.image.geometry import Frame


def test_overlaps():
    a = np.array([[0, 0, 10, 10], [5, 5, 5, 5]], float)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [5, 5, 5, 5]], float)
    np.testing.assert_allclose(overlaps(a, b), [[1, 1 / 3, 0, 0], [0, 0, 0, 0]])


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.floats(0.1, 0.9))
def test_suppression_keeps_no_pair_and_drops_none_without_reason(seed, count, limit):
    random = np.random.default_rng(seed)
    low = random.integers(0, 20, (count, 2))
    boxes = np.concatenate([low, low + random.integers(1, 12, (count, 2))], 1).astype(float)
    scores = random.random(count)
    kept = suppress(boxes, scores, limit, count)
    assert suppress(boxes, scores, limit, 3).tolist() == kept[:3].tolist()
    assert (np.diff(scores[kept]) <= 0).all()
    alike = overlaps(boxes, boxes) > limit
    among = alike[np.ix_(kept, kept)]
    assert not (among & ~np.eye(len(kept), dtype=bool)).any()
    for gone in set(range(count)) - set(kept.tolist()):
        assert any(alike[gone, k] and scores[k] >= scores[gone] for k in kept)


def test_choose_suppresses_within_a_class_only():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [50, 50, 60, 60]], float)
    scores = np.array([[0.9, 0.1], [0.8, 0.7], [0.3, 0.2]])
    place, kind, score = choose(boxes, scores, 0.25, 100, 0.5)
    assert list(zip(place, kind, strict=True)) == [(0, 0), (1, 1), (2, 0)]
    assert score.tolist() == [0.9, 0.7, 0.3]
    assert len(choose(boxes, scores, 0.25, 100, None)[0]) == 4
    assert choose(boxes, scores, 0.25, 1, None)[2].tolist() == [0.9]
    assert len(choose(boxes, scores, 0.95, 9, 0.5)[0]) == 0


@pytest.mark.parametrize("resize", ["squash", "pad"])
def test_boxes_come_back_to_the_photo(resize):
    rules = ImagePreprocessing(size=(320, 640), scaling="raw", resize=resize)
    frame = Frame.of((300, 600), rules)
    want = np.array([[30.0, 60.0, 150.0, 600.0]])
    scale = np.array([frame.inner_width / 300, frame.inner_height / 600] * 2)
    shares = (want * scale + np.array([frame.left, frame.top] * 2)) / np.array([640, 320, 640, 320])
    np.testing.assert_allclose(in_photo(shares, frame), want, atol=1e-6)
    assert in_photo(np.array([[-1.0, -1, 2, 2]]), frame).tolist() == [[0, 0, 300, 600]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_the_best_few_are_those_of_a_whole_sort(seed, most):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 8, (12, 4)) / 8  # many ties
    place, kind, score = choose(np.zeros((12, 4)), scores, 0.1, most, None)
    order = [n for n in np.argsort(-scores.ravel(), kind="stable") if scores.ravel()[n] >= 0.1][
        :most
    ]
    assert (place * 4 + kind).tolist() == order
    assert score.tolist() == scores.ravel()[order].tolist()
