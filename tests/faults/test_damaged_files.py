"""Files of every format, cut off and with flipped bits: an error of this package, or an answer.

Anything else fails: another exception, a hang, or numbers that are not finite.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws
from warmstart.catalog import Entry
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.core import bundle
from warmstart.engines.store import Artifact
from warmstart.errors import WarmstartError
from warmstart.image import decoder
from warmstart.series import table_files
from warmstart.speech import audio
from warmstart.text.tokenizer import Tokenizer

PERCENT = range(0, 100, int(os.environ.get("WARMSTART_DAMAGE_STEP", "5")))
"""Where files are damaged; `make faults` sets 1."""
EMBEDDED = Path(ws.__file__).parent / "embedded"
PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "cat.jpg"
pytestmark = pytest.mark.filterwarnings("ignore")  # of decoders, about what is damaged


class Format:
    """A file of a format, and what reads it.

    Args:
        write: makes a good file in a folder; returns its path.
        read: reads it, or what it belongs to.
    """

    def __init__(self, write: Callable[[Path], Path], read: Callable[[Path], object]):
        self.write, self.read = write, read


def arrays(path: Path) -> None:
    with open_checkpoint(path) as checkpoint:
        for name in checkpoint.names():
            checkpoint.read(name)


def copied(source: Path, name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        shutil.copytree(source, folder / "bundle")
        return folder / "bundle" / name

    return write


def weights(folder: Path) -> Path:
    path = folder / "model.safetensors"
    save_safetensors(path, {f"a{n}": np.full((3, n + 1), n, np.float32) for n in range(20)})
    return path


def hdf5(folder: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    path = folder / "model.weights.h5"
    with h5py.File(path, "w") as file:
        for n in range(8):
            file.create_dataset(f"layers/dense_{n}/vars/0", data=np.full((4, n + 1), n, "f4"))
    return path


def picture(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / f"photo{suffix}"
        with Image.open(PHOTO) as photo:
            photo.resize((64, 48)).convert("RGB").save(path)
        return path

    return write


def recording(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        import soundfile

        path = folder / f"talk{suffix}"
        soundfile.write(path, np.sin(np.arange(4000) / 9).astype("f4"), 8000)
        return path

    return write


def table(folder: Path) -> Path:
    path = folder / "table.csv"
    lines = [f"2024-01-{1 + n // 24:02}T{n % 24:02}:00,{n % 7}.5,{n}" for n in range(200)]
    path.write_text("\n".join(["timestamp,a,b", *lines, ""]))
    return path


def table_of_a_request(path: Path) -> None:
    from warmstart.series.inputs import SERIES
    from warmstart.serve.settings import Settings

    SERIES.from_bytes(path.read_bytes(), Settings())


def request_body(folder: Path) -> Path:
    path = folder / "body.json"
    path.write_text(json.dumps({"inputs": [[1.5, 2.5, None]] * 20, "options": {"horizon": 3}}))
    return path


def body_of_a_request(path: Path) -> None:
    from warmstart.serve import body
    from warmstart.serve.errors import Refused

    try:
        body.parse_json(path.read_bytes())
    except Refused as refused:
        if refused.status < 500:
            raise WarmstartError(str(refused)) from None
        raise


def sound(path: Path) -> None:
    samples = audio.decode(path, name="talk", sample_rate=8000)
    assert np.isfinite(samples).all()


def photo(path: Path) -> None:
    decoder.decode(path, name="photo").load()


def parent_bundle(path: Path) -> None:
    contents = bundle.read(path.parent)
    assert isinstance(contents.entry, Entry)


FORMATS = {
    "safetensors": Format(weights, arrays),
    "HDF5": Format(hdf5, arrays),
    "warmstart.json": Format(copied(CIFAR, "warmstart.json"), parent_bundle),
    "labels.json": Format(copied(CIFAR, "labels.json"), parent_bundle),
    "artifact.json": Format(
        copied(CIFAR, "artifacts/float32/artifact.json"), lambda path: Artifact.load(path.parent)
    ),
    "program.tflite": Format(
        copied(CIFAR, "artifacts/float32/program.tflite"), lambda path: Artifact.load(path.parent)
    ),
    "probe.npz": Format(
        copied(CIFAR, "artifacts/float32/probe.npz"), lambda path: Artifact.load(path.parent)
    ),
    "tokenizer.json": Format(
        copied(EMBEDDED / "shakespeare_gpt2", "tokenizer.json"),
        lambda path: Tokenizer.open(path.parent, rows=768).encode("ROMEO:"),
    ),
    "JPEG": Format(picture(".jpg"), photo),
    "PNG": Format(picture(".png"), photo),
    "WebP": Format(picture(".webp"), photo),
    "GIF": Format(picture(".gif"), photo),
    "BMP": Format(picture(".bmp"), photo),
    "TIFF": Format(picture(".tif"), photo),
    "WAV": Format(recording(".wav"), sound),
    "FLAC": Format(recording(".flac"), sound),
    "OGG": Format(recording(".ogg"), sound),
    "CSV": Format(table, table_files.read),
    "CSV of a request": Format(table, table_of_a_request),
    "JSON of a request": Format(request_body, body_of_a_request),
}
HASHED = ("program.tflite", "probe.npz")
"""Whose bytes are compared with a record: every damage is found."""


def damaged(data: bytes, damage: str, percent: int) -> bytes:
    index = len(data) * percent // 100
    if damage == "cut off":
        return data[:index]
    flipped = bytearray(data)
    for bit in range(8):  # eight bits, spread over the bytes around
        flipped[min(index + 3 * bit, len(data) - 1)] ^= 1 << bit
    return bytes(flipped)


ROWS = [
    pytest.param(
        name,
        damage,
        marks=pytest.mark.fault(
            "files",
            f"{name} {damage} at every {PERCENT.step} % of its length",
            "a typed error in one sentence, or a result with finite numbers",
        ),
        id=f"{name}-{damage}",
    )
    for name in FORMATS
    for damage in ("cut off", "with flipped bits")
]


@pytest.mark.parametrize("percent", PERCENT)
@pytest.mark.parametrize(("name", "damage"), ROWS)
def test_damage(tmp_path, name, damage, percent):
    format_ = FORMATS[name]
    path = format_.write(tmp_path)
    format_.read(path)
    whole = path.read_bytes()
    path.write_bytes(damaged(whole, damage, percent))
    try:
        format_.read(path)
    except WarmstartError as error:
        message = str(error)
        assert message
        assert "Traceback" not in message
    else:
        assert name not in HASHED, "the damage was not found"


def test_the_good_files_are_read(tmp_path):
    for name, format_ in FORMATS.items():
        folder = tmp_path / name
        folder.mkdir()
        with warnings.catch_warnings():
            format_.read(format_.write(folder))


def test_a_picture_is_what_it_was(tmp_path):
    """The damage, not the reading, changes what is read."""
    path = picture(".png")(tmp_path)
    expected = np.asarray(decoder.decode(path.read_bytes(), name="photo"))
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        np.testing.assert_array_equal(expected, np.asarray(image.convert("RGB")))
