"""Compiled networks of OpenVINO on disk, so that a process need not read, rewrite and compile a
program again.

    $WARMSTART_HOME/openvino/<key>.blob   a network, as OpenVINO exports it
    $WARMSTART_HOME/openvino/<key>.json   its record: the key, and the sha256 of the network

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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from warmstart import log
from warmstart.atomic import atomic_file
from warmstart.digests import sha256_of
from warmstart.engines import machine
from warmstart.hub import home
from warmstart.hub.known_digests import known_sha256_of

FORMAT = 1  # increment it when the meaning of a file changes
REWRITE = Path(__file__).with_name("openvino_graph.py")
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

        path = self._path(shapes)
        try:
            record = json.loads(path.with_suffix(".json").read_text("utf-8"))
            if record != {"key": path.stem, "sha256": known_sha256_of(path)}:
                raise ValueError("it does not match its record")
            with open(path, "rb") as file:
                memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
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
        path = self._path(shapes)
        try:
            stream = io.BytesIO()
            compiled.export_model(stream)
            with atomic_file(path, sync=False) as file:
                file.write(stream.getbuffer())
            record = {"key": path.stem, "sha256": sha256_of(path)}
            with atomic_file(path.with_suffix(".json"), sync=False) as file:
                file.write(json.dumps(record).encode())
        except (OSError, RuntimeError) as error:
            log.info("%s cannot be stored: %s", path, error)
            return False
        return True

    def _path(self, shapes: Mapping[str, Any]) -> Path:
        parts = {
            "format": FORMAT,
            "program": self.program,
            "shapes": shapes,
            "settings": self.settings,
            "openvino": machine.version("openvino"),
            "processor": machine.instruction_sets(),
            "rewrite": sha256_of(REWRITE),
        }
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]
        return home() / "openvino" / f"{key}.blob"
