"""Results of benchmarks: one JSON file for each machine, `results/MACHINE.json`.

    {"machine": {"processor": …, "memory": …},
     "runs": [{"topic": "int8", "part": 1, "day": "2026-11-30", "command": …, "about": {…},
               "versions": {…}, "figures": […]}, …]}

A run is one part of a benchmark, measured in one go; a new run of a part replaces the old one.
`page.py` writes docs/benchmarks.md from these files.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from figures import Figure

FOLDER = Path(__file__).parent / "results"
MACHINE = ("processor", "memory")
SYSTEM = (*MACHINE, "system", "python")
"""The facts that are equal for all runs of a table."""


@dataclass(frozen=True)
class Run:
    """The figures of one part of a benchmark.

    Attributes:
        topic: the section in docs/benchmarks.md.
        part: its number within the benchmark.
        day: the date of the measurement, in ISO format.
        command: the command that measured it.
        about: facts about the machine and the run.
        versions: the versions of the packages.
        figures: the figures of this part.
    """

    topic: str
    part: int
    day: str
    command: str
    about: Mapping[str, str]
    versions: Mapping[str, str]
    figures: tuple[Figure, ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Run:
        return cls(**{**data, "figures": tuple(map(Figure.from_dict, data["figures"]))})

    @property
    def origin(self) -> tuple[str, ...]:
        """The machine and the day; a table never mixes two of them."""
        return (self.day, *(self.about.get(name, "") for name in SYSTEM))

    @property
    def machine(self) -> str:
        """The processor and its cores, in a few words."""
        processor, _, rest = self.about["processor"].partition(" (")
        return f"{processor}, {rest.rpartition(', ')[2].removesuffix(' usable')}"


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--results`."""
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="add the figures to the file of this machine in this folder",
    )


def save(
    options: argparse.Namespace,
    topic: str,
    figures: Sequence[Figure],
    about: Mapping[str, str],
    versions: Mapping[str, str],
) -> None:
    """Add the figures of a benchmark, if `--results` names a folder.

    Args:
        options: the options of the command line.
        topic: the section in docs/benchmarks.md.
        figures: those of one part or more.
        about: `measure.machine()`, and further facts about the run.
        versions: the versions of the packages.
    """
    if options.results is None:
        return
    day = datetime.date.today().isoformat()
    runs = {
        part: Run(topic, part, day, _command(), about, versions, ())
        for part in sorted({figure.part for figure in figures})
    }
    runs = {
        part: replace(run, figures=tuple(f for f in figures if f.part == part))
        for part, run in runs.items()
    }
    add(path_of(options.results, about), runs.values())


def add(path: Path, runs: Any) -> None:
    """Add runs to the file of a machine; each replaces an earlier run of the same part."""
    merged = {(run.topic, run.part): run for run in [*read(path), *runs]}
    ordered = [merged[key] for key in sorted(merged)]
    machine = {name: ordered[0].about[name] for name in MACHINE}
    content = {"machine": machine, "runs": [asdict(run) for run in ordered]}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    temporary.replace(path)


def path_of(folder: Path, about: Mapping[str, str]) -> Path:
    """The file of a machine, named after its processor and memory."""
    words = " ".join(about[name].replace("usable", "") for name in MACHINE)
    return folder / f"{re.sub(r'[^a-z0-9]+', '-', words.lower()).strip('-')}.json"


def read(path: Path) -> list[Run]:
    """The runs of one machine."""
    if not path.is_file():
        return []
    return [Run.from_dict(run) for run in json.loads(path.read_text("utf-8"))["runs"]]


def read_all(folder: Path = FOLDER) -> Iterator[Run]:
    """The runs of all machines."""
    for path in sorted(folder.glob("*.json")):
        yield from read(path)


def _command() -> str:
    """The command of this process; paths are reduced to their names."""
    script, *arguments = sys.argv
    shown, skip = [], False
    for argument in arguments:
        if skip or argument == "--results":
            skip = not skip
            continue
        shown.append(Path(argument).name if os.sep in argument else argument)
    return shlex.join(["python", f"benchmarks/{Path(script).name}", *shown])
