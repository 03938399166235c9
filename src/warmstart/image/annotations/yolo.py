"""YOLO: a text file a photo. A line is a class number and centre x, centre y, width, height, or the
corners of a polygon, as shares of the photo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from warmstart.core.records.part_names import part_of_name
from warmstart.errors import UsageError
from warmstart.image.annotations.annotated_photos import count_of, files_in
from warmstart.image.annotations.box_data import LabelledBox
from warmstart.image.annotations.collector import Collector
from warmstart.image.annotations.numbers import are_shares
from warmstart.image.annotations.part_lists import part_lists
from warmstart.image.annotations.parts import parts_of_photos
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
"""Numbers after the class."""
_WHOLE = re.compile(r"\.0+$")
"""The end of a class number that a tool writes as `0.0`."""
Shape = tuple[int, list[float]]
"""Number of the class; centre, width and height, or the points of a polygon; shares of the photo."""


def is_yolo(path: Path) -> bool:
    """Whether this is a `data.yaml`; or a folder with one or with `images/` and `labels/`; or a part
    of such `images/`.
    """
    if path.is_file():
        return path.suffix.lower() in SUFFIXES
    return _folders(path) is not None or _is_config_folder(path)


def _is_config_folder(path: Path) -> bool:
    return any((path / name).is_file() for name in ("data.yaml", "data.yml", "dataset.yaml"))


def has_texts(folder: Path) -> bool:
    """Whether text files stand next to their photos, and a list of classes does, too, or is in the
    folder around them, as CVAT writes `obj.names` next to `obj_train_data/`.
    """
    if not _has_names(folder) and not _has_names(folder.parent):
        return False
    texts = {file.stem: file for file in files_in(folder, (".txt",))}
    photos = {name for photo in files_in(folder, PHOTOS) for name in (photo.stem, photo.name)}
    own = [texts[name] for name in photos if name in texts]
    return bool(own) and (_has_names(folder) or any(map(_holds_shapes, own[:100])))


def _has_names(folder: Path) -> bool:
    return any((folder / name).is_file() for name in NAMES)


def _folders(path: Path) -> tuple[Path, Path] | None:
    """(root, photos)."""
    if (
        (path / "images").is_dir()
        and (path / "labels").is_dir()
        and not _holds_xml(path / "labels")
    ):
        return path, path / "images"
    for root in list(path.parents)[:3]:
        if (root / "labels").is_dir() and path.is_relative_to(root / "images"):
            return root, path
    return None


def _holds_xml(folder: Path) -> bool:
    """Whether a folder has XML files, of Pascal VOC, and no text files."""
    return any(folder.rglob("*.xml")) and not any(folder.rglob("*.txt"))


def read(path: Path, collector: Collector, part: str | None) -> None:
    """All photos with their boxes; a photo without a text file has none.

    Raises:
        UsageError: classes have no names, or a folder of `data.yaml` is not there.
    """
    config, photos = config_and_photos(path, collector.problems, part)
    _read_photos(photos, config, collector)


def config_and_photos(
    path: Path, problems: list[str], part: str | None = None
) -> tuple[Config, list[tuple[Path, str | None]]]:
    """The classes, and the photos with their parts: those that `data.yaml` names, else by the
    folders of `images/`.

    Args:
        path: the folder, or its `data.yaml`.
        problems: takes photos that are in none of the parts.
        part: of all photos; default: what the data says.

    Raises:
        UsageError: classes have no names, or a folder of `data.yaml` is not there.
    """
    folders = None if path.is_file() else _folders(path)
    root = path.parent if path.is_file() else path if folders is None else folders[0]
    above = root.parent if _is_part(root) else None
    config = read_config(path) if path.is_file() else class_names(root, above)
    if folders is not None and (path != root or not config.parts or _is_part(root)):
        photos = _with_parts(_photos(folders[1], root, problems), folders[1], part, problems)
    elif config.parts:
        photos = [
            (photo, part or name)
            for name, sources in config.parts.items()
            for source in sources
            for photo in _photos(source, root, problems)
        ]
        problems += config.problems
        if (root / "images").is_dir():
            known = {photo.resolve() for photo, _ in photos}
            unlisted = [one for one in photos_of(root / "images") if one.resolve() not in known]
            problems += count_of(unlisted, "photo", "in none of the splits of data.yaml")
    else:
        raise UsageError(f"{path} has no `train` or `val`; pass the folder of the photos.")
    return config, photos


def read_folder(folder: Path, collector: Collector, part: str | None) -> None:
    """Text files next to their photos."""
    config = class_names(folder, folder.parent)
    photos = [(photo, part) for photo in _photos(folder, folder, collector.problems)]
    if part is None and not _has_names(folder):
        paths = [photo for photo, _ in photos]
        photos = _with_lists(paths, folder.parent, collector.problems)
    _read_photos(photos, config, collector)


def _is_part(root: Path) -> bool:
    """Whether a folder with `images/` and `labels/` is `train/`, `valid/` or `test/` of another."""
    return part_of_name(root.name) is not None


def _with_parts(
    photos: Sequence[Path], folder: Path, part: str | None, problems: list[str]
) -> list[tuple[Path, str | None]]:
    """Photos with their parts, where `images/` was named as a whole: those of `images/train` and so
    on, or of lists next to `images/`.
    """
    if part is not None or folder.name != "images":
        return [(photo, part) for photo in photos]
    parts = parts_of_photos(photos, folder)
    if any(parts):
        return list(zip(photos, parts, strict=True))
    return _with_lists(photos, folder.parent, problems)


def _with_lists(
    photos: Sequence[Path], folder: Path, problems: list[str]
) -> list[tuple[Path, str | None]]:
    """Photos with the parts that lists of a folder name; those in no list are left out."""
    lists = part_lists([folder], photos, folder, problems)
    if lists is None:
        return [(photo, None) for photo in photos]
    unlisted = [photo for photo in photos if photo not in lists.parts]
    problems += count_of(unlisted, "photo", f"in none of the lists of {lists.folder}")
    return [(photo, lists.parts[photo]) for photo in photos if photo in lists.parts]


def _photos(source: Path, root: Path, problems: list[str]) -> list[Path]:
    """The photos of a folder, or those that a list names, one path a line.

    Raises:
        UsageError: there is none.
    """
    if source.is_file():
        if source.suffix.lower() != ".txt":
            raise UsageError(f"{source} is neither a folder of photos nor a .txt list of them.")
        lines = source.read_text("utf-8-sig", "replace").splitlines()
        return [_named(line.strip(), source, root) for line in lines if line.strip()]
    photos = photos_of(source, problems)
    if not photos:
        raise UsageError(f"{source} holds no photo.")
    return photos


def _named(line: str, file: Path, root: Path) -> Path:
    names = dict.fromkeys((line, line.replace("\\", "/")))
    candidates = [folder / name for name in names for folder in (file.parent, root)]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _read_photos(
    photos: Sequence[tuple[Path, str | None]], config: Config, collector: Collector
) -> None:
    if collector.labels is None:
        collector.labels = list(config.names.values())
    for photo, part, shapes, faults in shapes_of(
        photos, config, collector.problems, collector.columns
    ):
        boxes = [LabelledBox(config.names[label], sides(numbers)) for label, numbers in shapes]
        collector.add(photo, str(photo), boxes, scale=True, part=part, faults=faults)


def shapes_of(
    photos: Sequence[tuple[Path, str | None]],
    config: Config,
    problems: list[str],
    notes: list[str],
) -> Iterator[tuple[Path, str | None, list[Shape], list[str]]]:
    """(photo, part, shapes, what is malformed in its text file), for each photo.

    Args:
        photos: with their parts.
        config: with the names of the classes.
        problems: takes photos and text files that are missing.
        notes: takes how many photos have no text file.

    Raises:
        UsageError: no photo has a text file.
    """
    files = _LabelFiles(photos)
    without = []
    for photo, part in photos:
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
        yield photo, part, shapes, faults
    if photos and not files.used:
        folder = _label_folder(photos[0][0].parent)
        raise UsageError(
            f"None of the {len(photos):,} photos has a .txt file with its boxes or polygons; "
            f"that of {photos[0][0]} would be {folder / photos[0][0].stem}.txt."
        )
    notes += count_of(without, "photo", "without a .txt file and so without objects")
    problems += count_of(files.unused(), ".txt file", "without a photo")


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8-sig", "replace").split("\n")


class _LabelFiles:
    """The text files of photos: in `labels/`, where a photo is in `images/`, or next to it.

    Attributes:
        used: files and their photos.
    """

    def __init__(self, photos: Sequence[tuple[Path, str | None]]):
        self.photos: dict[Path, list[Path]] = {}
        for photo in dict.fromkeys(photo for photo, _ in photos):
            self.photos.setdefault(photo.with_suffix(""), []).append(photo)
        self._listings: dict[Path, dict[str, Path]] = {}
        self.used: set[Path] = set()

    def of(self, photo: Path) -> Path | None:
        """The file of a photo, `x.txt` or `x.jpg.txt`; None without one."""
        for folder in dict.fromkeys((_label_folder(photo.parent), photo.parent)):
            listing = self._listing(folder)
            file = listing.get(photo.stem) or listing.get(photo.name)
            if file is not None:
                self.used.add(file)
                return file
        return None

    def others(self, photo: Path, file: Path) -> list[Path]:
        """Other photos that have the same file."""
        if file.stem == photo.name:
            return []
        return [one for one in self.photos[photo.with_suffix("")] if one != photo and one.is_file()]

    def unused(self) -> list[Path]:
        """Files of boxes or polygons that have no photo."""
        files = (file for listing in self._listings.values() for file in listing.values())
        return sorted(file for file in {*files} - self.used if _holds_shapes(file))

    def _listing(self, folder: Path) -> dict[str, Path]:
        if folder not in self._listings:
            self._listings[folder] = {file.stem: file for file in files_in(folder, (".txt",))}
        return self._listings[folder]


def _holds_shapes(file: Path) -> bool:
    """Whether the first line is a class and numbers; lists of photos or names are not."""
    words = next((line.split() for line in _lines(file) if line.strip()), [])
    try:
        return len([float(word) for word in words]) > BOX
    except ValueError:
        return False


def _label_folder(photos: Path) -> Path:
    """`labels/`, where the photos are in `images/`; else their own folder."""
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
        raise ValueError(f"has the class {label}, but there are {len(config.names)} classes")
    if config.keypoints and len(numbers) == BOX + config.keypoints:
        numbers = numbers[:BOX]
    if len(numbers) != BOX and (len(numbers) < LEAST_POLYGON or len(numbers) % 2):
        raise ValueError(
            f"has {len(numbers)} numbers after its class, not 4 (centre, width, height) or pairs of "
            f"x and y of a polygon{' (is the last one a confidence?)' if len(numbers) == 5 else ''}"
        )
    if not are_shares(numbers):
        raise ValueError("has a number outside 0 to 1; YOLO's are fractions of the photo's size")
    return label, numbers


def sides(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    """xmin, ymin, xmax, ymax of a shape; of a polygon the smallest box around it."""
    if len(numbers) == BOX:
        x, y, width, height = numbers
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
