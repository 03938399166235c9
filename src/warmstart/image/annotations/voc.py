"""Pascal VOC: one XML file per photo. Coordinates are used unchanged, whether they count pixels
from 0 or from 1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError, ParserCreate

from warmstart.core.inputs import natural
from warmstart.errors import UsageError
from warmstart.image.annotations.annotated_photos import AnnotatedPhotos, count_of, files_in
from warmstart.image.annotations.box_data import LabelledBox
from warmstart.image.annotations.collector import Collector
from warmstart.image.annotations.numbers import flag, size_of
from warmstart.image.annotations.split_lists import names_in, split_lists
from warmstart.image.photo_files import folders_called

LARGEST_XML = 16 * 2**20
PHOTOS = ("JPEGImages", "images", "image", "imgs", "img", "photos")
ANNOTATIONS = ("Annotations", "annotation", "xmls", "xml", "labels", "label")
"""Names of the folders of photos and of annotations, regardless of case."""
LISTS = Path("ImageSets") / "Main"
SUFFIXES = (".xml",)


def is_voc(path: Path) -> bool:
    """Whether the path is a folder that has `Annotations/` with XML files, or one of its lists."""
    return _root(path) is not None


def _root(path: Path) -> Path | None:
    candidates = (
        [path] if path.is_dir() else list(path.parents)[:3] if path.suffix == ".txt" else []
    )
    return next((folder for folder in candidates if _annotations(folder) is not None), None)


def _annotations(root: Path) -> Path | None:
    """The folder of the XML files, or None."""
    return next(
        (folder for folder in folders_called(root, ANNOTATIONS) if any(_files(folder))), None
    )


def has_xml(folder: Path) -> bool:
    """Whether a folder has XML files, which LabelImg writes next to the photos."""
    return any(files_in(folder, SUFFIXES))


def _files(folder: Path) -> Iterator[Path]:
    """The XML files in and below a folder."""
    if folder.is_dir():
        yield from files_in(folder, SUFFIXES)
        for child in sorted(folder.iterdir()):
            if child.is_dir() and child.name[0] != ".":
                yield from _files(child)


def read(path: Path, collector: Collector, split: str | None) -> None:
    """Read the annotations of a folder, with the splits of its lists, or those of one list."""
    root = _root(path)
    assert root is not None
    folder = _annotations(root)
    assert folder is not None
    files = {
        file.relative_to(folder).with_suffix("").as_posix(): file
        for file in sorted(_files(folder), key=lambda file: natural(str(file)))
    }
    stems = {file.stem for file in files.values()}
    reader = _Reader(root, collector, stems)
    photos = folders_called(root, PHOTOS) or [root]
    if not path.is_dir():
        for name in names_in(path):
            reader.read(files.get(name, folder / f"{name}.xml"), _below(photos, name), split)
        return
    problems, annotations = collector.problems, list(files.values())
    lists = split_lists(
        [root / LISTS], annotations, folder, problems, required=True
    ) or split_lists([folder, root], annotations, folder, problems)
    unlisted = []
    for name, file in files.items():
        own = split if lists is None else lists.splits.get(file, split)
        if lists is not None and own is None:
            unlisted.append(file)
            reader.photos.mark(file.stem, _below(photos, name))
        else:
            reader.read(file, _below(photos, name), own)
    if lists is not None:
        problems += count_of(unlisted, "annotation", f"in none of the lists of {lists.folder}")
        absent = [folder / f"{name}.xml" for name in lists.missing]
        problems += count_of(absent, "file", f"missing, named in a list of {lists.folder}")
    problems += count_of(reader.photos.unused(), "photo", f"without an .xml in {folder}")


def _below(photos: Sequence[Path], name: str) -> list[Path]:
    """The folders that may have the photo of an annotation: each folder of photos, and the folder
    in it that corresponds to the annotation's.
    """
    inner = Path(name).parent
    return [folder for outer in photos for folder in dict.fromkeys((outer / inner, outer))]


def read_folder(folder: Path, collector: Collector, split: str | None) -> None:
    """Read XML files next to their photos."""
    files = sorted(files_in(folder, SUFFIXES), key=lambda file: natural(file.name))
    reader = _Reader(folder, collector, {file.stem for file in files})
    for file in files:
        reader.read(file, [folder], split)
    for photo in reader.photos.unused():
        collector.problems.append(f"{photo}: has no .xml with its name, so it is left out")


class _Reader:
    """Reads annotation files; `stems`: the names of all of them without suffix."""

    def __init__(self, root: Path, collector: Collector, stems: Collection[str]):
        self.root, self.collector, self.stems = root, collector, stems
        self.photos = AnnotatedPhotos()

    def read(self, file: Path, folders: Sequence[Path], split: str | None) -> None:
        """Add the photo of a file."""
        problems = self.collector.problems
        try:
            tree = parse(file)
        except UsageError as error:
            problems.append(str(error))
            self.photos.mark(file.stem, folders)
            return
        named = (tree.findtext("filename") or "").strip().replace("\\", "/").rpartition("/")[2]
        try:
            photo = self.photos.photo_of(file, folders, [named], self.stems, problems)
            size = size_of(tree.findtext("size/width"), tree.findtext("size/height"))
        except ValueError as error:
            problems.append(f"{file}: {error}; it is left out")
            return
        if photo is None:
            problems.append(f"{file}: its photo {named!r} is missing")
            return
        boxes, faults = [], []
        for number, element in enumerate(tree.iter("object"), 1):
            try:
                boxes.append(_box(element))
            except ValueError as error:
                faults.append(f"{file}: object {number} {error}; the photo is left out")
        self.collector.add(photo, str(photo), boxes, size, split=split, faults=faults)


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
    try:
        difficult = flag(element.findtext("difficult"))
    except ValueError as error:
        raise ValueError(f"({label!r}): difficult {error}") from None
    return LabelledBox(label, (xmin, ymin, xmax, ymax), difficult=difficult)


def parse(file: Path) -> ElementTree.Element:
    """The XML of a file; entities are refused, because they can grow without bound.

    Raises:
        UsageError: it is missing, damaged or too large, or declares entities.
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
        hint = "; export it from CVAT as COCO or Pascal VOC" if tree.tag == "annotations" else ""
        raise UsageError(f"{file}: is not a Pascal VOC annotation but <{tree.tag[:40]}>{hint}")
    return tree


def declares_type(content: bytes) -> bool:
    """Whether XML of any encoding declares a document type, without which it cannot define
    entities.

    Raises:
        ExpatError: the part before the first element is not XML.
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
    """Stops the parser at a declaration, or at the first element, after which none may follow."""
