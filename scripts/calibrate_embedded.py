"""Measure the models that ship in the package in int8, and add the programs that are faster and as accurate.

    python scripts/calibrate_embedded.py ../shared/data                            # a table of all of them
    python scripts/calibrate_embedded.py ../shared/data --only bccd_fcos --add

All programs run on LiteRT; NNCF must not be installed, because its program for OpenVINO would double the size. A
program is added if it takes at most 0.97 of the time of float32 on this machine, if it agrees with float32 on inputs
that were not used for calibration, if no metric falls by more than 0.01, and if all embedded models stay small enough.
The section "int8" of the card has what was measured. The scripts that make a bundle write it without this program: run
this one again after them. Needs `warmstart[tensorflow]`.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import warmstart as ws
from embedded_cases import CASES, Case
from warmstart.catalog.queries import EMBEDDED
from warmstart.core import bundle
from warmstart.engines.calibration_record import FloatRecord
from warmstart.engines.choose import CLEARLY_FASTER
from warmstart.engines.store import Artifact
from warmstart.errors import CompileError, is_installed

LOST = 0.01
"""The most that a metric may fall."""
ROUNDS = 40
ROUND_SECONDS = 0.4
LARGEST = 20_000_000
"""Bytes of all embedded models."""
SECTION = re.compile(r"\n## int8\n.*\Z", re.DOTALL)


@dataclass(frozen=True)
class Measured:
    """A model in int8, compared with itself in float32.

    Attributes:
        small: the model in int8.
        ratio: its time relative to float32, the median over the rounds.
        milliseconds: of one call, by precision, the median over the rounds.
        agreement: with float32, on other inputs than those of the calibration.
        before, after: metrics of float32 and of int8, on the same inputs.
    """

    small: Any
    ratio: float
    milliseconds: Mapping[str, float]
    agreement: float | None
    before: Mapping[str, float]
    after: Mapping[str, float]

    @property
    def lost(self) -> float:
        return max(self.before[name] - self.after[name] for name in self.before)

    @property
    def row(self) -> str:
        """A row of the table in docs/engines.md."""
        record = self.small.artifact.calibration
        activations = "quantised at run time"
        if record is not None and record.float_layers is not None:
            activations = f"calibrated, {record.float_layers} layers in float32"
        agreement = "-" if self.agreement is None else f"{self.agreement:.1%}"
        metrics = "; ".join(
            f"{name} {value:.3f} → {self.after[name]:.3f}" for name, value in self.before.items()
        )
        times = f"{self.milliseconds['float32']:.2f} | {self.milliseconds['int8']:.2f}"
        return (
            f"| `{self.small.name}` | {activations} | "
            f"{times} | {self.ratio:.2f} | {agreement} | {metrics} |"
        )


def measured(name: str, case: Case, data: Path, least: float) -> Measured:
    """Compile or calibrate a model in int8, and compare it with float32.

    Raises:
        CompileError: no program reaches the requested agreement.
    """
    exact = ws.load(name, engine="litert")
    options: dict[str, Any] = {}
    if case.calibration is not None:
        options = {"calibration": case.calibration(data), "agreement": least}
    small = ws.load(name, engine="litert", precision="int8", **options)
    ratio, milliseconds = compared(exact, small, case.call or on_program)
    before, after = (case.evaluate(model, data) for model in (exact, small))
    agreement = case.agreement and case.agreement(exact, small, data)
    return Measured(small, ratio, milliseconds, agreement, before, after)


def on_program(model: Any) -> Any:
    """One call of a model's program on a probe input."""
    probe = model.engine.signatures["forward"].probe(size=1)
    inputs = {name: np.ascontiguousarray(array) for name, array in probe.items()}
    return model.engine.run("forward", **inputs)


def compared(
    exact: Any, small: Any, call: Callable[[Any], Any]
) -> tuple[float, Mapping[str, float]]:
    """The time of int8 relative to float32, and the milliseconds of both; see `Measured`.

    They take turns, and each round is compared by its medians: other programs on the machine slow
    both.
    """
    models = {"float32": exact, "int8": small}
    rounds: dict[str, list[float]] = {name: [] for name in models}
    for number in range(ROUNDS):
        for name in sorted(models, reverse=bool(number % 2)):
            times: list[float] = []
            call(models[name])  # warm up after the other one
            end = time.perf_counter() + ROUND_SECONDS
            while len(times) < 3 or time.perf_counter() < end:
                start = time.perf_counter()
                call(models[name])
                times.append((time.perf_counter() - start) * 1e3)
            rounds[name].append(statistics.median(times))
    ratios = [b / a for a, b in zip(rounds["float32"], rounds["int8"], strict=True)]
    milliseconds = {name: statistics.median(times) for name, times in rounds.items()}
    return statistics.median(ratios), milliseconds


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def add(found: Measured, least: float) -> None:
    """Put the program into the bundle, if it is good enough, and what was measured into the card."""
    name, artifact = found.small.name, found.small.artifact
    target = EMBEDDED / name
    whole = size(EMBEDDED) - size(target / "artifacts" / "int8") + size(artifact.folder)
    is_good = (
        found.ratio <= CLEARLY_FASTER and found.lost <= LOST and (found.agreement or 0) >= least
    )
    if not is_good or whole > LARGEST:
        print(f"{name}: not added; all embedded models would take {whole:,} bytes")
        return
    times = {**artifact.calibration.milliseconds, "float32": found.milliseconds["float32"]}
    times["litert"] = found.milliseconds["int8"]
    rounded = {precision: round(ms, 3) for precision, ms in times.items()}
    record = dataclasses.replace(
        artifact.calibration, milliseconds=rounded, float32=FloatRecord("litert")
    )
    artifact = Artifact(artifact.folder, {**artifact.record, "calibration": record.to_dict()})
    weights = ws.load(name).weights.digest
    with tempfile.TemporaryDirectory(dir=target / "artifacts") as temporary:
        folder = Path(temporary) / "int8"
        bundle.write_int8(folder, artifact, name, weights)
        shutil.rmtree(target / "artifacts" / "int8", ignore_errors=True)
        folder.rename(target / "artifacts" / "int8")
    metrics = "; ".join(
        f"{metric} {found.after[metric]:.3f}, float32 {value:.3f}"
        for metric, value in found.before.items()
    )
    card = target / "README.md"
    text = SECTION.sub("\n", card.read_text("utf-8")).rstrip()
    card.write_text(
        f"{text}\n\n## int8\n\n{record} On further inputs: agreement {found.agreement:.1%}; {metrics}. "
        "`scripts/calibrate_embedded.py` made this program.\n",
        "utf-8",
    )
    print(f"{name}: added; all embedded models take {size(EMBEDDED):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of real data")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="NAME")
    parser.add_argument("--agreement", type=float, default=0.99)
    parser.add_argument("--add", action="store_true", help="put good programs into the bundles")
    options = parser.parse_args()
    if is_installed("nncf"):
        parser.error("NNCF is installed; use an environment without it")
    print("| model | activations | float32, ms | int8, ms | ratio | agreement | metrics |")
    print("|---|---|--:|--:|--:|--:|---|")
    for name in options.only:
        try:
            found = measured(name, CASES[name], options.data, options.agreement)
        except CompileError as error:
            print(f"| `{name}` | {error} |", flush=True)
            continue
        print(found.row, flush=True)
        if options.add and found.small.artifact.calibration is not None:
            add(found, options.agreement)


if __name__ == "__main__":
    main()
