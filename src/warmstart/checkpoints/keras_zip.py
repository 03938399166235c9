"""Read the `model.weights.h5` of a `.keras` archive, and its config as data."""

import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from warmstart.checkpoints.base import ByteSource, Checkpoint
from warmstart.checkpoints.hdf5 import open_hdf5
from warmstart.checkpoints.keras_config import LARGEST_CONFIG
from warmstart.checkpoints.npz import NpzCheckpoint
from warmstart.errors import CheckpointError, CorruptCheckpointError, UnsafeCheckpointError

MEMBER = "model.weights.h5"
CONFIG = "config.json"
MAX_MEMBERS = 10_000
MAX_DIRECTORY = 4 << 20  # bytes of the list of members
SMALL = 16 << 20
MAX_EXPANSION = (
    100  # unpacked bytes per packed byte beyond `SMALL`; Keras stores its weights unpacked
)
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    ValueError,
    OverflowError,
    KeyError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
    OSError,
)


def open_zip(path: Path, source: ByteSource) -> Checkpoint:
    """Open the weights in a `.keras` file, through an unnamed temporary file; or numpy's `.npz`.

    Raises:
        UnsafeCheckpointError: PyTorch pickles; member names that lead outside; a member that
            unpacks to far more than its packed size.
        CorruptCheckpointError: damaged, or no weights inside.
        CheckpointError: no room for the temporary file.
    """
    label = source.label
    try:
        _check_directory(source)
        with path.open("rb") as packed, zipfile.ZipFile(packed) as archive:
            if archive.namelist() and all(name.endswith(".npy") for name in archive.namelist()):
                return NpzCheckpoint(path, archive, label)
            info = _find_member(archive, label)
            text = _config_text(archive, label)
            weights = ByteSource(_unpack(archive, info, label), f"{label} ({MEMBER})")
            return open_hdf5(path, weights, text)
    except _BROKEN as error:
        raise CorruptCheckpointError(
            f"{label} is a damaged zip archive ({error}); fetch it again."
        ) from error
    finally:
        source.close()


def _check_directory(source: ByteSource) -> None:
    """Refuse an archive whose list of members would fill the memory, before zipfile reads it."""
    tail = source.at(max(0, source.size - 65_600), min(source.size, 65_600))
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise CorruptCheckpointError(
            f"{source.label} is an incomplete zip archive; fetch it again."
        )
    members, size = struct.unpack_from("<HI", tail, end + 10)
    locator = tail.rfind(b"PK\x06\x07", 0, end)
    if locator >= 0 and len(tail) >= locator + 20:  # zip64: the sizes are in a separate record
        (record,) = struct.unpack_from("<Q", tail, locator + 8)
        members, size = struct.unpack("<QQ", source.at(record + 32, 16))
    if members > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise UnsafeCheckpointError(f"{source.label} is refused: an archive of {members} members.")


def _find_member(archive: zipfile.ZipFile, label: str) -> zipfile.ZipInfo:
    names = archive.namelist()
    if any(name.endswith(("/data.pkl", "data.pkl")) for name in names):
        raise pickle_error(label)
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise UnsafeCheckpointError(
                f"{label} is refused: it has a member called {name[:200]!r}."
            )
    if names.count(MEMBER) != 1:
        raise CorruptCheckpointError(
            f"{label} is a zip archive with {names.count(MEMBER)} members called {MEMBER}, so it is not a .keras file."
        )
    info = archive.getinfo(MEMBER)
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsafeCheckpointError(
            f"{label} is refused: its {MEMBER} is encrypted or packed in an unusual way."
        )
    if info.file_size > max(SMALL, MAX_EXPANSION * info.compress_size):
        raise UnsafeCheckpointError(
            f"{label} is refused: its {MEMBER} unpacks from {info.compress_size} to {info.file_size} bytes."
        )
    return info


def _config_text(archive: zipfile.ZipFile, label: str) -> str | None:
    """The text of the config; None if there is none."""
    if CONFIG not in archive.namelist():
        return None
    info = archive.getinfo(CONFIG)
    if info.flag_bits & 1 or info.file_size > LARGEST_CONFIG:
        raise UnsafeCheckpointError(
            f"{label} is refused: its {CONFIG} is encrypted or has {info.file_size:,} bytes."
        )
    with archive.open(info) as member:
        return member.read(LARGEST_CONFIG).decode()


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> BinaryIO:
    try:
        target = tempfile.TemporaryFile(prefix="warmstart-", buffering=0)  # noqa: SIM115 (the checkpoint closes it)
    except OSError as error:
        raise CheckpointError(f"{label} needs a temporary file to be read: {error}.") from error
    try:
        with archive.open(info) as member:  # checks the CRC at its end
            done = 0
            while block := member.read(1 << 20):
                done += len(block)
                if done > info.file_size:
                    raise CorruptCheckpointError(
                        f"{label} is damaged: its {MEMBER} is longer than declared."
                    )
                try:
                    target.write(block)
                except OSError as error:
                    raise CheckpointError(
                        f"{label} cannot be unpacked: {error.strerror or error}."
                    ) from error
        if done != info.file_size:
            raise CorruptCheckpointError(
                f"{label} is damaged: its {MEMBER} is incomplete; fetch it again."
            )
    except BaseException:
        target.close()
        raise
    return cast(BinaryIO, target)


def pickle_error(label: str) -> UnsafeCheckpointError:
    """The error for PyTorch's and other pickles."""
    return UnsafeCheckpointError(
        f"{label} is a Python pickle, which can run code when it is read. Convert it to safetensors with the library "
        "that wrote it (safetensors.torch.save_file), or take the model's .safetensors file."
    )
