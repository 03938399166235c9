"""Pascal VOC: one XML file a photo. Sides are taken as they stand, whether they count pixels from 0
or from 1.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from warmstart.core.inputs import natural
from warmstart.errors import UsageError
from warmstart.image.annotations.collector import BoxData, Collector
from warmstart.image.decoder import SUFFIXES

LARGEST_XML = 16 * 2**20
FOLDERS = ("JPEGImages", "images")


def is_voc(path: Path) -> bool:
    """Whether the path is such a folder, or one of its lists of photos."""
    return _root(path) is not None


def _root(path: Path) -> Path | None:
    candidates = (
        [path] if path.is_dir() else list(path.parents)[:3] if path.suffix == ".txt" else []
    )
    return next((folder for folder in candidates if (folder / "Annotations").is_dir()), None)


def read(path: Path, collector: Collector) -> BoxData:
    """All annotations of the folder, or those that the list names.

    Raises:
        UsageError: nothing can be used.
    """
    root = _root(path)
    assert root is not None
    if path.is_dir():
        files = sorted((root / "Annotations").glob("*.xml"), key=lambda file: natural(file.name))
    else:
        lines = path.read_text("utf-8").splitlines()
        files = [root / "Annotations" / f"{line.split()[0]}.xml" for line in lines if line.strip()]
    for file in files:
        _one(file, root, collector)
    return collector.data(str(path))


def _one(file: Path, root: Path, collector: Collector) -> None:
    try:
        tree = parse(file)
    except UsageError as error:
        collector.problems.append(str(error))
        return
    photo = _photo(file, root, tree.findtext("filename") or "")
    if photo is None:
        collector.problems.append(f"{file}: its photo {tree.findtext('filename')!r} is missing")
        return
    things = []
    for place, element in enumerate(tree.iter("object"), 1):
        box = element.find("bndbox")
        try:
            sides = [
                float((box.findtext(side) if box is not None else None) or "")
                for side in ("xmin", "ymin", "xmax", "ymax")
            ]
        except ValueError:
            collector.problems.append(f"{file}: object {place} has no bndbox of four numbers")
            continue
        things.append(((element.findtext("name") or "").strip(), *sides))
    try:
        size = (int(tree.findtext("size/width") or 0), int(tree.findtext("size/height") or 0))
    except ValueError:
        size = (0, 0)
    collector.add(photo, str(photo), things, size)


def parse(file: Path) -> ElementTree.Element:
    """The XML of one file; entities are refused, for they can grow without bound.

    Raises:
        UsageError: it is missing, damaged, too large, or declares entities.
    """
    try:
        if file.stat().st_size > LARGEST_XML:
            raise UsageError(f"{file}: is larger than {LARGEST_XML >> 20} MiB")
        content = file.read_bytes()
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise UsageError(f"{file}: declares a document type, which annotations do not need")
        return ElementTree.fromstring(content)
    except FileNotFoundError:
        raise UsageError(f"{file}: is missing") from None
    except (OSError, ElementTree.ParseError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{file}: cannot be read ({error})") from error


def _photo(file: Path, root: Path, named: str) -> Path | None:
    """The photo that the XML names, or the one of the XML's own name."""
    names = [Path(named).name] if named else []
    for folder in FOLDERS:
        for name in [*names, *(file.stem + suffix for suffix in sorted(SUFFIXES))]:
            if name and (root / folder / name).is_file():
                return root / folder / name
    return None
