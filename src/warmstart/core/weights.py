"""The weights of a model: a file that is identified by its hash, or none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from warmstart import hub
from warmstart.checkpoints.file_names import is_preset
from warmstart.digests import sha256_of

RANDOM = "random initialisation, seed 0"


@dataclass(frozen=True)
class Weights:
    """The arrays of a model: a checkpoint, or (without a path) random initialisation.

    `digest` is the sha256 of the checkpoint; it decides which artifacts belong to it. `published`
    is true if the metrics of the entry were measured with these weights.
    """

    path: Path | None
    digest: str
    published: bool = False

    @classmethod
    def of(cls, path: Path, *, published: bool = False) -> Weights:
        from warmstart.checkpoints.formats import checkpoint_file

        path = checkpoint_file(path)
        return cls(path, checkpoint_digest(path, hub.digest), published)

    @classmethod
    def random(cls) -> Weights:
        return cls(None, RANDOM)


def checkpoint_digest(path: Path, sha256: Callable[[Path], str] = sha256_of) -> str:
    """The sha256 of a checkpoint. If it has several files (an index, or a KerasHub preset), of all
    of them together.
    """
    if path.suffix not in (".json", ".index") and not is_preset(path):
        return sha256(path)
    from warmstart.checkpoints.formats import open_checkpoint

    with open_checkpoint(path) as checkpoint:
        files = checkpoint.files()
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()
