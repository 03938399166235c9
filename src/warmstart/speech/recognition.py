"""Speech recognition: recording → features → engine → tokens or characters → `Transcript`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, overload

from warmstart.catalog import Entry
from warmstart.core import records
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item, single_items
from warmstart.core.model import Model, Prepared
from warmstart.core.options import fields_of, make, takes
from warmstart.core.result_agreement import ResultRule
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.engines.choose import Trial
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.models import runner
from warmstart.speech import data as speech_data
from warmstart.speech.channels import count_channels, repeatable
from warmstart.speech.inputs import Recording
from warmstart.speech.options import (
    EvaluateRecordingsOptions,
    RecordingOptions,
    TranscribeOptions,
)
from warmstart.speech.recognizer import Recognizer
from warmstart.speech.results.transcript import Transcript
from warmstart.speech.same_words import SAME_WORDS
from warmstart.speech.settings import SpeechSettings

if TYPE_CHECKING:
    import os

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from warmstart.engines.keras import Program
    from warmstart.speech.ctc.language_model import LanguageModel
    from warmstart.speech.ctc.live import LiveTranscript


def _family(entry: Entry) -> ModuleType:
    """The module that runs an entry's architecture. It has

        RECOGNIZER                                                the class of its `Recognizer`
        TRAINER                                                   "module:Name" of its trainer
        program(entry, model) -> Program
        files(folder) -> {name: path or bytes}                    files of a bundle besides the weights

    Raises:
        UsageError: the architecture does not recognize speech.
    """
    module: ModuleType = runner(entry.architecture)
    return module


def _recognizer_class(entry: Entry) -> type[Recognizer]:
    recognizer_class: type[Recognizer] = _family(entry).RECOGNIZER
    return recognizer_class


class SpeechRecognizer(Model[Recording, Transcript, TranscribeOptions]):
    """Transcribes recordings.

    Example:
        >>> model = ws.load("digits_wavenet_asr")  # or "whisper_base"
        >>> model("digits.flac").text
        'zero one two three four five six seven eight nine'
    """

    task = "speech-recognition"
    options = TranscribeOptions
    evaluate_options = EvaluateRecordingsOptions
    result = Transcript
    settings_type = SpeechSettings
    batch_size = 1  # a recording is many windows
    batched = False
    decodes_ahead = False

    _recognizer: Recognizer | None = None

    @overload
    @takes(TranscribeOptions)
    def __call__(self, recording: Recording, options: TranscribeOptions) -> Transcript: ...
    @overload
    @takes(TranscribeOptions)
    def __call__(
        self, recording: Several[Recording], options: TranscribeOptions
    ) -> Results[Transcript | Failed]: ...
    @takes(TranscribeOptions)
    def __call__(self, recording: Any, options: TranscribeOptions) -> Any:
        """Transcribe a recording, or each of a list.

        Recordings have any sampling rate, number of channels and length; files are read in constant
        memory.

        Args:
            recording: a path, URL, bytes, open file, array (N,) or (N, channels), `(array, rate)`
                or `{"array": …, "sampling_rate": …}`; or a list of them.

        Returns:
            One `Transcript`; for a list a list, in which an unusable recording is a `Failed` at its
            index.

        Raises:
            InputError: the one recording is unusable.
            UsageError: an option is wrong or the model does not support it, or `recording` stands
                for many recordings and is not a list.
        """
        return self.predict(recording, options)

    @takes(TranscribeOptions)
    def stream(
        self, recordings: Iterable[Recording] | Recording, options: TranscribeOptions
    ) -> ResultStream[Transcript | Failed]:
        """Transcribe the recordings of an iterator, a folder or a pattern (`"talks/*.flac"`), in
        order, one at a time.

        Returns:
            An iterator with a `Transcript` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of recordings.
        """
        return self.predict_stream(recordings, options)

    @takes(RecordingOptions)
    def features(
        self, recordings: Recording | Several[Recording], options: RecordingOptions
    ) -> NDArray[np.float32]:
        """The encoder's output, averaged over a recording.

        Args:
            recordings: one, or a list of them.

        Returns:
            float32 (D,) for one recording, (N, D) for a list.

        Raises:
            InputError: a recording is unusable.
        """
        return self.predict_features(recordings, self.options(**vars(options)))

    def listen(
        self,
        *,
        beam: int | None = None,
        vocabulary: bool | str | os.PathLike[str] | Sequence[str] | None = None,
        language_model: str | os.PathLike[str] | LanguageModel | None = None,
    ) -> LiveTranscript:
        """Transcribe live audio: pass chunks of samples, get words as soon as they are final.

        The final text equals that of the whole recording. Options are those of a call.

        Example:
            >>> live = ws.load("digits_wavenet_asr").listen()
            >>> sound = ws.load("digits_wavenet")("seven", speaker="theo", seed=1)  # or a microphone
            >>> words = [live.add(chunk) for chunk in np.array_split(sound.samples, 8)]
            >>> live.sample_rate == sound.sample_rate, live.end().text
            (True, 'seven')

        Raises:
            UsageError: an option is wrong, or the model takes only whole recordings, as Whisper does.
        """
        from warmstart.speech.ctc.recognizer import CtcRecognizer

        values = {"beam": beam, "vocabulary": vocabulary, "language_model": language_model}
        options = make(TranscribeOptions, values, type(self).__name__)
        if not issubclass(_recognizer_class(self.entry), CtcRecognizer):
            raise UsageError(
                f"{self.name} transcribes only whole recordings; CTC models can listen."
            )
        recognizer = self.recognizer
        assert isinstance(recognizer, CtcRecognizer)
        return recognizer.listen(options)

    @property
    def option_names(self) -> tuple[str, ...]:
        return _recognizer_class(self.entry).option_names

    @property
    def agreement_rule(self) -> ResultRule:
        return SAME_WORDS

    @property
    def trial(self) -> Trial | None:
        return _recognizer_class(self.entry).trial(self.entry)

    @property
    def recognizer(self) -> Recognizer:
        """Transcribes recordings with the engine; its class depends on the family of the model."""
        with self._lock:
            recognizer = self._recognizer
            if recognizer is None or recognizer.engine is not self.engine:
                recognizer_class = _recognizer_class(self.entry)
                recognizer = recognizer_class(self.engine, self.entry, self._folder)
                self._recognizer = recognizer
            return recognizer

    @property
    def feature_size(self) -> int:
        return self.recognizer.feature_size

    def check_options(self, options: TranscribeOptions) -> None:
        super().check_options(options)
        self.recognizer.check(options)

    def prepare(self, item: Item, options: TranscribeOptions) -> Prepared:
        return Prepared(item.name, context=item.value, index=item.index)

    def compute(
        self, inputs: Sequence[Prepared], options: TranscribeOptions
    ) -> Generator[None, None, Sequence[Any]]:
        """A `Transcript` or `InputError` for each recording; yields between windows."""
        return (yield from _each(inputs, lambda recording: self._transcribe(recording, options)))

    def _transcribe(
        self, prepared: Prepared, options: TranscribeOptions
    ) -> Generator[None, None, Transcript]:
        name, recording, transcribe = prepared.name, prepared.context, self.recognizer.transcribe
        if options.channel != "each":
            return (yield from transcribe(name, recording, options, options.channel))
        recording = repeatable(recording, name)
        count = count_channels(recording, name, options.sample_rate)
        transcripts = []
        for channel in range(1, count + 1):
            transcript = yield from transcribe(name, recording, options, channel)
            transcripts.append(transcript)
        return Transcript.of_channels(transcripts)

    def compute_features(
        self, inputs: Sequence[Prepared], options: TranscribeOptions
    ) -> Generator[None, None, Sequence[Any]]:
        """Features (D,) or an `InputError` for each recording; yields between windows."""
        features, rate = self.recognizer.features, options.sample_rate
        return (
            yield from _each(
                inputs, lambda recording: features(recording.name, recording.context, rate)
            )
        )

    def decode(self, prepared: Prepared, outputs: Any, options: TranscribeOptions) -> Transcript:
        transcript: Transcript = outputs
        return transcript

    def vector(
        self, prepared: Prepared, outputs: Any, options: TranscribeOptions
    ) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = outputs
        return vector

    @takes(EvaluateRecordingsOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluateRecordingsOptions) -> Evaluation:
        """Word and character error rate on recordings with their texts.

        Published word error rates are mostly after Whisper's text normalizer, which writes numbers
        as digits and expands contractions: compare them with `wer_normalized`.

        Args:
            data: pairs (recording, text), or a folder or file that `speech.data` reads.
            options: as for a call; and how a table is read.

        Returns:
            `wer` and `cer`, without case and punctuation; `wer_normalized`, after
            Whisper's normalizer, by its rules for English or for the other languages; `count`, the
            recordings transcribed; and `errors`, what is wrong with the others. Rates are edits
            divided by the words or characters of the texts.

        Raises:
            UsageError: there are no recordings, or the data has none of these forms.
        """
        from warmstart.speech.error_rates import ErrorRates

        if options.channel == "each":
            raise UsageError(
                "A text belongs to a whole recording: evaluate all channels mixed, or one, such as "
                "channel=1."
            )
        errors: list[str] = []
        examples = records.evaluation_split(
            speech_data.examples(data, problems=errors, **options.reading())
        )
        rates, count = ErrorRates(), 0
        call = TranscribeOptions(
            **{name: getattr(options, name) for name in fields_of(TranscribeOptions)}
        )
        self.check_options(call)
        results = self.results(single_items(example.recording for example in examples), call)
        for example, result in records.usable_results(
            self.name, examples, results, errors, options.progress
        ):
            rates.add(example.text, result.text, "en" if options.translate else result.language)
            count += 1
        records.require_usable("recording", count, errors)
        return Evaluation.of(self, {**rates.to_dict(), "count": count, "errors": errors})

    def files(self) -> Mapping[str, Path | bytes]:
        if self._folder is None:
            return {}
        files: Mapping[str, Path | bytes] = _family(self.entry).files(self._folder)
        return files

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """The program of the model's family."""
        program: Program = _family(entry).program(entry, model)
        return program


def _each(
    inputs: Sequence[Prepared], work: Callable[[Prepared], Generator[None, None, Any]]
) -> Generator[None, None, list[Any]]:
    """The result of `work` for each input, or its `InputError`."""
    outputs: list[Any] = []
    for prepared in inputs:
        try:
            outputs.append((yield from work(prepared)))
        except InputError as error:
            outputs.append(error)
    return outputs
