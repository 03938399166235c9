"""Add a calibrated int8 program to a model that ships in the package, if it is faster and as accurate.

    python scripts/calibrate_embedded.py leaf_deeplabv3 --metric miou \
        --calibration ../shared/data/images/coffee-leaves/train/images --data ../shared/data/images/coffee-leaves/test

The program is that of LiteRT; NNCF must not be installed, because its program for OpenVINO would double the size. It is
added if it takes at most 0.97 of the time of float32 on this machine, if the metric falls by at most 0.01, and if all
embedded models stay small enough. The section "int8" of the card has what was measured. The scripts that make a bundle
write it without this program: run this one again after them. Needs `warmstart[tensorflow]`.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import warmstart as ws
from warmstart.catalog.queries import EMBEDDED
from warmstart.core import bundle
from warmstart.engines.choose import CLEARLY_FASTER
from warmstart.engines.store import Artifact
from warmstart.errors import is_installed

LOST = 0.01
"""The most that the metric may fall."""
SECONDS = 120.0
LARGEST = 20_000_000
"""Bytes of all embedded models."""
SECTION = re.compile(r"\n## int8\n.*\Z", re.DOTALL)


def labelled(data: Path) -> Any:
    """The data to evaluate on: photos called `wnid_name.JPEG`, or what `evaluate` takes."""
    photos = sorted(data.glob("*.JPEG"))
    return [(path, path.name.split("_")[0]) for path in photos] or data


def timed(exact: Any, small: Any) -> Artifact:
    """The calibrated program with the least times of single calls, in turns: other programs on the
    machine only add to a time.
    """
    record = small.artifact.calibration
    models = {
        "float32": lambda: exact,
        "bfloat16": lambda: exact.in_precision("bfloat16"),
        "litert": lambda: small,
    }
    engines = {name: models[name]().engine for name in record.milliseconds}
    probe = exact.engine.signatures["forward"].probe(size=1)
    inputs = {name: np.ascontiguousarray(array) for name, array in probe.items()}
    least = dict.fromkeys(engines, float("inf"))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for name, engine in engines.items():
            start = time.perf_counter()
            engine.run("forward", **inputs)
            least[name] = min(least[name], time.perf_counter() - start)
    times = {name: round(seconds * 1e3, 3) for name, seconds in least.items()}
    retimed = dataclasses.replace(record, milliseconds=times)
    return dataclasses.replace(
        small.artifact, record={**small.artifact.record, "calibration": retimed.to_dict()}
    )


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="of the embedded model")
    parser.add_argument("--calibration", type=Path, required=True, help="inputs, without labels")
    parser.add_argument("--data", type=Path, required=True, help="other inputs, with labels")
    parser.add_argument("--metric", required=True, help="of `evaluate`, such as top1")
    parser.add_argument("--agreement", type=float, default=0.99)
    options = parser.parse_args()
    if is_installed("nncf"):
        parser.error("NNCF is installed; use an environment without it")
    exact: Any = ws.load(options.name)
    small: Any = ws.load(
        options.name,
        engine="litert",
        precision="int8",
        calibration=options.calibration,
        agreement=options.agreement,
    )
    artifact, data = timed(exact, small), labelled(options.data)
    before, after = (model.evaluate(data) for model in (exact, small))
    times = artifact.calibration.milliseconds
    ratio = times["litert"] / times["float32"]
    lost = before[options.metric] - after[options.metric]
    target = EMBEDDED / options.name
    whole = size(EMBEDDED) - size(target / "artifacts" / "int8") + size(artifact.folder)
    words = (
        f"{artifact.calibration} {options.metric} on {after['count']:,} further "
        f"inputs: {after[options.metric]:.3f}, float32 {before[options.metric]:.3f}."
    )
    print(words)
    print(f"{ratio:.2f} of the time of float32; {whole:,} bytes of all embedded models")
    if ratio > CLEARLY_FASTER or lost > LOST or whole > LARGEST:
        raise SystemExit("not added")
    with tempfile.TemporaryDirectory(dir=target / "artifacts") as temporary:
        folder = Path(temporary) / "int8"
        bundle.write_int8(folder, artifact, exact.name, exact.weights.digest)
        shutil.rmtree(target / "artifacts" / "int8", ignore_errors=True)
        folder.rename(target / "artifacts" / "int8")
    card = target / "README.md"
    text = SECTION.sub("\n", card.read_text("utf-8")).rstrip()
    card.write_text(
        f"{text}\n\n## int8\n\n{words} `scripts/calibrate_embedded.py` made this program.\n",
        "utf-8",
    )


if __name__ == "__main__":
    main()
