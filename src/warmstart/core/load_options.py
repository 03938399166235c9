"""The options of `ws.load`, and their checks before any work starts."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, Literal, TypedDict

from warmstart import hub
from warmstart.core.calibration_inputs import SECTION, checked_agreement
from warmstart.core.types import Data
from warmstart.errors import UsageError


class LoadOptions(TypedDict, total=False):
    """The keywords of `load` besides `task`."""

    weights: str | PathLike[str] | None
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"]
    precision: Literal["float32", "bfloat16", "int8", "auto"]
    calibration: Data | None
    agreement: float | None
    device: Literal["auto", "cpu", "gpu"]
    revision: str | None
    offline: bool | None
    progress: hub.Progress | None


_VALID: Mapping[str, tuple[tuple[type, ...], str]] = {
    "task": ((str,), "the name of a task"),
    "weights": ((str, PathLike), "'pretrained', or the path or source of a checkpoint"),
    "revision": ((str,), "a branch, tag or commit"),
    "offline": ((bool,), "True or False"),
}
"""Types and description of the values of options that may be None as well."""


def check_load_options(**options: Any) -> None:
    """Check the options of `load`, except `engine`, `precision` and `device`; see `engines.choose`.

    Raises:
        UsageError: one is of a wrong type or out of range, or does not fit the precision.
    """
    for name, (types, description) in _VALID.items():
        if options[name] is not None and not isinstance(options[name], types):
            raise UsageError(f"{name} must be {description}, or None, not {options[name]!r}.")
    progress, precision = options["progress"], options["precision"]
    if progress is not None and not callable(progress):
        raise UsageError(f"progress must be a function, or None, not {progress!r}.")
    for name in ("calibration", "agreement"):
        if options[name] is not None and precision not in ("int8", "auto"):
            raise UsageError(
                f"{name} is for precision='int8' and 'auto', not for {precision!r}.",
                section=SECTION,
            )
    if options["agreement"] is not None:
        checked_agreement(options["agreement"])
