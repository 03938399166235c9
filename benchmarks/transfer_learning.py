"""Fine-tuning against the textbook script, with real weights and photos. Needs the folder of real
data.

    python benchmarks/transfer_learning.py

Everything that is compared is measured in turns, seed by seed. A run that is cut off goes on where
it was when it is given the same --work folder. Part 7 (how well `pick` ranks models) is added by
`transfer_pick.py`, where it is there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import results
from figures import Figure
from results import Session
from settings import log

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("WARMSTART_SHARED_DATA", ROOT.parent / "shared" / "data"))
BASE, CHECKPOINT = "mobilenet_0.25_224", "mobilenet_v1_0.25_224_imagenet.h5"
CIFAR_CLASSES, CIFAR_TRAIN, CIFAR_VALIDATION = ("airplane", "bird", "cat", "frog", "truck"), 20, 40
TEXTBOOK_EPOCHS = 5
KILLS = 5
Result = dict[str, Any]


class NotMeasured(Exception):
    """There is no result of this name, and nothing is to be measured."""


class Work:
    """Results by name in one JSON file, so that none is measured twice; with `kept`, none is
    measured at all.
    """

    def __init__(self, folder: Path, kept: bool = False):
        self.file, self.folder, self.kept = folder / "results.json", folder, kept
        folder.mkdir(parents=True, exist_ok=True)
        self.known: dict[str, Result] = (
            json.loads(self.file.read_text()) if self.file.exists() else {}
        )

    def once(self, name: str, measure: Callable[[], Result]) -> Result:
        if name not in self.known:
            if self.kept:
                raise NotMeasured(name)
            log(name)
            self.known[name] = measure()
            self.file.write_text(json.dumps(self.known, indent=1))
        return self.known[name]


def base_model() -> Any:
    import warmstart as ws

    return ws.load(BASE, weights=SHARED / "weights" / CHECKPOINT)


def textbook(
    data: Path, seed: int, *, weights: bool = True, seconds: float | None = None
) -> Result:
    """The script to beat: the same base frozen, GlobalAveragePooling2D, Dense(1024, relu),
    Dense(softmax), Adam.

    With `seconds` it trains for that long instead of for five epochs; without `weights` from
    scratch, all of it.
    """
    import keras

    keras.utils.set_random_seed(seed)
    parts = {
        part: keras.utils.image_dataset_from_directory(
            data / part,
            image_size=(224, 224),
            batch_size=32,
            shuffle=part == "train",
            seed=seed,
            verbose=0,
        )
        for part in ("train", "val")
    }
    classes = len(parts["train"].class_names)
    scaled = {
        part: dataset.map(lambda x, y: (x / 127.5 - 1.0, y)).prefetch(2)
        for part, dataset in parts.items()
    }
    base = _backbone(weights)
    base.trainable = not weights
    inputs = keras.Input((224, 224, 3))
    x = keras.layers.GlobalAveragePooling2D()(
        base(inputs, training=False) if weights else base(inputs)
    )
    x = keras.layers.Dense(1024, activation="relu")(x)
    net = keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    if seconds is None:
        net.fit(scaled["train"], epochs=TEXTBOOK_EPOCHS, verbose=0)
    else:
        epochs = 0
        while time.perf_counter() - start < seconds:
            net.fit(scaled["train"], initial_epoch=epochs, epochs=(epochs := epochs + 1), verbose=0)
    took = time.perf_counter() - start
    return {
        "accuracy": float(net.evaluate(scaled["val"], verbose=0, return_dict=True)["accuracy"]),
        "seconds": took,
    }


def _backbone(weights: bool) -> Any:
    import warmstart as ws

    return ws.backbone(BASE, weights=SHARED / "weights" / CHECKPOINT if weights else None)


def tuned(
    data: Any,
    seed: int,
    folder: Path,
    *,
    base: Callable[[], Any] = base_model,
    validation: Any = "auto",
    **options: Any,
) -> Result:
    """`ws.finetune` with its usual recipe; `seconds` are those of the training itself, `whole`
    until it returns.
    """
    import warmstart as ws

    shutil.rmtree(folder, ignore_errors=True)
    model = base()
    model.engine  # noqa: B018 (compiled once a machine; not part of what is compared)
    start = time.perf_counter()
    result = ws.finetune(
        model, data, validation=validation, seed=seed, output=folder, verbose=False, **options
    )
    whole = time.perf_counter() - start
    training = json.loads((folder / "training.json").read_text())
    return {
        "accuracy": training["figures"]["validation"]["accuracy"],
        "start": training["history"][0]["val_accuracy"],
        "seconds": sum(training["seconds"].values()),
        "whole": whole,
        "name": result.name,
        "error": training["figures"]["validation"]["calibration_error"],
    }


def moved_statistics(folder: Path) -> float:
    """The largest change of any moving mean or variance of the base, after both phases."""
    import numpy as np

    import warmstart as ws

    before = {v.path: v.numpy() for v in base_model().keras.weights if "moving_" in v.path}
    after = {v.path: v.numpy() for v in ws.load(folder).keras.weights if "moving_" in v.path}
    if not before or set(before) != set(after):
        raise RuntimeError("the two networks have other BatchNormalization layers")
    return float(max(np.abs(before[path] - after[path]).max() for path in before))


def untouched(data: Path, seed: int, folder: Path) -> Result:
    """Both phases with a fifth of `train` for choosing; then the accuracy on `val`, which nothing
    has seen.
    """
    import warmstart as ws

    result = tuned(data / "train", seed, folder)
    return {**result, "accuracy": ws.load(folder).evaluate(data / "val")["top1"]}


def killed(work: Path, data: Path) -> Result:
    """How often a run that was killed at a random moment and started again ends like one that was
    not.
    """
    whole = _subprocess(work / "undisturbed", data)
    start = time.perf_counter()
    whole = _subprocess(
        work / "undisturbed again", data
    )  # its program is compiled by now, as for the others
    duration = time.perf_counter() - start
    chance, same, moments = random.Random(0), 0, []
    for n in range(KILLS):
        folder, moment = work / f"killed {n}", chance.uniform(0.25, 0.95) * duration
        process = _start(folder, data)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        epochs = sum(
            len(json.loads(p.read_text()).get("history", ()))
            for p in folder.glob("training/network.json")
        )
        moments.append(f"{moment:.0f} s ({epochs} epochs stored)")
        same += _subprocess(folder, data) == whole
    return {"same": same, "moments": moments, "duration": duration}


def _start(folder: Path, data: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "warmstart",
        "finetune",
        str(data),
        "--model",
        "efficientnet_lite0",
        "--output",
        str(folder),
        "--epochs",
        "8",
        "--set",
        "patience=8",
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _subprocess(folder: Path, data: Path) -> Result:
    process = _start(folder, data)
    _, words = process.communicate()
    if process.returncode:
        raise RuntimeError(
            f"finetune ended with code {process.returncode}: {words.decode()[-400:]}"
        )
    training = json.loads((folder / "training.json").read_text())
    history = [
        {key: value for key, value in record.items() if key != "seconds"}
        for record in training["history"]
    ]
    weights = json.loads((folder / "warmstart.json").read_text())["sha256"]["model.safetensors"]
    return {
        "figures": training["figures"],
        "temperature": training["temperature"],
        "history": history,
        "weights": weights,
    }


def cifar(folder: Path) -> Path:
    """Five classes of CIFAR-10 as class folders: 20 photos each to train on, 40 to validate."""
    if not (folder / "val" / CIFAR_CLASSES[-1]).is_dir():
        for part, source, count in (
            ("train", "train", CIFAR_TRAIN),
            ("val", "test", CIFAR_VALIDATION),
        ):
            with zipfile.ZipFile(SHARED / "cifar10" / f"{source}.zip") as archive:
                names = sorted(
                    name for name in archive.namelist() if name.lower().endswith((".jpg", ".png"))
                )
                for label in CIFAR_CLASSES:
                    target = folder / part / label
                    target.mkdir(parents=True, exist_ok=True)
                    for name in [n for n in names if n.split("/")[-2] == label][:count]:
                        (target / Path(name).name).write_bytes(archive.read(name))
    return folder


def measured(work: Work, seeds: Sequence[int]) -> Iterator[Figure]:
    """All figures, as they come."""
    os.environ["WARMSTART_FEATURES_MB"] = "0"  # nothing is known of these photos before
    photos, scratch = SHARED / "images" / "hymenoptera", work.folder
    base_model().engine  # noqa: B018
    book, head, both, chosen = [], [], [], []
    for seed in seeds:
        book.append(work.once(f"textbook, seed {seed}", lambda s=seed: textbook(photos, s)))
        head.append(
            work.once(
                f"phase 1, seed {seed}",
                lambda s=seed: tuned(photos, s, scratch / f"head {s}", freeze="backbone"),
            )
        )
        both.append(
            work.once(
                f"both phases, seed {seed}", lambda s=seed: tuned(photos, s, scratch / f"both {s}")
            )
        )
    book_seconds = statistics.median(r["seconds"] for r in book)
    yield Figure(
        1,
        "textbook script, validation accuracy",
        median_of(book, "accuracy"),
        "share",
        note=f"{all_of(book)}; {book_seconds:.1f} s of training",
    )
    yield Figure(
        1,
        "phase 1 alone, validation accuracy",
        median_of(head, "accuracy"),
        "share",
        0.885,
        True,
        all_of(head),
    )
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(head, book, strict=True)]
    yield Figure(
        1,
        "phase 1 alone, time against the textbook script",
        statistics.median(ratios),
        "ratio",
        0.35,
        note=f"{median_of(head, 'seconds'):.1f} s from photos to a trained head; until the checked bundle is "
        f"written {median_of(head, 'whole'):.0f} s",
    )
    yield Figure(
        2,
        "both phases, validation accuracy",
        median_of(both, "accuracy"),
        "share",
        0.91,
        True,
        f"{all_of(both)}; {median_of(both, 'seconds'):.0f} s, {median_of(both, 'seconds') / book_seconds:.1f} times "
        "the textbook's",
    )
    chosen = [
        work.once(
            f"val never seen, seed {s}", lambda s=s: untouched(photos, s, scratch / f"unseen {s}")
        )
        for s in seeds[:3]
    ]
    yield Figure(
        2,
        "both phases, accuracy on `val` where a fifth of `train` chose epoch and temperature",
        median_of(chosen, "accuracy"),
        "share",
        note=all_of(chosen),
    )
    yield Figure(
        2,
        "calibration error of both phases on `val`",
        median_of(both, "error"),
        "ratio",
        note="expected calibration error, 15 bins, cross-fitted",
    )
    scratched = work.once(
        "from scratch", lambda: textbook(photos, 0, weights=False, seconds=5 * book_seconds)
    )
    yield Figure(
        3,
        "the same architecture from scratch, five times the textbook's time",
        scratched["accuracy"],
        "share",
        note=f"{scratched['seconds']:.0f} s",
    )
    moved = work.once(
        "statistics", lambda: {"moved": moved_statistics(scratch / f"both {seeds[0]}")}
    )
    yield Figure(
        4,
        "BatchNorm moving statistics, largest change after both phases",
        moved["moved"],
        "difference",
        0.0,
    )
    kills = work.once("kills", lambda: killed(scratch, photos))
    yield Figure(
        5,
        f"resumed after SIGKILL at {KILLS} random moments: same weights and metrics",
        kills["same"],
        "photos",
        KILLS,
        True,
        f"killed after {', '.join(kills['moments'])} of {kills['duration']:.0f} s",
    )
    small = cifar(scratch / "cifar")
    book, head, both = [], [], []
    for seed in seeds[:3]:
        book.append(work.once(f"CIFAR textbook, seed {seed}", lambda s=seed: textbook(small, s)))
        head.append(
            work.once(
                f"CIFAR phase 1, seed {seed}",
                lambda s=seed: tuned(small, s, scratch / f"small head {s}", freeze="backbone"),
            )
        )
        both.append(
            work.once(
                f"CIFAR both, seed {seed}",
                lambda s=seed: tuned(small, s, scratch / f"small both {s}"),
            )
        )
    what = f"{len(CIFAR_CLASSES)} classes of CIFAR-10, {CIFAR_TRAIN} photos each"
    for name, runs in (
        ("textbook script", book),
        ("phase 1 alone", head),
        ("both phases", both),
    ):
        yield Figure(
            6,
            f"{what}: {name}",
            median_of(runs, "accuracy"),
            "share",
            note=f"{all_of(runs)}; {median_of(runs, 'seconds'):.1f} s",
        )
    if Path(__file__).with_name("transfer_pick.py").exists():
        from transfer_pick import figures as pick_figures

        yield from pick_figures(7, work.folder)


def median_of(runs: Sequence[Result], key: str) -> float:
    return statistics.median(result[key] for result in runs)


def all_of(runs: Sequence[Result]) -> str:
    return "seeds: " + ", ".join(f"{result['accuracy']:.1%}" for result in runs)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    parser.add_argument(
        "--work", type=Path, help="a folder for results so far; default: a temporary one"
    )
    parser.add_argument("--kept", action="store_true", help="measure nothing, show what --work has")
    results.add_option(parser)
    options = parser.parse_args(argv)
    if not (SHARED / "weights" / CHECKPOINT).is_file():
        parser.error(
            f"the real weights are not in {SHARED}; name the folder of real data with WARMSTART_SHARED_DATA"
        )

    def measure(session: Session) -> Iterator[Figure]:
        try:
            yield from measured(
                Work(options.work or session.scratch, options.kept), range(options.seeds)
            )
        except NotMeasured as missing:
            session.about["not measured yet"] = f"everything from {str(missing)!r} on"

    results.run("transfer learning", options, measure, is_timed=not options.kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
