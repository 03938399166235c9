"""Whisper-tiny's size, random weights, float32: 30 seconds of sound to 100 tokens, against
transformers on PyTorch.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/whisper.py --markdown docs/benchmarks.md

Both are given the same samples, compute the features, encode, and say 100 tokens greedily with the
rules of Whisper; the tokens must be the same. They are measured in turns. `--reference` names
another Python for transformers.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from figures import Figure, markdown, summary, text_table, write_markdown
from measure import machine, ratio, turns, versions
from workers import Worker

SCRIPT = Path(__file__).with_name("whisper_peers.py")
BAR = 0.6


def run(reference: str, tokens: int, rounds: int, seconds: float, scratch: Path) -> list[Figure]:
    environment = {
        **os.environ,
        "WARMSTART_HOME": str(scratch / "home"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    folder = scratch / "whisper"
    folder.mkdir(parents=True, exist_ok=True)
    job = {"folder": str(folder), "tokens": tokens}
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
        values = turns(timers, rounds, seconds)
        same, threads, torch = (
            ours.info["same tokens"],
            theirs.info["threads"],
            theirs.info["torch"],
        )
    s = {name: statistics.median(times) / 1e3 for name, times in values.items()}
    note = (
        f"{s['ours']:.2f} s = features {s['our features']:.3f} + encoder {s['our encoder']:.2f} + decoder; "
        f"transformers {s['theirs']:.2f} s, its encoder {s['their encoder']:.2f}; PyTorch {torch}, {threads} "
        f"threads; medians of {rounds} rounds"
    )
    return [
        Figure(
            1,
            f"30 s of sound to {tokens} tokens, Whisper-tiny's size, against transformers on PyTorch",
            ratio(values["ours"], values["theirs"]),
            bar=BAR,
            note=note,
        ),
        Figure(
            1,
            "the encoder alone, against the same",
            ratio(values["our encoder"], values["their encoder"]),
        ),
        Figure(
            2, f"all {tokens} tokens are the same", float(same), "share", bar=1.0, at_least=True
        ),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--reference",
        default=sys.executable,
        metavar="PYTHON",
        help="a Python that has torch and transformers",
    )
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="about how long each is measured in a round"
    )
    parser.add_argument(
        "--home", type=Path, metavar="DIR", help="keep the compiled program here between runs"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table between the marker lines"
    )
    options = parser.parse_args(argv)
    told, used, start = machine(), versions(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="warmstart-benchmark-") as scratch:
        home = options.home.resolve() if options.home else Path(scratch)
        figures = run(options.reference, options.tokens, options.rounds, options.seconds, home)
    told["duration of the run"] = f"{(time.perf_counter() - start) / 60:.0f} minutes"
    print(text_table(figures) + "\n\n" + summary(figures))
    if options.markdown:
        command = shlex.join(
            ["python", "benchmarks/whisper.py", "--markdown", str(options.markdown)]
        )
        write_markdown(options.markdown, markdown(figures, told, used, command), "whisper")
    return 0


if __name__ == "__main__":
    sys.exit(main())
