"""Parts 5 and 7, which need many photos: end-to-end throughput, and whether engines give the same
answers.
"""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import Figure
from measure import ratio
from settings import Settings, log

MODELS = ("resnet50", "mobilenet_v2")
REAL = "mobilenet_0.25_224"
PASSES = 3  # of the whole folder, each kind in turn
NO_PHOTOS = (
    "left out: no folder of photos (--photos; default ../shared/data/images/imagenet-sample)"
)


def throughput(settings: Settings) -> Iterator[Figure]:
    """Part 5: a folder of JPEGs through `ws.load(m)(folder)` against the engine alone on decoded
    arrays.
    """
    models = [name for name in MODELS if name in settings.models] or list(settings.models[:1])
    if settings.photos is None:
        for model in models:
            yield Figure(
                5,
                f"{settings.jpegs:,} JPEGs end to end, {model}, against the engine alone",
                None,
                bar=0.85,
                at_least=True,
                note=NO_PHOTOS,
            )
        return
    folder = settings.scratch / "jpegs"
    distinct = multiply(settings.photos, folder, settings.jpegs)
    for model in models:
        log(f"{model}: {settings.jpegs:,} photos end to end, and the engine alone")
        job: dict[str, Any] = {
            "model": model,
            "weights": None,
            "photos": str(folder),
            "distinct": distinct,
            "batch_size": settings.batch_size,
        }
        values: dict[str, list[float]] = {
            "end to end": [],
            "engine alone": [],
            "decoding alone": [],
        }
        with settings.worker("throughput", **job) as worker:
            worker.time("decoding alone", 1, warm=False)  # reads every file once
            worker.time("engine alone", 1, warm=False)
            for _ in range(PASSES if settings.rounds > 2 else 1):
                for what, times in values.items():
                    times += worker.time(what, 1, warm=False)
            engine = worker.info["engine"]
        rates = {
            what: settings.jpegs / statistics.median(times) * 1e3 for what, times in values.items()
        }
        note = (
            f"{rates['end to end']:.1f} photos/s, engine alone ({engine}) {rates['engine alone']:.1f}, decoding "
            f"alone {rates['decoding alone']:.1f}; batch {settings.batch_size}, {distinct} different photos"
        )
        yield Figure(
            5,
            f"{settings.jpegs:,} JPEGs end to end, {model}: throughput against the engine alone",
            ratio(values["engine alone"], values["end to end"]),
            bar=0.85,
            at_least=True,
            note=note,
        )


def multiply(photos: Path, folder: Path, count: int) -> int:
    """Fill `folder` with `count` links to (or copies of) the photos, in turn; returns how many
    differ.

    Raises:
        RuntimeError: there are no photos.
    """
    sources = sorted(p for p in photos.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
    if not sources:
        raise RuntimeError(f"{photos} holds no JPEGs")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, source in enumerate(itertools.islice(itertools.cycle(sources), count)):
        target = folder / f"{number:06}.jpg"
        try:
            os.link(source, target)
        except OSError:  # another file system, or links are not allowed
            shutil.copyfile(source, target)
    return min(len(sources), count)


def parity(settings: Settings) -> Iterator[Figure]:
    """Part 7: probabilities of the engines against Keras float32, and accuracy with real weights."""
    if settings.photos is None:
        yield Figure(
            7,
            "largest difference of probabilities between engines and Keras float32",
            None,
            "difference",
            bar=1e-4,
            note=NO_PHOTOS,
        )
        return
    jobs: dict[str, Any] = {"efficientnet_lite0": {"weights": "pretrained", "labelled": True}}
    if settings.weights is not None:
        jobs = {REAL: {"weights": str(settings.weights), "labelled": True}, **jobs}
    else:
        yield Figure(
            7,
            f"{REAL} with real weights",
            None,
            "difference",
            bar=1e-4,
            note="left out: no weights (default ../shared/data/weights/mobilenet_v1_0.25_224_imagenet.h5)",
        )
    for model, job in jobs.items():
        log(f"{model}: engines against Keras on photos")
        with settings.worker(
            "parity",
            model=model,
            photos=str(settings.photos),
            count=settings.compared,
            engines=["litert", "openvino"],
            **job,
        ) as worker:
            said = worker.info
        yield from _parity_figures(model, said)


def _parity_figures(model: str, said: dict[str, Any]) -> Iterator[Figure]:
    count = said["count"]
    for engine, comparison in said["engines"].items():
        what = f"{model}, {engine} against Keras float32: largest difference of a probability"
        if "missing" in comparison:
            yield Figure(7, what, None, "difference", bar=1e-4, note=comparison["missing"])
            continue
        yield Figure(
            7, what, comparison["difference"], "difference", bar=1e-4, note=f"{count} photos"
        )
        yield Figure(
            7,
            f"{model}, {engine} and Keras name the same best class",
            comparison["same top-1"] / count,
            "share",
            bar=1.0,
            at_least=True,
            note=f"{comparison['same top-1']} of {count} photos",
        )
    for engine, accuracy in said["accuracy"].items():
        for metric, bar in (("top1", 0.60), ("top5", 0.80)):
            yield Figure(
                7,
                f"{model}, {engine}: {metric.replace('top', 'top-')} accuracy",
                accuracy[metric],
                "share",
                bar=bar,
                at_least=True,
                note=f"{accuracy['count']} photos, real weights",
            )
