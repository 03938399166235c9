"""Write tests/golden/forecast_metrics.npz: forecasts with the figures that `gluonts.evaluation` gives for them, and
tests/golden/calendar.json: lags, seasons and calendar features of GluonTS, and what chronos-forecasting gives for a
small checkpoint of random weights (tests/golden/chronos_bolt/) and, where it is named, for a published one.

    python scripts/make_goldens_forecasting.py [CHRONOS-BOLT-DUMMY]     # needs scripts/requirements.txt, not warmstart
"""

import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from gluonts.evaluation import Evaluator
from gluonts.model.forecast import SampleForecast
from gluonts.time_feature import (
    get_lags_for_frequency,
    get_seasonality,
    time_features_from_frequency_str,
)

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
FREQUENCIES = (
    "s",
    "5s",
    "min",
    "15min",
    "30min",
    "h",
    "2h",
    "3h",
    "D",
    "2D",
    "B",
    "W-TUE",
    "2W-MON",
    "MS",
    "ME",
    "QE-DEC",
    "YE-MAR",
)
LEVELS = [n / 10 for n in range(1, 10)]
SERIES, PAST, HORIZON, SAMPLES = 5, 60, 24, 25


def metrics() -> None:
    random = np.random.default_rng(7)
    hours = np.arange(PAST + HORIZON)
    target = np.stack(
        [
            20 * (n + 1) + 5 * np.sin(hours / 24 * 2 * np.pi) + random.normal(0, n + 1, len(hours))
            for n in range(SERIES)
        ]
    )
    target[1, -3:] = 0.0
    target[2, 5] = np.nan
    samples = (target[:, None, PAST:] + random.normal(1, 4, (SERIES, SAMPLES, HORIZON))).astype(
        np.float32
    )
    samples = np.nan_to_num(samples)
    index = pd.period_range("2024-01-01", periods=PAST + HORIZON, freq="h")
    truth = [pd.DataFrame(row, index=index) for row in target]
    forecasts = [SampleForecast(row, index[PAST], f"s{n}") for n, row in enumerate(samples)]
    found, _ = Evaluator(quantiles=LEVELS, num_workers=None)(iter(truth), iter(forecasts))
    names = {"mean_wQL": "mean_wQuantileLoss", "ND": "ND", "MASE": "MASE", "sMAPE": "sMAPE"}
    values = {ours: float(found[theirs]) for ours, theirs in names.items()}
    values |= {f"wQL_{level:g}": float(found[f"wQuantileLoss[{level}]"]) for level in LEVELS}
    values["coverage_80"] = float(found["Coverage[0.9]"] - found["Coverage[0.1]"])
    values["coverage_60"] = float(found["Coverage[0.8]"] - found["Coverage[0.2]"])
    np.savez_compressed(
        GOLDEN / "forecast_metrics.npz",
        target=target,
        samples=samples,
        past=PAST,
        names=np.array(list(values)),
        values=np.array(list(values.values())),
    )


def calendars() -> None:
    told = {}
    for freq in FREQUENCIES:
        index = pd.date_range("2020-02-03", periods=40, freq=freq)
        features = [
            np.asarray(feature(index), float) for feature in time_features_from_frequency_str(freq)
        ]
        told[freq] = {
            "lags": get_lags_for_frequency(freq),
            "season": get_seasonality(freq),
            "start": index[0].isoformat(),
            "features": [[round(float(v), 7) for v in row[::8]] for row in features],
        }
    (GOLDEN / "calendar.json").write_text(json.dumps(told, separators=(",", ":")) + "\n")


def chronos(folder: Path, out: Path) -> None:
    import torch
    from chronos import BaseChronosPipeline

    pipeline = BaseChronosPipeline.from_pretrained(str(folder), device_map="cpu")
    random = np.random.default_rng(5)
    whole = (50 + np.cumsum(random.normal(size=(3, 600)), 1)).astype(np.float32)
    whole[1, 400:430] = np.nan
    short = (3 * np.sin(np.arange(37) / 5)).astype(np.float32)[None]
    constant = np.full((1, 100), 7.0, np.float32)
    arrays = {"whole": whole, "short": short, "constant": constant}
    for name, horizon in (("whole", 64), ("whole", 150), ("short", 20), ("constant", 10)):
        found = pipeline.predict(torch.tensor(arrays[name]), prediction_length=horizon)
        arrays[f"{name}_{horizon}"] = found.numpy()
    np.savez_compressed(out, **arrays)


def chronos_small() -> None:
    sys.path.insert(0, str(GOLDEN.parents[1] / "benchmarks"))
    from forecasting_repository import write_repository

    folder = GOLDEN / "chronos_bolt"
    shutil.rmtree(folder, ignore_errors=True)
    write_repository(
        folder,
        {
            "d_model": 8,
            "d_ff": 12,
            "d_kv": 4,
            "num_heads": 2,
            "num_layers": 2,
            "num_decoder_layers": 1,
        },
    )
    chronos(folder, folder / "golden.npz")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    GOLDEN.mkdir(exist_ok=True)
    metrics()
    calendars()
    chronos_small()
    if len(sys.argv) > 1:
        chronos(Path(sys.argv[1]), GOLDEN / "chronos_bolt_dummy.npz")
