"""The folder of one training run, from the first epoch to the finished bundle.

    OUTPUT/training/run.json                  the settings, as plain values
    OUTPUT/training/NAME.json                 one per fit: its epochs so far, and their files
    OUTPUT/training/NAME-epoch-3.safetensors  what training changes, after the last complete epoch
    OUTPUT/training/NAME-best-2.safetensors   the same after the best one
    OUTPUT/…                                  the bundle, once everything is done

Every file is written under a temporary name and renamed; a JSON file is written after the files that it names. A
process may thus be killed at any moment: it leaves the state after a complete epoch, and the same call resumes from
there. The bundle's manifest is moved last: a folder that has one is finished and is never written to again.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.atomic import atomic_file
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.core import bundle
from warmstart.core.bundle import STATE
from warmstart.errors import BundleError, CheckpointError, TrainingError, UsageError


class Run:
    """One run; made by `open_run`.

    Attributes:
        folder: of the bundle.
        settings: plain values, the same on every call that resumes.
        resumable: whether checkpoints are written; false for a temporary folder.
        resumed: whether an earlier process has left its state in the folder.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, resumable: bool):
        self.folder, self.settings, self.resumable = folder, settings, resumable
        self.resumed = (self.state / "run.json").exists()

    @property
    def state(self) -> Path:
        return self.folder / STATE

    @property
    def finished(self) -> bool:
        """Whether the bundle is complete."""
        return bundle.is_bundle(self.folder)

    def read(self, name: str) -> dict[str, Any] | None:
        """The plain values that `write` stored under this name; None if there are none."""
        try:
            values: dict[str, Any] = json.loads((self.state / f"{name}.json").read_text("utf-8"))
            return values
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"{self.state / name}.json cannot be read ({error}); "
                "start again with a new output folder."
            ) from error

    def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Store plain values, all or nothing.

        Raises:
            TrainingError: the disk is full or cannot be written; what was stored before is still
            there.
        """
        with self._writing(), atomic_file(self.state / f"{name}.json") as file:
            file.write((json.dumps(values, indent=1) + "\n").encode())

    def save_arrays(self, file: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store arrays in `file` (a name ending in .safetensors), all or nothing; errors as for
        `write`.
        """
        with self._writing():
            save_safetensors(self.state / file, arrays)

    def load_arrays(self, file: str) -> dict[str, np.ndarray]:
        """The arrays of `file`.

        Raises:
            CheckpointError: it is damaged.
        """
        with open_checkpoint(self.state / file) as checkpoint:
            return {name: checkpoint.read(name) for name in checkpoint.names()}

    def remove(self, *files: str) -> None:
        """Delete files of arrays."""
        for file in files:
            (self.state / file).unlink(missing_ok=True)

    def finish(self, write: Callable[[Path], Any]) -> Path:
        """Make the bundle and end the run; the checkpoints are deleted.

        Args:
            write: writes a whole bundle into a new folder, as `Model.save` does.

        Returns:
            The bundle's folder.

        Raises:
            TrainingError: the disk is full; run again, and only this step is repeated.
        """
        draft = self.state / "bundle"
        with self._writing():
            shutil.rmtree(draft, ignore_errors=True)
            write(draft)
            for part in sorted(
                draft.iterdir(), key=lambda path: path.name == bundle.MANIFEST
            ):  # the manifest last
                target = self.folder / part.name
                if target.is_dir():
                    shutil.rmtree(target)
                os.replace(part, target)
            draft.rmdir()
        for path in self.state.glob("*.safetensors"):
            path.unlink()
        return self.folder

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CheckpointError, BundleError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(cause, OSError):
                raise
            reason = (
                str(error) if isinstance(error, CheckpointError) else cause.strerror or str(cause)
            )
            raise TrainingError(
                f"{self.state} cannot be written: {reason.rstrip('.')}. The last checkpoint is intact: "
                "free some space and run the same command again to resume."
            ) from error


@contextlib.contextmanager
def open_run(output: str | Path | None, settings: Mapping[str, Any]) -> Iterator[Run]:
    """The run of an output folder, new or resumed, locked against other processes while the block
    runs.

    Args:
        output: a new or empty folder, or that of an earlier run with the same settings, finished or
            not. None: a temporary folder, which is deleted when the process ends.
        settings: everything that decides the result, as `plain` values; data by its fingerprint.

    Raises:
        UsageError: the folder contains something else, or a run with other settings.
        TrainingError: another process is working in it, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    check_output(output)
    current = json.loads(json.dumps(plain(settings)))
    if output is None:
        folder = Path(tempfile.mkdtemp(prefix="warmstart-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        (folder / STATE).mkdir()
        yield Run(folder, current, resumable=False)
        return
    folder = Path(output).expanduser()
    try:
        (folder / STATE).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / STATE / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise TrainingError(
            f"Another process is training into {folder}; wait for it, or choose another folder."
        ) from None
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written: {error.strerror or error}.") from error
    with lock:
        run = Run(folder, current, resumable=True)
        earlier = run.read("run")
        if earlier is not None and earlier["settings"] != current:
            raise UsageError(
                f"{folder} contains a run with other settings "
                f"({_differences(earlier['settings'], current)}); choose a new folder; nothing "
                "was overwritten."
            )
        for partial in (folder / STATE).glob(".*.part"):  # of a process killed while writing
            partial.unlink()
        if earlier is None:
            run.write("run", {"settings": current})
        try:
            yield run
        except UsageError:
            files = {path.name for path in run.state.iterdir()}
            if earlier is None and files <= {"run.json", "lock"}:
                (run.state / "run.json").unlink()  # nothing was trained: the folder is reusable
            raise


def check_output(output: str | Path | None) -> None:
    """Refuse a folder that a run cannot write into; writes nothing.

    Raises:
        UsageError: it is a file, or contains files that are not those of a run.
    """
    folder = None if output is None else Path(output).expanduser()
    if folder is None or not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {""}
    if names - {STATE} and not (folder / STATE / "run.json").is_file():
        raise UsageError(
            f"{folder} is not empty and contains no unfinished run; choose a new folder; "
            "nothing was overwritten."
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    def short(value: Any) -> str:
        text = json.dumps(value)
        return text if len(text) <= 40 else text[:37] + "…"

    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return "; ".join(f"{key}: {short(old.get(key))}, now {short(new.get(key))}" for key in keys[:5])


def plain(value: Any) -> Any:
    """A value as JSON, the same in every process: arrays by their digest, Keras objects by their
    config, functions by their name.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} {sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:20]}"
    if hasattr(value, "get_config"):
        return {"class": type(value).__name__, "config": plain(value.get_config())}
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{getattr(value, '__module__', type(value).__module__)}.{name}"
