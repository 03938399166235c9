"""Write the generated parts of README.md and docs/: the tables of models, and the options of the
commands.

    python scripts/make_docs.py [--check]

A generated part stands between `<!-- generated: NAME -->` and `<!-- /generated -->`. `--check`
writes nothing and exits with 1 where a file differs.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

import warmstart
from warmstart import api, errors
from warmstart.catalog import Entry, search
from warmstart.catalog.words import preprocessing_in_words
from warmstart.cli.app import app
from warmstart.cli.help import default_text, spelling, value_name
from warmstart.core.option import Field
from warmstart.core.options import fields_of
from warmstart.core.task import TASKS, task_of
from warmstart.core.wire import Result

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- /generated -->)", re.DOTALL)
FAMILIES = {
    "bert": "BERT",
    "bge": "BGE",
    "chronos_bolt": "Chronos-Bolt",
    "convnext": "ConvNeXt",
    "deepar": "DeepAR",
    "deeplabv3": "DeepLabV3",
    "densenet": "DenseNet",
    "dfine": "D-FINE",
    "distilbert": "DistilBERT",
    "efficientnet": "EfficientNet",
    "efficientnet_lite": "EfficientNet-Lite",
    "efficientnet_v2": "EfficientNetV2",
    "deit3": "DeiT III",
    "dinov2": "DINOv2",
    "fcos": "FCOS",
    "gpt2": "GPT-2",
    "inception_resnet_v2": "Inception-ResNet-v2",
    "inception_v3": "Inception v3",
    "minilm": "MiniLM",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3": "MobileNetV3",
    "nasnet": "NASNet",
    "resnet": "ResNet",
    "resnet_torch": "ResNet v1.5",
    "resnet_v2": "ResNet v2",
    "roberta": "RoBERTa",
    "segformer": "SegFormer",
    "vgg": "VGG",
    "vit": "ViT",
    "wavenet": "WaveNet",
    "whisper": "Whisper",
    "xception": "Xception",
}
METRICS = {
    "ap": "AP",
    "ap50": "AP50",
    "exact": "exact match",
    "f1": "F1",
    "glue": "GLUE",
    "mean_wQL": "weighted quantile loss",
    "miou": "mean IoU",
    "mnli": "MNLI",
    "mteb": "MTEB",
    "nats_per_character": "nats per character",
    "recognised": "recognised",
    "sentence_performance": "sentence embedding",
    "sst2": "SST-2",
    "top1": "top-1",
    "top5": "top-5",
    "wer": "word error rate",
    "wer_normalized": "word error rate after Whisper's text normalizer",
}
"""Metrics as people write them; others as the catalogue does."""
CALLS = {"__call__", "stream", "features", "evaluate"}
"""What each class of models declares with inputs, options and results of its own."""
HOOKS_OF_MODELS = """
prepare decode compute compute_features forward group_size vector generated selected
elements stream_items input_kind check_options read_table from_row predict predict_stream
predict_features run results batch check_parts check_program compare_saved_model files program ready
option_names option_examples samples agreement_rule trial artifact own_artifact calibrated_artifact
stored_precision requested_engine is_compiled is_open on_engine in_precision with_engine features_digest
query_features corpus_vectors

row sequences windows layout method joins step_batch check_streamed require_classes decisions metrics
merged tags scheme overlap class_index prompt_of suppressed ends max_total defaults entailment
recognizer is_vocoder answer scores
"""
"""What a task defines and the package calls: of all models, then of single tasks. The reference of
users leaves these out.
"""
OTHER_HOOKS = """
csv_columns csv_rows table_rows file_content encoded reported is_counted of of_channels indexed
photo audio audio_wav mask_png class_title show
columns copy
"""
"""The same, of results and of what holds them."""


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def generate(name: str) -> str:
    """The text of one generated part, which ends with a newline."""
    first, _, rest = name.partition(" ")
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "tasks": tasks,
        "families": families,
        "models": models,
        "command": lambda: command(rest),
        "verb": lambda: verb(rest),
        "training": lambda: training(rest),
        "program": lambda: program(rest),
        "errors": error_tree,
        "reference": lambda: reference(rest),
        "results": members_of_results,
    }
    return "\n".join(makers[first]()) + "\n"


def reference(group: str) -> Iterator[str]:
    """Directives from which Sphinx makes the reference of a group of public names."""
    names = [name for name in api.__all__ if group_of(name) == group]
    for name in names:
        yield from (f"### {name}", "", "```{eval-rst}")
        if group == "functions":
            yield from (f".. autofunction:: warmstart.{name}", "```", "")
            continue
        yield from _class_directive(f"warmstart.{name}", list(documented(name)))
        if group == "models" and name != "Model":
            yield from call_options(name)


def members_of_results() -> Iterator[str]:
    """What every result has, once."""
    yield "```{eval-rst}"
    yield from _class_directive(
        f"{Result.__module__}.{Result.__name__}", list(user_members(Result))
    )


def _class_directive(path: str, members: list[str]) -> Iterator[str]:
    yield f".. autoclass:: {path}"
    if members:
        yield f"   :members: {', '.join(name for name in members if name != '__call__')}"
    if "__call__" in members:
        yield "   :special-members: __call__"
    yield from ("   :show-inheritance:", "```", "")


def documented(name: str) -> Mapping[str, Callable[..., Any]]:
    """The members that the reference shows with a public class: its own, and those that it documents
    differently than `Model` or `Result`, which have the others.
    """
    cls = getattr(warmstart, name)
    base = next((one for one in (warmstart.Model, Result) if one in cls.__mro__[1:]), None)
    members = user_members(cls)
    if cls is warmstart.Model:  # each class of models shows its own
        return {key: one for key, one in members.items() if key not in CALLS}
    shared = user_members(base) if base else {}
    return {
        key: one
        for key, one in members.items()
        if shared.get(key) is not one and (one.__doc__ or key not in shared)
    }


def user_members(cls: type) -> dict[str, Callable[..., Any]]:
    """Public methods and properties of a class, by name, without hooks: their functions."""
    hooks = HOOKS_OF_MODELS if issubclass(cls, warmstart.Model) else OTHER_HOOKS
    found: dict[str, Callable[..., Any]] = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("warmstart."):
            continue
        for name, value in vars(base).items():
            function = getattr(value, "fget", getattr(value, "func", None)) or value
            function = getattr(function, "__func__", function)
            is_own = inspect.isfunction(function)
            if (
                is_own
                and name not in hooks.split()
                and (name == "__call__" or not name.startswith("_"))
            ):
                found[name] = function
    return found


def call_options(name: str) -> Iterator[str]:
    """The options of a call of a class of models, as a table."""
    yield from ("| option of a call | type | meaning | default |", "|---|---|---|---|")
    for field in fields_of(getattr(warmstart, name).options).values():
        text = field.option.help.replace("|", "\\|")
        valid = field.option.range_text()
        default = "required" if field.required else f"`{field.default!r}`"
        yield (
            f"| `{field.name}` | {type_in_words(field)} | {text}"
            f"{f' Valid: {valid}.' if valid else ''} | {default} |"
        )
    yield ""


def type_in_words(field: Field) -> str:
    """The type of an option: "int", "list of str", "'a' or 'b'"."""
    words = " or ".join(f"`{choice!r}`" for choice in field.choices) or field.type.__name__
    words = {
        "object": "see its meaning",
        "NoneType": "see its meaning",
        "Any": "see its meaning",
    }.get(words, words)
    if field.is_sequence:
        words = f"list of {words}"
    return f"{words} or None" if field.nullable and words != "see its meaning" else words


def group_of(name: str) -> str:
    """The group of the reference that a public name belongs to."""
    value = getattr(warmstart, name)
    if not inspect.isclass(value):
        return "functions"
    if issubclass(value, warmstart.Model):
        return "models"
    return "results"


def by_family() -> dict[tuple[str, str], list[Entry]]:
    """(task, family) -> its entries: tasks in the order of their table, entries in that of the
    catalogue.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in search():
        groups.setdefault((entry.task, entry.family), []).append(entry)
    order = list(TASKS)
    return dict(sorted(groups.items(), key=lambda item: order.index(item[0][0])))


def family_name(family: str) -> str:
    return FAMILIES.get(family, family)


def tasks() -> Iterator[str]:
    """One row a task."""
    yield "| task | verb | models | families |"
    yield "|---|---|--:|---|"
    groups, total = by_family(), 0
    for task in dict.fromkeys(task for task, _ in groups):
        members = {family: entries for (each, family), entries in groups.items() if each == task}
        count = sum(map(len, members.values()))
        total += count
        names = ", ".join(map(family_name, members))
        yield f"| {task} | `{TASKS[task].verb}` | {count} | {names} |"
    yield f"| | | **{total}** | |"


def families() -> Iterator[str]:
    """One row a family, task by task."""
    yield "| task | family | models | embedded | parameters | published |"
    yield "|---|---|--:|---|---|---|"
    total, before = 0, ""
    for (task, family), entries in by_family().items():
        total += len(entries)
        inside = ", ".join(f"`{entry.name}`" for entry in entries if is_embedded(entry))
        cells = (
            task if task != before else "",
            family_name(family),
            str(len(entries)),
            inside,
            span([entry.parameters for entry in entries], millions),
            published(entries),
        )
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")
        before = task
    yield f"| | **total** | **{total}** | | | |"


def is_embedded(entry: Entry) -> bool:
    return any(file.source.startswith("embedded:") for file in entry.weights.values())


def published(entries: list[Entry]) -> str:
    """The range of the first figure of the published models; embedded ones only where there are no
    others.
    """
    counted = [entry for entry in entries if not is_embedded(entry)] or entries
    first = [entry.metrics[0] for entry in counted if entry.metrics]
    if not first:
        return ""
    values = [metric.value for metric in first if metric.name == first[0].name]
    return f"{metric_name(first[0].name)} {span(values, figure)}"


def metric_name(name: str) -> str:
    return METRICS.get(name, name.replace("_", " "))


def models() -> Iterator[str]:
    """One section a task and family, one row a model."""
    task_before = ""
    for (task, family), entries in by_family().items():
        if task != task_before:
            yield from ("", f"### {task}")
        task_before = task
        yield from ("", f"#### {family_name(family)}", "", *_described_family(family, entries))
        yield from (
            _photo_models(entries) if task == "image-classification" else _other_models(entries)
        )
        sources = sorted({metric.source for entry in entries for metric in entry.metrics})
        metrics = [metric for entry in entries for metric in entry.metrics]
        dataset = ", ".join(dict.fromkeys(metric.dataset for metric in metrics))
        links = ", ".join(f"<{source}>" if "://" in source else f"`{source}`" for source in sources)
        if dataset:
            noun = "Accuracy" if task == "image-classification" else "Figures"
            yield from ("", f"{noun} on {dataset}; source: {links}.")


def _described_family(family: str, entries: list[Entry]) -> Iterator[str]:
    papers = dict.fromkeys(entry.paper for entry in entries)
    yield f"`family`: `{family}`. Paper: {'; '.join(papers)}."
    licences = ", ".join(sorted({entry.licence for entry in entries}))
    files = [file for entry in entries for file in entry.weights.values()]
    if {file.source.split(":")[0] for file in files} <= {"embedded", "hf", "package"}:
        # the hub states a hash for every file of a commit
        yield f"Licence of the weights: {licences}."
        return
    hashed = sum(
        any(file.md5 or file.sha256 for file in entry.weights.values()) for entry in entries
    )
    all_or_none = {0: "none, so the first download is pinned", len(entries): "published by Keras"}
    hashes = all_or_none.get(hashed, f"{hashed} of {len(entries)}")
    yield f"Licence of the weights: {licences}. Hashes: {hashes}."


def _photo_models(entries: list[Entry]) -> Iterator[str]:
    """Image classifiers: size of their input, published accuracy, and the smallest input without
    top.
    """
    first = entries[0]
    if (
        len(
            {
                preprocessing_in_words(e.preprocessing).split("; ")[1]
                for e in entries
                if e.preprocessing
            }
        )
        == 1
    ):
        assert first.preprocessing is not None
        yield f"Pixels: {preprocessing_in_words(first.preprocessing).split('; ')[1]}."
    yield from (
        "",
        "| name | also called | input | parameters | GFLOPs | top-1 | top-5 | without top from |",
    )
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for entry in entries:
        figures = {metric.name: percent(metric.value) for metric in entry.metrics}
        size = (
            f"{entry.preprocessing.size[1]}x{entry.preprocessing.size[0]}"
            if entry.preprocessing
            else ""
        )
        gflops = "" if entry.gflops is None else f"{entry.gflops:.3g}"
        yield (
            f"| `{entry.name}` | {aliases(entry)} | {size} | {entry.parameters:,} | {gflops} "
            f"| {figures.get('top1', '')} | {figures.get('top5', '')} | {entry.min_size}x{entry.min_size} |"
        )


def _other_models(entries: list[Entry]) -> Iterator[str]:
    yield from ("", "| name | also called | parameters | figures |", "|---|---|--:|---|")
    for entry in entries:
        figures = ", ".join(
            f"{metric_name(metric.name)} {figure(metric.value)}" for metric in entry.metrics
        )
        yield f"| `{entry.name}` | {aliases(entry)} | {entry.parameters:,} | {figures} |"


def aliases(entry: Entry) -> str:
    return ", ".join(f"`{alias}`" for alias in entry.aliases)


def command(name: str) -> Iterator[str]:
    """The arguments and options of one command, such as "cache rm"."""
    yield _paragraphs(command_named(name).help or "")
    yield from _table(command_parameters(name))


def verb(name: str) -> Iterator[str]:
    """The options that only the tasks of one verb have."""
    from warmstart.cli.tasks import own_parameters

    owners = [each for each in TASKS.values() if each.verb == name]
    yield " ".join(each.summary for each in owners)
    yield from _table(own_parameters(owners))


def training(task: str) -> Iterator[str]:
    """The options of fine-tuning that not all tasks have."""
    from warmstart.cli.parameters import flags_of

    return _table(flags_of(task_of(task).train_options_class(), ""))


def program(path: str) -> Iterator[str]:
    """A Python file as a code block."""
    yield from ("```python", (ROOT / path).read_text(encoding="utf-8").rstrip(), "```")


def error_tree() -> Iterator[str]:
    """The tree in the docstring of warmstart.errors."""
    lines = [line.strip() for line in (errors.__doc__ or "").splitlines()]
    lines = lines[lines.index("WarmstartError") :]
    yield from ("```text", *lines[: lines.index("")], "```")


def command_named(name: str) -> click.Command:
    """The command of a name such as "cache rm"."""
    command: click.Command = app
    for word in name.split():
        assert isinstance(command, click.Group)
        below = command.get_command(click.Context(command), word)
        assert below is not None, name
        command = below
    return command


def command_parameters(name: str) -> list[click.Parameter]:
    command = command_named(name)
    return [
        each for each in command.get_params(click.Context(command)) if "--help" not in each.opts
    ]


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def _table(parameters: Iterable[click.Parameter]) -> Iterator[str]:
    yield from ("", "| argument or option | meaning | default |", "|---|---|---|")
    for parameter in parameters:
        names = (
            [*parameter.opts, *parameter.secondary_opts]
            if isinstance(parameter, click.Option)
            else []
        )
        shown = (
            ", ".join(f"`{each}`" for each in sorted(names, key=len, reverse=True))
            or f"`{spelling(parameter)}`"
        )
        default = default_text(parameter)
        text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
        if choices := value_name(parameter).strip("[]"):
            text += f" One of {', '.join(choices.split('|'))}." if "|" in choices else ""
        yield f"| {shown} | {text} | {'required' if parameter.required else f'`{default}`' if default else ''} |"


def span(values: list[Any], show: Callable[[Any], str]) -> str:
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{low} – {high}"


def millions(count: int) -> str:
    return f"{count / 1e6:.1f} M" if count >= 50_000 else f"{count / 1e6:.2f} M"


def percent(value: float) -> str:
    return f"{value:.1%}"


def figure(value: float) -> str:
    """A published figure: a fraction as a percentage, others (perplexities, errors) as they are."""
    return percent(value) if 0 <= value <= 1 else f"{value:.4g}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where a file differs"
    )
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
