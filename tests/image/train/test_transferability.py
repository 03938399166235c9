"""LogME against the density it stands for, and a cross-validation that does not cheat."""

import numpy as np
import pytest

from warmstart.image.train.transferability import evidence, logme, probe, stratified_folds


def blobs(count: int, width: int, classes: int, spread: float, seed: int = 0):
    """Features (N, D) around one centre per class, and one-hot targets."""
    random = np.random.default_rng(seed)
    numbers = np.arange(count) % classes
    centres = random.normal(size=(classes, width))
    features = centres[numbers] + spread * random.normal(size=(count, width))
    return features.astype(np.float32), np.eye(classes, dtype=np.float32)[numbers]


@pytest.mark.parametrize(("count", "width"), [(40, 6), (12, 30)])
def test_the_evidence_is_the_density_of_the_targets(count, width):
    random = np.random.default_rng(1)
    features = random.normal(size=(count, width))
    target = (features @ random.normal(size=width) + random.normal(size=count) > 0).astype(float)
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    told, alpha, beta = evidence(left, singular**2, target, width)

    def density(alpha, beta):
        covariance = np.eye(count) / beta + features @ features.T / alpha
        _, log_determinant = np.linalg.slogdet(2 * np.pi * covariance)
        return -0.5 * (log_determinant + target @ np.linalg.solve(covariance, target)) / count

    assert told == pytest.approx(density(alpha, beta), rel=1e-6)
    around = [density(alpha * a, beta * b) for a in (0.8, 1.25) for b in (0.8, 1.25)]
    assert max(around) < told  # it is a maximum, not just any value


def test_logme_prefers_features_that_tell_the_classes_apart():
    scores = [logme(*blobs(120, 20, 3, spread)) for spread in (0.3, 1.0, 3.0, 10.0)]
    assert scores == sorted(scores, reverse=True)
    features, targets = blobs(120, 20, 3, 1.0)
    assert logme(np.zeros_like(features), targets) < logme(features, targets)


def test_the_probe_finds_nothing_where_there_is_nothing():
    random = np.random.default_rng(3)
    features = random.normal(size=(300, 400)).astype(
        np.float32
    )  # more dimensions than photos: fits anything
    targets = np.eye(2, dtype=np.float32)[random.integers(0, 2, 300)]
    found = probe(features, targets, stratified_folds(targets, [str(n) for n in range(300)]))
    assert abs(found.accuracy - 0.5) < 4 * found.error
    assert 0.02 < found.error < 0.04


def test_the_probe_counts_what_is_right_on_the_other_folds():
    features, targets = blobs(90, 10, 3, 0.1)
    folds = stratified_folds(targets, [str(n) for n in range(90)])
    assert probe(features, targets, folds).accuracy == 1.0
    several = np.column_stack([targets[:, 0], 1 - targets[:, 0]])
    assert probe(features, several, folds, multi_label=True).accuracy == 1.0
    near, far = probe(features, targets, folds), probe(*blobs(90, 10, 3, 0.8), folds)
    assert near.loss < far.loss


def test_folds_are_even_in_every_class_and_keep_equal_photos_together():
    numbers = np.array([0] * 50 + [1] * 13 + [2] * 37)
    targets = np.eye(3, dtype=np.float32)[numbers]
    groups = [str(n) for n in range(100)]
    groups[1] = groups[2] = groups[0]
    folds = stratified_folds(targets, groups)
    for kind in range(3):
        sizes = np.bincount(folds[numbers == kind], minlength=5)
        assert sizes.max() - sizes.min() <= (3 if kind == 0 else 1)
    assert folds[0] == folds[1] == folds[2]
    assert (folds != stratified_folds(targets, groups, seed=1)).any()
