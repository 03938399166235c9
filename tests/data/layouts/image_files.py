"""Public data sets and exports of tools, a few photos of each, as they are written: the names of
folders, files and columns are theirs.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = WIDTH, HEIGHT = 40, 30
PHOTO = None
Files = Mapping[str, "str | np.ndarray | None"]
"""By path: a text, a mask, or `PHOTO`."""
_NUMBER = count()


@dataclass(frozen=True)
class Layout:
    """A data set as a tool writes it, and how it is read.

    Attributes:
        name: of the tool or data set.
        files: of the data set.
        classes: in order.
        splits: photos by split; None: of no split.
        path: below the folder of the files, of what is read.
    """

    name: str
    files: Files
    classes: tuple[str, ...]
    splits: Mapping[str | None, int]
    path: str = "."


@dataclass(frozen=True)
class Refused:
    """A data set that can be read in two ways, or has no labels, and words of the message."""

    name: str
    files: Files
    words: str
    path: str = "."


def write(files: Files, root: Path) -> None:
    """Write the files of a layout; no two photos are equal."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, "utf-8")
        elif content is None:
            path.write_bytes(_png())
        else:
            Image.fromarray(content).save(path, format="png")


def _png() -> bytes:
    """A picture unlike all others, written by hand because that takes no time."""
    number = next(_NUMBER)
    rows = b"".join(b"\0" + bytes((number % 251, number // 251 % 251, row, 99)) + bytes(3 * WIDTH - 4)
                    for row in range(HEIGHT))  # fmt: skip
    header = struct.pack(">2I5B", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def photos(*names: str) -> dict[str, str | np.ndarray | None]:
    return dict.fromkeys(names, PHOTO)


def folders(
    *splits: str, classes: Sequence[str], number: int = 2
) -> dict[str, str | np.ndarray | None]:
    """Class folders in each of these folders."""
    return photos(*(f"{split}/{name}/{split.replace('/', '_')}{name}{n}.jpg" for split in splits
                    for name in classes for n in range(number)))  # fmt: skip


def xml(name: str, label: str = "ant") -> str:
    return (
        f"<annotation><folder>x</folder><filename>{name}</filename><size><width>{WIDTH}</width>"
        f"<height>{HEIGHT}</height><depth>3</depth></size><object><name>{label}</name><difficult>0"
        "</difficult><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>20.5</xmax><ymax>15</ymax></bndbox>"
        "</object></annotation>"
    )


def coco(*names: str, polygons: bool = False, grouped: bool = False) -> str:
    """COCO's JSON with an ant in each photo; `grouped`: with Roboflow's group of categories."""
    square = {"segmentation": [[2, 3, 20, 3, 20, 15, 2, 15]]} if polygons else {}
    categories = [{"id": 1, "name": "ant", "supercategory": "insects"}]
    if grouped:
        categories.insert(0, {"id": 0, "name": "insects", "supercategory": "none"})
    return json.dumps({
        "info": {}, "licenses": [],
        "images": [{"id": n, "file_name": name, "width": WIDTH, "height": HEIGHT}
                   for n, name in enumerate(names)],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": [2, 3, 18, 12],
                         "area": 216, "iscrowd": 0, **square} for n, _ in enumerate(names)],
        "categories": categories,
    })  # fmt: skip


def labelme(name: str) -> str:
    shape = {"label": "ant", "points": [[2, 3], [20, 15]], "shape_type": "rectangle",
             "group_id": None, "flags": {}}  # fmt: skip
    return json.dumps({"version": "5.4.1", "flags": {}, "shapes": [shape], "imagePath": name,
                       "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH})  # fmt: skip


YOLO = "0 0.5 0.5 0.4 0.4\n"


def mask(*values: int) -> np.ndarray:
    """A stripe of each value, uint8 (H, W)."""
    columns = np.array(values, np.uint8)[np.arange(WIDTH) * len(values) // WIDTH]
    return np.repeat(columns[None], HEIGHT, 0)


def colours(*values: tuple[int, int, int]) -> np.ndarray:
    """A stripe of each colour, uint8 (H, W, 3)."""
    columns = np.array(values, np.uint8)[np.arange(WIDTH) * len(values) // WIDTH]
    return np.repeat(columns[None], HEIGHT, 0)
