"""Ordinary data sets and exports are read as they are; only what is ambiguous is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.data.layouts.image_boxes import BOXES
from tests.data.layouts.image_classes import CLASSES
from tests.data.layouts.image_files import Layout, Refused, write
from tests.data.layouts.image_masks import MASKS

from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.annotations.masks import read_masks
from warmstart.image.labelled_photos import labelled_photos

Reading = tuple[tuple[str, ...], list[str | None]]
"""The classes, and the split of each photo."""


def classes_of(path: Path) -> Reading:
    photos = list(labelled_photos(path, problems=[]))
    labels = (one.label if isinstance(one.label, tuple) else (one.label,) for one in photos)
    return tuple(sorted({name for some in labels for name in some})), [one.split for one in photos]


def annotated(read: Callable[[Path], Any]) -> Callable[[Path], Reading]:
    def reading(path: Path) -> Reading:
        data = read(path)
        return data.labels, [photo.split for photo in data.photos]

    return reading


READERS = (
    ("classes", classes_of, CLASSES),
    ("boxes", annotated(read_boxes), BOXES),
    ("masks", annotated(read_masks), MASKS),
)


@pytest.mark.parametrize(("read", "layout"), [
    pytest.param(read, layout, id=f"{what}-{layout.name}")
    for what, read, layouts in READERS for layout in layouts
])  # fmt: skip
def test_public_layouts(tmp_path, read, layout):
    write(layout.files, tmp_path)
    if isinstance(layout, Refused):
        with pytest.raises(UsageError, match=layout.words):
            read(tmp_path / layout.path)
        return
    assert isinstance(layout, Layout)
    classes, splits = read(tmp_path / layout.path)
    assert classes == layout.classes
    assert Counter(splits) == layout.splits
