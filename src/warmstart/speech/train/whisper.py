"""Fine-tuning Whisper: recordings with their texts -> windows and tokens -> network -> bundle.

The loss is the cross-entropy of each text token after those before it (teacher forcing); encoder and
decoder are both trained unless `freeze` says otherwise. The rate is a fortieth of that of
pretraining, which is larger the smaller the network is (Radford et al. 2022, table 18).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from warmstart.catalog import Entry
from warmstart.core.compiling import build_keras
from warmstart.counts import counted
from warmstart.errors import BundleError
from warmstart.models.speech.whisper.network import Whisper
from warmstart.speech.error_rates import ErrorRates
from warmstart.speech.mel_windows import HOP, RATE
from warmstart.speech.train.clips import Clip
from warmstart.speech.train.recognition import RecognitionTrainer
from warmstart.speech.train.whisper_batches import IGNORED, Encoded, WhisperBatches, WindowFeatures
from warmstart.speech.train.whisper_greedy import GreedyDecoder
from warmstart.speech.whisper.checkpoint import forced_prompt
from warmstart.speech.whisper.rules import Rules
from warmstart.speech.whisper.tokens import WhisperTokens
from warmstart.training.adamw import warmed
from warmstart.training.freeze import Block, freeze

BASE_RATE, BASE_WIDTH = 2.5e-5, 512
DETECTED_IN = 8
"""Number of recordings by which the language is detected."""


class WhisperTrainer(RecognitionTrainer):
    """Whisper on your own recordings; the best epoch remains, the untrained one included."""

    monitor = "val_wer_normalized"
    keep_start = True
    sample_rate = RATE
    decoding = "greedy"
    network: Whisper

    def open(self) -> None:
        super().open()
        entry, folder = self.model.entry, self.model._folder
        if folder is None:
            raise BundleError(f"{entry.name} has no folder with its tokenizer.")
        multilingual = bool(entry.processing.get("multilingual", True))
        vocabulary = int(entry.config["vocabulary"])
        self.tokens = WhisperTokens.open(folder, vocabulary, multilingual)
        self.language, _ = forced_prompt(self.tokens, entry)
        if self.options.language is not None:
            self.language = self.tokens.language(self.options.language)
        if not self.tokens.languages:
            self.language = "en"
        self.longest = 2 * int(entry.config["audio_positions"]) * HOP / RATE
        frames = 2 * int(entry.config["audio_positions"])
        self.features = WindowFeatures(int(entry.config["mels"]), frames)
        self.longest_text = int(entry.config["text_positions"]) // 2 - 1

    def target(self, text: str) -> tuple[str, np.ndarray]:
        text = " ".join(text.split())
        tokens = self.tokens.encode(f" {text}") if text else []
        return text, np.array(tokens, np.int32)

    def misfit(self, samples: int, symbols: np.ndarray) -> str | None:
        if not len(symbols):
            return "has no text"
        if len(symbols) > self.longest_text:
            return f"has a text of {len(symbols)} tokens; {self.longest_text} at most"
        return None

    def warnings(self) -> list[str]:
        suppressed = {*self.model.entry.processing.get("suppress", ())}
        clips = [*self.train_clips, *self.validation_clips]
        texts = [clip for clip in clips if suppressed & {*clip.symbols.tolist()}]
        if not texts:
            return []
        tokens = sorted({t for clip in texts for t in clip.symbols.tolist()} & suppressed)
        words = (self.tokens.decode([token]).strip() for token in tokens)
        shown = ", ".join(map(repr, list(filter(None, words))[:5])) or "spaces"
        return [
            (
                f"{counted(len(texts), 'text')} with characters that suppress_tokens of "
                f"generation_config.json excludes: {shown}; these are trained, but never "
                "transcribed"
            )
        ]

    def build(self) -> keras.Model:
        network = build_keras(self.model.entry, self.model.weights)
        rules = Rules(self.tokens, self.model.entry.processing, timestamps=False)
        self.decoder = GreedyDecoder(network, rules, self.tokens.end)
        if self.language is None:
            self.language = self.detected(network)
        return network

    def detected(self, network: Whisper) -> str:
        """The language that most of the first recordings are in."""
        clips = self.train_clips[:DETECTED_IN]
        languages = self.tokens.languages
        start = np.array([[self.tokens.start] * 2], np.int32)  # the second changes nothing
        votes: Counter[str] = Counter()
        for clip in clips:
            encoded = self.decoder.encode(self.features(clip, None)[None])
            logits = self.decoder.logits(start, self.decoder.cross(encoded))[0, 0]
            votes[max(languages, key=lambda code: float(logits[languages[code]]))] += 1
        language, count = votes.most_common(1)[0]
        self.terminal.write_lines(
            f"language: {language}, detected in {count} of {len(clips)} recordings; set "
            "another with language="
        )
        return language

    def blocks(self) -> list[Block]:
        """The blocks of the encoder, then those of the decoder."""
        halves: list[Block] = []
        for half, count in (
            ("encoder", self.network.config.encoder_layers),
            ("decoder", self.network.config.decoder_layers),
        ):
            blocks: list[list[keras.layers.Layer]] = [[] for _ in range(count)]
            for name, layer in self.network.parts.items():
                if not name.startswith(half):
                    continue
                number = name.split(".")[2] if ".layers." in name else None
                last = name == f"{half}.layer_norm"
                blocks[int(number) if number else -1 if last else 0].append(layer)
            halves += blocks
        return halves

    def freeze(self) -> None:
        # Without "backbone": the output layer is the table of embeddings, so nothing would be left.
        words = {"encoder": self.network.config.encoder_layers}
        freeze(self.network, self.blocks(), self.options.freeze, words=words)
        frozen = not any(
            layer.trainable_weights
            for name, layer in self.network.parts.items()
            if name.startswith("encoder")
        )
        self.encoded = Encoded(self.decoder.encode, self.features) if frozen else None

    def batches(self) -> WhisperBatches:
        return self._batches(self.train_clips, augment=bool(self.options.augment))

    def _batches(self, clips: list[Clip], **options: Any) -> WhisperBatches:
        assert self.language is not None
        size, seed = self.options.batch_size, self.options.seed
        sound = self.encoded or self.features
        return WhisperBatches(
            clips, self.tokens, self.language, sound, batch_size=size, seed=seed, **options
        )

    def learner(self) -> keras.Model:
        return Learner(self.network, encoded=self.encoded is not None)

    def loss(self) -> Any:
        return token_loss

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        rate = BASE_RATE * BASE_WIDTH / self.network.config.width
        return warmed(self.options.learning_rate or rate, steps, weight_decay=0.01)

    def recognized(self) -> tuple[dict[str, float], list[tuple[Clip, str]]]:
        clips = self.validation_clips
        batches = self._batches(clips, shuffle=False)
        rates, texts, loss, count = ErrorRates(), [], 0.0, 0
        for index in range(len(batches)):
            inputs, targets = batches.batch(0, index)
            sound = inputs["sound"]
            encoded = sound if self.encoded else self.decoder.encode(sound)
            cross = self.decoder.cross(tf.constant(encoded))
            logits = self.decoder.logits(inputs["decoder_input_ids"], cross)
            words = int((targets != IGNORED).sum())
            loss += float(token_loss(targets, logits)) * words
            count += words
            decoded = self.decoder.texts(
                batches.prompt(), cross, len(targets), self.longest_text + 1
            )
            for row, tokens in zip(batches.indices(0, index), decoded, strict=True):
                text = self.tokens.decode(tokens).strip()
                rates.add(clips[row].text, text, self.language or "")
                texts.append((clips[row], text))
        return {"loss": loss / max(count, 1), **rates.to_dict()}, texts

    def result_entry(self) -> Entry:
        """The result's entry; a call that names no language gets that of the texts."""
        base = self.model.entry
        processing = dict(base.processing)
        if self.tokens.languages:
            processing["language"] = self.language
        return replace(
            base,
            **self.names(),
            weights={},
            aliases=(),
            metrics=(),
            processing=processing,
        )


class Learner(keras.Model):
    """The logits of a batch of `WhisperBatches`.

    Args:
        network: what is trained.
        encoded: whether the sound is what the encoder gave for it.
    """

    def __init__(self, network: Whisper, *, encoded: bool):
        super().__init__(name="whisper_learner")
        self.network, self.encoded = network, encoded

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        sound = inputs["sound"]
        encoded = sound if self.encoded else self.network.encode(sound)
        logits, _, _ = self.network.decode(inputs["decoder_input_ids"], self.network.cross(encoded))
        return logits


def token_loss(y_true: Any, y_pred: Any) -> Any:
    """The mean cross-entropy of the tokens of a batch, in nats.

    Args:
        y_true: int32 (B, T), the token after each; `IGNORED` where it does not count.
        y_pred: logits float32 (B, T, vocabulary).
    """
    counts = ops.cast(y_true != IGNORED, "float32")
    each = ops.sparse_categorical_crossentropy(ops.maximum(y_true, 0), y_pred, from_logits=True)
    return ops.sum(each * counts) / ops.maximum(ops.sum(counts), 1.0)
