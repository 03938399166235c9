"""Write the generated parts of README.md and docs/: the tables of models, and the options of the commands.

    python scripts/make_docs.py [--check]

A generated part stands between `<!-- generated: NAME -->` and `<!-- /generated -->`. `--check` writes nothing and
exits with 1 where a file differs.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from warmstart.catalog import Entry, search
from warmstart.cli.app import app
from warmstart.cli.catalog import preprocessing_in_words
from warmstart.cli.help import default_text, spelling, value_name
from warmstart.core.task import TASKS

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- /generated -->)", re.DOTALL)
FAMILIES = {
    "chronos_bolt": "Chronos-Bolt",
    "cifar_resnet": "ResNet for CIFAR-10 (inside the package)",
    "convnext": "ConvNeXt",
    "fcos": "FCOS for blood cells (inside the package)",
    "deepar": "DeepAR for hourly series (inside the package)",
    "deeplabv3": "DeepLabV3",
    "densenet": "DenseNet",
    "dfine": "D-FINE",
    "efficientnet": "EfficientNet B0–B7",
    "efficientnet_v2": "EfficientNetV2",
    "gpt2": "GPT-2",
    "inception_resnet_v2": "Inception-ResNet-v2",
    "inception_v3": "Inception v3",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3": "MobileNetV3",
    "nasnet": "NASNet",
    "resnet": "ResNet",
    "resnet_v2": "ResNet v2",
    "segformer": "SegFormer",
    "vgg": "VGG",
    "whisper": "Whisper",
    "wavenet": "WaveNet for spoken digits (inside the package)",
    "xception": "Xception",
}


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def generate(name: str) -> str:
    """The text of one generated part, which ends with a newline."""
    kind, _, what = name.partition(" ")
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "families": families, "models": models, "command": lambda: command(what),
        "verb": lambda: verb(what), "training": lambda: training(what)}
    return "\n".join(makers[kind]()) + "\n"


def by_family() -> Iterator[tuple[str, list[Entry]]]:
    for family, entries in groupby(search(), key=lambda entry: entry.family):
        yield family, list(entries)


def families() -> Iterator[str]:
    """One row a family, task by task."""
    yield "| task | family | models | parameters | published |"
    yield "|---|---|--:|---|---|"
    total, before = 0, ""
    for family, entries in sorted(by_family(), key=lambda pair: list(TASKS).index(pair[1][0].task)):
        total += len(entries)
        task = entries[0].task
        yield (f"| {task if task != before else ''} | {FAMILIES.get(family, family)} | {len(entries)} "
               f"| {span([e.parameters for e in entries], millions)} | {published(entries)} |")
        before = task
    yield f"| | **together** | **{total}** | | |"


def published(entries: list[Entry]) -> str:
    """The span of the first figure that the family's entries publish."""
    told = [entry.metrics[0] for entry in entries if entry.metrics]
    if not told:
        return ""
    same = [metric.value for metric in told if metric.name == told[0].name]
    return f"{told[0].name} {span(same, figure)}"


def models() -> Iterator[str]:
    """One section a family, one row a model."""
    for family, entries in by_family():
        first = entries[0]
        sources = sorted({metric.source for entry in entries for metric in entry.metrics})
        papers = dict.fromkeys(entry.paper for entry in entries)
        yield from ("", f"### {FAMILIES.get(family, family)}", "", f"`family`: `{family}`. Paper: {'; '.join(papers)}.")
        licences = sorted({entry.licence for entry in entries})
        hashed = sum(any(file.md5 or file.sha256 for file in entry.weights.values()) for entry in entries)
        places = {file.source.split(":")[0] for entry in entries for file in entry.weights.values()}
        if places <= {"embedded", "hf", "package"}:  # the hub tells a hash for every file of a commit
            yield f"Licence of the weights: {', '.join(licences)}."
        else:
            told = {0: "none, so the first download is pinned", len(entries): "published by Keras"}
            hashes = told.get(hashed, f"{hashed} of {len(entries)}")
            yield f"Licence of the weights: {', '.join(licences)}. Hashes: {hashes}."
        yield from _pictures(entries) if first.task == "image-classification" else _others(entries)
        dataset = ", ".join(dict.fromkeys(metric.dataset for entry in entries for metric in entry.metrics))
        links = ", ".join(f"<{source}>" if "://" in source else f"`{source}`" for source in sources)
        if dataset:
            kind = "Accuracy" if first.task == "image-classification" else "Figures"
            yield from ("", f"{kind} on {dataset}; source: {links}.")


def _pictures(entries: list[Entry]) -> Iterator[str]:
    """Image classifiers: what they were measured at, and how small their input may be."""
    first = entries[0]
    if len({preprocessing_in_words(e.preprocessing).split("; ")[1] for e in entries if e.preprocessing}) == 1:
        assert first.preprocessing is not None
        yield f"Pixels: {preprocessing_in_words(first.preprocessing).split('; ')[1]}."
    yield from ("", "| name | also called | input | parameters | GFLOPs | top-1 | top-5 | without top from |")
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for entry in entries:
        figures = {metric.name: percent(metric.value) for metric in entry.metrics}
        size = f"{entry.preprocessing.size[1]}x{entry.preprocessing.size[0]}" if entry.preprocessing else ""
        gflops = "" if entry.gflops is None else f"{entry.gflops:.3g}"
        yield (f"| `{entry.name}` | {aliases(entry)} | {size} | {entry.parameters:,} | {gflops} "
               f"| {figures.get('top1', '')} | {figures.get('top5', '')} | {entry.min_size}x{entry.min_size} |")


def _others(entries: list[Entry]) -> Iterator[str]:
    yield from ("", "| name | also called | task | parameters | figures |", "|---|---|---|--:|---|")
    for entry in entries:
        told = ", ".join(f"{metric.name} {figure(metric.value)}" for metric in entry.metrics)
        yield f"| `{entry.name}` | {aliases(entry)} | {entry.task} | {entry.parameters:,} | {told} |"


def aliases(entry: Entry) -> str:
    return ", ".join(f"`{alias}`" for alias in entry.aliases)


def command(name: str) -> Iterator[str]:
    """The arguments and options of one command, such as "cache rm"."""
    yield from _described(command_named(name).help or "")
    yield from _table(command_parameters(name))


def verb(name: str) -> Iterator[str]:
    """The options that only the tasks of one verb have."""
    from warmstart.cli.tasks import own_parameters

    tasks = [each for each in TASKS.values() if each.verb == name]
    yield " ".join(each.summary for each in tasks)
    yield from _table(own_parameters(tasks))


def training(task: str) -> Iterator[str]:
    """The options of fine-tuning that not all tasks have."""
    from warmstart.cli.parameters import flags_of

    return _table(flags_of(task_of(task).train_options_class(), ""))


def command_named(name: str) -> click.Command:
    """The command of a name such as "cache rm"."""
    found: click.Command = app
    for word in name.split():
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), word)
        assert below is not None, name
        found = below
    return found


def command_parameters(name: str) -> list[click.Parameter]:
    found = command_named(name)
    return [each for each in found.get_params(click.Context(found)) if "--help" not in each.opts]


def _described(text: str) -> Iterator[str]:
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]
    yield "\n\n".join(paragraphs)


def _table(parameters: Iterable[click.Parameter]) -> Iterator[str]:
    yield from ("", "| argument or option | meaning | default |", "|---|---|---|")
    for parameter in parameters:
        names = [*parameter.opts, *parameter.secondary_opts] if isinstance(parameter, click.Option) else []
        shown = ", ".join(f"`{each}`" for each in sorted(names, key=len, reverse=True)) or f"`{spelling(parameter)}`"
        default = default_text(parameter)
        text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
        if choices := value_name(parameter).strip("[]"):
            text += f" One of {', '.join(choices.split('|'))}." if "|" in choices else ""
        yield f"| {shown} | {text} | {'required' if parameter.required else f'`{default}`' if default else ''} |"


def span(values: list[Any], show: Callable[[Any], str]) -> str:
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{low} – {high}"


def millions(count: int) -> str:
    return f"{count / 1e6:.1f} M"


def percent(value: float) -> str:
    return f"{value:.1%}"


def figure(value: float) -> str:
    """A published figure: fractions as percent, others (perplexities, errors) as they are."""
    return percent(value) if 0 <= value <= 1 else f"{value:.4g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file differs")
    arguments = parser.parse_args()
    stale = []
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = MARKED.sub(lambda part: part[1] + generate(part[2]) + part[3], before)
        if after != before:
            stale.append(path.name)
            if not arguments.check:
                path.write_text(after, encoding="utf-8")
    print(f"{'stale' if arguments.check else 'written'}: {', '.join(stale) or 'nothing'}")
    return int(arguments.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
