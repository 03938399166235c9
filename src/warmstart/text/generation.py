"""Text generation: prompt -> tokens -> engine, token by token -> `Generation`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from warmstart.catalog import Entry
from warmstart.core.inputs import Item
from warmstart.core.model import Model
from warmstart.core.results import Failed
from warmstart.engines import choose
from warmstart.engines.base import Engine, TensorSpec
from warmstart.errors import BundleError, InputError, UsageError
from warmstart.models import family
from warmstart.text.decoding import beam_search
from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.sampler import Choice, log_softmax
from warmstart.text.decoding.sequence import Text, TextStream, prompt_tokens, text_of
from warmstart.text.generation_results import Generation, TextScore
from warmstart.text.inputs import iter_texts, shown
from warmstart.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

BATCH_SIZE = 4  # prompts side by side; attention runs over the tokens of all of them
CHUNK = 64  # tokens whose logits are held at once when a text is scored
LARGEST_PROGRAM = 2**31  # bytes of a .tflite file; larger networks run in Keras


class TextGenerator(Model):
    """Continues texts.

    Example:
        >>> model = ws.load("shakespeare_gpt2")
        >>> print(model("ROMEO:", max_new_tokens=40, temperature=0.8, seed=1).text)
        >>> for piece in model.stream("ROMEO:"):
        ...     print(piece, end="", flush=True)
    """

    task = "text-generation"

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Text to tokens and back.

        Raises:
            BundleError: the model's folder has none, or one with another vocabulary.
        """
        if self._folder is None:
            raise BundleError(f"{self.name} has no tokenizer: it was not loaded from a folder or repository.")
        return Tokenizer.open(self._folder, rows=self.entry.config["vocab_size"])

    @property
    def max_length(self) -> int:
        """The most tokens of the context: prompt and continuation together, unless it slides."""
        return self.entry.processing["longest"]

    @property
    def ends(self) -> frozenset[int]:
        """Tokens with which the model ends a text."""
        return frozenset(self.entry.processing.get("end", ()))

    def __call__(self, inputs: Any, *, batch_size: int | None = None, **options: Any) -> Any:
        """Continue prompts.

        Args:
            inputs: a prompt (str, or UTF-8 bytes), or a list or generator of them, or the path object of a file with
                one prompt a line.
            batch_size: prompts that are continued side by side; does not change results.
            max_new_tokens: most tokens to write; default: 100, or what the context has room for.
            temperature: 0 always takes the likeliest token; 1 draws as the model says, less is bolder, more is
                wilder. Default: 0, but 1 where top_k, top_p, min_p or seed is given.
            top_k: draw among the so many likeliest tokens.
            top_p: draw among the likeliest tokens that together have this probability, 0 to 1.
            min_p: draw among tokens at least this probable, relative to the likeliest, 0 to 1.
            repetition_penalty: above 1 makes tokens less likely that have been used, the prompt's too.
            no_repeat_ngram_size: no series of so many tokens comes twice, the prompt's too.
            num_beams: above 1 searches for the likeliest text with so many candidates at once.
            stop: a string, or a list of them, that ends the text.
            seed: of the drawing; the same seed gives the same text, whatever else is in the list.
            overflow: `"error"`, or `"slide"`: once the context is full, go on with its later half.

        Returns:
            One `Generation`; a list of them for a list; an iterator for a generator or a file. In a list or
            iterator an unusable prompt is a `Failed` in its place.

        Raises:
            InputError: the one prompt is unusable: empty, not UTF-8, or too long for the context.
            UsageError: an option is wrong.
        """
        choice = _choice(options)
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch_size must be 1 or more, not {batch_size}.")
        if isinstance(inputs, str | bytes | bytearray):
            return self._finished([Text(self, Item("the prompt", inputs), choice)])[0]
        results = self._batches(inputs, choice, batch_size or BATCH_SIZE)
        return list(results) if isinstance(inputs, list | tuple | np.ndarray) else results

    def stream(self, prompt: str | bytes, **options: Any) -> TextStream:
        """Continue one prompt, and give the text out while it is written.

        Args:
            prompt: the text to continue.
            **options: as for calling the model; not `num_beams`.

        Returns:
            An iterator of pieces of text, each of whole characters; together they are the `Generation.text`.

        Raises:
            InputError: the prompt is unusable.
            UsageError: an option is wrong.
        """
        choice = _choice(options)
        if choice.num_beams > 1:
            raise UsageError("A beam search knows its text only at the end; call the model instead of streaming.")
        text = Text(self, Item("the prompt", prompt), choice)
        return TextStream(text, self._written([text]))

    def score(self, inputs: Any) -> Any:
        """How probable texts are: log-probabilities of their tokens, and perplexity.

        A text longer than the context is scored in windows that overlap by half, so that every token but those of
        the first window has at least half a context before it.

        Args:
            inputs: as for calling the model; a text has two tokens or more.

        Returns:
            One `TextScore`, a list or an iterator; an unusable text in a list is a `Failed`.

        Raises:
            InputError: the one text is unusable.
        """
        if isinstance(inputs, str | bytes | bytearray):
            return self._score(Item("the text", inputs))
        results = (_or_failed(self._score, item) for item in _items(inputs))
        return list(results) if isinstance(inputs, list | tuple | np.ndarray) else results

    def features(self, inputs: Any) -> Any:
        """The final state at the last token of each text: float32 (C,), (N, C) for a list, else an iterator.

        Raises:
            InputError: a text is unusable.
        """
        if isinstance(inputs, str | bytes | bytearray):
            return self._state(Item("the text", inputs))
        states = map(self._state, _items(inputs))
        if not isinstance(inputs, list | tuple | np.ndarray):
            return states
        return np.array(list(states), np.float32).reshape(-1, self.entry.config["n_embd"])

    def evaluate(self, data: Any, *, progress: Callable[[str, int, int | None], None] | None = None) -> dict[str, Any]:
        """Perplexity on texts.

        Args:
            data: a list of texts, or the path of a UTF-8 text file, which is one text.
            progress: called with (name of the model, texts so far, texts in all).

        Returns:
            `{"perplexity", "nats_per_token", "nats_per_character", "tokens", "count", "errors"}` over all texts.

        Raises:
            UsageError: there is no text that can be scored.
        """
        texts = [_read_text(Path(data))] if isinstance(data, str | Path) else list(data)
        scores: list[TextScore] = []
        errors: list[str] = []
        for done, result in enumerate(self.score(iter(texts)), 1):
            if isinstance(result, Failed):
                errors.append(str(result.error))
            else:
                scores.append(result)
            if progress:
                progress(self.name, done, len(texts))
        if not scores:
            raise UsageError(f"There is no text to score. {' '.join(errors[:1])}".strip())
        total = TextScore("", self.name, tuple(t for s in scores for t in s.tokens),
                          tuple(p for s in scores for p in s.logprobs), sum(s.characters for s in scores))
        return {"perplexity": total.perplexity, "nats_per_token": total.nats_per_token,
                "nats_per_character": total.nats_per_character, "tokens": len(total.tokens),
                "count": len(scores), "errors": errors}

    def files(self) -> Mapping[str, Path | bytes]:
        """The tokenizer, and the `config.json` with which transformers reads the folder."""
        config = family(self.entry.architecture).write(self.entry, begin=self.tokenizer.special_id("bos"))
        return {**self.tokenizer.files(), "config.json": (json.dumps(config, indent=2) + "\n").encode()}

    def _open_engine(self) -> Engine:
        if self._engine_name == "openvino" or self.precision == "bfloat16":
            raise UsageError("OpenVINO compiles a network anew for every length of text; use engine='litert'.")
        if self.entry.parameters * 4 >= LARGEST_PROGRAM and self._engine_name != "keras":
            if self.precision != "float32" or self._engine_name == "litert":
                raise UsageError(f"{self.name} has more than the 2 GiB of numbers that a program file can hold; use "
                                 "engine='keras' with precision='float32'.")
            self._engine_name = "keras"
        if self._engine_name == "keras":
            return super()._open_engine()
        return choose.open_engine(self.artifact, "litert", self.precision)

    def is_compiled(self) -> bool:
        return self.entry.parameters * 4 < LARGEST_PROGRAM and super().is_compiled()

    def _batches(self, inputs: Any, choice: Choice, size: int) -> Iterator[Generation | Failed]:
        waiting: list[Text | Failed] = []
        for item in _items(inputs):
            waiting.append(_or_failed(lambda item: Text(self, item, choice), item))
            if len(waiting) == size:
                yield from self._finished(waiting)
                waiting = []
        yield from self._finished(waiting)

    def _finished(self, texts: Sequence[Text | Failed]) -> list[Generation | Failed]:
        usable = [text for text in texts if isinstance(text, Text)]
        if usable and usable[0].choice.num_beams > 1:
            for text in usable:
                decoder = Decoder(self.engine, self.max_length)
                text.take_all(beam_search.search(decoder, text.tokens, text.count, self.ends, text.choice))
        else:
            for _ in self._written(usable):
                pass
        return [text.result() if isinstance(text, Text) else text for text in texts]

    def _written(self, texts: Sequence[Text]) -> Iterator[None]:
        """Write all texts, side by side; pauses after each token."""
        if not texts:
            return
        decoder = Decoder(self.engine, self.max_length)
        logits = decoder.start([text.context for text in texts])
        while True:
            for text, row in zip(texts, logits, strict=True):
                text.take(row)
            yield
            going = [place for place, text in enumerate(texts) if not text.finish]
            if not going:
                return
            if len(going) < len(texts):
                texts = [texts[place] for place in going]
                decoder.keep(going)
            if decoder.full:
                for text in texts:
                    text.slide()
                logits = decoder.start([text.context for text in texts])
            else:
                logits = decoder.step([text.tokens[-1] for text in texts])

    def _score(self, item: Item) -> TextScore:
        tokens, half = prompt_tokens(self, item, least=2), self.max_length // 2
        logprobs: list[float] = []
        begin = 0  # of the window
        while len(logprobs) < len(tokens) - 1:
            decoder = Decoder(self.engine, self.max_length)
            window = tokens[begin:begin + self.max_length]
            for place in range(0, len(window), CHUNK):
                chunk = window[place:place + CHUNK]
                after = tokens[begin + place + 1:begin + place + 1 + len(chunk)]
                rows = log_softmax(decoder.extend(chunk).astype(np.float64))[np.arange(len(after)), after]
                logprobs.extend(map(float, rows[max(len(logprobs) - begin - place, 0):]))
            begin += half
        text = self.tokenizer.decode(tokens[1:], special=True)
        return TextScore(shown(text_of(item)), self.name, tuple(tokens[1:]), tuple(logprobs), len(text))

    def _state(self, item: Item) -> np.ndarray:
        tokens = prompt_tokens(self, item)
        if len(tokens) > self.max_length:
            raise InputError(f"{item.name}: has {len(tokens):,} tokens; the model reads {self.max_length:,}", item.name)
        return Decoder(self.engine, self.max_length).state(tokens)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`step`: new tokens after cached ones -> logits, final states, keys and values; see `models.text.gpt2`."""
        from warmstart.engines.keras import Function, Program

        config = model.config
        heads, width = config.n_head, config.n_embd // config.n_head
        inputs = [
            TensorSpec("ids", "int32", ("tokens",), 0, config.vocab_size - 1),
            TensorSpec("positions", "int32", ("tokens",), 0, config.n_positions - 1),
            TensorSpec("sees_cached", "float32", ("tokens", "cached"), -2.0, 0.0),
            TensorSpec("sees_new", "float32", ("tokens", "tokens"), -2.0, 0.0),
            TensorSpec("rows", "int32", ("wanted",), 0, 0),
            *(TensorSpec(f"{kind}_{layer}", "float32", (heads, "cached", width), -1.0, 1.0)
              for layer in range(config.n_layer) for kind in ("keys", "values")),
        ]
        return Program({"step": Function(model.step, tuple(inputs))}, model)


T = TypeVar("T")


def _choice(options: dict[str, Any]) -> Choice:
    if unknown := options.keys() - {field.name for field in fields(Choice)}:
        raise UsageError(f"TextGenerator takes no option {min(unknown)!r}.")
    return Choice(**options)


def _items(inputs: Any) -> Iterator[Item]:
    """Prompts of a list, generator or file of lines; here a tuple of two texts is no pair, but two prompts."""
    return iter_texts(list(inputs) if isinstance(inputs, tuple) else inputs)


def _or_failed(read: Callable[[Item], T], item: Item) -> T | Failed:
    try:
        return read(item)
    except InputError as error:
        return Failed(item.name, error)


def _read_text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
