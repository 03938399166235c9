"""The manifest of a run, `_manifest.json` in its folder; only a run with equal settings is resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from warmstart.bulk.plan import Plan
from warmstart.bulk.shards import Job
from warmstart.bulk.storage import Folder
from warmstart.core.model import Model
from warmstart.counts import counted
from warmstart.errors import BatchError, UsageError

NAME = "_manifest.json"
SUMMARY = "_summary.json"
FORMAT = 1


def read(folder: Folder) -> dict[str, Any] | None:
    """The manifest of a folder; None if the folder is empty.

    Raises:
        UsageError: the folder contains other files.
        BatchError: the manifest is damaged, or of a newer version.
    """
    data = folder.read(NAME)
    if data is None:
        others = sorted(name for name in folder.names() if not name.startswith("."))
        if others:
            raise UsageError(
                f"{folder.path} is not empty and has no batch run (it contains "
                f"{others[0]}); choose a new output folder."
            )
        return None
    try:
        manifest: dict[str, Any] = json.loads(data)
        if manifest["format"] != FORMAT:
            raise BatchError(
                f"{folder.path} contains a run of another version of warmstart (format "
                f"{manifest['format']}); finish it with that version, or choose a new output "
                "folder."
            )
        {key: dict(manifest[key]) for key in ("model", "inputs", "shards", "options")}
    except (ValueError, KeyError, TypeError) as error:
        raise BatchError(
            f"{folder.path}/{NAME} is damaged ({error}); choose a new output folder."
        ) from error
    return manifest


def make(
    model: Model[Any, Any, Any], engine: str, job: Job, plan: Plan, rows: int
) -> dict[str, Any]:
    """The manifest of a run.

    Args:
        model: as it was loaded.
        engine: the engine of all workers.
        job, plan: of the run.
        rows: of a shard.
    """
    from warmstart.version import __version__

    entry = json.dumps(model.entry.to_dict(), sort_keys=True)
    labels = json.dumps([[label.index, label.id, label.name] for label in model.labels])
    return {
        "format": FORMAT,
        "made_by": f"warmstart {__version__}",
        "model": {
            "name": model.name,
            "task": job.task,
            "weights": model.weights.digest,
            "precision": model.precision,
            "entry": hashlib.sha256((entry + labels).encode()).hexdigest(),
            "engine": model.requested_engine,
            "runs_on": engine,
        },
        "options": json.loads(json.dumps(dict(job.options))),
        "inputs": {"rows": plan.rows, "sha256": plan.digest, "columns": list(job.columns)},
        "shards": {"count": len(plan.shards), "rows": rows, "format": job.format},
    }


_OPTIONS = {("shards", "rows"): "shard_rows", ("inputs", "columns"): "column"}
"""Options of `ws.batch` whose entry has another name."""


def check(recorded: Mapping[str, Any], current: Mapping[str, Any], folder: Folder) -> None:
    """Raise `UsageError` if a run is resumed with settings or inputs other than its original ones."""
    changes: list[str] = []

    def compare(group: str, *names: str) -> None:
        for name in names:
            before, after = recorded[group].get(name), current[group].get(name)
            if before != after:
                option = _OPTIONS.get((group, name), name)
                changes.append(f"{option} (before: {_shown(before)}, now: {_shown(after)})")

    compare("model", "name", "task", "precision", "engine")
    compare("shards", "rows", "format")
    compare("inputs", "columns")
    if not changes:
        changes += [
            f"the {what} of the model"
            for what in ("weights", "entry")
            if recorded["model"].get(what) != current["model"].get(what)
        ]
    compare("options", *sorted(recorded["options"].keys() | current["options"].keys()))
    if recorded["inputs"]["sha256"] != current["inputs"]["sha256"]:
        before, after = recorded["inputs"]["rows"], current["inputs"]["rows"]
        changes.append(
            f"the inputs (before: {counted(before, 'row')}, now: {after:,})"
            if before != after
            else f"the inputs ({after:,} rows, but not the same ones)"
        )
    if changes:
        raise UsageError(
            f"{folder.path} has a run with other settings or inputs: {_joined(changes)}. "
            "Resume it with its original settings and inputs, or choose another output "
            "folder."
        )


def _shown(value: Any) -> str:
    return "its default" if value is None or value == [] else repr(value)


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def write(folder: Folder, name: str, data: Mapping[str, Any]) -> None:
    folder.write(name, (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())
