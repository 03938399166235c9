"""Memory in large pages: which it is, and that it holds what it held."""

import sys

import numpy as np
import pytest

from warmstart.engines import pages


def test_added_is_what_was_not_there_before():
    assert pages.added([(10, 20), (30, 40)], [(10, 20), (25, 45), (50, 60)]) == [(25, 30), (40, 45), (50, 60)]
    assert pages.added([], [(1, 2)]) == [(1, 2)]
    assert pages.added([(0, 9)], [(1, 2)]) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process where its memory lies")
def test_enlarged_memory_is_found_and_keeps_its_content():
    before = pages.anonymous()
    array = np.arange(2**22, dtype=np.int64)  # 32 MiB
    new = pages.added(before, pages.anonymous())
    assert any(begin <= array.ctypes.data and array.ctypes.data + array.nbytes <= end for begin, end in new)
    pages.enlarge(new)
    assert (array == np.arange(2**22)).all()


def test_memory_that_is_gone_is_let_alone():
    assert pages.enlarge([(pages.SIZE * 5, pages.SIZE * 5 + 10), (2**46, 2**46 + 2 * pages.SIZE)]) == 0
