"""Mapped files: their content stays readable while their memory is released."""

import time

import numpy as np
import pytest

from warmstart.engines import mapped_files


def test_content_can_be_read_while_it_is_released(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, 2**22, np.uint8)
    path = tmp_path / "weights"
    path.write_bytes(values)
    memory = mapped_files.map_file(path)
    content = np.frombuffer(memory, np.uint8)
    with mapped_files.releasing(memory):
        end = time.monotonic() + 10 * mapped_files.SECONDS
        while time.monotonic() < end:
            assert np.array_equal(content, values)
    assert np.array_equal(content, values)


def test_files_that_cannot_be_mapped(tmp_path):
    with pytest.raises(FileNotFoundError):
        mapped_files.map_file(tmp_path / "absent")
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="empty"):
        mapped_files.map_file(tmp_path / "empty")
