"""`warmstart list` and `warmstart info`: the models of the catalogue."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from warmstart.catalog.words import config_in_words, preprocessing_in_words
from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import json_option
from warmstart.core.terminal import print_error
from warmstart.counts import counted

if TYPE_CHECKING:
    from warmstart.catalog import Entry, Label, WeightFile
    from warmstart.core.bundle import Contents

LISTED = 20
"""Maximum number of classes that `info` lists, for a model of the user's own."""


@click.command(
    "list",
    cls=Command,
    examples=(
        "warmstart list",
        "warmstart list sentiment",
        "warmstart list 'mobilenet*'",
        "warmstart list --task text-embedding --json",
    ),
    params=[
        Argument(
            ["pattern"],
            default="*",
            help="A name, a pattern such as 'mobilenet*', or words such as sentiment.",
        ),
        Option(["--task"], help="Only models for this task, such as image-classification."),
        Option(["--family"], help="Only models of this family, such as mobilenet_v2."),
        json_option("Print a JSON array of entries."),
    ],
)
def list_command(pattern: str, task: str | None, family: str | None, as_json: bool) -> None:
    """List the models of the catalogue."""
    from warmstart.core.loading import list_models

    entries = list_models(pattern, task=task, family=family)
    if as_json:
        print(json.dumps([entry.to_dict() for entry in entries], indent=2))
        return
    if not entries:
        conditions = [repr(pattern)]
        conditions += [
            f"{key} {value!r}" for key, value in (("task", task), ("family", family)) if value
        ]
        print_error(f"No model matches {', '.join(conditions)}; `warmstart list` shows all.")
        click.get_current_context().exit(1)
    print(entries)
    if sys.stdout.isatty():
        print(counted(len(entries), "model"))


@click.command(
    "info",
    cls=Command,
    examples=(
        "warmstart info mobilenet_v2",
        "warmstart info ./my-model",
        "warmstart info hf://timm/resnet50.a1_in1k",
        "warmstart info gpt2 --json",
    ),
    params=[
        Argument(
            ["name"], help="A name or alias from `warmstart list`, a folder, or hf://ORG/NAME."
        ),
        json_option("Print the entry as a JSON object."),
    ],
)
def info_command(name: str, as_json: bool) -> None:
    """Show what is known about a model: its task, size, input, classes and licence."""
    from warmstart.catalog import get, labels
    from warmstart.cli.progress import downloads
    from warmstart.core import bundle
    from warmstart.core.resolver import find_folder
    from warmstart.models import repository

    contents: Contents | None = None
    classes: Sequence[Label] = ()
    with downloads() as progress:
        folder = find_folder(name, progress=progress)
    if folder is None:
        entry = get(name)
    elif bundle.is_bundle(folder):
        contents = bundle.read(folder)
        entry, classes = contents.entry, contents.labels
    else:
        entry, classes = repository.read(folder)
    if entry.labels and not classes:
        classes = labels(entry.labels)
    if as_json:
        print(json.dumps(entry.to_dict(), indent=2))
        return
    facts = [*_facts(entry, [label.name for label in classes]), *_precisions(entry, contents)]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for label, value in facts:
            grid.add_row(label, Text(value))
        Console().print(grid)
    else:
        width = max(len(label) for label, _ in facts)
        for label, value in facts:
            print(f"{label:{width}}  {value}")


def _facts(entry: Entry, classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    from warmstart.core.records import abbreviated

    yield "name", f"{entry.name} ({entry.title})"
    if entry.aliases:
        yield "also called", ", ".join(entry.aliases)
    yield "task", entry.task
    yield "family", entry.family
    yield "architecture", f"{entry.architecture}({config_in_words(entry)})"
    yield "parameters", f"{entry.parameters:,}"
    if entry.gflops is not None:
        yield "compute", f"{entry.gflops:g} GFLOPs (billions of multiply-adds) per input"
    if entry.preprocessing is not None:
        yield "input", f"{entry.preprocessing.size[1]}x{entry.preprocessing.size[0]} pixels"
        if entry.min_size:
            yield "", f"without top: any size from {entry.min_size}x{entry.min_size}"
        yield "preprocessing", preprocessing_in_words(entry.preprocessing)
    if entry.labels:
        yield "labels", f"{entry.labels} ({counted(len(classes), 'class', 'classes')})"
    elif classes:
        yield "classes", f"{abbreviated(classes, LISTED)} ({len(classes):,})"
    for metric in entry.metrics:
        yield metric.name, f"{metric.value:.1%} on {metric.dataset} (source: {metric.source})"
    for key, file in entry.weights.items():
        yield f"weights, {_KEYS.get(key, key)}", _weights_in_words(file)
    yield "licence", f"{entry.licence} (of the weights)"
    if entry.paper:
        yield "paper", entry.paper


def _precisions(entry: Entry, contents: Contents | None) -> Iterator[tuple[str, str]]:
    """The int8 program of a bundle or of this machine, and the precision that `auto` selects here."""
    from warmstart.core import calibration
    from warmstart.core.precision import recorded_choice
    from warmstart.core.weights import Weights
    from warmstart.engines.store import Artifact
    from warmstart.errors import EngineError

    weights = None if contents is None else Weights(contents.weights, contents.digest)
    int8 = None
    if contents is not None:
        with contextlib.suppress(EngineError):
            int8 = Artifact.recorded(contents.folder / "artifacts" / "int8")
    if int8 := int8 or calibration.latest(entry, weights):
        yield "int8", str(int8.calibration or "quantised at run time")
    choice = recorded_choice(entry, weights)
    if choice and choice.is_current(int8):
        first, *rest = choice.lines
        yield "precision auto", first
        yield from (("", line) for line in rest)


_KEYS = {"top": "with top", "notop": "without top"}


def _weights_in_words(file: WeightFile) -> str:
    from warmstart.hub import is_cached

    if file.source.startswith("embedded:"):
        return f"{file.source} (shipped with warmstart)"
    hashes = [f"{name} {value}" for name in ("sha256", "md5") if (value := getattr(file, name))]
    if hashes:
        digest = hashes[0]
    elif file.source.startswith("hf://"):
        digest = "checked against the hash that the repository states"
    else:
        digest = "no hash is published: pinned on first use"
    state = "cached" if is_cached(file.source) else "not downloaded"
    return f"{file.source} ({digest}; {state})"
