"""What two other models say of the CIFAR-10 training photos, for `train_embedded_cifar10.py --opinions` to learn from.

    python scripts/cifar10_opinions.py train.zip mobilenet_v1_0.25_224_imagenet.h5 --work work/opinions

The one is the `cifar10_resnet20` that the package ships so far. The other is MobileNet 0.25 with ImageNet weights,
fine-tuned here on the same photos, enlarged to 96x96: it has seen a million photos more, and errs elsewhere. Each looks
at every photo and its mirror image, the first at two shifts of them too; the mean of the logarithms of all their
probabilities, half from each model, is the opinion (N, 10), in the order of `read_zip`. Resumable after each epoch.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np

import warmstart as ws
from fused_norm import fused
from resumable import Triangle, fit_epochs
from train_embedded_cifar10 import BATCH, MEAN, STD, Augmented, padded, read_zip, standardise, targets_of
from warmstart import catalog
from warmstart.checkpoints import open_checkpoint
from warmstart.models import architecture
from warmstart.tasks.text import softmax

Predict = Callable[[np.ndarray], np.ndarray]
SIDE = 96
SHIFTS = ((2, 2), (1, 1), (3, 3))  # the first is none


def from_imagenet(weights: Path) -> keras.Model:
    """Standardised photos (B, 32, 32, 3) -> logits (B, 10); the last layer is new."""
    entry = catalog.get("mobilenet_0.25_224")
    module = architecture(entry.architecture)
    base = module.build(entry.config, input_shape=(SIDE, SIDE, 3))
    with open_checkpoint(weights) as checkpoint:
        module.load(base, checkpoint, entry.config)
    maps = fused(keras.Model(base.input, base.get_layer("conv_pw_13_relu").output))
    images = keras.Input((32, 32, 3))
    x = keras.layers.Resizing(SIDE, SIDE, interpolation="bilinear")((images * STD + MEAN) * 2 - 1)  # as MobileNet's
    x = keras.layers.Dropout(0.1)(keras.layers.GlobalAveragePooling2D()(maps(x)))
    return keras.Model(images, keras.layers.Dense(10, kernel_initializer="zeros")(x))


def tune(model: keras.Model, images: np.ndarray, labels: np.ndarray, options: argparse.Namespace) -> None:
    targets, wide = targets_of(labels, None), padded(images, "reflect")
    steps = options.epochs * (len(labels) // BATCH)
    optimizer = keras.optimizers.AdamW(Triangle(options.rate, steps // 5, steps), weight_decay=0.02)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"],
                  jit_compile=False)
    fit_epochs(model, lambda epoch: Augmented(wide, targets, epoch, 32, options.seed), options.epochs, options.work)


def views(images: np.ndarray, shifts: tuple[tuple[int, int], ...]) -> Iterator[np.ndarray]:
    """The photos, shifted by a pixel, and mirrored."""
    around = np.pad(standardise(images), ((0, 0), (2, 2), (2, 2), (0, 0)))
    for top, left in shifts:
        crop = around[:, top : top + 32, left : left + 32]
        yield crop
        yield np.ascontiguousarray(crop[:, :, ::-1])


def mean_log(images: np.ndarray, shifts: tuple[tuple[int, int], ...], predict: Predict) -> np.ndarray:
    """(N, 10): the logarithms of the probabilities that `predict` gives each view of the photos, averaged."""
    return np.mean([np.log(np.maximum(predict(view), 1e-7)) for view in views(images, shifts)], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("train", type=Path, help="zip of class folders of 32x32 JPEGs")
    parser.add_argument("weights", type=Path, help="MobileNet 0.25 with ImageNet weights, .h5")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and opinions.npy")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    images, labels, _ = read_zip(options.train)
    keras.utils.set_random_seed(options.seed)
    model = from_imagenet(options.weights)
    tune(model, images, labels, options)
    theirs = mean_log(images, SHIFTS[:1], lambda view: softmax(model.predict(view, batch_size=250, verbose=0)))
    engine = ws.load("cifar10_resnet20", engine="litert").engine
    own = mean_log(images, SHIFTS, lambda view: np.concatenate(
        [engine.run("forward", images=view[i : i + 100])["probabilities"] for i in range(0, len(view), 100)]))
    for name, logs in (("MobileNet", theirs), ("shipped", own), ("both", theirs + own)):
        print(f"{name}: right on {(logs.argmax(1) == labels).mean():.2%} of the photos it was trained on")
    np.save(options.work / "opinions.npy", softmax((theirs + own) / 2).astype(np.float32))


if __name__ == "__main__":
    main()
