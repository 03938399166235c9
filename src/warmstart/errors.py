"""Every error that warmstart raises on purpose.

    WarmstartError
    ├── UsageError                  a wrong name, option or combination of them (also a ValueError)
    │   └── UnknownModelError       no such entry in the catalogue; the message suggests near names
    ├── SourceError                 a file could not be had from where it should come from
    │   ├── OfflineError            it is not in the cache, and going online is not allowed
    │   ├── DownloadError           the server or the network failed, also after the retries
    │   ├── ChecksumError           the bytes are not the ones that were published or pinned
    │   └── CacheError              the cache cannot be written: full, read-only, not a folder
    ├── CheckpointError             a weight file cannot be used
    │   ├── CorruptCheckpointError  truncated, damaged, or not of a known layout
    │   ├── UnsafeCheckpointError   it asks for more than numbers: links, pickles, absurd sizes
    │   └── MismatchError           its arrays do not fit the architecture
    ├── InputError                  one input (a photo, a text, a recording, a series) is unusable
    │   ├── TooLargeError           it is larger than a server accepts
    │   └── RecordError             one record of labelled data is unusable (also a UsageError)
    ├── EngineError                 an engine cannot run the program
    │   ├── EngineUnavailableError  it is not installed, or this machine cannot run it
    │   └── CompileError            a model could not be compiled, or the artifact is not equal to it
    ├── BundleError                 a model folder is incomplete or damaged
    ├── CancelledError              the work was stopped: nobody waits for its result
    ├── BatchError                  a batch run cannot go on; what was done so far is kept
    └── TrainingError               training cannot go on; what was reached so far is kept

A message is one or two sentences: what is wrong with which file or item, and what to do next.
"""


class WarmstartError(Exception):
    """Base of all errors of this package."""


class UsageError(WarmstartError, ValueError):
    """A wrong name, option or combination of options."""


class UnknownModelError(UsageError):
    """No entry of the catalogue has this name."""


class SourceError(WarmstartError):
    """A file could not be had from its source."""


class OfflineError(SourceError):
    """The file is not in the cache and going online is not allowed."""


class DownloadError(SourceError):
    """The server or the network failed, also after the retries."""


class ChecksumError(SourceError):
    """The bytes are not the published or pinned ones."""


class CacheError(SourceError):
    """The cache folder cannot be written."""


class CheckpointError(WarmstartError):
    """A weight file cannot be used."""


class CorruptCheckpointError(CheckpointError):
    """The file is truncated, damaged, or of no known layout."""


class UnsafeCheckpointError(CheckpointError):
    """The file asks for more than reading numbers: links, pickles, absurd sizes."""


class MismatchError(CheckpointError):
    """The arrays of the file do not fit the architecture."""


class InputError(WarmstartError):
    """One input is unusable; `item` names it (a path, a URL, or its place in the list)."""

    def __init__(self, message: str, item: str = ""):
        super().__init__(message)
        self.item = item


class TooLargeError(InputError):
    """One input is larger than a server accepts."""


class RecordError(InputError, UsageError):
    """One record of labelled data is unusable; the message names its file, line or row, and column."""


class EngineError(WarmstartError):
    """An engine cannot run the program."""


class EngineUnavailableError(EngineError):
    """The engine is not installed, or this machine cannot run it."""


class CompileError(EngineError):
    """A model could not be compiled, or its artifact does not give the same numbers."""


class BundleError(WarmstartError):
    """A model folder is incomplete or damaged."""


class CancelledError(WarmstartError):
    """The work was stopped between two steps: nobody waits for its result."""


class BatchError(WarmstartError):
    """A batch run cannot go on: the disk is full, another process writes into the folder, workers keep dying."""


class TrainingError(WarmstartError):
    """Training cannot go on: the disk is full, the loss is not a number, another process trains into the folder."""
