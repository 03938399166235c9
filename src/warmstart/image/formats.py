"""Formats of picture files, by their first bytes, and Pillow's parsers for them."""

from __future__ import annotations

import importlib
import re

from warmstart.errors import InputError, MissingPackageError, require

NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
     ".avif", ".heic", ".heif", ".hif"}
)  # fmt: skip
"""Suffixes of the files that are read from folders, in lower case. The content of a file, not its
name, decides how it is read.
"""
HEAD = 64
"""Bytes at the start of a file that identify its format."""
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
    """Pillow's name of the format, whose parser is then imported.

    Raises:
        InputError: the format is unknown, or needs an optional package.
    """
    format_name = next((format_name for magic, format_name in _MAGIC if magic.match(head)), None)
    if format_name is None:
        problem = (
            "is empty"
            if not head
            else "is a web page, not a picture"
            if _HTML.match(head)
            else f"is not a {NAMES}"
        )
        raise InputError(f"{name}: the file {problem}", name)
    _import_parser(format_name, name)
    return format_name


def _import_parser(format_name: str, name: str) -> None:
    """Import one parser; for formats outside its basic set Pillow would import all forty."""
    if format_name == "HEIF":
        try:
            require("pillow_heif", extra="heif", purpose="to read HEIC pictures")
        except MissingPackageError as error:
            raise InputError(f"{name}: is a HEIC picture. {error}", name) from error
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        return
    if format_name == "AVIF":
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
    }.get(format_name)
    if plugin is not None:
        importlib.import_module(plugin)
