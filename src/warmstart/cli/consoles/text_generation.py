"""Prompts in, their continuations out, written while they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from warmstart.cli.consoles import Console


class TextGenerationConsole(Console):
    """The prompt with its continuation after it, as one text."""

    options: ClassVar = frozenset({
        "batch_size", "top_k", "max_new_tokens", "temperature", "top_p", "min_p", "repetition_penalty",
        "no_repeat_ngram_size", "num_beams", "stop", "seed", "overflow"})
    columns: ClassVar = ("input", "text", "tokens", "logprob", "finish", "error")
    unit: ClassVar = "prompts"

    def answers(self, model: Any, inputs: Iterator[str], **options: Any) -> Iterable[Any]:
        return model(inputs, **options)

    def shown(self, model: Any, inputs: Iterator[str], **options: Any) -> Iterator[Any]:
        from warmstart.core.results import Failed
        from warmstart.errors import InputError

        if "num_beams" in options or "batch_size" in options:  # the text is there at the end, or for several at once
            yield from super().shown(model, inputs, **options)
            return
        for place, prompt in enumerate(inputs, 1):
            try:
                stream = model.stream(prompt, **options)
                print(prompt, end="", flush=True)
                for piece in stream:
                    print(piece, end="", flush=True)
                print("\n", flush=True)
                yield stream.result
            except InputError as error:
                yield Failed(f"item {place}", error)

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        yield (result.input, result.text, len(result.tokens), f"{sum(result.logprobs):.6f}", result.finish, "")

    def show(self, result: Any) -> str:
        return f"{result}\n"
