"""Numbers of float32 as the bits of bfloat16."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from warmstart.engines.bfloat16 import from_bits, to_bits

NORMAL = st.floats(2.0**-126, 2.0**126, width=32)


@given(arrays(np.float32, (3, 4), elements=NORMAL), st.sampled_from([1, -1]))
def test_the_nearest_number_is_stored(values, sign):
    values = sign * values
    bits = to_bits(values)
    assert (bits.dtype, bits.shape) == (np.uint16, values.shape)
    rounded = from_bits(bits)
    assert (np.abs(rounded - values) <= 2.0**-8 * np.abs(values)).all()  # of 8 significant bits
    assert np.array_equal(from_bits(to_bits(rounded)), rounded)
    assert np.array_equal(from_bits(to_bits(values.T)), rounded.T)


def test_zero_and_infinity_stay():
    values = np.array([0.0, -0.0, np.inf, -np.inf, 1.0, -2.5], np.float32)
    assert from_bits(to_bits(values)).tobytes() == values.tobytes()
    assert np.isnan(from_bits(to_bits(np.float32([np.nan])))).all()
