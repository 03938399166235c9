"""Memory in large pages: which it is, and that it holds what it held."""

import mmap
import sys

import numpy as np
import pytest

from warmstart.engines import pages


def test_added_is_what_was_not_there_before():
    assert pages.added([(10, 20), (30, 40)], [(10, 20), (25, 45), (50, 60)]) == [
        (25, 30),
        (40, 45),
        (50, 60),
    ]
    assert pages.added([], [(1, 2)]) == [(1, 2)]
    assert pages.added([(0, 9)], [(1, 2)]) == []


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process where its memory lies"
)
def test_enlarged_memory_is_found_and_keeps_its_content():
    before = pages.anonymous()
    with mmap.mmap(
        -1, 2**26, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    ) as memory:  # malloc might take what it has
        array = np.frombuffer(memory, np.int64)
        array[:] = np.arange(len(array))
        new = pages.added(before, pages.anonymous())
        low, high = array.ctypes.data, array.ctypes.data + array.nbytes
        # A little of it may lie where other memory has been given back meanwhile.
        assert (
            sum(max(min(end, high) - max(begin, low), 0) for begin, end in new) > 0.9 * array.nbytes
        )
        pages.enlarge(new)
        assert (array == np.arange(len(array))).all()
        del array


def test_memory_that_is_gone_is_let_alone():
    assert (
        pages.enlarge([(pages.SIZE * 5, pages.SIZE * 5 + 10), (2**46, 2**46 + 2 * pages.SIZE)]) == 0
    )
