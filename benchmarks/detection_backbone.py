"""What an ImageNet backbone is worth: two detectors of blood cells, as many steps each, one from random numbers.

    python benchmarks/detection_backbone.py BCCD --weights mobilenet.h5

`BCCD` is that folder of https://github.com/Shenggan/BCCD_Dataset. Both runs are short: same photos, same varied views,
same rates, everything learns; they take the same processor time. Measured on the test part.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import results
from figures import Figure
from results import Session
from settings import log

BACKBONE, SIZE = "mobilenet_0.25_224", (256, 320)


def train(options: argparse.Namespace, weights: Path | None, output: Path) -> dict[str, Any]:
    """Figures on the test part, and the processor's seconds of the training."""
    import warmstart as ws
    from warmstart.image.train.dense_augment import Variation

    lists, start = options.data / "ImageSets" / "Main", time.process_time()
    model = ws.finetune(
        ws.load(BACKBONE, weights=weights),
        lists / "trainval.txt",
        task="object-detection",
        validation=0.1,
        epochs=options.epochs,
        batch_size=4,
        learning_rate=1.5e-3,
        image_size=SIZE,
        augment=Variation(flip_y=0.5, scale=(0.85, 1.3), stretch=1.1, colour=0.2, mosaic=0.0),
        output=output,
    )
    seconds = time.process_time() - start
    return {**model.evaluate(lists / "test.txt"), "seconds": seconds}


def measure(options: argparse.Namespace, session: Session) -> list[Figure]:
    log("with the weights")
    known = train(options, options.weights, session.scratch / "known")
    log("from random numbers")
    fresh = train(options, None, session.scratch / "fresh")
    note = (
        f"{options.epochs} epochs at {SIZE[1]}x{SIZE[0]}; {known['seconds']:.0f} s of processor time, "
        f"{fresh['seconds']:.0f} s from random numbers; {known['count']} test photos"
    )
    return [
        Figure(
            1,
            "AP50 with ImageNet weights",
            known["ap50"],
            "share",
            bar=fresh["ap50"],
            at_least=True,
            note=note,
        ),
        Figure(1, "AP50 from random numbers", fresh["ap50"], "share"),
        Figure(1, "AP with ImageNet weights", known["ap"], "share", bar=fresh["ap"], at_least=True),
        Figure(1, "AP from random numbers", fresh["ap"], "share"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--weights", type=Path, required=True, help=f"ImageNet weights of {BACKBONE}"
    )
    parser.add_argument("--epochs", type=int, default=5)
    results.add_option(parser)
    options = parser.parse_args()
    results.run("backbone", options, partial(measure, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
