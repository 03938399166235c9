"""Matches annotation files with photos."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from warmstart.core.inputs import natural
from warmstart.counts import counted
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
        """The photos in a folder, by name without suffix."""
        if folder not in self._listings:
            listing: dict[str, list[Path]] = {}
            for photo in files_in(folder, SUFFIXES):
                listing.setdefault(photo.stem, []).append(photo)
            self._listings[folder] = listing
        return self._listings[folder]

    def mark(self, stem: str, folders: Iterable[Path]) -> None:
        """Mark the photos of this name, without suffix, as used."""
        for folder in folders:
            self.used.update(self.by_stem(folder).get(stem, ()))

    def photo_of(
        self,
        file: Path,
        folders: Sequence[Path],
        names: Iterable[str],
        stems: Collection[str],
        problems: list[str],
    ) -> Path | None:
        """The photo of an annotation file: that with the same name, or else the one in its content.

        Args:
            file: the annotation.
            folders: of photos.
            names: of the photo in the annotation.
            stems: the names of all annotation files without suffix.
            problems: receives contradictions between the two.

        Raises:
            ValueError: the photo is ambiguous; the message completes "a.xml: ".
        """
        named = next((photo for name in names if (photo := _in(folders, name))), None)
        own = next((own for each in folders if (own := self.by_stem(each).get(file.stem))), [])
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
        """The photos of the listed folders that belong to no annotation file."""
        photos = (
            photo
            for listing in self._listings.values()
            for files in listing.values()
            for photo in files
        )
        return sorted({*photos} - self.used, key=lambda photo: natural(str(photo)))


def files_in(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The files in a folder with one of these suffixes, regardless of case, without hidden ones."""
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if file.suffix.lower() in suffixes and file.name[0] != "." and file.is_file():
            yield file


def count_of(files: Sequence[Path], noun: str, what: str) -> list[str]:
    """A line for a list of problems, such as "3 photos without …, such as a.jpg", if there are
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
