"""What counts as one input, and how everything else becomes many."""

import io
import itertools
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from warmstart.core.inputs import Item, is_single, natural
from warmstart.core.inputs import iter_items as iter_any
from warmstart.core.reading import FILE_SUFFIXES
from warmstart.core.task import TASKS
from warmstart.errors import InputError, UsageError
from warmstart.image.decoder import SUFFIXES, decode

TREE = ["img10.jpg", "img2.jpg", "IMG1.JPG", "notes.txt", ".hidden.jpg", "b/3.png", "b/20.png", "b/x/1.gif",
        "a/1.webp", "a/.git/1.png", ".trash/1.png", "c/readme.md", "data.bin"]  # fmt: skip
IN_ORDER = ["IMG1.JPG", "img2.jpg", "img10.jpg", "a/1.webp", "b/3.png", "b/20.png", "b/x/1.gif"]


def iter_items(inputs, suffixes=SUFFIXES):
    return iter_any(inputs, suffixes=suffixes, what="picture")


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    for name in TREE:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def names(inputs) -> list[str]:
    return [item.name for item in iter_items(inputs)]


def test_what_is_single(tree):
    photo = Image.new("RGB", (2, 2))
    paths = ("photos/img2.jpg", tree / "img2.jpg", "missing.jpg", "https://a.org/*.jpg?x=[1]", "")
    objects = (
        b"x",
        bytearray(b"x"),
        memoryview(b"x"),
        io.BytesIO(),
        photo,
        np.zeros((2, 2)),
        np.zeros((2, 2, 3)),
    )
    for one in paths + objects:
        assert is_single(one), one
        assert len(list(iter_items(one))) == 1
    for many in (
        "photos",
        tree,
        "photos/*.jpg",
        "**/*.png",
        [photo],
        (photo,),
        [],
        iter([photo]),
        np.zeros((2, 2, 2, 3)),
        np.array(["a.jpg"]),
        np.array(["a.jpg"], object),
    ):
        assert not is_single(many), many


def test_a_folder_comes_naturally_sorted_without_what_is_hidden(tree):
    assert names("photos") == [os.path.join("photos", *name.split("/")) for name in IN_ORDER]
    assert names(tree) == [str(tree / name) for name in IN_ORDER]
    assert [item.value for item in iter_items(tree)] == names(tree)
    os.chdir(tree)
    assert names(".") == [os.path.join(".", name) for name in IN_ORDER]
    assert [item.name for item in iter_items(tree, suffixes={".txt"})] == [str(tree / "notes.txt")]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("photos/*.jpg", ["img2.jpg", "img10.jpg"]),
        ("photos/*", ["IMG1.JPG", "img2.jpg", "img10.jpg"]),
        ("photos/*.bin", ["data.bin"]),
        ("photos/img?.jpg", ["img2.jpg"]),
        ("photos/img[0-9]*.jpg", ["img2.jpg", "img10.jpg"]),
        ("photos/**/*.png", ["b/3.png", "b/20.png"]),
        ("photos/**", IN_ORDER),
        ("photos/**/*", IN_ORDER),
        ("photos/**/**/*", IN_ORDER),
        ("photos/*/*.png", ["b/3.png", "b/20.png"]),
        ("photos/?/1.*", ["a/1.webp"]),
        ("**/x/*", ["b/x/1.gif"]),
        ("photos/**/x/1.gif", ["b/x/1.gif"]),
        ("photos/.h*.jpg", [".hidden.jpg"]),
        ("photos/.trash/*", [".trash/1.png"]),
        ("phot*/b/../a/*", ["b/../a/1.webp"]),
    ],
)
def test_patterns(tree, pattern, found):
    assert names(pattern) == [os.path.join("photos", name) for name in found]
    absolute = str(tree.parent / pattern)
    assert names(absolute) == [str(tree.parent) + "/photos/" + name for name in found]
    assert names(Path(pattern)) == names(str(Path(pattern)))


def test_a_file_named_like_a_pattern_is_that_file(tree):
    (tree / "img[2].jpg").touch()
    assert is_single("photos/img[2].jpg")
    assert names("photos/img[2].jpg") == ["photos/img[2].jpg"]
    assert names(["photos/img[2].jpg"]) == ["photos/img[2].jpg"]
    (tree / "set[1]").mkdir()
    (tree / "set[1]" / "a.png").touch()
    assert names("photos/set[1]") == ["photos/set[1]/a.png"]


def test_lists_expand_folders_and_patterns_and_number_what_has_no_name(tree):
    array, photo = np.zeros((2, 2, 3), np.uint8), Image.new("RGB", (2, 2))
    inputs = [
        "photos/img2.jpg",
        b"bytes",
        "photos/b",
        array,
        "photos/*.jpg",
        photo,
        Path("x.jpg"),
        "http://a.org/b.jpg",
    ]
    want = [
        "photos/img2.jpg",
        "item 2",
        "photos/b/3.png",
        "photos/b/20.png",
        "photos/b/x/1.gif",
        "item 4",
        "photos/img2.jpg",
        "photos/img10.jpg",
        "item 6",
        "x.jpg",
        "http://a.org/b.jpg",
    ]
    assert names(inputs) == want
    assert names(tuple(inputs)) == want
    assert names(value for value in inputs) == want
    values = [item.value for item in iter_items(inputs)]
    assert values[5] is array
    assert values[8] is photo
    assert names(array) == ["item 1"]


def test_a_batch_array_is_its_pictures():
    batch = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    items = list(iter_items(batch))
    assert [item.name for item in items] == ["item 1", "item 2"]
    assert all(
        np.array_equal(item.value, picture) for item, picture in zip(items, batch, strict=True)
    )


def test_files_and_images_are_named_by_their_path(tree):
    Image.new("RGB", (2, 2)).save(tree / "real.png")
    with open(tree / "real.png", "rb") as file, Image.open(tree / "real.png") as image:
        assert names([file, image]) == [str(tree / "real.png")] * 2


def test_names_can_always_be_printed(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.png")).touch()
    except (OSError, ValueError):
        pytest.skip("this file system has no such names")
    (item,) = iter_items(tmp_path)
    assert item.name.encode().endswith(rb"caf\udce9.png")
    assert os.path.exists(item.value)
    with pytest.raises(InputError, match="empty"):
        decode(item.value, name=item.name)


def test_nothing_found_is_a_usage_error(tmp_path, tree):
    for empty, message in (("photos/c", "photos/c contains no picture"), ("photos/*.tif", r"pattern photos/\*.tif"),
                           ("nowhere/**/*.jpg", "no picture matches")):  # fmt: skip
        with pytest.raises(UsageError, match=message):
            list(iter_items(empty))
    assert list(iter_items([])) == []


def test_an_empty_folder_of_a_list_is_one_bad_item(tree):
    first, empty, last = iter_items(["photos/img2.jpg", "photos/c", "photos/img10.jpg"])
    assert (first.name, empty.name, last.name) == (
        "photos/img2.jpg",
        "photos/c",
        "photos/img10.jpg",
    )
    with pytest.raises(InputError, match="contains no picture") as caught:
        decode(empty.value, name=empty.name)
    assert caught.value.item == "photos/c"


@pytest.mark.parametrize("nonsense", [None, 7, {"a": 1}, object()])
def test_what_is_no_input_is_told_at_once(nonsense):
    with pytest.raises(UsageError, match="cannot take pictures from"):
        iter_items(nonsense)


def test_links_that_lead_back_end(tree):
    (tree / "b" / "loop").symlink_to(tree, target_is_directory=True)
    (tree / "a" / "self").symlink_to(".", target_is_directory=True)
    (tree / "a" / "sideways").symlink_to(tree / "b", target_is_directory=True)
    (tree / "broken.jpg").symlink_to(tree / "nothing")
    (tree / "good.jpg").symlink_to(tree / "img2.jpg")
    for found in (names("photos"), names("photos/**/*")):
        real = [os.path.realpath(name) for name in found]
        assert len(real) == len(set(real)) + 1  # good.jpg, and nothing else twice
        assert {os.path.relpath(name, tree) for name in real} == {*IN_ORDER, "nothing"}
    assert len(names("**/**/**/*.png")) == 2


def test_a_folder_without_permission_is_one_bad_item(tree, monkeypatch):
    real = os.scandir

    def scandir(folder):  # chmod would not stop root
        if os.path.basename(folder) == "b":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    items = list(iter_items(tree))
    (bad,) = [item for item in items if isinstance(item.value, InputError)]
    assert bad.name == bad.value.item == str(tree / "b")
    assert "cannot be read (Permission denied)" in str(bad.value)
    assert len(items) == 5


def test_generators_are_asked_one_at_a_time():
    asked = []

    def endless():
        for number in itertools.count():
            asked.append(number)
            yield b""

    items = iter_items(endless())
    assert asked == []
    assert next(items).name == "item 1"
    assert asked == [0]


def test_an_item_compares_by_identity():
    array = np.zeros((2, 2))
    assert Item("a", array) != Item("a", array)  # == of arrays would be an array


def test_natural_order():
    want = [
        "1.jpg",
        "2.jpg",
        "010.jpg",
        "10.jpg",
        "A1.jpg",
        "a2.jpg",
        "A10.jpg",
        "a10b2.jpg",
        "a10b10.jpg",
        "b.jpg",
    ]
    assert sorted(sorted(want), key=natural) == want
    assert natural("x" + "9" * 255) > natural("x" + "8" * 255) > natural("x" + "9" * 254)


def test_many_folders_need_little_memory(tmp_path):
    for folder in range(20):
        (tmp_path / str(folder)).mkdir()
        for file in range(250):
            (tmp_path / str(folder) / f"a picture with a long name, number {file}.jpg").touch()
    tracemalloc.start()
    count = sum(1 for _ in iter_items(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 5000
    assert peak < 250_000  # 5,000 paths would be 900,000 bytes, those of one folder are 50,000


def test_every_kind_of_file_is_known_by_its_suffix():
    suffixes = {suffix for task in TASKS.values() for suffix in task.input_kind().suffixes}
    assert suffixes <= FILE_SUFFIXES
