"""Text generation: prompt → tokens → engine, token by token → `Generation`."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from typing import Any, overload

from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item
from warmstart.core.joinable import JoinableModel, StepBatch
from warmstart.core.model import Prepared
from warmstart.core.options import takes
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.errors import UsageError
from warmstart.text.autoregressive import AutoregressiveModel
from warmstart.text.decoding import beam_search
from warmstart.text.decoding.batch import TextBatch
from warmstart.text.decoding.decoders import open_decoder
from warmstart.text.decoding.options import GenerateOptions
from warmstart.text.decoding.sequence import Continuation, TextStream
from warmstart.text.inputs import PROMPT, Text
from warmstart.text.results import Generation

PART = 64
"""Prompt tokens to process before the texts of a running batch get their next token, which bounds
their delay.
"""


class PromptBatch(StepBatch):
    """A continuous batch of prompts, each with all its texts."""

    def __init__(self, texts: TextBatch):
        self._texts = texts
        self._prompts: list[Prepared] = []

    def __len__(self) -> int:
        return len(self._texts)

    def size(self, prepared: Prepared) -> int:
        """The maximum number of cached tokens of its texts."""
        return sum(text.most_cached for text in prepared.context)

    def join(self, prepared: Prepared) -> None:
        self._texts.join(prepared.context)
        self._prompts.append(prepared)

    def leave(self, prepared: Prepared) -> None:
        self._texts.leave(prepared.context)
        self._prompts.remove(prepared)

    def step(self) -> list[tuple[Prepared, Sequence[Continuation] | Exception]]:
        self._texts.step()
        ended: list[tuple[Prepared, Sequence[Continuation] | Exception]] = []
        for prepared in list(self._prompts):
            texts: Sequence[Continuation] = prepared.context
            errors = [text.error for text in texts if text.error is not None]
            if errors:
                self.leave(prepared)
                ended.append((prepared, errors[0]))
            elif all(text.ended for text in texts):
                self._prompts.remove(prepared)
                ended.append((prepared, texts))
        return ended

    def piece(self, prepared: Prepared) -> str:
        text: Continuation = prepared.context[0]
        return text.take()


class TextGenerator(AutoregressiveModel, JoinableModel[Text, Generation, GenerateOptions]):
    """Continues texts.

    Example:
        >>> model = ws.load("shakespeare_gpt2")
        >>> text = model("ROMEO:", max_new_tokens=20, temperature=0.8, seed=1).text
        >>> text == "".join(model.stream_text("ROMEO:", max_new_tokens=20, temperature=0.8, seed=1))
        True
        >>> scores = list(model.stream_scores(["To be, or not to be", "zq xj"]))
        >>> scores[0].perplexity < scores[1].perplexity
        True
        >>> model.score("To be, or not to be").perplexity == scores[0].perplexity
        True
        >>> model.max_length, len(model.tokenizer.encode("ROMEO:").ids)
        (256, 4)
        >>> [vector.shape for vector in model.stream_features(["ROMEO:"])]
        [(128,)]
    """

    task = "text-generation"
    options = GenerateOptions
    result = Generation
    batch_size = 8  # texts that are continued together
    generates = "tokens"
    decodes_ahead = False

    @overload
    @takes(GenerateOptions)
    def __call__(self, prompt: Text, options: GenerateOptions) -> Generation: ...
    @overload
    @takes(GenerateOptions)
    def __call__(
        self, prompt: Several[Text], options: GenerateOptions
    ) -> Results[Generation | Failed]: ...
    @takes(GenerateOptions)
    def __call__(self, prompt: Any, options: GenerateOptions) -> Any:
        """Continue a prompt (str or UTF-8 bytes), or a list of prompts.

        The same seed gives the same text, whatever else is in the list.

        Returns:
            One `Generation`; for a list a list, in which an unusable prompt is a `Failed` at its
            index.

        Raises:
            InputError: the one prompt is unusable: not UTF-8, or too long for the context.
            UsageError: an option is wrong, or `prompt` stands for many prompts and is not a list.
        """
        return self.predict(prompt, options)

    @takes(GenerateOptions)
    def stream(
        self, prompts: Iterable[Text] | os.PathLike[str], options: GenerateOptions
    ) -> ResultStream[Generation | Failed]:
        """Continue the prompts of an iterator, a column, or the `Path` of a file with one per line,
        in constant memory.

        The text of one prompt while it is generated is `stream_text`.

        Returns:
            An iterator with a `Generation` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of prompts.
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
        self.check_streamed(options)
        text = Continuation(self, PROMPT.single(prompt), options.with_defaults(self.defaults))
        return TextStream(text, self._extended([text]))

    def check_streamed(self, options: GenerateOptions) -> None:
        """Refuse options that give more than one text.

        Raises:
            UsageError: there would be several texts.
        """
        options = options.with_defaults(self.defaults)
        if options.is_search or options.num_return_sequences > 1:
            raise UsageError(
                "Only a single text can be streamed, without beam search or "
                "num_return_sequences; call the model instead."
            )

    def generated(self, value: Any, options: GenerateOptions) -> int:
        options = options.with_defaults(self.defaults)
        tokens = options.max_new_tokens or self.default_new_tokens
        return tokens * max(options.num_beams or 1, options.num_return_sequences)

    def joins(self, options: GenerateOptions) -> bool:
        return not options.with_defaults(self.defaults).is_search

    def step_batch(self) -> PromptBatch:
        return PromptBatch(TextBatch(self.engine, self.max_length, PART))

    def check_parts(self) -> None:
        super().check_parts()
        self.tokenizer  # noqa: B018 (is compared with the vocabulary)

    def prepare(self, item: Item, options: GenerateOptions) -> Prepared:
        options = options.with_defaults(self.defaults)
        count = 1 if options.is_search else options.num_return_sequences
        texts = [Continuation(self, item, options, number) for number in range(count)]
        return Prepared(item.name, context=texts, index=item.index)

    def compute(
        self, inputs: Sequence[Prepared], options: GenerateOptions
    ) -> Generator[None, None, Sequence[Sequence[Continuation]]]:
        """Continue all prompts in one batch; yields after each token."""
        options = options.with_defaults(self.defaults)
        texts: list[list[Continuation]] = [prepared.context for prepared in inputs]
        if not options.is_search:
            yield from self._extended([text for group in texts for text in group])
            return texts
        results = []
        for (text,), prepared in zip(texts, inputs, strict=True):
            decoder = open_decoder(self.engine, self.max_length)
            beams = yield from beam_search.search(
                decoder, text.tokens, text.max_tokens, self.ends, options, text.constraints
            )
            item = Item(prepared.name, text.prompt)
            others = beams[1 : options.num_return_sequences]
            results.append([text, *(Continuation(self, item, options) for _ in others)])
            for continuation, beam in zip(results[-1], beams, strict=False):
                continuation.extend_with(beam)
            yield
        return results

    def decode(self, prepared: Prepared, outputs: Any, options: GenerateOptions) -> Generation:
        texts: Sequence[Continuation] = outputs
        return texts[0].result([text.result() for text in texts[1:]])

    def _extended(self, texts: Sequence[Continuation]) -> Generator[None, None, None]:
        """Continue all texts to their ends in one batch; yields after each token."""
        batch = TextBatch(self.engine, self.max_length)
        batch.join(texts)
        while batch:
            batch.step()
            for text in texts:
                if text.error is not None:
                    raise text.error
            yield
