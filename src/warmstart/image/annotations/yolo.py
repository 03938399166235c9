"""YOLO: a text file per photo; each line is a class and a box or polygon in fractions of the photo."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from warmstart.core.records.split_names import split_of_name
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.annotations.annotated_photos import count_of, files_in
from warmstart.image.annotations.box_data import LabelledBox
from warmstart.image.annotations.box_formats import corners_of
from warmstart.image.annotations.collector import Collector
from warmstart.image.annotations.numbers import are_fractions
from warmstart.image.annotations.split_lists import split_lists
from warmstart.image.annotations.splits import splits_of_photos
from warmstart.image.annotations.yolo_config import (
    NAMES,
    SUFFIXES,
    Config,
    class_names,
    read_config,
)
from warmstart.image.decoder import SUFFIXES as PHOTOS
from warmstart.image.photo_files import photos_of

BOX, LEAST_POLYGON = 4, 6
"""The count of numbers after the class."""
_WHOLE = re.compile(r"\.0+$")
"""The end of a class number that is written as `0.0`."""
Shape = tuple[int, list[float]]
"""The class number, and the fractions of a box or of the points of a polygon."""


def is_yolo(path: Path) -> bool:
    """Whether a path is a `data.yaml`, a folder with one or with `images/` and `labels/`, or a
    folder in such `images/`.
    """
    if path.is_file():
        return path.suffix.lower() in SUFFIXES
    return _folders(path) is not None or _is_config_folder(path)


def _is_config_folder(path: Path) -> bool:
    return any((path / name).is_file() for name in ("data.yaml", "data.yml", "dataset.yaml"))


def has_texts(folder: Path) -> bool:
    """Whether a folder has text files next to their photos, and a list of classes is in it or in
    the folder around it, as CVAT's `obj.names` next to `obj_train_data/`.
    """
    if not _has_names(folder) and not _has_names(folder.parent):
        return False
    texts = {file.stem: file for file in files_in(folder, (".txt",))}
    photos = {name for photo in files_in(folder, PHOTOS) for name in (photo.stem, photo.name)}
    files = [texts[name] for name in photos if name in texts]
    return bool(files) and (_has_names(folder) or any(map(_has_shapes, files[:100])))


def _has_names(folder: Path) -> bool:
    return any((folder / name).is_file() for name in NAMES)


def _folders(path: Path) -> tuple[Path, Path] | None:
    """(root, photos)."""
    if (
        (path / "images").is_dir()
        and (path / "labels").is_dir()
        and not _has_only_xml(path / "labels")
    ):
        return path, path / "images"
    for root in list(path.parents)[:3]:
        if (root / "labels").is_dir() and path.is_relative_to(root / "images"):
            return root, path
    return None


def _has_only_xml(folder: Path) -> bool:
    """Whether a folder has XML files (of Pascal VOC) and no text files."""
    return any(folder.rglob("*.xml")) and not any(folder.rglob("*.txt"))


def read(path: Path, collector: Collector, split: str | None) -> None:
    """Read all photos with their boxes; a photo without a text file has none.

    Raises:
        UsageError: classes have no names, or a folder in `data.yaml` does not exist.
    """
    config, photos = config_and_photos(path, collector.problems, split)
    _read_photos(photos, config, collector)


def config_and_photos(
    path: Path, problems: list[str], split: str | None = None
) -> tuple[Config, list[tuple[Path, str | None]]]:
    """The classes, and the photos with their splits from `data.yaml`, or else from the folders of
    `images/`.

    Args:
        path: the folder, or its `data.yaml`.
        problems: receives the number of photos that are in none of the splits.
        split: of all photos; default: the splits of the data.

    Raises:
        UsageError: classes have no names, or a folder in `data.yaml` does not exist.
    """
    folders = None if path.is_file() else _folders(path)
    root = path.parent if path.is_file() else path if folders is None else folders[0]
    above = root.parent if _is_split(root) else None
    config = read_config(path) if path.is_file() else class_names(root, above)
    if folders is not None and (path != root or not config.splits or _is_split(root)):
        photos = _with_splits(_photos(folders[1], root, problems), folders[1], split, problems)
    elif config.splits:
        photos = [
            (photo, split or name)
            for name, sources in config.splits.items()
            for source in sources
            for photo in _photos(source, root, problems)
        ]
        problems += config.problems
        if (root / "images").is_dir():
            listed = {photo.resolve() for photo, _ in photos}
            unlisted = [file for file in photos_of(root / "images") if file.resolve() not in listed]
            problems += count_of(unlisted, "photo", "in none of the splits of data.yaml")
    else:
        raise UsageError(f"{path} has no `train` or `val`; pass the folder of the photos.")
    return config, photos


def read_folder(folder: Path, collector: Collector, split: str | None) -> None:
    """Read text files next to their photos."""
    config = class_names(folder, folder.parent)
    photos = [(photo, split) for photo in _photos(folder, folder, collector.problems)]
    if split is None and not _has_names(folder):
        paths = [photo for photo, _ in photos]
        photos = _with_lists(paths, folder.parent, collector.problems)
    _read_photos(photos, config, collector)


def _is_split(root: Path) -> bool:
    """Whether a folder with `images/` and `labels/` is `train/`, `valid/` or `test/` of another."""
    return split_of_name(root.name) is not None


def _with_splits(
    photos: Sequence[Path], folder: Path, split: str | None, problems: list[str]
) -> list[tuple[Path, str | None]]:
    """Photos with their splits: if `images/` was passed as a whole, from its folders, such as
    `images/train`, or from lists next to it.
    """
    if split is not None or folder.name != "images":
        return [(photo, split) for photo in photos]
    splits = splits_of_photos(photos, folder)
    if any(splits):
        return list(zip(photos, splits, strict=True))
    return _with_lists(photos, folder.parent, problems)


def _with_lists(
    photos: Sequence[Path], folder: Path, problems: list[str]
) -> list[tuple[Path, str | None]]:
    """Photos with their splits from the lists of a folder, without those that are in no list."""
    lists = split_lists([folder], photos, folder, problems)
    if lists is None:
        return [(photo, None) for photo in photos]
    unlisted = [photo for photo in photos if photo not in lists.splits]
    problems += count_of(unlisted, "photo", f"in none of the lists of {lists.folder}")
    return [(photo, lists.splits[photo]) for photo in photos if photo in lists.splits]


def _photos(source: Path, root: Path, problems: list[str]) -> list[Path]:
    """The photos of a folder, or of a list with one path per line.

    Raises:
        UsageError: there is no photo.
    """
    if source.is_file():
        if source.suffix.lower() != ".txt":
            raise UsageError(f"{source} is neither a folder of photos nor a .txt list of them.")
        lines = source.read_text("utf-8-sig", "replace").splitlines()
        return [_photo_of_line(line.strip(), source, root) for line in lines if line.strip()]
    photos = photos_of(source, problems)
    if not photos:
        raise UsageError(f"{source} contains no photo; add photos, or correct the path.")
    return photos


def _photo_of_line(line: str, file: Path, root: Path) -> Path:
    names = dict.fromkeys((line, line.replace("\\", "/")))
    candidates = [folder / name for name in names for folder in (file.parent, root)]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _read_photos(
    photos: Sequence[tuple[Path, str | None]], config: Config, collector: Collector
) -> None:
    if collector.labels is None:
        collector.labels = list(config.names.values())
    for photo, split, shapes, faults in shapes_of(
        photos, config, collector.problems, collector.columns
    ):
        boxes = [LabelledBox(config.names[label], sides(numbers)) for label, numbers in shapes]
        collector.add(photo, str(photo), boxes, scale=True, split=split, faults=faults)


def shapes_of(
    photos: Sequence[tuple[Path, str | None]],
    config: Config,
    problems: list[str],
    notes: list[str],
) -> Iterator[tuple[Path, str | None, list[Shape], list[str]]]:
    """(photo, split, shapes, faults of its text file) of each photo.

    Args:
        photos: with their splits.
        config: with the names of the classes.
        problems: receives missing photos and text files.
        notes: receives the number of photos without a text file.

    Raises:
        UsageError: no photo has a text file.
    """
    files = _LabelFiles(photos)
    without = []
    for photo, split in photos:
        if not photo.is_file():
            problems.append(f"{photo}: is missing")
            continue
        shapes: list[Shape] = []
        faults: list[str] = []
        file = files.of(photo)
        if file is None:
            without.append(photo)
        elif others := files.others(photo, file):
            faults.append(
                f"{photo}: shares {file} with {others[0].name}; rename one. It is left out"
            )
        for number, line in enumerate(_lines(file) if file is not None else [], 1):
            try:
                if line.strip():
                    shapes.append(_shape(line.split(), config))
            except ValueError as error:
                faults.append(f"{file}: line {number} {error}; the photo is left out")
        yield photo, split, shapes, faults
    if photos and not files.used:
        folder = _label_folder(photos[0][0].parent)
        raise UsageError(
            f"None of the {counted(len(photos), 'photo')} has a .txt file with its boxes or polygons; "
            f"that of {photos[0][0]} would be {folder / photos[0][0].stem}.txt."
        )
    notes += count_of(without, "photo", "without a .txt file and so without objects")
    problems += count_of(files.unused(), ".txt file", "without a photo")


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8-sig", "replace").split("\n")


class _LabelFiles:
    """The text files of photos: in `labels/` for photos in `images/`, or next to them.

    Attributes:
        used: files that belong to photos.
    """

    def __init__(self, photos: Sequence[tuple[Path, str | None]]):
        self.photos: dict[Path, list[Path]] = {}
        for photo in dict.fromkeys(photo for photo, _ in photos):
            self.photos.setdefault(photo.with_suffix(""), []).append(photo)
        self._listings: dict[Path, dict[str, Path]] = {}
        self.used: set[Path] = set()

    def of(self, photo: Path) -> Path | None:
        """The file of a photo, `x.txt` or `x.jpg.txt`, or None."""
        for folder in dict.fromkeys((_label_folder(photo.parent), photo.parent)):
            listing = self._listing(folder)
            file = listing.get(photo.stem) or listing.get(photo.name)
            if file is not None:
                self.used.add(file)
                return file
        return None

    def others(self, photo: Path, file: Path) -> list[Path]:
        """The other photos with the same file."""
        if file.stem == photo.name:
            return []
        photos = self.photos[photo.with_suffix("")]
        return [other for other in photos if other != photo and other.is_file()]

    def unused(self) -> list[Path]:
        """Files of boxes or polygons without a photo."""
        files = (file for listing in self._listings.values() for file in listing.values())
        return sorted(file for file in {*files} - self.used if _has_shapes(file))

    def _listing(self, folder: Path) -> dict[str, Path]:
        if folder not in self._listings:
            self._listings[folder] = {file.stem: file for file in files_in(folder, (".txt",))}
        return self._listings[folder]


def _has_shapes(file: Path) -> bool:
    """Whether the first line is a class with numbers, unlike in lists of photos or names."""
    words = next((line.split() for line in _lines(file) if line.strip()), [])
    try:
        return len([float(word) for word in words]) > BOX
    except ValueError:
        return False


def _label_folder(photos: Path) -> Path:
    """`labels/` for a folder of photos in `images/`; else the folder itself."""
    folders = list(photos.parts)
    if "images" not in folders:
        return photos
    folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders)


def _shape(words: list[str], config: Config) -> Shape:
    """The class and the numbers of a line: a box, or the points of a polygon.

    Raises:
        ValueError: the line is malformed; the message completes "line 3 …".
    """
    try:
        label, numbers = int(_WHOLE.sub("", words[0])), [float(word) for word in words[1:]]
    except ValueError:
        raise ValueError(f"is not a class number and numbers ({' '.join(words):.60})") from None
    if label not in config.names:
        names = counted(len(config.names), "class name")
        raise ValueError(f"has the class {label}, and the data has {names}")
    if config.keypoints and len(numbers) == BOX + config.keypoints:
        numbers = numbers[:BOX]
    if len(numbers) != BOX and (len(numbers) < LEAST_POLYGON or len(numbers) % 2):
        raise ValueError(
            f"has {counted(len(numbers), 'number')} after its class, not 4 (centre, width, height) or pairs of "
            f"x and y of a polygon{' (is the last one a confidence?)' if len(numbers) == 5 else ''}"
        )
    if not are_fractions(numbers):
        raise ValueError("has a number outside 0 to 1; YOLO's are fractions of the photo's size")
    return label, numbers


def sides(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    """xmin, ymin, xmax, ymax of a box, or of the smallest box around a polygon."""
    if len(numbers) == BOX:
        return corners_of(tuple(numbers), "cxcywh")
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
