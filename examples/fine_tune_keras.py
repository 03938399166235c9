"""Fine-tune a pretrained network on your own classes, in plain Keras; needs warmstart[tensorflow].

    python examples/fine_tune_keras.py flowers/ --model mobilenet_v2 --output flowers.keras

The folder has one folder of photos per class, or `train/` and `val/` that do. A new head is trained on features that
are computed once; then the last layers of the network are trained with it, all BatchNormalization frozen.
"""

import argparse
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

import warmstart as ws

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
Pairs = list[tuple[Path, int]]


def labelled(folder: Path, classes: Sequence[str], limit: int | None) -> Pairs:
    """(photo, class) pairs of a folder of class folders."""
    pairs: Pairs = []
    for number, name in enumerate(classes):
        photos = sorted(
            path for path in (folder / name).iterdir() if path.suffix.lower() in SUFFIXES
        )
        pairs += [(photo, number) for photo in photos[:limit]]
    return pairs


def split(data: Path, seed: int, limit: int | None) -> tuple[list[str], Pairs, Pairs]:
    """Class names, training pairs and validation pairs (`val/`, or every fifth photo of a shuffled list)."""
    divided = (data / "train").is_dir() and (data / "val").is_dir()
    root = data / "train" if divided else data
    classes = sorted(path.name for path in root.iterdir() if path.is_dir())
    train = labelled(root, classes, limit)
    random.Random(seed).shuffle(train)
    if divided:
        return classes, train, labelled(data / "val", classes, limit)
    return classes, [pair for i, pair in enumerate(train) if i % 5], train[::5]


class Photos(keras.utils.PyDataset):
    """Batches of preprocessed photos, mirrored at random while training."""

    def __init__(
        self, model: ws.ImageClassifier, pairs: Pairs, batch_size: int, *, mirror: bool = False
    ):
        super().__init__(workers=2)
        self.model, self.pairs, self.batch_size, self.mirror = model, pairs, batch_size, mirror
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.pairs) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = self.pairs[index * self.batch_size : (index + 1) * self.batch_size]
        images = np.stack([self.model.preprocess(photo) for photo, _ in pairs])  # (B, H, W, 3)
        if self.mirror:
            sample = np.random.default_rng((self.epoch, index)).random((len(images), 1, 1, 1))
            images = np.where(sample < 0.5, images[:, :, ::-1], images)
        return images, np.array([number for _, number in pairs])

    def on_epoch_end(self) -> None:
        self.epoch += 1
        if self.mirror:
            random.shuffle(self.pairs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data", type=Path, help="a folder of class folders, or one with train/ and val/"
    )
    parser.add_argument("--model", default="mobilenet_v2", help="a name from `warmstart list`")
    parser.add_argument(
        "--weights",
        default="pretrained",
        help="a checkpoint to use instead of the published weights",
    )
    parser.add_argument("--epochs", type=int, default=20, help="of the head")
    parser.add_argument(
        "--fine-epochs", type=int, default=3, help="of the head and the last layers; 0 skips them"
    )
    parser.add_argument(
        "--unfreeze", type=int, default=30, help="how many of the last layers to train"
    )
    parser.add_argument("--learning-rate", type=float, default=1e-5, help="of the second stage")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--limit", type=int, help="use at most this many photos of each class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("fine-tuned.keras"))
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)

    # 1. The data.
    classes, train, val = split(arguments.data, arguments.seed, arguments.limit)
    if len(classes) < 2 or not train or not val:
        raise SystemExit(f"{arguments.data} does not have two or more folders of photos.")
    print(
        f"{len(classes)} classes ({', '.join(classes)}); {len(train)} photos to train on, {len(val)} to validate"
    )

    # 2. The features, once, by the fast engine.
    model = ws.ImageClassifier.load(arguments.model, weights=arguments.weights)
    x, x_val = (model.features([photo for photo, _ in pairs]) for pairs in (train, val))  # (N, D)
    y, y_val = (np.array([number for _, number in pairs]) for pairs in (train, val))

    # 3. A head on those features: seconds, because the network itself is not run again.
    head = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(len(classes), activation="softmax"),
        ],
        name="head",
    )
    head.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    head.fit(x, y, batch_size=arguments.batch_size, epochs=arguments.epochs, verbose=0)
    print(
        f"head on frozen features: {head.evaluate(x_val, y_val, verbose=0)[1]:.1%} validation accuracy"
    )

    # 4. Network and head as one model; `pooling="avg"` gives the same features.
    backbone = ws.backbone(arguments.model, weights=arguments.weights, pooling="avg")
    whole = keras.Sequential([keras.Input(backbone.input_shape[1:]), backbone, head])

    # 5. The last layers with a small learning rate. Each BatchNormalization layer is frozen itself: calling the network
    # with training=False would not stop updates of its statistics.
    if arguments.fine_epochs:
        backbone.trainable = True
        for layer in backbone.layers[: -arguments.unfreeze]:
            layer.trainable = False
        for layer in backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        whole.compile(
            keras.optimizers.Adam(arguments.learning_rate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )  # compile after freezing, else Keras does not know of it
        validation = Photos(model, val, arguments.batch_size)
        whole.fit(
            Photos(model, train, arguments.batch_size, mirror=True),
            epochs=arguments.fine_epochs,
            verbose=0,
        )
        print(
            f"last layers too: {whole.evaluate(validation, verbose=0)[1]:.1%} validation accuracy"
        )

    whole.save(arguments.output)
    arguments.output.with_suffix(".json").write_text(json.dumps(classes), encoding="utf-8")
    print(
        f"saved {arguments.output}; its classes are in {arguments.output.with_suffix('.json').name}"
    )

    photo, number = val[0]
    scores = whole.predict(model.preprocess(photo)[None], verbose=0)[0]
    print(f"{photo}: {classes[int(scores.argmax())]} {scores.max():.1%} (truth: {classes[number]})")


if __name__ == "__main__":
    try:
        main()
    except ws.errors.WarmstartError as error:
        raise SystemExit(f"{error}") from None
