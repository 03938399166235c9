"""Questions and prompts on the command line: one context for all questions; text that is written
while it is generated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from warmstart.core.console import Console, ConsoleOptions
from warmstart.core.input_kind import Argument
from warmstart.core.inputs import Item
from warmstart.core.options import Option
from warmstart.core.reading import is_file_name
from warmstart.core.results import Failed
from warmstart.errors import InputError, UsageError
from warmstart.text.files import unreadable
from warmstart.text.inputs import PROMPT, TEXT


@dataclass(frozen=True, kw_only=True)
class QuestionFlags(ConsoleOptions):
    """Flags of question answering."""

    context: Annotated[
        str | None,
        Option(
            "Text that contains the answers, or a .txt file with it. Without it, a tab "
            "separates each question from its context."
        ),
    ] = None


class QuestionConsole(Console):
    """Questions about one context (`--context`), or each with its context after a tab."""

    options: ClassVar = QuestionFlags

    def results(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterable[Any]:
        if self.flags.context is None:
            return super().results(arguments, options)
        context = read_context(self.flags.context)
        return self.model.stream(_with_context(arguments, context), **options)


class GenerationConsole(Console):
    """Each prompt followed by its continuation, which is written while it is generated."""

    def shown(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterator[Any]:
        model: Any = self.model
        beams = options.get("num_beams") or model.defaults.get("num_beams", 1)
        several = beams > 1 or options.get("num_return_sequences", 1) > 1
        if several or options.get("batch_size"):  # these are there at the end, or at once
            yield from super().shown(arguments, options)
            return
        for item in PROMPT.stream(PROMPT.from_arguments(arguments)):
            try:
                stream = model.stream_text(item, **options)
                print(PROMPT.read(item), end="", flush=True)
                for piece in stream:
                    print(piece, end="", flush=True)
            except InputError as error:
                yield Failed(item.name, error)
                continue
            print("\n", flush=True)
            yield stream.result


def read_context(argument: str) -> str | bytes:
    """The context that `--context` stands for: the content of a .txt file, or the text itself.

    Raises:
        UsageError: it looks like a file and cannot be read.
    """
    if not is_file_name(argument):
        return argument
    if reason := unreadable(argument):
        raise UsageError(f"{argument}: {reason}.")
    try:
        return Path(argument).read_bytes()
    except OSError as error:
        raise UsageError(f"{argument} cannot be read: {error.strerror or error}.") from error


def _with_context(arguments: Iterable[Argument], context: str | bytes) -> Iterator[Any]:
    for question in TEXT.from_arguments(arguments):
        if not isinstance(question, Item):
            yield question, context
        elif isinstance(question.value, InputError):
            yield question
        else:
            yield Item(question.name, (question.value, context))
