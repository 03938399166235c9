"""A batch on two nodes, with and without a token, in a process of its own: Ray reads its mode once."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import warmstart as ws
from warmstart.errors import BatchError

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_two_nodes(mode, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(24):
        array = np.full((16, 16, 3), 10 * index, np.uint8)
        Image.fromarray(array).save(photos / f"{index:02}.png")
    script = Path(__file__).with_name("two_nodes.py")
    done = subprocess.run(
        [sys.executable, script, photos, tmp_path / "run", mode],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "{["]
    assert done.returncode == 0, done.stderr
    assert lines[0] == {"rows": 24, "nodes": 2}
    if mode == "token":
        (error,) = lines[1]
        assert "BatchError: Ray cannot be reached at 1" in error
        assert error.endswith(
            "If it requires a token, the one set here may belong to another cluster."
        )
    rows = [
        json.loads(line)
        for file in (tmp_path / "run").glob("*.jsonl")
        for line in file.read_text().splitlines()
    ]
    assert len(rows) == 24


def test_the_address_of_a_cluster_that_was_killed_is_not_used(tmp_path, monkeypatch):
    def fail(**options: object) -> None:
        raise RuntimeError("not in a test")

    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    Image.new("RGB", (16, 16)).save(tmp_path / "photo.png")
    with pytest.raises(BatchError, match="Ray cannot be started: not in a test"):
        ws.batch("efficientnet_lite0", tmp_path / "photo.png", tmp_path / "run", on="ray")
