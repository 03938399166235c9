"""From the trained `cifar10_resnet20` to its bundle and card: fold, compile, measure, write.

    python scripts/train_embedded_cifar10.py train.zip --work work/held --teacher-epochs 50 --epochs 100 --held-out 5000
    python scripts/cifar10_export.py test.zip --work work/cifar10 --calibration work/held/held_out.json

`--work` is the folder in which `train_embedded_cifar10.py` has left its weights. The bundle lies in
`work/cifar10/bundle` afterwards; the tests have a copy of it in tests/data/cifar10_resnet20.
Needs `warmstart[tensorflow]`.
"""

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import warmstart as ws
from cifar10_photos import MEAN, STD, read_zip, standardise
from embedded_vision import as_float16
from warmstart.catalog import Entry, ImagePreprocessing, Label, Metric
from warmstart.core import bundle
from warmstart.core.metrics.calibration import calibration_error, decisions
from warmstart.engines.compile import compile_program
from warmstart.engines.store import Artifact
from warmstart.image.classification import ImageClassifier
from warmstart.models.image.cifar_resnet import network as cifar_resnet

CONFIG = {"depth": 20, "filters": 16}


def fold(model: keras.Model) -> None:
    """Move every batch normalisation into the convolution before it and round all numbers to
    float16.

    The same function, up to rounding, with normalisations that change nothing: scale 1, mean 0 and
    a variance to which adding epsilon gives 1. So the checkpoint and the compiled program, in which
    converters fold normalisations anyway, hold the very same float16 numbers at half the size.
    """
    half = lambda x: x.astype(np.float16).astype(np.float32)  # noqa: E731
    for norm in model.layers:
        if not isinstance(norm, keras.layers.BatchNormalization):
            continue
        conv = model.get_layer(norm.name.removesuffix("_bn") + "_conv")
        gamma, beta, mean, variance = norm.get_weights()
        factor = gamma / np.sqrt(variance + norm.epsilon)
        conv.set_weights([half(conv.get_weights()[0] * factor)])
        one = np.ones_like(gamma)
        norm.set_weights([one, half(beta - mean * factor), 0 * one, one - np.float32(norm.epsilon)])
    top = model.get_layer("predictions")
    top.set_weights([half(w) for w in top.get_weights()])


def entry_of(parameters: int, accuracy: float, photos: int) -> Entry:
    return Entry(
        name="cifar10_resnet20",
        task="image-classification",
        family="cifar_resnet",
        title="ResNet-20 for CIFAR-10",
        architecture="cifar_resnet",
        config=CONFIG,
        weights={},
        preprocessing=ImagePreprocessing(
            size=(32, 32),
            scaling="standard",
            mean=tuple(map(float, MEAN.astype(str))),
            std=tuple(map(float, STD.astype(str))),
            crop_ratio=1.0,
        ),
        labels="cifar10",
        licence="Apache-2.0",
        parameters=parameters,
        gflops=0.041,
        min_size=8,
        metrics=(
            Metric(
                "top1",
                round(accuracy, 4),
                f"CIFAR-10 test, all {photos:,} photos as JPEG",
                "scripts/cifar10_export.py",
            ),
        ),
        paper="He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385",
    )


CARD = """---
license: apache-2.0
library_name: warmstart
pipeline_tag: image-classification
---

# {title}

A small model for tests: 32x32 photos of ten things ({classes}).
Anything else in a photo is answered with one of these ten too: it is a demonstration and a test
object, not a general classifier.

| | |
|---|---|
| architecture | ResNet-20, CIFAR variant (He et al. 2015, section 4.2), {parameters:,} parameters |
| trained on | CIFAR-10, 50,000 training photos as JPEG |
| taught by | the same network {wider} times as wide, trained on the same photos for {teacher[epochs]} epochs |
| loss | {labels:.0%} for the labels, the rest for the teacher's answer to the same crop (temperature {temperature:g}) |
| recipe | {pupil[epochs]} epochs, SGD with Nesterov momentum 0.9, batch {pupil[batch]}, weight decay |
| learning rate | rising to {pupil[peak]}, falling to 0; seed {seed} |
| augmentation | random crops and flips; {pupil[mixed]:.0%} of the photos are mixtures of two |
| calibration | logits divided by {held_out[temperature]:.2f}, see below |
| precision | kernels stored as float16, batch normalisation folded into them |

| measured on all {count:,} test photos | accuracy | expected calibration error |
|---|---|---|
| the compiled program with LiteRT | **{right_after:.2%}** | **{error_after:.2%}** |
| the trained network before calibration, folding and rounding | {right_before:.2%} | {error_before:.2%} |

| class | accuracy |
|---|---|
{per_class}

The divisor of the logits is the one that fitted {held_out[photos]:,} of the training photos best in another run of the
same recipe, {held_out[epochs]} epochs long, that had not seen them ({held_out[right]:.1%} of them were right). It
changes no answer, only how sure it claims to be.

The test photos were never trained on. They were looked at after the last epoch of two runs: of this one, and before it
of one of half the length whose teacher's labels were smoothed (90.5%). CIFAR-10 was collected by Krizhevsky, Nair and
Hinton (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009).

This card was written by `scripts/cifar10_export.py`.
"""


def calibrate(model: keras.Model, temperature: float) -> None:
    """Divide the logits: the same answers, with probabilities that say how often they are right."""
    top = model.get_layer("predictions")
    top.set_weights([w / temperature for w in top.get_weights()])


def export(
    model: keras.Model,
    test: tuple[np.ndarray, np.ndarray, list[str]],
    recipe: Mapping[str, Any],
    held_out: Mapping[str, Any],
    work: Path,
) -> None:
    """Calibrate, fold, compile, measure on all test photos, and write the bundle with its card."""
    images, labels, classes = test
    for folder in ("bundle", "unmeasured"):
        shutil.rmtree(work / folder, ignore_errors=True)
    pixels = standardise(images)
    before = model.predict(pixels, batch_size=250, verbose=0)
    calibrate(model, held_out["temperature"])
    fold(model)
    named = [Label(i, name, name) for i, name in enumerate(classes)]
    entry = entry_of(model.count_params(), 0.0, len(labels))
    program = ImageClassifier.program(entry, model)
    probe = bundle.write(
        work / "unmeasured",
        entry,
        as_float16(model),
        named,
        lambda folder: compile_program(program, folder, "float16", print),
        precision="float16",
    )
    engine = ws.load(probe, engine="litert").engine
    after = np.concatenate(
        [
            engine.run("forward", images=pixels[i : i + 100])["probabilities"]
            for i in range(0, len(pixels), 100)
        ]
    )
    found, figures = after.argmax(1), {}
    for when, probabilities in (("before", before), ("after", after)):
        figures |= {
            f"right_{when}": float((probabilities.argmax(1) == labels).mean()),
            f"error_{when}": calibration_error(*decisions(probabilities, labels)),
        }
    print(json.dumps(figures))
    entry = entry_of(model.count_params(), figures["right_after"], len(labels))
    card = CARD.format(
        **recipe,
        **figures,
        held_out=held_out,
        title=entry.title,
        classes=", ".join(classes),
        parameters=entry.parameters,
        count=len(labels),
        per_class="\n".join(
            f"| {name} | {(found[labels == i] == i).mean():.1%} |" for i, name in enumerate(classes)
        ),
    )
    compiled = Artifact.load(probe / "artifacts" / "float32")
    bundle.write(
        work / "bundle",
        entry,
        as_float16(model),
        named,
        compiled.copy_to,
        precision="float16",
        card=card,
        weights=bundle.IN_PROGRAM,
    )
    shutil.rmtree(probe)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "test", type=Path, help="zip of class folders of 32x32 JPEGs, never trained on"
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder of the trained weights; gets the bundle"
    )
    parser.add_argument(
        "--calibration", type=Path, required=True, help="held_out.json of a run with --held-out"
    )
    options = parser.parse_args()
    model = cifar_resnet.build(CONFIG)
    model.load_weights(options.work / "trained.weights.h5")
    recipe, held_out = (
        json.loads(path.read_text()) for path in (options.work / "recipe.json", options.calibration)
    )
    export(model, read_zip(options.test), recipe, held_out, options.work)


if __name__ == "__main__":
    main()
