"""Whisper as a program of three or four functions, and the decoder that runs them with its caches in place.

    encode   features                      -> the encoder's output, and its keys and values for cross-attention
    prefill  tokens, two rows, cross       -> logits after these two tokens, keys and values of all
    decode   token, position, caches, cross -> logits, the token's keys and values
    align    tokens, cross                 -> attention of the alignment heads to the sound (for word times)

The caches have a fixed size. A step returns only its own row, which is written into the engine's cache: nothing else
is copied between steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.engines.base import Engine, TensorSpec
from warmstart.engines.choose import Trial

if TYPE_CHECKING:
    from warmstart.engines.keras import Program

TRIAL_TOKENS = 32
"""Tokens of the window with which engines are timed."""


def whisper_program(entry: Entry, model: Any) -> Program:
    """The program of a Whisper model, for one recording at a time."""
    from warmstart.engines.keras import Function, Program
    from warmstart.models.speech.whisper.network import heads_of

    c = model.config
    heads, width = c.decoder_heads, c.head_width
    blocks = range(c.decoder_layers)

    def specs(prefix: str, length: int) -> list[TensorSpec]:
        return [
            TensorSpec(f"{prefix}{role}_{n}", "float32", (1, heads, width, length), -1.0, 1.0)
            for n in blocks
            for role in ("key", "value")
        ]

    def named(prefix: str, pairs: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
        return {
            f"{prefix}{role}_{n}": array
            for n, pair in enumerate(pairs)
            for role, array in zip(("key", "value"), pair, strict=True)
        }

    def pairs(flat: Sequence[Any]) -> list[tuple[Any, Any]]:
        return list(zip(flat[::2], flat[1::2], strict=True))

    def encode(features: Any) -> dict[str, Any]:
        encoded = model.encode(features)
        return {"encoded": encoded, **named("cross_", model.cross(encoded))}

    def prefill(tokens: Any, rows: Any, *cross: Any) -> dict[str, Any]:
        logits, cache, _ = model.decode(tokens, pairs(cross), rows)
        return {"logits": logits[0], **named("new_", cache)}

    def decode(tokens: Any, position: Any, *caches: Any) -> dict[str, Any]:
        half = 2 * c.decoder_layers
        logits, new = model.step(tokens, position, pairs(caches[:half]), pairs(caches[half:]))
        return {"logits": logits[:, 0], **named("new_", new)}

    chosen = entry.processing.get("alignment_heads") or ()

    def align(tokens: Any, *cross: Any) -> dict[str, Any]:
        logits, _, attention = model.decode(tokens, pairs(cross))
        return {"weights": heads_of(attention, chosen), "logits": logits}

    features = TensorSpec("features", "float32", (1, c.mels, 2 * c.audio_positions), -1.0, 1.5)
    token_row = TensorSpec("tokens", "int32", (1, "tokens"), 0, c.vocabulary - 1)
    single_token = TensorSpec("tokens", "int32", (1, 1), 0, c.vocabulary - 1)
    position = TensorSpec("position", "int32", (1,), 1, c.text_positions - 1)
    cross = specs("cross_", c.audio_positions)
    functions = {
        "encode": Function(encode, (features,)),
        "prefill": Function(prefill, (token_row, TensorSpec("rows", "int32", (2,), 0, 0), *cross)),
        "decode": Function(decode, (single_token, position, *specs("", c.text_positions), *cross)),
    }
    if chosen:
        functions["align"] = Function(align, (token_row, *cross))
    return Program(functions, model)


def whisper_trial(entry: Entry) -> Trial:
    """A window of sound and its first tokens."""

    def prepare(engine: Engine) -> Callable[[], dict[str, np.ndarray]]:
        decoder = WhisperDecoder(engine, entry)
        features = engine.signatures["encode"].probe()["features"][0]
        count = min(TRIAL_TOKENS, decoder.remaining)

        def call() -> dict[str, np.ndarray]:
            decoder.encode(features)
            logits = [decoder.start([0])[-1]]
            logits += [decoder.step(token) for token in range(1, count)]
            return {"logits": np.stack(logits)}

        return call

    return Trial(f"window with {TRIAL_TOKENS} tokens", prepare)


class WhisperDecoder:
    """One window of sound in an engine, and the tokens so far.

    Not thread-safe: the caches are in the engine.

    Args:
        engine: with the program of `whisper_program`.
        entry: its model's.
    """

    def __init__(self, engine: Engine, entry: Entry):
        self.engine, self.config = engine, entry.config
        caches = {
            spec.name: tuple(map(int, spec.shape))
            for spec in engine.signatures["decode"].inputs
            if spec.name not in ("tokens", "position")
        }
        self._session = engine.session("decode", tuple(caches))
        self._session.resize(caches)
        self._cross: dict[str, np.ndarray] = {}
        self._position = 0

    def encode(self, features: np.ndarray) -> np.ndarray:
        """Encode a window of features, float32 (mels, frames); returns the encoder's output,
        (positions, width).
        """
        self._cross = self.engine.run("encode", features=np.ascontiguousarray(features[None]))
        encoded: np.ndarray = self._cross.pop("encoded")[0]
        for name, array in self._cross.items():
            self._session.write(name, ..., array)
        return encoded

    def start(self, tokens: Sequence[int], index: int = 0) -> np.ndarray:
        """Begin a text with these tokens; returns the logits after the one at `index` and the last,
        (2, vocabulary).
        """
        rows = np.array([index, len(tokens) - 1], np.int32)
        out = self.engine.run(
            "prefill", tokens=np.array([tokens], np.int32), rows=rows, **self._cross
        )
        self._position = 0
        self._write_cache(out, len(tokens))
        return out["logits"]

    def step(self, token: int) -> np.ndarray:
        """Append a token; returns the logits after it, float32 (vocabulary,)."""
        out = self._session.run(
            tokens=np.array([[token]], np.int32), position=np.array([self._position], np.int32)
        )
        self._write_cache(out, 1)
        logits: np.ndarray = out["logits"][0]
        return logits

    def attention(self, tokens: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The attention of the alignment heads to the sound for each of these tokens, and the logits
        after each.

        Returns:
            float32 (heads, tokens, positions), (tokens, vocabulary).
        """
        out = self.engine.run("align", tokens=np.array([tokens], np.int32), **self._cross)
        return out["weights"][0], out["logits"][0]

    @property
    def remaining(self) -> int:
        """The number of further tokens that fit."""
        return int(self.config["text_positions"]) - self._position

    def _write_cache(self, out: Mapping[str, np.ndarray], count: int) -> None:
        indices = slice(self._position, self._position + count)
        for n in range(int(self.config["decoder_layers"])):
            for role in ("key", "value"):
                self._session.write(f"{role}_{n}", np.s_[..., indices], out[f"new_{role}_{n}"])
        self._position += count
