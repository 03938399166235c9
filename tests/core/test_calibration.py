"""The linear head is at its optimum; temperatures undo what made the logits too large or too small."""

import numpy as np
import pytest

from warmstart.core.metrics import calibration, linear


def made(seed: int = 0, n: int = 4000, classes: int = 4):
    """Logits whose softmax is the truth, and labels drawn from it."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (n, classes))
    p = calibration.probabilities(logits)
    return logits, np.array([random.choice(classes, p=row) for row in p])


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_is_found(factor):
    logits, labels = made()
    assert calibration.temperature(logits * factor, labels) == pytest.approx(factor, rel=0.08)
    before = calibration.decisions(calibration.probabilities(logits * factor), labels)
    after = calibration.decisions(
        calibration.probabilities(calibration.cross_fitted(logits * factor, labels)), labels
    )
    np.testing.assert_array_equal(before[1], after[1])
    assert calibration.calibration_error(*after) < 0.03
    if factor != 1:
        assert calibration.calibration_error(*before) > 0.1


def test_few_examples_that_are_all_right_do_not_make_it_all_too_sure():
    logits = np.array([[2.0, 0.0], [0.0, 2.0]] * 3)
    assert 0.4 < calibration.temperature(logits, np.array([0, 1] * 3)) < 1


def test_several_labels():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (3000, 3))
    targets = (random.random((3000, 3)) < calibration.probabilities(logits, True)).astype(
        np.float32
    )
    assert calibration.temperature(logits * 2, targets, True) == pytest.approx(2, rel=0.08)
    confidence, right = calibration.decisions(
        calibration.probabilities(logits, True), targets, True
    )
    assert calibration.calibration_error(confidence, right) < 0.03


def test_calibration_error_by_hand():
    assert calibration.calibration_error(
        np.array([0.9, 0.9, 0.6]), np.array([1, 0, 1])
    ) == pytest.approx((abs(1.8 - 1) + abs(0.6 - 1)) / 3)


@pytest.mark.parametrize("several", [False, True])
def test_the_head_is_at_its_optimum(several):
    """Nothing near it is better, with weights, smoothing and the prior counted in."""
    pytest.importorskip("scipy")
    random = np.random.default_rng(1)
    x = random.normal(3, 2, (60, 5)).astype(np.float32)
    x[:, 4] = 7  # a feature that never changes
    labels = (x[:, 0] + random.normal(0, 1, 60) > 3).astype(int) + (x[:, 1] > 5)
    targets, weights = np.eye(3, dtype=np.float32)[labels], random.uniform(0.5, 1.5, 60)
    head = linear.solve(x, targets, weights, multi_label=several, label_smoothing=0.1)

    def objective(kernel, bias):
        logits = (x - head.mean) / np.sqrt(head.variance) @ kernel + bias
        t = targets * 0.9 + (0.05 if several else 0.1 / 3)
        losses = (
            (np.logaddexp(0, logits) - t * logits).sum(1)
            if several
            else -(t * linear.log_softmax(logits)).sum(1)
        )
        return (losses * weights).mean() + 0.5 * 5 / 60 * (kernel**2).sum()

    best = objective(head.kernel, head.bias)
    assert best == pytest.approx(head.loss, abs=1e-5)
    for _ in range(20):
        step = random.normal(0, 0.05, head.kernel.shape)
        assert objective(head.kernel + step, head.bias) > best
    assert np.abs(head.kernel[4]).max() < 1e-6
    assert np.isfinite(head.logits(x)).all()
