"""The best few are those of a whole sort: with ties, with NaN, with fewer than are asked for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from warmstart.ranking import best


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, float("nan")]), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_the_best_few_are_those_of_a_whole_sort(scores, count):
    array = np.array(scores, np.float32)
    assert best(array, count).tolist() == np.argsort(-array, kind="stable")[:count].tolist()
