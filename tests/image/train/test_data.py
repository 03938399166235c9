"""Labelled data in every form; what cannot be learned from is said clearly."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.annotations.masks import read_masks
from warmstart.image.train.data import read
from warmstart.image.train.data.examples import Examples
from warmstart.image.train.data.split import split
from warmstart.image.train.options import DetectionOptions, ImageClassificationOptions
from warmstart.speech.train.options import RecognitionOptions
from warmstart.text.train.options import GenerationOptions
from warmstart.training.summary import Summary


def photo(path, seed: int):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def flowers(tmp_path):
    for place, name in enumerate(("rose", "tulip", "aster")):
        for n in range(10 if name == "rose" else 5):
            photo(tmp_path / "flowers" / name / f"{n}.png", 100 * place + n)
    return tmp_path / "flowers"


def labels(dataset, part) -> list[str]:
    return [dataset.classes[target] for target in part.targets]


def test_a_file_of_coco_names_its_tasks(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    with pytest.raises(UsageError, match=r"annotations of COCO.*object-detection.*image-segment"):
        read(path)


def test_class_folders_are_split_class_by_class(flowers):
    data = read(flowers)
    assert data.classes == ("aster", "rose", "tulip")
    assert data.counts(data.validation).tolist() == [1, 2, 1]
    assert data.counts(data.train).tolist() == [4, 8, 4]
    assert not set(data.train.inputs) & set(data.validation.inputs)
    assert [path.parent.name for path in data.train.inputs] == labels(data, data.train)
    assert read(flowers).fingerprint() == data.fingerprint()
    assert read(flowers, seed=1).fingerprint() != data.fingerprint()
    assert len(read(flowers, validation=0.4).validation) == 8


def test_train_val_test_folders(flowers, tmp_path):
    for part, count in (("train", 3), ("val", 1), ("test", 1)):
        for name in ("rose", "tulip"):
            for n in range(count):
                target = tmp_path / "parts" / part / name / f"{n}{part}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(
                    flowers
                    / name
                    / f"{n + (3 if part == 'val' else 4 if part == 'test' else 0)}.png",
                    target,
                )
    data = read(tmp_path / "parts")
    assert [(name, len(part)) for name, part in data.splits()] == [
        ("train", 6),
        ("validation", 2),
        ("test", 2),
    ]
    assert data.warnings == ()
    shutil.copy(
        tmp_path / "parts" / "train" / "rose" / "0train.png",
        tmp_path / "parts" / "val" / "rose" / "copy.png",
    )
    (warning,) = read(tmp_path / "parts").warnings
    assert "1 example in two splits" in warning
    assert "copy.png" in warning


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_tables(flowers, suffix):
    rows = [
        (f"{name}/{n}.png", name, "test" if n == 4 else "train")
        for name in ("rose", "tulip")
        for n in range(5)
    ]
    between = "," if suffix == "csv" else "\t"
    text = "\n".join(between.join(row) for row in [("file_name", "label", "split"), *rows])
    if suffix == "jsonl":
        text = "\n".join(
            json.dumps(dict(zip(("path", "label", "split"), row, strict=True))) for row in rows
        )
    table = flowers / f"list.{suffix}"
    table.write_text(text)
    data = read(table)
    assert data.classes == ("rose", "tulip")
    assert [(name, len(part)) for name, part in data.splits()] == [
        ("train", 6),
        ("validation", 2),
        ("test", 2),
    ]
    assert not data.problems
    assert len(read(table, validation=0.5).validation) == 4


def test_a_missing_file_is_listed_and_left_out(flowers):
    rows = (
        "path,label",
        "rose/0.png,a",
        "rose/1.png,a",
        "tulip/0.png,b",
        "tulip/1.png,b",
        "no.png,a",
    )
    (flowers / "list.csv").write_text("\n".join(rows))
    data = read(flowers / "list.csv", validation=0.5)
    (problem,) = data.problems
    assert "no.png" in problem
    assert len(data.train) + len(data.validation) == 4


def test_rows_that_cannot_be_used_are_listed_and_left_out(flowers):
    rows = [f"{name}/{n}.png;{name}" for name in ("rose", "tulip") for n in range(4)]
    (flowers / "list.csv").write_text(
        "\n".join(["image;species", *rows, "rose/4.png;", "x", ";tulip"])
    )
    data = read(flowers / "list.csv", label_column="species")
    assert (len(data.train), len(data.validation), data.classes) == (6, 2, ("rose", "tulip"))
    assert [problem.removeprefix(str(flowers)) for problem in data.problems] == [
        "/list.csv:10: has no label (the column 'species' is empty); fill it in, or remove the row",
        "/list.csv:11: has 1 cell where there are 2 columns (image, species); write a delimiter "
        "for each missing cell, too",
        "/list.csv:12: has no path (the column 'image' is empty); fill it in, or remove the row",
    ]


def test_a_label_with_a_separator_is_one_or_several_as_the_caller_says(flowers):
    rows = [f"{name}/{n}.png,{name}|x" for name in ("rose", "tulip") for n in range(4)]
    (flowers / "list.csv").write_text("\n".join(["path,label", *rows]))
    with pytest.raises(UsageError, match=r"list.csv:2: the label 'rose\|x' is one name or several"):
        read(flowers / "list.csv")
    assert read(flowers / "list.csv", multi_label=False).classes == ("rose|x", "tulip|x")
    assert read(flowers / "list.csv", multi_label=True).classes == ("rose", "tulip", "x")


@pytest.mark.parametrize(
    "text",
    [
        "path,labels\nrose/0.png,red|thorns\nrose/1.png,red\ntulip/0.png,\ntulip/1.png,red;wild\naster/0.png,wild\n",
        "path,red,thorns,wild\nrose/0.png,1,1,0\nrose/1.png,1,0,0\ntulip/0.png,0,0,0\ntulip/1.png,1,0,1\naster/0.png,0,0,1\n",
    ],
)
def test_several_labels(flowers, text):
    (flowers / "list.csv").write_text(text)
    validation = [(flowers / "rose" / "3.png", ["red", "thorns"])]
    several = None if "labels" in text else True
    data = read(flowers / "list.csv", validation=validation, multi_label=several)
    assert data.multi_label
    assert data.classes == ("red", "thorns", "wild")
    assert data.train.targets.tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 0, 1]]
    assert data.validation.targets.tolist() == [[1, 1, 0]]
    assert data.majority == pytest.approx(2 / 3)


def test_pairs_and_balance(flowers):
    pairs = [(flowers / "rose" / f"{n}.png", 10) for n in range(10)]
    pairs += [(np.full((4, 4, 3), n, np.uint8), 9) for n in range(4)]
    data = read(pairs)
    assert data.classes == ("9", "10")  # numbers in their order
    lines = list(data.summary().lines())
    assert "2 classes; 11 to train on, 3 to validate" in lines[0]
    assert lines[1].startswith("  pixels: uint8 from 0 (black) to 255 (white); the highest is 3")
    assert lines[4].startswith("baseline: always '10'")
    assert data.majority == pytest.approx(2 / 3)


@pytest.mark.parametrize(("low", "high", "dtype", "white"), [
    (0, 1, "float32", 255), (0, 1, "float64", 255), (-1, 1, "float32", 255), (0, 255, "float32", 255),
    (0, 255, "int64", 255), (0, 4095, "uint16", 255), (0, 65535, "uint16", 255), (0, 1, "bool", 255),
    (0, 200, "uint8", 200), (0, 0.5, "float32", 128),
])  # fmt: skip
def test_pictures_in_memory_have_one_range(low, high, dtype, white):
    """Of dark pictures too: their range is that of the whole data set."""
    numbers = np.linspace(low, high, 8 * 16).reshape(8, 4, 4)
    numbers = numbers[..., None].repeat(3, -1).astype(dtype)
    data = read([(numbers[n], str(n % 2)) for n in range(8)], validation=0.5)
    pictures = np.stack([*data.train.inputs, *data.validation.inputs]).astype(int)
    assert pictures.max() == white
    assert pictures.min() == 0
    if dtype != "bool":
        assert np.ptp(np.diff(np.sort(pictures[..., 0].ravel()))) <= 2  # evenly spaced: not clipped


@pytest.mark.parametrize(("numbers", "words"), [
    (np.linspace(-2.1, 2.6, 96), "float64 with numbers from -2.1 to 2.6, which is not"),
    (np.linspace(0, 16, 96), "numbers from 0 to 16"),
    (np.linspace(0, 300, 96), "numbers from 0 to 300"),
    (np.arange(-5, 91), "int64 with numbers from -5 to 90"),
    (np.arange(96).astype("uint8") % 2, "uint8 with numbers from 0 to 1"),
    (np.append(np.zeros(95), np.inf), "NaN or infinity"),
    (np.array(["a"] * 96), "array of <U1"),
])  # fmt: skip
def test_impossible_numbers_of_pictures_are_refused(numbers, words):
    pictures = numbers.reshape(2, 4, 4, 3)
    with pytest.raises(UsageError, match=words):
        read([(pictures[n % 2], str(n % 2)) for n in range(4)])


@pytest.mark.parametrize(("y", "labels", "classes"), [
    ([3, 10, 3, 10], [0, 1, 0, 1], ("3", "10")),
    ([[0], [1], [0], [1]], [0, 1, 0, 1], ("0", "1")),
    ([[0, 1], [1, 0], [0, 1], [1, 0]], [1, 0, 1, 0], ("0", "1")),
    ([[1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 0]], [[1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 0]], ("0", "1", "2")),
    (["cat", "dog", "cat", "dog"], [0, 1, 0, 1], ("cat", "dog")),
    ([1.0, 2.0, 1.0, 2.0], [0, 1, 0, 1], ("1", "2")),
])  # fmt: skip
def test_arrays_as_keras_takes_them(y, labels, classes):
    x = np.random.default_rng(0).random((4, 5, 6)).astype("float32")
    data = read((x, np.array(y)), validation=(x[:2, ..., None], np.array(y)[:2]))
    assert data.classes == classes
    assert data.train.targets.tolist() == labels
    assert data.validation.targets.tolist() == labels[:2]
    np.testing.assert_array_equal(data.train.inputs[3], np.rint(x[3] * 255).astype(np.uint8))


def test_arrays_that_do_not_fit_are_refused():
    x = np.zeros((4, 5, 6, 3), "uint8")
    for y, words in (
        (np.zeros(3), r"not an array of the shape \(4, 5, 6, 3\) and an array of the shape \(3,\)"),
        (np.full((4, 3), 0.5), "Label 1 is a row of 3 numbers that are not all 0 and 1"),
        (np.zeros((4, 5, 6)), "for masks pass a list"),
    ):
        with pytest.raises(UsageError, match=words):
            read((x, y))


def test_pictures_of_two_types_are_refused():
    pictures = [np.zeros((4, 4, 3), "uint8"), np.zeros((4, 4, 3), "float32")]
    with pytest.raises(UsageError, match="arrays of float32 and uint8; use one type for all"):
        read([(pictures[n % 2], str(n % 2)) for n in range(4)])


def test_annotations_are_not_classes(flowers, tmp_path):
    """Photos with masks or boxes, and parts without class folders."""
    for name in "ab":
        photo(tmp_path / "masked/images" / f"{name}.png", ord(name))
        photo(tmp_path / "masked/masks" / f"{name}_mask.png", ord(name) + 9)
        photo(tmp_path / "boxed/train/images" / f"{name}.png", ord(name))
        photo(tmp_path / "flat/train" / f"{name}.png", ord(name))
        photo(tmp_path / "flat/valid" / f"{name}.png", ord(name) + 9)
    (tmp_path / "boxed/train/labels").mkdir()
    (tmp_path / "boxed/train/labels/a.txt").write_text("0 .5 .5 .1 .1")
    for folder, words in (
        (
            "masked",
            r"photos and their masks, or two classes\. For masks, set task='image-segmentation'",
        ),
        (
            "boxed",
            r"photos and their boxes, or two classes\. For boxes, set task='object-detection'",
        ),
        ("flat", r"has the splits train/ and valid/, which contain no class folders"),
    ):
        with pytest.raises(UsageError, match=words):
            read(tmp_path / folder)
    (flowers / "rose").rename(flowers / "train")  # a class of that name
    assert read(flowers).classes == ("aster", "train", "tulip")


@pytest.mark.tensorflow
def test_tf_data():
    import tensorflow as tf

    pictures = np.random.default_rng(0).random((10, 4, 4, 3)).astype("float32")
    vectors = np.eye(2)[np.arange(10) % 2]
    data = read(tf.data.Dataset.from_tensor_slices((pictures, vectors)).batch(4))
    assert data.classes == ("0", "1")
    assert not data.multi_label
    assert len(data.train) == 8
    np.testing.assert_array_equal(data.train.inputs[0], np.rint(pictures[0] * 255).astype(np.uint8))
    with pytest.raises(UsageError, match="never ends"):
        read(tf.data.Dataset.from_tensor_slices((pictures, vectors)).repeat())


def test_what_cannot_be_learned_from(flowers, tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read(tmp_path / "nothing")
    (flowers / "lily").mkdir()
    with pytest.raises(UsageError, match="without a photo \\('lily'\\)"):
        read(flowers)
    (tmp_path / "one" / "rose").mkdir(parents=True)
    photo(tmp_path / "one" / "rose" / "1.png", 0)
    with pytest.raises(UsageError, match="only one class"):
        read(tmp_path / "one")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no class folders"):
        read(tmp_path / "empty")
    (tmp_path / "a.csv").write_text("path,size\nx.png,3\n")
    with pytest.raises(UsageError, match="no column of labels"):
        read(tmp_path / "a.csv")
    with pytest.raises(UsageError, match=r"not a \(photo, label\) pair"):
        read([("a", "b", "c")])
    with pytest.raises(UsageError, match="missing from the training data: 'iris'"):
        read(
            [(photo(tmp_path / "x" / f"{n}.png", n), str(n % 2)) for n in range(4)],
            validation=[(tmp_path / "x" / "0.png", "iris")],
        )
    with pytest.raises(UsageError, match="between 0 and 1"):
        read([(tmp_path / "x" / f"{n}.png", str(n % 2)) for n in range(4)], validation=1.5)


def test_equal_contents_stay_together():
    targets = np.array([0] * 10 + [1] * 10)
    digests = tuple("same" if n in (0, 1, 2) else str(n) for n in range(20))
    for seed in range(20):
        train, validation = split(Examples(tuple(range(20)), targets, digests), 0.3, seed)
        assert {0, 1, 2} <= set(train.inputs)
        assert np.bincount(validation.targets).tolist() == [3, 3]


X = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
Y = np.array([0, 1] * 6)


def test_pictures_and_labels_in_lists():
    ragged = np.empty(12, object)
    ragged[:] = [picture[: 4 + row % 3] for row, picture in enumerate(X)]
    whole = read((X, Y)).fingerprint()
    for x, y in (
        (list(X), list(Y)),
        (X, list(Y)),
        ([Image.fromarray(one) for one in X], Y.tolist()),
    ):
        assert read((x, y)).fingerprint() == whole
    assert read((ragged, Y)).classes == ("0", "1")
    with pytest.raises(UsageError, match="not a list of 12 and a list of 2"):
        read((list(X), [0, 1]))
    with pytest.raises(UsageError, match=r"list\(zip\(x, y\)\)"):
        read((["a.jpg", "b.jpg", "c.jpg"], ["a", "b", "a"]))
    with pytest.raises(UsageError) as caught:
        read([(X[0], X[1])] * 4)
    assert "object of type ndarray of the shape (8, 8, 3)" in str(caught.value)


def test_pictures_of_two_ranges_are_refused():
    high, low = X.astype("float32"), X.astype("float32") / 255
    with pytest.raises(UsageError, match=r"validation split .* from 0 to 1, .* from 0 to 255"):
        read((high, Y), validation=(low, Y))
    with pytest.raises(UsageError, match=r"Image 2 of the train split .* 0 to 1"):
        read([((low if row % 2 else high)[row], str(row % 3)) for row in range(12)])
    with pytest.raises(UsageError, match="validation split"):
        read((low * 2 - 1, Y), validation=(low, Y))
    assert (
        "pixels: float32 from 0 (black) to 255 (white)"
        in read((high, Y), validation=(high // 3, Y)).columns
    )
    dark = read((X // 16, Y)).columns[0]
    assert dark == "pixels: uint8 from 0 (black) to 255 (white); the highest is 15, so all are dark"


def test_labels_with_fractions_are_values():
    with pytest.raises(UsageError, match=r"numbers with fractions \('0', '0.5'\)"):
        read((X, Y / 2))
    assert read((X, Y / 2), class_names=["0", "0.5"]).classes == ("0", "0.5")
    assert read((X, Y.astype(float))).classes == ("0", "1")


def table(folder, rows, header="path,label"):
    (folder / "labels.csv").write_text("\n".join([header, *rows]))
    return folder / "labels.csv"


def test_a_table_next_to_folders(tmp_path):
    for n in range(8):
        photo(tmp_path / "img" / f"{n}.png", n)
    file = table(tmp_path, [f"img/{n}.png,{'ab'[n % 2]}" for n in range(8)])
    assert read(tmp_path).fingerprint() == read(file).fingerprint()
    (tmp_path / "more.csv").write_text("path,label\n")
    with pytest.raises(UsageError, match=r"tables labels.csv and more.csv and no class folders"):
        read(tmp_path)
    (tmp_path / "more.csv").unlink()
    photo(tmp_path / "other" / "1.png", 9)
    photo(tmp_path / "other" / "2.png", 10)
    with pytest.raises(UsageError, match=r"two ways: .* by labels.csv, .* such as 'a' in img/"):
        read(tmp_path)
    assert read(tmp_path, label_column="label").classes == ("a", "b")
    table(tmp_path, [*(f"img/{n}.png,0" for n in range(8)), "other/1.png,1"])
    data = read(tmp_path)
    assert data.classes == ("img", "other")
    assert "labels.csv not read, because there are class folders" in data.problems[0]


def test_a_table_of_which_most_cannot_be_used_is_refused(tmp_path):
    for n in range(10):
        photo(tmp_path / f"{n}.png", n)
    file = table(tmp_path, [f"{n}.png,{'ab'[n % 2]}" for n in range(30)])
    with pytest.raises(UsageError, match="20 of 30 photos of the train split cannot be used"):
        read(file)
    with pytest.raises(UsageError, match=r"20 of 30 records of .* cannot be used"):
        read(table(tmp_path, [f"{n % 10}.png,{'ab'[n % 2] if n < 10 else ''}" for n in range(30)]))


def test_boxes_and_masks_of_which_most_cannot_be_used_are_refused(tmp_path):
    for n in range(10):
        photo(tmp_path / f"{n}.png", n)
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / f"{n}_mask.png")
    boxes = table(
        tmp_path, [f"{n}.png,a,1,1,5,5" for n in range(30)], "path,label,xmin,ymin,xmax,ymax"
    )
    with pytest.raises(UsageError, match="20 of 30 photos cannot be used"):
        read_boxes(boxes)
    masks = table(tmp_path, [f"{n}.png,{n}_mask.png" for n in range(30)], "image,mask")
    with pytest.raises(UsageError, match="20 of 30 photos cannot be used"):
        read_masks(masks)


@pytest.mark.parametrize(
    "options", [ImageClassificationOptions, DetectionOptions, RecognitionOptions, GenerationOptions]
)
@pytest.mark.parametrize("freeze", [-1, True, 0.5])
def test_freeze_is_checked_with_the_options(options, freeze):
    with pytest.raises(UsageError, match="freeze"):
        options(freeze=freeze)


def test_the_same_photo_with_two_labels_and_classes_alike(tmp_path):
    for n in range(8):
        photo(tmp_path / f"{n}.png", n)
    rows = [f"{n}.png,{'cat' if n % 2 else 'Cat'}" for n in range(8)]
    data = read(table(tmp_path, [*rows, "0.png,cat"]))
    warnings = "\n".join(data.summary().warnings)
    assert "1 example repeated with different labels" in warnings
    assert "the classes 'Cat' and 'cat' differ only in case, spaces or hyphens" in warnings


def test_classes_that_differ_in_a_sign_are_not_alike():
    names = ("-1", "1", "A", "A-", "B c", "b_c", "e\u0301", "\u00e9")
    labels = {name: {"train": 1} for name in names}
    warnings = Summary("x", "photos", {"train": 8}, labels).warnings
    assert [one.partition("differ")[2] for one in warnings] == [
        " only in case, spaces or hyphens",
        " only in how Unicode writes them (NFC, NFD)",
    ]


def test_data_whose_every_photo_is_there_twice(tmp_path):
    for n in range(6):
        photo(tmp_path / f"{n}.png", n)
    rows = [f"{n}.png,{'ab'[n % 2]}" for n in range(6)]
    with pytest.raises(UsageError, match="12 of 12 appear more than once"):
        read(table(tmp_path, rows * 2))


def test_a_class_of_another_case_in_validation_is_named(tmp_path):
    for n in range(4):
        photo(tmp_path / f"{n}.png", n)
    rows = ["0.png,cat,train", "1.png,dog,train", "2.png,Cat,val", "3.png,dog,val"]
    with pytest.raises(UsageError, match="'Cat' may be 'cat': spell both in the same way"):
        read(table(tmp_path, rows, "path,label,split"))


def test_groups_and_parts(tmp_path):
    for n in range(12):
        photo(tmp_path / f"{n}.png", n)
    rows = [f"{n}.png,{'ab'[n % 2]},p{n // 4},{'train' if n < 6 else 'val'}" for n in range(12)]
    file = table(tmp_path, rows, "path,label,patient,split")
    with pytest.raises(
        UsageError, match=r"the group 'p1' of the column 'patient' is in two splits, train"
    ):
        read(file, group_column="patient")
    assert len(read(file).validation) == 6
    rows = [f"{n}.png,{'ab'[n % 2]},p{n % 2}" for n in range(12)]
    with pytest.raises(UsageError, match="12 examples are in 2 groups"):
        read(table(tmp_path, rows, "path,label,patient"), group_column="patient")
