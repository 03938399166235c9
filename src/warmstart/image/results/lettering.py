"""Class names on pictures, in any script: with fonts of the computer if Pillow's has no glyphs, and
a readable replacement if no font has.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Position = tuple[float, float]
SUFFIXES = (".ttf", ".otf", ".ttc")
PREFERRED = (
    "dejavusans.", "notosans-regular", "notosanscjk-regular", "notosans", "arial unicode", "arialuni",
    "freesans.", "segoeui.", "arial.", "pingfang", "hiragino", "msyh", "malgun", "yugoth", "nirmala",
    "applesdgothic", "wqy", "droidsansfallback", "unifont",
)  # fmt: skip
"""Prefixes of the names of fonts with wide coverage, which are tried first."""
_UNASSIGNED = "\U0010ffff"
_PROBE_SIZE = 20
"""The font size in pixels at which glyphs are compared."""
_reported: set[str] = set()


@dataclass(frozen=True)
class Text:
    """A text as runs with one font each."""

    runs: Sequence[tuple[str, Any]]

    def box(self, pen: ImageDraw) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the text, with its baseline starting at the origin."""
        boxes = [
            pen.textbbox((x, 0), run, font=font, anchor="ls") for run, font, x in self._placed()
        ]
        left, top, right, bottom = zip(*boxes, strict=True)
        return min(left), min(top), max(right), max(bottom)

    def draw(self, pen: ImageDraw, position: Position, ink: tuple[int, int, int]) -> None:
        """Draw the text with its baseline starting at a position."""
        for run, font, x in self._placed():
            pen.text((position[0] + x, position[1]), run, fill=ink, font=font, anchor="ls")

    def _placed(self) -> Iterator[tuple[str, Any, float]]:
        x = 0.0
        for run, font in self.runs:
            yield run, font, x
            x += font.getlength(run)


def text_of(name: str, ending: str, replacement: str, size: int) -> Text:
    """The text of a name with an ending.

    If no font has a character, the name has no accents, or is `replacement`, and this
    is reported once on standard error.

    Args:
        name: of a class.
        ending: such as a score, in Latin letters.
        replacement: such as "class 3", in Latin letters.
        size: of the font in pixels.
    """
    name = " ".join(name.split()) or replacement
    runs = _runs(name, size)
    if runs is None:
        plain = "".join(c for c in unicodedata.normalize("NFKD", name) if ord(c) < 128)
        shown = plain if plain.strip() and len(plain) >= len(name) else replacement
        _report(name, shown)
        name, runs = shown, _runs(shown, size)
    assert runs is not None
    return Text([*runs, *(_runs(ending, size) or ())])


def _report(name: str, shown: str) -> None:
    if name not in _reported:
        _reported.add(name)
        print(
            f"No font on this computer has all characters of {name!r}, which is drawn as {shown!r}; "
            "install one, such as Noto Sans.",
            file=sys.stderr,
        )


def _runs(text: str, size: int) -> list[tuple[str, Any]] | None:
    """(characters, font) of runs that are as long as possible; None if a character has no font."""
    runs: list[tuple[str, str | None]] = []
    for character in unicodedata.normalize("NFC", text):
        current = runs[-1][1] if runs else None
        if runs and (character.isspace() or _is_joined(character) or _has(current, character)):
            font = current
        else:
            try:
                font = _font_with(character)
            except LookupError:
                return None
        if runs and font == current:
            runs[-1] = (runs[-1][0] + character, font)
        else:
            runs.append((character, font))
    return [(run, _opened(font, size)) for run, font in runs]


def _is_joined(character: str) -> bool:
    """Whether a character modifies the one before: accents, joiners, variation selectors."""
    return unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf")


@cache
def _font_with(character: str) -> str | None:
    """The path of a font that has a character, or None for Pillow's own.

    Raises:
        LookupError: no font has it.
    """
    if character.isspace() or _has(None, character):
        return None
    for path in font_files():
        if _has(path, character):
            return path
    raise LookupError(character)


@cache
def _has(font: str | None, character: str) -> bool:
    """Whether a font has a glyph for a character, which then differs from that of missing ones."""
    try:
        opened = _opened(font, _PROBE_SIZE)
        missing = _glyph(opened, character) == _glyph(opened, _UNASSIGNED)
        return not missing and not _draws_placeholders(font)
    except (OSError, ValueError):
        return False  # a damaged font, or a bitmap font of another size


@cache
def _draws_placeholders(font: str | None) -> bool:
    """Whether a font has only one glyph per script, such as matplotlib's Last Resort, which shows
    the script of missing characters.
    """
    opened = _opened(font, _PROBE_SIZE)
    first, second, missing = (_glyph(opened, character) for character in ("A", "B", _UNASSIGNED))
    return first == second != missing


def _glyph(font: Any, character: str) -> tuple[Any, bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@cache
def _opened(font: str | None, size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size) if font is None else ImageFont.truetype(font, size)


@cache
def font_files() -> tuple[str, ...]:
    """The fonts of the computer, those with wide coverage first."""
    files = {str(file) for folder in _folders() for file in _in_folder(folder)}
    return tuple(sorted(files, key=lambda path: (_rank(Path(path).name.lower()), path)))


def _in_folder(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)


def _rank(name: str) -> int:
    ranks = (rank for rank, beginning in enumerate(PREFERRED) if name.startswith(beginning))
    return next(ranks, len(PREFERRED) + ("bold" in name or "italic" in name))


def _folders() -> Iterator[Path]:
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"
        yield home / "AppData" / "Local" / "Microsoft" / "Windows" / "Fonts"
    elif sys.platform == "darwin":
        yield from (home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    else:
        data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        own = os.environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
        yield from (Path(folder) / "fonts" for folder in (own, *data.split(":")) if folder)
        yield home / ".fonts"
    from importlib.metadata import PackageNotFoundError, distribution

    with suppress(PackageNotFoundError):  # it includes DejaVu Sans
        yield Path(str(distribution("matplotlib").locate_file("matplotlib/mpl-data/fonts/ttf")))
