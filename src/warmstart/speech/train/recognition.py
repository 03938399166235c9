"""Fine-tuning speech recognition: recordings with their texts -> network -> bundle.

This is what the families share: reading and splitting the data, metrics, the report. The module that
runs a family names its trainer as `TRAINER`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from os import PathLike
from typing import Any, ClassVar

import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core import records
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.core.reading import input_name
from warmstart.core.task_record import resolve
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.models import runner
from warmstart.speech import audio
from warmstart.speech import data as speech_data
from warmstart.speech.data import Example
from warmstart.speech.recognition import SpeechRecognizer
from warmstart.speech.train.clips import Clip
from warmstart.speech.train.options import RecognitionOptions
from warmstart.training.options import validation_fraction
from warmstart.training.page import MISTAKES, Section, mistakes
from warmstart.training.split import fingerprint, split
from warmstart.training.summary import Summary, data_name
from warmstart.training.trainer import SOURCE, Trainer


class RecognitionTrainer(Trainer[RecognitionOptions]):
    """A recognizer; the best epoch has the lowest word error rate.

    Attributes:
        sample_rate: of the model, in Hz.
        longest: seconds of a recording that are learned from at once.
        decoding: how texts are decoded, in words.
        train_clips, validation_clips: the recordings with their texts.
        left_out: name and reason of each unusable recording.
    """

    task = "speech-recognition"
    unit = "recordings"
    example = "recording.wav"
    monitor = "val_wer"
    jit_compile = False
    model: SpeechRecognizer
    sample_rate: int
    longest: float
    decoding: ClassVar[str]
    train_clips: list[Clip]
    validation_clips: list[Clip]
    left_out: list[tuple[str, str]]

    @classmethod
    def of(
        cls, base: str | PathLike[str] | Model[Any, Any, Any], options: RecognitionOptions
    ) -> RecognitionTrainer:
        model = base if isinstance(base, Model) else load(base)
        if not isinstance(model, SpeechRecognizer):
            raise UsageError(f"{model.name} is a model for {model.entry.task}, not {cls.task}.")
        trainer = getattr(runner(model.entry.architecture), "TRAINER", None)
        if trainer is None:
            raise UsageError(f"{model.name} cannot be fine-tuned for {cls.task}.")
        trainer_class: type[RecognitionTrainer] = resolve(trainer)
        return trainer_class(model, options)

    # What a family defines

    def learn_texts(self, texts: Iterable[str]) -> None:
        """See all texts before the first is turned into symbols."""

    @abstractmethod
    def target(self, text: str) -> tuple[str, np.ndarray]:
        """A text as it is learned, and its symbols or tokens, int32 (L,)."""

    @abstractmethod
    def misfit(self, samples: int, symbols: np.ndarray) -> str | None:
        """Why a recording with this number of samples cannot match its text; None if it can."""

    def warnings(self) -> Sequence[str]:
        """Warnings about the data, as sentences."""
        return ()

    @abstractmethod
    def recognized(self) -> tuple[dict[str, float], list[tuple[Clip, str]]]:
        """Loss and error rates on the validation recordings, and the text of each."""

    @abstractmethod
    def result_entry(self) -> Entry:
        """The entry of the result, without metrics."""

    # What they share

    def read(self, data: Any) -> Summary:
        options = self.options
        own = validation_fraction(options.validation) is None
        problems: list[str] = []
        columns: list[str] = []

        def examples(source: Any) -> list[Example]:
            reading = options.reading()
            return speech_data.examples(source, problems=problems, columns=columns, **reading)

        all_examples = examples(data)
        summary_columns = tuple(columns)
        others = examples(options.validation) if own else []
        self.learn_texts(
            example.text for example in [*all_examples, *others] if example.split != "test"
        )
        self.left_out = []
        first = list(self.clips(example for example in all_examples if example.split != "test"))
        second = list(self.clips(others))
        reasons = [f"{name}: {reason}" for name, reason in self.left_out]
        records.require_most("recordings", len(first) + len(second), reasons)
        if not first or (own and not second):
            raise UsageError(f"No recording can be used for training: {'; '.join(reasons[:3])}.")
        chosen = split(
            first,
            second if own else options.validation,
            options.seed,
            list,
            group=lambda pair: pair[0].group,
            split_of=lambda pair: pair[0].split,
        )
        self.train_clips = [clip for _, clip in chosen.train]
        self.validation_clips = [clip for _, clip in chosen.validation]
        counts = {"train": len(self.train_clips), "validation": len(self.validation_clips)}
        if test := sum(example.split == "test" for example in all_examples):
            counts["test"] = test
        problems += reasons
        return Summary(
            data_name(data),
            self.unit,
            counts,
            {},
            warnings=[*chosen.warnings, *self.warnings()],
            problems=problems,
            columns=summary_columns,
        )

    def clips(self, examples: Iterable[Example]) -> Iterator[tuple[Example, Clip]]:
        """The recordings that can be learned from; `left_out` gets names and reasons of the others."""
        for number, example in enumerate(examples, 1):
            recording = example.recording
            name = input_name(recording) or f"recording {number}"
            text, symbols = self.target(example.text)
            rate = self.sample_rate
            try:
                samples = audio.decode(recording, name=name, sample_rate=rate, longest=self.longest)
            except InputError as error:
                reason: str | None = str(error).removeprefix(f"{name}: ").rstrip(".")
            else:
                reason = self.misfit(len(samples), symbols)
            if reason is not None:
                self.left_out.append((name, reason))
            else:
                digest = sha256(samples.tobytes()).hexdigest()[:16]
                yield example, Clip(recording, name, text, symbols, len(samples), digest)

    def identity(self) -> dict[str, Any]:
        return {
            "train": fingerprint(self.train_clips),
            "validation": fingerprint(self.validation_clips),
        }

    def measure(self) -> dict[str, float]:
        return self.recognized()[0]

    def describe(self) -> Entry:
        metrics: list[Metric] = []
        self.recognitions: list[tuple[Clip, str]] = []
        if self.validation_clips:
            rates, self.recognitions = self.recognized()
            clips = counted(len(self.validation_clips), "validation recording")
            data = f"{clips}, {self.decoding}"
            metrics = [
                Metric(key, round(rates[key], 4), data, SOURCE)
                for key in ("wer", "wer_normalized", "cer")
            ]
        parameters = self.network.count_params()
        return replace(self.result_entry(), metrics=tuple(metrics), parameters=parameters)

    def sections(self) -> list[Section]:
        if not self.validation_clips:
            return []
        wrong = [
            (clip.name, clip.text, text) for clip, text in self.recognitions if clip.text != text
        ]
        head = ("recording", "text", "recognized")
        return [mistakes(head, wrong[:MISTAKES], len(wrong), len(self.recognitions))]

    def details(self) -> dict[str, Any]:
        return {"examples": dict(self.summary.counts), "left_out": self.left_out}

    def names(self) -> dict[str, Any]:
        """Name and title of the result."""
        base = self.model.entry
        return {
            "name": self.options.name or f"{base.name.removesuffix('_finetuned')}_finetuned",
            "title": f"{base.title.removesuffix(', fine-tuned')}, fine-tuned",
        }
