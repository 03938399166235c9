"""Train the embedded model `cifar10_resnet20` and write its bundle and model card.

    python scripts/cifar10_opinions.py train.zip mobilenet_v1_0.25_224_imagenet.h5 --work work/opinions
    python scripts/train_embedded_cifar10.py train.zip test.zip --work work/cifar10 --average \\
        --start src/warmstart/embedded/cifar10_resnet20 --opinions work/opinions/opinions.npy \\
        --epochs 43 --small-epochs 20 --peak 0.15

The bundle lies in `work/cifar10/bundle` afterwards; the package ships a copy of it in
src/warmstart/embedded/cifar10_resnet20. Without `--start` the weights start at random; with it they go on from
a bundle, whose normalisations are first measured anew (see `unfold`). Without `--opinions` the targets are the
labels alone (Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, for what they add).

The recipe: SGD with Nesterov momentum 0.9, batch 128, learning rate rising linearly to its peak over
the first tenth of the steps and falling linearly to zero, weight decay on the kernels only, label
smoothing 0.05, a random horizontal flip; for `--small-epochs` crops of 24x24 pixels anywhere in the photo, at half
the price, then augmentation of He et al. (2015), section 4.2: four pixels of padding and a random 32x32 crop;
optionally cutout (DeVries and Taylor 2017) and the moving average of the weights. The run is resumable: started
again with the same `--work`, it goes on after the last finished epoch. The test photos are looked at once, after the
last epoch. (The schedule of the shipped weights was shortened on the way: from 64 epochs to 46 after the 16th, to 43
after the 38th.)

Needs `warmstart[tensorflow]`; `KERAS_BACKEND=jax` works too.
"""

import argparse
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import warmstart as ws
from fused_norm import fused
from resumable import Triangle, fit_epochs
from warmstart import bundle
from warmstart.catalog import Entry, ImagePreprocessing, Label, Metric, WeightFile
from warmstart.checkpoints import model_arrays, open_checkpoint
from warmstart.engines.compile import compile_program
from warmstart.engines.store import Artifact
from warmstart.models import cifar_resnet
from warmstart.tasks.image_classification import ImageClassifier

# Per channel over the training photos, on the scale 0..1; the entry's preprocessing uses the same.
MEAN = np.array([0.4914, 0.4822, 0.4465], np.float32)
STD = np.array([0.2470, 0.2435, 0.2616], np.float32)
BATCH = 128
SMOOTHED = 0.05  # of each target is spread over all classes
SHARE = 0.8  # of each target is the opinion of others, where there is one


def read_zip(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The photos of a zip of class folders: uint8 (N, 32, 32, 3), int labels (N,), class names."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        labels = sorted({name.split("/")[-2] for name in names})
        images = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names])
    return images, np.array([labels.index(name.split("/")[-2]) for name in names], np.int32), labels


def standardise(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / 255.0 - MEAN) / STD


def padded(images: np.ndarray, edges: str = "constant") -> np.ndarray:
    """Standardised, with four pixels around them: of the mean colour, or as `np.pad` names it."""
    return np.pad(standardise(images), ((0, 0), (4, 4), (4, 4), (0, 0)), mode=edges)


class Augmented(keras.utils.PyDataset):
    """Batches of randomly shifted and flipped photos; the same epoch gives the same batches in any run.

    Args:
        images: standardised, and larger than the crops; not copied, since Keras keeps the batches of every epoch.
        targets: float32 (N, 10), a probability per class.
        side: height and width of the crops, which come from anywhere in a photo.
    """

    def __init__(self, images: np.ndarray, targets: np.ndarray, epoch: int, side: int, seed: int,
                 cutout: int = 0):
        super().__init__()
        self.images, self.targets, self.side, self.cutout = images, targets, side, cutout
        self.of_run = (seed, epoch)
        self.order = np.random.default_rng(self.of_run).permutation(len(targets))

    def __len__(self):
        return len(self.targets) // BATCH

    def __getitem__(self, index):
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        random = np.random.default_rng((*self.of_run, index))
        batch = np.empty((len(rows), self.side, self.side, 3), np.float32)
        last = self.images.shape[1] - self.side
        for out, row, (top, left), flip in zip(batch, rows, random.integers(0, last + 1, (len(rows), 2)),
                                               random.random(len(rows)) < 0.5, strict=True):
            crop = self.images[row, top : top + self.side, left : left + self.side]
            out[:] = crop[:, ::-1] if flip else crop
            if self.cutout:  # a square around any pixel; at the border a part of it
                y, x = random.integers(0, self.side, 2)
                half = self.cutout // 2
                out[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 0.0
        return batch, self.targets[rows]


def targets_of(labels: np.ndarray, opinions: Path | None) -> np.ndarray:
    """float32 (N, 10): the labels, smoothed; with opinions, those for the larger part."""
    targets = np.eye(10, dtype=np.float32)[labels] * (1 - SMOOTHED) + SMOOTHED / 10
    if opinions:
        targets = (1 - SHARE) * targets + SHARE * np.load(opinions).astype(np.float32)
    return targets


def train(images: np.ndarray, labels: np.ndarray, options: argparse.Namespace) -> keras.Model:
    work = options.work
    keras.utils.set_random_seed(options.seed)
    model = build((None, None, 3))
    if options.start:
        model.set_weights(unfold(options.start, images).get_weights())
    model = fused(model)
    steps = options.epochs * (len(labels) // BATCH)
    # Keras decays weights apart from the momentum: 5e-3 here acts like an L2 factor of 5e-4 would.
    optimizer = keras.optimizers.SGD(Triangle(options.peak, steps // 10, steps), momentum=0.9, nesterov=True,
                                     weight_decay=5e-3, use_ema=options.average, ema_momentum=0.998)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(), metrics=["accuracy"], jit_compile=False)
    targets, plain, wide = targets_of(labels, options.opinions), standardise(images), padded(images)

    def batches(epoch: int) -> Augmented:
        photos, side = (plain, 24) if epoch < options.small_epochs else (wide, 32)
        return Augmented(photos, targets, epoch, side, options.seed, options.cutout)

    fit_epochs(model, batches, options.epochs, work)
    if options.average:
        optimizer.finalize_variable_values(model.trainable_variables)
    exact = build()
    exact.set_weights(model.get_weights())
    exact.save_weights(work / "trained.weights.h5")
    return exact


def build(shape: tuple[int | None, ...] = (32, 32, 3)) -> keras.Model:
    return cifar_resnet.build({"depth": 20, "filters": 16}, input_shape=shape)


def norms_of(model: keras.Model) -> Iterator[tuple[keras.layers.Layer, keras.layers.Layer]]:
    """Each batch normalisation with the convolution before it, from the input on."""
    for norm in model.layers:
        if isinstance(norm, keras.layers.BatchNormalization):
            yield norm, model.get_layer(norm.name.removesuffix("_bn") + "_conv")


def unfold(folder: Path, images: np.ndarray) -> keras.Model:
    """The network of a bundle in a form that trains well: `fold` backwards.

    The normalisations of a bundle change nothing. Here each gets the mean and the variance that its convolution gives
    on photos, and a scale and an offset that undo it: the same function, but again one whose layers normalise. The
    kernels are brought to the size that training starts from (He et al., 2015).
    """
    model = build()
    with open_checkpoint(folder / "model.safetensors") as checkpoint:
        cifar_resnet.load(model, checkpoint, {})
    pairs = list(norms_of(model))
    seen = keras.Model(model.inputs, [conv.output for _, conv in pairs])
    some = standardise(images[np.random.default_rng(0).permutation(len(images))[:2000]])
    for (norm, conv), maps in zip(pairs, seen.predict(some, batch_size=250, verbose=0), strict=True):
        kernel = conv.get_weights()[0]
        to_typical = np.sqrt(2.0 / np.prod(kernel.shape[:3])) / kernel.std()
        mean, variance = maps.mean((0, 1, 2)), maps.var((0, 1, 2))
        beta = norm.get_weights()[1]
        conv.set_weights([kernel * to_typical])
        norm.set_weights([np.sqrt(variance + norm.epsilon / to_typical**2), beta + mean, mean * to_typical,
                          variance * to_typical**2])
    return model


def fold(model: keras.Model) -> None:
    """Move every batch normalisation into the convolution before it and round all numbers to float16.

    The same function, up to rounding, with normalisations that change nothing: scale 1, mean 0 and a
    variance to which adding epsilon gives 1. So the checkpoint and the compiled program, in which
    converters fold normalisations anyway, hold the very same float16 numbers at half the size.
    """
    half = lambda x: x.astype(np.float16).astype(np.float32)  # noqa: E731
    for norm, conv in norms_of(model):
        gamma, beta, mean, variance = norm.get_weights()
        factor = gamma / np.sqrt(variance + norm.epsilon)
        conv.set_weights([half(conv.get_weights()[0] * factor)])
        one = np.ones_like(gamma)
        norm.set_weights([one, half(beta - mean * factor), 0 * one, one - np.float32(norm.epsilon)])
    top = model.get_layer("predictions")
    top.set_weights([half(w) for w in top.get_weights()])


def entry_of(parameters: int, accuracy: float, photos: int) -> Entry:
    return Entry(
        name="cifar10_resnet20", task="image-classification", family="cifar_resnet",
        title="ResNet-20 for CIFAR-10", architecture="cifar_resnet", config={"depth": 20, "filters": 16},
        weights={"top": WeightFile("embedded:cifar10_resnet20/model.safetensors", layout="safetensors")},
        preprocessing=ImagePreprocessing(
            size=(32, 32), scaling="standard", mean=tuple(map(float, MEAN.astype(str))),
            std=tuple(map(float, STD.astype(str))), crop_ratio=1.0),
        labels="cifar10", licence="Apache-2.0", parameters=parameters, gflops=0.041, min_size=8,
        metrics=(Metric("top1", round(accuracy, 4), f"CIFAR-10 test, all {photos:,} photos as JPEG",
                        "scripts/train_embedded_cifar10.py"),),
        paper="He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385",
    )


CARD = """---
license: apache-2.0
library_name: warmstart
pipeline_tag: image-classification
---

# {title}

The small model that ships inside warmstart: 32x32 photos of ten things ({classes}).
Anything else in a photo is answered with one of these ten too: it is a demonstration and a test
object, not a general classifier.

| | |
|---|---|
| architecture | ResNet-20, CIFAR variant (He et al. 2015, section 4.2), {parameters:,} parameters |
| trained on | CIFAR-10, 50,000 training photos as JPEG |
| recipe | {epochs} epochs, SGD with Nesterov momentum 0.9, batch {batch}, peak learning rate {peak} |
| regularisation | {regularisation}; seed {seed} |
| precision | kernels stored as float16, batch normalisation folded into them |

| measured on | accuracy |
|---|---|
| all {count:,} test photos, the compiled program with LiteRT | **{accuracy:.2%}** |
| the same, trained network in float32 before folding and rounding | {trained:.2%} |

| class | accuracy |
|---|---|
{per_class}

The test photos were never trained on, and were looked at once, after the last epoch. CIFAR-10 was
collected by Krizhevsky, Nair and Hinton (Krizhevsky, "Learning Multiple Layers of Features from Tiny
Images", 2009).

This card was written by `scripts/train_embedded_cifar10.py`.
"""


def export(model: keras.Model, test: tuple[np.ndarray, np.ndarray, list[str]], options: argparse.Namespace) -> None:
    """Fold, compile, measure on all test photos, and write the bundle with its card."""
    images, labels, classes = test
    pixels = standardise(images)
    trained = float((model.predict(pixels, batch_size=256, verbose=0).argmax(1) == labels).mean())
    fold(model)
    named = [Label(i, name, name) for i, name in enumerate(classes)]
    entry = entry_of(model.count_params(), 0.0, len(labels))
    program = ImageClassifier.program(entry, model)
    probe = bundle.write(options.work / "unmeasured", entry, _stored(model), named,
                         lambda folder: compile_program(program, folder, "float16", print), precision="float16")
    engine = ws.load(probe, engine="litert").engine
    found = np.concatenate([engine.run("forward", images=pixels[i : i + 100])["probabilities"].argmax(1)
                            for i in range(0, len(pixels), 100)])
    accuracy = float((found == labels).mean())
    print(f"test accuracy: {accuracy:.4f} compiled, {trained:.4f} as trained, on {len(labels)} photos")
    entry = entry_of(model.count_params(), accuracy, len(labels))
    card = CARD.format(
        title=entry.title, classes=", ".join(classes), parameters=entry.parameters, epochs=options.epochs,
        batch=BATCH, peak=options.peak, regularisation=_regularisation(options), seed=options.seed,
        count=len(labels), accuracy=accuracy, trained=trained,
        per_class="\n".join(f"| {name} | {(found[labels == i] == i).mean():.1%} |" for i, name in enumerate(classes)))
    compiled = Artifact.load(probe / "artifacts" / "float32")
    bundle.write(options.work / "bundle", entry, _stored(model), named, compiled.copy_to, precision="float16",
                 card=card)
    shutil.rmtree(probe)


def _regularisation(options: argparse.Namespace) -> str:
    parts = ["weight decay, label smoothing 0.05, random crops and flips"]
    if options.cutout:
        parts.append(f"cutout {options.cutout}")
    if options.small_epochs:
        parts.append(f"the first {options.small_epochs} epochs on crops of 24x24")
    if options.start:
        parts.append("started from an earlier version of this model (44 epochs from random weights)")
    if options.opinions:
        parts.append(f"{SHARE:.0%} of each target are the opinions of that version and of a MobileNet 0.25, pretrained "
                     "on ImageNet and fine-tuned on the same photos (`scripts/cifar10_opinions.py`)")
    if options.average:
        parts.append("moving average of the weights")
    return ", ".join(parts)


def _stored(model: keras.Model) -> dict[str, np.ndarray]:
    """Kernels as float16; the few other numbers, among them variances of 0.999, stay exact."""
    return {name: array.astype(np.float16) if name.endswith("/kernel") else array
            for name, array in model_arrays(model).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, help="zip of class folders of 32x32 JPEGs")
    parser.add_argument("test", type=Path, help="the same, never trained on")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and the results")
    parser.add_argument("--epochs", type=int, default=44)
    parser.add_argument("--peak", type=float, default=0.2, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cutout", type=int, default=0, help="side of the square that is left out of each photo")
    parser.add_argument("--average", action="store_true", help="keep the moving average of the weights")
    parser.add_argument("--small-epochs", type=int, default=0, help="how many of the epochs see crops of 24x24 only")
    parser.add_argument("--start", type=Path, help="the folder of a bundle whose weights training goes on from")
    parser.add_argument("--opinions", type=Path, help="probabilities (N, 10) of the training photos, as .npy")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    finished = options.work / "trained.weights.h5"
    if finished.exists():
        model = build()
        model.load_weights(finished)
    else:
        images, labels, classes = read_zip(options.train)
        print(f"{len(labels)} training photos, classes: {', '.join(classes)}")
        model = train(images, labels, options)
    export(model, read_zip(options.test), options)


if __name__ == "__main__":
    main()
