"""Pascal VOC: one XML file a photo. Sides are taken as they stand, whether they count pixels from 0
or from 1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError, ParserCreate

from warmstart.core.inputs import natural
from warmstart.errors import UsageError
from warmstart.image.annotations.collector import Collector, LabelledBox
from warmstart.image.annotations.parts import listed, parts_of_lists
from warmstart.image.decoder import SUFFIXES

LARGEST_XML = 16 * 2**20
FOLDERS = ("JPEGImages", "images")
LISTS = Path("ImageSets") / "Main"
_TRUE, _FALSE = ("1", "true"), ("", "0", "false", "unspecified")


def is_voc(path: Path) -> bool:
    """Whether the folder has `Annotations/` with XML files; or it is one of its lists of photos."""
    return _root(path) is not None


def _root(path: Path) -> Path | None:
    candidates = (
        [path] if path.is_dir() else list(path.parents)[:3] if path.suffix == ".txt" else []
    )
    return next((folder for folder in candidates if any(_files(folder / "Annotations"))), None)


def has_xml(folder: Path) -> bool:
    """Whether XML files stand next to their photos, as LabelImg writes them."""
    return any(_files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.glob("*.xml") if not file.name.startswith("."))


def _sorted(folder: Path) -> list[Path]:
    return sorted(_files(folder), key=lambda file: natural(file.name))


def read(path: Path, collector: Collector, part: str | None) -> None:
    """All annotations of the folder by the parts of its lists, or those that one list names."""
    root = _root(path)
    assert root is not None
    folder = root / "Annotations"
    if not path.is_dir():
        for name in listed(path):
            _read_file(folder / f"{name}.xml", root, collector, part)
        return
    parts = parts_of_lists(root / LISTS)
    unlisted = []
    for file in _sorted(folder):
        own = parts.get(file.stem, part)
        if parts and own is None:
            unlisted.append(file.name)
        else:
            _read_file(file, root, collector, own)
    if unlisted:
        collector.problems.append(
            f"{folder}: {len(unlisted):,} annotations are in none of the lists of {root / LISTS}, "
            f"the first is {unlisted[0]}"
        )


def read_folder(folder: Path, collector: Collector, part: str | None) -> None:
    """XML files next to their photos."""
    files = _sorted(folder)
    for file in files:
        _read_file(file, folder, collector, part)
    annotated = {file.stem for file in files}
    for photo in sorted(folder.iterdir(), key=lambda one: natural(one.name)):
        if photo.suffix.lower() in SUFFIXES and photo.stem not in annotated:
            collector.problems.append(f"{photo}: has no .xml of its name, so it is left out")


def _read_file(file: Path, root: Path, collector: Collector, part: str | None) -> None:
    try:
        tree = parse(file)
    except UsageError as error:
        collector.problems.append(str(error))
        return
    named = (tree.findtext("filename") or "").strip()
    photo = _photo(file, root, named)
    if photo is None:
        collector.problems.append(f"{file}: its photo {named!r} is missing")
        return
    boxes, faults = [], []
    for number, element in enumerate(tree.iter("object"), 1):
        try:
            boxes.append(_box(element))
        except ValueError as error:
            faults.append(f"{file}: object {number} {error}; the photo is left out")
    try:
        size = (int(tree.findtext("size/width") or 0), int(tree.findtext("size/height") or 0))
    except ValueError:
        size = (0, 0)
    collector.add(photo, str(photo), boxes, size, part=part, faults=faults)


def _box(element: ElementTree.Element) -> LabelledBox:
    label = (element.findtext("name") or "").strip()
    if not label:
        raise ValueError("has no name")
    try:
        xmin, ymin, xmax, ymax = (
            float(element.findtext(f"bndbox/{side}") or "")
            for side in ("xmin", "ymin", "xmax", "ymax")
        )
    except ValueError:
        raise ValueError(f"({label!r}) has no bndbox of four numbers") from None
    difficult = (element.findtext("difficult") or "").strip().lower()
    if difficult not in _TRUE + _FALSE:
        raise ValueError(f"({label!r}): difficult is {difficult!r:.40}, not 0 or 1")
    return LabelledBox(label, (xmin, ymin, xmax, ymax), difficult=difficult in _TRUE)


def parse(file: Path) -> ElementTree.Element:
    """The XML of one file; entities are refused, for they can grow without bound.

    Raises:
        UsageError: it is missing, damaged, too large, or declares entities.
    """
    try:
        if file.stat().st_size > LARGEST_XML:
            raise UsageError(f"{file}: is larger than {LARGEST_XML >> 20} MiB")
        content = file.read_bytes()
        if declares_type(content):
            raise UsageError(f"{file}: declares a document type, which annotations do not need")
        tree = ElementTree.fromstring(content)
    except FileNotFoundError:
        raise UsageError(f"{file}: is missing") from None
    except (OSError, ElementTree.ParseError, ExpatError, ValueError, LookupError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{file}: cannot be read ({error})") from error
    if tree.tag != "annotation":
        raise UsageError(f"{file}: is not an annotation of Pascal VOC but <{tree.tag[:40]}>")
    return tree


def declares_type(content: bytes) -> bool:
    """Whether XML, in whatever encoding, declares a document type, without which it has no entities
    of its own.

    Raises:
        ExpatError: it is not XML as far as that.
    """
    declared = False

    def declare(*arguments: object) -> None:
        nonlocal declared
        declared = True
        raise _SeenError

    def begin(*arguments: object) -> None:
        raise _SeenError

    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = declare
    parser.StartElementHandler = begin
    with contextlib.suppress(_SeenError):
        parser.Parse(content, True)
    return declared


class _SeenError(Exception):
    """Ends the parsing at a declaration, or at the first element, after which there is none."""


def _photo(file: Path, root: Path, named: str) -> Path | None:
    """The photo that the XML names, or the one of the XML's own name."""
    names = [named.replace("\\", "/").rpartition("/")[2]] if named else []
    folders = [root / folder for folder in FOLDERS] if file.parent != root else [root]
    for folder in folders:
        for name in [*names, *(file.stem + suffix for suffix in sorted(SUFFIXES))]:
            if name and "\0" not in name and (folder / name).is_file():
                return folder / name
    return None
