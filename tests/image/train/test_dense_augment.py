"""Augmentation moves boxes and masks as it moves pixels; targets and losses of the dense recipes."""

import numpy as np
import pytest
from PIL import Image

from warmstart.image.train.dense_augment import Variation, View, fitted, mosaic

pytestmark = pytest.mark.tensorflow  # the package imports Keras


def photo(size=(120, 80), box=(30, 20, 70, 50)):
    """Black with a white rectangle."""
    array = np.zeros((size[1], size[0], 3), np.uint8)
    array[box[1] : box[3], box[0] : box[2]] = 255
    return Image.fromarray(array), np.array([box], np.float32)


def bright(picture):
    rows, columns = np.nonzero(np.asarray(picture)[..., 0] > 127)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)


@pytest.mark.parametrize("seed", range(12))
def test_boxes_stay_on_their_pixels(seed):
    random = np.random.default_rng(seed)
    picture, boxes = photo()
    view = Variation(flip_x=0.5, flip_y=0.5, scale=(0.7, 1.6)).view(
        picture.size, (160, 128), random
    )
    moved, kept = view.boxes(boxes)
    if kept[0]:
        np.testing.assert_allclose(bright(view.picture(picture)), moved[0], atol=2)
    mask = Image.fromarray((np.asarray(picture)[..., 0] > 0).astype(np.uint8))
    other = np.asarray(view.picture(mask, 9, Image.Resampling.NEAREST))
    assert set(np.unique(other)) <= {0, 1, 9}
    if (other == 1).any() and kept[0]:
        np.testing.assert_allclose(
            bright(np.repeat(other[..., None] * (other == 1)[..., None] * 255, 3, -1)),
            moved[0],
            atol=2,
        )


def test_what_leaves_the_picture_is_dropped():
    boxes = np.array([[0, 0, 10, 10], [90, 0, 120, 10], [50, 50, 51, 51]], np.float32)
    view = View((120, 80), (60, 80), 1.0, 1.0, -80.0, 0.0)
    moved, kept = view.boxes(boxes)
    assert kept.tolist() == [False, True, False]
    assert moved[1].tolist() == [10, 0, 40, 10]
    assert fitted((120, 80), (60, 80)).boxes(boxes)[0][1].tolist() == [45, 0, 60, 10]


def test_photos_that_were_unpacked_smaller_lie_the_same():
    picture, _ = photo()
    view = View((120, 80), (100, 100), 1.3, 0.9, -20.0, 5.0, True, False)
    small = picture.resize((60, 40), Image.Resampling.BOX)
    np.testing.assert_allclose(bright(view.picture(small)), bright(view.picture(picture)), atol=2)


@pytest.mark.parametrize("seed", range(6))
def test_a_mosaic_of_four(seed):
    random = np.random.default_rng(seed)
    four = [
        (*photo(box=(20 + 5 * n, 20, 60 + 5 * n, 50)), np.array([n]), (120, 80)) for n in range(4)
    ]
    picture, boxes, labels = mosaic(four, (128, 96), Variation(), random)
    assert picture.size == (128, 96)
    assert len(boxes) == len(labels)
    for box in boxes:  # its centre is on the white of its photo
        x, y = (box[:2] + box[2:]) / 2
        assert np.asarray(picture)[int(min(y, 95)), int(min(x, 127)), 0] > 100


def test_colours_change_within_bounds():
    random = np.random.default_rng(0)
    grey = np.full((8, 8, 3), 100, np.uint8)
    changed = Variation(colour=0.3).coloured(grey, random)
    assert changed.dtype == np.uint8
    assert 69 <= changed.min() <= changed.max() <= 131
    assert (Variation(colour=0.0).coloured(grey, random) == grey).all()


def test_targets_of_fcos():
    from warmstart.image.train.fcos_targets import FCOSTargets
    from warmstart.models.image.fcos.network import grid

    targets, points = FCOSTargets((128, 192)), grid((128, 192))
    boxes = np.array([[40, 40, 72, 72], [0, 0, 190, 126], [50, 50, 60, 60]], np.float32)
    told = targets(boxes, np.array([3, 1, 2]))
    for kind, box in zip((3, 1, 2), boxes, strict=True):
        rows = np.nonzero(told[:, 0] == kind)[0]
        assert len(rows)
        for row in rows:
            x, y = points.centres[row]
            np.testing.assert_allclose(
                told[row, 1:], [x - box[0], y - box[1], box[2] - x, box[3] - y]
            )
            assert told[row, 1:].min() > 0
    assert set(points.strides[told[:, 0] == 3]) == {8}
    assert set(points.strides[told[:, 0] == 1]) == {16, 32}
    assert (targets(np.zeros((0, 4), np.float32), np.zeros(0, int))[:, 0] == -1).all()


def test_losses_are_least_where_all_is_right():
    from warmstart.image.train.fcos_targets import FCOSLoss, overlaps

    same = np.array([[[4.0, 4, 4, 4]]], np.float32)
    half = np.array([[[4.0, 4, 4, 0]]], np.float32)
    overlap, general = (np.asarray(v) for v in overlaps(same, half))
    assert overlap[0, 0] == pytest.approx(0.5)
    assert general[0, 0] == pytest.approx(0.5)
    truth = np.array([[[1, 4, 4, 4, 4], [-1, 0, 0, 0, 0]]], np.float32)
    right = np.array([[[-9, 9, 4, 4, 4, 4, 9], [-9, -9, 1, 1, 1, 1, 0]]], np.float32)
    loss = FCOSLoss(2, (64, 64))
    best = float(loss(truth, right))
    for place, value in (((0, 0, 1), -9.0), ((0, 1, 0), 9.0), ((0, 0, 3), 12.0), ((0, 0, 6), -9.0)):
        wrong = right.copy()
        wrong[place] = value
        assert float(loss(truth, wrong)) > best + 0.1
    assert np.isfinite(float(loss(np.full((1, 2, 5), -1, np.float32), right)))


def test_the_loss_of_segmentation():
    from warmstart.image.train.segmentation import SegmentationLoss

    truth = np.array([[[0, 1], [255, 1]]], np.uint8)
    logits = np.zeros((1, 2, 2, 2), np.float32)
    logits[0, 0, 0, 0] = logits[0, 0, 1, 1] = logits[0, 1, 1, 1] = 20
    loss = SegmentationLoss(2)
    best = float(loss(truth, logits))
    assert best < 0.01
    logits[0, 1, 0] = [50, -50]  # not counted
    assert float(loss(truth, logits)) == pytest.approx(best, abs=1e-5)
    logits[0, 0, 0] = [-20, 20]
    assert float(loss(truth, logits)) > 1
