"""The default image classifier: accuracy as it is, fine-tuned on few photos, and its latency. Needs
the folder of real data.

    python benchmarks/default_model.py

A run that is cut off goes on where it was when it is given the same --work folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import results
from figures import Figure
from image_latency import latency
from results import Session
from settings import ROOT, Settings
from transfer_learning import BASE as FORMER
from transfer_learning import (
    CHECKPOINT,
    CIFAR_CLASSES,
    CIFAR_TRAIN,
    SHARED,
    NotMeasured,
    Result,
    Work,
    all_of,
    base_model,
    cifar,
    median_of,
    tuned,
)

NAME = "efficientnet_lite0"
TINY = ROOT / "tests" / "data" / "cifar10_resnet20"
"""The former default; it was trained on CIFAR-10 itself."""
CIFAR_SEEDS = 3


def loaded(source: str | Path) -> Callable[[], Any]:
    """`ws.load(source)`, when it is called."""
    import warmstart as ws

    return lambda: ws.load(source)


def accuracy() -> Result:
    """Of the model as it is, on 100 photos of ImageNet."""
    photos = sorted((SHARED / "images" / "imagenet-sample").glob("*.JPEG"))
    return dict(loaded(NAME)().evaluate([(p, p.name.split("_")[0]) for p in photos]))


def measured(work: Work, scratch: Path, seeds: Sequence[int]) -> Iterator[Figure]:
    """All figures, as they come."""
    os.environ["WARMSTART_FEATURES_MB"] = "0"  # nothing is known of these photos before
    as_it_is = work.once("accuracy", accuracy)
    for key, bar in (("top1", 0.86), ("top5", 0.95)):
        name = key.replace("top", "top-")
        note = f"{as_it_is['count']} photos of ImageNet"
        yield Figure(1, f"{NAME}: {name} accuracy", as_it_is[key], "share", bar, True, note)
    photos = SHARED / "images" / "hymenoptera"
    for name, bar, options in (
        ("head alone", 0.93, {"freeze": "backbone"}),
        ("both phases", 0.945, {}),
    ):
        results = runs(work, f"hymenoptera, {name}", photos, loaded(NAME), seeds, **options)
        what = f"ants and bees, 245 photos: {name}, validation accuracy"
        yield Figure(2, what, median_of(results, "accuracy"), "share", bar, True, note_of(results))
    small = cifar(work.folder / "cifar")
    bases: Mapping[str, Callable[[], Any]] = {
        NAME: loaded(NAME),
        FORMER: base_model,
        TINY.name: loaded(TINY),
    }
    what = f"{len(CIFAR_CLASSES)} classes of CIFAR-10, {CIFAR_TRAIN} photos each, both phases"
    for name, base in bases.items():
        bar = 0.80 if name == NAME else None
        try:
            results = runs(work, f"CIFAR, {name}", small, base, seeds[:CIFAR_SEEDS])
        except NotMeasured:
            yield Figure(3, f"{what}: {name}", None, "share", bar, True)
            continue
        note = note_of(results)
        note += "; trained on all 50,000 photos of CIFAR-10 before" if name == TINY.name else ""
        value = median_of(results, "accuracy")
        yield Figure(3, f"{what}: {name}", value, "share", bar, True, note)
    time_taken = work.once("latency", lambda: one_image(scratch))
    what = f"one image, `ws.load({NAME!r})(array)` against `keras.Model.predict`"
    yield Figure(4, what, time_taken["value"], bar=0.15, note=time_taken["note"])


def runs(
    work: Work,
    name: str,
    data: Path,
    base: Callable[[], Any],
    seeds: Sequence[int],
    **options: Any,
) -> list[Result]:
    """A fine-tuning for each seed, with the usual recipe; of --kept results, those that are there.

    Raises:
        NotMeasured: none is there.
    """

    def once(seed: int) -> Result:
        folder = work.folder / f"{name} {seed}"
        return work.once(
            f"{name}, seed {seed}", lambda: tuned(data, seed, folder, base=base, **options)
        )

    results = []
    for seed in seeds:
        try:
            results.append(once(seed))
        except NotMeasured:
            if seed == seeds[-1] and not results:
                raise
    return results


def note_of(results: Sequence[Result]) -> str:
    return f"{all_of(results)}; {median_of(results, 'seconds'):.0f} s"


def one_image(scratch: Path) -> Result:
    """The latency of one image, against `predict` of the same Keras network."""
    home = {"WARMSTART_HOME": str(scratch / "home"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    settings = Settings(
        script=Path(__file__).with_name("image_peers.py"),
        environment={**os.environ, **home, "KERAS_BACKEND": "tensorflow"},
        scratch=scratch,
        models=(NAME,),
        photo=ROOT / "examples" / "photos" / "cat.jpg",
        photos=None,
        weights=None,
        cifar10=None,
        rounds=15,
        seconds=0.4,
        processes=1,
        jpegs=0,
        batch_size=4,
        compared=0,
        tiny=0,
    )
    (figure,) = latency(settings, [3])
    return {"value": figure.value, "note": figure.note}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    parser.add_argument(
        "--work", type=Path, help="a folder for results so far; default: a temporary one"
    )
    parser.add_argument("--kept", action="store_true", help="train nothing, show what --work has")
    results.add_option(parser)
    options = parser.parse_args(argv)
    if not (SHARED / "weights" / CHECKPOINT).is_file():
        parser.error(
            f"the real photos and weights are not in {SHARED}; name the folder of real data with "
            "WARMSTART_SHARED_DATA"
        )

    def measure(session: Session) -> Iterator[Figure]:
        try:
            work = Work(options.work or session.scratch, options.kept)
            yield from measured(work, session.scratch, range(options.seeds))
        except NotMeasured as missing:
            session.about["not measured yet"] = f"everything from {str(missing)!r} on"

    results.run("default model", options, measure, is_timed=not options.kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
