"""Small photos, and a run as a process of its own that can be killed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws

RUN = """
import json, sys
import warmstart as ws
given = json.loads(sys.argv[1])
if __name__ == "__main__":
    done = ws.batch(given.pop("model"), given.pop("inputs"), given.pop("output"), **given)
    print(json.dumps(done.to_dict()))
"""


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """240 small photos in three folders, and one file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(3)
    for number in range(240):
        path = folder / "abc"[number % 3] / f"img{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((32, 32)).save(path)
    (folder / "b" / "img100x.jpg").write_bytes(b"no photo")
    return folder


@pytest.fixture(scope="session")
def model():
    return ws.load(CIFAR, engine="litert")


@pytest.fixture(scope="session")
def expected(photos, model, tmp_path_factory) -> Path:
    """The folder of a run that nobody disturbed, 10 rows a shard."""
    output = tmp_path_factory.mktemp("expected") / "run"
    done = ws.batch(model, photos, output, shard_rows=10, top_k=2)
    assert (done.rows, done.failed, done.before) == (241, 1, 0)
    return output


@pytest.fixture
def started():
    """Start a run as a process; it is killed at the end of the test, if it still runs."""
    running: list[subprocess.Popen] = []

    def start(**given) -> subprocess.Popen:
        told = json.dumps({name: str(v) if isinstance(v, Path) else v for name, v in given.items()})
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", RUN, told],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def look():
    """Ways to look into the folder of a run."""

    def content(folder: Path) -> dict[str, bytes]:
        """Every file of a run by its name."""
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def shards(folder: Path) -> int:
        """How many result files are there."""
        return (
            sum(name.startswith("part-") for name in os.listdir(folder)) if folder.is_dir() else 0
        )

    def rows(folder: Path) -> list[int]:
        """The numbers of all rows, answered and failed, in order of the files."""
        return [
            json.loads(line)["row"]
            for path in sorted(folder.rglob("part-*.jsonl"))
            for line in path.read_text("utf-8").splitlines()
        ]

    return SimpleNamespace(content=content, shards=shards, rows=rows)
