"""Write the generated parts of README.md and docs/: the tables of models, and the options of the commands.

    python scripts/make_docs.py [--check]

A generated part stands between `<!-- generated: NAME -->` and `<!-- /generated -->`. `--check` writes nothing and
exits with 1 where a file differs.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from warmstart.catalog import Entry, search
from warmstart.cli.catalog_commands import preprocessing_in_words

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- /generated -->)", re.DOTALL)
FAMILIES = {
    "cifar_resnet": "ResNet for CIFAR-10 (inside the package)", "convnext": "ConvNeXt", "densenet": "DenseNet",
    "efficientnet": "EfficientNet B0–B7", "efficientnet_v2": "EfficientNetV2",
    "inception_resnet_v2": "Inception-ResNet-v2", "inception_v3": "Inception v3", "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2", "mobilenet_v3": "MobileNetV3", "nasnet": "NASNet", "resnet": "ResNet",
    "resnet_v2": "ResNet v2", "vgg": "VGG", "xception": "Xception",
}  # fmt: skip


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def generate(name: str) -> str:
    """The text of one generated part, which ends with a newline."""
    kind, _, what = name.partition(" ")
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "families": families, "models": models, "command": lambda: command(what)}
    return "\n".join(makers[kind]()) + "\n"


def by_family() -> Iterator[tuple[str, list[Entry]]]:
    for family, entries in groupby(search(), key=lambda entry: entry.family):
        yield family, list(entries)


def families() -> Iterator[str]:
    """One row a family."""
    yield "| family | models | input, pixels | parameters | top-1 |"
    yield "|---|--:|---|---|---|"
    total = 0
    for family, entries in by_family():
        total += len(entries)
        sizes = [entry.preprocessing.size[0] for entry in entries if entry.preprocessing]
        best = [metric.value for entry in entries for metric in entry.metrics if metric.name == "top1"]
        yield (f"| {FAMILIES.get(family, family)} | {len(entries)} | {span(sizes, str)} "
               f"| {span([e.parameters for e in entries], millions)} | {span(best, percent)} |")
    yield f"| **together** | **{total}** | | | |"


def models() -> Iterator[str]:
    """One section a family, one row a model."""
    for family, entries in by_family():
        first = entries[0]
        sources = sorted({metric.source for entry in entries for metric in entry.metrics})
        yield from ("", f"### {FAMILIES.get(family, family)}", "", f"`family`: `{family}`. Paper: {first.paper}.")
        licences = sorted({entry.licence for entry in entries})
        hashed = sum(any(file.md5 or file.sha256 for file in entry.weights.values()) for entry in entries)
        if all(file.source.startswith("embedded:") for entry in entries for file in entry.weights.values()):
            yield f"Licence of the weights: {', '.join(licences)}."
        else:
            told = {0: "none, so the first download is pinned", len(entries): "published by Keras"}
            hashes = told.get(hashed, f"{hashed} of {len(entries)}")
            yield f"Licence of the weights: {', '.join(licences)}. Hashes: {hashes}."
        if len({preprocessing_in_words(e.preprocessing).split("; ")[1] for e in entries if e.preprocessing}) == 1:
            assert first.preprocessing is not None
            yield f"Pixels: {preprocessing_in_words(first.preprocessing).split('; ')[1]}."
        yield from ("", "| name | also called | input | parameters | GFLOPs | top-1 | top-5 | without top from |")
        yield "|---|---|--:|--:|--:|--:|--:|--:|"
        for entry in entries:
            figures = {metric.name: percent(metric.value) for metric in entry.metrics}
            size = f"{entry.preprocessing.size[1]}x{entry.preprocessing.size[0]}" if entry.preprocessing else ""
            aliases = ", ".join(f"`{alias}`" for alias in entry.aliases)
            gflops = "" if entry.gflops is None else f"{entry.gflops:.3g}"
            yield (f"| `{entry.name}` | {aliases} | {size} | {entry.parameters:,} | {gflops} "
                   f"| {figures.get('top1', '')} | {figures.get('top5', '')} | {entry.min_size}x{entry.min_size} |")
        dataset = next((metric.dataset for entry in entries for metric in entry.metrics), "")
        links = ", ".join(f"<{source}>" if "://" in source else f"`{source}`" for source in sources)
        yield from ("", f"Accuracy on {dataset}; source: {links}.")


def command(name: str) -> Iterator[str]:
    """The arguments and options of one command, such as "cache rm"."""
    import typer

    from warmstart.cli.app import app

    found: Any = typer.main.get_command(app)
    for word in name.split():
        found = found.commands[word]
    yield f"{found.help.splitlines()[0]}"
    rest = " ".join(found.help.splitlines()[1:]).strip()
    if rest:
        yield rest
    yield from ("", "| argument or option | meaning | default |", "|---|---|---|")
    for parameter in found.params:
        if parameter.name == "help":
            continue
        options = [option for option in parameter.opts if option.startswith("-")]
        shown = ", ".join(f"`{o}`" for o in sorted(options, key=len, reverse=True)) or f"`{parameter.name.upper()}`"
        default = parameter.default
        unset = default is None or callable(default) or isinstance(default, bool | tuple | list)
        told = "required" if parameter.required else "" if unset else f"`{default}`"
        text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
        yield f"| {shown} | {text} | {told} |"


def span(values: list[Any], show: Callable[[Any], str]) -> str:
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{low} – {high}"


def millions(count: int) -> str:
    return f"{count / 1e6:.1f} M"


def percent(value: float) -> str:
    return f"{value:.1%}"


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
