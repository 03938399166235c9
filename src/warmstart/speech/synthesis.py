"""Audio generation: words or frames → conditioning → engine, sample by sample → `Audio`."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import InputKind, Several
from warmstart.core.inputs import Item
from warmstart.core.model import Model, Prepared
from warmstart.core.options import Option, takes
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.types import Data, Progress
from warmstart.engines.base import Engine
from warmstart.errors import InputError, UsageError
from warmstart.speech import audio, sound_files
from warmstart.speech.inputs import RECORDING, UTTERANCE, Sound
from warmstart.speech.options import RecordingOptions
from warmstart.speech.results.audio import Audio
from warmstart.speech.settings import SpeechSettings
from warmstart.speech.spectrum import Features
from warmstart.speech.wavenet_sampler import Stretch, generate, position_frames, wavenet_program

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

PAUSE = 0.12
"""Seconds of silence between the words of one input."""
LONGEST_DEVIATION = 1.5
"""Standard deviations by which a word is longer or shorter than usual, at most."""
LONGEST = 60.0
"""Seconds of one word at most."""


@dataclass(frozen=True, kw_only=True)
class SynthesizeOptions(RecordingOptions):
    """Options of audio generation."""

    speaker: Annotated[
        str | int | None,
        Option("Name or number of a speaker; default: random.", max_length=200),
    ] = None
    seconds: Annotated[
        float | None,
        Option(
            "Duration of each word in seconds; default: sampled from those of the training data.",
            ge=0.02,
            le=LONGEST,
        ),
    ] = None
    temperature: Annotated[
        float | None,
        Option(
            "Sampling temperature: 1 samples from the learned distribution; lower values "
            "sound cleaner and duller; default: that of the model.",
            gt=0,
            le=10,
        ),
    ] = None
    seed: Annotated[int, Option("Random seed; the input at index n uses seed + n.", ge=0)] = 0


class AudioGenerator(Model[Sound, Audio, SynthesizeOptions]):
    """Generates sound, sample by sample.

    What a model can generate is in its entry's `processing`: `classes` (the names of each set of
    class: first the words, then the speakers), and `frames`: "position" (the position of each frame
    in a word), "features" (mel frames: the network is a vocoder) or None.

    Example:
        >>> model = ws.load("digits_wavenet")
        >>> audio = model("seven", speaker="theo", seed=1)
        >>> 0.2 < audio.seconds < 1, model.sample_rate, model.classes[1][:2]
        (True, 8000, ('george', 'jackson'))
    """

    settings_type = SpeechSettings
    has_stand_in = False  # as slow in Keras as compiling
    task = "audio-generation"
    options = SynthesizeOptions
    result = Audio
    batch_size = 1
    batched = False  # random numbers depend on the index of an input
    seeded_by_index = True
    generates = "samples of sound"
    decodes_ahead = False

    @property
    def sample_rate(self) -> int:
        """Sampling rate of the generated sound, in Hz."""
        return int(self.entry.processing["sample_rate"])

    @property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """The names of each set of classes: the words, and the speakers."""
        return tuple(tuple(map(str, names)) for names in self.entry.processing.get("classes", ()))

    @property
    def is_vocoder(self) -> bool:
        """Whether it turns frames of sound into sound, instead of words."""
        return bool(self.entry.processing.get("frames") == "features")

    @cached_property
    def input_kind(self) -> InputKind:
        return RECORDING if self.is_vocoder else UTTERANCE

    @property
    def option_names(self) -> tuple[str, ...]:
        names = ["temperature", "seed"] if self.is_vocoder else ["seconds", "temperature", "seed"]
        if len(self.classes) > 1:
            names.insert(0, "speaker")
        return (*names, "sample_rate") if self.is_vocoder else tuple(names)

    @property
    def option_examples(self) -> Mapping[str, Sequence[Any]]:
        return {"speaker": self.classes[1]} if len(self.classes) > 1 else {}

    @property
    def samples(self) -> Sequence[Any]:
        if self.is_vocoder or not self.classes:
            return ()
        words = self.classes[0]
        return (words[0], " ".join(words[-3:]))

    @overload
    @takes(SynthesizeOptions)
    def __call__(self, utterance: Sound, options: SynthesizeOptions) -> Audio: ...
    @overload
    @takes(SynthesizeOptions)
    def __call__(
        self, utterance: Several[Sound], options: SynthesizeOptions
    ) -> Results[Audio | Failed]: ...
    @takes(SynthesizeOptions)
    def __call__(self, utterance: Any, options: SynthesizeOptions) -> Any:
        """Generate sound for an utterance, or for each of a list.

        Args:
            utterance: the name or number of a word ("seven", "7", 7), or several in one string
                ("seven three"); for a vocoder frames (F, size), or a recording whose frames are
                taken; or a list of these.

        Returns:
            One `Audio`; for a list a list, in which an unusable input is a `Failed` at its index.

        Raises:
            InputError: the one input is unusable.
            UsageError: an option is wrong, or `utterance` stands for many inputs and is not a list.
        """
        return self.predict(utterance, options)

    @takes(SynthesizeOptions)
    def stream(
        self, utterances: Iterable[Sound] | Sound, options: SynthesizeOptions
    ) -> ResultStream[Audio | Failed]:
        """Generate sound for an iterator of inputs or a file of lines (a `Path`), one at a time.

        Returns:
            An iterator with an `Audio` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of inputs.
        """
        return self.predict_stream(utterances, options)

    def evaluate(self, data: Data, *, progress: Progress | bool | None = None) -> Evaluation:
        """Not for generators.

        Raises:
            UsageError: always; a recognizer measures generated sound.
        """
        raise UsageError(
            f"{self.name} generates speech; to evaluate it, transcribe it with a recognizer."
        )

    def generated(self, value: Any, options: SynthesizeOptions) -> int:
        if self.is_vocoder:
            seconds = sound_files.file_seconds(value) if isinstance(value, bytes) else 0.0
            return round(seconds * self.sample_rate)
        words = len(value.replace(",", " ").split()) if isinstance(value, str) else 1
        seconds = options.seconds or self._longest_word()
        return round(words * (seconds + PAUSE) * self.sample_rate)

    def check_options(self, options: SynthesizeOptions) -> None:
        if options.speaker is not None and len(self.classes) < 2:
            raise UsageError(f"{self.name} has no speakers to choose from.")
        super().check_options(options)
        self._speaker(options)

    def prepare(self, item: Item, options: SynthesizeOptions) -> Prepared:
        if self.is_vocoder:
            context: Any = self._frames(item, options.sample_rate)
        else:
            value = item.value
            words = value.replace(",", " ").split() if isinstance(value, str) else [value]
            if not words:
                raise InputError(f"{item.name}: there are no words to say", item.name)
            context = [self._word(word) for word in words]
        return Prepared(item.name, context=context, index=item.index)

    def compute(
        self, inputs: Sequence[Prepared], options: SynthesizeOptions
    ) -> Generator[None, None, Sequence[Any]]:
        """Samples float32 (N,) of each input; yields between chunks of them."""
        default = self.entry.processing.get("temperature", 1.0)
        temperature = float(default if options.temperature is None else options.temperature)
        pause = np.zeros(round(PAUSE * self.sample_rate), np.float32)
        outputs = []
        for prepared in inputs:
            random = np.random.default_rng(options.seed + prepared.index)
            sounds: list[NDArray[np.float32]] = []
            for stretch in self._stretches(prepared.context, options, random):
                if sounds:
                    sounds.append(pause)
                sounds.append(
                    (yield from generate(self.engine, self.entry, stretch, temperature, random))
                )
            outputs.append(np.concatenate(sounds))
        return outputs

    def decode(self, prepared: Prepared, outputs: Any, options: SynthesizeOptions) -> Audio:
        return Audio(outputs, self.sample_rate, prepared.name, self.name)

    def _stretches(
        self, context: Any, options: SynthesizeOptions, random: np.random.Generator
    ) -> Iterator[Stretch]:
        """The stretches of one input. What is sampled for one is sampled after the stretch before it
        was generated.
        """
        rules = self.entry.processing
        hop = int(rules.get("hop", 1))
        speaker = self._speaker(options)
        if self.is_vocoder:
            classes = [speaker or 0] if self.classes else []
            yield Stretch(classes, context, len(context) * hop)
            return
        for word in context:
            classes = [word] if self.classes else []
            for index in range(1, len(self.classes)):
                chosen = speaker if index == 1 else None
                if chosen is None:
                    chosen = int(random.integers(len(self.classes[index])))
                classes.append(chosen)
            count = self._length(classes, options.seconds, random)
            by_position = rules.get("frames") == "position"
            frames = position_frames(count, hop, rules) if by_position else None
            yield Stretch(classes, frames, count)

    def _longest_word(self) -> float:
        """Seconds of the longest word that `_length` samples."""
        spread = np.reshape(self.entry.processing.get("log_seconds", [0.0, 0.0]), (-1, 2))
        return min(float(np.exp(spread[:, 0] + LONGEST_DEVIATION * spread[:, 1]).max()), LONGEST)

    def _length(
        self, classes: Sequence[int], seconds: float | None, random: np.random.Generator
    ) -> int:
        """Samples of a word: as asked, or sampled from the lengths that the training data has for
        these classes.
        """
        if seconds is None:
            spread: Any = self.entry.processing.get("log_seconds", [math.log(1.0), 0.0])
            for index in classes:
                if isinstance(spread[0], list | tuple):
                    spread = spread[index]
            deviation = float(
                np.clip(random.standard_normal(), -LONGEST_DEVIATION, LONGEST_DEVIATION)
            )
            seconds = math.exp(spread[0] + spread[1] * deviation)
        return max(round(min(seconds, LONGEST) * self.sample_rate), 1)

    def _frames(self, item: Item, sample_rate: float | None) -> NDArray[np.float32]:
        """Mel frames: the input itself, or those of a recording."""
        rules = Features.of(self.entry.processing["features"])
        value = item.value
        is_frames = (
            isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] == rules.size
        )
        if is_frames and sample_rate is None:
            if not len(value) or not np.isfinite(value).all():
                message = f"{item.name}: frames must be finite numbers, and at least one"
                raise InputError(message, item.name)
            return np.asarray(value, np.float32)
        samples = audio.decode(
            value, name=item.name, sample_rate=rules.sample_rate, array_rate=sample_rate
        )
        frames: NDArray[np.float32] = rules(samples)
        return frames

    def _word(self, value: str | int) -> int:
        """The index of a word.

        Raises:
            InputError: the model has no such word.
        """
        if not self.classes:
            return 0
        index = class_index(value, self.classes[0])
        if index is None:
            raise InputError(self._unknown(value, 0), str(value))
        return index

    def _speaker(self, options: SynthesizeOptions) -> int | None:
        """The index of the speaker; None if it is to be sampled.

        Raises:
            UsageError: the model has no such speaker.
        """
        if options.speaker is None:
            return None
        index = class_index(options.speaker, self.classes[1])
        if index is None:
            raise UsageError(self._unknown(options.speaker, 1))
        return index

    def _unknown(self, value: Any, index: int) -> str:
        return f"{self.name} knows {', '.join(self.classes[index])}, not {value!r}."

    def _open_engine(self) -> Engine:
        if self._engine_name in ("auto", "litert") and self.precision == "float32":
            from warmstart.engines.litert import LiteRTEngine

            artifact = self.artifact
            # A loop of small products, one after the other: a second thread only waits, and makes
            # it slower.
            return LiteRTEngine(artifact.path, artifact.signatures, threads=1)
        return super()._open_engine()

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`condition` and `generate`; see `speech.wavenet_sampler`."""
        return wavenet_program(entry, model)


def class_index(value: str | int, names: Sequence[str]) -> int | None:
    """The index of a class by its name, or by its number from 0; None: there is none."""
    if isinstance(value, str) and value.strip().lower() in names:
        return names.index(value.strip().lower())
    is_number = isinstance(value, int | np.integer) or str(value).strip().isdecimal()
    number = int(value) if is_number else -1
    return number if 0 <= number < len(names) else None
