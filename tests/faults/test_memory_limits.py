"""Hostile files in a process whose memory is limited: a typed error, and never out of memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

resource = pytest.importorskip("resource")
LIMIT = 256 * 2**20
"""Bytes that reading may take, beyond what the process has taken before."""
READERS = """
import json, os, resource, sys
from pathlib import Path
import pandas, soundfile, PIL.Image, PIL.PngImagePlugin, msgspec
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.core import bundle
from warmstart.errors import WarmstartError
from warmstart.image import decoder
from warmstart.image.annotations import voc
from warmstart.series.inputs import SERIES
from warmstart.serve import body
from warmstart.serve.errors import Refused, refusal
from warmstart.serve.settings import Settings
from warmstart.speech import audio
from warmstart.text.tokenizer import Tokenizer

def arrays(path):
    with open_checkpoint(path) as checkpoint:
        for name in checkpoint.names():
            checkpoint.read(name)

READERS = {
    "photo": lambda path: decoder.decode(path, max_pixels=50_000_000),
    "sound": lambda path: audio.decode(path, sample_rate=8000),
    "arrays": arrays,
    "bundle": lambda path: bundle.read(path.parent),
    "tokenizer": lambda path: Tokenizer.open(path.parent, rows=10),
    "table": lambda path: SERIES.from_bytes(path.read_bytes(), Settings()),
    "json": lambda path: body.parse_json(path.read_bytes()),
    "packed": lambda path: body.decompressed(path.read_bytes(), "gzip", 2**26),
}
used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
outcomes = {}
for name, (reader, path) in json.loads(sys.argv[2]).items():
    try:
        READERS[reader](Path(path))
        outcomes[name] = "read"
    except (WarmstartError, Refused) as error:
        outcomes[name] = str(error)
    except BaseException as error:
        in_server = reader in ("json", "packed")
        message = refusal(error) if in_server else error
        outcomes[name] = f"{type(message).__name__}: {message}"
print(json.dumps(outcomes))
"""


def png(side: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that says it is so large, with these chunks before its pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def zeros(count: int) -> bytes:
    """So many zeros, packed."""
    packer = zlib.compressobj(1)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(count >> 20)) + packer.flush()


def gzip_of_zeros(count: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(count >> 20)) + packer.flush()


def zip_of_zeros(name: str) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w") as part,
    ):
        for _ in range(300):
            part.write(bytes(2**20))
    return file.getvalue()


def silence() -> bytes:
    """FLAC of 20 minutes, in 50 kB or so."""
    import soundfile

    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8000, 1, format="FLAC") as sound:
        block = np.zeros(8000 * 60, np.int16)
        for _ in range(20):
            sound.write(block)
    return file.getvalue()


def hdf5(folder: Path) -> bytes:
    """300 MB of zeros, packed, as one array."""
    h5py = pytest.importorskip("h5py")
    path = folder / "made.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "dense/vars/0", (75_000_000,), "f4", compression="gzip", chunks=(2**20,)
        )
    return path.read_bytes()


FILES = {  # (reader, name of the file, bytes)
    "a PNG of gigapixels": ("photo", "a.png", lambda folder: png(60_000)),
    "a text chunk of 300 MB in a PNG": (
        "photo",
        "a.png",
        lambda folder: png(8, (b"zTXt", b"a\0\0" + zeros(300 * 2**20))),
    ),
    "a colour profile of 300 MB in a PNG": (
        "photo",
        "a.png",
        lambda folder: png(8, (b"iCCP", b"a\0\0" + zeros(300 * 2**20))),
    ),
    "FLAC of 20 minutes": ("sound", "a.flac", lambda folder: silence()),
    "a header of safetensors of 2^60 bytes": (
        "arrays",
        "a.safetensors",
        lambda folder: struct.pack("<Q", 2**60) + b"{}",
    ),
    "a header of safetensors of 99 MB of brackets": (
        "arrays",
        "a.safetensors",
        lambda folder: struct.pack("<Q", 99_000_000) + b"[" * 99_000_000,
    ),
    "a .keras archive of 300 MB of zeros": (
        "arrays",
        "a.keras",
        lambda folder: zip_of_zeros("model.weights.h5"),
    ),
    "an HDF5 array larger than its file": ("arrays", "a.h5", hdf5),
    "a deep warmstart.json": ("bundle", "warmstart.json", lambda folder: b"[" * 10_000_000),
    "a warmstart.json of 100 MB": (
        "bundle",
        "warmstart.json",
        lambda folder: b'{"a": "' + b"a" * 100_000_000 + b'"}',
    ),
    "a deep tokenizer.json": ("tokenizer", "tokenizer.json", lambda folder: b'{"a":' * 1_000_000),
    "a table of commas": ("table", "a.csv", lambda folder: b"," * 10_000_000),
    "a table of quotes": ("table", "a.csv", lambda folder: b'"' * 10_000_000),
    "deep JSON": ("json", "a.json", lambda folder: b"[" * 10_000_000),
    "JSON of arrays": ("json", "a.json", lambda folder: b"[" + b"[]," * 5_000_000 + b"[]]"),
    "gzip of 300 MB of zeros": ("packed", "a.gz", lambda folder: gzip_of_zeros(300 * 2**20)),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, str]:
    """What became of each file, in one process with little memory."""
    jobs = {}
    for name, (reader, file, make) in FILES.items():
        path = tmp_path_factory.mktemp("hostile") / file
        path.write_bytes(make(path.parent))
        jobs[name] = (reader, str(path))
    done = subprocess.run(
        [sys.executable, "-c", READERS, str(LIMIT), json.dumps(jobs)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.fault(
                "memory", f"{name}, with 256 MiB to spare", "a typed error in one sentence"
            ),
        )
        for name in FILES
    ],
)
def test_hostile_file(outcomes, name):
    outcome = outcomes[name]
    assert outcome != "read"
    assert not outcome.startswith(
        ("MemoryError", "RecursionError", "Refused: Internal server error")
    )
    assert outcome.count("\n") == 0
    assert " " in outcome
