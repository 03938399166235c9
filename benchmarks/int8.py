"""Calibrated int8: accuracy and speed against float32 and against NNCF. Needs the folder of real
data.

    pip install -e '.[int8]'
    python benchmarks/int8.py

Calibration inputs and evaluation inputs are different. NNCF quantises the same network with its
defaults, on the same inputs; all programs run in turns in one process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("NNCF_CI", "1")  # no telemetry

import numpy as np

import results
from figures import Figure, compared
from measure import fastest, turns
from results import Session
from settings import log
from transfer_learning import SHARED

MOBILENET = SHARED / "weights" / "mobilenet_v2_1.0_224_ptq.weights.h5"


@dataclass(frozen=True)
class Case:
    """A model, calibration inputs, and labelled inputs to evaluate it on.

    Attributes:
        name: for `ws.load`.
        options: of it.
        calibration: inputs.
        data: labelled inputs for the evaluation; none of them is used for calibration.
        metric: the key of `evaluate` to compare.
    """

    name: str
    calibration: Any
    data: Sequence[tuple[Any, str]]
    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)


def cases(sentences: int) -> Iterator[Case]:
    insects = SHARED / "images" / "hymenoptera"
    photos = sorted((insects / "train").rglob("*.jpg"))
    judged = [
        (path, path.name.split("_")[0])
        for path in sorted((SHARED / "images" / "imagenet-sample").glob("*.JPEG"))
    ]
    for folder, wnid in (("ants", "n02219486"), ("bees", "n02206856")):
        judged += [(path, wnid) for path in sorted((insects / "val" / folder).glob("*.jpg"))]
    yield Case("mobilenet_v2", photos, judged, "top1", {"weights": str(MOBILENET)})
    yield Case("efficientnet_lite0", photos, judged, "top1")
    train = [text for text, _ in sst2("train")[:sentences]]
    yield Case("sst2_bert_tiny", train, sst2("dev"), "accuracy")


def sst2(split: str) -> list[tuple[str, str]]:
    """Sentences of SST-2 and their labels."""
    lines = (SHARED / "text" / "sst2" / f"{split}.tsv").read_text("utf-8").splitlines()
    return [(text, label) for text, _, label in (line.rpartition("\t") for line in lines)]


def figures_of(case: Case, rounds: int, seconds: float) -> Iterator[Figure]:
    """Accuracy, agreement and time of one model."""
    import warmstart as ws
    from warmstart.core.calibration_inputs import collect

    log(f"{case.name}: compiling and calibrating")
    exact = ws.load(case.name, **case.options)
    small = ws.load(case.name, precision="int8", calibration=case.calibration, **case.options)
    record = small.artifact.calibration
    assert record is not None
    before, after = (
        float(dict(model.evaluate(list(case.data)))[case.metric]) for model in (exact, small)
    )
    what = f"{case.name}: {case.metric} lost by int8"
    note = (
        f"float32 {before:.1%}, int8 {after:.1%}; calibrated on {record.inputs} other inputs, "
        f"compared on {record.validation}"
    )
    yield Figure(1, what, before - after, "share", 0.01, note=note)

    log(f"{case.name}: NNCF")
    calibration = collect(exact, case.calibration)
    peer = nncf_default(exact, calibration.to_calibrate)
    reached = agreement_of(peer, exact, calibration.to_compare)
    if reached < record.threshold:
        small = ws.load(
            case.name,
            precision="int8",
            calibration=case.calibration,
            agreement=reached,
            **case.options,
        )
    unseen = collect(exact, [each for each, _ in case.data])
    theirs = agreement_of(peer, exact, unseen)
    what = f"{case.name}: agreement of int8 with float32 on unseen inputs, against NNCF's"
    lowest = min(reached, record.threshold)
    note = f"{len(unseen)} inputs, NNCF {theirs:.1%}; on the inputs set aside at least {lowest:.1%}"
    agreement = unseen.agreement(small.engine, unseen.decisions(exact.engine))
    yield Figure(2, what, agreement, "share", theirs, at_least=True, note=note)
    first = next(unseen.batches())
    calls = {
        "float32": lambda: exact.engine.run("forward", **first),
        "int8": lambda: small.engine.run("forward", **first),
        "NNCF": lambda: peer(first),
    }
    times = turns({name: timer(call) for name, call in calls.items()}, rounds, seconds)
    shown = ", ".join(f"{name} {statistics.median(each):.2f} ms" for name, each in times.items())
    named = {
        "warmstart, int8": times["int8"],
        "warmstart, float32": times["float32"],
        "NNCF": times["NNCF"],
    }
    note = f"{shown}; int8 on {small.engine.name}; fastest: {fastest(times)}"
    what = f"{case.name}: time of int8 against NNCF, at its agreement"
    yield compared(2, what, named, "NNCF", bar=1.0, note=note)
    yield compared(2, f"{case.name}: int8 against float32", named, "warmstart, float32")


def agreement_of(call: Any, exact: Any, inputs: Any) -> float:
    """The agreement of a call with the float32 program on inputs, a share."""
    from warmstart.engines.agreement import joined

    decisions = joined([inputs.rule.decide(row, call(row)) for row in inputs.batches()])
    return float(inputs.rule.agreement(decisions, inputs.decisions(exact.engine)))


def timer(call: Any) -> Any:
    def milliseconds(count: int) -> list[float]:
        values = []
        for _ in range(count):
            start = time.perf_counter()
            call()
            values.append((time.perf_counter() - start) * 1e3)
        return values

    return milliseconds


def nncf_default(exact: Any, inputs: Any) -> Any:
    """The network quantised by NNCF with its defaults: a call, from inputs by name to outputs by
    name.
    """
    import nncf
    import openvino

    from warmstart.engines.nncf import float_network

    (signature,) = exact.artifact.signatures.values()
    tensors = {spec.name: spec.tensor for spec in signature.inputs}
    samples = [{tensors[n]: a for n, a in each.items()} for each in inputs.batches()]
    network = nncf.quantize(
        float_network(exact.artifact.path),
        nncf.Dataset(samples),
        model_type=nncf.ModelType.TRANSFORMER if "input_ids" in tensors else None,
    )
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(network, "CPU", settings)

    def call(row: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = compiled({tensors[name]: array for name, array in row.items()})
        return {
            spec.name: outputs[compiled.output(spec.tensor)].copy() for spec in signature.outputs
        }

    return call


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", help="names of models, with commas between")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each program in a round")
    parser.add_argument("--sentences", type=int, default=300, help="to calibrate on")
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)
    if not MOBILENET.is_file():
        parser.error(
            f"the real photos and weights are not in {SHARED}; name the folder of real data with "
            "WARMSTART_SHARED_DATA"
        )

    def measure(session: Session) -> Iterator[Figure]:
        os.environ["WARMSTART_HOME"] = str(session.home)
        for case in cases(options.sentences):
            if not options.only or case.name in options.only.split(","):
                yield from figures_of(case, options.rounds, options.seconds)

    results.run("int8", options, measure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
