"""Parts and class folders as people name them: read whole, or refused with both names."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from warmstart.core.records.split_names import split_of_name, splits_of_names
from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.annotations.masks import read_masks
from warmstart.image.photo_files import photos_of
from warmstart.image.train.data import read

SEED = iter(range(10**6))
XML = (
    "<annotation><filename>{}</filename><object><name>ant</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
    "<xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>"
)


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(next(SEED)).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(path, format="png")
    return path


def classes(root: Path, *folders: str, count: int = 2) -> Path:
    """Class folders in each of the folders."""
    for folder in folders:
        for name in ("ant", "bee"):
            for n in range(count):
                photo(root / folder / name / f"{n}.png")
    return root


def boxed(folder: Path, count: int = 2) -> Path:
    """Photos with XML files next to them."""
    for n in range(count):
        file = photo(folder / f"{n}.png")
        file.with_suffix(".xml").write_text(XML.format(file.name))
    return folder


def masked(folder: Path, count: int = 2) -> Path:
    for n in range(count):
        photo(folder / "images" / f"{n}.png")
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / "masks" / f"{n}.png")
    return folder


def test_a_copy_of_the_folder_in_itself_is_not_used(tmp_path):
    root = classes(tmp_path / "xrays", "train", "test")
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy").rename(root / "xrays")
    data = read(root)
    assert data.problems == (f"{root / 'xrays'}: not used, a copy of {root}",)
    assert len(data.test or ()) == 4
    photo(root / "xrays" / "train" / "ant" / "0.png")
    with pytest.raises(UsageError, match="and also xrays/ with class folders"):
        read(root)


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("training_set", "test_set", "test"),
        ("Training Set", "Test Set", "test"),
        ("train2017", "val2017", "validation"),
        ("seg_train", "seg_test", "test"),
        ("TrainSet", "ValSet", "validation"),
        ("train-images", "testing_data", "test"),
        ("TRAIN", "Valid", "validation"),
        ("flowers_training_set", "flowers_dev_set", "validation"),
    ],
)
def test_names_of_splits(tmp_path, train, other, split):
    assert splits_of_names([train, other]) == {train: "train", other: split}
    classes(tmp_path / "classes", train, count=6)
    classes(tmp_path / "classes", other)
    data = read(tmp_path / "classes")
    assert data.classes == ("ant", "bee")
    assert len(dict(data.splits())[split]) == 4
    for name in (train, other):
        boxed(tmp_path / "boxes" / name)
        masked(tmp_path / "masks" / name)
    for photos in (read_boxes(tmp_path / "boxes").photos, read_masks(tmp_path / "masks").photos):
        assert sorted(photo.split for photo in photos) == sorted([split] * 2 + ["train"] * 2)


@pytest.mark.parametrize(
    "name", ["trained", "rain", "bullet_train", "validity", "train_test", "set", "7"]
)
def test_other_names(name):
    assert split_of_name(name) is None


def test_classes_called_as_splits(tmp_path):
    for name in ("bullet_train", "freight_train", "test_track"):
        for n in range(5):
            photo(tmp_path / name / f"{n}.png")
    assert read(tmp_path).classes == ("bullet_train", "freight_train", "test_track")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train", "val", "valid"), r"2 names for the validation split: val/ and valid/"),
        (("train", "training"), r"2 names for the train split: train/ and training/"),
        (("val", "test"), "no training examples; it has only the splits test and validation"),
        (("train", "holdout"), "also holdout/ with class folders"),
        (("train", "val", "eval"), "also eval/ with class folders"),
    ],
)
def test_folders_that_are_refused(tmp_path, folders, message):
    with pytest.raises(UsageError, match=message):
        read(classes(tmp_path, *folders))


@pytest.mark.parametrize(("make", "reader"), [(boxed, read_boxes), (masked, read_masks)])
def test_splits_of_boxes_and_masks(tmp_path, make, reader):
    for name in ("train", "valid", "val"):
        make(tmp_path / "two" / name)
    with pytest.raises(UsageError, match="val/ and valid/"):
        reader(tmp_path / "two")
    for name in ("train", "extra"):
        make(tmp_path / "other" / name)
    with pytest.raises(UsageError, match="also extra/ with"):
        reader(tmp_path / "other")
    make(tmp_path / "both" / "train")
    make(tmp_path / "both")
    with pytest.raises(UsageError, match="next to them"):
        reader(tmp_path / "both")
    make(tmp_path / "unlabelled" / "train")
    photo(tmp_path / "unlabelled" / "test" / "a.png")
    photo(tmp_path / "unlabelled" / "b.png")
    problems = reader(tmp_path / "unlabelled").problems
    assert [problem.split(": ")[1].split(" ")[0] for problem in problems] == ["1", "1"]
    photo(tmp_path / "unlabelled" / "val" / "c.png")
    with pytest.raises(UsageError, match=r"val is the validation split and has no "):
        reader(tmp_path / "unlabelled")


def test_splits_inside_images(tmp_path):
    def yolo(root, *names):
        for name in names:
            photo(root / "images" / name / f"{name}.png")
            (root / "labels" / name).mkdir(parents=True)
            (root / "labels" / name / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
        (root / "classes.txt").write_text("ant\n")
        return root

    data = read_boxes(yolo(tmp_path / "years", "train2017", "val2017"))
    assert [photo.split for photo in data.photos] == ["train", "validation"]
    with pytest.raises(UsageError, match=r"train2017/, and 1 photo in none of them"):
        read_boxes(yolo(tmp_path / "extra", "train2017", "extra"))
    with pytest.raises(UsageError, match=r"val/ and valid/"):
        read_boxes(yolo(tmp_path / "two", "train", "val", "valid"))


def test_archives_unpacked_into_folders_of_their_names(tmp_path):
    classes(tmp_path, "seg_train/seg_train", "seg_test/seg_test", count=4)
    photo(tmp_path / "seg_pred" / "seg_pred" / "1.png")
    data = read(tmp_path)
    assert [len(split) for _, split in data.splits()] == [6, 2, 8]
    assert data.problems == (
        f"{tmp_path}/seg_pred/seg_pred: 1 photo not used, without class folders",
    )


def test_what_is_left_out_is_counted(tmp_path):
    classes(tmp_path, "train", "val", count=3)
    photo(tmp_path / "loose.png")
    photo(tmp_path / "train" / "loose.png")
    photo(tmp_path / "test" / "unlabelled.png")
    photo(tmp_path / "extra" / "unlabelled.png")
    (tmp_path / "train" / "ant" / "scan.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n")
    (tmp_path / "train" / "ant" / "notes.txt").write_text("sunny")
    data = read(tmp_path)
    assert [len(split) for _, split in data.splits()] == [6, 6]
    text = "\n".join(data.problems)
    assert len(data.problems) == 5
    assert f"{tmp_path / 'test'}: 1 photo not used, without class folders" in text
    assert f"{tmp_path / 'extra'}: 1 photo not used, without class folders" in text
    assert f"{tmp_path}: 1 photo not used, in none of the splits" in text
    assert f"{tmp_path / 'train'}: 1 photo not used, in no class folder" in text
    assert f"{tmp_path / 'train' / 'ant'}: 1 file not read, because" in text
    assert "scan.jp2" in text
    photo(tmp_path / "val2" / "ant" / "1.png").parent.parent.rename(tmp_path / "unrelated")
    with pytest.raises(UsageError, match="also unrelated/"):
        read(tmp_path)


def test_files_are_photos_by_content(tmp_path):
    for name in ("a.PNG", "b", "c.jpg_large", "d.tiff", "e.txt", ".hidden.png", "f.nef"):
        photo(tmp_path / name)
    (tmp_path / "f.nef").write_bytes(b"II*\0" + bytes(60))
    (tmp_path / "g.ppm").write_bytes(b"P6 1 1 255\n\0\0\0")
    problems: list[str] = []
    assert [file.name for file in photos_of(tmp_path, problems)] == [
        "a.PNG",
        "b",
        "c.jpg_large",
        "d.tiff",
    ]
    assert [problem.split(": ")[1] for problem in problems] == [
        "2 files not read, because they are not JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
    ]
    assert "f.nef, g.ppm" in problems[0]
