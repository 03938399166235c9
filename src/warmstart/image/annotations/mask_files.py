"""Which mask belongs to which photo, in the folders that people have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from warmstart.core.records import PARTS
from warmstart.errors import UsageError
from warmstart.image.annotations import cityscapes
from warmstart.image.annotations.parts import parts_of_lists
from warmstart.image.decoder import SUFFIXES
from warmstart.image.inputs import iter_photos

PHOTOS = ("images", "JPEGImages", "img", "imgs", "image", cityscapes.PHOTOS)
MASKS = (
    "masks",
    "SegmentationClass",
    "labels",
    "annotations",
    "mask",
    "label",
    "imgs_masks",
    cityscapes.MASKS,
)
ENDINGS = (
    "_mask",
    "-mask",
    "_masks",
    "_label",
    "_labels",
    "_segmentation",
    "_seg",
    "_gt",
    *cityscapes.ENDINGS,
)
"""What the name of a mask may add to the photo's."""
FOLDER_ENDINGS = ("_masks", "_mask", "_labels", "_label", "_annotations", "annot")
"""What the name of a folder of masks may add to that of a folder of photos."""
LISTS = Path("ImageSets") / "Segmentation"
HELP = (
    "it needs the folders images/ and masks/, whose files have the same names (x.jpg and x.png or "
    "x_mask.png), or train/ and val/ with these; or give COCO's .json file, YOLO's data.yaml with "
    "polygons, or a table with the columns image and mask"
)


@dataclass(frozen=True)
class Pair:
    """A photo and its mask."""

    photo: Path
    mask: Path
    part: str | None


def pairs_of(root: Path, problems: list[str]) -> list[Pair]:
    """All photos of a folder with their masks; photos and masks without the other are listed.

    Raises:
        UsageError: the layout is not known.
    """
    folders = list(_folders(root))
    if not folders:
        raise UsageError(f"{root} is not a known layout of masks: {HELP}.")
    lists = parts_of_lists(root / LISTS)
    return [
        Pair(pair.photo, pair.mask, lists.get(pair.photo.stem, pair.part))
        for photos, masks, part in folders
        for pair in _paired(photos, masks, part, problems)
    ]


def has_masks(root: Path) -> bool:
    """Whether a folder has a known layout of photos and their masks."""
    return root.is_dir() and any(True for _ in _folders(root))


def _folders(root: Path) -> Iterator[tuple[Path, Path, str | None]]:
    """(folder of photos, folder of masks, part); both are one folder where they are mixed."""
    photos = next((root / name for name in PHOTOS if (root / name).is_dir()), None)
    masks = next((root / name for name in MASKS if _has_pictures(root / name)), None)
    if photos is not None and masks is not None:
        yield photos, masks, None
        return
    children = [child for child in sorted(root.iterdir()) if child.is_dir()]
    siblings = [(child, _sibling(child)) for child in children]
    if pairs := [(child, masks) for child, masks in siblings if masks is not None]:
        for child, folder in pairs:
            yield child, folder, PARTS.get(child.name.lower())
        return
    if _is_mixed(root):
        yield root, root, None
        return
    for child in children:
        part = PARTS.get(child.name.lower())
        if part is not None:
            for one, other, _ in _folders(child):
                yield one, other, part


def _has_pictures(folder: Path) -> bool:
    return folder.is_dir() and any(
        file.suffix.lower() in SUFFIXES for file in folder.rglob("*") if file.is_file()
    )


def _sibling(folder: Path) -> Path | None:
    siblings = (folder.with_name(folder.name + ending) for ending in FOLDER_ENDINGS)
    return next((sibling for sibling in siblings if _has_pictures(sibling)), None)


def _is_mixed(folder: Path) -> bool:
    """Whether masks stand next to their photos, as `x.jpg` and `x_mask.png`."""
    stems = {file.stem for file in folder.iterdir() if file.suffix.lower() in SUFFIXES}
    return any(_photo_stem(stem) in stems for stem in stems if _photo_stem(stem) != stem)


def _photo_stem(stem: str) -> str:
    """The stem of the photo whose mask has this stem."""
    ending = next((ending for ending in ENDINGS if stem.endswith(ending)), "")
    return stem.removesuffix(ending)


def _paired(photos: Path, masks: Path, part: str | None, problems: list[str]) -> Iterator[Pair]:
    mixed = photos == masks
    exact: dict[Path, Path] = {}
    ended: dict[Path, Path] = {}
    for file in sorted(masks.rglob("*")):
        if file.is_file() and file.suffix.lower() in SUFFIXES and not cityscapes.is_other(file):
            key = file.relative_to(masks).with_suffix("")
            plain = key.with_name(_photo_stem(key.name))
            if plain == key:
                exact[key] = file
            else:
                _add(ended, plain, file)
    for item in iter_photos(photos):
        photo = Path(str(item.value))
        key = photo.relative_to(photos).with_suffix("")
        if mixed and _photo_stem(key.name) != key.name:
            continue
        key = key.with_name(key.name.removesuffix(cityscapes.PHOTO_ENDING))
        mask = (None if mixed else exact.pop(key, None)) or ended.pop(key, None)
        if mask is None:
            problems.append(f"{photo}: has no mask in {masks}")
        else:
            yield Pair(photo, mask, part or _part(key, photos))
    others = ended.values() if mixed else (*exact.values(), *ended.values())
    problems += [f"{mask}: has no photo in {photos}" for mask in others if mask.name[0] != "."]


def _add(masks: dict[Path, Path], key: Path, file: Path) -> None:
    known = masks.get(key)
    if known is not None and not cityscapes.is_better(known, file):
        if cityscapes.is_better(file, known):
            return
        raise UsageError(
            f"{known} and {file} may both be the mask of {key.name}; remove one of them."
        )
    masks[key] = file


def _part(key: Path, photos: Path) -> str | None:
    """Of `images/train/…` and so on."""
    inside = len(key.parts) > 1 and photos.name in PHOTOS
    return PARTS.get(key.parts[0].lower()) if inside else None
