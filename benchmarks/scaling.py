"""How time grows with the batch, the length, the cores and the number of inputs; start-up and memory.
MobileNetV2 against timm, Keras, ONNX Runtime and OpenVINO, and all-MiniLM-L6-v2 against
sentence-transformers and ONNX Runtime, in turns.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/peers.py .venv-peers
    python benchmarks/scaling.py --photos photos/ --sentences dev.tsv --peers .venv-peers

Parts: 1 photos, 2 sentences. Each goes from files or texts to results, all in float32. MobileNetV2
has random weights, of each tool its own; MiniLM the real ones.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import results
from figures import Figure, compared
from measure import usable_cpus
from peers import python_of
from race import Race, Times, memory
from results import Session
from settings import log
from workers import Worker

SCRIPT = Path(__file__).with_name("scaling_peers.py")
CALLS, MANY = 5, 64
"""Calls of a round, whose median counts, as the first is slower after another tool had the
processor; one call for more than so many inputs.
"""
CORES_INPUTS = 32
"""The inputs of a call on 1 core, and on all."""
SAME = 0.9999
"""The least cosine of the vectors of two tools for one sentence."""


@dataclass(frozen=True)
class Sweep:
    """Calls that differ in one number.

    Attributes:
        call: their name in the processes.
        axis: what the number is.
        points: the numbers.
        inputs: of a call with the number n: `"n"`, or a fixed number.
    """

    call: str
    axis: str
    points: tuple[int, ...]
    inputs: int | None = None

    def rates(self, times: Mapping[int, float]) -> tuple[float, ...]:
        """Inputs per second at each point, from milliseconds."""
        return tuple((self.inputs or n) / times[n] * 1e3 for n in self.points)


@dataclass(frozen=True)
class Subject:
    """A model and the tools that run it.

    Attributes:
        part: of the benchmark.
        name: of the model.
        prepare: kinds of processes that compile and convert, with the environment of each; None is
            this one.
        tools: the kind and the environment of each tool by its name, ours first.
        sweeps: what is measured.
        tokens: of a sentence in a batch.
    """

    part: int
    name: str
    prepare: Mapping[str, str | None]
    tools: Mapping[str, tuple[str, str | None]]
    sweeps: tuple[Sweep, ...]
    tokens: int = 0

    def points(self, call: str) -> list[int]:
        return [n for sweep in self.sweeps if sweep.call == call for n in sweep.points]


SUBJECTS = (
    Subject(
        1,
        "MobileNetV2",
        {"photos_prepare": None},
        {
            "warmstart": ("photos_warmstart", None),
            "timm on PyTorch": ("photos_timm", "timm"),
            "Keras": ("photos_keras", None),
            "ONNX Runtime": ("photos_onnxruntime", None),
            "OpenVINO": ("photos_openvino", None),
        },
        (
            Sweep("batch", "photos in a batch, the network alone", (1, 4, 16, 64)),
            Sweep("inputs", "number of JPEG files", (1, 8, 64, 512)),
        ),
    ),
    Subject(
        2,
        "all-MiniLM-L6-v2",
        {"sentences_prepare": None, "sentences_export": "sentence-transformers"},
        {
            "warmstart": ("sentences_warmstart", None),
            "sentence-transformers": ("sentence_transformers", "sentence-transformers"),
            "ONNX Runtime": ("sentences_onnxruntime", "sentence-transformers"),
        },
        (
            Sweep("batch", "sentences of 32 tokens in a call", (1, 4, 16, 64)),
            Sweep("length", "tokens of a sentence", (16, 64, 128, 256), 1),
            Sweep("inputs", "number of sentences", (1, 8, 64, 512)),
        ),
        32,
    ),
)


class Bench:
    """One run."""

    def __init__(self, options: argparse.Namespace, session: Session):
        self.options = options
        self.environment, self.scratch = session.environment, session.scratch
        self.versions = session.versions

    def measure(self, subject: Subject, inputs: Sequence[str]) -> Iterator[Figure]:
        job: dict[str, Any] = {"folder": str(self.scratch), "inputs": list(inputs), "cores": 0}
        job |= {"tokens": subject.tokens, "batches": subject.points("batch")}
        job |= {"lengths": subject.points("length"), "counts": subject.points("inputs")}
        for kind, environment in subject.prepare.items():
            log(f"{subject.name}: {kind}")
            with self._worker(kind, environment, job) as worker:
                job |= {name: worker.info[name] for name in ("minilm",) if name in worker.info}
        with ExitStack() as stack:
            race = self._race(stack, subject, job)
            for sweep in subject.sweeps:
                yield self._sweep(subject, sweep, race)
            yield memory(subject.part, f"{subject.name}, all of these", race, list(race.workers))
            yield self._cores(subject, race, job)
        yield self._start_up(subject, list(race.workers), job)

    def _worker(self, kind: str, environment: str | None, job: Mapping[str, Any]) -> Worker:
        peers = self.options.peers
        python = str(python_of(peers, environment)) if environment else sys.executable
        return Worker(SCRIPT, self.environment, python=python, kind=kind, **job)

    def _race(self, stack: ExitStack, subject: Subject, job: Mapping[str, Any]) -> Race:
        race = Race(stack)
        for name, (kind, environment) in subject.tools.items():
            race.add(name, lambda k=kind, e=environment: self._worker(k, e, job))
            if name in race.workers:
                self.versions.update(race.workers[name].info["versions"])
        vectors = {name: worker.info.get("vector") for name, worker in race.workers.items()}
        ours = next(iter(vectors.values()))
        for name, vector in vectors.items():
            if ours is not None and (cosine := float(np.dot(ours, vector))) < SAME:
                race.workers.pop(name)
                race.missing[name] = f"its vectors differ, cosine {cosine:.5f}"
        return race

    def _sweep(self, subject: Subject, sweep: Sweep, race: Race) -> Figure:
        log(f"{subject.name}: {sweep.axis}")
        times: dict[str, dict[int, Times]] = {name: {} for name in race.workers}
        for n in sweep.points:
            calls = CALLS if n <= MANY else 1
            for name, values in race.times(f"{sweep.call} {n}", self.options.rounds, calls).items():
                times[name][n] = values
        rates = {
            name: sweep.rates({n: statistics.median(values) for n, values in value.items()})
            for name, value in times.items()
        }
        return curve(subject, sweep.axis, sweep.points, rates, race.left_out)

    def _cores(self, subject: Subject, race: Race, job: Mapping[str, Any]) -> Figure:
        """A call on one core, and on all."""
        log(f"{subject.name}: cores")
        call, rates = f"inputs {CORES_INPUTS}", {}
        used = {**job, "batches": [], "lengths": [], "counts": [CORES_INPUTS]}
        points = tuple(sorted({1, usable_cpus()}))
        for cores in points:
            with ExitStack() as stack:
                limited = self._race(stack, subject, {**used, "cores": cores})
                for name, each in limited.times(call, self.options.rounds).items():
                    rate = CORES_INPUTS / statistics.median(each) * 1e3
                    rates[name] = (*rates.get(name, ()), rate)
        whole = {name: each for name, each in rates.items() if len(each) == len(points)}
        axis = f"cores, {CORES_INPUTS} inputs in a call"
        return curve(subject, axis, points, whole, race.left_out)

    def _start_up(self, subject: Subject, names: list[str], job: Mapping[str, Any]) -> Figure:
        """From the start of a process to its first result; everything was compiled before."""
        log(f"{subject.name}: start-up")
        used = {**job, "batches": [], "lengths": [], "counts": [1]}
        times: dict[str, list[float]] = {name: [] for name in names}
        for number in range(self.options.rounds + 1):
            for name in names:
                kind, environment = subject.tools[name]
                start = time.perf_counter()
                with self._worker(kind, environment, used) as worker:
                    worker.time("inputs 1", 1, warm=False)
                    elapsed = time.perf_counter() - start
                if number:
                    times[name].append(elapsed * 1e3)
        best = min(names[1:], key=lambda name: statistics.median(times[name]))
        what = f"{subject.name}: start of a process to its first result, against {best}"
        return compared(subject.part, what, times, best, bar=1.0)


def curve(
    subject: Subject,
    axis: str,
    points: tuple[int, ...],
    rates: Mapping[str, tuple[float, ...]],
    left_out: str,
) -> Figure:
    """The rates of all tools, and the least one of ours relative to the best of the others."""
    ours, *peers = rates
    ratios = {
        n: rates[ours][index] / max(rates[peer][index] for peer in peers)
        for index, n in enumerate(points)
    }
    worst = min(ratios, key=lambda n: ratios[n])
    shown = ", ".join(f"{n}: {ratio:.2f}" for n, ratio in ratios.items())
    return Figure(
        subject.part,
        f"{subject.name}, {axis}: least speed relative to the best of the others",
        ratios[worst],
        bar=1.0,
        at_least=True,
        note=f"at {shown}{left_out}",
        values_unit="per second",
        axis=axis,
        points=points,
        curves=rates,
    )


def inputs_of(subject: Subject, options: argparse.Namespace) -> list[str]:
    if subject.part == 1:
        return sorted(map(str, options.photos.glob("*.JPEG")))
    lines = options.sentences.read_text("utf-8").splitlines()
    return [line.rpartition("\t")[0] for line in lines if line.strip()]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder of *.JPEG")
    parser.add_argument("--sentences", type=Path, required=True, help="a file of SST-2")
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-peers"), help="the environments of peers.py"
    )
    subjects = {subject.part: subject for subject in SUBJECTS}
    results.add_parts(parser, {part: subject.name for part, subject in subjects.items()})
    parser.add_argument("--rounds", type=int, default=3)
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)

    def measure(session: Session) -> Iterator[Figure]:
        bench = Bench(options, session)
        for part in options.only:
            yield from bench.measure(subjects[part], inputs_of(subjects[part], options))

    results.run("scaling", options, measure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
