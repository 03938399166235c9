"""Resize rules equal Keras' and torchvision's definitions; scalings equal keras.applications to the
bit.
"""

import importlib
import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from warmstart.catalog import ImagePreprocessing
from warmstart.errors import UsageError
from warmstart.image.decoder import decode
from warmstart.image.preprocessing import decode_target, preprocess, resize, scale

FAMILIES = {
    "tf": [
        "inception_v3",
        "inception_resnet_v2",
        "xception",
        "mobilenet",
        "mobilenet_v2",
        "nasnet",
        "resnet_v2",
    ],
    "caffe": ["resnet", "resnet50", "vgg16", "vgg19"],
    "torch": ["densenet"],
    "raw": ["mobilenet_v3", "efficientnet", "efficientnet_v2", "convnext"],
}
SCALING = {family: scaling for scaling, families in FAMILIES.items() for family in families}


def rules(size=(224, 224), scaling="raw", **options) -> ImagePreprocessing:
    return ImagePreprocessing(size=size, scaling=scaling, **options)


@pytest.fixture
def picture(photo) -> Image.Image:
    return photo.resize((301, 211), Image.Resampling.BICUBIC)


@pytest.mark.tensorflow
@pytest.mark.parametrize("family", sorted(SCALING))
def test_scaling_equals_keras_to_the_bit(family):
    module = importlib.import_module(f"keras.applications.{family}")
    rng = np.random.default_rng(1)
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    for pixels in (every, rng.integers(0, 256, (2, 31, 17, 3), dtype=np.uint8)):
        want = module.preprocess_input(pixels.astype(np.float32))
        for given_pixels in (pixels, pixels.astype(np.float32), pixels.astype(np.int64)):
            before = given_pixels.copy()
            got = scale(given_pixels, rules(scaling=SCALING[family]))
            assert got.dtype == np.float32
            assert got.flags.c_contiguous
            assert np.array_equal(got, want)
            assert np.array_equal(given_pixels, before)
            assert not np.shares_memory(got, given_pixels)


@pytest.mark.tensorflow
def test_every_family_of_keras_applications_is_covered():
    import keras

    modules = {
        name
        for name in dir(keras.applications)
        if hasattr(getattr(keras.applications, name), "preprocess_input")
    }
    assert modules - {"imagenet_utils"} == set(SCALING)


def test_standard_scaling():
    pixels = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3) * 8
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    got = scale(pixels, rules(scaling="standard", mean=mean, std=std))
    assert np.allclose(got, (pixels / 255 - mean) / std, atol=1e-6)
    torch = rules(scaling="standard", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert np.array_equal(scale(pixels, torch), scale(pixels, rules(scaling="torch")))


def test_scale_takes_views_and_never_changes_them():
    pixels = np.arange(256, dtype=np.float32)[:240].reshape(8, 10, 3)
    pixels.flags.writeable = False
    for scaling in FAMILIES:
        flipped = scale(pixels[::-1, ::2], rules(scaling=scaling))
        assert np.array_equal(flipped, scale(pixels, rules(scaling=scaling))[::-1, ::2])
    with pytest.raises(UsageError, match="shape"):
        scale(pixels[..., :2], rules())


@pytest.mark.tensorflow
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos", "area"])
@pytest.mark.parametrize("size", [(224, 224), (96, 160), (400, 31), (211, 301)])
def test_squash_equals_keras_load_img(interpolation, size, picture, tmp_path):
    import keras

    picture.save(tmp_path / "a.png")
    name = {"area": "box"}.get(interpolation, interpolation)
    want = keras.utils.load_img(tmp_path / "a.png", target_size=size, interpolation=name)
    got = resize(
        decode(tmp_path / "a.png"), rules(size, resize="squash", interpolation=interpolation)
    )
    assert np.array_equal(got, np.asarray(want))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "area"])
@pytest.mark.parametrize(
    "shape", [(500, 375), (375, 500), (300, 300), (1000, 256), (100, 60), (257, 256)]
)
@pytest.mark.parametrize("ratio", [0.875, 1.0, 0.7])
def test_crop_equals_resizing_then_cropping(interpolation, shape, ratio, photo):
    image = photo.resize(shape, Image.Resampling.BICUBIC)
    width, height = shape
    short = round(96 / ratio)
    long = int(short * max(shape) / min(shape))
    resized = image.resize((short, long) if width < height else (long, short), getattr(
        Image.Resampling, {"area": "BOX"}.get(interpolation, interpolation.upper())))  # fmt: skip
    left, top = round((resized.width - 96) / 2), round((resized.height - 96) / 2)
    want = np.asarray(resized.crop((left, top, left + 96, top + 96)), int)
    got = resize(image, rules((96, 96), crop_ratio=ratio, interpolation=interpolation)).astype(int)
    difference = np.abs(got - want)
    # Both passes may round the other way; at the edge of a box filter a whole pixel may.
    assert difference.max() <= (40 if interpolation == "area" else 2)
    assert difference.mean() < (0.2 if interpolation == "area" else 0.05)


def test_crop_of_an_oblong_size_is_the_smallest_that_covers_it():
    image = Image.new("RGB", (400, 100))
    image.paste((255, 255, 255), (150, 0, 250, 100))  # the middle quarter
    wide = resize(
        image, rules((50, 100), crop_ratio=0.5)
    )  # resized to 400x100, cut to the middle 100x50
    assert (wide == 255).all()
    tall = resize(image, rules((100, 50), crop_ratio=1.0))
    assert (tall == 255).all()
    both = resize(image, rules((50, 200), crop_ratio=1.0))  # resized to 200x50
    assert both[25, :, 0].nonzero()[0][[0, -1]].tolist() in ([75, 124], [74, 125])


def test_pad_fits_the_whole_picture_on_black():
    image = Image.new("RGB", (300, 100), (255, 255, 255))
    padded = resize(image, rules((90, 90), resize="pad"))
    assert (padded[30:60] == 255).all()
    assert (padded[:30] == 0).all()
    assert (padded[60:] == 0).all()
    assert np.array_equal(resize(image.transpose(Image.Transpose.TRANSPOSE), rules((90, 90), resize="pad")),
                          padded.transpose(1, 0, 2))  # fmt: skip
    assert (resize(image, rules((200, 300), resize="pad"))[50:150] == 255).all()


@settings(max_examples=150)
@given(
    st.tuples(
        st.sampled_from([1, 2, 3, 7, 33, 64, 4000]), st.sampled_from([1, 2, 5, 31, 64, 4000])
    ).filter(lambda shape: shape[0] * shape[1] < 300_000),
    st.tuples(st.sampled_from([1, 2, 31, 32, 75]), st.sampled_from([1, 3, 32, 64])),
    st.sampled_from(["crop", "squash", "pad"]),
    st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos", "area"]),
    st.sampled_from(list(FAMILIES)),
    st.sampled_from([0.3, 0.875, 1.0]),
)
def test_every_size_gives_the_size_asked_for(shape, size, how, interpolation, scaling, ratio):
    image = Image.new("RGB", shape, (10, 100, 200))
    asked = rules(size, scaling, resize=how, interpolation=interpolation, crop_ratio=ratio)
    pixels = resize(image, asked)
    assert pixels.shape == (*size, 3)
    assert pixels.dtype == np.uint8
    if how != "pad":  # one colour in, the same colour out: no edge leaks in
        assert (pixels == (10, 100, 200)).all()
    array = preprocess(image, asked)
    assert array.shape == (*size, 3)
    assert array.dtype == np.float32
    assert np.array_equal(array, scale(pixels, asked))
    assert array.flags.writeable
    assert pixels.flags.writeable


def test_a_strip_needs_no_picture_of_its_resized_length():
    began = time.perf_counter()
    # The shorter side to 256 would make it 256 x 1,024,000: 786 MB.
    assert resize(Image.new("RGB", (4000, 1)), rules()).shape == (224, 224, 3)
    assert time.perf_counter() - began < 1


def test_preprocess_is_resize_then_scale_and_leaves_the_image(picture):
    before = np.asarray(picture).copy()
    for scaling in FAMILIES:
        assert np.array_equal(preprocess(picture, rules(scaling=scaling)), scale(resize(picture, rules()), rules(
            scaling=scaling)))  # fmt: skip
    assert np.array_equal(np.asarray(picture), before)
    with pytest.raises(UsageError, match="mode RGB"):
        preprocess(picture.convert("L"), rules())


def test_decode_target_is_what_the_whole_picture_becomes():
    assert decode_target(rules((224, 224))) == (256, 256)
    assert decode_target(rules((224, 200), crop_ratio=1.0)) == (224, 200)
    assert decode_target(rules((224, 200), resize="squash")) == (224, 200)
    assert decode_target(rules((224, 200), resize="pad")) == (224, 200)
    assert decode_target(rules(interpolation="nearest")) is None
    assert decode_target(rules(interpolation="area")) is None


@pytest.mark.parametrize("how", ["crop", "squash", "pad"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_a_jpeg_decoded_for_its_target_gives_nearly_the_same(how, interpolation, encoded, apart):
    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    data = encoded(
        "JPEG", Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC), quality=95
    )
    asked = rules((128, 128), resize=how, interpolation=interpolation)
    quick = decode(data, target=decode_target(asked))
    assert quick.size == (400, 300)
    assert apart(preprocess(quick, asked), preprocess(decode(io.BytesIO(data)), asked)) < 2


@pytest.mark.parametrize("kind", ["crop", "squash", "pad"])
def test_a_picture_of_the_networks_size_is_taken_as_it_is(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    wanted = rules((48, 64), resize=kind)
    got = resize(Image.fromarray(pixels), wanted)
    np.testing.assert_array_equal(got, pixels)
    got[:] = 0
    assert pixels.any()
    assert not np.array_equal(resize(Image.fromarray(pixels[:-1]), wanted), pixels)
