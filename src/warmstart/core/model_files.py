"""The files of a folder that loading a bundle or a repository may read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from warmstart.checkpoints.file_names import IN_PROGRAM, RECORD, REST
from warmstart.core import bundle
from warmstart.engines.store import OPENVINO, PROBE, PROGRAM
from warmstart.errors import BundleError
from warmstart.models import repository

BUNDLE = (bundle.MANIFEST, bundle.LABELS, "README.md", bundle.TRAINING, bundle.REPORT)
"""Files of a bundle that its manifest does not name."""
ARTIFACTS = tuple(f"artifacts/*/{name}" for name in (RECORD, PROGRAM, *OPENVINO, PROBE, REST))
REPOSITORY = (
    *repository.FILES,
    *(name for names in repository.ALTERNATIVES.values() for name in names),
    "*ckpt*.index",
    "*ckpt*.data-*",
    "assets/*",
    "[0-9]*_*/config.json",  # modules of sentence-transformers
    "[0-9]*_*/model.safetensors",
)


def model_files(folder: Path) -> list[Path]:
    """The files of a bundle or a repository that exist, sorted, also behind links.

    Of a bundle these are the ones that its manifest names and those that every bundle may have; of
    another folder those of a repository in Hugging Face layout.

    Raises:
        OSError: the folder, or what it links to, cannot be read.
    """
    if bundle.is_bundle(folder):
        names, patterns = [*BUNDLE, *_named(folder / bundle.MANIFEST)], ARTIFACTS
    else:
        names, patterns = [], ARTIFACTS + REPOSITORY
    matches = (path for pattern in patterns for path in folder.glob(pattern))
    paths = {folder / name for name in names}
    paths |= {path for path in matches if not path.name.startswith(".")}
    return sorted(path for path in paths if path.is_file())


def refuse_damaged(folder: Path) -> None:
    """Refuse a bundle without its manifest, such as an unfinished copy.

    Raises:
        BundleError: the folder has parts that only bundles have, and no manifest.
    """
    parts = [name for name in (IN_PROGRAM, bundle.LABELS) if (folder / name).is_file()]
    if bundle.LABELS in parts and not _are_labels(folder / bundle.LABELS):
        parts.remove(bundle.LABELS)
    if not parts or bundle.is_bundle(folder):
        return
    remedy = "copy the bundle again"
    if repository.is_repository(folder):
        others = " and ".join(name.replace(IN_PROGRAM, "artifacts") for name in parts)
        remedy += f", or remove {others} to open the rest as a repository of Hugging Face"
    raise BundleError(
        f"{folder} has the file {parts[0]} of a bundle but no {bundle.MANIFEST}, so it is not a whole "
        f"bundle; {remedy}."
    )


def _are_labels(path: Path) -> bool:
    """Whether a file begins as the labels of a bundle do, or is empty, such as an unfinished copy."""
    with path.open("rb") as file:
        start = file.read(200)
    return start.strip() in (b"", b"[]") or b"".join(start.split()).startswith(b'[{"index":')


def _named(manifest: Path) -> Iterator[str]:
    """The files that a manifest names; none if it is damaged, which reading the bundle reports."""
    try:
        if manifest.stat().st_size > bundle.LARGEST_JSON:
            return
        values: Any = json.loads(manifest.read_bytes())
        yield from filter(bundle.FILE_NAME.fullmatch, values["sha256"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return
