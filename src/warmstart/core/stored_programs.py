"""Compiled programs in the cache and the files derived from them, to count and to remove."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from warmstart import catalog
from warmstart.atomic import remove_abandoned
from warmstart.checkpoints.file_names import RECORD
from warmstart.core import bundle
from warmstart.core.calibration import LATEST
from warmstart.core.resolver import find_folder
from warmstart.counts import counted
from warmstart.engines import onnxruntime, openvino_cache, store
from warmstart.engines.choose import MEASURED
from warmstart.errors import EngineError, WarmstartError
from warmstart.hub import sources
from warmstart.hub.files import read_json, writing


@dataclass(frozen=True)
class StoredPrograms:
    """Compiled programs, and the files derived from them.

    Attributes:
        artifacts: folders of the artifact store.
        networks: files that OpenVINO compiled, without their records.
        onnx: programs that were converted to ONNX, without their records.
        digests: the sha256 of the programs of `artifacts`.
    """

    artifacts: tuple[Path, ...] = ()
    networks: tuple[Path, ...] = ()
    onnx: tuple[Path, ...] = ()
    digests: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.artifacts or self.networks or self.onnx)

    def __str__(self) -> str:
        counts = (
            (len(self.artifacts), "compiled program", ""),
            (len(self.networks), "network of OpenVINO", "networks of OpenVINO"),
            (len(self.onnx), "ONNX file", ""),
        )
        return ", ".join(counted(*count) for count in counts if count[0])

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self._files() if path.is_file())

    def _files(self) -> Iterator[Path]:
        for folder in self.artifacts:
            yield from folder.iterdir()
        for path in (*self.networks, *self.onnx):
            yield from (path, path.with_suffix(".json"))

    def remove(self) -> None:
        """Remove them, and what refers to them.

        Raises:
            CacheError: a file cannot be removed.
        """
        for folder in self.artifacts:
            with writing(folder.parent):
                shutil.rmtree(folder)
        for path in (*self.networks, *self.onnx):
            with writing(path.parent):
                path.unlink(missing_ok=True)
                path.with_suffix(".json").unlink(missing_ok=True)
        names = [path.name for path in store.folders()]
        keys = [name.partition("-")[0] for name in names]
        for note in store.root().glob("*.graph"):
            with writing(note.parent):
                if note.read_text("utf-8").strip() not in names:
                    note.unlink()
        latest = LATEST.read()
        LATEST.filter(lambda key: latest.get(key) in keys)
        starts = tuple(digest[:20] for digest in self.digests)  # of the keys of times
        MEASURED.filter(lambda key: not key.startswith(starts))


def stored_programs(pattern: str = "*", weights: Collection[str] = ()) -> StoredPrograms:
    """The stored programs of a model.

    Args:
        pattern: the name of a model or the folder of its bundle; "*" for all programs.
        weights: further sha256 of weights.
    """
    networks = sorted(openvino_cache.folder().glob("*.blob"))
    if pattern == "*":
        artifacts = store.folders()
        onnx = sorted(onnxruntime.folder().glob("*.onnx"))
        return StoredPrograms(tuple(artifacts), tuple(networks), tuple(onnx), _digests(artifacts))
    name, own_weights, own_programs = _of_model(pattern)
    chosen = [*weights, *own_weights]
    artifacts = []
    for folder in store.folders():
        record = read_json(folder / RECORD) or {}
        if record.get("model", "") == name or record.get("weights") in chosen:
            artifacts.append(folder)
    digests = _digests(artifacts) | own_programs
    return StoredPrograms(
        tuple(artifacts),
        tuple(path for path in networks if openvino_cache.program_of(path) in digests),
        tuple(path for path in map(onnxruntime.path_of, sorted(digests)) if path.is_file()),
        digests,
    )


def remove_unfinished() -> None:
    """Remove the unfinished programs of processes that were killed."""
    for parent in (store.root(), onnxruntime.folder()):
        remove_abandoned(parent, store.UNFINISHED)


def _of_model(pattern: str) -> tuple[str | None, list[str], frozenset[str]]:
    """The name of a model, the sha256 of its weights, and those of the programs of its bundle, as
    far as they are known without going online.
    """
    name: str | None = None
    folder: Path | None = None
    weights: list[str] = []
    programs: frozenset[str] = frozenset()
    if not sources.has_scheme(pattern):
        with contextlib.suppress(WarmstartError):
            name = catalog.get(pattern).name
        with contextlib.suppress(WarmstartError):
            folder = find_folder(pattern)
    if folder is not None and bundle.is_bundle(folder):
        programs = _digests([folder / "artifacts" / precision for precision in ("float32", "int8")])
        with contextlib.suppress(WarmstartError):
            weights.append(bundle.read(folder).digest)
    return name, weights, programs


def _digests(artifacts: Iterable[Path]) -> frozenset[str]:
    """The sha256 of the programs of artifacts; damaged ones are left out."""
    digests = set()
    for folder in artifacts:
        with contextlib.suppress(EngineError):
            digests.add(store.Artifact.recorded(folder).sha256)
    return frozenset(digests)
