"""Matches masks with photos, in many layouts of folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from warmstart.core.records.split_names import require_single, splits_of_names
from warmstart.errors import UsageError
from warmstart.image.annotations import cityscapes
from warmstart.image.annotations.annotated_photos import count_of
from warmstart.image.annotations.split_lists import split_lists
from warmstart.image.annotations.splits import splits_of_photos
from warmstart.image.decoder import SUFFIXES
from warmstart.image.photo_files import folders_called, folders_of, photos_in, photos_of
from warmstart.image.split_folders import require_labels, split_folders

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
"""Endings of a mask's name after that of its photo."""
CAMVID_ENDINGS = ("_L", "_P")
"""CamVid's endings, only for folders of masks; next to photos they may have another meaning."""
FOLDER_ENDINGS = ("_masks", "_mask", "_labels", "_label", "_annotations", "annot")
"""Endings of the name of a folder of masks after that of the folder of photos."""
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
    split: str | None


def pairs_of(root: Path, problems: list[str]) -> list[Pair]:
    """All photos of a folder with their masks; unmatched photos and masks are added to the
    problems.

    Raises:
        UsageError: the layout is unknown.
    """
    folders = list(_folders(root, problems))
    if not folders:
        raise UsageError(f"{root} is not a known layout of masks: {HELP}.")
    if all(root not in (photos, masks) for photos, masks, _ in folders) and not any(
        split for *_, split in folders
    ):
        problems += count_of(photos_in(root), "photo", f"next to {folders[0][0].name}/, not used")
    pairs = [
        pair for photos, masks, split in folders for pair in _paired(photos, masks, split, problems)
    ]
    if any(pair.split for pair in pairs):
        return pairs
    photos = [pair.photo for pair in pairs]
    lists = split_lists([root / LISTS, root], photos, root, problems)
    if lists is None:
        return pairs
    listed = [replace(pair, split=lists.splits.get(pair.photo)) for pair in pairs]
    unlisted = [pair.photo for pair in listed if pair.split is None]
    problems += count_of(unlisted, "photo", f"in none of the lists of {lists.folder}")
    return [pair for pair in listed if pair.split is not None]


def has_masks(root: Path) -> bool:
    """Whether a folder has a known layout of photos and their masks."""
    return root.is_dir() and any(True for _ in _folders(root, []))


def _folders(root: Path, problems: list[str]) -> Iterator[tuple[Path, Path, str | None]]:
    """(folder of photos, folder of masks, split); one folder may contain both.

    Raises:
        UsageError: there are photos with masks next to folders of splits.
    """
    splits = split_folders(root, has_masks, "masks", problems)
    own = list(_own_folders(root, problems))
    if splits and own:
        names = ", ".join(f"{child.name}/" for child in splits.values())
        raise UsageError(
            f"{root} has the splits {names} and {own[0][0]} with masks next to them; move it "
            "into a split, or elsewhere."
        )
    yield from own
    for split, child in splits.items():
        for photos, masks, _ in _folders(child, problems):
            yield photos, masks, split


def _own_folders(root: Path, problems: list[str]) -> Iterator[tuple[Path, Path, str | None]]:
    """Like `_folders`, without the folders of splits."""
    photos = next(iter(folders_called(root, PHOTOS)), None)
    masks = next(filter(_has_pictures, folders_called(root, MASKS)), None)
    if photos is not None and masks is not None:
        yield photos, _with_pictures(masks, photos), None
        return
    siblings = {child: _sibling(child) for child in folders_of(root)}
    pairs = {child: folder for child, folder in siblings.items() if folder is not None}
    if pairs:
        others = [child for child in siblings if child not in pairs.values()]
        names = splits_of_names([child.name for child in others])
        require_single({f"{name}/": split for name, split in names.items()}, str(root))
        for child in others:
            if child in pairs:
                yield child, pairs[child], names.get(child.name)
            else:
                require_labels(child, names.get(child.name), "masks", problems)
    elif _is_mixed(root):
        yield root, root, None


def _has_pictures(folder: Path) -> bool:
    return folder.is_dir() and any(
        file.suffix.lower() in SUFFIXES for file in folder.rglob("*") if file.is_file()
    )


def _with_pictures(masks: Path, photos: Path) -> Path:
    """The folder of masks, or the only folder with pictures in it, such as `annotations/trimaps/`."""
    inner = [child for child in folders_of(masks) if _has_pictures(child)]
    is_outer = len(inner) == 1 and not photos_in(masks) and not (photos / inner[0].name).is_dir()
    return inner[0] if is_outer else masks


def _sibling(folder: Path) -> Path | None:
    siblings = (folder.with_name(folder.name + ending) for ending in FOLDER_ENDINGS)
    return next((sibling for sibling in siblings if _has_pictures(sibling)), None)


def _is_mixed(folder: Path) -> bool:
    """Whether a folder has masks next to their photos, as `x.jpg` and `x_mask.png`."""
    stems = {file.stem for file in folder.iterdir() if file.suffix.lower() in SUFFIXES}
    return any(_photo_stem(stem) in stems for stem in stems if _photo_stem(stem) != stem)


def _photo_stem(stem: str, *, mixed: bool = True) -> str:
    """The stem of the photo whose mask has this stem; `mixed`: masks are next to photos."""
    endings = ENDINGS if mixed else (*ENDINGS, *CAMVID_ENDINGS)
    return stem.removesuffix(next((ending for ending in endings if stem.endswith(ending)), ""))


def _paired(photos: Path, masks: Path, split: str | None, problems: list[str]) -> Iterator[Pair]:
    mixed = photos == masks
    pairs: list[tuple[Path, Path]] = []
    exact: dict[Path, Path] = {}
    with_ending: dict[Path, Path] = {}
    for file in sorted(masks.rglob("*")):
        if file.is_file() and file.suffix.lower() in SUFFIXES and not cityscapes.is_other(file):
            key = file.relative_to(masks).with_suffix("")
            of_photo = key.with_name(_photo_stem(key.name, mixed=mixed))
            if of_photo == key:
                exact[key] = file
            else:
                _add(with_ending, of_photo, file)
    if not mixed and (both := sorted(exact.keys() & with_ending.keys())):
        _refuse_two(exact[both[0]], with_ending[both[0]], both[0])
    by_key: dict[Path, list[Path]] = {}
    for photo in photos_of(photos, problems):
        key = photo.relative_to(photos).with_suffix("")
        if mixed and _photo_stem(key.name) != key.name:
            continue
        key = key.with_name(key.name.removesuffix(cityscapes.PHOTO_ENDING))
        by_key.setdefault(key, []).append(photo)
    for key, files in by_key.items():
        mask = (None if mixed else exact.pop(key, None)) or with_ending.pop(key, None)
        if mask is None:
            problems += [f"{photo}: has no mask in {masks}" for photo in files]
        elif len(files) > 1:
            names = " and ".join(photo.name for photo in files)
            problems.append(
                f"{mask}: may be the mask of {names} in {files[0].parent}; rename one. They are left out"
            )
        else:
            pairs.append((files[0], mask))
    others = with_ending.values() if mixed else (*exact.values(), *with_ending.values())
    problems += [f"{mask}: has no photo in {photos}" for mask in others if mask.name[0] != "."]
    own: Sequence[str | None] = [split] * len(pairs)
    if split is None and photos.name.lower() in map(str.lower, PHOTOS):
        own = splits_of_photos([photo for photo, _ in pairs], photos)
    for (photo, mask), name in zip(pairs, own, strict=True):
        yield Pair(photo, mask, name)


def _add(masks: dict[Path, Path], key: Path, file: Path) -> None:
    earlier = masks.get(key)
    if earlier is not None and not cityscapes.is_better(earlier, file):
        if cityscapes.is_better(file, earlier):
            return
        _refuse_two(earlier, file, key)
    masks[key] = file


def _refuse_two(mask: Path, other: Path, key: Path) -> None:
    raise UsageError(f"{mask} and {other} may both be the mask of {key.name}; remove one of them.")
