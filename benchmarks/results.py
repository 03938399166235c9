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
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from figures import Figure, summary, text_table
from measure import machine, versions

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


@dataclass
class Session:
    """One call of a benchmark's script.

    Attributes:
        scratch: an empty folder, which is removed afterwards.
        home: `WARMSTART_HOME` of the processes that are measured.
        about: facts about the machine and the run; a benchmark may add some.
        versions: the versions of the packages; a benchmark adds those of its peers.
    """

    scratch: Path
    home: Path
    about: dict[str, str]
    versions: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the processes that are measured."""
        environment = {
            **os.environ,
            "WARMSTART_HOME": str(self.home),
            "WARMSTART_FIRST_CALL": "wait",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_BACKEND": "tensorflow",
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have bytecode
        return environment


def run(
    topic: str,
    options: argparse.Namespace,
    measure: Callable[[Session], Iterable[Figure]],
    *,
    is_timed: bool = True,
) -> list[Figure]:
    """Measure a benchmark: print each figure when it is measured and the table at the end, and save
    them. Parts that crashed are not saved.

    Args:
        topic: the section in docs/benchmarks.md.
        options: the options of the command line.
        measure: yields the figures.
        is_timed: whether to record the duration; not if earlier results are only shown again.

    Returns:
        The figures, in the order of their parts.
    """
    about, start = dict(machine()), time.perf_counter()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="warmstart-benchmark-") as folder:
        scratch = Path(folder)
        home = getattr(options, "home", None) or scratch / "home"
        session = Session(scratch, home.resolve(), about, versions())
        for figure in measure(session):
            figures.append(figure)
            line = f"    {figure.what}: {figure.shown} {figure.bar_shown} {figure.verdict}"
            print(line.rstrip(), file=sys.stderr, flush=True)
    if is_timed:
        about["duration of the run"] = f"{(time.perf_counter() - start) / 60:.0f} minutes"
    figures.sort(key=lambda figure: figure.part)
    print(text_table(figures) + "\n\n" + summary(figures))
    crashed = {figure.part for figure in figures if figure.is_crash}
    whole = [figure for figure in figures if figure.part not in crashed]
    save(options, topic, whole, about, session.versions)
    return figures


def add_home(parser: argparse.ArgumentParser) -> None:
    """Add `--home`."""
    parser.add_argument(
        "--home",
        type=Path,
        metavar="FOLDER",
        help="WARMSTART_HOME, to keep compiled models between runs; default: a new one",
    )


def add_parts(parser: argparse.ArgumentParser, parts: Mapping[int, Any]) -> None:
    """Add `--only`: the parts to run, which `run_parts` runs.

    Args:
        parser: of the command line.
        parts: by their numbers: their titles, or the functions that measure them.
    """

    def numbers(text: str) -> list[int]:
        chosen = sorted({int(part) for part in text.split(",")})
        if not set(chosen) <= set(parts):
            raise argparse.ArgumentTypeError(f"parts are {min(parts)} to {max(parts)}")
        return chosen

    titles = (
        f"{number} {getattr(part, '__name__', part)}".replace("_", " ")
        for number, part in parts.items()
    )
    parser.add_argument(
        "--only",
        type=numbers,
        default=list(parts),
        metavar="1,3",
        help=f"parts to run: {'; '.join(titles)}",
    )


def run_parts(
    parts: Mapping[int, Callable[..., Iterable[Figure]]],
    options: argparse.Namespace,
    *arguments: Any,
) -> Iterator[Figure]:
    """The figures of the parts of `--only`; each is called with `arguments`."""
    for part in options.only:
        yield from parts[part](*arguments)


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
    """Add the figures of a benchmark, if there are any and `--results` names a folder.

    Args:
        options: the options of the command line.
        topic: the section in docs/benchmarks.md.
        figures: those of one part or more.
        about: `measure.machine()`, and further facts about the run.
        versions: the versions of the packages.
    """
    if options.results is None or not figures:
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
