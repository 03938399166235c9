"""Weights for RGB serve pictures with other numbers of channels."""

import numpy as np
import pytest

from warmstart.core.channels import inflated


@pytest.mark.parametrize("count", [1, 3, 6, 9])
def test_equal_channels_give_what_equal_colours_gave(count):
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 3, 8)).astype(np.float32)
    patch = random.normal(size=(3, 3)).astype(np.float32)
    made = inflated(kernel, (3, 3, count, 8))
    assert (made.shape, made.dtype) == ((3, 3, count, 8), np.float32)
    colours, channels = (patch[..., None].repeat(n, -1) for n in (3, count))
    got, expected = (
        np.einsum("hwc,hwcf->f", *pair) for pair in ((channels, made), (colours, kernel))
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_statistics_are_repeated_or_averaged():
    mean = np.array([1.0, 2.0, 6.0], np.float32)
    assert inflated(mean, (1,)).tolist() == [3.0]
    assert inflated(mean, (4,)).tolist() == [1.0, 2.0, 6.0, 1.0]
    assert inflated(mean, (3,)) is mean
    for shape in ((2, 2), (3, 1)):
        with pytest.raises(ValueError, match="do not fit"):
            inflated(np.zeros((5, 1)), shape)
