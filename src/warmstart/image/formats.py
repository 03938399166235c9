"""Formats of picture files: by their first bytes, and which of Pillow's parsers reads each."""

from __future__ import annotations

import importlib
import re

from warmstart.errors import InputError, MissingPackageError, require

NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
     ".avif", ".heic", ".heif", ".hif"}
)  # fmt: skip
"""File names that folders are searched for, in lower case. The content decides how a file is read,
never its name.
"""
HEAD = 64
"""Bytes of a file that show its format."""
_MAGIC = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WEBP"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"BM"), "BMP"),
    (re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+"), "TIFF"),
    (re.compile(rb"....ftyp(?:avi[fs]|.{8,48}avi[fs])", re.DOTALL), "AVIF"),
    (re.compile(rb"....ftyp(?:he[iv][cmsx]|mi[fa][f1]|msf1)", re.DOTALL), "HEIF"),
)
_HTML = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)


def format_of(head: bytes, name: str) -> str:
    """The format by Pillow's name; its parser is imported.

    Raises:
        InputError: it is none of them, or an optional package is needed to read it.
    """
    known = next((known for magic, known in _MAGIC if magic.match(head)), None)
    if known is None:
        what = (
            "is empty"
            if not head
            else "is a web page, not a picture"
            if _HTML.match(head)
            else f"is not a {NAMES}"
        )
        raise InputError(f"{name}: the file {what}", name)
    _import_parser(known, name)
    return known


def _import_parser(known: str, name: str) -> None:
    """Pillow would import all its forty parsers for the ones that are not in its basic set."""
    if known == "HEIF":
        try:
            require("pillow_heif", extra="heif", purpose="to read HEIC pictures")
        except MissingPackageError as error:
            raise InputError(f"{name}: is a HEIC picture. {error}", name) from error
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        return
    if known == "AVIF":
        from PIL import features

        if not features.check("avif"):
            raise InputError(
                f"{name}: is an AVIF picture, which this Pillow cannot read; install Pillow 11.3 or "
                "later from its wheel",
                name,
            )
    plugin = {
        "WEBP": "PIL.WebPImagePlugin",
        "TIFF": "PIL.TiffImagePlugin",
        "AVIF": "PIL.AvifImagePlugin",
    }.get(known)
    if plugin is not None:
        importlib.import_module(plugin)
