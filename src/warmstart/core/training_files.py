"""The history and report of a model's fine-tuning, from the files of its bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from warmstart.core import bundle
from warmstart.errors import UsageError
from warmstart.json_values import JSON


class TrainingRecord(TypedDict):
    """The content of `training.json`, as far as it is read here."""

    history: list[dict[str, JSON]]


class TrainingFiles:
    """The record and the report of a fine-tuning, which only fine-tuned models have."""

    name: str
    _folder: Path | None

    @property
    def history(self) -> list[dict[str, JSON]]:
        """The epochs of its fine-tuning, one record each; empty if it was not fine-tuned.

        Raises:
            BundleError: `training.json` is damaged.
        """
        if (path := self._training_files().get(bundle.TRAINING)) is None:
            return []
        record: TrainingRecord = bundle.read_json(path, TrainingRecord, finite=False)
        return record["history"]

    def report(self) -> Path:
        """The path of `report.html`, which shows its fine-tuning and its metrics.

        Raises:
            UsageError: it was not fine-tuned, or its bundle has no report.
        """
        if (path := self._training_files().get(bundle.REPORT)) is None:
            raise UsageError(f"{self.name} has no report: it was not fine-tuned with warmstart.")
        return path

    def _training_files(self) -> dict[str, Path]:
        paths = (
            [self._folder / name for name in (bundle.TRAINING, bundle.REPORT)]
            if self._folder
            else []
        )
        return {path.name: path for path in paths if path.is_file()}
