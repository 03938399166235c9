"""A bundle: one folder that holds a model, without code and without pickles.

model.safetensors                  the weights, named layer/weight; or instead of this file:
artifacts/float32/artifact.json    where the compiled program has each weight (see `checkpoints.program`),
adapter_model.safetensors          or a LoRA adapter for the base model that adapter_config.json names
warmstart.json                     format, entry, sha256 of the weights
labels.json                        [{"index": 0, "id": "…", "name": "…"}, …]
artifacts/float32/                 the compiled program (see `engines.store`), so that
                                   predicting needs no TensorFlow
artifacts/int8/                    the same in int8, if the model was saved in int8
README.md                          the model card
training.json, report.html         settings and results of the fine-tuning, if there was one
…                                  files of the task, such as a tokenizer; the manifest has their sha256
"""

from __future__ import annotations

import json
import math
import re
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from warmstart.catalog import Entry, Label
from warmstart.catalog.words import preprocessing_in_words
from warmstart.checkpoints.file_names import IN_PROGRAM
from warmstart.digests import sha256_of
from warmstart.engines import store
from warmstart.errors import BundleError, UsageError
from warmstart.json_values import JSON, check

FORMAT = 1
MANIFEST = "warmstart.json"
WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
LABELS = "labels.json"
TRAINING, REPORT = "training.json", "report.html"
STATE = "training"
"""The folder with the state of the fine-tuning that wrote the bundle; not a part of it."""
FILE_NAME = re.compile(r"(\w[\w.-]*/)?[\w.][\w.-]*")
"""A valid name of a file of the task: in the folder of the bundle, or one folder deeper."""
LARGEST_JSON = 64 * 2**20


class Manifest(TypedDict):
    """The content of `warmstart.json`."""

    format: int
    entry: Mapping[str, JSON]
    sha256: Mapping[str, str]


def is_bundle(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


@dataclass(frozen=True)
class Contents:
    """The content of a bundle, whose files of the task were compared with their sha256.

    Attributes:
        folder: of the bundle.
        entry: of the model.
        labels: in the order of the outputs.
        digest: the sha256 of the weights or adapter.
        weights: the file with the weights or the adapter.
    """

    folder: Path
    entry: Entry
    labels: tuple[Label, ...]
    digest: str
    weights: Path


def read(folder: Path) -> Contents:
    """Read and check a bundle's JSON files.

    Raises:
        BundleError: a file is missing, damaged, or of a newer format; the message names the field.
    """
    manifest = read_json(folder / MANIFEST, Mapping[str, JSON])
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{folder} has bundle format {manifest.get('format')}; this version reads {FORMAT}. "
            "Update warmstart, or save the model again."
        )
    _check(manifest, Manifest, folder / MANIFEST)
    try:
        entry = Entry.from_dict(manifest["entry"])
    except UsageError as error:
        reason = str(error).rstrip(".")
        raise BundleError(f"{folder / MANIFEST}: {reason}; save the model again.") from error
    hashes = manifest["sha256"]
    weights = next((name for name in (ADAPTER, IN_PROGRAM) if name in hashes), WEIGHTS)
    if weights not in hashes:
        raise BundleError(
            f"{folder / MANIFEST}: sha256 names no file of weights; save the model again."
        )
    labels = tuple(Label(**label) for label in read_json(folder / LABELS, list[Label]))
    _check_statistics(folder, manifest["entry"])
    if [label.index for label in labels] != list(range(len(labels))):
        raise BundleError(
            f"{folder / LABELS} does not number its classes from 0 without gaps; save the "
            "model again."
        )
    for path in (folder / weights, *(folder / "artifacts").glob("*/*")):
        if path.exists() and not path.is_file():
            raise BundleError(f"{path} is not a regular file; copy the bundle again.")
    for name, sha256 in hashes.items():
        if name == weights:
            continue
        if not FILE_NAME.fullmatch(name):
            raise BundleError(
                f"{folder / MANIFEST} names the file {name!r}, which does not belong to a bundle."
            )
        if not (folder / name).is_file():
            raise BundleError(f"{folder / name} is missing; {folder} is not a complete bundle.")
        if sha256_of(folder / name) != sha256:
            raise BundleError(
                f"{folder / name} is not the file that was saved (its sha256 differs); copy it again."
            )
    return Contents(folder, entry, labels, hashes[weights], folder / weights)


def write(
    folder: Path,
    entry: Entry,
    arrays: Mapping[str, np.ndarray],
    labels: Sequence[Label],
    fill: Callable[[Path], Mapping[str, Any]],
    *,
    precision: str = "float32",
    card: str | None = None,
    files: Mapping[str, Path | bytes] | None = None,
    weights: str = WEIGHTS,
    int8: store.Artifact | None = None,
) -> Path:
    """Write a bundle from its parts; it appears whole or not at all.

    Args:
        folder: new or empty.
        entry: of the model.
        arrays: weights by name.
        labels: of its outputs, in order.
        fill: writes `program.tflite` and `probe.npz` into a folder, and returns the record.
        precision: of the numbers in the program file: `"float32"` or `"float16"`.
        card: the model card; default: made from the entry.
        files: the task's own files by name: bytes, or a path to copy from.
        weights: the file for the arrays: `WEIGHTS`, `ADAPTER`, or `IN_PROGRAM` if the compiled program
            contains them, so that they are not stored twice.
        int8: the program in int8, if the bundle has one.

    Raises:
        BundleError: the folder is not empty, or cannot be written.
    """
    from warmstart.checkpoints.program import share_arrays
    from warmstart.checkpoints.safetensors import save_safetensors
    from warmstart.core.output_files import whole_folder
    from warmstart.core.weights import checkpoint_digest

    with whole_folder(folder, BundleError) as temporary:
        program = temporary / "artifacts" / "float32"
        program.mkdir(parents=True)
        record = {**fill(program), "model": entry.name}
        if weights == IN_PROGRAM:
            store.write_record(
                program, precision, {**record, "arrays": share_arrays(program, arrays)}
            )
            digest = checkpoint_digest(temporary / weights)
        else:
            save_safetensors(temporary / weights, arrays)
            digest = sha256_of(temporary / weights)
            store.write_record(program, precision, {**record, "weights": digest})
        if int8 is not None:
            write_int8(temporary / "artifacts" / "int8", int8, entry.name, digest)
        _write_json(
            temporary / LABELS, [{"index": x.index, "id": x.id, "name": x.name} for x in labels]
        )
        hashes = {weights: digest}
        for name, content in (files or {}).items():
            (temporary / name).parent.mkdir(exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, temporary / name)
            else:
                (temporary / name).write_bytes(content)
            hashes[name] = sha256_of(temporary / name)
        _write_json(
            temporary / MANIFEST, {"format": FORMAT, "entry": entry.to_dict(), "sha256": hashes}
        )
        (temporary / "README.md").write_text(
            (card or model_card(entry, labels)) + _int8_section(int8), "utf-8"
        )
    return folder


def write_int8(folder: Path, int8: store.Artifact, name: str, digest: str) -> None:
    """Write the int8 program of a bundle.

    Args:
        folder: to write to; it must not exist.
        int8: the program.
        name: of the model.
        digest: sha256 of the weights, as in the bundle's manifest.
    """
    folder.mkdir()
    named = {"model": name, "weights": digest}
    store.write_record(folder, "int8", {**int8.copy_to(folder), **named})


def model_card(entry: Entry, labels: Sequence[Label]) -> str:
    """A short model card: what the model is, its metrics, and how to use it."""
    shown = ", ".join(label.name for label in labels[:10]) + (", …" if len(labels) > 10 else "")
    rows = [("task", entry.task), ("parameters", f"{entry.parameters:,}")]
    if labels:
        rows.append(("classes", f"{len(labels)}: {shown}"))
    if entry.preprocessing:
        rows.append(("photos", preprocessing_in_words(entry.preprocessing)))
    if entry.paper:
        rows.append(("paper", entry.paper))
    facts = "\n".join(f"| {name} | {value} |" for name, value in rows)
    measured = "".join(
        f"| {m.name} | {m.value:.4g} | {m.dataset} | {m.source} |\n" for m in entry.metrics
    )
    if measured:
        measured = f"\n| metric | value | data | source |\n|---|---|---|---|\n{measured}"
    call = '("photo.jpg")' if entry.preprocessing else ""
    return f"""---
license: {entry.licence}
library_name: warmstart
pipeline_tag: {entry.task}
---

# {entry.title}

| | |
|---|---|
{facts}
{measured}
```python
import warmstart as ws

ws.load("path/of/this/folder"){call}
```
"""


def _int8_section(int8: store.Artifact | None) -> str:
    """The section of the card on a calibrated program; "" if there is none."""
    record = None if int8 is None else int8.calibration
    return "" if record is None else f"\n## int8\n\n{record}\n"


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _not_finite(constant: str) -> Any:
    raise ValueError(f"it contains {constant}, which is not a finite number")


def _check_statistics(folder: Path, values: Any, name: str = "") -> None:
    """Refuse means and standard deviations that cannot normalise an input.

    Raises:
        BundleError: a number is not finite, or a standard deviation is 0.
    """
    if isinstance(values, Mapping):
        for key, value in values.items():
            _check_statistics(folder, value, str(key))
    elif isinstance(values, list | tuple):
        for value in values:
            _check_statistics(folder, value, name)
    elif isinstance(values, float) and not math.isfinite(values):
        raise BundleError(f"{folder / MANIFEST}: a number of {name!r} is not finite.")
    elif name == "std" and isinstance(values, int | float) and values <= 0:
        raise BundleError(f"{folder / MANIFEST}: a standard deviation is {values}, not above 0.")


def read_json(path: Path, hint: Any, *, finite: bool = True) -> Any:
    """The content of a JSON file of a bundle.

    Args:
        path: of the file.
        hint: its type; see `json_values.check`.
        finite: whether NaN and infinity are refused.

    Raises:
        BundleError: the file is missing, cannot be read, or has another type.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BundleError(f"{path} is not a regular file; copy the bundle again.")
        if path.stat().st_size > LARGEST_JSON:
            raise BundleError(
                f"{path} is larger than {LARGEST_JSON >> 20} MiB; this is not a bundle's file."
            )
        refuse = _not_finite if finite else None
        content = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing; {path.parent} is not a complete bundle.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    _check(content, hint, path)
    return content


def _check(content: Any, hint: Any, path: Path) -> None:
    """Raise `BundleError` unless the content of a file has a type."""
    try:
        check(content, hint)
    except ValueError as error:
        raise BundleError(f"{path}: {error}; save the model again.") from error
