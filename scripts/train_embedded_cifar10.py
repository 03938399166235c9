"""Train the weights of `cifar10_resnet20`, the small model of the tests.

A wide network comes first, then the small one that it teaches.

    python scripts/train_embedded_cifar10.py train.zip --work work/cifar10

The teacher is the same network four times as wide (He et al. 2015, the CIFAR variant), trained on
the labels. The pupil learns to say what the teacher says of the very same crop (Hinton, Vinyals,
Dean, "Distilling the Knowledge in a Neural Network", 2015), over a long schedule and on mixtures of
photos too (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", 2021).
Both: SGD with Nesterov momentum 0.9, learning rate rising linearly over the first twentieth of the
steps and falling linearly to zero, weight decay on the kernels only; crops of 32x32 of the photo
with four mirrored pixels around it, and flips (section 4.2 of He et al.).

A whole epoch is one program, photos and augmentation included, so it wants a GPU: a quarter of an
hour on an H200, days on a processor. Needs `keras` and `jax` beside the base package, no
TensorFlow. Resumable: started again with the same `--work`, it goes on after the last kept epoch.
No test photo is looked at: that is for `cifar10_export.py`, which makes the bundle. With
`--held-out 5000` that many photos are left out, and `held_out.json` says how many of them are
recognised, and by what the logits are to be divided so that the probabilities fit them best (Guo et
al., "On Calibration of Modern Neural Networks", 2017).
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np

from cifar10_photos import read_zip, standardise
from resumable import Triangle
from warmstart.atomic import atomic_file
from warmstart.core.metrics.calibration import temperature
from warmstart.models.image.cifar_resnet import network as cifar_resnet

DEPTH, FILTERS, WIDER = 20, 16, 4
KEPT_EVERY = 10  # epochs
AROUND = 4  # mirrored pixels on each side of a photo
TEMPERATURE = 4.0  # at which the pupil compares itself with its teacher
LABELS = 0.1  # is the share of the labels in the pupil's loss
MIXED = 0.5  # of the pupil's photos are mixtures of two

Loss = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]  # of images, logits and targets


class Recipe(NamedTuple):
    """How one of the two is trained: `cutout` is the side of the square left out of each photo, or
    0.
    """

    epochs: int
    batch: int
    peak: float
    cutout: int = 0
    mixed: float = 0.0


def network(filters: int) -> keras.Model:
    """From standardised photos (B, 32, 32, 3) to logits (B, 10)."""
    model = cifar_resnet.build({"depth": DEPTH, "filters": filters})
    model.get_layer("predictions").activation = keras.activations.linear
    return model


def crops(key: jax.Array, padded: jax.Array, cutout: int) -> jax.Array:
    """(B, 40, 40, 3) -> (B, 32, 32, 3): anywhere in each photo, half of them mirrored."""
    count, side = padded.shape[0], padded.shape[1] - 2 * AROUND
    where, turned, out = jax.random.split(key, 3)
    corners = jax.random.randint(where, (count, 2), 0, 2 * AROUND + 1)
    images = jax.vmap(
        lambda image, at: jax.lax.dynamic_slice(image, (at[0], at[1], 0), (side, side, 3))
    )(padded, corners)
    images = jnp.where(
        jax.random.bernoulli(turned, shape=(count, 1, 1, 1)), images[:, :, ::-1], images
    )
    if cutout:  # a square around any pixel; at the border a part of it
        centre = jax.random.randint(out, (count, 2), 0, side)
        near = jnp.abs(jnp.arange(side)[None, :, None] - centre[:, None, :]) < cutout // 2
        images = jnp.where((near[:, :, None, 0] & near[:, None, :, 1])[..., None], 0.0, images)
    return images


def mixtures(
    key: jax.Array, images: jax.Array, targets: jax.Array, share: float
) -> tuple[jax.Array, jax.Array]:
    """Some of the photos with another laid over them (Zhang et al., "mixup", 2017), and their
    targets likewise.
    """
    which, much = jax.random.split(key)
    count = len(images)
    part = jnp.where(
        jax.random.bernoulli(which, share, (count,)), jax.random.uniform(much, (count,)), 1.0
    )
    of_photo, of_target = part[:, None, None, None], part[:, None]
    return images * of_photo + images[::-1] * (1 - of_photo), targets * of_target + targets[
        ::-1
    ] * (1 - of_target)


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    return -(targets * jax.nn.log_softmax(logits)).sum(-1).mean()


def of_labels(images: jax.Array, logits: jax.Array, targets: jax.Array) -> jax.Array:
    return cross_entropy(logits, targets)


def of_teacher(teacher: keras.Model) -> Loss:
    """What the teacher says of the same images, and a little of the labels."""
    weights = [
        [v.value for v in teacher.trainable_variables],
        [v.value for v in teacher.non_trainable_variables],
    ]

    def loss(images: jax.Array, logits: jax.Array, targets: jax.Array) -> jax.Array:
        said, _ = teacher.stateless_call(*weights, images, training=False)
        soft = jax.nn.softmax(jax.lax.stop_gradient(said).astype(jnp.float32) / TEMPERATURE)
        taught = cross_entropy(logits / TEMPERATURE, soft) * TEMPERATURE**2
        return (1 - LABELS) * taught + LABELS * cross_entropy(logits, targets)

    return loss


def train(
    model: keras.Model,
    photos: np.ndarray,
    labels: np.ndarray,
    recipe: Recipe,
    loss: Loss,
    work: Path,
    seed: int,
) -> None:
    """Fit a network; its state is kept in `work` after every tenth epoch."""
    steps = len(labels) // recipe.batch
    # Keras decays weights apart from the momentum: 5e-3 here acts like an L2 factor of 5e-4 would.
    optimizer = keras.optimizers.SGD(
        Triangle(recipe.peak, recipe.epochs * steps // 20, recipe.epochs * steps),
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-3,
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(model.trainable_variables)
    around = ((0, 0), (AROUND, AROUND), (AROUND, AROUND), (0, 0))
    padded = jnp.asarray(np.pad(standardise(photos), around, mode="reflect"))
    classes = jnp.asarray(np.eye(10, dtype=np.float32)[labels])

    def compared(trained, still, images, targets):
        logits, still = model.stateless_call(trained, still, images, training=True)
        logits = logits.astype(jnp.float32)
        return loss(images, logits, targets), (still, logits)

    def step(state, given):
        trained, still, moments = state
        rows, key = given
        cut, mixing = jax.random.split(key)
        targets = classes[rows]
        images, targets = mixtures(
            mixing, crops(cut, padded[rows], recipe.cutout), targets, recipe.mixed
        )
        (value, (still, logits)), gradients = jax.value_and_grad(compared, has_aux=True)(
            trained, still, images, targets
        )
        trained, moments = optimizer.stateless_apply(moments, gradients, trained)
        return (trained, still, moments), (value, (logits.argmax(-1) == targets.argmax(-1)).mean())

    @jax.jit
    def epoch_of(state, key):
        order, each = jax.random.split(key)
        rows = jax.random.permutation(order, len(labels))[: steps * recipe.batch].reshape(
            steps, recipe.batch
        )
        state, figures = jax.lax.scan(step, state, (rows, jax.random.split(each, steps)))
        return state, jax.tree.map(jnp.mean, figures)

    held = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = jax.tree.map(
        lambda variable: variable.value, held, is_leaf=lambda x: hasattr(x, "value")
    )
    state, begun = restored(work, state)
    for epoch in range(begun, recipe.epochs):
        clock = time.perf_counter()
        state, (value, right) = epoch_of(state, jax.random.fold_in(jax.random.key(seed), epoch))
        print(
            f"{work.name} {epoch + 1}/{recipe.epochs}: loss {float(value):.4f}, right {float(right):.4f}, "
            f"{time.perf_counter() - clock:.1f} s",
            flush=True,
        )
        if (epoch + 1) % KEPT_EVERY == 0 or epoch + 1 == recipe.epochs:
            keep(work, state, epoch + 1)
    for variable, value in zip(
        jax.tree.leaves(held[:2], is_leaf=lambda x: hasattr(x, "value")),
        jax.tree.leaves(state[:2]),
        strict=True,
    ):
        variable.assign(value)


def keep(work: Path, state: Any, epochs: int) -> None:
    leaves = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    with atomic_file(work / "state.npz") as file:
        np.savez(file, epochs=epochs, **leaves)


def restored(work: Path, state: Any) -> tuple[Any, int]:
    """The kept state, and how many epochs it has seen; the given one and 0 where none is kept."""
    if not (work / "state.npz").exists():
        return state, 0
    with np.load(work / "state.npz") as kept:
        leaves = [jnp.asarray(kept[str(i)]) for i in range(len(kept.files) - 1)]
        return jax.tree.unflatten(jax.tree.structure(state), leaves), int(kept["epochs"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("train", type=Path, help="zip of class folders of 32x32 JPEGs")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for checkpoints and the results"
    )
    parser.add_argument("--teacher-epochs", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument(
        "--held-out", type=int, default=0, help="leave out so many photos, and measure on them"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    photos, labels, classes = read_zip(options.train)
    left_out, learnt = np.split(
        np.random.default_rng(options.seed).permutation(len(labels)), [options.held_out]
    )
    held_out, photos, labels = (photos[left_out], labels[left_out]), photos[learnt], labels[learnt]
    print(
        f"{len(labels)} training photos, classes: {', '.join(classes)}; {jax.devices()[0]}",
        flush=True,
    )

    keras.utils.set_random_seed(options.seed)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    teacher = network(FILTERS * WIDER)
    first = Recipe(options.teacher_epochs, 256, 0.2, cutout=16)
    train(teacher, photos, labels, first, of_labels, options.work / "teacher", options.seed)

    keras.mixed_precision.set_global_policy("float32")
    pupil = network(FILTERS)
    second = Recipe(options.epochs, 128, 0.1, mixed=MIXED)
    train(
        pupil, photos, labels, second, of_teacher(teacher), options.work / "pupil", options.seed + 1
    )
    pupil.save_weights(options.work / "trained.weights.h5")
    if options.held_out:
        logits = pupil.predict(standardise(held_out[0]), batch_size=250, verbose=0)
        found = {
            "photos": options.held_out,
            "right": float((logits.argmax(1) == held_out[1]).mean()),
            "temperature": temperature(logits, held_out[1]),
            "epochs": options.epochs,
        }
        options.work.joinpath("held_out.json").write_text(json.dumps(found, indent=1) + "\n")
    options.work.joinpath("recipe.json").write_text(
        json.dumps(
            {
                "teacher": first._asdict(),
                "pupil": second._asdict(),
                "wider": WIDER,
                "temperature": TEMPERATURE,
                "labels": LABELS,
                "seed": options.seed,
                "device": jax.devices()[0].device_kind,
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
