"""Every error that warmstart raises on purpose.

    WarmstartError
    ├── UsageError                  a wrong name, option or combination of them (also a ValueError)
    │   ├── UnknownModelError       no such entry in the catalogue; the message suggests similar names
    │   └── MissingPackageError     an optional package is not installed (also an EngineUnavailableError)
    ├── SourceError                 a file cannot be read from its source
    │   ├── OfflineError            it is not in the cache, and going online is not allowed
    │   ├── DownloadError           the server or the network failed, even after retries
    │   ├── ChecksumError           the bytes are not the ones that were published or pinned
    │   └── CacheError              the cache cannot be written: full, read-only, not a folder
    ├── CheckpointError             a weight file cannot be used
    │   ├── CorruptCheckpointError  truncated, damaged, or not of a known layout
    │   ├── UnsafeCheckpointError   it contains more than numbers: links, pickles, absurd sizes
    │   └── MismatchError           its arrays do not fit the architecture
    ├── InputError                  one input (a photo, a text, a recording, a series) is unusable
    │   ├── TooLargeError           it is larger than the server accepts
    │   └── RecordError             one record of labelled data is unusable (also a UsageError)
    ├── EngineError                 an engine cannot run the program
    │   ├── EngineUnavailableError  it is not installed, or this machine cannot run it
    │   └── CompileError            compiling failed, or the program differs from Keras
    ├── BundleError                 a model folder is incomplete or damaged
    ├── CancelledError              the work was stopped because nobody waits for the result
    ├── BatchError                  a batch run cannot continue; finished files remain
    └── TrainingError               training cannot continue; the last checkpoint remains

A message is one or two sentences: what is wrong with which file or item, and what to do next. A note
under it points to the section of the documentation that explains more: a traceback shows it, and so
does the command line.

Example:
    >>> try:
    ...     ws.load("mobilenet_v9")
    ... except ws.errors.WarmstartError as error:
    ...     print(type(error).__name__, error.section)
    UnknownModelError models.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import ClassVar, TypeVar

ErrorT = TypeVar("ErrorT", bound=BaseException)
_SYSTEM = re.compile(r"\[(?:Errno|WinError) -?\d+\] ")


class WarmstartError(Exception):
    """Base of all errors of this package.

    Attributes:
        section: the section of the documentation that explains it, such as "weights.md#cache".
    """

    usual_section: ClassVar[str] = ""
    """The section of errors of this class, wherever they are raised."""
    general_section: ClassVar[str] = "errors.md"
    """The section of errors of this class where neither they nor what raises them names another."""

    def __init__(self, message: str = "", *, section: str = ""):
        super().__init__(_SYSTEM.sub("", message))  # numbers of the system's errors help nobody
        self.section = section or self.usual_section or self.general_section
        self.add_note(f"See {address_of(self.section)}")

    def point_to(self, section: str) -> None:
        """Point to a section of the documentation in place of the general one."""
        if section and self.section == self.general_section:
            self.__notes__.remove(f"See {address_of(self.section)}")
            self.section = section
            self.add_note(f"See {address_of(section)}")


class UsageError(WarmstartError, ValueError):
    """A wrong name, option or combination of options."""


class UnknownModelError(UsageError):
    """No entry of the catalogue has this name."""

    usual_section = "models.md"


class SourceError(WarmstartError):
    """A file could not be had from its source."""

    general_section = "weights.md#sources"


class OfflineError(SourceError):
    """The file is not in the cache and going online is not allowed."""

    usual_section = "weights.md#environment"


class DownloadError(SourceError):
    """The server or the network failed, also after the retries."""

    usual_section = "weights.md#downloads-hashes-and-pins"


class ChecksumError(SourceError):
    """The bytes are not the published or pinned ones."""

    usual_section = "weights.md#downloads-hashes-and-pins"


class CacheError(SourceError):
    """The cache folder cannot be written."""

    usual_section = "weights.md#cache"


class CheckpointError(WarmstartError):
    """A weight file cannot be used."""

    usual_section = "weights.md#checkpoints"


class CorruptCheckpointError(CheckpointError):
    """The file is truncated, damaged, or in an unknown layout."""


class UnsafeCheckpointError(CheckpointError):
    """The file contains more than numbers: links, pickles, absurd sizes."""

    usual_section = "security.md#what-is-checked"


class MismatchError(CheckpointError):
    """The arrays of the file do not match the architecture."""


class InputError(WarmstartError):
    """One input is unusable; `item` names it (a path, a URL, or its position in the list)."""

    general_section = "inputs.md#unusable-inputs"

    def __init__(self, message: str, item: str = ""):
        super().__init__(message)
        self.item = item


class TooLargeError(InputError):
    """One input is larger than a server accepts."""

    usual_section = "serving.md#limits"


class RecordError(InputError, UsageError):
    """One record of labelled data is unusable; the message names its file, line or row, and column.

    Attributes:
        values: what could be read of it, by column.
    """

    general_section = "fine-tuning.md#tables"

    def __init__(self, message: str, item: str = "", values: Mapping[str, object] | None = None):
        super().__init__(message, item)
        self.values = values or {}


class EngineError(WarmstartError):
    """An engine cannot run the program."""

    usual_section = "engines.md"


class EngineUnavailableError(EngineError):
    """The engine is not installed, or this machine cannot run it."""


class CompileError(EngineError):
    """A model could not be compiled, or the compiled program differs from Keras."""

    usual_section = "engines.md#verified"


class MissingPackageError(EngineUnavailableError, UsageError):
    """An optional package is not installed; the message ends with the command that installs it.

    It is an `EngineUnavailableError`, because TensorFlow and OpenVINO are optional packages, and a
    `UsageError`, because most others are needed for one option or file format only.
    """

    usual_section = "quickstart.md#install"


class BundleError(WarmstartError):
    """A model folder is incomplete or damaged."""

    usual_section = "bundles.md"


class CancelledError(WarmstartError):
    """The work was stopped between two steps, because nobody waits for its result."""

    usual_section = "serving.md#limits"


class BatchError(WarmstartError):
    """A batch run cannot continue: the disk is full, another process writes into the folder, workers keep dying."""

    usual_section = "batch.md#resuming"


class TrainingError(WarmstartError):
    """Training cannot continue: the disk is full, the loss is NaN, another process trains into the folder."""

    usual_section = "fine-tuning.md#long-runs"


@contextmanager
def documented_in(section: str) -> Iterator[None]:
    """Errors that leave the block point to this section of the documentation, unless they point to a
    closer one.
    """
    try:
        yield
    except WarmstartError as error:
        error.point_to(section)
        raise


def explained(error: BaseException) -> str:
    """The message of an error, with its section of the documentation on a second line."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def first_line(error: BaseException) -> str:
    """The first line of an error of another library, at most 300 characters; its type where it
    says nothing.
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def address_of(section: str) -> str:
    """The address of a section such as "weights.md#cache": on the site that the package's metadata
    names, else in the folder `docs` of its source.
    """
    site = _site()
    page, _, anchor = section.partition("#")
    if not site:
        return f"docs/{section}"
    return f"{site}/{page.removesuffix('.md')}.html{anchor and '#' + anchor}"


@cache
def _site() -> str:
    """The address of the documentation; "" if the package has none."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("warmstart").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls)
    return str(named.get("Documentation", "")).rstrip("/")


def is_installed(package: str) -> bool:
    """Whether a top-level package can be imported; nothing is imported to find out."""
    from importlib.util import find_spec

    try:
        return find_spec(package) is not None
    except ImportError:  # from an import hook that blocks the package
        return False


def require(*packages: str, extra: str, purpose: str) -> None:
    """Check that optional packages are installed.

    Args:
        packages: their import names.
        extra: the extra of warmstart that installs them.
        purpose: completes "is needed …", such as "to read tables of series".

    Raises:
        MissingPackageError: one is not installed.
    """
    for package in packages:
        if not is_installed(package):
            raise MissingPackageError(
                f"The package {package} is needed {purpose}: pip install 'warmstart[{extra}]'."
            )


def without_frames(error: ErrorT) -> ErrorT:
    """Remove the tracebacks of an error and of its causes, and return it: their frames would keep the
    input, and all that was computed from it, in memory while the error is stored as a value.
    """
    current: BaseException | None = error
    while current is not None and current.__traceback__ is not None:
        current.__traceback__ = None
        current = current.__cause__ or current.__context__
    return error
