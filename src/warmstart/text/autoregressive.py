"""Models that read and write texts token by token: their tokenizer, settings, program and scores."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.core import per_input
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item
from warmstart.core.model import Model
from warmstart.core.progress import progress_of
from warmstart.core.result_agreement import ResultRule
from warmstart.core.results import Failed, raise_failed
from warmstart.core.types import Progress
from warmstart.engines import choose
from warmstart.engines.base import Engine, TensorSpec
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.models import family
from warmstart.models.text import generation_config
from warmstart.text.decoding import scorer
from warmstart.text.decoding.decoders import open_decoder
from warmstart.text.decoding.options import DEFAULT_NEW_TOKENS, GenerateOptions
from warmstart.text.decoding.sequence import prompt_tokens
from warmstart.text.inputs import PROMPT, Text
from warmstart.text.next_tokens import NEXT_TOKENS
from warmstart.text.results import Generation, TextScore
from warmstart.text.settings import TextSettings
from warmstart.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

MAX_PROGRAM = 2**31
"""Bytes of a .tflite file; larger networks run in Keras."""
TRIAL_TEXTS, TRIAL_TOKENS = 8, 64
"""Texts with which engines are compared, and tokens of their prompts."""


class AutoregressiveModel(Model[Text, Generation, GenerateOptions]):
    """A model that continues and scores texts, token by token."""

    settings_type = TextSettings
    has_stand_in = False  # as slow in Keras as compiling

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Text to tokens and back.

        Raises:
            BundleError: the model's folder has none, or one with another vocabulary.
        """
        return Tokenizer.of(self)

    @property
    def max_length(self) -> int:
        """Maximum number of tokens of prompt and continuation, unless the context slides."""
        return int(self.entry.processing["longest"])

    @property
    def ends(self) -> frozenset[int]:
        """Tokens with which the model ends a text."""
        return frozenset(self.entry.processing.get("end", ()))

    @property
    def suppressed(self) -> Mapping[str, Sequence[int]]:
        """Tokens that the checkpoint excludes: `suppress` everywhere, `begin_suppress` at first."""
        processing = self.entry.processing
        return {key: processing[key] for key in ("suppress", "begin_suppress") if key in processing}

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Options that the checkpoint's `generation_config.json` sets, by name."""
        return MappingProxyType(dict(self.entry.processing.get("generation", {})))

    @property
    def max_total(self) -> int | None:
        """The checkpoint's default number of tokens of prompt and continuation, if it sets one."""
        total = self.defaults.get("max_length")
        return None if total is None else int(total)

    @property
    def default_new_tokens(self) -> int:
        """Maximum number of new tokens of a call that does not set `max_new_tokens`.

        Example:
            >>> ws.load("shakespeare_gpt2").default_new_tokens
            100
        """
        return self.defaults.get("max_new_tokens") or self.max_total or DEFAULT_NEW_TOKENS

    def ready(self) -> None:
        self.tokenizer  # noqa: B018 (errors of the model come before those of inputs)
        super().ready()

    @overload
    def score(self, texts: Text) -> TextScore: ...
    @overload
    def score(self, texts: Several[Text]) -> list[TextScore | Failed]: ...
    def score(self, texts: Text | Several[Text]) -> TextScore | list[TextScore | Failed]:
        """How probable a text is, or each of a list: log-probabilities of its tokens, and
        perplexity.

        A text longer than the context is scored in windows that overlap by half, so that every
        token but those of the first window has at least half a context before it.

        Args:
            texts: a text of at least two tokens, or a list of texts.

        Returns:
            One `TextScore`; for a list a list, in which an unusable text is a `Failed` at its
            index.

        Raises:
            InputError: the one text is unusable.
            UsageError: `texts` stands for many texts and is not a list; see `stream_scores`.
        """
        scores: Any = per_input.one_or_several(PROMPT, texts, self._score)
        return scores  # type: ignore[no-any-return]

    def stream_scores(
        self, texts: Iterable[Text] | os.PathLike[str]
    ) -> Iterator[TextScore | Failed]:
        """The scores of the texts of an iterator, a column, or the `Path` of a file with one text
        per line.
        """
        return per_input.stream(PROMPT, texts, self._score)

    def features(self, texts: Text | Several[Text]) -> NDArray[np.float32]:
        """The final state at the last token of a text: float32 (C,) for one, (N, C) for a list.

        Raises:
            InputError: a text is unusable.
        """
        states: Any = per_input.one_or_several(PROMPT, texts, self._state)
        if not isinstance(texts, list):
            vector: NDArray[np.float32] = states
            return vector
        vectors = list(raise_failed(states))
        return np.array(vectors, np.float32).reshape(-1, self.feature_size)

    def stream_features(
        self, inputs: object, options: GenerateOptions | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """The final states of many texts, (C,) each, in constant memory; `inputs` as for `stream`.

        Raises:
            InputError: a text is unusable.
        """
        return raise_failed(per_input.stream(PROMPT, inputs, self._state))

    def corpus_vectors(self, items: Iterable[Item]) -> Iterator[NDArray[np.float32] | Failed]:
        return per_input.each(items, self._state)

    @property
    def feature_size(self) -> int:
        return int(self.entry.config["n_embd"])

    @documented_in("generation.md#scores-how-probable-a-text-is")
    def evaluate(
        self, data: str | Path | Iterable[str | bytes], *, progress: Progress | bool | None = None
    ) -> Evaluation:
        """Perplexity on texts.

        Args:
            data: a list of texts, or the path of a UTF-8 text file, which is one text.
            progress: True, or a function that is called with (name of the model, texts so far, texts
                in all).

        Returns:
            `{"perplexity", "nats_per_token", "nats_per_character", "tokens", "count", "errors"}`
            over all texts.

        Raises:
            UsageError: there is no text that can be scored.
        """
        texts = [_read_text(Path(data))] if isinstance(data, str | Path) else list(data)
        scores = self.stream_scores(iter(texts))
        return Evaluation.of(
            self, scorer.evaluate(self.name, scores, len(texts), progress_of(progress))
        )

    def files(self) -> Mapping[str, Path | bytes]:
        """The tokenizer, and the configs with which transformers reads the folder."""
        begin = self.tokenizer.special_id("bos")
        config = family(self.entry.architecture).write(self.entry, begin=begin)
        configs = {
            "config.json": config,
            generation_config.FILE: generation_config.write(self.entry.processing, begin),
        }
        return {
            **self.tokenizer.files(),
            **{
                name: (json.dumps(config, indent=2) + "\n").encode()
                for name, config in configs.items()
            },
        }

    def _open_engine(self) -> Engine:
        if self._engine_name == "onnxruntime":
            raise UsageError(
                "ONNX Runtime would copy the cache of a text for every token; use engine='litert'."
            )
        if not self._fits_program and self._engine_name != "keras":
            if self.precision != "float32" or self._engine_name != "auto":
                raise UsageError(
                    f"{self.name} has more than the 2 GiB of weights that a program file can "
                    "hold; use engine='keras' with precision='float32'."
                )
            self._engine_name = "keras"
        if self._engine_name == "keras":
            return super()._open_engine()
        return choose.open_engine(
            self.artifact, self._engine_name, self.precision, trial=self.trial
        )

    @property
    def agreement_rule(self) -> ResultRule:
        return NEXT_TOKENS

    @property
    def trial(self) -> choose.Trial:
        return choose.Trial(f"step of {TRIAL_TEXTS} texts", self._steps)

    def _steps(self, engine: Engine) -> Callable[[], Mapping[str, NDArray[np.float32]]]:
        """Steps of several texts in one batch, with which engines are timed."""
        decoder = open_decoder(engine, self.max_length)
        length = min(TRIAL_TOKENS, max(self.max_length // 2, 1))
        tokens = np.random.default_rng(0).integers(
            0, self.entry.config["vocab_size"], (TRIAL_TEXTS, length)
        )

        def call() -> Mapping[str, NDArray[np.float32]]:
            if not len(decoder.lengths) or decoder.full.any():
                return {"logits": decoder.start(tokens.tolist())}
            return {"logits": decoder.step(tokens[:, 0].tolist())}

        return call

    @property
    def _fits_program(self) -> bool:
        return self.entry.parameters * 4 < MAX_PROGRAM

    def is_compiled(self) -> bool:
        return self._fits_program and super().is_compiled()

    def _score(self, item: Item) -> TextScore:
        return scorer.score(self, self.engine, item)

    def _state(self, item: Item) -> NDArray[np.float32]:
        tokens = prompt_tokens(self, item)
        if len(tokens) > self.max_length:
            reason = f"has {len(tokens):,} tokens, but the model takes at most {self.max_length:,}"
            raise InputError(f"{item.name}: {reason}", item.name)
        return open_decoder(self.engine, self.max_length).state(tokens)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`step`: new tokens after cached ones → logits, final states, keys and values; see
        `models.text.gpt2`.
        """
        from warmstart.engines.keras import Function, Program

        return Program({"step": Function(model.step, step_inputs(model.config))}, model)


def step_inputs(config: Any) -> tuple[TensorSpec, ...]:
    """The inputs of `step` for a network of this config."""
    heads, width = config.n_head, config.n_embd // config.n_head
    cached = (
        TensorSpec(f"{name}_{layer}", "float32", (heads, "cached", width), -1.0, 1.0)
        for layer in range(config.n_layer)
        for name in ("keys", "values")
    )
    return (
        TensorSpec("ids", "int32", ("tokens",), 0, config.vocab_size - 1),
        TensorSpec("positions", "int32", ("tokens",), 0, config.n_positions - 1),
        TensorSpec("sees_cached", "float32", ("tokens", "cached"), -2.0, 0.0),
        TensorSpec("sees_new", "float32", ("tokens", "tokens"), -2.0, 0.0),
        TensorSpec("rows", "int32", ("wanted",), 0, 0),
        *cached,
    )


def _read_text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
