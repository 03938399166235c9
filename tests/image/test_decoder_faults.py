"""Damaged, hostile and mistaken files: an InputError that names the item, or a valid picture; never
anything else.
"""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from warmstart.errors import InputError
from warmstart.image.decoder import decode

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]


def check(data: bytes) -> Image.Image | None:
    """Decode; only a valid image or an InputError that names the item may come out."""
    try:
        image = decode(data, name="cat.jpg", max_pixels=100_000)
    except InputError as refused:
        names_it = refused.item == "cat.jpg" and "cat.jpg" in str(refused)
        if not names_it:
            raise
        return None
    assert image.mode == "RGB"
    assert np.asarray(image).shape == (image.height, image.width, 3)
    return image


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"this is a text file\n" * 50, "is not a JPEG, PNG"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "web page"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "is not a JPEG, PNG"),
        (b"\0" * 4096, "is not a JPEG, PNG"),
        (b"\xff\xd8\xff", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"GIF89a", "damaged"),
        (b"BM", "damaged"),
        (b"II*\0", "damaged"),
        (b"RIFF\0\0\0\0WEBP", "damaged"),
    ],
)
def test_files_that_are_no_pictures(content, message, tmp_path):
    path = tmp_path / "cat.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert caught.value.item == str(path)


def test_paths_that_are_no_files(tmp_path):
    for item, message in (
        (tmp_path / "missing.jpg", "no such file"),
        (tmp_path, "is a folder"),
        ("a\0b.jpg", "cannot be opened"),
        ("x" * 5000, "cannot be opened"),
        ("", "no such file"),
        ("file:///etc/passwd", "file:// URLs cannot be read"),
        ("ftp://example.org/a.jpg", "ftp:// URLs cannot be read"),
        ("hf://org/name/a.jpg", "hf:// URLs cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            decode(item)
    if os.path.exists("/dev/zero"):
        with pytest.raises(InputError, match="device"):
            decode("/dev/zero")


def test_a_file_without_permission(tmp_path, encoded, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG"))

    def refuse(*args):  # chmod would not stop root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=r"cannot be opened \(Permission denied\)"):
        decode(path)


def test_objects_that_are_no_pictures(encoded):
    for item, message in (
        (7, "type int"),
        (None, "type NoneType"),
        (["a.jpg"], "type list"),
        ({}, "type dict"),
    ):
        with pytest.raises(InputError, match=message):
            decode(item)
    closed = io.BytesIO(encoded("PNG"))
    closed.close()
    with pytest.raises(InputError, match="cannot be read"):
        decode(closed)
    with pytest.raises(InputError, match="binary mode"):
        decode(io.StringIO("text"))
    with pytest.raises(InputError, match=r"^x: the folder"):
        decode(InputError("x: the folder holds nothing", "x"))


def test_an_endless_file_object_is_given_up(monkeypatch):
    class Endless:
        name = "endless.jpg"

        def read(self, size):
            return b"\xff" * size

    monkeypatch.setattr("warmstart.core.reading.MAX_STREAM", 3 * 2**20)
    with pytest.raises(InputError, match="more than 3 MiB") as caught:
        decode(Endless())
    assert caught.value.item == "endless.jpg"


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )


@pytest.mark.parametrize("side", [9_500, 14_000, 60_000, 2**31 - 1])
def test_decompression_bombs(side):
    # 9,500² is where Pillow only warns and 14,000² where it refuses; the limit below is under both.
    with pytest.raises(InputError, match="limit of 50,000,000"):
        decode(png_header(side, side) + b"\0\0\0\0IDAT", name="bomb.png", max_pixels=50_000_000)


def test_a_bomb_in_every_format(encoded):
    wide = Image.new("L", (3000, 2000))
    for kind in FORMATS:
        with pytest.raises(InputError, match="3000x2000 pixels, more than the limit of 5,999,999"):
            decode(encoded(kind, wide), max_pixels=5_999_999)
        assert decode(encoded(kind, wide), max_pixels=6_000_000).size == (3000, 2000)
    with pytest.raises(InputError, match="limit"):
        decode(wide, max_pixels=10)


def test_a_large_picture_within_the_limit_gives_no_warning(encoded):
    data = encoded("PNG", Image.new("1", (9500, 9500)))  # Pillow warns from 89 million pixels
    assert decode(data).size == (9500, 9500)


def test_text_chunk_bomb_in_a_png(encoded):
    text = b"zTXtnote\0\0" + zlib.compress(b"a" * 80_000_000)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    data = encoded("PNG")
    check(data[:33] + chunk + data[33:])


@pytest.mark.parametrize("kind", FORMATS)
def test_half_a_file_is_refused(kind, photo, encoded):
    data = encoded(kind, photo.resize((500, 400)))
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    for part in (0.02, 0.5, 0.9):
        assert check(data[: int(len(data) * part)]) is None, part


@pytest.fixture(scope="module")
def samples(photo, encoded) -> list[bytes]:
    small = photo.resize((24, 17))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    out = [encoded(kind, small) for kind in FORMATS]
    out += [
        encoded("JPEG", small, exif=exif, progressive=True),
        encoded("JPEG", small.convert("CMYK")),
    ]
    out += [encoded("PNG", small.convert("P"), transparency=bytes(range(200)), exif=exif)]
    out += [encoded("PNG", Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)))]
    out += [
        encoded("TIFF", small, compression=c, exif=exif)
        for c in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")
    ]
    out += [
        encoded("WEBP", small.convert("RGBA"), lossless=True),
        encoded("GIF", small, save_all=True),
    ]
    assert all(check(data) for data in out)
    return out


QUICK = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=1000, **QUICK)
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*"]
    ),
    st.binary(),
)
def test_arbitrary_bytes(magic, data):
    check(magic + data)


@settings(max_examples=1000, **QUICK)
@given(st.data())
def test_cut_files(samples, data):
    sample = data.draw(st.sampled_from(samples))
    check(sample[: data.draw(st.integers(0, len(sample)))])


@settings(max_examples=1000, **QUICK)
@given(st.data())
def test_flipped_bits(samples, data):
    sample = bytearray(data.draw(st.sampled_from(samples)))
    for place in data.draw(st.lists(st.integers(0, len(sample) * 8 - 1), min_size=1, max_size=8)):
        sample[place // 8] ^= 1 << place % 8
    check(bytes(sample))
