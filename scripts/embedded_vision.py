"""What the scripts of the embedded detector and segmenter share: options, the run, and the bundle
with its card.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import warmstart as ws
from warmstart.catalog import Metric, WeightFile
from warmstart.checkpoints.naming import model_arrays
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.core import bundle
from warmstart.core.compiling import run_job
from warmstart.core.weights import Weights

BACKBONE = "mobilenet_0.25_224"
NORMALISATION = ("/gamma", "/beta", "/moving_mean", "/moving_variance")


def options(description: str, epochs: int, rate: float) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of the data set")
    parser.add_argument("--base", default=BACKBONE, help="the classifier that is the backbone")
    parser.add_argument(
        "--weights",
        help="ImageNet weights of the base, a file or 'pretrained'; without them it begins random",
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for checkpoints and the results"
    )
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rate", type=float, default=rate, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--random",
        type=Path,
        metavar="FOLDER",
        help="the --work of the same run without --weights, which the card then compares with",
    )
    return parser


def train(
    told: argparse.Namespace, task: str, training: Any, validation: Any, **settings: Any
) -> Any:
    """Fine-tune; started again with the same options it goes on after the last whole epoch. All is
    rounded.
    """
    base = ws.load(told.base, weights=told.weights)
    model = ws.finetune(
        base,
        training,
        task=task,
        validation=validation,
        epochs=told.epochs,
        seed=told.seed,
        batch_size=told.batch_size,
        learning_rate=told.rate,
        output=told.work / "run",
        freeze="stem" if told.weights else "none",
        **settings,
    )
    return halved(model, told.work / "rounded.safetensors")


def halved(model: Any, path: Path) -> Any:
    """The same model with its weights rounded to float16; `path` is the file that keeps them."""
    normalise(model.keras)
    save_safetensors(path, as_float16(model.keras))
    return type(model)(model.entry, Weights.of(path, published=True), model.labels)


def normalise(network: keras.Model) -> None:
    """Move the factor of every batch normalisation into the convolution before it, if that feeds
    nothing else.

    The function is the same but for the shift, which is rounded to float16, and the statistics stay
    true: mean and variance are those of the scaled convolution. A converter that folds the
    normalisation multiplies the kernel by 1, so that the program holds the checkpoint's numbers.
    """
    for norm in network.layers:
        if not isinstance(norm, keras.layers.BatchNormalization):
            continue
        before = norm.input._keras_history.operation
        if len(before._outbound_nodes) > 1:
            continue
        gamma, beta, mean, variance = norm.get_weights()
        factor = gamma / np.sqrt(variance + norm.epsilon)
        along = factor[:, None] if isinstance(before, keras.layers.DepthwiseConv2D) else factor
        kernel, *bias = before.get_weights()
        before.set_weights([kernel * along, *(part * factor for part in bias)])
        variance = variance * factor**2
        shift = (beta - mean * factor).astype(np.float16)  # what becomes the program's bias
        norm.set_weights(
            [np.sqrt(variance + norm.epsilon), shift + mean * factor, mean * factor, variance]
        )


def as_float16(network: keras.Model) -> dict[str, np.ndarray]:
    """What a bundle stores; the few numbers of normalisations, among them variances of 0.999, stay
    exact.
    """
    return {
        name: array if name.endswith(NORMALISATION) else array.astype(np.float16)
        for name, array in model_arrays(network).items()
    }


def publish(
    told: argparse.Namespace,
    model: Any,
    *,
    name: str,
    title: str,
    figures: Mapping[str, Any],
    metrics: Sequence[tuple[str, float]],
    dataset: str,
    script: str,
    about: str,
    rows: Callable[[Mapping[str, Any]], str],
    precision: str,
) -> Path:
    """Write `work/bundle`, which the package ships, and `work/figures.json`.

    `precision` is that of the program: "float16" where every kernel has one normalisation, which
    `normalise` absorbs.
    """
    told.work.joinpath("figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    entry = replace(
        model.entry,
        name=name,
        title=title,
        aliases=(),
        licence="MIT",
        labels=name,
        weights={"top": WeightFile(f"embedded:{name}/{bundle.IN_PROGRAM}", layout="tflite")},
        metrics=tuple(Metric(key, round(value, 4), dataset, script) for key, value in metrics),
    )
    history = json.loads((told.work / "run" / bundle.TRAINING).read_text())["history"]
    seconds = sum(epoch["seconds"] for epoch in history)
    began = f"ImageNet weights of `{told.base}`" if told.weights else "random numbers"
    compared = ""
    if told.random:
        other = json.loads((told.random / "figures.json").read_text())
        compared = (
            "\nThe same run from random numbers, as many epochs of the same length:\n\n"
            + rows(other)
        )
    card = f"""---
license: mit
library_name: warmstart
pipeline_tag: {entry.task}
---

# {title}

{about}

| | |
|---|---|
| network | {entry.architecture} on `{told.base}`, {entry.parameters:,} parameters |
| input | {entry.preprocessing.size[1]}x{entry.preprocessing.size[0]} pixels |
| initial weights | {began} |
| recipe | {len(history)} of {told.epochs} epochs, AdamW, batch {told.batch_size}, peak learning rate {told.rate:g}, \
seed {told.seed}; {seconds / 60:.0f} minutes |
| best epoch | selected on validation photos |
| precision | weights stored as float16 |

Measured on {dataset}, after training, with the compiled program:

{rows(figures)}{compared}
This card was written by `{script}`.
"""
    target = told.work / "bundle"
    shutil.rmtree(target, ignore_errors=True)
    bundle.write(
        target,
        entry,
        as_float16(model.keras),
        model.labels,
        lambda folder: run_job(model.entry, model.weights, precision, folder, print),
        precision=precision,
        card=card,
        weights=bundle.IN_PROGRAM,
    )
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {size / 2**20:.2f} MiB")
    return target
