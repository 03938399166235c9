"""The peers' side of the forecasting benchmark, run by a Python that has them
(benchmarks/requirements.txt).
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forecasting_data import Clock, load, serve


def deepar(job: dict[str, Any]) -> dict[str, Any]:
    """GluonTS' DeepAR on PyTorch with its defaults: train, forecast, evaluate on the same windows."""
    from gluonts.dataset.common import ListDataset
    from gluonts.evaluation import Evaluator, make_evaluation_predictions
    from gluonts.torch import DeepAREstimator

    train, whole, freq, start = load(Path(job["data"]), job["series"])
    torch.manual_seed(job["seed"])
    np.random.seed(job["seed"])  # noqa: NPY002 (GluonTS draws its windows from it)
    horizon = job["horizon"]
    past = ListDataset([{"start": start, "target": row} for row in train.values()], freq=freq)
    with tempfile.TemporaryDirectory() as folder:
        estimator = DeepAREstimator(
            freq=freq,
            prediction_length=horizon,
            batch_size=32,
            num_batches_per_epoch=50,
            trainer_kwargs={
                "max_epochs": job["steps"] // 50,
                "enable_progress_bar": False,
                "logger": False,
                "default_root_dir": folder,
            },
        )
        clock = Clock()
        predictor = estimator.train(past)
        trained = clock.read()
    clock = Clock()
    forecasts = list(predictor.predict(past, num_samples=100))
    predicted = clock.read()
    assert forecasts[0].samples.shape == (100, horizon)
    cuts = [
        ListDataset(
            [{"start": start, "target": row[: len(row) - n * horizon]} for row in whole.values()],
            freq=freq,
        )
        for n in range(job["windows"])
    ]
    found, truth = [], []
    for data in cuts:
        forecast, actual = make_evaluation_predictions(data, predictor, num_samples=100)
        found += list(forecast)
        truth += list(actual)
    levels = [n / 10 for n in range(1, 10)]
    metrics, _ = Evaluator(quantiles=levels, num_workers=None)(iter(truth), iter(found))
    chosen = {
        "mean_wQL": metrics["mean_wQuantileLoss"],
        "ND": metrics["ND"],
        "MASE": metrics["MASE"],
        "sMAPE": metrics["sMAPE"],
        "coverage_80": metrics["Coverage[0.9]"] - metrics["Coverage[0.1]"],
    }
    return {
        "train": trained,
        "predict": predicted,
        "metrics": {k: float(v) for k, v in chosen.items()},
        "parameters": sum(p.numel() for p in predictor.prediction_net.parameters()),
        "versions": versions(),
    }


def chronos(job: dict[str, Any]) -> dict[str, Any]:
    """The reference implementation of Chronos-Bolt on the same checkpoint and values."""
    from chronos import BaseChronosPipeline

    pipeline = BaseChronosPipeline.from_pretrained(job["repository"], device_map="cpu")
    values = torch.tensor(np.load(job["values"]), dtype=torch.float32)
    pipeline.predict(values[:8])
    times = []
    for _ in range(job["rounds"]):
        clock = Clock()
        found = pipeline.predict(values)
        times.append(clock.read())
    return {"times": times, "median": found[:, 4].numpy().tolist(), "versions": versions()}


def versions() -> dict[str, str]:
    return {
        name: version(name)
        for name in ("gluonts", "torch", "lightning", "chronos-forecasting", "transformers")
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    serve({"deepar": deepar, "chronos": chronos})
