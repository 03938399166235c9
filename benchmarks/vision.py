"""What the benchmarks of detection and segmentation share: one photo, end to end, against
transformers in turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import results
from figures import Figure, compared
from measure import turns
from results import Session
from settings import ROOT, log
from workers import Worker

SCRIPT = Path(__file__).with_name("vision_peers.py")
PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
BAR, EARLY = 0.6, 100


def measure(
    what: str, kind: str, same: str, options: argparse.Namespace, session: Session
) -> list[Figure]:
    environment, folder = session.environment, session.scratch / "repository"
    folder.mkdir()
    job = {"folder": str(folder), "photo": str(options.photo)}
    log(f"{what}: compiling")
    with (
        Worker(SCRIPT, environment, python=options.reference, kind=kind, **job) as theirs,
        Worker(SCRIPT, environment, kind="vision_warmstart", **job) as ours,
    ):
        log("measuring")
        values = turns(
            {
                "ours": ours.timer("call"),
                "theirs": theirs.timer("call"),
                "engine": ours.timer("engine"),
                "network": theirs.timer("network"),
                "preprocessing": ours.timer("preprocessing"),
            },
            options.rounds,
            0.5,
        )
        facts, answered = theirs.info, ours.info
    ms = {name: statistics.median(times) for name, times in values.items()}
    rest = ms["ours"] - ms["engine"] - ms["preprocessing"]
    note = (
        f"{ms['ours']:.1f} ms = decoding and scaling {ms['preprocessing']:.1f} + {answered['engine']} "
        f"{ms['engine']:.1f} + answer {max(rest, 0):.1f}; transformers {ms['theirs']:.1f} ms, its network "
        f"{ms['network']:.1f}; {facts['threads']} threads; medians of {options.rounds} rounds"
    )
    figures = [
        compared(
            1,
            f"{what}, one photo from the JPEG to the answer, against transformers on PyTorch",
            {"warmstart": values["ours"], "transformers": values["theirs"]},
            "transformers",
            bar=BAR,
            note=note,
        ),
        compared(
            1,
            "the network alone, against the same",
            {"warmstart": values["engine"], "transformers": values["network"]},
            "transformers",
        ),
        Figure(2, same, answered["same"], "share", bar=0.99, at_least=True),
    ]
    if options.photos:
        log(f"{options.photos} photos")
        with Worker(
            SCRIPT, environment, kind="memory", count=options.photos, early=EARLY, **job
        ) as worker:
            grown = worker.info["end"] - worker.info["early"]
            figures.append(
                Figure(
                    3,
                    f"{worker.info['count']:,} photos through the iterator: growth of the peak memory "
                    f"after the first {EARLY}",
                    grown,
                    "MB",
                    bar=30,
                    note=f"{worker.info['early']:.0f} MB, then {worker.info['end']:.0f} MB",
                )
            )
    session.versions.update({name: facts[name] for name in ("torch", "transformers")})
    return figures


def main(topic: str, what: str, kind: str, same: str, argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=f"{what}, random weights, against transformers on PyTorch"
    )
    parser.add_argument(
        "--reference",
        default=sys.executable,
        metavar="PYTHON",
        help="a Python that has torch and transformers",
    )
    parser.add_argument("--photo", type=Path, default=PHOTO, help="a JPEG")
    parser.add_argument(
        "--photos", type=int, default=1000, help="how often, for the memory; 0 leaves it out"
    )
    parser.add_argument("--rounds", type=int, default=9)
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)
    results.run(topic, options, partial(measure, what, kind, same, options))
    return 0
