"""Real inputs of a calibration: read from a file, a folder or a list, and prepared for a program."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart import log
from warmstart.core.inputs import Item, Row
from warmstart.core.reading import check_exists, is_file_name
from warmstart.core.records.suffixes import names_table
from warmstart.core.result_agreement import ComparedInputs, ResultRule
from warmstart.core.types import Data
from warmstart.counts import counted
from warmstart.engines.calibration import Calibration
from warmstart.errors import InputError, UsageError, documented_in

if TYPE_CHECKING:
    from warmstart.core.model import Model

SECTION = "engines.md#calibrated-int8"
"""The section of the documentation on calibration."""
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


@documented_in(SECTION)
def checked_agreement(agreement: Any) -> float:
    """A minimum agreement with float32.

    Raises:
        UsageError: it is not a number above 0 and at most 1.
    """
    is_number = isinstance(agreement, int | float) and not isinstance(agreement, bool)
    if not is_number or not 0 < agreement <= 1:
        raise UsageError(
            f"agreement must be a number above 0 and at most 1, such as 0.99, not {agreement!r}."
        )
    return float(agreement)


def undefined(task: str) -> str:
    """Why nothing can be calibrated or compared for a task, and what to do."""
    return (
        f"Agreement with float32 is not defined for {task}, so precisions are neither calibrated nor "
        "compared for it. Leave calibration and agreement out: precision='int8' then quantises the "
        "weights only. To compare it with float32, evaluate the model in both precisions."
    )


def check_calibrates(model: Any) -> None:
    """Raise `UsageError` if int8 of a model is not calibrated."""
    if (rule := model.agreement_rule) is None:
        raise UsageError(undefined(model.task))
    if isinstance(rule, ResultRule):
        raise UsageError(
            f"int8 is not calibrated for {model.task}: precision='int8' quantises the weights only. "
            "Leave calibration and agreement out, or use precision='auto', which compares the "
            "precisions on calibration=DATA."
        )


def check_data(model: Model[Any, Any, Any], data: Data) -> None:
    """Check that a path of inputs leads to a file or folder; nothing is read.

    A `str` is the path of a file or folder: a single text is never enough for a calibration. For
    photos and recordings it may be a pattern or a URL as well.

    Raises:
        UsageError: there is no such file or folder.
    """
    if model.input_kind.is_file or not isinstance(data, str | PathLike):
        return
    if isinstance(data, str) and not is_file_name(data):
        noun, plural = model.input_kind.noun, model.input_kind.plural
        raise UsageError(
            f"{data[:60]!r} is a single {noun}: pass a list of {plural}, or the path of a file of "
            "them."
        )
    check_exists(data)


@documented_in(SECTION)
def collect(
    model: Model[Any, Any, Any],
    data: Data,
    threshold: float = AGREEMENT,
    *,
    columns: Sequence[str] = (),
    column_option: str | None = None,
    least: int = LEAST,
) -> Calibration | ComparedInputs:
    """Convert real inputs to inputs of a model's program, or read them to compare its results.

    Args:
        model: prepares them.
        data: a list, what the model's `stream` takes, or the path of a table of inputs.
        threshold: of the calibration.
        columns: of a table, that hold the inputs; default: by their names or their content.
        column_option: how messages call the option that names `columns`; None: there is none, and
            they say how to pass a column in Python.
        least: the minimum number of inputs.

    Raises:
        UsageError: agreement is not defined for the task, or these are too few inputs.
        InputError: an input is unusable.
    """
    if (rule := model.agreement_rule) is None:
        raise UsageError(undefined(model.task))
    options = model.options()

    def rows(item: Item) -> Sequence[Row]:
        if isinstance(item.value, InputError):
            raise item.value
        if isinstance(rule, ResultRule):
            return [rule.read(model, item)]
        return model.prepare(item, options).rows

    inputs = _opened(model, data, columns, column_option)
    items = _chosen(model.stream_items(inputs, options), MOST)
    if len(items) == 1 and least > 1 and isinstance(data, str | PathLike):
        rows(items[0])  # a mistyped path is its own error
    if len(items) < least:
        raise UsageError(
            f"Calibration needs {least} inputs or more, preferably 100 to 300 similar to "
            f"those that the model will see; got {counted(len(items), 'input')}."
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
                f"{counted(len(prepared), 'input')} only {len(different)} are different."
            )
        prepared = different
    if isinstance(rule, ResultRule):
        return ComparedInputs(model, [row for each in prepared for row in each], rule, threshold)
    count = len(prepared)
    first = count - count // 2 if count >= SPLIT else count
    validation = sum(map(len, prepared[first:]))
    arrays = model.batch([row for each in prepared for row in each])
    return Calibration(arrays, rule, threshold, validation)


def _opened(
    model: Model[Any, Any, Any], data: Data, columns: Sequence[str], column_option: str | None
) -> Any:
    """The data as the model's `stream` takes it: of a table the inputs in its rows."""
    check_data(model, data)
    if not isinstance(data, str | PathLike):
        return data
    path = os.fsdecode(data)
    if names_table(path) and not model.input_kind.table_suffixes:
        from warmstart.core.table_rows import table_inputs  # the reader of tables is not small

        option = column_option or f"calibration=pandas.read_csv({path!r})['COLUMN']"
        return table_inputs(model, os.path.expanduser(path), columns, option=option)
    if columns:
        raise UsageError(f"{path} is not a table, so leave out {column_option}.")
    return data if model.input_kind.is_file else Path(path).expanduser()


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
