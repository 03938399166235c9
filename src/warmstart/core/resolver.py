"""Resolve a name, folder or source to an entry, its labels, its weights and its folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from warmstart import catalog, hub
from warmstart.catalog import Entry, Label, licences
from warmstart.core import bundle
from warmstart.core.model_files import refuse_damaged
from warmstart.core.weights import Weights
from warmstart.errors import ChecksumError, DownloadError, OfflineError, UsageError
from warmstart.models import family, repository

OWN = ("pretrained", "imagenet")
CATALOGUE_FIELDS = (
    "name",
    "family",
    "title",
    "weights",
    "licence",
    "metrics",
    "paper",
    "aliases",
    "parameters",
    "gflops",
)
"""Fields of an entry that the catalogue defines even if the model is a repository; the others are read
from its files."""
SCHEMES = ("hf://", "package:", "embedded:")


@dataclass(frozen=True)
class ModelSource:
    """The parts of a model.

    Attributes:
        entry, labels, weights: of the model.
        folder: its bundle or repository; None if it has none.
        is_bundle: whether the folder is a bundle.
    """

    entry: Entry
    labels: tuple[Label, ...]
    weights: Weights
    folder: Path | None
    is_bundle: bool = False


def open_source(
    name: str | Path,
    *,
    task: str | None = None,
    weights: str | Path | None = "pretrained",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> ModelSource:
    """Find an entry, its labels and its weights; arguments and errors are those of
    `warmstart.load`.
    """
    folder = find_folder(name, revision, offline, progress)
    if folder is None:
        entry = catalog.get(str(name))
        licences.announce(entry.name, entry.licence)
        files = {file.source: file for key, file in entry.weights.items() if key.startswith("repo")}
        repositories = list(files)
        # with other weights, the repository is not needed if the entry is complete
        whole = weights not in OWN and entry.config and entry.labels
        if not repositories or whole:
            labels = catalog.labels(entry.labels) if entry.labels else ()
            own = fetch_weights(weights, entry, offline, progress)
            return _saved_classifier(entry, labels, own) or ModelSource(entry, labels, own, None)
        source = next(filter(hub.is_cached, repositories), repositories[-1])
        is_own = weights in OWN
        with _named(entry.name, source, "weights" if is_own else "config and other files"):
            folder = hub.fetch_repo(
                source,
                repository.FILES if is_own else repository.DESCRIPTION,
                alternatives=repository.ALTERNATIVES if is_own else None,
                offline=offline,
                progress=progress,
            )
        entry_of_folder, labels = repository.read(folder, task or entry.task)
        catalogue = {key: getattr(entry, key) for key in CATALOGUE_FIELDS}
        own = _folder_weights(folder, weights, offline, progress)
        if weights in OWN and files[source].sha256 not in (None, own.digest):
            raise ChecksumError(
                f"{own.path} is not the published file (its sha256 is {own.digest}); fetch it again."
            )
        return ModelSource(replace(entry_of_folder, **catalogue), labels, own, folder)
    if bundle.is_bundle(folder):
        contents = bundle.read(folder)
        licences.announce(contents.entry.name, contents.entry.licence)
        own = (
            bundle_weights(contents)
            if weights in OWN
            else fetch_weights(weights, None, offline, progress)
        )
        classifier = _saved_classifier(contents.entry, contents.labels, own)
        return classifier or ModelSource(
            contents.entry, contents.labels, own, folder, is_bundle=True
        )
    entry, labels = repository.read(folder, task)
    licences.announce(str(name), entry.licence)
    return ModelSource(entry, labels, _folder_weights(folder, weights, offline, progress), folder)


def for_task(opened: ModelSource, task: str | None) -> ModelSource:
    """A model for a task, with the same weights.

    Raises:
        UsageError: the model does not support the task.
    """
    entry = opened.entry
    if task in (None, entry.task):
        return opened
    adapt = getattr(family(entry.architecture), "as_task", None)
    adapted = adapt(entry, task) if adapt else None
    if adapted is None:
        raise UsageError(
            f"{entry.name} is a model for {entry.task}, not {task}.", section="models.md"
        )
    return replace(opened, entry=adapted, labels=())


def _saved_classifier(
    entry: Entry, labels: tuple[Label, ...], weights: Weights
) -> ModelSource | None:
    """A classifier that was trained and saved with Keras on the network of an entry; None where
    the weights are of the network itself.
    """
    if weights.path is None or weights.published:
        return None
    from warmstart.models.image.transfer import saved_entry

    classifier = saved_entry.read(entry, labels, weights.path)
    return ModelSource(*classifier, weights, None) if classifier else None


def _folder_weights(
    folder: Path, weights: str | Path | None, offline: bool | None, progress: hub.Progress | None
) -> Weights:
    if weights in OWN:
        return Weights.of(folder, published=True)
    return fetch_weights(weights, None, offline, progress)


def find_folder(
    name: str | Path,
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> Path | None:
    """The folder of a bundle or of a Hugging Face repository; None where `name` is a name of the
    catalogue.

    Raises:
        UsageError: there is no such folder, or no model in it.
        BundleError: it is a bundle without its manifest.
    """
    text = os.fspath(name)
    if text.startswith(SCHEMES):
        patterns = (
            (*repository.FILES, "artifacts/*", "README.md", bundle.REPORT)
            if text.startswith("hf://")
            else ("*",)
        )
        folder = hub.fetch_repo(
            text,
            patterns,
            alternatives=repository.ALTERNATIVES,
            revision=revision,
            offline=offline,
            progress=progress,
        )
    elif isinstance(name, Path) or os.sep in text or (text and Path(text).exists()):
        folder = Path(text).expanduser()
        if not folder.exists():
            raise UsageError(f"The folder {text} does not exist.", section="bundles.md")
        if folder.is_file():
            raise UsageError(
                f"{text} is a file, not a model folder. If it is a weight file, name its network "
                f"from `warmstart list`, and set weights={text!r} in Python or --weights {text} on "
                "the command line."
            )
    else:
        embedded = Path(__file__).parents[1] / "embedded" / text.lower()
        return embedded if text and bundle.is_bundle(embedded) else None
    refuse_damaged(folder)
    if not bundle.is_bundle(folder) and not repository.is_repository(folder):
        if (folder / bundle.STATE).is_dir():
            raise UsageError(
                f"{text} is the folder of a fine-tuning that has not finished, so it is no model "
                "yet; the same call of `warmstart finetune` or ws.finetune resumes it.",
                section="fine-tuning.md#long-runs",
            )
        raise UsageError(
            f"{text} contains no warmstart.json, so it is not a bundle, and no config.json of Hugging Face. "
            "If it contains a checkpoint, name its network from `warmstart list`, and set weights= in "
            "Python or --weights on the command line to its file.",
            section="bundles.md",
        )
    return folder


def bundle_weights(contents: bundle.Contents) -> Weights:
    """The weights of a bundle; its metrics, if it has some, are of these."""
    return Weights(contents.weights, contents.digest, published=True)


@contextmanager
def _named(model: str, source: str, what: str = "weights") -> Iterator[None]:
    """Add to a failed download which files of which model it was for, and what else can be done."""
    try:
        yield
    except (DownloadError, OfflineError) as error:
        reason = re.sub(r"https?://\S+: ", "", str(error)).rstrip(".")
        mirror = "HF_ENDPOINT" if source.startswith("hf://") else "WARMSTART_MIRROR"
        own_file = "pass a file with weights=FILE, " if what == "weights" else ""
        raise type(error)(
            f"The {what} of {model} cannot be fetched: {reason}. Or {own_file}name a mirror "
            f"with {mirror}=URL, or download them elsewhere with `warmstart pull {model}`, "
            "for offline use."
        ) from None


def fetch_weights(
    weights: str | Path | None,
    entry: Entry | None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> Weights:
    """The weights that the user names: the entry's own, a checkpoint's, or (None) random ones."""
    if weights is None:
        return Weights.random()
    if entry is not None and weights in OWN:
        if "top" not in entry.weights:
            raise UsageError(
                f"{entry.name} has no published weights; pass weights=PATH, or None for "
                "random weights."
            )
        weights = entry.weights["top"].source
    for file in entry.weights.values() if entry else ():
        if entry and file.source == weights:
            with _named(entry.name, file.source):
                path = hub.fetch(
                    file.source,
                    sha256=file.sha256,
                    md5=file.md5,
                    offline=offline,
                    progress=progress,
                )
            return Weights.of(path, published=True)
    return Weights.of(hub.fetch(os.fspath(weights), offline=offline, progress=progress))
