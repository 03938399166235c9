"""The output of the command line: readable text, JSON lines or CSV, and files.

The default fits every task. A task with outputs of its own (drawings, subtitles, sound) derives a
console and declares their flags in an options class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from warmstart.core.output_files import CommandInputs, Output
from warmstart.core.results import Failed
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.core.input_kind import Argument
    from warmstart.core.model import Model


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions:
    """Flags of the command line that are not options of the call; none by default."""


class Console:
    """One run of a task on the command line.

    Class attributes:
        options: the class of its own flags.
        outputs: flags that name files or folders, with what they write.
        forms: flags that set the output format, like `--json` and `--csv`.

    Attributes:
        written: the files that belong to the latest result, by their key in JSON output.
    """

    options: ClassVar[type[ConsoleOptions]] = ConsoleOptions
    outputs: ClassVar[Mapping[str, Output]] = MappingProxyType({})
    forms: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: Model[Any, Any, Any], flags: Any = None):
        self.model = model
        self.flags: Any = self.options() if flags is None else flags
        self.written: dict[str, str] = {}

    @classmethod
    def check(cls, flags: Any, inputs: CommandInputs, *, overwrite: bool = False) -> None:
        """Refuse outputs that cannot be written or would overwrite a file, before anything else.

        Args:
            flags: as typed, an object of `options`.
            inputs: of the command.
            overwrite: whether a file that exists is replaced; an input never is.

        Raises:
            UsageError: one is refused, see `Output.check`, or two are the same.
        """
        flag_of: dict[Path, str] = {}
        for name, output in cls.outputs.items():
            if (target := getattr(flags, name)) is not None:
                output.check(target, f"--{name}", inputs, overwrite=overwrite)
                other = flag_of.setdefault(Path(target).expanduser().resolve(), name)
                if other != name:
                    raise UsageError(f"--{other} and --{name} both name {target}; choose two.")

    def results(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterable[Any]:
        """Results and `Failed`s for the arguments of the command, in order and lazily.

        Args:
            arguments: as typed; those of "-" come from standard input, one per line.
            options: of the call.
        """
        return self.model.stream(self.model.input_kind.from_arguments(arguments), **options)

    def shown(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterator[Any]:
        """Format each result of `results` for a terminal as soon as it is available."""
        for result in self.results(arguments, options):
            if not isinstance(result, Failed):
                print(self.show(result), flush=True)
            yield result

    def show(self, result: Any) -> str:
        """A result as readable text."""
        text: str = result.show()
        return text

    def to_json(self, result: Any) -> Mapping[str, Any]:
        """A result as a line of JSON output, with the paths of the files that were written for it."""
        return {**result.to_dict(), **self.written}

    def columns(self) -> tuple[str, ...]:
        """The header of CSV output, without the last column "error"."""
        return self.model.result.csv_columns()

    def rows(self, result: Any) -> Iterable[tuple[Any, ...]]:
        """The rows of one result in CSV output, as wide as `columns`."""
        rows: Iterable[tuple[Any, ...]] = result.csv_rows()
        return rows
