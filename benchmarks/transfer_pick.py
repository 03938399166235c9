"""How well `ws.pick` ranks models: Kendall's tau between its ranking and the accuracies after
fine-tuning.

A part of `transfer_learning.py`; alone, it prints its figures:

    python benchmarks/transfer_pick.py --work FOLDER
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from figures import Figure, text_table
from settings import log

SHARED = Path(
    os.environ.get("WARMSTART_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
CHECKPOINT = SHARED / "weights" / "mobilenet_v1_0.25_224_imagenet.h5"
CANDIDATES: dict[str, tuple[str, Path | str | None]] = {
    **{
        f"mobilenet_0.25_{size}": (f"mobilenet_0.25_{size}", CHECKPOINT)
        for size in (224, 192, 160, 128)
    },
    "mobilenet_0.25_224, random": ("mobilenet_0.25_224", None),
    "mobilenet_0.25_128, random": ("mobilenet_0.25_128", None),
    "efficientnet_lite0": ("efficientnet_lite0", "pretrained"),
}
SEEDS = (0, 1, 2)


def figures(part: int, folder: Path) -> Iterator[Figure]:
    """Kendall's tau, and what it is made of; results are kept in `folder`, so that a run that was
    cut off goes on.
    """
    import warmstart as ws

    file = folder / "pick.json"
    known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}

    def once(name: str, measure: Callable[[], Any]) -> Any:
        if name not in known:
            log(name)
            known[name] = measure()
            file.write_text(json.dumps(known, indent=1))
        return known[name]

    data = SHARED / "images" / "hymenoptera"

    def picked() -> dict[str, Any]:
        return {
            name: ws.pick(data, candidates=[pair])[0].to_dict() for name, pair in CANDIDATES.items()
        }

    ranking = once("pick", picked)
    tuned: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for seed in SEEDS:
        for name, (model, weights) in CANDIDATES.items():
            tuned[name].append(
                once(
                    f"fine-tuning {name}, seed {seed}", partial(_tuned, model, weights, data, seed)
                )
            )
    after = [statistics.median(tuned[name]) for name in CANDIDATES]
    places = sorted(
        CANDIDATES, key=lambda name: (-ranking[name]["accuracy"], ranking[name]["loss"])
    )
    before = [float(-places.index(name)) for name in CANDIDATES]
    listed = ", ".join(
        f"{name} {ranking[name]['accuracy']:.1%} → {accuracy:.1%}"
        for name, accuracy in zip(CANDIDATES, after, strict=True)
    )
    yield Figure(
        part,
        f"pick over {len(CANDIDATES)} candidates: Kendall's tau against fine-tuned accuracies",
        kendall(before, after),
        "ratio",
        0.6,
        at_least=True,
        note=f"cross-validated → fine-tuned, median of {len(SEEDS)} seeds: {listed}",
    )
    scores = [ranking[name]["logme"] for name in CANDIDATES]
    yield Figure(part, "the same for the LogME score alone", kendall(scores, after))


def _tuned(model: str, weights: Path | str | None, data: Path, seed: int) -> float:
    import keras

    import warmstart as ws

    with tempfile.TemporaryDirectory() as scratch:
        base = ws.load(model, weights=weights)
        result = ws.finetune(base, data, seed=seed, output=Path(scratch) / "model", verbose=False)
        (accuracy,) = (metric.value for metric in result.entry.metrics if metric.name == "top1")
    keras.backend.clear_session()
    return float(accuracy)


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b: 1 for the same order, -1 for the opposite one; ties are taken into account."""
    from scipy.stats import kendalltau

    return float(kendalltau(first, second).statistic)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--work", type=Path, default=Path("transfer-work"), help="results are kept here"
    )
    work = parser.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    print(text_table(list(figures(7, work))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
