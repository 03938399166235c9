"""Examples that are there more than once."""

import numpy as np
import pytest

from warmstart.training.repeats import Content, repeats


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (Content("train", "b", "good", ["x"]), []),
        (Content("train", "b", "bad", ["y"]), []),
        (Content("validation", "b", "good", ["x"]), ["1 example in two splits"]),
        (Content("train", "b", "good", ["y"]), ["1 example repeated with different labels"]),
        (Content("test", "b", "good", ["y"]), ["in two splits", "with different labels"]),
    ],
)
def test_repeats_cause_warnings(second, words):
    warnings = list(repeats([Content("train", "a", "good", ["x"]), second]))
    assert len(warnings) == len(words)
    for warning, some in zip(warnings, words, strict=True):
        assert some in warning
        assert warning.endswith(": 'b'")


def test_targets_may_be_arrays():
    same, other = np.array([0, 1]), np.array([1, 0])
    assert not list(repeats([Content("train", "a", b"x", same), Content("train", "b", b"x", same)]))
    (warning,) = repeats([Content("train", "a", b"x", same), Content("train", "b", b"x", other)])
    assert "different labels: 'b'" in warning
