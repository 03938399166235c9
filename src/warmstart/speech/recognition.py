"""Speech recognition: recording -> features -> engine -> tokens or characters -> `Transcript`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.core.model import Model
from warmstart.core.results import Failed
from warmstart.errors import InputError, UsageError
from warmstart.models import runner
from warmstart.speech import audio
from warmstart.speech import data as speech_data
from warmstart.speech.results.transcript import Transcript

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program


def family(entry: Entry) -> ModuleType:
    """The module of this wing that knows an architecture's way from sound to text. It has

        program(entry, model) -> Program
        files(folder) -> {name: path or bytes}                    what a bundle has besides the weights
        Recognition(engine, entry, folder), with `options` (names), `check(**options)`,
            `transcribe(name, value, sample_rate=None, **options) -> Transcript` and
            `features(name, value, sample_rate=None) -> float32 (D,)`

    Raises:
        UsageError: the architecture does not recognise speech.
    """
    module: ModuleType = runner(entry.architecture)
    return module


class SpeechRecognizer(Model):
    """Writes down what is said.

    Example:
        >>> model = ws.load("whisper_tiny")
        >>> model("talk.flac", language="en").text
        'And so, my fellow Americans, …'
    """

    task = "speech-recognition"

    @cached_property
    def recognition(self) -> Any:
        """The family's way from sound to text, with the engine in it."""
        return family(self.entry).Recognition(self.engine, self.entry, self._folder)

    def __call__(self, inputs: Any, *, sample_rate: float | None = None, **options: Any) -> Any:
        """Transcribe recordings.

        Args:
            inputs: a path, URL, bytes, file object, array (N,) or (N, channels), `(array, rate)` or
                `{"array": …, "sampling_rate": …}`; or a list, generator, folder or glob of them. Of any rate, number
                of channels and length; files are read in flat memory.
            sample_rate: of bare arrays, in Hz.
            **options: the family's own; for Whisper those of `WhisperOptions`.

        Returns:
            One `Transcript`; a list of them for a list; an iterator for a generator, folder or glob. In a list or
            iterator an unusable recording is a `Failed` in its place.

        Raises:
            InputError: the one recording is unusable.
            UsageError: an option is wrong, or a folder or glob holds no recordings.
        """
        self._check(options)
        results = self._answers(inputs, lambda name, value: self.recognition.transcribe(
            name, value, sample_rate=sample_rate, **options))
        return _as_given(inputs, results)

    def features(self, inputs: Any, *, sample_rate: float | None = None) -> Any:
        """The encoder's output, averaged over the recording: (D,) for one, (N, D) for a list, else an iterator.

        Raises:
            InputError: a recording is unusable.
        """
        vectors = (_raise_failed(v) for v in self._answers(inputs, lambda name, value: self.recognition.features(
            name, value, sample_rate=sample_rate)))
        found = _as_given(inputs, vectors)
        return np.array(found, np.float32) if isinstance(found, list) else found

    def evaluate(self, data: Any, *, progress: Callable[[str, int, int | None], None] | None = None,
                 **options: Any) -> Mapping[str, Any]:
        """Word and character error rate on recordings with their texts.

        Args:
            data: pairs (recording, text), or a folder or file that `speech.data` reads.
            progress: called with (name of the model, recordings so far, recordings in all).
            **options: as for calling the model.

        Returns:
            `{"wer": …, "cer": …, "count": recordings answered, "errors": what is wrong with the others}`. Both rates
            are edits divided by the words or characters of the texts, case and punctuation left out.

        Raises:
            UsageError: there are no recordings, or the data has none of these forms.
        """
        from warmstart.speech.error_rates import ErrorRates

        pairs = speech_data.pairs(data)
        rates, errors = ErrorRates(), []
        results = self((recording for recording, _ in pairs), **options)
        for done, (result, (_, text)) in enumerate(zip(results, pairs, strict=True), 1):
            if isinstance(result, Failed):
                errors.append(str(result.error))
            else:
                rates.add(text, result.text)
            if progress:
                progress(self.name, done, len(pairs))
        return {**rates.to_dict(), "count": len(pairs) - len(errors), "errors": errors}

    def files(self) -> Mapping[str, Path | bytes]:
        return family(self.entry).files(self._folder) if self._folder else {}

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """The program of the model's family."""
        return family(entry).program(entry, model)

    def _check(self, options: Mapping[str, Any]) -> None:
        for option in options:
            if option not in self.recognition.options:
                known = ", ".join(sorted(self.recognition.options))
                raise UsageError(f"{self.name} takes no option {option!r}; it takes: sample_rate, {known}.")
        self.recognition.check(**options)

    def _answers(self, inputs: Any, answer: Callable[[str, Any], Any]) -> Iterator[Any]:
        for item in audio.iter_items(inputs):
            try:
                yield answer(item.name, item.value)
            except InputError as error:
                yield Failed(item.name, error)


def _raise_failed(answer: Transcript | np.ndarray | Failed) -> Any:
    if isinstance(answer, Failed):
        raise answer.error
    return answer


def _as_given(inputs: Any, results: Iterator[Any]) -> Any:
    """One answer for one input, a list for a list, else the iterator."""
    if audio.is_single(inputs):
        (result,) = results
        return _raise_failed(result)
    return list(results) if isinstance(inputs, list | tuple) else results
