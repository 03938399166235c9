"""One photo and short texts in float32, bfloat16 and int8, against the fastest tools in the same
precision.

    pip install -e '.[all,int8]' -r benchmarks/requirements.txt
    python benchmarks/peers.py .venv-peers
    python benchmarks/precisions.py --photos photos/ --sentences train.tsv --tokenizer vocab.txt \
        --weights mobilenet_v2.weights.h5 --peers .venv-peers

Parts: 1 the networks of image classifiers, 2 BERT base, each from arrays to arrays. MobileNetV2 has
the weights of `--weights`, the others random ones. `--photos` and `--sentences` serve to calibrate
int8. Whether int8 agrees with float32 is measured by `int8.py`, with real weights.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import results
from figures import Figure, compared
from measure import fastest, usable_cpus
from peers import python_of
from precision_peers import BERT_CALLS
from race import Race
from results import Session
from settings import ROOT, log
from workers import Worker

SCRIPT = Path(__file__).with_name("precision_peers.py")
PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
OURS = "warmstart"
MODELS = ("mobilenet_v2", "resnet50", "efficientnet_b0")
CALLS = {"call": 20, **dict.fromkeys(BERT_CALLS, 3)}
"""Calls of a tool in a round."""


@dataclass(frozen=True)
class Tool:
    """A process that takes part.

    Attributes:
        name: of the tool.
        kind: of the process, in `precision_peers.py`.
        environment: of its packages; None: this one.
        convert: the kind of a process that runs before it, in the same environment.
        options: of the job.
    """

    name: str
    kind: str
    environment: str | None = None
    convert: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


PHOTO_TOOLS: Mapping[str, tuple[Tool, ...]] = {
    "float32": (
        Tool(OURS, "photo_warmstart"),
        Tool("OpenVINO", "photo_openvino"),
        Tool("ONNX Runtime", "photo_onnxruntime", convert="photo_onnx"),
        Tool("torch.compile", "photo_torch", "timm"),
        Tool("TensorFlow with XLA", "photo_xla"),
    ),
    "bfloat16": (
        Tool(OURS, "photo_warmstart"),
        Tool("OpenVINO", "photo_openvino"),
        Tool("torch.compile", "photo_torch", "timm"),
    ),
    "int8": (
        Tool(OURS, "photo_warmstart", convert="photo_calibrated"),
        Tool("NNCF", "photo_openvino", convert="photo_nncf"),
        Tool("ONNX Runtime", "photo_onnxruntime", convert="photo_onnx_int8"),
    ),
}
BERT_TOOLS: Mapping[str, tuple[Tool, ...]] = {
    "float32": (
        Tool(OURS, "bert_warmstart", convert="bert_warmstart"),
        Tool("OpenVINO", "bert_openvino", "openvino-genai", convert="bert_export"),
        Tool("CTranslate2", "bert_ctranslate2", "ctranslate2", convert="bert_ctranslate2"),
        Tool("transformers", "bert_torch", "pytorch"),
        Tool("torch.compile", "bert_torch", "pytorch", options={"compile": True}),
    ),
    "bfloat16": (
        Tool(OURS, "bert_warmstart"),
        Tool("OpenVINO", "bert_openvino", "openvino-genai"),
        Tool("torch.compile", "bert_torch", "pytorch", options={"compile": True}),
    ),
    "int8": (
        Tool(OURS, "bert_warmstart", convert="bert_calibrated"),
        Tool("NNCF", "bert_openvino", "openvino-genai", convert="bert_nncf"),
        Tool("CTranslate2", "bert_ctranslate2", "ctranslate2"),
    ),
}


class Bench:
    """One run; each method is a part."""

    def __init__(self, options: argparse.Namespace, session: Session):
        self.options, self.session = options, session

    def photos(self) -> Iterator[Figure]:
        options = self.options
        for model in options.models:
            weights = str(options.weights) if model == "mobilenet_v2" and options.weights else None
            folder = self.session.scratch / model
            folder.mkdir()
            job: dict[str, Any] = {
                "model": model,
                "weights": weights,
                "folder": str(folder),
                "photo": str(PHOTO),
                "photos": [str(path) for path in sorted(options.photos.rglob("*.jpg"))],
                "threads": usable_cpus(),
            }
            log(f"{model}: compiling")
            with self._worker("prepare", None, job) as worker:
                job["artifact"] = worker.info["artifact"]
            note = "real weights" if weights else "random weights"
            yield from self._race(1, f"{model}, one photo", PHOTO_TOOLS, job, ["call"], note)

    def bert(self) -> Iterator[Figure]:
        options = self.options
        lines = options.sentences.read_text("utf-8").splitlines()[: options.count]
        folder = self.session.scratch / "bert"
        folder.mkdir()
        job: dict[str, Any] = {
            "folder": str(folder),
            "vocabulary": str(options.tokenizer.resolve()),
            "texts": [line.rpartition("\t")[0] for line in lines],
            "layers": options.layers,
            "threads": usable_cpus(),
        }
        log("BERT base: its weights")
        with self._worker("bert_weights", "pytorch", job):
            pass
        yield from self._race(2, "BERT base", BERT_TOOLS, job, BERT_CALLS, "random weights")

    def _race(
        self,
        part: int,
        what: str,
        tools: Mapping[str, tuple[Tool, ...]],
        job: Mapping[str, Any],
        calls: Sequence[str],
        note: str,
    ) -> Iterator[Figure]:
        with ExitStack() as stack:
            race = Race(stack)
            for precision, several in tools.items():
                for tool in several:
                    self._add(race, tool, precision, job)
            for call in calls:
                log(f"{what}, {call}: measuring")
                times = race.times(call, self.options.rounds, CALLS[call])
                named = what if call == "call" else f"{what}, {call}"
                yield from _figures(part, named, times, f"{note}{race.left_out}")
            for worker in race.workers.values():
                self.session.versions.update(worker.info["versions"])

    def _add(self, race: Race, tool: Tool, precision: str, job: Mapping[str, Any]) -> None:
        used = {**job, **tool.options, "precision": precision}

        def start() -> Worker:
            if tool.convert:
                self._worker(tool.convert, tool.environment, used).close()
            return self._worker(tool.kind, tool.environment, used)

        race.add(f"{tool.name}, {precision}", start)

    def _worker(self, kind: str, environment: str | None, job: Mapping[str, Any]) -> Worker:
        peers = self.options.peers
        python = str(python_of(peers, environment)) if environment else sys.executable
        return Worker(SCRIPT, self.session.environment, python=python, kind=kind, **job)


def _figures(part: int, what: str, times: Mapping[str, list[float]], note: str) -> Iterator[Figure]:
    """Ours against the fastest of the others in each precision, and against our own float32."""
    exact = f"{OURS}, float32"
    for precision in PHOTO_TOOLS:
        ending = f", {precision}"
        own = {name: each for name, each in times.items() if name.endswith(ending)}
        ours = OURS + ending
        if ours not in own:
            yield Figure(part, f"{what}, {precision}", None, bar=1.0, note=note)
            continue
        others = {name: each for name, each in own.items() if name != ours}
        shown = ", ".join(f"{n} {statistics.median(t):.2f} ms" for n, t in own.items())
        if others:
            best = fastest(others)
            title = f"{what}, {precision}: time against {best.removesuffix(ending)}"
            note_of = f"{shown}; {note}"
            yield compared(part, title, own, best, bar=1.0, note=note_of)
        if precision != "float32":
            title = f"{what}: {precision} against our float32"
            yield compared(part, title, {ours: own[ours], exact: times[exact]}, exact)


PARTS = {1: Bench.photos, 2: Bench.bert}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder of *.jpg")
    parser.add_argument("--sentences", type=Path, required=True, help="a file of SST-2")
    parser.add_argument("--tokenizer", type=Path, required=True, help="BERT's vocab.txt")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of mobilenet_v2")
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-peers"), help="the environments of peers.py"
    )
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, help="of part 1")
    parser.add_argument("--count", type=int, default=60, help="sentences to calibrate on")
    parser.add_argument("--layers", type=int, default=12, help="of BERT; fewer for a trial")
    results.add_parts(parser, PARTS)
    parser.add_argument("--rounds", type=int, default=9)
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)

    def measure(session: Session) -> Iterator[Figure]:
        yield from results.run_parts(PARTS, options, Bench(options, session))

    results.run("precisions", options, measure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
