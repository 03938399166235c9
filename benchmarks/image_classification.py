"""Image classification, measured: start-up, latency, throughput, int8, parity, size; each with its
bar.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/image_classification.py

Random weights serve for speed, so nothing is downloaded; parts 5 and 7 want photos, and 7 a
checkpoint. A missed bar is a result: the exit code is 1 only where a part crashed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import image_first_use
import image_latency
import image_photos
import image_startup
import results
from figures import Figure
from results import Session
from settings import ROOT, Settings

SHARED = Path(os.environ.get("WARMSTART_SHARED_DATA", ROOT.parent / "shared" / "data"))
CHECKPOINT = "mobilenet_v1_0.25_224_imagenet.h5"
SMOKE = "its figures mean nothing"
PARTS = {
    1: "whole process",
    2: "imports",
    3: "latency against Keras",
    4: "latency against the fastest peer",
    5: "throughput",
    6: "int8",
    7: "parity and accuracy",
    8: "size on disk",
    9: "first use",
}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    results.add_parts(parser, PARTS)
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run: one model, few repeats; " + SMOKE
    )
    parser.add_argument(
        "--models", type=lambda text: tuple(text.split(",")), help="for latency, comma-separated"
    )
    parser.add_argument(
        "--photos",
        type=Path,
        default=SHARED / "images" / "imagenet-sample",
        help="a folder of photos named wnid_label.JPEG",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        default=SHARED / "weights" / CHECKPOINT,
        help="ImageNet weights of mobilenet_0.25_224",
    )
    parser.add_argument(
        "--cifar10",
        type=Path,
        default=SHARED / "cifar10" / "test.zip",
        help="CIFAR-10's test photos as a zip of class folders",
    )
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)
    if options.quick and options.results:
        parser.error("--results takes no figures of --quick")
    return options


def settings_of(options: argparse.Namespace, session: Session) -> Settings:
    quick = options.quick
    return Settings(
        script=Path(__file__).with_name("image_peers.py"),
        environment=session.environment,
        scratch=session.scratch,
        models=options.models or (("mobilenet_v2",) if quick else image_latency.MODELS),
        photo=ROOT / "examples" / "photos" / "cat.jpg",
        photos=options.photos if options.photos.is_dir() else None,
        weights=options.weights if options.weights.is_file() else None,
        cifar10=options.cifar10 if options.cifar10.is_file() else None,
        rounds=2 if quick else 15,
        seconds=0.05 if quick else 0.4,
        processes=2 if quick else 9,
        jpegs=40 if quick else 1000,
        batch_size=4,
        compared=100,
        tiny=100 if quick else 1000,
    )


def run(settings: Settings, only: Sequence[int]) -> Iterator[Figure]:
    """The figures of the parts, as they come; a part that crashes is reported and does not stop the
    others.
    """
    latency = [part for part in (3, 4) if part in only]
    parts: dict[int, Callable[[], Iterator[Figure]]] = {
        1: lambda: image_startup.whole_process(settings),
        2: lambda: image_startup.imports(settings),
        3: lambda: image_latency.latency(settings, latency),
        5: lambda: image_photos.throughput(settings),
        6: lambda: image_latency.int8(settings),
        7: lambda: image_photos.parity(settings),
        8: lambda: image_startup.installation(settings),
        9: lambda: image_first_use.first_use(settings),
    }
    wanted = sorted({3 if part == 4 else part for part in only})
    for part in wanted:
        shown = " and ".join(PARTS[p] for p in (latency if part == 3 else [part]))
        print(f"{shown} …", file=sys.stderr, flush=True)
        try:
            yield from parts[part]()
        except Exception as error:
            traceback.print_exc()
            yield Figure.of_crash(part, shown, error)


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the scratch folder goes, too

    def measure(session: Session) -> Iterator[Figure]:
        yield from run(settings_of(options, session), options.only)

    figures = results.run("image classification", options, measure)
    if options.quick:
        print(f"This was a smoke run (--quick); {SMOKE}.")
    return int(any(figure.is_crash for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
