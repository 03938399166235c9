"""The artifact store: compiled programs on disk, keyed by content and verified when read.

    $WARMSTART_HOME/artifacts/<key>-tf<version>/
        program.tflite   the program
        program.xml, .bin  int8 that NNCF calibrated, for OpenVINO only; with program.tflite or
                         without
        probe.npz        the reference engine's outputs for the probe inputs
        artifact.json    the record: signatures, sha256, precision, versions, differences, and where
                         it is known, how the constants are made of the weights (see `graph`)
    $WARMSTART_HOME/artifacts/<key>-tf<version>.graph
        the name of an artifact whose graph can be filled with other weights; the key does not depend
        on the weights

The key is the sha256 of everything that determines the outputs: weights, entry, precision and the format
of programs; the folder's name adds the converter's version. A folder is written under a temporary
name and renamed when it is complete. One whose hashes differ from its record is removed and rebuilt.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from warmstart.atomic import atomic_file, new_folder
from warmstart.checkpoints.file_names import RECORD, REST
from warmstart.digests import sha256_of
from warmstart.engines.base import Signature, Signatures
from warmstart.engines.calibration_record import CalibrationRecord
from warmstart.engines.machine import version
from warmstart.errors import EngineError
from warmstart.hub import home
from warmstart.hub.files import writing
from warmstart.hub.known_digests import known_sha256_of
from warmstart.json_values import JSON, check

FORMAT = 1  # increment it when the meaning of programs changes: older artifacts are then rebuilt
UNFINISHED = ".making-"
"""Prefix of the folders in which programs are made."""

PROGRAM, PROBE = "program.tflite", "probe.npz"
OPENVINO = ("program.xml", "program.bin")


class _Required(TypedDict):
    format: int
    precision: str
    sha256: Mapping[str, str]
    signatures: Mapping[str, Signature]


class Record(_Required, total=False):
    """The content of `artifact.json`, as far as it is read here."""

    differences: Mapping[str, float]
    made_with: Mapping[str, str]
    calibration: Mapping[str, JSON] | None
    constants: list[Mapping[str, JSON]]
    model: str
    weights: str


@dataclass(frozen=True)
class Artifact:
    """A compiled program on disk whose files were checked against their record."""

    folder: Path
    record: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Artifact:
        """Read a folder and check its files.

        Raises:
            EngineError: it is incomplete, damaged, or of another format.
        """
        artifact = cls.recorded(folder)
        recorded = artifact.record["sha256"]
        try:
            hashes = {name: known_sha256_of(folder / name) for name in _files(recorded)}
        except OSError as error:
            raise EngineError(f"The artifact {folder} is damaged: {error}") from error
        if hashes != recorded:
            raise EngineError(
                f"The artifact {folder} is damaged: its files are not the recorded ones."
            )
        return artifact

    @classmethod
    def recorded(cls, folder: Path) -> Artifact:
        """Read the record of a folder, without its files.

        Raises:
            EngineError: it is missing, damaged, or of another format.
        """
        try:
            record = json.loads((folder / RECORD).read_text("utf-8"))
            check(record, Record)
            hashes = record["sha256"]
            for name in (PROBE, *((PROGRAM,) if PROGRAM in hashes else OPENVINO)):
                hashes[name]
            artifact = cls(folder, record)
            artifact.calibration  # noqa: B018 (is it whole?)
            for signature in artifact.signatures.values():
                signature.check_specs()
            same = record["format"] == FORMAT
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise EngineError(f"The artifact {folder} is damaged: {RECORD}: {error}") from error
        if not same:
            raise EngineError(f"The artifact {folder} is damaged or has an unsupported format.")
        return artifact

    @property
    def programs(self) -> tuple[Path, ...]:
        """The files of the program; the first is the one that engines open."""
        names = set(self.record["sha256"])
        return tuple(self.folder / name for name in (PROGRAM, *OPENVINO) if name in names)

    @property
    def path(self) -> Path:
        """The program: `program.tflite` if there is one."""
        return self.programs[0]

    @property
    def openvino_path(self) -> Path:
        """The program that OpenVINO reads."""
        own = self.folder / OPENVINO[0]
        return own if own in self.programs else self.path

    def size_on(self, engine: str) -> int:
        """Bytes of the program that an engine runs."""
        path = self.openvino_path if engine == "openvino" else self.path
        names = OPENVINO if path.name == OPENVINO[0] else (path.name,)
        return sum((self.folder / name).stat().st_size for name in names)

    @cached_property
    def calibration(self) -> CalibrationRecord | None:
        """How an int8 program was calibrated and measured; None for other programs."""
        data = self.record.get("calibration")
        return None if data is None else CalibrationRecord.from_dict(data)

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that may run it: for a calibrated program, those that reach the agreement."""
        return (
            ("litert", "openvino")
            if self.calibration is None
            else tuple(self.calibration.agreement)
        )

    def belongs_to(self, checkpoint: Path | None, digest: str) -> bool:
        """Whether it was compiled from these weights, or is itself their checkpoint."""
        return self.record.get("weights") == digest or self.folder / RECORD == checkpoint

    @property
    def precision(self) -> str:
        return str(self.record["precision"])

    @property
    def sha256(self) -> str:
        hashes = [str(self.record["sha256"][file.name]) for file in self.programs]
        if len(hashes) == 1:
            return hashes[0]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        recorded = self.record["signatures"]
        return Signatures({name: Signature.from_dict(data) for name, data in recorded.items()})

    def copy_to(self, folder: Path) -> dict[str, Any]:
        """Copy the program and its reference outputs; returns their part of the new record."""
        for name in self.files:
            shutil.copyfile(self.folder / name, folder / name)
        return self.details

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the program's files and of its reference outputs."""
        return (*(file.name for file in self.programs), PROBE)

    @property
    def details(self) -> dict[str, Any]:
        """The part of the record that stays true in another folder."""
        names = ("signatures", "differences", "made_with", "calibration")
        return {name: self.record[name] for name in names if name in self.record}

    def expected(self) -> dict[str, dict[str, np.ndarray]]:
        """The reference outputs: function -> output -> array."""
        outputs: dict[str, dict[str, np.ndarray]] = {}
        with np.load(self.folder / PROBE, allow_pickle=False) as arrays:
            for key in arrays.files:
                function, name = key.split("/", 1)
                outputs.setdefault(function, {})[name] = arrays[key]
        return outputs


def content_key(weights: str, config: Mapping[str, Any], precision: str) -> str:
    """The key of a program: `weights` is their sha256 (or a name for random ones), `config` is
    JSON-able.
    """
    text = json.dumps(
        {"format": FORMAT, "weights": weights, "config": config, "precision": precision},
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def root() -> Path:
    return home() / "artifacts"


def folders() -> list[Path]:
    """The folders of all artifacts."""
    return sorted(path for path in root().glob("*-tf*") if path.is_dir())


def find(key: str) -> Artifact | None:
    """The artifact of this key: of the installed converter, or of any if none is installed."""
    is_installed = version("tensorflow") != "none"
    folders = [_folder(key)] if is_installed else sorted(root().glob(f"{key}-tf*"), reverse=True)
    for folder in folders:
        if folder.is_dir():
            try:
                return Artifact.load(folder)
            except EngineError:
                continue
    return None


def is_calibrated(folder: Path) -> bool:
    """Whether the artifact of a folder was calibrated, by its record; its files may be damaged."""
    try:
        return Artifact.recorded(folder).calibration is not None
    except EngineError:
        return False


def template(key: str) -> Artifact | None:
    """An artifact whose graph can be reused for other weights; see `add_template`."""
    try:
        artifact = Artifact.load(root() / _note(key).read_text("utf-8").strip())
    except (OSError, EngineError):
        return None
    return artifact if artifact.record.get("constants") else None


def add_template(key: str, artifact: Artifact) -> None:
    """Record an artifact under the key of its graph, if it is known how its constants are made."""
    if artifact.record.get("constants"):
        with contextlib.suppress(OSError):  # then the next one is converted as well
            with atomic_file(_note(key), sync=False) as file:
                file.write(artifact.folder.name.encode())


def make(key: str, precision: str, fill: Callable[[Path], Mapping[str, Any]]) -> Artifact:
    """The artifact of this key, built by `fill` if it is absent; one process builds it, others
    wait.

    Args:
        key: from `content_key`.
        precision: for the record.
        fill: writes the program and `probe.npz` into the folder and returns the rest of the
            record.

    Raises:
        CacheError: the store cannot be written.
    """
    from filelock import FileLock

    folder = _folder(key)
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if (artifact := find(key)) is not None:
                return artifact
            with new_folder(folder, UNFINISHED) as temporary:
                write_record(temporary, precision, fill(temporary))
                shutil.rmtree(folder, ignore_errors=True)  # a damaged one
    return Artifact.load(folder)


def write_record(folder: Path, precision: str, details: Mapping[str, Any]) -> None:
    """Write `artifact.json` for the files that are in `folder`."""
    record = {
        "format": FORMAT,
        "precision": precision,
        "sha256": {name: sha256_of(folder / name) for name in _files(os.listdir(folder))},
        **details,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def _files(names: Container[str]) -> tuple[str, ...]:
    """Those of `names` that are files of an artifact; `REST` has the weights that are not in the
    program.
    """
    return tuple(name for name in (PROGRAM, *OPENVINO, PROBE, REST) if name in names)


def _note(key: str) -> Path:
    return root() / f"{key}-tf{version('tensorflow')}.graph"


def _folder(key: str) -> Path:
    return root() / f"{key}-tf{version('tensorflow')}"
