"""Open the model that a command names, with progress on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warmstart.core.model import Model


def say(text: str) -> None:
    """One line to standard error."""
    print(text, file=sys.stderr)


def open_model(name: str | None, **options: Any) -> tuple[Model, str]:
    """The model of this name, or the default one; and what to tell the user about the choice."""
    from warmstart.cli.progress import progress_bar
    from warmstart.core.loading import default_model, load

    with progress_bar() as progress, licences_said():
        if name is None:
            return default_model(progress=progress, **options)
        return load(name, progress=progress, **options), ""


@contextlib.contextmanager
def licences_said() -> Iterator[None]:
    """Tell of restricting licences in one line to standard error, before the weights are fetched."""
    import warnings

    from warmstart.catalog.licences import LicenceWarning

    def show(message: Any, category: type[Warning], *where: Any, **options: Any) -> None:
        if issubclass(category, LicenceWarning):
            say(f"Licence: {message}")
        else:
            before(message, category, *where, **options)

    with warnings.catch_warnings():
        before, warnings.showwarning = warnings.showwarning, show
        warnings.simplefilter("always", LicenceWarning)
        yield


@contextlib.contextmanager
def compiling(model: Model, what: str = "Compiling") -> Iterator[None]:
    """Show what compiling (or exporting) is doing, if the model has to be compiled inside this context."""
    long = "once; 10 to 60 seconds" if what == "Compiling" else "seconds to minutes"
    with contextlib.ExitStack() as stack:
        status: list[Any] = []

        def show(stage: str) -> None:
            text = f"{what} {model.name} ({long}): {stage}"
            if not sys.stderr.isatty():
                if not status:
                    say(f"{what} {model.name}, {long.replace(';', '; this takes')}.")
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
