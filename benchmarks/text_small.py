"""Fine-tuning a small encoder on small data, with the defaults of `ws.finetune`.

    python benchmarks/text_small.py --data ../shared/data/text --runs /tmp/text_small

1  all-MiniLM-L6-v2 on 240 sentences of SST-2's training file, drawn by each of five seeds: accuracy on the 872
   sentences of SST-2 dev, which choose nothing.
2  the same base on the training file of WNUT-17: F1 on the sentences that it sets aside.

A run that is cut off goes on where it was when it is given the same --runs folder. `--only 1 --seeds 0 1` runs a part.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import results
from figures import Figure, text_table
from settings import log

BASE, SENTENCES, BAR = "all_minilm_l6_v2", 240, 0.80


def few_sentences(data: Path, runs: Path, seeds: list[int]) -> Iterator[Figure]:
    import warmstart as ws

    rows = [line.rsplit("\t", 1) for line in (data / "sst2" / "train.tsv").read_text().splitlines()]
    accuracies: list[float] = []
    for seed in seeds:
        chosen = np.random.default_rng(seed).permutation(len(rows))[:SENTENCES]
        sentences = [(rows[row][0], rows[row][1]) for row in chosen]
        output = runs / f"sst2-{seed}"
        model = ws.finetune(
            BASE, sentences, task="text-classification", seed=seed, output=output, verbose=False
        )
        figures = ws.load(output, engine="keras").evaluate(data / "sst2" / "dev.tsv")
        accuracies.append(figures["accuracy"])
        epochs = max(record["epoch"] for record in model.history)
        log(f"seed {seed}: {accuracies[-1]:.4f} after {epochs:.0f} epochs")
    note = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    what = f"MiniLM on {SENTENCES} sentences of SST-2, defaults: accuracy on dev, median of {len(seeds)} seeds"
    yield Figure(1, what, statistics.median(accuracies), "share", bar=BAR, at_least=True, note=note)


def entities(data: Path, runs: Path, seeds: list[int]) -> Iterator[Figure]:
    import warmstart as ws

    file = data / "wnut17train.conll"
    model = ws.finetune(
        BASE, file, task="token-classification", output=runs / "wnut17", verbose=False
    )
    (f1,) = (metric for metric in model.entry.metrics if metric.name == "f1")
    yield Figure(2, "MiniLM on WNUT-17, defaults: F1", f1.value, "share", note=f1.dataset)


PARTS = {1: few_sentences, 2: entities}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="with sst2/ and wnut17train.conll")
    parser.add_argument("--runs", type=Path, required=True, help="where the models are written")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    results.add_parts(parser, PARTS)
    options = parser.parse_args()
    figures = results.run_parts(PARTS, options, options.data, options.runs, options.seeds)
    print(text_table(list(figures)))


if __name__ == "__main__":
    main()
