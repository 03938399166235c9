"""The folder of a reader of docs/: the files that the blocks on its pages name."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image
from tests.photos import CIFAR
from tests.test_reference import LEAF, SMEAR, checkpoint, visits

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT / "examples" / "photos"
SOUND = ROOT / "docs" / "sounds" / "digits.flac"
PAGE_OF_WRAP = ROOT / "docs" / "wrap.md"
GOLDEN = ROOT / "tests" / "golden"
DIGITS = "zero one two three four five six seven eight nine"


def class_folders(folder: Path, names: str, count: int) -> None:
    """Small squares cut out of a photo for each class."""
    for number, name in enumerate(names.split()):
        (folder / name).mkdir(parents=True)
        with Image.open(sorted(PHOTOS.glob("*.jpg"))[number]) as photo:
            whole = photo.convert("RGB").resize((160, 160))
        for x in range(count):
            whole.crop((5 * x, 5 * x, 5 * x + 80, 5 * x + 80)).save(folder / name / f"{x}.jpg")


def every_page(folder: Path) -> None:
    """What several pages use."""
    import soundfile

    for name in ("photos", "examples/photos"):
        shutil.copytree(PHOTOS, folder / name)
    copies = {
        "cat": "cat cat1 cat2 a photo query bottle",
        "espresso": "espresso b rose bee",
        "rocket": "rocket dog dog1 dog2",
    }
    for source, names in copies.items():
        for name in names.split():
            shutil.copy(PHOTOS / f"{source}.jpg", folder / f"{name}.jpg")
    (folder / "bad.jpg").write_bytes(b"not a photo")
    (folder / "labelled" / "tabby").mkdir(parents=True)
    shutil.copy(PHOTOS / "cat.jpg", folder / "labelled" / "tabby")
    samples, rate = soundfile.read(SOUND)
    shutil.copy(SOUND, folder / "talk.flac")
    soundfile.write(folder / "number.wav", samples, rate)
    soundfile.write(folder / "call.wav", np.stack([samples, samples[::-1]], 1), rate)
    visits(folder / "visits.csv")
    reviews = "id,review,stars\n1,a delight,5\n2,a waste of time,1\n"
    (folder / "reviews.csv").write_text(reviews)
    (folder / "reviews.txt").write_text("a delight\na waste of time\n")
    (folder / "held-out.txt").write_text("To be, or not to be: that is the question.\n" * 20)
    (folder / "letter.txt").write_text("Ann lives in Paris.")
    (folder / "notes.txt").write_text("a cat sleeps\nrent is due\nstocks fell\n")
    (folder / "labels.txt").write_text("cat\ndog\ncow\n")
    for name, source in (("qa-model", "question_answering"), ("sentence-model", "base")):
        checkpoint(f"bert_{source}")(folder / name)


def calibration(folder: Path) -> None:
    """Forty photos, half of which are set aside."""
    class_folders(folder / "photos", "cat espresso rocket", 14)


def export(folder: Path) -> None:
    calibration(folder)
    shutil.copytree(CIFAR, folder / "my-model")


def batch(folder: Path) -> None:
    (folder / "photos" / "notes.jpg").write_bytes(b"not a photo")
    (folder / "photos" / "empty.jpg").write_bytes(b"")


def detection(folder: Path, data: Path) -> None:
    """Eight photos of BCCD with their boxes."""
    shutil.copy(data / SMEAR, folder / "smear.jpg")
    source, target = data / "images" / "bccd", folder / "BCCD"
    names = (source / "ImageSets" / "Main" / "train.txt").read_text().split()[:7]
    for part, suffix in (("JPEGImages", "jpg"), ("Annotations", "xml")):
        (target / part).mkdir(parents=True)
        for name in [*names, Path(SMEAR).stem]:
            shutil.copy(source / part / f"{name}.{suffix}", target / part)
    lists = {"train": names[:4], "val": names[4:6], "test": names[6:]}
    (target / "ImageSets" / "Main").mkdir(parents=True)
    for part, chosen in lists.items():
        (target / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(chosen))


def segmentation(folder: Path, data: Path) -> None:
    """A few photos of coffee leaves with their masks."""
    shutil.copy(data / LEAF, folder / "leaf.jpg")
    for part, count in (("train", 4), ("val", 2), ("test", 1)):
        for name in ("images", "masks"):
            target = folder / "coffee-leaves" / part / name
            target.mkdir(parents=True)
            source = data / "images" / "coffee-leaves" / part / name
            for path in sorted(source.iterdir())[:count]:
                shutil.copy(path, target)


def fine_tuning(folder: Path) -> None:
    import soundfile

    class_folders(folder / "flowers", "daisy rose", 10)
    for part in ("train", "val"):
        class_folders(folder / "hymenoptera" / part, "ants bees", 6)
    texts = [("good", "a delight"), ("bad", "a waste of time")] * 8
    rows = [f"{label},{text} {number}" for number, (label, text) in enumerate(texts)]
    (folder / "reviews.csv").write_text("\n".join(["label,review", *rows]))
    (folder / "sms.csv").write_text("\n".join(["v1,v2", *rows]))
    samples, rate = soundfile.read(SOUND)
    for name in ("calls", "commands"):
        (folder / name).mkdir()
        for number in range(6):
            soundfile.write(folder / name / f"{number}.wav", samples[: 2 * rate], rate)
            (folder / name / f"{number}.txt").write_text("zero one two three")


def flowers(folder: Path) -> None:
    class_folders(folder / "flowers", "daisy rose", 10)


def forecasting(folder: Path) -> None:
    import pandas as pd

    days = pd.date_range("2023-01-01", periods=200)
    sales = 20 + 5 * (days.day_of_week >= 5) + np.arange(200) % 3
    table = {"item_id": "a", "timestamp": days, "target": sales, "price": 1.0}
    pd.DataFrame(table).to_csv(folder / "sales.csv", index=False)
    visits(folder / "load.csv")
    text = (folder / "load.csv").read_text()
    (folder / "load.csv").write_text(text.replace("visits", "load", 1))


def generation(folder: Path) -> None:
    (folder / "my-text.txt").write_text("The cat sat on the mat, and the dog did not.\n" * 80)


def hub(folder: Path) -> None:
    shutil.copytree(CIFAR, folder / "flowers-model")
    shutil.copytree(GOLDEN / "keras_hub" / "bert", folder / "preset-model")


def picking(folder: Path) -> None:
    class_folders(folder / "hymenoptera", "ants bees", 15)
    shutil.copytree(CIFAR, folder / "my-model")
    weights_of_cifar(folder / "weights.h5")


def whisper(folder: Path) -> None:
    (folder / "interviews").mkdir()
    shutil.copy(folder / "number.wav", folder / "interviews")


def weights_of_cifar(path: Path) -> None:
    import warmstart as ws

    ws.load(CIFAR).keras.save(path)


def speech(folder: Path) -> None:
    (folder / "recordings.csv").write_text(f"path,text\nnumber.wav,{DIGITS}\n")
    (folder / "librivox").mkdir()
    shutil.copy(folder / "number.wav", folder / "librivox")
    (folder / "librivox" / "number.txt").write_text(DIGITS)


def text(folder: Path) -> None:
    rows = ["text\tlabel", *(f"{word} film\t{word}" for word in ("good", "bad") * 8)]
    (folder / "reviews.tsv").write_text("\n".join(rows))
    nli = checkpoint("bert_text_classification")
    nli(folder / "nli-model")
    config = json.loads((folder / "nli-model" / "config.json").read_text())
    names = ["contradiction", "neutral", "entailment"][: len(config["id2label"])]
    config["id2label"] = {str(index): name for index, name in enumerate(names)}
    config["label2id"] = {name: index for index, name in enumerate(names)}
    (folder / "nli-model" / "config.json").write_text(json.dumps(config))
    sentences = "Ann B-PER\nlives O\nin O\nParis B-LOC\n\n" * 8
    (folder / "people.conll").write_text(sentences)
    answers = [{"text": "Paris", "answer_start": 13}]
    paragraphs = [
        {
            "context": f"Ann lives in Paris {number}.",
            "qas": [{"id": str(number), "question": "Where?", "answers": answers}],
        }
        for number in range(8)
    ]
    squad = {"data": [{"title": "letters", "paragraphs": paragraphs}]}
    (folder / "questions.json").write_text(json.dumps(squad))
    pairs = [f"what is {n}?,it is {n}" for n in range(12)]
    (folder / "questions.csv").write_text("\n".join(["question,answer", *pairs]))


def put_into_cache(path: Path) -> None:
    """Fetch a file from a server on loopback."""
    from warmstart import hub

    handler = partial(SimpleHTTPRequestHandler, directory=path.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        hub.fetch(f"http://127.0.0.1:{server.server_address[1]}/{path.name}", offline=False)
        server.shutdown()


def weights(folder: Path) -> None:
    import keras

    import warmstart as ws

    flowers(folder)
    weights_of_cifar(folder / "mobilenet_2_5_224_tf.h5")
    put_into_cache(folder / "mobilenet_2_5_224_tf.h5")
    base = ws.backbone(str(CIFAR), pooling="avg")
    classes = keras.layers.Dense(3, activation="softmax")
    keras.Sequential([keras.Input(base.input_shape[1:]), base, classes]).save(
        folder / "keras_model.h5"
    )
    (folder / "labels.txt").write_text("0 Glass\n1 Paper\n2 Plastic\n")
    target = folder / "uncased_L-12_H-768_A-12"
    target.mkdir()
    for path in (GOLDEN / "tensorflow").glob("bert.ckpt.[id]*"):
        shutil.copy(path, target / path.name.replace("bert.ckpt", "bert_model.ckpt"))


def wrap(folder: Path) -> None:
    import keras
    from keras import layers
    from tests.training.test_wrap_files import classifier

    image = keras.Input((48, 48, 3))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=2)(image))
    keras.Model(image, layers.Dense(3, activation="softmax")(features)).save(folder / "my.keras")
    past = keras.Input((24,))
    keras.Model(past, layers.Dense(24)(past)).save(folder / "demand.keras")
    prices = [keras.Input((1,), name=name) for name in ("area", "rooms")]
    price = layers.Dense(1, name="price")(layers.Concatenate()(prices))
    keras.Model(prices, price).save(folder / "houses.keras")
    (folder / "houses.csv").write_text("area,rooms\n120,5\n80,three\n")
    visits(folder / "sales.csv")
    classifier(folder / "resnet.onnx")
    boxes(folder / "yolo.onnx")
    (folder / "coco.txt").write_text("person\ncar\n")
    shutil.rmtree(folder / "photos")
    class_folders(folder / "photos", "cat dog cow", 3)
    block = re.search(
        r"^\$ cat houses.json\n(.*?)^\$", PAGE_OF_WRAP.read_text("utf-8"), re.M | re.S
    )
    assert block
    (folder / "houses.json").write_text(block[1])


def boxes(path: Path) -> None:
    """A network whose output has the form of YOLO's: (1, 4 + classes, N)."""
    from tests.training.test_wrap_files import saved, weights

    nodes = [
        ("Conv", "x w b", "c", {"strides": [8, 8], "kernel_shape": [8, 8]}),
        ("Sigmoid", "c", "s", {}),
        ("Reshape", "s target", "y", {}),
    ]
    constants = {"w": weights(6, 3, 8, 8), "b": weights(6), "target": np.array([1, 6, 16])}
    saved(path, nodes, [("x", "f", [1, 3, 32, 32])], [("y", "f", [1, 6, 16])], constants)


MADE: dict[str, Callable[[Path], None]] = {
    "batch": batch,
    "engines": calibration,
    "export": export,
    "fine-tuning": fine_tuning,
    "forecasting": forecasting,
    "generation": generation,
    "hub": hub,
    "index": flowers,
    "picking": picking,
    "speech": speech,
    "text": text,
    "weights": weights,
    "whisper": whisper,
    "wrap": wrap,
}
"""Page -> what makes its own files."""
REAL: dict[str, Callable[[Path, Path], None]] = {
    "detection": detection,
    "segmentation": segmentation,
}
"""Page -> what copies real photos for it."""
