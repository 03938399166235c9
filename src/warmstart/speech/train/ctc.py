"""Fine-tuning a WaveNet recognizer: recordings with their texts -> frames -> WaveNet with CTC ->
bundle.

The alphabet is the base's; characters that it lacks get new outputs, which start from random
numbers. Sources of the recipe: Graves et al. (2006) for CTC; Loshchilov and Hutter, "Decoupled
Weight Decay Regularization" (2017), arXiv:1711.05101, for the optimizer; `speech.train.batches` for
the augmentation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry
from warmstart.core.compiling import build_keras
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.models.speech.ctc import ctc_loss
from warmstart.models.speech.wavenet_asr import network as wavenet_asr
from warmstart.speech.ctc.decoder import greedy
from warmstart.speech.error_rates import ErrorRates, plain
from warmstart.speech.spectrum import Features
from warmstart.speech.train.batches import SpeechBatches, frames_needed
from warmstart.speech.train.clips import Clip
from warmstart.speech.train.recognition import RecognitionTrainer
from warmstart.training.adamw import warmed
from warmstart.training.freeze import Block, freeze_statistics

RATE = 1e-3
PAUSES = 5.0
"""Seconds of silence that a recording may have."""
SLOWEST = 1.0
"""Seconds that a character may take before a text counts as shorter than its recording."""


class CtcTrainer(RecognitionTrainer):
    """A WaveNet recognizer; texts are learned without case and punctuation."""

    longest = 30.0
    decoding = "best path"

    def open(self) -> None:
        super().open()
        entry = self.model.entry
        if entry.architecture != "wavenet_asr":
            raise UsageError(f"{entry.name} is a {entry.architecture}, which cannot be fine-tuned.")
        if self.options.language is not None:
            raise UsageError(f"{entry.name} supports only one language; leave out language=.")
        self.features = Features.of(entry.processing["features"])
        self.sample_rate = self.features.sample_rate
        self.padding = float(entry.processing.get("padding", 0.0))

    def learn_texts(self, texts: Iterable[str]) -> None:
        self.alphabet = widened(str(self.model.entry.processing["alphabet"]), texts)

    def target(self, text: str) -> tuple[str, np.ndarray]:
        text = plain(text)
        symbols = [1 + self.alphabet.index(character) for character in text]
        return text, np.array(symbols, np.int32)

    def misfit(self, samples: int, symbols: np.ndarray) -> str | None:
        """Why a recording cannot belong to its text; None if it can."""
        seconds = samples / self.features.sample_rate
        lengths = f"{seconds:.2f} s for {counted(len(symbols), 'character')}"
        if not len(symbols):
            return "has no text"
        if self.features.count(samples) < frames_needed(symbols):
            return f"is shorter than its text allows: {lengths}"
        if seconds > PAUSES + SLOWEST * len(symbols):
            return f"is longer than its text allows: {lengths}"
        return None

    def identity(self) -> dict[str, Any]:
        return {"alphabet": self.alphabet, **super().identity()}

    def build(self) -> keras.Model:
        """The base's network, with new outputs for the characters that it lacks."""
        self.entry = self.result_entry()
        source = build_keras(self.model.entry, self.model.weights)
        if self.entry.config == self.model.entry.config:
            return source
        network = wavenet_asr.build(self.entry.config)
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

    def result_entry(self) -> Entry:
        """The result's entry. Its vocabulary is the base's if that has all words of the texts,
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
            **self.names(),
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

    def recognized(self) -> tuple[dict[str, float], list[tuple[Clip, str]]]:
        """Loss and error rates of the best path, and the text of each validation
        recording.
        """
        size = self.options.batch_size
        clips = self.validation_clips
        batches = SpeechBatches(clips, self.features, self.padding, batch_size=size, shuffle=False)
        language = str(self.model.entry.processing.get("language", ""))
        rates, texts, losses = ErrorRates(), [], []
        for index in range(len(batches)):
            frames, symbols = batches.batch(0, index)
            logits = np.asarray(self.network.predict_on_batch(frames))
            losses += np.asarray(ctc_loss(symbols, logits)).tolist()
            log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
            for row, path in zip(batches.indices(0, index), log_probs, strict=True):
                text = " ".join(piece.text for piece in greedy(path, self.alphabet))
                rates.add(clips[row].text, text, language)
                texts.append((clips[row], text))
        return {"loss": float(np.mean(losses)), **rates.to_dict()}, texts


def widened(alphabet: str, texts: Iterable[str]) -> str:
    """The alphabet, and at its end the characters of the texts that it lacks."""
    characters = {character for text in texts for character in plain(text)}
    return alphabet + "".join(sorted(characters - set(alphabet)))
