"""Open the model that a command names, with progress on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.core.terminal import is_quiet, print_error, say

if TYPE_CHECKING:
    from warmstart.core.calibration import Request
    from warmstart.core.model import Model


def open_model(name: str, **options: Any) -> Model[Any, Any, Any]:
    """The model of a name, folder or source; options and errors are those of `warmstart.load`."""
    from warmstart.cli.progress import downloads
    from warmstart.core.loading import load

    with downloads() as progress, licences_printed():
        return load(name, progress=progress, **options)


def calibration_request(
    model: Model[Any, Any, Any],
    calibration: str | None,
    agreement: float | None,
    columns: Sequence[str] = (),
) -> Request | None:
    """The request of `--calibration`, `--agreement` and `--column`; None without `--calibration`."""
    from warmstart.core.calibration import Request
    from warmstart.core.calibration_inputs import AGREEMENT

    if calibration is None:
        return None
    agreement = AGREEMENT if agreement is None else agreement
    return Request(calibration, agreement, columns, "--column")


def open_default(task: str, **options: Any) -> tuple[Model[Any, Any, Any], str]:
    """The default model of a task, and a short description."""
    from warmstart.cli.progress import downloads
    from warmstart.core.loading import default_model

    with downloads() as progress, licences_printed():
        return default_model(task, progress=progress, **options)


def task_of_model(name: str, *, offline: bool | None = None) -> str:
    """The task of a model; its weights are not loaded if the catalogue or a bundle names the task.

    Raises:
        UnknownModelError: there is no such model.
    """
    from warmstart import catalog
    from warmstart.core import bundle
    from warmstart.core.resolver import find_folder

    folder = None if name.startswith("hf:") else find_folder(name)
    if folder is not None and bundle.is_bundle(folder):
        return bundle.read(Path(folder)).entry.task
    if folder is None and not name.startswith("hf:"):
        return catalog.get(name).task
    return open_model(name, offline=offline).task


@contextlib.contextmanager
def licences_printed() -> Iterator[None]:
    """Print restricting licences in one line to standard error, before the weights are fetched."""
    import warnings

    from warmstart.catalog.licences import LicenceWarning

    def show(message: Any, category: type[Warning], *where: Any, **options: Any) -> None:
        if issubclass(category, LicenceWarning):
            print_error(f"Licence: {message}")
        else:
            before(message, category, *where, **options)

    with warnings.catch_warnings():
        before, warnings.showwarning = warnings.showwarning, show
        warnings.simplefilter("always", LicenceWarning)
        yield


def open_engine(model: Model[Any, Any, Any], hint: str | None = None) -> None:
    """Open the engine of a model, which may compile it.

    Args:
        model: the model.
        hint: a description that is printed with the model's name; None: nothing is printed.
    """
    with compiling(model):
        model.engine  # noqa: B018 (compiles, with its progress shown)
    if hint is not None:
        say(f"Model: {model.name}{f' ({hint})' if hint else ''}")


_DURATIONS = {"Compiling": "once; 10 to 60 seconds", "Calibrating": "once; 1 to 5 minutes"}


@contextlib.contextmanager
def compiling(model: Model[Any, Any, Any], activity: str = "Compiling") -> Iterator[None]:
    """Show the progress if the model is compiled (or calibrated, or exported) inside this context."""
    duration = _DURATIONS.get(activity, "seconds to minutes")
    with contextlib.ExitStack() as stack:
        status: list[Any] = []

        def show(stage: str) -> None:
            if is_quiet():
                return
            text = f"{activity} {model.name} ({duration}): {stage}"
            if not sys.stderr.isatty():
                if not status:
                    say(f"{activity} {model.name}, {duration.replace(';', '; this takes')}.")
                    status.append(None)
            elif not status:
                from rich.console import Console

                status.append(stack.enter_context(Console(stderr=True).status(text)))
            else:
                status[0].update(text)

        before, model.on_stage = model.on_stage, show
        try:
            yield
        finally:
            model.on_stage = before
