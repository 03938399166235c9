"""Which photo belongs to an annotation file, and which photos belong to none."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from warmstart.core.inputs import natural
from warmstart.core.terminal import counted
from warmstart.image.decoder import SUFFIXES


class AnnotatedPhotos:
    """The photos of the folders of a data set, each listed once.

    Attributes:
        used: photos that belong to an annotation file.
    """

    def __init__(self) -> None:
        self._listings: dict[Path, dict[str, list[Path]]] = {}
        self.used: set[Path] = set()

    def by_stem(self, folder: Path) -> dict[str, list[Path]]:
        """The photos in a folder by their names without suffix."""
        if folder not in self._listings:
            listing: dict[str, list[Path]] = {}
            for photo in files_in(folder, SUFFIXES):
                listing.setdefault(photo.stem, []).append(photo)
            self._listings[folder] = listing
        return self._listings[folder]

    def photo_of(
        self,
        file: Path,
        folders: Sequence[Path],
        names: Iterable[str],
        stems: Collection[str],
        problems: list[str],
    ) -> Path | None:
        """The photo of an annotation file: that of its own name, else the one that it names.

        Args:
            file: the annotation.
            folders: where photos are.
            names: of the photo, as the annotation has it.
            stems: names of all annotation files without suffix.
            problems: takes a contradiction between the two.

        Raises:
            ValueError: it is not clear which photo is meant; the message completes "a.xml: ".
        """
        named = next((photo for name in names if (photo := _in(folders, name))), None)
        own = next((some for one in folders if (some := self.by_stem(one).get(file.stem))), [])
        if named is not None and (named in own or (not own and named.stem == file.stem)):
            photo = named
        elif len(own) > 1:
            self.used.update(own)
            raise ValueError(
                f"{' and '.join(photo.name for photo in own)} have its name, and it does not say which "
                "one it belongs to; rename one. They are left out"
            )
        elif own:
            photo = own[0]
            if named is not None:
                problems.append(
                    f"{file}: has the name of {photo.name} and names {named.name}; the boxes "
                    f"are used for {photo.name}"
                )
        elif named is not None and named.stem in stems:
            raise ValueError(f"names the photo {named.name}, which has an annotation of its own")
        elif named is not None:
            photo = named
        else:
            return None
        self.used.add(photo)
        return photo

    def unused(self) -> list[Path]:
        """Photos of the listed folders that belong to no annotation file."""
        photos = (
            photo
            for listing in self._listings.values()
            for some in listing.values()
            for photo in some
        )
        return sorted({*photos} - self.used, key=lambda photo: natural(str(photo)))


def files_in(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The files in a folder with one of these suffixes, in capitals or not; hidden ones are not."""
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if file.suffix.lower() in suffixes and file.name[0] != "." and file.is_file():
            yield file


def count_of(files: Sequence[Path], noun: str, what: str) -> list[str]:
    """One line for a list of problems, such as "3 photos without …, such as a.jpg"; none without
    files.
    """
    return [f"{counted(len(files), noun)} {what}, such as {files[0]}"] if files else []


def _in(folders: Sequence[Path], name: str) -> Path | None:
    if not name or "\0" in name or len(name) > 1000:
        return None
    paths = (Path(os.path.normpath(folder / name)) for folder in folders)
    try:
        return next((path for path in paths if path.is_file()), None)
    except OSError:  # a name that is too long
        return None
