"""Whisper base, real weights: up to half a minute of speech to text, in float32, bfloat16 and int8,
against faster-whisper and transformers.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/peers.py .venv-peers
    python benchmarks/whisper.py whisper-base talk.flac --peers .venv-peers

`whisper-base` is a folder in the layout of `hf://openai/whisper-base`. All are given the same
samples, compute the features, encode, and decode greedily with the rules of Whisper, without
timestamps; they are measured in turns. In bfloat16, which faster-whisper does not compute in on CPUs,
the peers and warmstart itself are in float32. Parts: 1 time, 2 the same text as transformers, 3 memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import results
from figures import Figure
from measure import usable_cpus
from peers import python_of
from race import Race, Times, memory, speeds
from results import Session
from warmstart.speech import audio
from workers import Worker

SCRIPT = Path(__file__).with_name("whisper_peers.py")
PRECISIONS = ("float32", "int8")
OURS = ("float32", "bfloat16", "int8")
BARS = {"transformers": 1.6}
RATE, LONGEST = 16_000, 30


def measure(options: argparse.Namespace, session: Session) -> list[Figure]:
    samples = np.concatenate([audio.decode(r, sample_rate=RATE) for r in options.recordings])
    samples = samples[: LONGEST * RATE]
    np.save(session.scratch / "samples.npy", samples)
    job = {"whisper": str(options.whisper.resolve()), "folder": str(session.scratch)}

    def worker(kind: str, environment_of: str | None = None, **more: Any) -> Any:
        python = str(python_of(options.peers, environment_of)) if environment_of else sys.executable
        return lambda: Worker(SCRIPT, session.environment, python=python, kind=kind, **job, **more)

    with ExitStack() as stack:
        race = Race(stack)
        for precision in OURS:
            ours = worker("warmstart", precision=precision)
            race.add(f"warmstart, {precision}", ours, converts=True)
        race.add("transformers", worker("transformers", "pytorch"))
        for precision in PRECISIONS:
            peer = worker("faster_whisper", "faster-whisper", precision=precision)
            race.add(f"faster-whisper, {precision}", peer, converts=True)
        times = race.times("call", options.rounds)
        parts = {
            what: statistics.median(race.times(what, options.rounds)["warmstart, float32"]) / 1e3
            for what in ("features", "encode")
        }
        info = {name: each.info for name, each in race.workers.items()}
        figures = []
        for precision in OURS:
            if f"warmstart, {precision}" not in times:
                continue  # the processor does not compute in it
            tools = _tools(times, precision)
            note = f"{usable_cpus()} threads; {options.rounds} rounds{race.left_out}"
            if precision == "float32":
                note += f"; features {parts['features']:.3f} s, encoder {parts['encode']:.2f} s"
            figures += speeds(
                1,
                f"{len(samples) / RATE:.0f} s of speech, Whisper base, {precision}",
                {name: times[name] for name in tools},
                len(samples) / RATE,
                bars=BARS,
                note=note,
            )
            figures.append(memory(3, f"Whisper base, {precision}", race, tools))
    if "transformers" in info:
        figures += _same_texts(info)
    for each in info.values():
        session.versions.update(each["versions"])
    return figures


def _tools(times: Times, precision: str) -> list[str]:
    """The tools that are compared in a precision, ours first."""
    compared = "int8" if precision == "int8" else "float32"
    others = [name for name in times if name.endswith(f", {compared}")]
    if compared == "float32" and "transformers" in times:
        others.append("transformers")
    return list(dict.fromkeys([f"warmstart, {precision}", *others]))


def _same_texts(info: dict[str, dict[str, Any]]) -> list[Figure]:
    """Whether each tool writes the text of transformers."""
    expected = info["transformers"]["text"]
    return [
        Figure(
            2,
            f"{name}: the text is that of transformers",
            float(each["text"] == expected),
            "share",
            bar=1.0 if name == "warmstart, float32" else None,
            at_least=True,
            note=f"{info['transformers']['tokens']} tokens",
        )
        for name, each in info.items()
        if name != "transformers"
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("whisper", type=Path, help="the folder of Whisper base")
    parser.add_argument(
        "recordings", type=Path, nargs="+", help="of English; joined, the first 30 seconds"
    )
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-peers"), help="the environments of peers.py"
    )
    parser.add_argument("--rounds", type=int, default=7)
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)
    results.run("whisper", options, partial(measure, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
