"""`Model.push_to_hub`: a bundle as a repository of the Hugging Face hub, with what its card says in
the form that the hub reads.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.core import bundle
from warmstart.core.task import task_of
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.catalog import Entry
    from warmstart.core.loaded_model import LoadedModel

MARK = "---"


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
        BundleError: the folder is not a whole bundle.
        UsageError, SourceError: see `hub.upload.upload_folder`.
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
            if path.is_file() and not relative.parts[0].startswith((".", "training/")):
                (copy / relative).parent.mkdir(parents=True, exist_ok=True)
                _link(path.resolve(), copy / relative)
        card = folder / "README.md"
        text = card.read_text("utf-8") if card.is_file() else ""
        (copy / "README.md").unlink(missing_ok=True)
        text = text or bundle.model_card(contents.entry, contents.labels)
        facts = metadata(contents.entry, _base(folder))
        (copy / "README.md").write_text(with_metadata(text, facts, name), "utf-8")
        message = message or f"Upload {contents.entry.name} with warmstart"
        return upload.upload_folder(copy, name, private=private, message=message)


def push_model(model: LoadedModel, name: str, *, private: bool | None, message: str) -> str:
    """Upload a model: the folder of its bundle, where it has one, else what `save` writes."""
    if model.folder is not None and bundle.is_bundle(model.folder):
        return push(model.folder, name, private=private, message=message)
    with tempfile.TemporaryDirectory(prefix="warmstart-") as temporary:
        folder = model.save(Path(temporary) / model.name)
        return push(folder, name, private=private, message=message)


def metadata(entry: Entry, base: str | None = None) -> dict[str, Any]:
    """What the hub's metadata says of a model, as JSON values.

    Source: "Model Cards" in the documentation of the Hugging Face hub.
    """
    facts: dict[str, Any] = {"library_name": "warmstart", "tags": ["warmstart", entry.task]}
    if entry.licence and entry.licence != "NOASSERTION":
        facts["license"] = entry.licence.lower()
    if (hub_name := task_of(entry.task).hub_name) is not None:
        facts["pipeline_tag"] = hub_name or entry.task
    if base:
        facts["base_model"] = base
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
    """A card whose metadata are these facts; YAML holds JSON. Its example names the repository."""
    body = card
    if card.startswith(f"{MARK}\n"):
        body = card[len(MARK) + 1 :].partition(f"\n{MARK}\n")[2] or card
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    body = body.lstrip("\n").replace("path/of/this/folder", f"hf://{name}")
    return "\n".join([MARK, *lines, MARK, "", body])


def _base(folder: Path) -> str | None:
    """The repository of the hub that a bundle's adapter changes; None where it names none."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        name = str(config["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name.removeprefix("hf://") if name.startswith("hf://") else None


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
