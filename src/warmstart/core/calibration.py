"""Calibrated int8 of a model: converts real inputs to arrays, and compiles a program with them.

A program is stored by the digest of its calibration inputs. The latest one of each model is
recorded, so that `precision="int8"` without calibration data opens it.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart import log
from warmstart.catalog import Entry
from warmstart.core import bundle
from warmstart.core.compiling import artifact_key, job_of, run_process
from warmstart.core.inputs import Item, Row
from warmstart.core.types import Data
from warmstart.core.weights import Weights
from warmstart.counts import counted
from warmstart.engines import store
from warmstart.engines.calibration import FORWARD, Calibration
from warmstart.errors import InputError, UsageError, documented_in, is_installed, require
from warmstart.hub.json_file import JsonFile

if TYPE_CHECKING:
    from warmstart.core.model import Model

AGREEMENT = 0.99
"""The default minimum agreement."""
LEAST, MOST = 10, 300
"""Minimum and maximum number of calibration inputs; of more, `MOST` are sampled, the same ones
every time.
"""
SPLIT = 40
"""The number of inputs from which on half of them are set aside in a calibration, to measure the
agreement on.
"""
MEMORY = 2**29
"""Maximum bytes of the arrays of a calibration."""
SECTION = "engines.md#calibrated-int8"
"""The section of the documentation on calibration."""
LATEST = JsonFile("calibrated.json")


@dataclass(frozen=True, eq=False)
class Request:
    """The user's request: data to calibrate on, and the minimum agreement with float32.

    Attributes:
        data: inputs of the model: a list, or what its `stream` takes. They need no labels.
        threshold: the minimum agreement, above 0 and at most 1.
    """

    data: Data
    threshold: float = AGREEMENT

    def __post_init__(self) -> None:
        is_number = isinstance(self.threshold, int | float) and not isinstance(self.threshold, bool)
        if not is_number or not 0 < self.threshold <= 1:
            raise UsageError(
                f"agreement must be above 0 and at most 1, such as 0.99, not {self.threshold!r}.",
                section=SECTION,
            )

    @cached_property
    def _collected(self) -> dict[str, Calibration]:
        return {}

    def calibration(self, model: Model[Any, Any, Any]) -> Calibration:
        """The data as inputs of a model's program; it is read once."""
        if model.task not in self._collected:
            self._collected[model.task] = collect(model, self.data, self.threshold)
        return self._collected[model.task]


def collect(
    model: Model[Any, Any, Any], data: Data, threshold: float = AGREEMENT, *, least: int = LEAST
) -> Calibration:
    """Convert real inputs to inputs of a model's program.

    Args:
        model: prepares them.
        data: see `Request`.
        threshold: of the calibration.
        least: the minimum number of inputs.

    Raises:
        UsageError: agreement is not defined for the task, or these are too few inputs.
        InputError: an input is unusable.
    """
    rule = model.agreement_rule
    if rule is None:
        raise UsageError(
            f"Precisions cannot be calibrated or compared for {model.task}: agreement is not "
            "defined for it. Leave calibration out; precision='int8' then quantises the weights only.",
            section=SECTION,
        )
    options = model.options()

    def rows(item: Item) -> Sequence[Row]:
        if isinstance(item.value, InputError):
            raise item.value
        return model.prepare(item, options).rows

    items = _chosen(model.stream_items(data, options), MOST)
    if len(items) == 1 and least > 1 and isinstance(data, str | PathLike):
        rows(items[0])  # a mistyped path is its own error
    if len(items) < least:
        raise UsageError(
            f"Calibration needs {least} inputs or more, preferably 100 to 300 similar to "
            f"those that the model will see; got {counted(len(items), 'input')}.",
            section=SECTION,
        )
    size = sum(array.nbytes for row in rows(items[0]) for array in row.values())
    if len(items) > (most := max(least, MEMORY // size)):
        log.info("calibration: %d of %d inputs, for the memory", most, len(items))
        items = [items[number * len(items) // most] for number in range(most)]
    random.Random(0).shuffle(items)  # sorted ones would leave classes out of a half
    prepared = [rows(one) for one in items]
    if least > 1 and len(different := _different(prepared)) < len(prepared):
        log.info("calibration: %d of %d inputs are different", len(different), len(prepared))
        if len(different) < least:
            raise UsageError(
                f"Calibration needs {least} different inputs or more; of these "
                f"{counted(len(prepared), 'input')} only {len(different)} are different.",
                section=SECTION,
            )
        prepared = different
    count = len(prepared)
    first = count - count // 2 if count >= SPLIT else count
    validation = sum(map(len, prepared[first:]))
    inputs = model.batch([row for each in prepared for row in each])
    return Calibration(inputs, rule, threshold, validation)


def _different(prepared: Sequence[Sequence[Row]]) -> list[Sequence[Row]]:
    """The inputs without those that are equal to an earlier one: an input that is calibrated on and
    set aside as well would overstate the agreement.
    """
    by_digest: dict[bytes, Sequence[Row]] = {}
    for rows in prepared:
        digest = hashlib.sha256()
        for row in rows:
            for name, array in row.items():
                digest.update(f"{name} {array.shape} ".encode())
                digest.update(np.ascontiguousarray(array).data)
        by_digest.setdefault(digest.digest(), rows)
    return list(by_digest.values())


def _chosen(items: Iterator[Item], most: int) -> list[Item]:
    """A uniform sample of at most `most` items, in their order (reservoir sampling)."""
    chosen: list[tuple[int, Item]] = []
    generator = random.Random(0)
    for index, item in enumerate(items):
        if len(chosen) < most:
            chosen.append((index, item))
        elif (replaced := generator.randrange(index + 1)) < most:
            chosen[replaced] = (index, item)
    return [item for _, item in sorted(chosen, key=lambda pair: pair[0])]


def artifact(model: Any, request: Request) -> store.Artifact:
    """The calibrated int8 program of a model: from the store, or compiled now.

    Raises:
        UsageError: the task or the data is not suitable.
        CompileError: no program reaches the requested agreement with float32.
        MissingPackageError: it is not in the store, and TensorFlow is not installed.
    """
    calibration = request.calibration(model)
    if (program := _find(model, calibration)) is None:
        require(
            "tensorflow",
            extra="tensorflow",
            purpose=f"once, to calibrate {model.name}, and not afterwards",
        )
        exact = model.in_precision("float32").artifact
        if list(exact.signatures) != [FORWARD]:
            raise UsageError(
                f"The program of {model.name} has the functions "
                f"{', '.join(exact.signatures)}; only programs with one function can be "
                "calibrated. Leave calibration out.",
                section=SECTION,
            )

        def fill(folder: Path) -> Mapping[str, Any]:
            return _run_job(model, calibration, {"artifact": exact, "folder": folder})

        program = store.make(_key(model, calibration, is_installed("nncf")), "int8", fill)
    name = program.folder.name.partition("-")[0]
    keys = [_model_key(model.entry, model.weights)]
    if has_published_weights(model):
        keys.append(model.entry.name)
    for key in keys:
        if LATEST.read().get(key) != name:
            LATEST.update(key, name)
    return program


def stored(model: Any, request: Request) -> store.Artifact | None:
    """The calibrated int8 program, if it was compiled before."""
    return _find(model, request.calibration(model))


def latest(entry: Entry, weights: Weights | None) -> store.Artifact | None:
    """The int8 program of a model that was calibrated most recently on this machine.

    Args:
        entry: the entry of the model.
        weights: its weights; None: the published ones of the entry, which are not resolved.
    """
    key = LATEST.read().get(entry.name if weights is None else _model_key(entry, weights))
    return store.find(key) if isinstance(key, str) and key.isalnum() else None


@documented_in(SECTION)
def check_agreement(name: str, program: store.Artifact | None, least: float) -> None:
    """Refuse a stored int8 program of a model if its agreement with float32 is less than requested.

    Raises:
        UsageError: it is, or was not measured.
    """
    record = None if program is None else program.calibration
    if record is None:
        raise UsageError(
            f"There is no calibrated int8 program of {name} whose agreement is known. Pass "
            "calibration=DATA, or leave agreement out."
        )
    if (reached := record.agreement[record.engine]) < least:
        raise UsageError(
            f"The int8 program of {name} has an agreement of {reached:.1%}, requested {least:.1%}. "
            "Pass calibration=DATA to calibrate again, or leave agreement out."
        )


@documented_in(SECTION)
def check_precision(precision: str, **options: Any) -> None:
    """Raise `UsageError` where an option of calibration is set for another precision."""
    for name, value in options.items():
        if value is not None and precision not in ("int8", "auto"):
            raise UsageError(f"{name} is for precision='int8' and 'auto', not for {precision!r}.")


def has_published_weights(model: Model[Any, Any, Any]) -> bool:
    """Whether the name of a model determines its weights."""
    is_bundle = model.folder is not None and bundle.is_bundle(model.folder)
    return model.weights.published and not is_bundle


def _run_job(model: Any, calibration: Calibration, job: Mapping[str, Any]) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(prefix="warmstart-") as folder:
        saved = calibration.save(Path(folder) / "inputs.npz")
        exact = job["artifact"]
        return run_process(
            job_of(model.entry, model.weights)
            | {
                "calibration": saved,
                "artifact": str(exact.folder.absolute()),
                "folder": str(job["folder"]),
            },
            f"Calibrating {model.name}",
            model.on_stage,
        )


def _find(model: Any, calibration: Calibration) -> store.Artifact | None:
    """The program of a calibration; one made without NNCF only if NNCF is not installed."""
    if (program := store.find(_key(model, calibration, True))) or is_installed("nncf"):
        return program
    return store.find(_key(model, calibration, False))


def _key(model: Any, calibration: Calibration, by_nncf: bool) -> str:
    base = _model_key(model.entry, model.weights)
    return store.content_key(base, {"calibration": calibration.digest, "nncf": by_nncf}, "int8")


def _model_key(entry: Entry, weights: Weights) -> str:
    return artifact_key(entry, weights, "float32")
