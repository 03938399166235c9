"""Write the model card of the embedded `deepar`, and its figures into its bundle.

    python benchmarks/zero_shot.py --data SERIES --reference PYTHON --work work/zero \\
        --model work/deepar/bundle --parts --m4
    python scripts/card_embedded_deepar.py work/deepar/bundle work/zero/zero_shot.json
"""

import argparse
import json
from pathlib import Path

SOURCE = "benchmarks/zero_shot.py"
CARD = """---
license: apache-2.0
library_name: warmstart
pipeline_tag: time-series-forecasting
---

# DeepAR for series of any frequency

The forecaster that ships with warmstart. It forecasts unseen series of any frequency, from seconds to years.

| | |
|---|---|
| architecture | DeepAR (Salinas et al. 2017), {parameters:,} parameters, Student-t, one for all frequencies |
| reads | seasonally adjusted values: the last 64 steps, and those one and two seasons ago; no calendar |
| scaling | values relative to the context's median and mean absolute deviation; {inputs} |
| samples | {share:.0%} from exponential smoothing (Hyndman et al. 2008), the others from the network |
| forecasts | any horizon; it was trained on up to 48 steps. Fewer than 4 steps: seasonal naive |

## Trained on

65 % of the windows are of a synthetic corpus (`scripts/synthetic_series.py`): random walks, trends,
autoregressions and cycles, mixtures of Gaussian-process kernels as in KernelSynth, seasons that
add, multiply and change, counts, intermittent demand, shifts of level, trend and variation,
outliers. 35 % are of real series: the training parts of M4 hourly and M4 weekly, ETTh1 (hours and
daily means), exchange_rate, monthly-milk, wineind, ice_cream_heater, woolyrnq, australian_tourism.

**Never trained on**: taylor, sunspots, ausbeer, us_gasoline, AirPassengers, temps, and the synthetic
series of `{source}`. The form of the seasonal adjustment and of the smoothing was
chosen with these series in view; the network's weights and the equal shares of the samples were
not.

## Measured

Zero-shot on {count} series, against AutoETS (statsforecast {version}) and the best of the last
value and the last season of each length, with intervals from its past errors, chosen afterwards.
Mean weighted quantile loss of 0.1 … 0.9; ratios below 1 are better. Coverage of the 80 % interval.

| series | windows | mean wQL | to AutoETS | to the best seasonal naive | coverage (AutoETS) |
|---|--:|--:|--:|--:|--:|
{rows}

| | geometric mean of ratios to AutoETS | worst | to the best seasonal naive | mean coverage |
|---|--:|--:|--:|--:|
{parts}

M4 hourly, official split (its training part is in the training data): mean wQL {m4:.4f}, coverage
{m4_coverage:.0%}.

Limits: cycles other than the usual seasons are followed only as far as the last 64 steps show them;
it knows nothing of holidays and promotions; a horizon of several times 48 steps is extrapolated.

This card was written by `scripts/card_embedded_deepar.py`.
"""
NAMES = {
    "model": "deepar",
    "network": "its network alone",
    "smoothing": "adjustment and smoothing alone",
    "naive": "seasonal naive of the season after which the past changed least",
}


def row(one: dict) -> str:
    return (
        f"| {one['name']} | {one['windows']} | {one['ours']:.4f} | {one['ours'] / one['ets']:.2f} | "
        f"{one['ours'] / one['naive']:.2f} ({one['naive_name']}) | {one['coverage']:.0%} "
        f"({one['ets_coverage']:.0%}) |"
    )


def part(name: str, summary: dict) -> str:
    ets, worst, naive, coverage, _, _ = summary.values()
    return f"| {NAMES[name]} | {ets:.2f} | {worst:.2f} | {naive:.2f} | {coverage:.0%} |"


def metrics(found: dict) -> list[dict]:
    """Of the entry."""
    taylor = next(one for one in found["model"]["rows"] if one["name"] == "taylor")
    data = f"taylor.csv, hourly, never trained on, {taylor['windows']} windows of 48 hours"
    return [
        {"name": "mean_wQL", "value": round(value, 5), "dataset": dataset, "source": SOURCE}
        for value, dataset in (
            (taylor["ours"], data),
            (found["m4"]["mean_wQL"], "M4 hourly, official split"),
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("figures", type=Path, help="what the benchmark wrote")
    options = parser.parse_args()
    found = json.loads(options.figures.read_text("utf-8"))
    path = options.bundle / "warmstart.json"
    manifest = json.loads(path.read_text("utf-8"))
    entry = manifest["entry"]
    entry["metrics"] = metrics(found)
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", "utf-8")
    card = CARD.format(
        parameters=entry["parameters"],
        inputs="nine numbers that describe the series",
        share=entry["processing"]["smoothing"],
        source=SOURCE,
        count=len(found["model"]["rows"]),
        version=found["statsforecast"],
        rows="\n".join(map(row, found["model"]["rows"])),
        parts="\n".join(part(name, found[name]["summary"]) for name in NAMES if name in found),
        m4=found["m4"]["mean_wQL"],
        m4_coverage=found["m4"]["coverage_80"],
    )
    (options.bundle / "README.md").write_text(card, "utf-8")


if __name__ == "__main__":
    main()
