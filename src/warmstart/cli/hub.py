"""`warmstart pull` and `warmstart cache ls | rm | verify`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from warmstart.cli.help import Argument, Command, Group, Option
from warmstart.cli.parameters import json_option
from warmstart.cli.progress import downloads
from warmstart.core.terminal import print_error, say
from warmstart.counts import counted
from warmstart.errors import (
    UnknownModelError,
    UsageError,
    WarmstartError,
    documented_in,
    explained,
)
from warmstart.hub.progress import Progress

# The files of a repository that are needed: arrays, JSON and text. No pickles, and no second copy of the
# weights for another framework.
REPOSITORY_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.md", "*.jinja", "LICENSE*")

PATTERN = "A source, a file name, a model, or a shell pattern of those."
cache_group = Group("cache", help="List, remove or verify files of the cache.")


@click.command(
    "pull",
    cls=Command,
    examples=(
        "warmstart pull mobilenet_v2",
        "warmstart pull hf://openai/whisper-tiny",
        "warmstart pull resnet50 --no-top",
    ),
    params=[
        Argument(["names"], nargs=-1, required=True, help="Models of the catalogue, or sources."),
        Option(["--no-top"], is_flag=True, help="Weights without the classification layers."),
        Option(["--revision"], help="Branch, tag or commit of hf:// sources."),
        Option(
            ["--files"],
            multiple=True,
            metavar="PATTERN",
            help="Files of an hf:// repository; may be repeated.",
        ),
    ],
)
def pull_command(
    names: tuple[str, ...], no_top: bool, revision: str | None, files: tuple[str, ...]
) -> None:
    """Fetch the weights of models before they are needed; prints their paths."""
    errors: list[WarmstartError] = []
    key, patterns = "notop" if no_top else "top", files or REPOSITORY_FILES
    with downloads() as progress:
        for name in names:
            try:
                with documented_in("cli.md#pull"):
                    for path in _pull(name, key, revision, patterns, progress):
                        print(f"{name}\t{path}")
            except WarmstartError as error:
                errors.append(error)
                _print_error(name, error)
    if errors:
        if len(names) > 1:
            print_error(f"{len(errors)} of {len(names)} could not be fetched")
        untried = [error for error in errors if isinstance(error, UsageError)]
        click.get_current_context().exit(2 if len(untried) == len(names) else 1)


def _pull(
    name: str, key: str, revision: str | None, patterns: Any, progress: Progress
) -> Iterator[str]:
    """Fetch the files of one model or source; yields their paths."""
    from warmstart import catalog, hub
    from warmstart.hub import sources

    if not sources.has_scheme(name):
        try:
            entry = catalog.get(name)
        except UnknownModelError:
            if "/" not in name and "\\" not in name:
                raise
        else:
            yield from _pull_entry(entry, key, progress)
            return
    source = sources.parse(name, revision=revision if name.lower().startswith("hf:") else None)
    if isinstance(source, sources.Hub) and not source.path:
        yield str(hub.fetch_repo(str(source), patterns, progress=progress))
    elif isinstance(source, sources.Web | sources.Hub):
        yield str(hub.fetch(str(source), progress=progress))
    else:
        yield str(sources.locate(source))


def _pull_entry(entry: Any, key: str, progress: Progress) -> Iterator[str]:
    from warmstart import hub

    if not entry.weights:
        yield "(nothing to fetch)"
        return
    if key not in entry.weights:
        raise UsageError(f"{entry.name} has no {key!r} weights; it has: {', '.join(entry.weights)}")
    file = entry.weights[key]
    yield str(hub.fetch(file.source, sha256=file.sha256, md5=file.md5, progress=progress))


@cache_group.command(
    "ls",
    examples=("warmstart cache ls", "warmstart cache ls 'resnet*'"),
    params=[
        Argument(["pattern"], default="*", help=PATTERN),
        json_option("Print JSON."),
    ],
)
def ls(pattern: str, as_json: bool) -> None:
    """List the fetched files, and the size of the programs compiled from them."""
    from warmstart import hub
    from warmstart.core.stored_programs import stored_programs

    files = _unique(file for source in _sources(pattern) for file in hub.cache.ls(source))
    if as_json:
        _print_json([file.to_dict() for file in files])
        return
    for file in files:
        print(f"{_size(file.size):>9}  {file.fetched_at[:10]}  {file.source}")
    print(
        f"{_size(sum(file.size for file in files)):>9}  in {counted(len(files), 'file')} in {hub.home()}"
    )
    if programs := stored_programs(pattern, [file.sha256 for file in files]):
        print(f"{_size(programs.size):>9}  in {programs}")


@cache_group.command(
    "rm",
    examples=("warmstart cache rm resnet50", "warmstart cache rm '*' --pins"),
    params=[
        Argument(["pattern"], help=PATTERN),
        Option(
            ["--pins"],
            is_flag=True,
            help="Also remove pinned hashes: accept that a file has changed at its source.",
        ),
    ],
)
def rm(pattern: str, pins: bool) -> None:
    """Remove fetched files, unfinished downloads of them, and the programs compiled from them.

    For the name of a model or the folder of a bundle, also the programs of that model; for '*', all.
    """
    from warmstart import hub
    from warmstart.core.stored_programs import remove_unfinished, stored_programs

    try:
        removed = _unique(
            file for source in _sources(pattern) for file in hub.cache.rm(source, pins=pins)
        )
        programs = stored_programs(pattern, [file.sha256 for file in removed])
        size = programs.size
        programs.remove()
        remove_unfinished()
    except WarmstartError as error:
        _print_error("", error)
        click.get_current_context().exit(1)
    for file in removed:
        print(f"removed {file.source}")
    print(f"{counted(len(removed), 'file')}, {_size(sum(file.size for file in removed))}")
    if programs:
        print(f"{programs}, {_size(size)}")
    if not removed and not programs and not pins and pattern != "*":
        print_error(
            f"warmstart: nothing in the cache matches {pattern!r}; see `warmstart cache ls`"
        )
        click.get_current_context().exit(1)


@cache_group.command(
    "verify",
    examples=("warmstart cache verify", "warmstart cache verify resnet50 --json"),
    params=[
        Argument(["pattern"], default="*", help=PATTERN),
        json_option("Print JSON."),
    ],
)
def verify(pattern: str, as_json: bool) -> None:
    """Read the fetched files again and compare their hashes; exit with 1 if one is damaged."""
    from warmstart import hub

    with downloads() as progress:
        checked = [
            result
            for source in _sources(pattern)
            for result in hub.cache.verify(source, progress=progress)
        ]
    bad = [(file, problem) for file, problem in checked if problem]
    if as_json:
        _print_json(
            [
                {**file.to_dict(), "ok": problem is None, "problem": problem}
                for file, problem in checked
            ]
        )
    else:
        for file, problem in bad:
            print(f"{file.source}: {problem}")
        print(f"{len(checked) - len(bad)} of {counted(len(checked), 'file')} intact")
    if not checked and pattern != "*":
        print_error(
            f"warmstart: nothing in the cache matches {pattern!r}; see `warmstart cache ls`"
        )
        click.get_current_context().exit(1)
    if bad:
        say(
            "warmstart: damaged files are downloaded again when they are needed, or by "
            "`warmstart pull`"
        )
        click.get_current_context().exit(1)


def _sources(pattern: str) -> list[str]:
    """The patterns for `hub.cache`: the sources of a model if the pattern is its name."""
    from warmstart import catalog
    from warmstart.hub import sources

    if not sources.has_scheme(pattern) and not any(mark in pattern for mark in "*?[/"):
        try:
            return [file.source for file in catalog.get(pattern).weights.values()] or [pattern]
        except UnknownModelError:
            pass
    return [pattern]


def _unique(files: Iterator[Any]) -> list[Any]:
    return list(dict.fromkeys(files))


def _print_error(name: str, error: WarmstartError) -> None:
    message = explained(error)
    print_error(f"warmstart: {name + ': ' if name and name not in message else ''}{message}")


def _print_json(value: Any) -> None:
    import json

    json.dump(value, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _size(count: int) -> str:
    """1234567 -> "1.2 MB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
