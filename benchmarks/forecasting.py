"""Measure forecasting: DeepAR beside GluonTS' on PyTorch, the embedded model, Chronos-Bolt, memory.

    python benchmarks/forecasting.py --data SERIES --reference PYTHON --work FOLDER

SERIES is a folder with m4/, exchange_rate.csv, ETTh1.csv, taylor.csv, AirPassengers.csv, ausbeer.csv
and us_gasoline.csv; PYTHON has the peers of benchmarks/requirements.txt (part 6: statsforecast). Every
job runs in a process of its own, ours and the peer's in turns on the same cores, and its result is kept
in FOLDER: a run that was stopped goes on where it was, parts can be run apart (`--only`), and `--kept`
makes the table of what there is without measuring anything. Exit code 1 where a job failed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import results
from figures import Figure
from forecasting_data import FINETUNED, SHORT
from measure import usable_cpus
from results import Session
from settings import log

HERE = Path(__file__).parent
PARTS = {
    1: "M4 hourly",
    2: "the embedded model",
    3: "Chronos-Bolt",
    4: "memory",
    5: "other series",
    6: "fine-tuned",
    7: "short histories, and a promotion",
}
TINY = {
    "d_model": 256,
    "d_ff": 1024,
    "d_kv": 64,
    "num_heads": 4,
    "num_layers": 4,
    "num_decoder_layers": 4,
}


class Jobs:
    """Runs jobs, each once: results are kept by name."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.failed = options, 0
        self.when: list[str] = []
        reference = str(options.reference)
        self.pythons = {"ours": sys.executable, "peer": reference, "ets": reference}
        options.work.mkdir(parents=True, exist_ok=True)

    def __call__(self, name: str, side: str, **job: Any) -> dict[str, Any] | None:
        """The result; None if it failed, which is reported, or is missing with `--kept`."""
        kept = self.options.work / f"{name}-{side}.json"
        if kept.exists():
            result = json.loads(kept.read_text("utf-8"))
            self.when.append(result["when"])
            return result
        if self.options.kept:
            return None
        log(f"{name}, {side}")
        threads = str(usable_cpus())
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        command = [
            self.pythons[side],
            str(HERE / f"forecasting_{side}.py"),
            json.dumps({**job, "data": str(self.options.data)}),
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        last = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if done.returncode or not last:
            self.failed += 1
            log(f"{name}, {side} failed: {(done.stderr or done.stdout).strip()[-600:]}")
            return None
        result = {
            **json.loads(last[-1].removeprefix("RESULT ")),
            "when": time.strftime("%Y-%m-%d %H:%M"),
        }
        self.when.append(result["when"])
        kept.write_text(json.dumps(result), "utf-8")
        return result


def m4(jobs: Jobs) -> Iterator[Figure]:
    options = jobs.options
    ours, theirs = [], []
    for seed in range(options.seeds):
        job = {
            "kind": "deepar",
            "series": "m4_hourly",
            "horizon": 48,
            "windows": 1,
            "steps": options.steps,
            "seed": seed,
        }
        name = f"m4-{options.steps}-seed{seed}"
        ours.append(jobs(name, "ours", **job))
        theirs.append(jobs(name, "peer", **job))
    mine, peer = ([r for r in side if r] for side in (ours, theirs))
    if not mine or not peer:
        yield Figure(1, "M4 hourly", None, bar=0, note="no results")
        return
    losses, others = (sorted(r["metrics"]["mean_wQL"] for r in side) for side in (mine, peer))
    naive = mine[0]["metrics"]["seasonal_naive"]["mean_wQL"]
    each = f"{options.steps:,} gradient steps of 32 windows, ours with validation"
    yield Figure(
        1,
        "M4 hourly, mean weighted quantile loss, median of the seeds",
        statistics.median(losses),
        "loss",
        0.036,
        note=f"{each}; seeds: {_list(losses)}; seasonal naive {naive:.4f}",
    )
    yield Figure(
        1,
        "the same, GluonTS DeepAR",
        statistics.median(others),
        "loss",
        note=f"seeds: {_list(others)}",
    )
    yield Figure(
        1, "ours against GluonTS'", statistics.median(losses) / statistics.median(others), bar=1.0
    )
    for what, key, bar in (
        ("training, processor time per gradient step, ours with validation", "train", 0.5),
        ("forecasting 414 series x 100 samples x 48 steps, processor time", "predict", 0.3),
    ):
        pairs = [(a[key], b[key]) for a, b in zip(ours, theirs, strict=True) if a and b]
        per = options.steps / 1e3 if key == "train" else 1.0
        unit = "ms a step" if key == "train" else "s"
        a, b = (statistics.median(p[n]["processor"] for p in pairs) / per for n in (0, 1))
        wall = statistics.median(p[0]["wall"] / p[1]["wall"] for p in pairs)
        yield Figure(
            1,
            f"{what}, against GluonTS",
            statistics.median(p[0]["processor"] / p[1]["processor"] for p in pairs),
            bar=bar,
            note=f"{a:.1f} against {b:.1f} {unit}; by the wall clock {wall:.2f}; "
            f"{usable_cpus()} core(s) for both",
        )
    coverage = statistics.median(r["metrics"]["coverage_80"] for r in mine)
    theirs_too = statistics.median(r["metrics"]["coverage_80"] for r in peer)
    yield Figure(
        1,
        "coverage of the 80 % interval",
        coverage,
        "share",
        0.72,
        True,
        f"GluonTS {theirs_too:.1%}",
    )
    yield Figure(1, "the same, upper bound", coverage, "share", 0.88)


def embedded(jobs: Jobs) -> Iterator[Figure]:
    metrics = jobs("embedded", "ours", kind="embedded")
    if not metrics:
        return
    loss, naive = metrics["mean_wQL"], metrics["seasonal_naive"]["mean_wQL"]
    windows = f"{metrics['count']} windows of 48 hours"
    yield Figure(
        2,
        "deepar on taylor.csv, never trained on, against seasonal naive, mean wQL",
        loss / naive,
        bar=1.0,
        note=f"{loss:.4f} against {naive:.4f}, {windows}; coverage of the 80 % interval "
        f"{metrics['coverage_80']:.0%}",
    )
    baselines = {name: values["mean_wQL"] for name, values in metrics["baselines"].items()}
    best = min(baselines, key=lambda name: baselines[name])
    yield Figure(
        2,
        "the same against the best baseline with intervals",
        loss / baselines[best],
        bar=1.0,
        note=f"{best}: {baselines[best]:.4f}",
    )


def chronos(jobs: Jobs) -> Iterator[Figure]:
    from forecasting_repository import write_repository

    folder = jobs.options.work / "chronos-bolt-tiny-random"
    if not folder.exists():
        write_repository(folder, TINY)
    values = jobs.options.work / "chronos-values.npy"
    random = np.random.default_rng(0)
    np.save(values, (10 + np.cumsum(random.normal(size=(512, 512)), 1)).astype(np.float32))
    job = {"kind": "chronos", "repository": str(folder), "values": str(values), "rounds": 5}
    ours, theirs = jobs("chronos", "ours", **job), jobs("chronos", "peer", **job)
    if ours and theirs:
        a, b = ([t["processor"] for t in side["times"]] for side in (ours, theirs))
        wall = statistics.median(t["wall"] for t in ours["times"]) / statistics.median(
            t["wall"] for t in theirs["times"]
        )
        difference = float(np.abs(np.array(ours["median"]) - np.array(theirs["median"])).max())
        yield Figure(
            3,
            "Chronos-Bolt tiny (random weights), 512 series x 512 context x 64 steps, processor time, "
            "against the reference on PyTorch",
            statistics.median(a) / statistics.median(b),
            bar=0.6,
            note=f"{statistics.median(a):.2f} s against {statistics.median(b):.2f} s; by the wall clock "
            f"{wall:.2f}; engine {ours['engine']}; largest difference of a median {difference:.1e} of "
            "values around 10",
        )


def memory(jobs: Jobs) -> Iterator[Figure]:
    usage = jobs("memory", "ours", kind="memory", count=jobs.options.count, samples=20)
    if usage:
        yield Figure(
            4,
            f"peak memory while forecasting {usage['count']:,} series of 500 points",
            usage["peak_mb"],
            "MB",
            1500,
            note=f"{usage['early_mb']:.0f} MB after a tenth of them; 24 steps x 20 samples, "
            f"{usage['time']['processor']:.0f} s of processor time",
        )


def others(jobs: Jobs) -> Iterator[Figure]:
    for name, horizon, windows in (("exchange_rate", 30, 5), ("etth1", 48, 7)):
        job = {
            "kind": "deepar",
            "series": name,
            "horizon": horizon,
            "windows": windows,
            "steps": jobs.options.other_steps,
            "seed": 0,
        }
        ours = jobs(f"{name}-{jobs.options.other_steps}", "ours", **job)
        theirs = jobs(f"{name}-{jobs.options.other_steps}", "peer", **job)
        if ours:
            peer = f"GluonTS {theirs['metrics']['mean_wQL']:.4f}, " if theirs else ""
            naive = ours["metrics"]["seasonal_naive"]["mean_wQL"]
            yield Figure(
                5,
                f"{name}, {windows} rolling windows of {horizon} steps, mean wQL",
                ours["metrics"]["mean_wQL"],
                "loss",
                note=f"{peer}seasonal naive {naive:.4f}; {jobs.options.other_steps:,} gradient steps",
            )


def finetuned(jobs: Jobs) -> Iterator[Figure]:
    """Fine-tuned with the defaults, once, against AutoETS, which is fitted again before each window."""
    ratios = []
    for name, (horizon, windows) in FINETUNED.items():
        job = {"series": name, "horizon": horizon, "windows": windows}
        ours = jobs(f"finetuned-{name}", "ours", kind="finetuned", seed=0, **job)
        theirs = jobs(f"finetuned-{name}", "ets", kind="autoets", **job)
        if not ours or not theirs:
            continue
        mine, peer = (side["metrics"] for side in (ours, theirs))
        ratios.append(mine["mean_wQL"] / peer["mean_wQL"])
        yield Figure(
            6,
            f'finetune("deepar") on {name}, {windows} later windows of {horizon} steps, mean wQL against '
            "AutoETS",
            ratios[-1],
            bar=1.05,
            note=f"{mine['mean_wQL']:.4f} against {peer['mean_wQL']:.4f}; coverage of the 80 % interval "
            f"{mine['coverage_80']:.0%} and {peer['coverage_80']:.0%}",
        )
    if ratios:
        mean = float(np.exp(np.mean(np.log(ratios))))
        yield Figure(6, f"geometric mean of these {len(ratios)}", mean, bar=0.8)


def small(jobs: Jobs) -> Iterator[Figure]:
    """Fine-tuned with the defaults on few seasons, and with a covariate that explains everything."""
    for name in SHORT:
        results = [
            jobs(f"short-{name}-seed{seed}", "ours", kind="short", history=name, seed=seed)
            for seed in range(jobs.options.seeds)
        ]
        made = [result for result in results if result]
        if made:
            errors = [result["error"] for result in made]
            coverages = ", ".join(f"{result['coverage']:.0%}" for result in made)
            yield Figure(
                7,
                f'finetune("deepar") on {name} of 100 ± 20, mean error in percent of the steps after '
                "them, worst seed",
                max(errors),
                "share",
                0.10,
                note=f"seeds: {_list(errors)}; coverage of the 80 % interval {coverages}",
            )
    runs = [jobs(f"promotion-seed{n}", "ours", kind="promotion", seed=n) for n in range(5)]
    errors = [result["error"] for result in runs if result]
    if errors:
        yield Figure(
            7,
            "a known promotion adds 100: mean absolute error, worst seed",
            max(errors),
            "loss",
            8.0,
            note=f"seeds: {_list(errors)}",
        )


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def peers(work: Path) -> Mapping[str, str]:
    merged: dict[str, str] = {}
    for path in (*work.glob("*-peer.json"), *work.glob("*-ets.json")):
        merged |= json.loads(path.read_text("utf-8")).get("versions", {})
    return merged


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the series")
    parser.add_argument("--reference", type=Path, required=True, help="a Python that has the peers")
    parser.add_argument("--work", type=Path, required=True, help="results are kept here")
    results.add_parts(parser, PARTS)
    parser.add_argument(
        "--steps", type=int, default=5000, help="gradient steps on M4 hourly, of both"
    )
    parser.add_argument(
        "--other-steps", type=int, default=1500, help="the same on the other series"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=100_000, help="series of the memory part")
    parser.add_argument(
        "--kept", action="store_true", help="measure nothing, take the results that are kept"
    )
    results.add_option(parser)
    options = parser.parse_args(argv)
    jobs = Jobs(options)
    parts = {1: m4, 2: embedded, 3: chronos, 4: memory, 5: others, 6: finetuned, 7: small}

    def measure(session: Session) -> Iterator[Figure]:
        yield from results.run_parts(parts, options, jobs)
        session.versions.update(peers(options.work))
        if jobs.when:
            session.about["measured"] = f"{min(jobs.when)} to {max(jobs.when)}"

    results.run("forecasting", options, measure, is_timed=False)
    return int(bool(jobs.failed))


if __name__ == "__main__":
    sys.exit(main())
