"""How the command line shows results: for a person, as JSON lines or as CSV, and as files next to
them.

The default fits every task. A task with outputs of its own (drawings, subtitles, sound) derives a
console and declares their flags in an options class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from warmstart.core.results import Failed
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.core.model import Model


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions:
    """Flags of the command line that are not options of the call; none by default."""


class Console:
    """One run of a task on the command line.

    Class attributes:
        options: the class of its own flags.
        outputs: the names of those flags that are files or folders to write.
        single: suffixes of outputs that hold the result of one input only.
    """

    options: ClassVar[type[ConsoleOptions]] = ConsoleOptions
    outputs: ClassVar[tuple[str, ...]] = ()
    single: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, model: Model[Any, Any, Any], flags: Any = None):
        self.model = model
        self.flags: Any = self.options() if flags is None else flags

    def check_outputs(self, inputs: Sequence[str]) -> None:
        """Refuse outputs that would overwrite an input, before anything is read or written.

        Args:
            inputs: the arguments as typed.

        Raises:
            UsageError: an output is also an input, or is one file although there are several
            inputs.
        """
        for flag in self.outputs:
            target = getattr(self.flags, flag)
            if target is None:
                continue
            for name in inputs:
                refuse_same_file(Path(target), name)
            path = Path(target).expanduser()
            if len(inputs) > 1 and path.suffix.lower() in self.single and not path.is_dir():
                raise UsageError(
                    f"{target} is one file, and there are several inputs; choose a folder as --{flag}."
                )

    def results(self, arguments: Iterable[str], options: Mapping[str, Any]) -> Iterable[Any]:
        """Results and `Failed`s for the arguments of the command, in order and lazily.

        Args:
            arguments: as typed; those of "-" come from standard input, one a line.
            options: of the call.
        """
        return self.model.stream(self.model.input_kind.from_arguments(arguments), **options)

    def shown(self, arguments: Iterable[str], options: Mapping[str, Any]) -> Iterator[Any]:
        """What `results` gives, each result written for a person as soon as it is there."""
        for result in self.results(arguments, options):
            if not isinstance(result, Failed):
                print(self.show(result), flush=True)
            yield result

    def show(self, result: Any) -> str:
        """One result for a person."""
        text: str = result.show()
        return text

    def columns(self) -> tuple[str, ...]:
        """The header of CSV output, without the last column "error"."""
        return self.model.result.csv_columns()

    def rows(self, result: Any) -> Iterable[tuple[Any, ...]]:
        """The rows of one result in CSV output, as wide as `columns`."""
        rows: Iterable[tuple[Any, ...]] = result.csv_rows()
        return rows


def refuse_same_file(output: Path, name: str) -> None:
    """Raise `UsageError` where an output is the file of an input.

    Args:
        output: a file to be written.
        name: an input: a path, or anything else.
    """
    try:
        same = output.expanduser().is_file() and output.expanduser().samefile(
            Path(name).expanduser()
        )
    except (OSError, ValueError, RuntimeError):  # the input is not a path
        return
    if same:
        raise UsageError(
            f"{output} is an input; choose another output, so that it is not overwritten."
        )
