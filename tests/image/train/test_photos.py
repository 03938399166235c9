"""Photos in memory: each is read, hashed and decoded once, while they fit in the limit."""

import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR, write_photos

import warmstart as ws
from warmstart.image.train.photos import Photos


@pytest.fixture
def files(tmp_path):
    return write_photos(tmp_path / "photos", 3)


def test_a_picture_is_decoded_once(files):
    photos, calls = Photos(), []

    def decode(source):
        calls.append(source)
        return Image.open(files[0]).convert("RGB")

    photos.digest(files[0])
    first = photos.decoded("a", files[0], decode)
    assert photos.decoded("a", files[0], decode) is first
    assert calls == [files[0].read_bytes()]
    photos.decoded("b", files[0], decode)
    assert calls[1:] == [files[0]]  # the content is not kept beside the picture


def test_what_does_not_fit_is_read_again(files):
    photos, calls = Photos(limit=10), []

    def decode(source):
        calls.append(source)
        return np.zeros(100, np.uint8)

    assert photos.digest(files[0]) == Photos().digest(files[0])
    assert photos.content(files[0]) is None
    for _ in range(2):
        photos.decoded("a", files[0], decode)
    assert calls == [files[0]] * 2
    assert photos.bytes_left == 10


@pytest.fixture
def opened():
    """How often each file has been opened."""
    counts, active = Counter(), [True]

    def hook(event, arguments):
        if active[0] and event == "open" and isinstance(arguments[0], str):
            counts[arguments[0]] += 1

    sys.addaudithook(hook)  # stays for the life of the process
    yield counts
    active[0] = False


@pytest.mark.tensorflow
def test_fine_tuning_opens_each_photo_once(tmp_path, opened, monkeypatch):
    for label, shade in (("dark", 40), ("light", 200)):
        for n, path in enumerate(write_photos(tmp_path / "data" / label, 5)):
            pixels = np.random.default_rng(n).integers(shade - 40, shade + 40, (48, 48, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    monkeypatch.setattr("warmstart.training.result.finish", lambda *_, **__: None)
    monkeypatch.setattr("warmstart.image.train.result.MISTAKES", 0)
    before = Counter(opened)
    ws.finetune(CIFAR, tmp_path / "data", epochs=1, freeze=30, verbose=False)
    files = [str(path) for path in (tmp_path / "data").rglob("*.png")]
    assert len(files) == 10
    assert {opened[file] - before[file] for file in files} == {1}
