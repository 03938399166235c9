"""Open the models that the command line names, from copies of their folders, and reload them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.errors import UsageError, WarmstartError
from warmstart.serve.registry import NAME
from warmstart.serve.reloading import Fingerprint, Reloader, copies, describe, fingerprint, snapshot
from warmstart.serve.state import State

if TYPE_CHECKING:
    from warmstart.core.model import Model

Load = Callable[[str], "Model[Any, Any, Any]"]


@dataclass
class OpenModels:
    """Open models.

    Attributes:
        root: the parent folder of the copies.
        models: by name.
        folders: the original folders of models that were opened from a copy.
        fingerprints: of these folders when they were copied.
        copies: the copies.
    """

    root: Path
    models: dict[str, Model[Any, Any, Any]] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    copies: dict[str, Path] = field(default_factory=dict)

    @contextlib.contextmanager
    def reloading(self, state: State, load: Load) -> Iterator[Reloader]:
        """Load changed bundles while the block runs."""
        reloader = Reloader(
            state.registry,
            self.folders,
            load,
            self.fingerprints,
            self.root,
            self.copies,
            state.settings.watch,
            state.metrics,
        )
        reloader.start()
        try:
            yield reloader
        finally:
            reloader.stop()


@contextlib.contextmanager
def open_models(sources: Sequence[str], load: Load, *, copied: bool = True) -> Iterator[OpenModels]:
    """Open models; their copies are removed at the end.

    Args:
        sources: arguments of `ws.load`, each optionally with the name to serve it under:
            `flowers=path/of/bundle`.
        load: opens a model.
        copied: whether folders are copied, so that they may change while they are served.

    Raises:
        UsageError: two models have the same name, or a folder cannot be copied.
        WarmstartError: a model cannot be opened.
    """
    with copies() as root:
        opened = OpenModels(root)
        for source in sources:
            name, equals, location = source.partition("=")
            if not equals or not NAME.fullmatch(name):
                name, location = "", source
            if not location:
                raise UsageError(
                    f"{source!r} names no model; write a name from `warmstart list`, a folder, or "
                    "NAME=path/of/bundle."
                )
            folder = Path(location).expanduser()
            is_folder = copied and folder.is_dir()
            folder_fingerprint = (fingerprint(folder) or ()) if is_folder else ()
            try:
                copy = snapshot(folder, opened.root) if is_folder else None
            except OSError as error:
                reason = error.strerror or error
                raise UsageError(f"{folder} cannot be copied to {opened.root}: {reason}.") from None
            try:
                model = load(str(copy) if copy else location)
            except WarmstartError as error:
                error.args = (describe(error, copy, folder),)
                raise
            name = name or re.sub(
                r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name if is_folder else model.name
            )
            if name in opened.models:
                raise UsageError(
                    f"Two models have the name {name!r}; choose another: NAME={location}"
                )
            opened.models[name] = model
            if copy is not None:
                opened.folders[name], opened.fingerprints[name] = folder, folder_fingerprint
                opened.copies[name] = copy
        yield opened
