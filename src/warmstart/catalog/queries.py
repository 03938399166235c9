"""Queries over the catalogue. Files are read when a query needs them, each once per process.

`entries/<family>.toml` contains one family: a `[defaults]` table, and a `[[variant]]` table per
model which overrides it, key by key. Two keys are short forms: `weights_base` is the prefix of
every weight source without a scheme, and `top1` / `top5` become metrics on `metrics_dataset` from
`metrics_source`. Every name and alias in a file starts with the first word of the file's name
(`resnet50_v2` is in `resnet_v2.toml`), so that a query for one name reads a few small files.

A model that ships inside warmstart is a bundle, `embedded/<name>/warmstart.json`; its key `entry`
is the entry.
"""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import UnknownModelError, UsageError
from warmstart.suggestions import near

ENTRIES = Path(__file__).with_name("entries")
LABELS = Path(__file__).with_name("labels")
EMBEDDED = Path(__file__).parents[1] / "embedded"
MOST_NAMED = 8
"""Models that a message names."""
_WILD = re.compile(r"[*?\[]")


def get(name: str) -> Entry:
    """The entry with this name or alias, ignoring case.

    Raises:
        UnknownModelError: there is none; the message suggests similar names.
    """
    normalized = str(name).strip().lower()
    for entry in _candidates(normalized):
        if normalized in (entry.name, *entry.aliases):
            return entry
    names = [known for entry in _all() for known in (entry.name, *entry.aliases)]
    like = (
        [] if _WILD.search(normalized) or _plain(normalized) in map(_plain, names) else search(name)
    )
    if like:
        listed = ", ".join(entry.name for entry in like[:MOST_NAMED])
        more = f" and {len(like) - MOST_NAMED} more" if len(like) > MOST_NAMED else ""
        raise UnknownModelError(
            f"There is no model named {name!r}; `warmstart list {shlex.quote(normalized)}` finds "
            f"{listed}{more}."
        )
    raise UnknownModelError(
        f"There is no model named {name!r}{_suggestion(normalized, names)} See `warmstart list`."
    )


def search(query: str = "*", *, task: str | None = None, family: str | None = None) -> list[Entry]:
    """Entries that match, in catalogue order: embedded ones, then by family.

    Args:
        query: a name or alias; a shell pattern of them (`*`, `?`, `[abc]`); or words that names,
            aliases, titles, families and tasks start with. Case is ignored.
        task: such as "image-classification"; any if None.
        family: such as "mobilenet_v2"; any if None.
    """
    entries = [
        entry
        for entry in _all()
        if (task is None or entry.task == task) and (family is None or entry.family == family)
    ]
    query = query.strip().lower()
    named = [
        entry
        for entry in entries
        if any(fnmatchcase(name, query) for name in (entry.name, *entry.aliases))
    ]
    if named or _WILD.search(query):
        return named
    words = re.findall(r"[^\s_-]+", query)
    for start in (r"\b", ""):  # at the beginning of words, else anywhere
        patterns = [re.compile(start + re.escape(word)) for word in words]
        matching = [
            entry
            for entry in entries
            if patterns and all(pattern.search(_searched(entry)) for pattern in patterns)
        ]
        if matching:
            return matching
    return []


def _searched(entry: Entry) -> str:
    """The words of an entry that a search matches."""
    parts = (entry.name, *entry.aliases, entry.family, entry.task, entry.title)
    return re.sub(r"[_-]", " ", " ".join(parts).lower())


@cache
def labels(name: str) -> tuple[Label, ...]:
    """A label set, in order of the model's outputs: from a file of `labels/` or an embedded model.

    Args:
        name: such as "imagenet-1k".

    Raises:
        UsageError: there is no such set.
    """
    files = {path.stem: path for path in LABELS.glob("*.tsv")}
    if name in files:
        rows = (
            files[name].read_text(encoding="utf-8").splitlines()[1:]
        )  # the first line names the columns
        columns = [
            (int(index), id_, label) for index, id_, label in (row.split("\t") for row in rows)
        ]
        return _in_order(name, tuple(Label(*row) for row in columns))
    for path in _bundles():
        if _embedded(path).labels == name:
            records = json.loads(path.with_name("labels.json").read_text(encoding="utf-8"))
            return _in_order(
                name, tuple(Label(row["index"], row["id"], row["name"]) for row in records)
            )
    known = sorted({*files, *(_embedded(path).labels for path in _bundles())})
    raise UsageError(f"there is no label set named {name!r}; available: {', '.join(known)}")


def _in_order(name: str, classes: tuple[Label, ...]) -> tuple[Label, ...]:
    for position, label in enumerate(classes):
        if label.index != position:
            raise UsageError(f"label set {name!r}: index {label.index} at position {position}")
    return classes


def _candidates(name: str) -> Iterator[Entry]:
    """Entries of the files that may contain `name`."""
    for path in _bundles():
        yield _embedded(path)
    for file in _files():
        if name.startswith(file.stem.partition("_")[0]):
            yield from _family(file)


def _all() -> Iterator[Entry]:
    for path in _bundles():
        yield _embedded(path)
    for file in _files():
        yield from _family(file)


def _bundles() -> list[Path]:
    return sorted(EMBEDDED.glob("*/warmstart.json"))


@cache
def _files() -> tuple[Path, ...]:
    return tuple(sorted(ENTRIES.glob("*.toml")))


@cache
def _family(path: Path) -> tuple[Entry, ...]:
    with path.open("rb") as file:
        tables = tomllib.load(file)
    return tuple(
        Entry.from_dict(expand(variant, tables["defaults"])) for variant in tables["variant"]
    )


@cache
def _embedded(path: Path) -> Entry:
    return Entry.from_dict(json.loads(path.read_text(encoding="utf-8"))["entry"])


def expand(variant: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """One `[[variant]]` table merged with the defaults of the family, with the short forms
    expanded.
    """
    merged = {**defaults, **variant}
    for key in ("config", "preprocessing"):
        if isinstance(defaults.get(key), Mapping) and isinstance(variant.get(key), Mapping):
            merged[key] = {**defaults[key], **variant[key]}
    base = merged.pop("weights_base", "")
    merged["weights"] = {
        key: {**file, "source": file["source"] if ":" in file["source"] else base + file["source"]}
        for key, file in merged.get("weights", {}).items()
    }
    dataset, source = merged.pop("metrics_dataset", ""), merged.pop("metrics_source", "")
    figures = {key: merged.pop(key) for key in ("top1", "top5") if key in merged}
    merged["metrics"] = [
        *merged.get("metrics", ()),
        *(
            {"name": key, "value": value, "dataset": dataset, "source": source}
            for key, value in figures.items()
        ),
    ]
    merged.setdefault("gflops", None)  # TOML has no null
    merged.setdefault("preprocessing", None)
    return merged


def _suggestion(name: str, names: list[str]) -> str:
    squeezed = {_plain(known): known for known in reversed(names)}
    similar = near(_plain(name), squeezed, 3)
    if not similar:
        return "."
    return f"; did you mean {' or '.join(squeezed[match] for match in similar)}?"


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "")
