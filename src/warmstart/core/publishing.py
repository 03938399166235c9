"""`Model.push_to_hub`: uploads a bundle to the Hugging Face hub, with metadata that the hub reads."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart import catalog
from warmstart.core import bundle
from warmstart.core.adapters import CONFIG as ADAPTER_CONFIG
from warmstart.core.task import task_of
from warmstart.errors import UnknownModelError, UsageError, documented_in
from warmstart.hub.files import read_json
from warmstart.hub.sources import Hub, parse

if TYPE_CHECKING:
    from warmstart.catalog import Entry
    from warmstart.core.loaded_model import LoadedModel

MARK = "---"


@documented_in("hub.md")
def push(folder: Path, name: str, *, private: bool | None = None, message: str = "") -> str:
    """Upload the folder of a bundle.

    Args:
        folder: of the bundle.
        name: `"org/name"`.
        private: whether a new repository is private; default: the setting of the account.
        message: of the commit.

    Returns:
        The address of the repository.

    Raises:
        BundleError: the bundle is incomplete or damaged.
        UsageError: the folder is not a bundle; see also `hub.upload.upload_folder`.
        SourceError: see `hub.upload.upload_folder`.
    """
    from warmstart.hub import upload

    upload.check_name(name)
    if not bundle.is_bundle(folder):
        raise UsageError(f"{folder} is not the folder of a model: it has no {bundle.MANIFEST}.")
    contents = bundle.read(folder)
    with tempfile.TemporaryDirectory(prefix="warmstart-") as temporary:
        copy = Path(temporary) / "bundle"
        copy.mkdir()
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            is_part = not relative.parts[0].startswith(".") and relative.parts[0] != bundle.STATE
            if path.is_file() and is_part:
                (copy / relative).parent.mkdir(parents=True, exist_ok=True)
                _link(path.resolve(), copy / relative)
        card = folder / "README.md"
        text = card.read_text("utf-8") if card.is_file() else ""
        (copy / "README.md").unlink(missing_ok=True)
        text = text or bundle.model_card(contents.entry, contents.labels)
        facts = metadata(contents.entry, base_of(folder), datasets_of(folder))
        (copy / "README.md").write_text(with_metadata(text, facts, name), "utf-8")
        message = message or f"Upload {contents.entry.name} with warmstart"
        return upload.upload_folder(copy, name, private=private, message=message)


def push_model(model: LoadedModel, name: str, *, private: bool | None, message: str) -> str:
    """Upload a model: the folder of its bundle if it has one, else the output of `save`."""
    if model.folder is not None and bundle.is_bundle(model.folder):
        return push(model.folder, name, private=private, message=message)
    with tempfile.TemporaryDirectory(prefix="warmstart-") as temporary:
        folder = model.save(Path(temporary) / model.name)
        return push(folder, name, private=private, message=message)


def metadata(entry: Entry, base: str | None = None, datasets: Sequence[str] = ()) -> dict[str, Any]:
    """The hub's metadata of a model, as JSON values.

    Source: "Model Cards" in the documentation of the Hugging Face hub.

    Args:
        entry: of the model.
        base: the repository of the model that it was fine-tuned from.
        datasets: the repositories of the data on the hub.
    """
    facts: dict[str, Any] = {"library_name": "warmstart", "tags": ["warmstart", entry.task]}
    if entry.licence and entry.licence != "NOASSERTION":
        facts["license"] = entry.licence.lower()
    if (hub_name := task_of(entry.task).hub_name) is not None:
        facts["pipeline_tag"] = hub_name or entry.task
    if base:
        facts["base_model"] = base
    if datasets:
        facts["datasets"] = list(datasets)
    if entry.metrics:
        facts["metrics"] = sorted({metric.name for metric in entry.metrics})
        facts["model-index"] = [
            {
                "name": entry.name,
                "results": [
                    {
                        "task": {"type": facts.get("pipeline_tag", entry.task)},
                        "dataset": {"name": metric.dataset, "type": metric.dataset},
                        "metrics": [{"type": metric.name, "value": metric.value}],
                    }
                    for metric in entry.metrics
                ],
            }
        ]
    return facts


def with_metadata(card: str, facts: dict[str, Any], name: str) -> str:
    """A model card with these facts as YAML, whose values are JSON; its example names the repository."""
    body = card
    if card.startswith(f"{MARK}\n"):
        body = card[len(MARK) + 1 :].partition(f"\n{MARK}\n")[2] or card
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    body = body.lstrip("\n").replace("path/of/this/folder", f"hf://{name}")
    return "\n".join([MARK, *lines, MARK, "", body])


def base_of(folder: Path) -> str | None:
    """The repository of the hub that a model was fine-tuned from; None if it has none.

    It is recorded by an adapter, or by `training.json`; or it is the repository of the entry of the
    catalogue that was the base.
    """
    trained = read_json(folder / bundle.TRAINING) or {}
    settings = trained.get("settings")
    name = settings.get("base") if isinstance(settings, Mapping) else None
    try:
        repositories = [file.source for file in catalog.get(str(name)).weights.values()]
    except UnknownModelError:
        repositories = []
    adapted = (read_json(folder / ADAPTER_CONFIG) or {}).get("base_model_name_or_path")
    for source in (adapted, trained.get("base_source"), *repositories):
        if isinstance(source, str) and source.startswith("hf://"):
            parsed = parse(source)
            return parsed.repository if isinstance(parsed, Hub) else None
    return None


def datasets_of(folder: Path) -> tuple[str, ...]:
    """The repositories of the data that a model was fine-tuned on, if they are known."""
    name = (read_json(folder / bundle.TRAINING) or {}).get("dataset")
    return (name,) if isinstance(name, str) and name else ()


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
