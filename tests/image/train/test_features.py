"""Features of photos: those of the model, computed once, found again by content, whatever happens
to the cache.
"""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.photos import CIFAR, write_photos

import warmstart as ws
from warmstart.errors import UsageError
from warmstart.image.train.feature_cache import FeatureCache
from warmstart.image.train.feature_extractor import model_key
from warmstart.image.train.features import photo_features


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", 6)


def test_they_are_the_models_own_and_computed_once(cifar, photos):
    first = photo_features(cifar, photos)
    assert first.vectors.shape == (6, 1, 64)
    np.testing.assert_allclose(first.vectors[:, 0], cifar.features(photos), atol=1e-5)
    assert first.computed == 6
    again = photo_features(cifar, photos)
    assert again.computed == 0
    np.testing.assert_array_equal(again.vectors, first.vectors)


def test_content_decides_not_the_name(cifar, photos, tmp_path):
    photo_features(cifar, photos)
    shutil.copy(photos[0], tmp_path / "other.jpg")
    assert photo_features(cifar, [tmp_path / "other.jpg"]).computed == 0
    before = photos[1].stat()
    shutil.copy(photos[2], photos[1])
    os.utime(photos[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = photo_features(cifar, photos)
    assert changed.computed == 0
    np.testing.assert_array_equal(changed.vectors[1], changed.vectors[2])


def test_equal_photos_are_computed_once(cifar, photos):
    assert photo_features(cifar, [photos[0], str(photos[0]), photos[0].read_bytes()]).computed == 1


def test_arrays_and_pictures_are_known_by_their_pixels(cifar, photos):
    pixels = np.array(Image.open(photos[0]).convert("RGB"))
    first = photo_features(cifar, [pixels, pixels[:, ::-1]])
    assert first.computed == 2
    again = photo_features(
        cifar, [Image.open(photos[0]), pixels.astype(np.float32)], value_range="0..255"
    )
    assert again.computed == 0
    np.testing.assert_array_equal(again.vectors[0], first.vectors[0])


def test_unusable_photos_are_named_and_do_not_stop_the_others(cifar, photos, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    broken = tmp_path / "cut.png"
    broken.write_bytes(photos[0].read_bytes()[:200])
    found = photo_features(
        cifar, [photos[0], tmp_path / "text.jpg", tmp_path / "absent.jpg", broken, photos[1]]
    )
    assert list(found.failed) == [1, 2, 3]
    assert "text.jpg" in str(found.failed[1])
    assert "cut.png" in str(found.failed[3])
    assert np.isnan(found.vectors[1:4]).all()
    assert np.isfinite(found.vectors[[0, 4]]).all()


def test_views_are_kept_apart_and_are_the_same_in_any_order(cifar, photos, tmp_path):
    seen = []

    def turned(picture, view, random):
        seen.append(view)
        return (
            ImageOps.mirror(picture)
            if view == "mirror"
            else picture.rotate(random.uniform(-30, 30))
        )

    views = ["clean", "mirror", "turn #0", "turn #1"]
    found = photo_features(cifar, photos, views=views, transform=turned)
    assert found.vectors.shape == (6, 4, 64)
    assert found.computed == 24
    assert "clean" not in seen
    assert len({row.tobytes() for row in found.vectors.reshape(24, 64)}) == 24
    mirrored = [np.asarray(ImageOps.mirror(Image.open(path).convert("RGB"))) for path in photos]
    np.testing.assert_allclose(found.vectors[:, 1], cifar.features(mirrored), atol=1e-5)
    other = FeatureCache(tmp_path / "other.db")
    backwards = photo_features(
        cifar, photos[::-1], views=views[::-1], transform=turned, cache=other
    )
    np.testing.assert_allclose(backwards.vectors[::-1, ::-1], found.vectors, atol=1e-5)
    some = photo_features(cifar, photos, views=["turn #1", "turn #2"], transform=turned)
    assert some.computed == 6
    with pytest.raises(UsageError, match="transform"):
        photo_features(cifar, photos, views=["mirror"])


def test_models_are_kept_apart(cifar, photos):
    photo_features(cifar, photos)
    wide = ws.load(CIFAR, engine="litert")
    rules = wide.entry.to_dict()
    wide.entry = type(wide.entry).from_dict(
        {**rules, "preprocessing": {**rules["preprocessing"], "resize": "squash"}}
    )
    assert model_key(wide) != model_key(cifar)
    assert photo_features(wide, photos).computed == 6


def test_progress_counts_photos_that_are_computed(cifar, photos):
    told = []
    photo_features(cifar, photos[:2])
    photo_features(cifar, photos, progress=lambda *a: told.append(a))
    assert told == [("cifar10_resnet20", n, 4) for n in (1, 2, 3, 4)]


def test_an_interrupt_keeps_what_was_computed(cifar, photos):
    def stop(name, done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        photo_features(cifar, photos, progress=stop)
    assert photo_features(cifar, photos).computed == 1  # all that it told of is kept


def test_two_processes_share_one_file(photos):
    code = (
        "import sys, warmstart as ws\n"
        "from warmstart.image.train.features import photo_features\n"
        "for n in range(8):\n"
        f"    found = photo_features(ws.load({str(CIFAR)!r}, engine='litert'), sys.argv[1:],\n"
        "        views=['clean', f'v{n}'], transform=lambda photo, view, random: photo.rotate(random.random()))\n"
        "print(found.vectors[:, 0].sum(), 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, *map(str, photos)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {worker.communicate(timeout=100)[0] for worker in workers}
    assert len(said) == 1
    assert said.pop().endswith("False\n")
    assert len(FeatureCache()) == 6 * 9
