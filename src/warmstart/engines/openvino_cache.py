"""Compiled networks of OpenVINO on disk, so that a process need not read, rewrite and compile a
program again.

    $WARMSTART_HOME/openvino/<key>.blob   a network, as OpenVINO exports it, or a graph, see
                                          `mapped_constants`
    $WARMSTART_HOME/openvino/<key>.json   its record: the key, the sha256 of the network, and that of
                                          the program

The key is the sha256 of everything that determines a network: the program, the shapes of its
inputs, the settings, the version of OpenVINO, the instruction sets of the processor, and the source that
rewrites networks. A file is written under a temporary name and renamed when it is complete. A
network that does not match its record is ignored and replaced. Networks are loaded from this folder
only, never from a bundle.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import struct
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from warmstart import log
from warmstart.atomic import atomic_file
from warmstart.digests import sha256_of
from warmstart.engines import machine
from warmstart.engines.mapped_files import map_file
from warmstart.hub import home
from warmstart.hub.files import read_json
from warmstart.hub.known_digests import known_sha256_of

SIZE = struct.Struct("<Q")
FORMAT = 1  # increment it when the meaning of a file changes
REWRITE = tuple(
    map(Path(__file__).with_name, ("bfloat16.py", "mapped_constants.py", "openvino_graph.py"))
)
"""The source that rewrites networks."""


@dataclass(frozen=True)
class NetworkCache:
    """The compiled networks of a program.

    Args:
        program: the sha256 of its files.
        settings: of OpenVINO.
    """

    program: str
    settings: Mapping[str, Any]

    def load(self, core: Any, shapes: Mapping[str, Any]) -> tuple[Any, mmap.mmap] | None:
        """A compiled network and the mapped file that has its weights; None if none is valid.

        Args:
            core: of OpenVINO.
            shapes: of the inputs.
        """
        from warmstart.engines.openvino_package import openvino

        try:
            memory = self._read(shapes)
            content = np.frombuffer(memory, np.uint8)
            blob = openvino.Tensor(content, content.shape, openvino.Type.u8)
            return core.import_model(blob, "CPU", dict(self.settings)), memory
        except (OSError, ValueError, RuntimeError) as error:
            log.info(
                "the network of %s is compiled, because none can be loaded: %s", self.program, error
            )
            return None

    def save(self, compiled: Any, shapes: Mapping[str, Any]) -> bool:
        """Store a compiled network; returns whether that was possible."""
        stream = io.BytesIO()
        try:
            compiled.export_model(stream)
        except RuntimeError as error:
            log.info("the network of %s cannot be exported: %s", self.program, error)
            return False
        return self._write(shapes, [stream.getbuffer()])

    def load_graph(self, core: Any, function: str) -> Any:
        """The network of a function, not compiled; None if none is valid."""
        try:
            memory = self._read(function)
            end = SIZE.size + SIZE.unpack_from(memory)[0]
            return core.read_model(memory[SIZE.size : end], memory[end:])
        except (OSError, ValueError, RuntimeError, struct.error) as error:
            log.info("%s is read, because no graph of it can be loaded: %s", self.program, error)
            return None

    def save_graph(self, network: Any, function: str) -> bool:
        """Store the network of a function, not compiled; returns whether that was possible."""
        from warmstart.engines.openvino_package import openvino

        try:
            with tempfile.TemporaryDirectory() as folder:
                xml, constants = Path(folder) / "graph.xml", Path(folder) / "graph.bin"
                openvino.serialize(network, str(xml), str(constants))
                parts = xml.read_bytes(), constants.read_bytes()
        except (OSError, RuntimeError) as error:
            log.info("the graph of %s cannot be written: %s", self.program, error)
            return False
        return self._write(function, [SIZE.pack(len(parts[0])), *parts])

    def _read(self, shapes: Mapping[str, Any] | str) -> mmap.mmap:
        """A stored file, mapped into memory.

        Raises:
            OSError, ValueError: there is none, or it does not match its record.
        """
        path = self._path(shapes)
        record = json.loads(path.with_suffix(".json").read_text("utf-8"))
        if record != self._record(path, known_sha256_of(path)):
            raise ValueError("it does not match its record")
        return map_file(path)

    def _write(self, shapes: Mapping[str, Any] | str, parts: Iterable[bytes | memoryview]) -> bool:
        """Write a file and its record; returns whether that was possible."""
        path = self._path(shapes)
        try:
            with atomic_file(path, sync=False) as file:
                file.writelines(parts)
            record = self._record(path, sha256_of(path))
            with atomic_file(path.with_suffix(".json"), sync=False) as file:
                file.write(json.dumps(record).encode())
        except OSError as error:
            log.info("%s cannot be stored: %s", path, error)
            return False
        return True

    def _record(self, path: Path, sha256: str) -> dict[str, str]:
        return {"key": path.stem, "sha256": sha256, "program": self.program}

    def _path(self, shapes: Mapping[str, Any] | str) -> Path:
        """The file of a compiled network by its shapes, or of a graph by the name of its function."""
        parts = {
            "format": FORMAT,
            "program": self.program,
            "shapes": shapes,
            "settings": self.settings,
            "openvino": machine.version("openvino"),
            "processor": machine.instruction_sets(),
            "rewrite": [sha256_of(source) for source in REWRITE],
        }
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]
        return folder() / f"{key}.blob"


def folder() -> Path:
    """The folder of all networks."""
    return home() / "openvino"


def program_of(network: Path) -> str | None:
    """The sha256 of the program of a network; None if its record does not name it."""
    program = (read_json(network.with_suffix(".json")) or {}).get("program")
    return program if isinstance(program, str) else None
