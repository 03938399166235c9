"""Masks of every layout, and what their values mean."""

import json

import numpy as np
import pytest
from PIL import Image

from warmstart.errors import UsageError
from warmstart.image.annotations.masks import read_masks
from warmstart.image.annotations.polygons import polygon_mask, run_length_mask, uncompressed


@pytest.fixture
def photo(tmp_path):
    """(name, width, height) -> a picture file below the test's folder."""

    def make(name, width=40, height=30):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (width, height), "white").save(path)
        return path

    return make


def coco_file(tmp_path, photo, **changes):
    for n in (1, 2):
        photo(f"coco/images/{n}.png")
    data = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 40, "height": 30} for n in (1, 2, 3)
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 7,
                "bbox": [1, 2, 10, 10],
                "area": 60,
                "iscrowd": 0,
                "segmentation": [[1, 2, 11, 2, 11, 12, 1, 12]],
            },
            {
                "id": 2,
                "image_id": 1,
                "category_id": 3,
                "bbox": [0, 0, 4, 4],
                "iscrowd": 1,
                "segmentation": {"size": [30, 40], "counts": [0, 4, 26, 4, 1166]},
            },
            {"id": 3, "image_id": 9, "category_id": 7, "bbox": [1, 2, 10, 10]},
            {"id": 4, "image_id": 2, "category_id": 99, "bbox": [1, 2, 10, 10]},
            {"id": 5, "image_id": 2, "category_id": 7, "bbox": [1, 2, 10]},
        ],
        **changes,
    }
    path = tmp_path / "coco" / "instances.json"
    path.write_text(json.dumps(data))
    return path


def write_mask(path, array, mode="P"):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(array, np.uint8))
    if mode == "P":
        picture.putpalette([n % 256 for n in range(768)])
    picture.save(path)


def test_mask_folders(tmp_path, photo):
    for name in "abcde":
        photo(f"m/images/{name}.jpg")
    plain = np.zeros((30, 40))
    plain[:5], plain[5], plain[6] = 2, 255, 1
    write_mask(tmp_path / "m/masks/a.png", plain)
    write_mask(tmp_path / "m/masks/b.png", plain, "L")
    write_mask(tmp_path / "m/masks/c.png", np.zeros((30, 41)))
    (tmp_path / "m/masks/d.png").write_bytes(b"no picture")
    write_mask(tmp_path / "m/masks/z.png", plain)
    data = read_masks(tmp_path / "m")
    assert data.labels == ("class 0", "class 1", "class 2")
    assert len(data.photos) == 2
    np.testing.assert_array_equal(data.photos[0].mask(), plain)
    for words in (
        "has 41x30 pixels, the photo 40x30",
        "d.png: the mask cannot be read",
        "e.jpg: has no mask",
        "z.png: has no photo",
    ):
        assert sum(words in problem for problem in data.problems) == 1, words
    (tmp_path / "m/labels.txt").write_text("ground\nleaf\n")
    with pytest.raises(
        UsageError,
        match=r"contain 2 \(400 pixels\), which have no label; the 2 classes are 0 'ground', 1 'leaf'",
    ):
        read_masks(tmp_path / "m")
    (tmp_path / "m/labels.txt").unlink()
    assert read_masks(tmp_path / "m", ["x", "y", "z"]).labels == ("x", "y", "z")


def test_masks_of_colours(tmp_path, photo):
    mask = np.zeros((30, 40, 3), np.uint8)
    mask[:10] = (255, 0, 0)
    pairs = [(photo("a.png"), Image.fromarray(mask))]
    with pytest.raises(UsageError, match="map its colours with colours"):
        read_masks(pairs)
    data = read_masks(pairs, colours={"none": (0, 0, 0), "red": (255, 0, 0)})
    assert data.labels == ("none", "red")
    assert data.photos[0].mask().sum() == 400
    with pytest.raises(
        UsageError, match=r"1 colour outside the classes: \(255, 0, 0\) \(400 pixels\)"
    ):
        read_masks(pairs, colours={"none": (0, 0, 0)})
    with pytest.raises(UsageError, match="integers"):
        read_masks([(photo("a.png"), np.zeros((30, 40)))])


def test_coco_as_masks(tmp_path, photo):
    data = read_masks(coco_file(tmp_path, photo))
    assert len(data.photos) == 1
    assert data.labels == ("background", "dog", "cat")
    first = data.photos[0].mask()
    assert first.shape == (30, 40)
    assert (first[2:12, 4:11] == 2).all()
    assert (first[0:4, 0:2] == 1).all()
    assert (first == 1).sum() == 8
    assert any(
        "annotation 4: the category is unknown; its photo is left out" in problem
        for problem in data.problems
    )


def test_shapes():
    square = polygon_mask([[2, 1, 6, 1, 6, 4, 2, 4]], (10, 8))
    assert (square.sum(), square[1:4, 2:6].all()) == (12, True)
    for polygon in ([1, 2, 3, 4], [1, 2, 3], [0, 0, 1, "x", 2, 2], [0, 0, float("nan"), 1, 1, 1]):
        with pytest.raises(UsageError, match="polygon"):
            polygon_mask([polygon], (4, 4))
    with pytest.raises(UsageError, match="add up"):
        run_length_mask({"size": [2, 2], "counts": [1, 1]}, (2, 2))
    with pytest.raises(UsageError, match="for a photo of"):
        run_length_mask({"size": [3, 2], "counts": [6]}, (2, 2))
    with pytest.raises(UsageError, match="damaged"):
        uncompressed("o")


def test_compressed_run_lengths_equal_pycocotools():
    from pathlib import Path

    golden = json.loads(
        (Path(__file__).parents[1] / "golden" / "vision" / "coco.json").read_text()
    )["run_lengths"]
    want = np.array([[c == "1" for c in row] for row in golden["mask"]])
    height, width = want.shape
    got = run_length_mask({"size": [height, width], "counts": golden["counts"]}, (width, height))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("values", "labels", "names", "classes"), [
    ((0, 255), None, ("background", "object"), (0, 1)),
    ((0, 1), None, ("background", "object"), (0, 1)),
    ((0, 128), None, ("background", "object"), (0, 1)),
    ((0, 255), ("ground", "leaf"), ("ground", "leaf"), (0, 1)),
    ((0, 255), ("leaf",), ("background", "leaf"), (0, 1)),
    ((0, 1, 255), None, ("class 0", "class 1"), (0, 1, 255)),
    ((0, 1, 2), None, ("class 0", "class 1", "class 2"), (0, 1, 2)),
    ((0, 2, 255), ("a", "b", "c"), ("a", "b", "c"), (0, 2, 255)),
])  # fmt: skip
@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA", "I;16", "array"])
def test_what_the_values_of_masks_mean(photo, values, labels, names, classes, mode):
    values = np.repeat(np.array(values, np.uint8), 1200 // len(values)).reshape(30, 40)
    mask = Image.fromarray(values)
    if mode == "P":
        mask.putpalette([n % 256 for n in range(768)])
    elif mode == "I;16":
        mask = Image.fromarray(values.astype(np.uint16))
    elif mode != "array":
        mask = mask.convert(mode)
    data = read_masks([(photo("a.png"), values[..., None] if mode == "array" else mask)], labels)
    assert data.labels == names
    assert sorted({*data.photos[0].mask().ravel().tolist()}) == list(classes)


def test_photos_in_memory_have_one_range():
    floats, mask = np.linspace(0, 1, 36).reshape(3, 4, 3), np.eye(3, 4, dtype=np.uint8)
    data = read_masks([(floats, mask), (floats / 2, mask)])
    assert [photo.photo.max() for photo in data.photos] == [255, 128]


def test_values_are_those_of_the_whole_data_set(photo):
    """A mask with 0 and 255 means something else where another mask holds other classes."""
    ignored, classes = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint8)
    ignored[:3], classes[:3], classes[3:5] = 255, 1, 2
    data = read_masks([(photo("a.png"), ignored), (photo("b.png"), classes)])
    assert data.labels == ("class 0", "class 1", "class 2")
    assert (data.photos[0].mask()[:3] == 255).all()
    two = read_masks([(photo("a.png"), ignored)])
    empty = read_masks(
        [(photo("c.png"), np.zeros((30, 40), np.uint8))], two.labels, mask_encoding=two.encoding
    )
    assert (empty.photos[0].mask() == 0).all()


@pytest.mark.parametrize(("values", "labels", "words"), [
    ((0, 3, 255), None, r"contain 0 \(400 pixels\), 3 \(400 pixels\), 255 .*no labels for these values"),
    ((0, 1, 9), ("a", "b"), r"contain 9 \(400 pixels\), which have no label"),
    ((0, 0, 0), None, "fewer than two classes"),
    ((255, 255, 255), ("a", "b"), "no pixel of any mask belongs to a class"),
    ((0, 1, 2), (), "there are no labels"),
    ((0, 255, 255), ("a", "b", "c"), r"nothing but 0 \(400 pixels\), 255 \(800 pixels\), and the 3 classes"),
    ((0, 1, 2), ("a",), r"contain 2 \(400 pixels\), which have no label"),
])  # fmt: skip
def test_values_that_nothing_explains_are_refused(photo, values, labels, words):
    values = np.repeat(np.array(values, np.uint8), 400).reshape(30, 40)
    with pytest.raises(UsageError, match=words):
        read_masks([(photo("a.png"), values)], labels)


def test_the_mask_of_a_value_without_a_class_is_named(photo):
    masks = [np.zeros((30, 40), np.uint8) for _ in range(3)]
    masks[0][:5] = masks[1][:5] = 1
    masks[1][7, 7] = 9
    pairs = [(photo(f"{name}.png"), mask) for name, mask in zip("abc", masks, strict=True)]
    with pytest.raises(
        UsageError, match=r"contain 9 \(1 pixel\), .*The first is in the mask of .*b\.png"
    ):
        read_masks(pairs, ("ground", "leaf"))


@pytest.mark.parametrize("mask", [None, np.full((30, 40), 0.5), np.full((30, 40), -1)])
def test_a_mask_in_memory_that_cannot_be_used_names_its_photo(photo, mask):
    good = np.zeros((30, 40), np.uint8)
    good[:9] = 1
    data = read_masks([(photo("a.png"), good), (photo("b.png"), mask)])
    (problem,) = data.problems
    assert "b.png: a mask must be an array (H, W) of integers from 0 to 255" in problem


def test_names_and_parts_of_masks(tmp_path, photo):
    values = np.zeros((30, 40), np.uint8)
    values[:5] = 255
    for layout, photos, masks in (
        ("next", "{}.jpg", "{}_mask.png"),
        ("ending", "images/{}.jpg", "masks/{}_mask.png"),
        ("siblings", "train/{}.jpg", "train_masks/{}_mask.gif"),
        ("inside", "images/train/{}.jpg", "masks/train/{}.png"),
        ("outside", "train/images/{}.jpg", "train/labels/{}.png"),
    ):
        for name in ("x", "y"):
            photo(f"{layout}/{photos.format(name)}")
            write_mask(tmp_path / layout / masks.format(name), values, "L")
        data = read_masks(tmp_path / layout)
        part = "train" if "train" in photos else None
        assert [photo.split for photo in data.photos] == [part] * 2, layout
        assert not data.problems
        assert data.photos[0].mask().sum() == 200


def test_cityscapes(tmp_path, photo):
    values = np.full((30, 40), 7, np.uint8)
    values[:5], values[5] = 26, 3
    for part in ("train", "val"):
        photo(f"c/leftImg8bit/{part}/ulm/ulm_0_leftImg8bit.png")
        folder = tmp_path / "c/gtFine" / part / "ulm"
        write_mask(folder / "ulm_0_gtFine_labelIds.png", values, "L")
        write_mask(folder / "ulm_0_gtFine_color.png", values, "P")
        write_mask(folder / "ulm_0_gtFine_instanceIds.png", values, "L")
    data = read_masks(tmp_path / "c")
    assert (len(data.labels), data.labels[0], data.problems) == (19, "road", ())
    assert [photo.split for photo in data.photos] == ["train", "validation"]
    mask = data.photos[0].mask()
    assert (data.labels[mask[0, 0]], mask[5, 0], data.labels[mask[9, 0]]) == ("car", 255, "road")


def test_labelme_as_masks(tmp_path, photo):
    photo("l/a.png")
    points = [[1, 2], [11, 2], [11, 12], [1, 12]]
    shapes = [{"label": "cat", "points": points}, {"label": "__ignore__", "points": [[20, 1], [30, 9]],
                                                   "shape_type": "rectangle"}]  # fmt: skip
    (tmp_path / "l/a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png"}))
    data = read_masks(tmp_path / "l")
    assert data.labels == ("background", "cat")
    mask = data.photos[0].mask()
    assert ((mask == 1).sum(), (mask == 255).sum()) == (100, 80)


@pytest.fixture
def polygons(tmp_path, photo):
    """A YOLO folder with a polygon in each part."""
    for part in ("train", "val"):
        photo(f"y/images/{part}/a.png")
        (tmp_path / "y" / "labels" / part).mkdir(parents=True)
        lines = "0 .25 0 .75 0 .75 1 .25 1\n1 .5 .5 .75 .5 .75 1 .5 1\n"
        (tmp_path / "y" / "labels" / part / "a.txt").write_text(lines)
    (tmp_path / "y" / "data.yaml").write_text(
        "train: images/train\nval: images/val\nnames: [cat, dog]\n"
    )
    return tmp_path / "y"


def test_polygons_of_yolo(polygons):
    for source in (polygons, polygons / "data.yaml"):
        data = read_masks(source)
        assert data.labels == ("background", "cat", "dog")
        assert [photo.split for photo in data.photos] == ["train", "validation"]
        expected = np.zeros((30, 40), np.uint8)
        expected[:, 10:30] = 1
        expected[15:, 20:30] = 2  # the later one lies above
        np.testing.assert_array_equal(data.photos[0].mask(), expected)
    train = polygons / "labels" / "train" / "a.txt"
    train.write_text(train.read_text() + "0 .5 .5 .1 .1\n")
    data = read_masks(polygons)
    assert [photo.split for photo in data.photos] == ["validation"]
    assert "has a box but no outline of 'cat'" in data.problems[0]
    for part in ("train", "val"):
        (polygons / "labels" / part / "a.txt").write_text("0 .5 .5 .1 .1\n")
    with pytest.raises(UsageError, match="contain boxes and no polygons"):
        read_masks(polygons)


def test_a_table_of_photos_and_masks(tmp_path, photo):
    photo("a.png")
    mask = np.zeros((30, 40), np.uint8)
    mask[:, :20] = 1
    Image.fromarray(mask).save(tmp_path / "m.png")
    path = tmp_path / "t.csv"
    path.write_text("image;outline;fold;site\na.png;m.png;train;x\na.png;m.png;test;y\n")
    options = {"mask_column": "outline", "split_column": "fold", "group_column": "site"}
    data = read_masks(path, **options)
    assert [(one.split, one.group) for one in data.photos] == [("train", "x"), ("test", "y")]
    np.testing.assert_array_equal(data.photos[0].mask(), mask)
    assert data.columns == ("photo: image", "mask: outline", "split: fold", "group: site")
    picture = Image.open(tmp_path / "a.png")
    data = read_masks([{"image": picture, "annotation": Image.fromarray(mask)}])
    np.testing.assert_array_equal(data.photos[0].mask(), mask)
    with pytest.raises(UsageError, match="Only a table of masks takes mask_column"):
        read_masks([(picture, mask)], mask_column="outline")


def mask_folder(tmp_path, photo, masks, labels=""):
    for name, mask in masks.items():
        photo(f"d/images/{name}.jpg", 4, 3)
        (tmp_path / "d/masks").mkdir(exist_ok=True)
        picture = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
        picture.save(tmp_path / f"d/masks/{name}.png")
    if labels:
        (tmp_path / "d/labels.txt").write_text(labels)
    return tmp_path / "d"


SOME = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [0, 0, 0, 1]], np.uint8)


def test_names_of_a_folder_are_mapped_by_name(tmp_path, photo):
    path = mask_folder(tmp_path, photo, {"a": SOME}, "leaf\nsymptom\nbackground\n")
    labels = ["background", "leaf", "symptom"]
    data = read_masks(path, labels)
    assert data.labels == tuple(labels)
    np.testing.assert_array_equal(data.photos[0].mask(), np.array([1, 2, 0])[SOME])
    # validation data of its own numbers classes as its own file says, or else as the training data
    assert read_masks(path, labels, mask_encoding=data.encoding).photos[0].mask()[0, 0] == 1
    (path / "labels.txt").unlink()
    again = read_masks(path, labels, mask_encoding=data.encoding)
    np.testing.assert_array_equal(again.photos[0].mask(), data.photos[0].mask())
    (path / "labels.txt").write_text("leaf\nsky\nbackground\nunused\n")
    with pytest.raises(UsageError, match=r"unknown classes: 'sky' \(4 pixels\)"):
        read_masks(path, labels)
    (path / "labels.txt").write_text("leaf\n\nbackground\n")
    with pytest.raises(UsageError, match="line 2 is blank"):
        read_masks(path)


def test_one_name_is_that_of_the_object(tmp_path, photo):
    path = mask_folder(tmp_path, photo, {"a": (SOME > 0).astype(np.uint8) * 255}, "polyp\n")
    for labels in (None, ["background", "polyp"]):
        data = read_masks(path, labels)
        assert data.labels == ("background", "polyp")
        np.testing.assert_array_equal(data.photos[0].mask(), SOME > 0)


def test_objects_of_1_and_255_are_refused_with_both(tmp_path, photo):
    one = (SOME > 0).astype(np.uint8)
    path = mask_folder(tmp_path, photo, {"a": one, "b": one * 255})
    with pytest.raises(UsageError, match=r"a\.jpg, or 0 and 255, such as that of .*b\.jpg"):
        read_masks(path)
    first = read_masks([(photo("a.png", 4, 3), one)])
    with pytest.raises(UsageError, match="255 would be ignored"):
        read_masks([(photo("a.png", 4, 3), one * 255)], first.labels, mask_encoding=first.encoding)


def test_palettes_that_differ_are_refused(tmp_path, photo):
    def paletted(mask, *colours):
        picture = Image.fromarray(mask)
        picture.putpalette([*sum(colours, ()), *[0] * (768 - 3 * len(colours))])
        return picture

    black, red = (0, 0, 0), (255, 0, 0)
    masks = {"a": paletted(SOME % 2, black, red), "b": paletted(1 - SOME % 2, red, black)}
    path = mask_folder(tmp_path, photo, masks)
    with pytest.raises(UsageError, match=r"index 0 is \(0, 0, 0\) in the first and \(255, 0, 0\)"):
        read_masks(path)
    data = read_masks(path, colours={"ground": black, "cell": red})
    np.testing.assert_array_equal(data.photos[0].mask(), data.photos[1].mask())


@pytest.mark.parametrize(("polygon", "words"), [
    ([100, 1, 120, 1, 120, 20], "its polygon is outside the photo of 40x30 pixels"),
    ([0.1, 0.1, 0.9, 0.1, 0.9, 0.8], "lie between 0 and 1, like fractions"),
])  # fmt: skip
def test_polygons_elsewhere_leave_their_photo_out(tmp_path, photo, polygon, words):
    square = [1, 2, 11, 2, 11, 12, 1, 12]
    shapes = [
        {"id": n, "image_id": n, "category_id": 7, "segmentation": [points]}
        for n, points in ((1, square), (2, polygon))
    ]
    data = read_masks(coco_file(tmp_path, photo, annotations=shapes))
    assert [one.name[-5:] for one in data.photos] == ["1.png"]
    assert any(words in line and "its photo is left out" in line for line in data.problems)


def test_a_category_called_background_is_the_background(tmp_path, photo):
    categories = [{"id": 7, "name": "cat"}, {"id": 9, "name": "Background"}]
    square = {"image_id": 1, "category_id": 7, "segmentation": [[1, 2, 11, 2, 11, 12, 1, 12]]}
    path = coco_file(tmp_path, photo, categories=categories, annotations=[square])
    assert read_masks(path).labels == ("Background", "cat")
    assert read_masks(path, ["cat", "background"]).photos[0].mask().tolist()[0][0] == 1
    with pytest.raises(UsageError, match=r"unknown classes: 'cat' \(1\)"):
        read_masks(path, ["background", "dog"], strict=True)
    with pytest.raises(UsageError, match="outside all outlines are 'background', which is not one"):
        read_masks(path, ["cat", "dog"])


def test_two_photos_of_one_mask_are_left_out(tmp_path, photo):
    path = mask_folder(tmp_path, photo, {"a": SOME, "b": SOME})
    photo("d/images/a.png", 4, 3)
    photo("d/loose.jpg", 4, 3)
    data = read_masks(path)
    assert [one.name[-5:] for one in data.photos] == ["b.jpg"]
    loose, shared = data.problems
    assert loose.startswith("1 photo next to images/, not used, such as")
    assert "may be the mask of" in shared
    write_mask(path / "masks/b_mask.png", SOME)
    with pytest.raises(UsageError, match="may both be the mask of b"):
        read_masks(path)
