"""Settings of all parts of a benchmark."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import usable_cpus
from workers import Worker

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """The settings of all parts.

    Attributes:
        script: of the workers.
        environment: of every process that is measured; has `WARMSTART_HOME`.
        scratch: a folder for converted models and copies of photos.
        models: for latency.
        photo: one photo for start-up and latency.
        photos: a folder of photos named `wnid_label.JPEG`, or None if there is none.
        weights: the real checkpoint for parity, or None.
        cifar10: CIFAR-10's test photos as a zip of class folders, or None.
        rounds, seconds: of `measure.turns`.
        processes: repeats of whole processes.
        jpegs: photos of an end-to-end run.
        batch_size: of end-to-end runs.
        compared, tiny: number of photos for comparing engines; the latter of CIFAR-10.
    """

    script: Path
    environment: Mapping[str, str]
    scratch: Path
    models: tuple[str, ...]
    photo: Path
    photos: Path | None
    weights: Path | None
    cifar10: Path | None
    rounds: int
    seconds: float
    processes: int
    jpegs: int
    batch_size: int
    compared: int
    tiny: int

    def worker(self, kind: str, **job: Any) -> Worker:
        return Worker(self.script, self.environment, kind=kind, threads=usable_cpus(), **job)


def log(text: str) -> None:
    """Write a line on the progress of a benchmark to standard error."""
    print(f"  … {text}", file=sys.stderr, flush=True)
