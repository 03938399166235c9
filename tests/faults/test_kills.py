"""`kill -9` at random points of every long command: what it leaves is whole, and the next run
finishes.

Each kill hits what the kills before have left. `WARMSTART_KILLS` says how many there are for each
command; `make faults` sets 20, with NIGHTLY=1 200.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import random
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

from warmstart.core import bundle
from warmstart.engines.store import Artifact

from .forking import Commands, commands

KILLS = int(os.environ.get("WARMSTART_KILLS", "1"))
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@dataclass
class Command:
    """A long command.

    Attributes:
        arguments: of the command; paths are relative to the folder that it runs in, {address} is
            that of the server of files.
        results: where its results are.
        check: looks at the results that there are in the folder after a kill.
        needs: modules to import before.
        repeats: whether two whole runs write the same bytes.
    """

    arguments: str
    results: str
    check: Callable[[Path], None]
    needs: tuple[str, ...] = ()
    repeats: bool = True


def files(folder: Path) -> dict[str, bytes]:
    """The visible files below a folder, or the one file."""
    if folder.is_file():
        return {folder.name: folder.read_bytes()}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-2:])
    }


def whole_shards(folder: Path) -> None:
    for path in folder.glob("results/part-*.jsonl"):
        assert all(json.loads(line) for line in path.read_text().splitlines())


def whole_artifacts(folder: Path) -> None:
    for record in folder.rglob("artifact.json"):
        if not any(part.startswith(".") for part in record.relative_to(folder).parts):
            Artifact.load(record.parent)


def whole_export(folder: Path) -> None:
    if (folder / "model.keras").exists():
        assert zipfile.ZipFile(folder / "model.keras").testzip() is None
        assert json.loads((folder / "model.keras.json").read_text())


def whole_bundle(folder: Path) -> None:
    if (folder / "run" / "warmstart.json").exists():
        bundle.read(folder / "run")


def whole_download(folder: Path) -> None:
    for path in folder.glob("home/**/weights.h5"):
        assert path.read_bytes() == WEIGHTS


def unchanged_input(folder: Path) -> None:
    assert files(folder / "photos") == files(folder.parent / "photos")


WEIGHTS = np.random.default_rng(5).bytes(3_000_000)
COMMANDS = {
    "a batch": Command(
        "classify photos --model {bundle} --engine litert --output results --on local --shard-rows 10",
        "results",
        whole_shards,
    ),
    "evaluate": Command("evaluate photos --model {bundle} --json", "output", unchanged_input),
    "pull": Command("pull {address}/weights.h5", "home", whole_download),
    "compile": Command(
        "compile mobilenet_0.25_128 --weights random",
        "home",
        whole_artifacts,
        ("keras",),
        repeats=False,
    ),
    "export": Command(
        "export {bundle} model.keras", "model.keras", whole_export, ("keras",), repeats=False
    ),
    "finetune": Command(
        "finetune photos --model {bundle} --epochs 2 --output run",
        "run",
        whole_bundle,
        ("keras", "warmstart.image.train"),
        repeats=False,
    ),
}
IN_SUITE = ("a batch", "pull")
"""The others take seconds a time."""
CHOSEN = [
    pytest.param(
        name,
        id=name,
        marks=pytest.mark.fault(
            "kill -9",
            f"{name}, at a random point",
            "every file is complete; the next run writes the rest",
        ),
    )
    for name in (COMMANDS if KILLS > 1 else IN_SUITE)
]


class SlowFiles(http.server.BaseHTTPRequestHandler):
    """`/weights.h5`, slowly."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(WEIGHTS)))
        self.end_headers()
        try:
            for start in range(0, len(WEIGHTS), 100_000):
                self.wfile.write(WEIGHTS[start : start + 100_000])
                time.sleep(0.02)
        except OSError:
            pass  # the client was killed

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowFiles)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Killed:
    """A command in a folder, where it is killed again and again.

    Args:
        command: which.
        running: that runs it.
        root: for its folders.
        address: of the server of files.
    """

    def __init__(self, command: Command, running: Commands, root: Path, address: str):
        self.command, self._running = command, running
        self.folder, self._reference = root / "killed", root / "reference"
        self._arguments = command.arguments.format(bundle=CIFAR, address=address).split()
        random_pixels = np.random.default_rng(3)
        for number in range(60):
            path = root / "photos" / ("cat", "dog")[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = random_pixels.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).resize((32, 32)).save(path)
        for folder in (self.folder, self._reference):
            shutil.copytree(root / "photos", folder / "photos")
        start = time.monotonic()
        assert self.run(self._reference) == 0, (self._reference / "output").read_text()
        self.seconds = time.monotonic() - start

    def run(self, folder: Path, seconds: float = 1e9) -> int:
        environment = {"WARMSTART_HOME": str(folder / "home")}
        return self._running.run(self._arguments, folder, environment, seconds)

    def kill(self, number: int) -> None:
        """Begin anew or go on, and kill it somewhere."""
        results = self.folder / self.command.results
        code = self.run(self.folder, random.Random(number).random() * self.seconds)
        self.command.check(self.folder)
        if code == 0:  # it was quicker than usual
            shutil.rmtree(results) if results.is_dir() else results.unlink(missing_ok=True)

    def finish(self) -> None:
        (self.folder / "output").unlink(missing_ok=True)
        results = self.folder / self.command.results
        assert self.run(self.folder) == 0, (self.folder / "output").read_text()
        self.command.check(self.folder)
        expected = files(self._reference / self.command.results)
        if self.command.repeats:
            assert files(results) == expected
        else:
            assert files(results).keys() == expected.keys()


@pytest.fixture(scope="module")
def killed(tmp_path_factory, address) -> Iterator[Callable[[str], Killed]]:
    """Makes the `Killed` of a command; its folder is finished once all kills are over."""
    made: dict[str, Killed] = {}
    running: dict[tuple[str, ...], Commands] = {}
    with contextlib.ExitStack() as stack:

        def make(name: str) -> Killed:
            command = COMMANDS[name]
            if command.needs not in running:
                running[command.needs] = stack.enter_context(commands(*command.needs))
            if name not in made:
                root = tmp_path_factory.mktemp(name.replace(" ", "-"))
                made[name] = Killed(command, running[command.needs], root, address)
            return made[name]

        yield make


@pytest.mark.parametrize("number", range(KILLS))
@pytest.mark.parametrize("name", CHOSEN)
def test_kill(killed, name, number):
    case = killed(name)
    case.kill(number)
    if number == KILLS - 1:
        case.finish()
