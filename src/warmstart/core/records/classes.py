"""Mapping the labels of data to the classes of a model."""

from __future__ import annotations

from collections.abc import Sequence

from warmstart.catalog import Label
from warmstart.core.records.values import is_index, label_key, looks_numeric
from warmstart.errors import UsageError

LISTED = 10
"""Classes in a message."""


class ClassIndex:
    """The classes of a model by label.

    A label is the id or the name of a class, with spaces or underscores. A whole number is an
    index, unless the name of a class of the model begins with a number: then numbers are names, as
    they were when the model was trained. `1.0` and `1` are the same name, as are `true` and `True`.

    Args:
        labels: of the model.
        model: its name, for messages.
    """

    def __init__(self, labels: Sequence[Label], model: str):
        self.labels, self.model = labels, model
        self.by_id: dict[str, int] = {label.id: label.index for label in labels}
        self.by_name: dict[str, list[int]] = {}
        for label in labels:
            for name in {label.name, label.name.replace(" ", "_")}:
                self.by_name.setdefault(name, []).append(label.index)
        self.by_key: dict[str, set[int]] = {}
        for label in labels:
            for name in (label.id, label.name):
                self.by_key.setdefault(label_key(name), set()).add(label.index)
        self.numbered = any(map(looks_numeric, (*self.by_id, *self.by_name)))

    @property
    def names(self) -> set[str]:
        """All ids and names of classes."""
        return {*self.by_id, *self.by_name}

    def __call__(self, label: str, record: str) -> int:
        """The index of the class that a label of this record stands for.

        Raises:
            UsageError: the model has no such class, or two of this name.
        """
        if label in self.by_id:
            return self.by_id[label]
        indices = self.by_name.get(label, [])
        if len(indices) == 1:
            return indices[0]
        if indices:
            ids = " and ".join(repr(self.labels[index].id) for index in indices)
            raise UsageError(
                f"{record}: {self.model} has {len(indices)} classes named {label!r}; label with "
                f"their ids, {ids}."
            )
        equal = self.by_key.get(label_key(label), set())
        if len(equal) == 1:
            return min(equal)
        if is_index(label) and not self.numbered and int(label) < len(self.labels):
            return int(label)
        names = ", ".join(known.name for known in self.labels[:LISTED])
        more = ", …" if len(self.labels) > LISTED else ""
        raise UsageError(f"{record}: {self.model} has no class {label!r}; it has {names}{more}.")
