"""Every layout of boxes and masks, and every fault that is listed."""

import json

import numpy as np
import pytest
from PIL import Image

from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.annotations.masks import read_mask, read_masks
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


def xml(name, *objects, size=(40, 30)):
    things = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for label, a, b, c, d in objects
    )
    return (
        f"<annotation><filename>{name}</filename><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"{things}</annotation>"
    )


@pytest.fixture
def voc(tmp_path, photo):
    folder = tmp_path / "voc"
    for n in range(4):
        photo(f"voc/JPEGImages/p{n}.png")
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "p0.xml").write_text(
        xml("p0.png", ("cat", 1, 2, 11, 12), ("dog", 5, 5, 40, 30))
    )
    (folder / "Annotations" / "p1.xml").write_text(xml("p1.png"))  # no object at all
    (folder / "Annotations" / "p2.xml").write_text(
        xml(
            "p2.png",
            ("cat", 3, 3, 3, 9),
            ("cat", 50, 1, 60, 9),
            ("cat", -5, -5, 9, 9),
            ("cat", "x", 1, 2, 3),
        )
    )
    (folder / "Annotations" / "p3.xml").write_text(
        xml("p3.png", ("cat", 1, 1, 9, 9), size=(99, 30))
    )
    (folder / "Annotations" / "p4.xml").write_text(xml("p4.png", ("cat", 1, 1, 9, 9)))
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "train.txt").write_text("p0\np1 1\n\np9\n")
    return folder


def test_voc(voc):
    data = read_boxes(voc)
    assert data.labels == ("cat", "dog")
    assert [len(p.boxes) for p in data.photos] == [2, 0, 1]
    np.testing.assert_array_equal(data.photos[0].boxes, [[1, 2, 11, 12], [5, 5, 40, 30]])
    assert data.photos[0].boxes.dtype == np.float32
    np.testing.assert_array_equal(data.photos[2].boxes, [[0, 0, 9, 9]])
    for words in (
        "box 1 ('cat'): has no area (3, 3, 3, 9)",
        "box 2 ('cat'): lies outside",
        "object 4 has no bndbox",
        "it was cut",
        "says 99x30 pixels, the photo has 40x30",
        "'p4.png' is missing",
    ):
        assert sum(words in problem for problem in data.problems) == 1, words
    assert len(data.problems) == 6
    assert data.counts() == {"cat": 2, "dog": 1}
    part = read_boxes(voc / "ImageSets" / "Main" / "train.txt")
    assert len(part.photos) == 2
    assert "p9.xml: is missing" in part.problems[0]


def test_voc_is_read_without_growing_entities(voc):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotation>&b;</annotation>'
    (voc / "Annotations" / "p0.xml").write_text(bomb)
    (voc / "Annotations" / "p1.xml").write_text("<annotation><object>")
    data = read_boxes(voc)
    assert any("declares a document type" in problem for problem in data.problems)
    assert any("p1.xml: cannot be read" in problem for problem in data.problems)


def test_unknown_labels_are_listed(voc):
    data = read_boxes(voc, labels=["dog", "bird"])
    assert data.labels == ("dog", "bird")
    assert [p.labels.tolist() for p in data.photos] == [[0], [], []]
    assert any("the label is unknown; known are dog, bird" in problem for problem in data.problems)


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


def test_coco(tmp_path, photo):
    data = read_boxes(coco_file(tmp_path, photo))
    assert data.labels == ("dog", "cat")  # by id
    first, second = data.photos
    np.testing.assert_array_equal(first.boxes, [[1, 2, 11, 12], [0, 0, 4, 4]])
    assert (first.labels.tolist(), first.crowd.tolist(), first.area.tolist()) == (
        [1, 0],
        [False, True],
        [60, 16],
    )
    assert len(second.boxes) == 0
    for words in (
        "'3.png' of image 3 is missing",
        "1 annotations belong to the image 9",
        "the category 99 is not",
        "annotation 5: has no bbox",
    ):
        assert sum(words in problem for problem in data.problems) == 1, words
    assert data.counts() == {"dog": 0, "cat": 1}


def test_coco_with_duplicate_ids(tmp_path, photo):
    images = [{"id": 1, "file_name": "1.png"}, {"id": 1, "file_name": "2.png"}]
    data = read_boxes(coco_file(tmp_path, photo, images=images))
    assert len(data.photos) == 1
    assert any("the image id 1 is there twice" in problem for problem in data.problems)
    twice = [{"id": 7, "name": "cat"}, {"id": 7, "name": "dog"}]
    with pytest.raises(UsageError, match=r"category 7 .* is there twice"):
        read_boxes(coco_file(tmp_path, photo, categories=twice))


@pytest.mark.parametrize(("content", "words"), [
    ("{", "cannot be read as JSON"), ("[]", "no list 'images'"), ('{"images": [1]}', "no list 'images'"),
    ('{"images": [], "annotations": [], "categories": []}', "holds no photo"),
])  # fmt: skip
def test_what_is_no_coco(tmp_path, content, words):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UsageError, match=words):
        read_boxes(tmp_path / "a.json")


def test_coco_names_no_file_outside(tmp_path, photo):
    photo("secret.png")
    path = coco_file(tmp_path, photo, images=[{"id": 1, "file_name": "../secret.png"}])
    with pytest.raises(UsageError, match=r"secret\.png' of image 1 is missing"):
        read_boxes(path)


@pytest.mark.parametrize(
    "names",
    [
        "names: [cat, 'big dog']",
        'path: x\nnames:\n  0: cat\n  1: "big dog"\nnc: 2',
        "names:\n- cat\n- big dog  # two\n",
    ],
)
def test_yolo(tmp_path, photo, names):
    photo("yolo/images/train/a.png", 100, 50)
    photo("yolo/images/train/b.png", 100, 50)
    labels = tmp_path / "yolo" / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "a.txt").write_text(
        "1 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.1\n5 0.5 0.5 0.1 0.1\n\n0 0.05 0.1 0.1 0.2\n"
    )
    (tmp_path / "yolo" / "data.yaml").write_text(names)
    for folder in (tmp_path / "yolo" / "images" / "train", tmp_path / "yolo"):
        data = read_boxes(folder)
        assert data.labels == ("cat", "big dog")
        np.testing.assert_allclose(
            data.photos[0].boxes, [[40, 15, 60, 35], [0, 0, 10, 10]], atol=1e-4
        )
        assert data.photos[0].labels.tolist() == [1, 0]
        assert len(data.photos[1].boxes) == 0
        assert ["line 2" in data.problems[0], "class 5" in data.problems[1]] == [True, True]


def test_yolo_without_names(tmp_path, photo):
    photo("y/images/a.png")
    (tmp_path / "y" / "labels").mkdir()
    with pytest.raises(UsageError, match="no class names"):
        read_boxes(tmp_path / "y")


def test_table(tmp_path, photo):
    photo("a.png")
    photo("images/b.png")
    (tmp_path / "t.csv").write_text(
        "Filename,class,xmin,ymin,xmax,ymax\na.png,cat,1,2,11,12\nb.png,,,,,\n"
        "a.png,dog,1,2,x,4\ngone.png,cat,1,2,3,4\n"
    )
    data = read_boxes(tmp_path / "t.csv")
    assert [len(p.boxes) for p in data.photos] == [1, 0]
    assert len(data.problems) == 2
    (tmp_path / "u.csv").write_text("image,xmin\n")
    with pytest.raises(UsageError, match="lacks the columns label, ymin, xmax, ymax"):
        read_boxes(tmp_path / "u.csv")


def test_pairs_and_what_is_nothing(tmp_path, photo):
    path = photo("a.png")
    data = read_boxes([(path, [("cat", 1, 1, 9, 9)]), (np.zeros((5, 6, 3), np.uint8), [])])
    assert [p.size for p in data.photos] == [(40, 30), (6, 5)]
    many = read_boxes([(path, [("cat", 0, 0, 1 + n % 30, 9) for n in range(500)])])
    assert len(many.photos[0].boxes) == 500
    for source, words in (
        ([], "holds no photo"),
        ([(path, [])], "no class to learn"),
        ([3], "Item 1"),
        (tmp_path, "not a known layout"),
        (tmp_path / "gone", "There is no file"),
    ):
        with pytest.raises(UsageError, match=words):
            read_boxes(source)


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
    plain[:5], plain[5] = 2, 255
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
    with pytest.raises(UsageError, match="holds the class 2, but there are 2 classes"):
        read_masks(tmp_path / "m")
    assert read_masks(tmp_path / "m", ["x", "y", "z"]).labels == ("x", "y", "z")


def test_masks_of_colours(tmp_path, photo):
    mask = np.zeros((30, 40, 3), np.uint8)
    mask[:10] = (255, 0, 0)
    pairs = [(photo("a.png"), Image.fromarray(mask))]
    with pytest.raises(UsageError, match="say what they mean with colours"):
        read_masks(pairs)
    data = read_masks(pairs, colours={"none": (0, 0, 0), "red": (255, 0, 0)})
    assert data.labels == ("none", "red")
    assert data.photos[0].mask().sum() == 400
    with pytest.raises(UsageError, match=r"1 colours that are no class: \(255, 0, 0\)"):
        read_masks(pairs, colours={"none": (0, 0, 0)})
    with pytest.raises(UsageError, match="whole numbers"):
        read_mask(np.zeros((3, 3), float))


def test_coco_as_masks(tmp_path, photo):
    data = read_masks(coco_file(tmp_path, photo))
    assert data.labels == ("background", "dog", "cat")
    first = data.photos[0].mask()
    assert first.shape == (30, 40)
    assert (first[2:12, 4:11] == 2).all()
    assert (first[0:4, 0:2] == 1).all()
    assert (first == 1).sum() == 8
    assert (data.photos[1].mask() == 0).all()
    assert any("annotation 5: it has no segmentation" in problem for problem in data.problems)


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
