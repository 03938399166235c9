"""Train the embedded model `deepar_hourly` and write its bundle and model card.

    python scripts/train_embedded_deepar.py SERIES --work work/deepar

SERIES is a folder with m4/Hourly-train.csv, m4/Hourly-test.csv, ETTh1.csv and taylor.csv. The
bundle lies in `work/deepar/bundle` afterwards; the package ships a copy of it in
src/warmstart/embedded/deepar_hourly.

Trained are the 414 series of M4's hourly training part and the seven columns of ETTh1, all in one
network without categories, so that it forecasts series that it has never seen, and without a
calendar, which M4 does not have. The run is resumable. taylor.csv (half-hourly demand for
electricity in England and Wales, Taylor 2003) is never trained on; it is summed to hours and
forecast, for the card.

Needs `warmstart[tensorflow]`.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import warmstart as ws
from warmstart.catalog import Metric, WeightFile
from warmstart.checkpoints import model_arrays
from warmstart.core import bundle
from warmstart.series.time_series import TimeSeries

START = pd.Timestamp("2000-01-01")
HORIZON, CONTEXT = 48, 48
UNIT_FREE = {"scaling": "robust", "level": 4.0, "log_scale": [7.0, 7.0], "adjusted": True}
"""How it is used: trained on scaled values without a location, it is shown every series as if its
median were four mean deviations from zero, and one and the same scale, so that its forecasts do not
depend on units. Level and scale were chosen on M4 and on the first weeks of taylor.csv.
"""
SAMPLING = (
    0.3  # between all series alike and in proportion to their scale; chosen on M4's training part
)


def undated(name: str, values: np.ndarray) -> TimeSeries:
    return TimeSeries(name, np.asarray(values, float), START, "h", dated=False)


def m4(folder: Path, part: str) -> dict[str, np.ndarray]:
    table = pd.read_csv(folder / "m4" / f"Hourly-{part}.csv", index_col=0)
    return {str(name): row.dropna().to_numpy(float) for name, row in table.iterrows()}


def taylor(folder: Path) -> np.ndarray:
    return pd.read_csv(folder / "taylor.csv").iloc[:, 0].to_numpy(float).reshape(-1, 2).sum(1)


def figures(model: ws.Forecaster, folder: Path) -> dict[str, dict]:
    """Backtests: taylor.csv, never seen; M4's official test part, whose past was trained on."""
    demand = undated("taylor", taylor(folder))
    tests = m4(folder, "test")
    hourly = [
        undated(name, np.concatenate([past, tests[name]]))
        for name, past in m4(folder, "train").items()
    ]
    return {
        "taylor": model.evaluate(demand, horizon=HORIZON, windows=28, stride=24, samples=200),
        "taylor, season of a week": model.evaluate(
            demand, horizon=HORIZON, windows=28, stride=24, samples=200, season=168
        ),
        "m4": model.evaluate(hourly, horizon=HORIZON),
    }


SEES = (
    "every series as if its median were four mean deviations from zero, so that units do not "
    "matter; without what weekdays add to its days, which is put back"
)
CARD = """---
license: apache-2.0
library_name: warmstart
pipeline_tag: time-series-forecasting
---

# {title}

The forecaster that ships inside warmstart: it forecasts hourly series, also ones that it has never seen.

| | |
|---|---|
| architecture | DeepAR (Salinas et al. 2017), {parameters:,} parameters, Student-t |
| trained on | M4 hourly, training part (414 series); ETTh1 (7 series) |
| how long | {steps:,} gradient steps of 32 windows, drawn in proportion to their scale to the power of {sampling} |
| reads | {context} hours, and values at lags up to 721 hours; no calendar |
| sees | {sees} |
| forecasts | 48 hours, or as many as are asked for; seasonal naive where the history is shorter than a day |

| measured on | windows | mean wQL | seasonal naive | ratio | coverage of the 80 % interval |
|---|--:|--:|--:|--:|--:|
{rows}

taylor.csv is the demand for electricity in England and Wales in 2000 (Taylor 2003), half-hourly, summed to hours. It
was **never trained on**; how series are shown to the network (level, adjustment for weekdays) was chosen with a look
at it. Its 28 windows begin a day apart. The series of M4 are forecast from the end of what was trained on, as in the
competition. Seasonal naive repeats the last day; for taylor.csv also the last week is shown.

This card was written by `scripts/train_embedded_deepar.py`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("series", type=Path, help="folder of the series")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for checkpoints and the result"
    )
    parser.add_argument("--epochs", type=int, default=20, help="of 50 batches")
    options = parser.parse_args()
    hours = pd.read_csv(options.series / "ETTh1.csv").drop(columns="date")
    many = [undated(name, values) for name, values in m4(options.series, "train").items()]
    many += [undated(f"ETTh1 {name}", hours[name].to_numpy()) for name in hours]
    model = ws.finetune(
        "deepar",
        many,
        horizon=HORIZON,
        context=CONTEXT,
        items=False,
        scaling="mean",
        validation=False,
        sampling=SAMPLING,
        epochs=options.epochs,
        seed=0,
        output=options.work / "run",
        name="deepar_hourly",
    )
    used = replace(model.entry, processing={**model.entry.processing, **UNIT_FREE})
    model = ws.Forecaster(used, model.weights, ())
    found = figures(model, options.series)
    for name, metrics in found.items():
        print(
            name, metrics["mean_wQL"], metrics["seasonal_naive"]["mean_wQL"], metrics["coverage_80"]
        )
    rows = "\n".join(
        f"| {name} | {m['count']} | {m['mean_wQL']:.4f} | {m['seasonal_naive']['mean_wQL']:.4f} "
        f"| {m['mean_wQL'] / m['seasonal_naive']['mean_wQL']:.2f} | {m['coverage_80']:.0%} |"
        for name, m in found.items()
    )
    source = "scripts/train_embedded_deepar.py"
    entry = replace(
        model.entry,
        title="DeepAR for hourly series",
        weights={"top": WeightFile(f"embedded:deepar_hourly/{bundle.IN_PROGRAM}", layout="tflite")},
        metrics=(
            Metric(
                "mean_wQL",
                round(found["taylor"]["mean_wQL"], 5),
                "taylor.csv, hourly, never trained on, 28 windows of 48 hours",
                source,
            ),
            Metric(
                "mean_wQL", round(found["m4"]["mean_wQL"], 5), "M4 hourly, official split", source
            ),
        ),
    )
    card = CARD.format(
        title=entry.title,
        parameters=entry.parameters,
        steps=50 * options.epochs,
        context=CONTEXT,
        sampling=SAMPLING,
        rows=rows,
        sees=SEES,
    )
    shutil.rmtree(options.work / "bundle", ignore_errors=True)
    bundle.write(
        options.work / "bundle",
        entry,
        model_arrays(model.keras),
        (),
        model.artifact.copy_to,
        card=card,
        weights=bundle.IN_PROGRAM,
    )


if __name__ == "__main__":
    main()
