"""Writing the bundle of a trained Keras model into the run's folder, and loading it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from warmstart.catalog import Entry, Label
from warmstart.core import bundle
from warmstart.core.adapters import CONFIG as ADAPTER_CONFIG
from warmstart.core.bundle import ADAPTER
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.core.task import task_class
from warmstart.core.weights import Weights
from warmstart.models import architecture, arrays
from warmstart.training.fit import Fitted
from warmstart.training.run import Run, plain


def finish(
    run: Run,
    network: keras.Model,
    entry: Entry,
    labels: Sequence[Label],
    *,
    fits: Mapping[str, Fitted],
    report: str,
    details: Mapping[str, Any] | None = None,
    card: str | None = None,
    folder: Path | None = None,
    adapter: Any = None,
) -> Model[Any, Any, Any]:
    """Write the bundle, finish the run, and load the bundle.

    Args:
        run: unfinished.
        network: trained; `architecture(entry.architecture)` builds the same from the entry's
            config.
        entry, labels: of the result; the metrics are those of these weights.
        fits: the fits of the run by name, in order: the bundle's history.
        report: the HTML page.
        details: more plain values for `training.json`.
        card: the model card; default: generated from the entry.
        folder: of the base, from which its task reads files such as a tokenizer.
        adapter: a `lora.Adapter`, which the bundle contains instead of the network's weights.

    Raises:
        TrainingError: the disk is full; the checkpoints are intact.
        CompileError: the result cannot be compiled.
    """
    file = "result.safetensors"
    run.save_arrays(file, arrays(architecture(entry.architecture), network, entry.config))
    model = task_class(entry.task)(
        entry, Weights.of(run.state / file, published=True), tuple(labels), folder=folder
    )
    files = {
        bundle.TRAINING: json.dumps(record(run, fits, details), indent=1).encode(),
        bundle.REPORT: report.encode(),
    }

    def write(target: Path) -> Any:
        if adapter is None:
            return model.save(target, files=files, card=card)
        return bundle.write(
            target,
            entry,
            adapter.arrays,
            labels,
            model.artifact.copy_to,
            card=card,
            weights=ADAPTER,
            files={**model.files(), **files, ADAPTER_CONFIG: adapter.config},
        )

    run.finish(write)
    return load(run.folder)


def record(
    run: Run, fits: Mapping[str, Fitted], details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The content of `training.json`: settings, `details`, the best epoch of each fit with the
    averages that were measured, and all epochs by fit.
    """
    history = [{"fit": name, **epoch} for name, fitted in fits.items() for epoch in fitted.history]
    best = {
        name: {
            "epoch": fitted.best,
            "stopped": fitted.stopped,
            **({"share": fitted.share, "averages": fitted.averages} if fitted.averages else {}),
        }
        for name, fitted in fits.items()
    }
    return {"settings": run.settings, **plain(details or {}), "best": best, "history": history}
