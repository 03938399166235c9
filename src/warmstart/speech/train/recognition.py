"""Fine-tuning a recogniser: recordings with their texts -> frames -> WaveNet with CTC -> bundle.

The alphabet is the base's; characters that it lacks get new outputs, which start from random
numbers. Sources of the recipe: Graves et al. (2006) for CTC; Loshchilov and Hutter, "Decoupled
Weight Decay Regularization" (2017), arXiv:1711.05101, for the optimizer; `speech.train.batches` for
the augmentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core.compiling import build_keras
from warmstart.core.reading import given_name
from warmstart.errors import InputError, UsageError
from warmstart.models.speech.ctc import ctc_loss
from warmstart.models.speech.wavenet_asr import network as wavenet_asr
from warmstart.speech import audio
from warmstart.speech import data as speech_data
from warmstart.speech.ctc.decoder import greedy
from warmstart.speech.error_rates import ErrorRates, plain
from warmstart.speech.recognition import SpeechRecognizer
from warmstart.speech.spectrum import Features
from warmstart.speech.train.batches import LONGEST, Clip, SpeechBatches, frames_needed
from warmstart.speech.train.options import RecognitionOptions
from warmstart.training.adamw import warmed
from warmstart.training.freeze import Block, freeze_statistics
from warmstart.training.options import share_of
from warmstart.training.page import MISTAKES, Section, mistakes
from warmstart.training.split import fingerprint, split
from warmstart.training.summary import Summary, data_name
from warmstart.training.trainer import SOURCE, Trainer

RATE = 1e-3
PAUSES = 5.0
"""Seconds of silence that a recording may have."""
SLOWEST = 1.0
"""Seconds that a character may take before a text counts as shorter than its recording."""


class RecognitionTrainer(Trainer[RecognitionOptions]):
    """A WaveNet recogniser; the best epoch has the lowest word error rate."""

    task = "speech-recognition"
    unit = "recordings"
    example = "recording.wav"
    monitor = "val_wer"
    jit_compile = False
    model: SpeechRecognizer

    def open(self) -> None:
        super().open()
        entry = self.model.entry
        if not isinstance(self.model, SpeechRecognizer) or entry.architecture != "wavenet_asr":
            raise UsageError(
                f"{self.model.name} is not a WaveNet recogniser; only these are fine-tuned for "
                f"{self.task}."
            )

    def read(self, data: Any) -> Summary:
        options, processing = self.options, self.model.entry.processing
        own = share_of(options.validation) is None
        pairs = speech_data.pairs(data)
        others = speech_data.pairs(options.validation) if own else []
        texts = (text for _, text in [*pairs, *others])
        self.alphabet = widened(str(processing["alphabet"]), texts)
        self.features = Features.of(processing["features"])
        self.padding = float(processing.get("padding", 0.0))
        self.left_out: list[tuple[str, str]] = []
        first = list(self.clips(pairs))
        second = list(self.clips(others))
        if not first or (own and not second):
            reasons = "; ".join(f"{name} {reason}" for name, reason in self.left_out[:3])
            raise UsageError(f"No recording can be learned from: {reasons}.")
        if own:
            self.train_clips, self.validation_clips = first, second
        else:
            self.train_clips, self.validation_clips = split(
                first, options.validation, options.seed, list
            )
        counts = {"train": len(self.train_clips), "validation": len(self.validation_clips)}
        problems = [f"{name} {reason}" for name, reason in self.left_out]
        return Summary(data_name(data), self.unit, counts, {}, problems=problems)

    def clips(self, pairs: Iterable[tuple[Any, str]]) -> Iterator[Clip]:
        """The recordings that can be learned from; `left_out` gets names and reasons of the others."""
        for number, (recording, spoken) in enumerate(pairs, 1):
            name = given_name(recording) or f"recording {number}"
            text = plain(spoken)
            symbols = np.array([1 + self.alphabet.index(character) for character in text], np.int32)
            rate = self.features.sample_rate
            try:
                samples = audio.decode(recording, name=name, sample_rate=rate, longest=LONGEST)
            except InputError as error:
                reason: str | None = str(error).removeprefix(f"{name}: ").rstrip(".")
            else:
                reason = self.misfit(len(samples), symbols)
            if reason is not None:
                self.left_out.append((name, reason))
            else:
                digest = sha256(samples.tobytes()).hexdigest()[:16]
                yield Clip(recording, name, text, symbols, len(samples), digest)

    def misfit(self, samples: int, symbols: np.ndarray) -> str | None:
        """Why a recording cannot belong to its text; None where it can."""
        seconds = samples / self.features.sample_rate
        lengths = f"{seconds:.2f} s for {len(symbols)} characters"
        if not len(symbols):
            return "has no text"
        if self.features.count(samples) < frames_needed(symbols):
            return f"is shorter than its text allows: {lengths}"
        if seconds > PAUSES + SLOWEST * len(symbols):
            return f"is longer than its text allows: {lengths}"
        return None

    def identity(self) -> dict[str, Any]:
        return {
            "alphabet": self.alphabet,
            "train": fingerprint(self.train_clips),
            "validation": fingerprint(self.validation_clips),
        }

    def build(self) -> keras.Model:
        """The base's network, with new outputs for the characters that it lacks."""
        self.result_entry = self._entry()
        source = build_keras(self.model.entry, self.model.weights)
        if self.result_entry.config == self.model.entry.config:
            return source
        network = wavenet_asr.build(self.result_entry.config)
        for layer in network.layers:
            if not layer.weights:
                continue
            values = source.get_layer(layer.name).get_weights()
            if layer.name == "symbols":
                fresh = [np.array(weight) for weight in layer.get_weights()]
                for new, old in zip(fresh, values, strict=True):
                    new[..., : old.shape[-1]] = old
                values = fresh
            layer.set_weights(values)
        return network

    def _entry(self) -> Entry:
        """The result's entry. Its vocabulary is the base's where that has all words of the texts,
        else theirs.
        """
        base = self.model.entry
        words = {word for clip in self.train_clips for word in clip.text.split()}
        processing = {**base.processing, "alphabet": self.alphabet}
        if not words <= set(processing.get("vocabulary", ())):
            processing.pop("decoding", None)
            processing["vocabulary"] = sorted(words)
        return replace(
            base,
            name=self.options.name or f"{base.name.removesuffix('_finetuned')}_finetuned",
            title=f"{base.title.removesuffix(', fine-tuned')}, fine-tuned",
            weights={},
            aliases=(),
            metrics=(),
            processing=processing,
            config={**base.config, "symbols": 1 + len(self.alphabet)},
        )

    def blocks(self) -> list[Block]:
        first, *others = self.network.get_layer("stack").units
        return [[self.network.get_layer("front"), first], *([unit] for unit in others)]

    def freeze(self) -> None:
        super().freeze()
        freeze_statistics(self.network.layers)  # also those of the head

    def batches(self) -> SpeechBatches:
        options = self.options
        return SpeechBatches(
            self.train_clips,
            self.features,
            self.padding,
            batch_size=options.batch_size,
            seed=options.seed,
            augment=options.augment,
        )

    def loss(self) -> Any:
        return ctc_loss

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        return warmed(self.options.learning_rate or RATE, steps, weight_decay=1e-3)

    def measure(self) -> dict[str, float]:
        return self.recognised()[0]

    def recognised(self) -> tuple[dict[str, float], list[tuple[Clip, str]]]:
        """Loss and error rates of the best path, and what is recognised in each validation
        recording.
        """
        size = self.options.batch_size
        clips = self.validation_clips
        batches = SpeechBatches(clips, self.features, self.padding, batch_size=size, shuffle=False)
        rates, texts, losses = ErrorRates(), [], []
        for index in range(len(batches)):
            frames, symbols = batches.batch(0, index)
            logits = np.asarray(self.network.predict_on_batch(frames))
            losses += np.asarray(ctc_loss(symbols, logits)).tolist()
            log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
            for row, path in zip(batches.indices(0, index), log_probs, strict=True):
                text = " ".join(piece.text for piece in greedy(path, self.alphabet))
                rates.add(clips[row].text, text)
                texts.append((clips[row], text))
        return {"loss": float(np.mean(losses)), **rates.to_dict()}, texts

    def describe(self) -> Entry:
        metrics: Sequence[Metric] = ()
        self.recognitions: list[tuple[Clip, str]] = []
        if self.validation_clips:
            rates, self.recognitions = self.recognised()
            data = f"{len(self.validation_clips):,} validation recordings, best path"
            metrics = [Metric(key, round(rates[key], 4), data, SOURCE) for key in ("wer", "cer")]
        parameters = self.network.count_params()
        return replace(self.result_entry, metrics=tuple(metrics), parameters=parameters)

    def sections(self) -> list[Section]:
        if not self.validation_clips:
            return []
        wrong = [
            (clip.name, clip.text, text) for clip, text in self.recognitions if clip.text != text
        ]
        head = ("recording", "text", "recognised")
        return [mistakes(head, wrong[:MISTAKES], len(wrong), len(self.recognitions))]

    def details(self) -> dict[str, Any]:
        return {"examples": dict(self.summary.counts), "left_out": self.left_out}


def widened(alphabet: str, texts: Iterable[str]) -> str:
    """The alphabet, and at its end the characters of the texts that it lacks."""
    characters = {character for text in texts for character in plain(text)}
    return alphabet + "".join(sorted(characters - set(alphabet)))
