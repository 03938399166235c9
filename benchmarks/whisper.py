"""Whisper base, real weights, float32: half a minute of speech to text, against transformers on
PyTorch.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/whisper.py whisper-base talk.flac

`whisper-base` is a folder in the layout of `hf://openai/whisper-base`. Both are given the same
samples, compute the features, encode, and decode greedily with the rules of Whisper; the texts must
be the same. They are measured in turns. `--reference` names another Python for transformers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import results
from figures import Figure, compared, summary, text_table
from measure import machine, turns, versions
from warmstart.speech import audio
from workers import Worker

SCRIPT = Path(__file__).with_name("whisper_peers.py")
BAR = 0.6


RATE, LONGEST = 16_000, 30


def run(options: argparse.Namespace, scratch: Path) -> list[Figure]:
    environment = {
        **os.environ,
        "WARMSTART_HOME": str((options.home or scratch / "home").resolve()),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    samples = np.concatenate([audio.decode(r, sample_rate=RATE) for r in options.recordings])
    np.save(scratch / "samples.npy", samples[: LONGEST * RATE])
    job = {"whisper": str(options.whisper.resolve()), "folder": str(scratch)}
    rounds, reference = options.rounds, options.reference
    with (
        Worker(SCRIPT, environment, python=reference, kind="transformers", **job) as theirs,
        Worker(SCRIPT, environment, kind="warmstart", **job) as ours,
    ):
        timers = {
            "ours": ours.timer("call"),
            "theirs": theirs.timer("call"),
            "our encoder": ours.timer("encode"),
            "their encoder": theirs.timer("encode"),
            "our features": ours.timer("features"),
        }
        values = turns(timers, rounds, options.seconds)
        same = ours.info["text"] == theirs.info["text"]
        threads, torch, tokens = (theirs.info[key] for key in ("threads", "torch", "tokens"))
    s = {name: statistics.median(times) / 1e3 for name, times in values.items()}
    note = (
        f"{s['ours']:.2f} s = features {s['our features']:.3f} + encoder {s['our encoder']:.2f} + decoder; "
        f"transformers {s['theirs']:.2f} s, its encoder {s['their encoder']:.2f}; PyTorch {torch}, {threads} "
        f"threads; medians of {rounds} rounds"
    )
    return [
        compared(
            1,
            f"{len(samples[: LONGEST * RATE]) / RATE:.0f} s of speech to {tokens} tokens, Whisper base, "
            "against transformers on PyTorch",
            {"warmstart": values["ours"], "transformers": values["theirs"]},
            "transformers",
            bar=BAR,
            note=note,
        ),
        compared(
            1,
            "the encoder alone, against the same",
            {"warmstart": values["our encoder"], "transformers": values["their encoder"]},
            "transformers",
        ),
        Figure(2, "the texts are the same", float(same), "share", bar=1.0, at_least=True),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("whisper", type=Path, help="the folder of Whisper base")
    parser.add_argument(
        "recordings", type=Path, nargs="+", help="of English; joined, the first 30 seconds"
    )
    parser.add_argument(
        "--reference",
        default=sys.executable,
        metavar="PYTHON",
        help="a Python that has torch and transformers",
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="about how long each is measured in a round"
    )
    parser.add_argument(
        "--home", type=Path, metavar="DIR", help="keep the compiled program here between runs"
    )
    results.add_option(parser)
    options = parser.parse_args(argv)
    facts, used, start = machine(), versions(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="warmstart-benchmark-") as scratch:
        figures = run(options, Path(scratch))
    facts["duration of the run"] = f"{(time.perf_counter() - start) / 60:.0f} minutes"
    print(text_table(figures) + "\n\n" + summary(figures))
    results.save(options, "whisper", figures, facts, used)
    return 0


if __name__ == "__main__":
    sys.exit(main())
