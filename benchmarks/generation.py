"""GPT-2 small, random weights: 128 new tokens after a prompt of 16, against transformers and
KerasHub.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/generation.py --tokenizer gpt2/tokenizer.json

All choose the likeliest token, one text at a time, from token ids to token ids; they are measured
in turns. With `--prompts 20` warmstart and transformers also write 200 tokens after each of so many
prompts, which must be the same. `--reference` names another Python for transformers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import results
from figures import Figure, summary, text_table
from measure import machine, ratio, versions
from workers import Worker

SCRIPT = Path(__file__).with_name("generation_peers.py")
BARS = {"float32": 1.6, "int8": 3.5}


def run(options: argparse.Namespace, scratch: Path) -> tuple[list[Figure], dict[str, str]]:
    environment = {
        **os.environ,
        "WARMSTART_HOME": str(options.home or scratch / "home"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
    }
    folder = scratch / "gpt2"
    folder.mkdir()
    job = {
        "folder": str(folder),
        "tokenizer": str(options.tokenizer),
        "tokens": options.tokens,
        "prompt": 16,
        "prompts": options.prompts,
        "long": options.long,
    }
    with contextlib.ExitStack() as stack:

        def start(kind: str, python: str = sys.executable, **more: Any) -> Worker:
            print(f"  … {kind} {' '.join(more.values())}", file=sys.stderr, flush=True)
            return stack.enter_context(
                Worker(SCRIPT, environment, python=python, kind=kind, **job, **more)
            )

        workers = {"transformers": start("transformers", options.reference)}
        workers |= {precision: start("warmstart", precision=precision) for precision in BARS}
        if not options.no_keras_hub:
            workers["KerasHub"] = start("keras_hub")
        values = in_turns(workers, options.rounds)
        info = {name: worker.info for name, worker in workers.items()}
    speed = {
        name: statistics.median(options.tokens / seconds for seconds in times)
        for name, times in values.items()
    }
    note = ", ".join(f"{name} {each:.1f}" for name, each in speed.items())
    note = f"tokens per second, medians of {options.rounds} rounds: {note}; {info['transformers']['threads']} threads"
    figures = [
        Figure(
            1,
            f"{options.tokens} tokens, {precision}: speed relative to {peer}",
            ratio(values[peer], values[precision]),
            bar=BARS[precision] if peer == "transformers" or precision == "float32" else None,
            at_least=True,
            note=note,
            values={f"warmstart, {precision}": speed[precision], peer: speed[peer]},
            values_unit="per second",
        )
        for precision in BARS
        for peer in ("transformers", "KerasHub")
        if peer in values
    ]
    if options.prompts:
        said = info["float32"]
        gaps = (
            f"; where they part, the two logits differ by {max(said['gaps']):.1e} at most"
            if said["gaps"]
            else ""
        )
        figures.append(
            Figure(
                2,
                f"prompts after which all {options.long} greedy tokens are those of transformers",
                said["same"] / options.prompts,
                "share",
                bar=1.0,
                at_least=True,
                note=f"{said['same']} of {options.prompts}{gaps}",
            )
        )
    facts = {name: str(info["transformers"][name]) for name in ("torch", "transformers")}
    return figures, facts | (
        {"keras-hub": info["KerasHub"]["keras_hub"]} if "KerasHub" in info else {}
    )


def in_turns(workers: Mapping[str, Worker], rounds: int) -> dict[str, list[float]]:
    """Seconds of one call per worker and round; each round begins with another one."""
    names = list(workers)
    values: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):  # the first warms up
        for name in names[number % len(names) :] + names[: number % len(names)]:
            (milliseconds,) = workers[name].time("call", 1, warm=False)
            if number:
                values[name].append(milliseconds / 1e3)
                print(f"    {name}: {milliseconds / 1e3:.2f} s", file=sys.stderr, flush=True)
    return values


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tokenizer", type=Path, required=True, help="the tokenizer.json of GPT-2")
    parser.add_argument(
        "--reference",
        default=sys.executable,
        metavar="PYTHON",
        help="a Python that has torch and transformers",
    )
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--prompts", type=int, default=0, help="compare so many texts token by token"
    )
    parser.add_argument("--long", type=int, default=200, help="tokens of each of these texts")
    parser.add_argument("--no-keras-hub", action="store_true", help="leave this peer out")
    parser.add_argument(
        "--home", type=Path, help="WARMSTART_HOME, to keep compiled models between runs"
    )
    results.add_option(parser)
    options = parser.parse_args(argv)
    facts, used, start = machine(), versions(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="warmstart-benchmark-") as scratch:
        figures, more = run(options, Path(scratch))
    facts["duration of the run"] = f"{(time.perf_counter() - start) / 60:.0f} minutes"
    print(text_table(figures) + "\n\n" + summary(figures))
    results.save(options, "generation", figures, facts, used | more)
    return 0


if __name__ == "__main__":
    sys.exit(main())
