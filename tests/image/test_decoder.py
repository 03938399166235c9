"""Every form and format a picture comes in gives the same upright RGB pixels."""

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from warmstart.errors import InputError
from warmstart.image.decoder import decode

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_picture(kind, photo, encoded, apart, tmp_path):
    path = tmp_path / "no suffix at all"
    path.write_bytes(encoded(kind, **({"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {})))
    image = decode(path)
    assert image.mode == "RGB"
    assert image.size == photo.size
    assert apart(image, photo) <= {"JPEG": 4, "WEBP": 4, "AVIF": 4, "GIF": 8}.get(kind, 0)
    assert not warnings.filters or warnings.filters[0][0] != "ignore"  # nothing stays behind


def test_every_kind_of_item(photo, encoded, tmp_path, monkeypatch):
    data = encoded("PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    want = np.asarray(photo)
    monkeypatch.chdir(tmp_path)
    for item in (
        str(path),
        path,
        "a.png",
        data,
        bytearray(data),
        memoryview(data),
        io.BytesIO(data),
        photo,
        want,
    ):
        assert np.array_equal(np.asarray(decode(item)), want), type(item)
    with path.open("rb") as file:
        assert np.array_equal(np.asarray(decode(file)), want)
        assert not file.closed
    with path.open("rb") as file, Image.open(file) as lazy:  # not loaded yet
        assert np.array_equal(np.asarray(decode(lazy)), want)


def test_a_file_object_without_seek_and_with_short_reads(photo, encoded):
    data = io.BytesIO(encoded("PNG"))

    class Socket:
        def read(self, size):
            return data.read(min(size, 100))

    assert np.array_equal(np.asarray(decode(Socket())), np.asarray(photo))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_to_its_end(photo, encoded, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(encoded("PNG"),))
    writer.start()
    assert np.array_equal(np.asarray(decode(path)), np.asarray(photo))
    writer.join()


def test_grey_arrays_and_four_channels(photo):
    rgb = np.asarray(photo)
    grey = rgb[..., 0]
    for array in (grey, grey[..., None]):
        assert np.array_equal(np.asarray(decode(array)), np.stack([grey] * 3, -1))
    opaque = np.dstack([rgb, np.full_like(grey, 255)])
    assert np.array_equal(np.asarray(decode(opaque)), rgb)
    assert np.array_equal(np.asarray(decode(rgb[:, ::-2])), rgb[:, ::-2])  # not contiguous
    assert np.array_equal(
        np.asarray(decode(np.dstack([rgb, np.zeros_like(grey)]))), np.full_like(rgb, 255)
    )


@pytest.mark.parametrize(
    ("top", "told"), [(1, "0..1"), (1, (0, 1)), (1, (0.0, 1.0)), (255, "0..255"), (255, (0, 255))]
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_arrays_of_a_told_range(photo, top, told, dtype):
    rgb = np.asarray(photo)
    floats = (rgb / (255 / top)).astype(dtype)
    before = floats.copy()
    assert np.array_equal(np.asarray(decode(floats, value_range=told)), rgb)
    assert np.array_equal(floats, before)


def test_a_float_array_without_a_range_is_refused():
    with pytest.raises(InputError, match=r"value_range='0\.\.1', '0\.\.255' or '-1\.\.1'"):
        decode(np.zeros((4, 4, 3), np.float32))


@pytest.mark.parametrize(
    ("array", "told", "message"),
    [
        (np.full((4, 4), np.nan), "0..1", "NaN or infinity"),
        (np.full((4, 4), np.inf), "0..255", "NaN or infinity"),
        (np.full((4, 4), 1.1), "0..1", "outside the range 0..1"),
        (np.full((4, 4), -0.1), "0..1", "outside the range 0..1"),
        (np.full((4, 4), 256.0), "0..255", "outside the range 0..255"),
        (np.full((4, 4), -1.1), "-1..1", "outside the range -1..1"),
        (np.zeros((4, 4)), "0..2", "value_range must be"),
        (np.zeros((4, 4)), [2, 0], "value_range must be"),
        (np.zeros((4, 4), np.uint8), "0..1", "array of uint8, whose range is not '0..1'"),
        (np.zeros((3, 40, 50), np.uint8), None, r"transpose\(1, 2, 0\)"),
        (np.zeros((4, 5, 2), np.uint8), None, "not 4x5x2"),
        (np.zeros((2, 4, 4, 3), np.uint8), None, "batch"),
        (np.zeros((4,), np.uint8), None, "not 4"),
        (np.array("a.jpg"), None, "not a single value"),
        (np.zeros((0, 4, 3), np.uint8), None, "no pixels"),
        (np.zeros((4, 4), np.uint16), (0, 1), "array of uint16"),
        (np.zeros((4, 4), complex), None, "array of complex128"),
        (np.zeros((4, 4), object), None, "array of object"),
    ],
)
def test_arrays_that_are_no_pictures(array, told, message):
    with pytest.raises(InputError, match=message) as caught:
        decode(array, name="item 7", value_range=told)
    assert caught.value.item == "item 7"
    assert "item 7" in str(caught.value)


def test_a_hair_outside_the_range_is_rounding_and_is_let_pass():
    array = np.array([[-1e-7, 1 + 1e-6]], np.float32)
    assert np.asarray(decode(array, value_range="0..1"))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "LAB", "HSV"])
def test_opaque_modes(mode, photo, apart):
    image = photo.quantize(256) if mode == "P" else photo.convert(mode)
    if mode in ("L", "1"):
        assert apart(decode(image), image.convert("L").convert("RGB")) == 0
    else:
        assert apart(decode(image), photo) < 12
    assert image.mode == mode


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_files(kind, photo, encoded, apart):
    # Pillow writes CMYK JPEGs as Adobe does, inverted and with Adobe's marker.
    data = encoded(kind, photo.convert("CMYK"), **({"quality": 95} if kind == "JPEG" else {}))
    assert b"Adobe" in data or kind == "TIFF"
    assert apart(decode(data), photo) < 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_blended_on_white(kind, mode, photo, encoded):
    image = photo.convert(mode)
    alpha = np.zeros((40, 57), np.uint8)
    alpha[:, 20:40], alpha[:, 40:] = 128, 255
    image.putalpha(Image.fromarray(alpha))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    if (kind, mode) == ("WEBP", "LA"):
        image = image.convert("RGBA")
    rgb = np.asarray(photo.convert("L" if mode == "LA" else "RGB").convert("RGB")).astype(float)
    weight = alpha[..., None] / 255
    want = rgb * weight + 255 * (1 - weight)
    got = np.asarray(decode(encoded(kind, image, **options))).astype(float)
    assert np.abs(got - want).max() <= 1
    assert (got[:, :20] == 255).all()


def test_transparency_of_palettes_and_key_colours(encoded):
    palette = Image.new("P", (4, 2), 1)
    palette.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
    palette.putpixel((0, 0), 0)
    palette.putpixel((3, 0), 2)
    one = np.asarray(decode(encoded("PNG", palette, transparency=0)))
    assert one[0].tolist() == [[255, 255, 255], [200, 100, 50], [200, 100, 50], [0, 0, 0]]
    several = np.asarray(decode(encoded("PNG", palette, transparency=bytes([0, 255, 128]))))
    assert several[0, :3].tolist() == one[0, :3].tolist()
    assert abs(int(several[0, 3, 0]) - 127) <= 1
    assert np.asarray(decode(encoded("GIF", palette, transparency=0)))[0, 0].tolist() == [
        255,
        255,
        255,
    ]
    assert np.asarray(decode(encoded("PNG", palette)))[0, 0].tolist() == [10, 20, 30]
    key = Image.new("RGB", (2, 1), (1, 2, 3))
    key.putpixel((1, 0), (9, 9, 9))
    assert np.asarray(decode(encoded("PNG", key, transparency=(1, 2, 3))))[0].tolist() == [
        [255] * 3,
        [9] * 3,
    ]
    grey = Image.new("L", (2, 1), 7)
    grey.putpixel((1, 0), 9)
    assert np.asarray(decode(encoded("PNG", grey, transparency=7)))[0].tolist() == [
        [255] * 3,
        [9] * 3,
    ]


def test_16_bit_grey_is_scaled_and_not_clipped(encoded):
    values = np.array([[0, 255, 256, 4096, 32768, 65535]], np.uint16)
    want = [0, 0, 1, 16, 128, 255]
    little = Image.fromarray(values)
    assert little.mode == "I;16"
    big = Image.frombytes("I;16B", (6, 1), values.astype(">u2").tobytes())
    wide = Image.fromarray(values.astype(np.int32))
    assert wide.mode == "I"
    for item in (
        little,
        big,
        wide,
        encoded("PNG", little),
        encoded("TIFF", little),
        encoded("TIFF", wide),
    ):
        assert np.asarray(decode(item))[0, :, 1].tolist() == want


@pytest.mark.parametrize(("numbers", "grey"), [
    ([0, 1, 255], [0, 1, 255]),  # 8 bits in use
    ([0, 511, 1023], [0, 127, 255]),  # 10 bits
    ([0, 2048, 4095], [0, 128, 255]),
    ([0, 16384, 32767], [0, 128, 255]),
    ([0, 70000, 131071], [0, 136, 255]),
    ([-1000, 0, 1000], [0, 128, 255]),
    ([-1, 5], [0, 255]),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "uint32", "int64"])
def test_every_depth_keeps_its_contrast_by_one_rule(encoded, numbers, grey, dtype):
    """Black is 0 and white the smallest number of 8, 9, 10, … bits that none exceeds; where numbers
    are negative, the lowest is black.
    """
    array = np.array([numbers]).astype(dtype)
    if array.tolist() != [numbers]:
        return  # not numbers of this type
    options = {"value_range": (min(numbers), 2 ** max(8, int(max(numbers)).bit_length()) - 1)}
    if min(numbers) < 0:
        options = {"value_range": (min(numbers), max(numbers))}
    got = [np.asarray(decode(array, **(options if dtype == "float32" else {})))[0, :, 0]]
    if dtype in ("uint16", "int32", "float32"):  # files of these exist
        got.append(np.asarray(decode(Image.fromarray(array)))[0, :, 1])
        got.append(np.asarray(decode(encoded("TIFF", Image.fromarray(array))))[0, :, 2])
    for row in got:
        assert np.abs(row.astype(int) - grey).max() <= 1, row


def deep_png(pixels, colour_type):
    """A PNG of 16 bits per channel, which Pillow does not write."""

    def chunk(name, data):
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def deep_tiff(pixels, photometric, order="<"):
    """A TIFF of 16 bits per channel."""
    height, width, channels = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    short, long, count = 3, 4, 10
    bits, first = 8 + 2 + 12 * count + 4, 8 + 2 + 12 * count + 4 + 2 * channels
    tags = [
        (256, long, 1, width), (257, long, 1, height), (258, short, channels, bits),
        (259, short, 1, 1), (262, short, 1, photometric), (273, long, 1, first),
        (277, short, 1, channels), (278, long, 1, height), (279, long, 1, len(data)),
        (284, short, 1, 1),
    ]  # fmt: skip
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, count)
    for tag, size, number, value in tags:
        value = 16 if tag == 258 and channels == 1 else value
        is_short = size == short and number == 1
        packed = struct.pack(f"{order}HH" if is_short else f"{order}I", *[value, 0][: 1 + is_short])
        head += struct.pack(f"{order}HHI", tag, size, number) + packed
    return head + bytes(4) + struct.pack(f"{order}{channels}H", *[16] * channels) + data


@pytest.mark.parametrize(("numbers", "want"), [
    ([0, 511, 1023], [0, 127, 255]),
    ([0, 2048, 4095], [0, 128, 255]),
    ([0, 255, 65535], [0, 0, 255]),
])  # fmt: skip
def test_colours_of_16_bits_keep_their_contrast(numbers, want):
    """By the same rule as grey pictures and arrays, however few of the bits are in use."""
    grey = np.array([numbers, numbers[::-1]], np.uint16)[..., None]
    opaque = np.full_like(grey, 65535)
    rgb = np.concatenate([grey] * 3, axis=-1)
    for data in (
        deep_png(rgb, 2),
        deep_png(np.concatenate([rgb, opaque], axis=-1), 6),
        deep_png(np.concatenate([grey, opaque], axis=-1), 4),
        deep_tiff(rgb, 2),
        deep_tiff(rgb, 2, ">"),
    ):
        decoded = np.asarray(decode(data))
        assert decoded[0].tolist() == [[number] * 3 for number in want]
        assert np.array_equal(decoded[1], decoded[0, ::-1])
        assert np.array_equal(decoded, np.asarray(decode(rgb)))


def test_grey_tiff_whose_zero_is_white():
    numbers = np.array([[0, 16384, 65535]], np.uint16)
    for zero, want in ((0, [255, 191, 0]), (1, [0, 64, 255])):
        data = deep_tiff(numbers[..., None], zero)
        assert np.asarray(decode(data))[0, :, 0].tolist() == want


def test_pictures_of_one_bit(encoded):
    bits = np.array([[True, False]])
    for item in (bits, Image.fromarray(bits), encoded("PNG", Image.fromarray(bits))):
        assert np.asarray(decode(item))[0, :, 0].tolist() == [255, 0]


def test_float_tiff(encoded):
    def tiff(*values):
        return encoded("TIFF", Image.fromarray(np.array([values], np.float32)))

    def grey(item, **options):
        return np.asarray(decode(item, **options))[0, :, 0].tolist()

    assert grey(tiff(0, 0.5, 1)) == [0, 128, 255]
    assert grey(tiff(0, 1, 2, 255)) == [0, 1, 2, 255]
    assert grey(tiff(0, 257, 65535)) == [0, 1, 255]
    assert grey(tiff(0, 0.5, 1), value_range="0..255") == [0, 0, 1]
    assert grey(tiff(-1, 0, 1)) == [0, 128, 255]
    assert grey(tiff(-1, 0, 1), value_range="-1..1") == [0, 128, 255]
    for value in ("nan", "inf"):
        with pytest.raises(InputError, match="NaN or infinity"):
            decode(tiff(0, float(value)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(kind, orientation, photo, encoded, apart):
    # How a camera held that way would have stored the upright photo: the inverse of the turn.
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = photo.transpose(stored[orientation]) if orientation > 1 else photo
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(kind, image, exif=exif, **({} if kind in ("PNG", "TIFF") else {"quality": 95}))
    upright = decode(data)
    assert upright.size == photo.size
    assert apart(upright, photo) < 4
    assert apart(decode(upright), upright) == 0  # the orientation is not applied twice
    with Image.open(io.BytesIO(data)) as opened:
        before = opened.size
        assert apart(decode(opened), upright) == 0
        assert (
            kind == "TIFF" or opened.size == before
        )  # Pillow itself turns a TIFF when it loads it
        assert apart(decode(ImageOps.exif_transpose(opened)), upright) == 0


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0garbage garbage",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12",
    ],
)
def test_broken_exif_is_no_reason_to_refuse(exif, photo, encoded, apart):
    for kind in ("JPEG", "PNG", "WEBP"):
        assert (
            apart(
                decode(encoded(kind, exif=exif, **({} if kind == "PNG" else {"quality": 95}))),
                photo,
            )
            < 4
        )
    odd = Image.Exif()
    odd[0x0112] = 77
    assert apart(decode(encoded("PNG", exif=odd)), photo) == 0


def test_gif_and_webp_animations_give_their_first_frame(photo, encoded):
    red, blue = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(
            kind,
            red,
            save_all=True,
            append_images=[blue],
            **({"lossless": True} if kind == "WEBP" else {}),
        )
        assert np.asarray(decode(data))[0, 0].tolist() == [255, 0, 0], kind


def test_the_callers_image_is_not_changed(photo):
    image = photo.copy()
    image.info["note"] = "mine"
    result = decode(image)
    result.paste((0, 0, 0), (0, 0, 57, 40))
    assert np.array_equal(np.asarray(image), np.asarray(photo))
    assert image.info == {"note": "mine"}


def test_a_large_jpeg_for_a_small_target_is_unpacked_smaller_with_the_same_result(encoded, apart):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).resize(
        (2000, 1500), Image.BICUBIC
    )
    data = encoded("JPEG", noise, quality=90)
    full = decode(data)
    for target, size in (
        ((224, 224), (1000, 750)),
        ((100, 90), (500, 375)),
        ((375, 1), (1000, 750)),
        ((376, 1), (2000, 1500)),
        ((400, 100), (2000, 1500)),
    ):
        small = decode(data, target=target)
        assert small.size == size
        resized = [image.resize((96, 72), Image.BILINEAR) for image in (full, small)]
        assert apart(*resized) < 1
    for side in (1999, 1998, 1996):  # only sides that divide: no column stands for half a pixel
        part = side & -side
        odd = encoded("JPEG", noise.resize((side, 1500)))
        assert decode(odd, target=(100, 90)).size == (side // part, 1500 // part)
    assert decode(encoded("PNG", noise), target=(10, 10)).size == (2000, 1500)
    with pytest.raises(
        InputError, match="limit"
    ):  # the limit is on the picture, not on what is unpacked of it
        decode(data, target=(10, 10), max_pixels=1_000_000)


def test_decoding_in_threads_leaves_no_filter_behind(encoded):
    before = list(warnings.filters)
    data = encoded("TIFF")
    threads = [threading.Thread(target=lambda: [decode(data) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


@pytest.mark.shared
def test_real_photos_with_a_target_differ_little(shared_data: Path, apart):
    from warmstart.catalog import ImagePreprocessing
    from warmstart.image.preprocessing import decode_target, resize

    rules = ImagePreprocessing(size=(96, 96), scaling="raw")
    smaller = 0
    for path in sorted((shared_data / "images" / "imagenet-sample").iterdir()):
        full, quick = decode(path), decode(path, target=decode_target(rules))
        smaller += quick.size != full.size
        assert apart(resize(full, rules), resize(quick, rules)) < 2
    assert smaller >= 5


def test_heic_is_read_with_its_package_and_named_without(tmp_path, photo, apart):
    path = tmp_path / "a.jpg"  # the content decides
    try:
        import pillow_heif
    except ImportError:
        path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic")
        with pytest.raises(
            InputError, match=r"a.jpg: is a HEIC picture.* pip install 'warmstart\[heif\]'"
        ):
            decode(path)
        return
    pillow_heif.from_pillow(photo).save(path, format="HEIF", quality=95)
    assert apart(decode(path), photo) <= 4


def test_avif_without_support_is_named(photo, encoded, monkeypatch):
    data = encoded("AVIF")
    monkeypatch.setattr("PIL.features.check", lambda feature: False)
    with pytest.raises(InputError, match="is an AVIF picture, which this Pillow cannot read"):
        decode(data)


def test_folders_are_searched_for_all_formats(tmp_path):
    from warmstart.image.inputs import PHOTO

    for name in ("a.HEIC", "b.avif", "c.heif", "d.jpg", "e.txt"):
        (tmp_path / name).write_bytes(b"")
    names = [Path(item.name).name for item in PHOTO.stream(tmp_path)]
    assert names == ["a.HEIC", "b.avif", "c.heif", "d.jpg"]
