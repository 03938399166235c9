"""Commands and their `--help`: arguments, panels of options, and examples."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from warmstart.core import option
from warmstart.counts import counted
from warmstart.errors import UsageError, WarmstartError
from warmstart.suggestions import near

OPTIONS = "Options"
MAX_COLUMNS = 110
"""Maximum width of the help, in characters."""
MIN_COLUMNS_FOR_TABLE = 60
"""Width of a terminal, in characters, from which on names and texts are in two columns."""
NAME_COLUMNS = 26
"""Width of the column of names, in characters."""
_QUOTED = r"""'([^']*)'|"([^"]*)\""""
_TEXT = r"""(?:'[^']*'|"[^"]*")"""
"""A string as Python writes it."""
HELP_ALL = "--help-all"
HELP_NAMES = ("-h", "--help", HELP_ALL)
LONG = "warmstart.cli.help.long"
"""Key of a context: whether the long help was requested."""
MAX_CHOICES_LENGTH = 16
"""Maximum length of a list of choices that is printed next to the name of an option."""


class Argument(click.Argument):
    """An argument with a help text.

    Attributes:
        help: the text.
    """

    def __init__(self, *arguments: Any, help: str = "", **attributes: Any):
        super().__init__(*arguments, **attributes)
        self.help = help


class Option(click.Option):
    """An option in a panel of the help.

    Attributes:
        panel: the title of the panel.
        rare: whether only `--help-all` lists it.
    """

    def __init__(
        self, *arguments: Any, panel: str = OPTIONS, rare: bool = False, **attributes: Any
    ):
        self.panel, self.rare = panel, rare
        super().__init__(*arguments, **attributes)


def spelling(parameter: click.Parameter) -> str:
    """An option or argument on the command line: "-k, --top-k", "--translate/--no-translate", "INPUTS"."""
    if not isinstance(parameter, click.Option):
        return (parameter.metavar or parameter.name or "").upper()
    names = ", ".join(sorted(parameter.opts, key=len))
    return f"{names}/{', '.join(parameter.secondary_opts)}" if parameter.secondary_opts else names


def value_name(parameter: click.Parameter) -> str:
    """The placeholder for the value of an option: "N", "[local|ray]"; "" for a flag."""
    if not isinstance(parameter, click.Option) or parameter.is_flag:
        return ""
    if parameter.metavar:
        return parameter.metavar
    if isinstance(parameter.type, click.Choice):
        return f"[{'|'.join(map(str, parameter.type.choices))}]"
    name = parameter.type.name.split(" ")[0].upper()
    return {"FLOAT": "NUMBER", "INTEGER": "N"}.get(name, name)


def default_text(parameter: click.Parameter) -> str:
    """The default of an option if it is informative; else ""."""
    if not isinstance(parameter, click.Option) or parameter.is_flag:
        return ""
    shown = parameter.show_default
    if isinstance(shown, str):
        return shown
    value = parameter.default
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if plain else ""


def in_flags(message: str, parameters: Iterable[click.Parameter]) -> str:
    """A message of the library, reworded for the command line: options of Python become flags.

    `on='ray'` becomes `--on ray`, `item=['a', 'b']` becomes `--item a --item b`, and `text_column`
    becomes `--text-column`, if the command has such a flag. Values are quoted for a shell.
    """
    flags = {
        str(parameter.name).removeprefix("batch_"): parameter
        for parameter in parameters
        if isinstance(parameter, click.Option)
    }
    if not flags:
        return message

    def flag_for(match: re.Match[str]) -> str:
        option = flags[match["name"]]
        long, value = max(option.opts, key=len), match["word"] or ""
        if match["list"] is not None:
            values = [groups[0] or groups[1] for groups in re.findall(_QUOTED, match["list"])]
            return " ".join(f"{long} {shlex.quote(value)}" for value in values)
        if (quoted := re.fullmatch(_QUOTED, match["text"] or "")) is not None:
            value = shlex.quote(quoted[1] or quoted[2] or "")
        if option.is_flag and value in ("True", "False"):
            return long if value == "True" else next(iter(option.secondary_opts), f"no {long}")
        return f"{long} {value}".rstrip()

    names = "|".join(map(re.escape, flags))
    message = re.sub(
        rf"(?<![\w.-])(?P<name>{names})=(?:(?P<text>{_TEXT})|\[(?P<list>{_TEXT}(?:, {_TEXT})*)\]"
        rf"|(?P<word>(?:[\w./-]*[\w/])?))",
        flag_for,
        message,
    )
    message = re.sub(
        rf"\boption '({names})'",
        lambda match: f"option {max(flags[match[1]].opts, key=len)}",
        message,
    )
    spelled = [name for name in flags if "_" in name]
    return re.sub(
        rf"(?<![\w.'/-])(?:{'|'.join(spelled) or '(?!)'})(?![\w=./'-])",
        lambda match: max(flags[match[0]].opts, key=len),
        message,
    )


def _apply_quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    from warmstart.core.terminal import set_quiet

    if value:
        set_quiet(True)


def _apply_verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    from warmstart import log

    if value:
        log.show()


VERBOSITY = tuple(
    click.Option(
        [short, name], is_flag=True, hidden=True, expose_value=False, is_eager=True, callback=apply
    )
    for short, name, apply in (("-q", "--quiet", _apply_quiet), ("-v", "--verbose", _apply_verbose))
)
"""Options of every command; the help shows them in one line."""
VERBOSITY_ROW = ("-q, -v", "Print less or more (--quiet, --verbose).")


def unknown_option(
    name: str, owner: str, known: Iterable[click.Parameter], listed: Iterable[click.Parameter]
) -> UsageError:
    """The error for an option that a command does not have.

    Args:
        name: of the unknown option.
        owner: the command or task without this option.
        known: the parameters among which a similar one is suggested.
        listed: the parameters that the message lists.
    """
    message = option.unknown_option(owner, name, _long_flags(known), _long_flags(listed))
    return UsageError(
        f"{message[:-1]}, and those of --help. Put texts and files that begin with a dash after `--`."
    )


def _long_flags(parameters: Iterable[click.Parameter]) -> list[str]:
    return [
        max(parameter.opts, key=len)
        for parameter in parameters
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
    ]


class Command(click.Command):
    """A command with panels and examples in its help, whose messages name options as flags.

    Attributes:
        examples: command lines, for the help.
        owner: the name of what has the options, for messages; "" is the command.
        listed: the parameters that a message about an unknown one lists; None: all.
    """

    owner: str = ""
    listed: Sequence[click.Parameter] | None = None

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **attributes: Any):
        super().__init__(*arguments, **attributes)
        self.examples = tuple(examples)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *VERBOSITY]

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """The same names in all contexts, since click caches the option of the first one."""
        return list(HELP_NAMES)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WarmstartError as error:
            error.args = (in_flags(str(error), self.params), *error.args[1:])
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[LONG] = HELP_ALL in args
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            owner, listed = self.owner or ctx.command_path, self.listed or self.params
            raise unknown_option(error.option_name, owner, self.params, listed) from None

    def get_help(self, ctx: click.Context) -> str:
        rare = [
            parameter for parameter in self.get_params(ctx) if getattr(parameter, "rare", False)
        ]
        if rare and not ctx.meta.get(LONG):
            more = f"{HELP_ALL} lists {counted(len(rare), 'more option')}."
            self.epilog = f"{self.epilog} {more}" if self.epilog else more
        return page(self, ctx, self.help or "", _panels(self, ctx))


class Group(click.Group):
    """Commands under one name; `panel_of` arranges them in the help."""

    command_class = Command

    def panel_of(self, name: str) -> str:
        """The title under which a command is listed."""
        return "Commands"

    def get_help(self, ctx: click.Context) -> str:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows = panels.setdefault(self.panel_of(name), [])
                rows.append((name, command.get_short_help_str(limit=200)))
        return page(self, ctx, self.help or "", {**_panels(self, ctx), **panels})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            print(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not name.startswith("-"):
            similar = near(name, self.list_commands(ctx))
            hint = f" Did you mean {similar[0]}?" if similar else ""
            raise UsageError(
                f"There is no command {name!r}.{hint} `{ctx.command_path} --help` lists them."
            )
        return super().resolve_command(ctx, args)


def _panels(command: click.Command, context: click.Context) -> dict[str, list[tuple[str, str]]]:
    """Title -> rows of (spelling, help) for the parameters of a command."""
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False) or "--help" in parameter.opts:
            continue
        if getattr(parameter, "rare", False) and not context.meta.get(LONG):
            continue
        is_argument = isinstance(parameter, click.Argument)
        title = "Arguments" if is_argument else getattr(parameter, "panel", OPTIONS)
        text = getattr(parameter, "help", None) or ""
        value = value_name(parameter)
        if value.startswith("[") and len(value) > MAX_CHOICES_LENGTH:
            *first, last = value.strip("[]").split("|")
            text, value = f"{text} One of {', '.join(first)} or {last}.", "NAME"
        if default := default_text(parameter):
            text = f"{text} Default: {default}."
        elif parameter.required and isinstance(parameter, click.Option):
            text = f"{text} Required."
        panels.setdefault(title, []).append((f"{spelling(parameter)} {value}".rstrip(), text))
    if isinstance(command, Command):
        last = OPTIONS if OPTIONS in panels else next(reversed(panels), OPTIONS)
        panels.setdefault(last, []).append(VERBOSITY_ROW)
    order = ["Arguments", OPTIONS, *panels]
    return {title: panels[title] for title in order if title in panels}


def page(
    command: click.Command,
    context: click.Context,
    text: str,
    panels: Mapping[str, Sequence[tuple[str, str]]],
) -> str:
    """The help of a command, as wide as the terminal and in colour if standard output is one."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def style(words: str, **styles: Any) -> str:
        return click.style(words, **styles) if colour else words

    formatter = click.HelpFormatter(width=_width())
    formatter.write_usage(context.command_path, " ".join(command.collect_usage_pieces(context)))
    formatter.write_paragraph()
    formatter.write_text(_unwrapped(text))
    column = (
        NAME_COLUMNS if formatter.width >= MIN_COLUMNS_FOR_TABLE else 4
    )  # else the text is below the name
    for title, rows in panels.items():
        formatter.write_paragraph()
        formatter.write_heading(style(title, bold=True))
        with formatter.indentation():
            named = [(style(name, fg="cyan"), words) for name, words in rows]
            formatter.write_dl(named, col_max=column)
    if command.epilog:
        formatter.write_paragraph()
        formatter.write_text(_unwrapped(command.epilog))
    if examples := getattr(command, "examples", ()):
        formatter.write_paragraph()
        formatter.write_heading(style("Examples", bold=True))
        for example in examples:
            formatter.write(f"  {example}\n")
    return formatter.getvalue().rstrip("\n")


def _width() -> int:
    from shutil import get_terminal_size

    columns = get_terminal_size((80, 24)).columns
    return columns if "COLUMNS" in os.environ else min(columns, MAX_COLUMNS)


def _unwrapped(text: str) -> str:
    """Paragraphs without the line breaks of the source."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
