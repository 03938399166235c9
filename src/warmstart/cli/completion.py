"""Completion of commands, options and model names in bash, zsh and fish."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from warmstart.core.output_files import write_whole
from warmstart.errors import UsageError

VARIABLE = "_WARMSTART_COMPLETE"
"""Set by a shell that asks for completions."""
FILES = {
    "bash": ".local/share/bash-completion/completions/warmstart",
    "zsh": ".zfunc/_warmstart",
    "fish": ".config/fish/completions/warmstart.fish",
}
"""Shell -> path of its completion script, in the home directory."""
NEXT = {
    "bash": "Open a new shell; the package bash-completion must be installed.",
    "zsh": "Add `fpath+=~/.zfunc; autoload -Uz compinit; compinit` to ~/.zshrc and open a new shell.",
    "fish": "Open a new shell.",
}


def print_completions(app: click.Command, instruction: str) -> int:
    """Print the completions that a shell requests in `VARIABLE`; returns the exit code."""
    return shell_complete(app, {}, "warmstart", VARIABLE, instruction)


def install(context: click.Context, parameter: click.Parameter, shell: str | None) -> None:
    """The callback of `--install-completion`: write the completion script of a shell, and print its path.

    Raises:
        UsageError: the file cannot be written, or the shell is unknown.
    """
    if shell is None:
        return
    shell = Path(os.environ.get("SHELL", "")).name if shell == "auto" else shell
    if shell not in FILES:
        raise UsageError(f"--install-completion supports {', '.join(FILES)}; name one of them.")
    source = get_completion_class(shell)
    assert source is not None
    path = Path.home() / FILES[shell]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path.parent} cannot be created: {error.strerror}.") from error
    script = source(context.command, {}, "warmstart", VARIABLE).source()
    write_whole(path, script.encode())
    print(f"written: {path}\n{NEXT[shell]}")
    context.exit()


def model_names(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of the catalogue, and folders, that begin with `incomplete`."""
    from warmstart import catalog

    names = sorted(entry.name for entry in catalog.search() if entry.name.startswith(incomplete))
    return [CompletionItem(incomplete, type="dir"), *map(CompletionItem, names)]


def option() -> click.Option:
    """`--install-completion`."""
    arguments: dict[str, Any] = {"is_flag": False, "flag_value": "auto"}
    return click.Option(
        ["--install-completion"],
        **arguments,
        is_eager=True,
        expose_value=False,
        callback=install,
        metavar="SHELL",
        help="Install completion for bash, zsh or fish; default: the current shell.",
    )
