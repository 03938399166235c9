"""Hostile files do not fill the memory: read in a process that may take 200 MB more than Python
itself.
"""

import os
import subprocess
import sys
import zipfile
import zlib

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and RLIMIT_AS")

READ = """
import resource, sys
from pathlib import Path
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.errors import CheckpointError
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
try:
    with open_checkpoint(Path(sys.argv[1])) as checkpoint:
        for name in checkpoint.names():
            checkpoint.read(name)
    print("read")
except CheckpointError as error:
    print(type(error).__name__)
"""


def huge_header(path):
    path.write_bytes((100 << 20).to_bytes(8, "little") + b"{" + b" " * 100)
    os.truncate(path, 101 << 20)


def dense_header(path):
    text = b'{"a":{"dtype":"F32","shape":[' + b"[]," * (
        8 << 20
    )  # a JSON parser would need 500 MB for it
    path.write_bytes(len(text).to_bytes(8, "little") + text)


def many_keys(path):
    text = b'{"__metadata__":{' + b'"' + b"k" * (24 << 20) + b'":1'
    path.write_bytes(len(text).to_bytes(8, "little") + text)


def legacy(path, fill):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"a"]
        group = file.create_group("a")
        group.attrs["weight_names"] = [b"w"]
        fill(group)


def terabytes(path):
    legacy(
        path,
        lambda group: group.create_dataset("w", (1 << 40,), "f4", chunks=(1 << 16,), fillvalue=1),
    )


def compressed_bomb(path):
    legacy(
        path,
        lambda group: group.create_dataset(
            "w", data=np.zeros(1 << 26, "u1"), chunks=(1 << 20,), compression=9, shuffle=True
        ),
    )


def inflating_chunk(path):
    """gzip inside one chunk: HDF5's own filter would inflate all of it."""
    legacy(
        path,
        lambda group: group.create_dataset(
            "w", data=np.zeros(1 << 18, "f4"), chunks=(1 << 18,), compression=9
        ),
    )
    squeeze = zlib.compressobj(9)
    bomb = b"".join([*(squeeze.compress(bytes(1 << 20)) for _ in range(500)), squeeze.flush()])
    with h5py.File(path, "r+") as file:
        file["a/w"].id.write_direct_chunk((0,), bomb)


def zip_bomb(path):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("model.weights.h5", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(1 << 20))


def sparse(path):
    """A superblock, and then nothing for a terabyte."""
    legacy(path, lambda group: group.create_dataset("w", data=np.ones(4)))
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize(
    ("make", "outcome"),
    [
        (huge_header, "UnsafeCheckpointError"),
        (dense_header, "CorruptCheckpointError"),
        (many_keys, "CorruptCheckpointError"),
        (terabytes, "UnsafeCheckpointError"),
        (compressed_bomb, "UnsafeCheckpointError"),
        (inflating_chunk, "CorruptCheckpointError"),
        (zip_bomb, "UnsafeCheckpointError"),
        (sparse, "read"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_memory_stays_bounded(tmp_path, make, outcome):
    path = tmp_path / "file"
    make(path)
    done = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (outcome, "")


def test_reading_imports_neither_h5py_nor_tensorflow(tmp_path):
    sparse(tmp_path / "file")
    code = (
        READ
        + "assert not {'h5py', 'tensorflow', 'keras', 'safetensors'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "file"], check=True, timeout=60)
