"""Train the embedded model `cifar10_resnet20` and write its bundle and model card.

    python scripts/train_embedded_cifar10.py train.zip test.zip --work work/cifar10

The bundle lies in `work/cifar10/bundle` afterwards; the package ships a copy of it in
src/warmstart/embedded/cifar10_resnet20. On an accelerator there is time for more: a wider and deeper
network of the same family first, then the small one with its help (Hinton, Vinyals, Dean,
"Distilling the Knowledge in a Neural Network", 2015), and many epochs:

    python scripts/train_embedded_cifar10.py train.zip test.zip --work work/teacher --depth 56 --filters 64 \\
        --epochs 120 --cutout 8 --only-train
    python scripts/train_embedded_cifar10.py train.zip test.zip --work work/cifar10 --epochs 300 --average \\
        --teacher work/teacher/trained.weights.h5 --teacher-depth 56 --teacher-filters 64

The recipe: SGD with Nesterov momentum 0.9, batch 128, learning rate rising linearly to its peak over
the first tenth of the steps and falling linearly to zero, weight decay on the kernels only, label
smoothing 0.05; augmentation of He et al. (2015), section 4.2: four pixels of padding, a random
32x32 crop, a random horizontal flip; optionally cutout (DeVries and Taylor 2017), a teacher, and the
moving average of the weights. The run is resumable: started again with the same `--work`, it
goes on after the last finished epoch. The test photos are looked at once, after the last epoch.

Needs `warmstart[tensorflow]`; `KERAS_BACKEND=jax` works too.
"""

import argparse
import io
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import warmstart as ws
from resumable import Triangle, finished_epochs, keepers
from warmstart import bundle
from warmstart.catalog import Entry, ImagePreprocessing, Label, Metric, WeightFile
from warmstart.checkpoints import model_arrays
from warmstart.engines.compile import compile_program
from warmstart.engines.store import Artifact
from warmstart.models import cifar_resnet
from warmstart.tasks.image_classification import ImageClassifier

# Per channel over the training photos, on the scale 0..1; the entry's preprocessing uses the same.
MEAN = np.array([0.4914, 0.4822, 0.4465], np.float32)
STD = np.array([0.2470, 0.2435, 0.2616], np.float32)
BATCH = 128


def read_zip(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The photos of a zip of class folders: uint8 (N, 32, 32, 3), int labels (N,), class names."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        labels = sorted({name.split("/")[-2] for name in names})
        images = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names])
    return images, np.array([labels.index(name.split("/")[-2]) for name in names], np.int32), labels


def standardise(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / 255.0 - MEAN) / STD


class Augmented(keras.utils.PyDataset):
    """Batches of randomly shifted and flipped photos; the same epoch gives the same batches in any run."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int, first_epoch: int, cutout: int):
        super().__init__()
        self.cutout = cutout
        self.padded = np.pad(standardise(images), ((0, 0), (4, 4), (4, 4), (0, 0)))
        self.labels, self.seed, self.epoch = labels, seed, first_epoch
        self._shuffle()

    def _shuffle(self):
        self.random = np.random.default_rng((self.seed, self.epoch))
        self.order = self.random.permutation(len(self.labels))

    def on_epoch_end(self):
        self.epoch += 1
        self._shuffle()

    def __len__(self):
        return len(self.labels) // BATCH

    def __getitem__(self, index):
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        random = np.random.default_rng((self.seed, self.epoch, index))
        batch = np.empty((len(rows), 32, 32, 3), np.float32)
        for out, row, (top, left), flip in zip(batch, rows, random.integers(0, 9, (len(rows), 2)),
                                               random.random(len(rows)) < 0.5, strict=True):
            crop = self.padded[row, top : top + 32, left : left + 32]
            out[:] = crop[:, ::-1] if flip else crop
            if self.cutout:  # a square around any pixel; at the border a part of it
                y, x = random.integers(0, 32, 2)
                half = self.cutout // 2
                out[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 0.0
        return batch, keras.utils.to_categorical(self.labels[rows], 10)


class Distilled(keras.Model):
    """A student whose loss is, for the larger part, the distance from a teacher's softened probabilities.

    Both give probabilities p; softmax(log(p) / T) is what their logits divided by T would give.
    """

    def __init__(self, student: keras.Model, teacher: keras.Model, temperature: float = 4.0, share: float = 0.9):
        super().__init__()
        self.student, self.teacher, self.temperature, self.share = student, teacher, temperature, share
        teacher.trainable = False

    def call(self, images, training=None):
        return self.student(images, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        hard = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return hard
        mine, wanted = (keras.ops.log(keras.ops.clip(keras.ops.cast(p, "float32"), 1e-7, 1.0)) / self.temperature
                        for p in (y_pred, self.teacher(x, training=False)))
        soft = -keras.ops.sum(keras.ops.softmax(wanted) * keras.ops.log_softmax(mine), axis=-1)
        return (1 - self.share) * hard + self.share * self.temperature**2 * keras.ops.mean(soft)


def train(images: np.ndarray, labels: np.ndarray, options: argparse.Namespace) -> keras.Model:
    work, size = options.work, {"depth": options.depth, "filters": options.filters}
    keras.utils.set_random_seed(options.seed)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")  # a quarter faster on CPUs that have it
    student = model = cifar_resnet.build(size)
    steps = options.epochs * (len(labels) // BATCH)
    # Keras decays weights apart from the momentum: 5e-3 here acts like an L2 factor of 5e-4 would.
    optimizer = keras.optimizers.SGD(Triangle(options.peak, steps // 10, steps), momentum=0.9, nesterov=True,
                                     weight_decay=5e-3, use_ema=options.average, ema_momentum=0.998)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    if options.teacher:
        teacher = cifar_resnet.build({"depth": options.teacher_depth, "filters": options.teacher_filters})
        teacher.load_weights(options.teacher)
        model = Distilled(student, teacher)
        model.build((None, 32, 32, 3))
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(label_smoothing=0.05), metrics=["accuracy"])
    first_epoch = finished_epochs(work)
    batches = Augmented(images, labels, options.seed, first_epoch, options.cutout)
    model.fit(batches, epochs=options.epochs, verbose=2, callbacks=keepers(work))
    if options.average:
        optimizer.finalize_variable_values(model.trainable_variables)
    keras.mixed_precision.set_global_policy("float32")
    exact = cifar_resnet.build(size)
    exact.set_weights(student.get_weights())
    exact.save_weights(work / "trained.weights.h5")
    return exact


def fold(model: keras.Model) -> None:
    """Move every batch normalisation into the convolution before it and round all numbers to float16.

    The same function, up to rounding, with normalisations that change nothing: scale 1, mean 0 and a
    variance to which adding epsilon gives 1. So the checkpoint and the compiled program, in which
    converters fold normalisations anyway, hold the very same float16 numbers at half the size.
    """
    half = lambda x: x.astype(np.float16).astype(np.float32)  # noqa: E731
    for norm in [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]:
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
    if options.teacher:
        parts.append(f"distilled from ResNet-{options.teacher_depth} of width {options.teacher_filters}, "
                     "trained on the same photos")
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
    parser.add_argument("--depth", type=int, default=20, help="of the network to train; the package ships 20")
    parser.add_argument("--filters", type=int, default=16, help="of its first stage; the package ships 16")
    parser.add_argument("--teacher", type=Path, help="trained.weights.h5 of a larger network")
    parser.add_argument("--teacher-depth", type=int, default=56)
    parser.add_argument("--teacher-filters", type=int, default=64)
    parser.add_argument("--only-train", action="store_true", help="a teacher: make no bundle")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    finished = options.work / "trained.weights.h5"
    if finished.exists():
        model = cifar_resnet.build({"depth": 20, "filters": 16})
        model.load_weights(finished)
    else:
        images, labels, classes = read_zip(options.train)
        print(f"{len(labels)} training photos, classes: {', '.join(classes)}")
        model = train(images, labels, options)
    if options.only_train:
        return
    if (options.depth, options.filters) != (20, 16):
        parser.error("only depth 20 with 16 filters is shipped; use --only-train for a teacher")
    export(model, read_zip(options.test), options)


if __name__ == "__main__":
    main()
