"""`Recognizer`: how one family of networks turns recordings into transcripts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from warmstart.catalog import Entry
from warmstart.engines.base import Engine
from warmstart.engines.choose import Trial
from warmstart.speech.options import TranscribeOptions
from warmstart.speech.results.transcript import Transcript

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Recognizer(ABC):
    """Transcribes recordings with a model, one at a time.

    Args:
        engine: with the program of the model.
        entry: of the model.
        folder: of its bundle or repository, if it has one.

    Class attributes:
        option_names: the fields of `TranscribeOptions` that the family supports.
    """

    option_names: ClassVar[tuple[str, ...]]

    def __init__(self, engine: Engine, entry: Entry, folder: Path | None = None):
        self.engine, self.entry, self.folder = engine, entry, folder

    @staticmethod
    def trial(entry: Entry) -> Trial | None:
        """What engines are timed with; see `CompiledModel.trial`."""
        return None

    @abstractmethod
    def check(self, options: TranscribeOptions) -> None:
        """Refuse options before any recording is read.

        Raises:
            UsageError: an option is wrong, or asks for what the model cannot do.
            InputError: a file that an option names cannot be read.
        """

    @abstractmethod
    def transcribe(
        self, name: str, recording: Any, options: TranscribeOptions, channel: int | None = None
    ) -> Generator[None, None, Transcript]:
        """Transcribe one recording in constant memory; yields between windows.

        Args:
            name: the name of the recording.
            recording: the recording to transcribe.
            options: the options of the call; `channel` is ignored.
            channel: the channel to transcribe, from 1; None: all channels mixed.

        Raises:
            InputError: the recording is unusable.
        """

    @abstractmethod
    def features(
        self, name: str, recording: Any, sample_rate: float | None
    ) -> Generator[None, None, NDArray[np.float32]]:
        """The encoder's output averaged over one recording, (`feature_size`,); yields between
        windows.

        Raises:
            InputError: the recording is unusable.
        """

    @property
    @abstractmethod
    def feature_size(self) -> int:
        """The length of `features`."""
