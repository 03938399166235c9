"""Text generation: prompt → tokens → engine, token by token → `Generation`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from warmstart.catalog import Entry
from warmstart.core import one_by_one
from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item
from warmstart.core.model import Model, Prepared
from warmstart.core.options import takes
from warmstart.core.results import Failed, raise_failed
from warmstart.engines import choose
from warmstart.engines.base import Engine, TensorSpec
from warmstart.errors import BundleError, InputError, UsageError
from warmstart.models import family
from warmstart.text.decoding import beam_search, scorer
from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.options import DEFAULT_NEW_TOKENS, GenerateOptions
from warmstart.text.decoding.sequence import Continuation, TextStream, prompt_tokens
from warmstart.text.inputs import PROMPT, Text
from warmstart.text.results import Generation, TextScore
from warmstart.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from warmstart.engines.keras import Program

MAX_PROGRAM = 2**31
"""Bytes of a .tflite file; larger networks run in Keras."""


class TextGenerator(Model[Text, Generation, GenerateOptions]):
    """Continues texts.

    Example:
        >>> model = ws.load("shakespeare_gpt2")
        >>> print(model("ROMEO:", max_new_tokens=40, temperature=0.8, seed=1).text)
        >>> for piece in model.stream_text("ROMEO:"):
        ...     print(piece, end="", flush=True)
    """

    task = "text-generation"
    options = GenerateOptions
    result = Generation
    batch_size = 4  # side by side; attention runs over the tokens of all prompts
    generates = "tokens"
    decodes_ahead = False

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Text to tokens and back.

        Raises:
            BundleError: the model's folder has none, or one with another vocabulary.
        """
        if self._folder is None:
            raise BundleError(
                f"{self.name} has no tokenizer: it was not loaded from a folder or repository."
            )
        return Tokenizer.open(self._folder, rows=self.entry.config["vocab_size"])

    @property
    def max_length(self) -> int:
        """The most tokens of the context: prompt and continuation together, unless it slides."""
        return int(self.entry.processing["longest"])

    @property
    def ends(self) -> frozenset[int]:
        """Tokens with which the model ends a text."""
        return frozenset(self.entry.processing.get("end", ()))

    @overload
    @takes(GenerateOptions)
    def __call__(self, prompt: Text, options: GenerateOptions) -> Generation: ...
    @overload
    @takes(GenerateOptions)
    def __call__(
        self, prompt: Several[Text], options: GenerateOptions
    ) -> list[Generation | Failed]: ...
    @takes(GenerateOptions)
    def __call__(self, prompt: Any, options: GenerateOptions) -> Any:
        """Continue a prompt (str or UTF-8 bytes), or a list of prompts.

        The same seed gives the same text, whatever else is in the list.

        Returns:
            One `Generation`; for a list a list, in which an unusable prompt is a `Failed` at its
            index.

        Raises:
            InputError: the one prompt is unusable: not UTF-8, or too long for the context.
            UsageError: an option is wrong, or `prompt` stands for many prompts and is no list.
        """
        return self.predict(prompt, options)

    @takes(GenerateOptions)
    def stream(
        self, prompts: Iterable[Text] | os.PathLike[str], options: GenerateOptions
    ) -> Iterator[Generation | Failed]:
        """Continue the prompts of an iterator, a column, or the `Path` of a file with one a line,
        in constant memory.

        The text of one prompt while it is generated is `stream_text`.
        """
        return self.predict_stream(prompts, options)

    @takes(GenerateOptions)
    def stream_text(self, prompt: Text, options: GenerateOptions) -> TextStream:
        """Continue one prompt, and return the text while it is generated.

        Returns:
            An iterator of pieces of text, each of whole characters; together they are the
            `Generation.text`.

        Raises:
            InputError: the prompt is unusable.
            UsageError: an option is wrong; a beam search cannot be streamed.
        """
        self.check_options(options)
        if options.num_beams > 1:
            raise UsageError(
                "A beam search cannot stream: its text is known only at the end; call the model."
            )
        text = Continuation(self, PROMPT.single(prompt), options)
        return TextStream(text, self._extended([text]))

    def generated(self, value: Any, options: GenerateOptions) -> int:
        tokens = options.max_new_tokens
        if tokens is None:
            tokens = DEFAULT_NEW_TOKENS
        return tokens * options.num_beams

    def check_parts(self) -> None:
        super().check_parts()
        self.tokenizer  # noqa: B018 (is compared with the vocabulary)

    def ready(self) -> None:
        self.tokenizer  # noqa: B018 (errors of the model come before those of inputs)
        super().ready()

    def prepare(self, item: Item, options: GenerateOptions) -> Prepared:
        return Prepared(item.name, context=Continuation(self, item, options), index=item.index)

    def compute(
        self, inputs: Sequence[Prepared], options: GenerateOptions
    ) -> Generator[None, None, Sequence[Continuation]]:
        """Continue all prompts, side by side; yields after each token."""
        texts: list[Continuation] = [prepared.context for prepared in inputs]
        if options.num_beams == 1:
            yield from self._extended(texts)
            return texts
        for text in texts:
            decoder = Decoder(self.engine, self.max_length)
            beam = yield from beam_search.search(
                decoder, text.tokens, text.max_tokens, self.ends, options
            )
            text.extend_with(beam)
            yield
        return texts

    def decode(self, prepared: Prepared, outputs: Any, options: GenerateOptions) -> Generation:
        text: Continuation = outputs
        return text.result()

    def _extended(self, texts: Sequence[Continuation]) -> Generator[None, None, None]:
        """Extend all texts to their ends, side by side; yields after each token."""
        decoder = Decoder(self.engine, self.max_length)
        logits = decoder.start([text.context for text in texts])
        while True:
            for text, row in zip(texts, logits, strict=True):
                text.extend(row)
            yield
            running = [index for index, text in enumerate(texts) if not text.finish]
            if not running:
                return
            if len(running) < len(texts):
                texts = [texts[index] for index in running]
                decoder.keep(running)
            if decoder.full:
                for text in texts:
                    text.slide()
                logits = decoder.start([text.context for text in texts])
            else:
                logits = decoder.step([text.tokens[-1] for text in texts])

    @overload
    def score(self, texts: Text) -> TextScore: ...
    @overload
    def score(self, texts: Several[Text]) -> list[TextScore | Failed]: ...
    def score(self, texts: Any) -> Any:
        """How probable a text is, or each of a list: log-probabilities of its tokens, and
        perplexity.

        A text longer than the context is scored in windows that overlap by half, so that every
        token but those of the first window has at least half a context before it.

        Args:
            texts: one of two tokens or more, or a list of them.

        Returns:
            One `TextScore`; for a list a list, in which an unusable text is a `Failed` at its
            index.

        Raises:
            InputError: the one text is unusable.
            UsageError: `texts` stands for many texts and is no list; see `stream_scores`.
        """
        return one_by_one.one_or_several(PROMPT, texts, self._score)

    def stream_scores(
        self, texts: Iterable[Text] | os.PathLike[str]
    ) -> Iterator[TextScore | Failed]:
        """The scores of the texts of an iterator, a column, or the path object of a file with one a
        line.
        """
        return one_by_one.stream(PROMPT, texts, self._score)

    def features(self, texts: Text | Several[Text]) -> NDArray[np.float32]:
        """The final state at the last token of a text: float32 (C,) for one, (N, C) for a list.

        Raises:
            InputError: a text is unusable.
        """
        states: Any = one_by_one.one_or_several(PROMPT, texts, self._state)
        if not isinstance(texts, list):
            vector: NDArray[np.float32] = states
            return vector
        vectors = list(raise_failed(states))
        return np.array(vectors, np.float32).reshape(-1, self.feature_size)

    def stream_features(
        self, inputs: Any, options: GenerateOptions | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """The final states of many texts, (C,) each, in constant memory; `inputs` as for `stream`.

        Raises:
            InputError: a text is unusable.
        """
        return raise_failed(one_by_one.stream(PROMPT, inputs, self._state))

    @property
    def feature_size(self) -> int:
        return int(self.entry.config["n_embd"])

    def evaluate(
        self, data: Any, *, progress: Callable[[str, int, int | None], None] | None = None
    ) -> dict[str, Any]:
        """Perplexity on texts.

        Args:
            data: a list of texts, or the path of a UTF-8 text file, which is one text.
            progress: called with (name of the model, texts so far, texts in all).

        Returns:
            `{"perplexity", "nats_per_token", "nats_per_character", "tokens", "count", "errors"}`
            over all texts.

        Raises:
            UsageError: there is no text that can be scored.
        """
        texts = [_read_text(Path(data))] if isinstance(data, str | Path) else list(data)
        scores: list[TextScore] = []
        errors: list[str] = []
        for done, result in enumerate(self.stream_scores(iter(texts)), 1):
            if isinstance(result, Failed):
                errors.append(str(result.error))
            else:
                scores.append(result)
            if progress:
                progress(self.name, done, len(texts))
        if not scores:
            raise UsageError(f"There is no text to score. {' '.join(errors[:1])}".strip())
        total = scorer.total(scores)
        return {
            "perplexity": total.perplexity,
            "nats_per_token": total.nats_per_token,
            "nats_per_character": total.nats_per_character,
            "tokens": len(total.tokens),
            "count": len(scores),
            "errors": errors,
        }

    def files(self) -> Mapping[str, Path | bytes]:
        """The tokenizer, and the `config.json` with which transformers reads the folder."""
        config = family(self.entry.architecture).write(
            self.entry, begin=self.tokenizer.special_id("bos")
        )
        return {
            **self.tokenizer.files(),
            "config.json": (json.dumps(config, indent=2) + "\n").encode(),
        }

    def _open_engine(self) -> Engine:
        if self._engine_name == "openvino" or self.precision == "bfloat16":
            raise UsageError(
                "OpenVINO compiles a network anew for every length of text; use engine='litert'."
            )
        if not self._fits_program and self._engine_name != "keras":
            if self.precision != "float32" or self._engine_name == "litert":
                raise UsageError(
                    f"{self.name} has more than the 2 GiB of numbers that a program file can hold; "
                    "use engine='keras' with precision='float32'."
                )
            self._engine_name = "keras"
        if self._engine_name == "keras":
            return super()._open_engine()
        return choose.open_engine(self.artifact, "litert", self.precision)

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
            reason = f"has {len(tokens):,} tokens; the model reads {self.max_length:,}"
            raise InputError(f"{item.name}: {reason}", item.name)
        return Decoder(self.engine, self.max_length).state(tokens)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`step`: new tokens after cached ones → logits, final states, keys and values; see
        `models.text.gpt2`.
        """
        from warmstart.engines.keras import Function, Program

        config = model.config
        heads, width = config.n_head, config.n_embd // config.n_head
        inputs = [
            TensorSpec("ids", "int32", ("tokens",), 0, config.vocab_size - 1),
            TensorSpec("positions", "int32", ("tokens",), 0, config.n_positions - 1),
            TensorSpec("sees_cached", "float32", ("tokens", "cached"), -2.0, 0.0),
            TensorSpec("sees_new", "float32", ("tokens", "tokens"), -2.0, 0.0),
            TensorSpec("rows", "int32", ("wanted",), 0, 0),
            *(
                TensorSpec(f"{name}_{layer}", "float32", (heads, "cached", width), -1.0, 1.0)
                for layer in range(config.n_layer)
                for name in ("keys", "values")
            ),
        ]
        return Program({"step": Function(model.step, tuple(inputs))}, model)


def _read_text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
