"""Every layout of boxes, and every fault that is listed."""

import json
import re
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.annotations.voc import parse


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
    for n in (0, 1, 2, 3, 5):
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
        )
    )
    (folder / "Annotations" / "p5.xml").write_text(
        xml("p5.png", ("cat", 1, 1, 9, 9), ("cat", "x", 1, 2, 3), ("", 1, 2, 3, 4))
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
        "box 2 ('cat'): is outside",
        "p5.xml: object 2 ('cat') has no bndbox of four numbers; the photo is left out",
        "p5.xml: object 3 has no name; the photo is left out",
        "it was clipped",
        "says 99x30 pixels, the photo has 40x30",
        "'p4.png' is missing",
    ):
        assert sum(words in problem for problem in data.problems) == 1, words
    assert len(data.problems) == 7
    assert data.counts() == {"cat": 2, "dog": 1}
    part = read_boxes(voc / "ImageSets" / "Main" / "train.txt")
    assert len(part.photos) == 2
    assert "p9.xml: is missing" in part.problems[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"])
def test_voc_files_declare_no_entities_in_any_encoding(voc, encoding):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotation>&b;</annotation>'
    head = '<?xml version="1.0" encoding="latin-1"?>' if encoding == "latin-1" else ""
    (voc / "Annotations" / "p0.xml").write_bytes((head + bomb).encode(encoding))
    with pytest.raises(UsageError, match="document type"):
        parse(voc / "Annotations" / "p0.xml")
    (voc / "Annotations" / "p0.xml").write_bytes((head + "<annotation/>").encode(encoding))
    assert parse(voc / "Annotations" / "p0.xml").tag == "annotation"


def test_voc_is_read_without_growing_entities(voc):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotation>&b;</annotation>'
    (voc / "Annotations" / "p0.xml").write_text(bomb)
    (voc / "Annotations" / "p1.xml").write_text("<annotation><object>")
    data = read_boxes(voc)
    assert any("declares a document type" in problem for problem in data.problems)
    assert any("p1.xml: cannot be read" in problem for problem in data.problems)


def test_difficult_objects_of_voc_are_not_counted(voc):
    text = xml("p0.png", ("cat", 1, 2, 11, 12), ("dog", 5, 5, 40, 30))
    text = text.replace("<object><name>dog", "<object><difficult>1</difficult><name>dog")
    (voc / "Annotations" / "p0.xml").write_text(text)
    data = read_boxes(voc)
    assert data.photos[0].difficult.tolist() == [False, True]
    assert data.counts() == {"cat": 2, "dog": 0}
    (voc / "Annotations" / "p0.xml").write_text(text.replace(">1</difficult", ">maybe</difficult"))
    assert any("difficult is 'maybe', not 0 or 1" in line for line in read_boxes(voc).problems)


def test_parts_of_voc_are_those_of_its_lists(voc):
    lists = voc / "ImageSets" / "Main"
    (lists / "train.txt").write_text("p0\n")
    (lists / "val.txt").write_text("p1\n")
    (lists / "trainval.txt").write_text("p0\np1\n")
    data = read_boxes(voc)
    assert [(photo.name[-6:], photo.split) for photo in data.photos] == [
        ("p0.png", "train"),
        ("p1.png", "validation"),
    ]
    assert any(" in none of the lists of " in line for line in data.problems)


def test_xml_next_to_the_photos_in_train_and_valid(tmp_path, photo):
    for part, name in (("train", "a"), ("train", "b"), ("valid", "c"), ("test", "d")):
        photo(f"r/{part}/{name}.jpg")
        if name != "b":
            (tmp_path / "r" / part / f"{name}.xml").write_text(
                xml(f"C:\\photos\\{name}.jpg", ("cat", 1, 2, 11, 12))
            )
    data = read_boxes(tmp_path / "r")
    assert [photo.split for photo in data.photos] == ["test", "train", "validation"]
    assert data.problems == (
        f"{tmp_path}/r/train/b.jpg: has no .xml with its name, so it is left out",
    )
    (tmp_path / "r/train/classes.txt").write_text("cat")
    (tmp_path / "r/train/a.txt").write_text("0 .5 .5 .1 .1")
    with pytest.raises(UsageError, match=r"matches 2 layouts: XML .* or YOLO's text files"):
        read_boxes(tmp_path / "r")


def test_unknown_labels_are_listed(voc):
    data = read_boxes(voc, labels=["dog", "bird"])
    assert data.labels == ("dog", "bird")
    assert [p.labels.tolist() for p in data.photos] == [[0], [], []]
    assert any("the label is unknown; known are dog, bird" in problem for problem in data.problems)
    with pytest.raises(UsageError, match=r"unknown classes: 'cat' \(4\)\. Known are 'dog'"):
        read_boxes(voc, labels=["dog", "bird"], strict=True)


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
    (first,) = data.photos
    np.testing.assert_array_equal(first.boxes, [[1, 2, 11, 12], [0, 0, 4, 4]])
    assert (first.labels.tolist(), first.crowd.tolist(), first.area.tolist()) == (
        [1, 0],
        [False, True],
        [60, 16],
    )
    for words in (
        "'3.png' of image 3 is missing",
        "1 annotation of the image 9, which is not among",
        "annotation 4 has the category 99, which is not among the categories; its photo is left out",
        "annotation 5 has no bbox",
    ):
        assert sum(words in problem for problem in data.problems) == 1, words
    assert data.counts() == {"dog": 0, "cat": 1}


def test_a_category_that_groups_others_is_not_a_class(tmp_path, photo):
    categories = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 3, "name": "pets", "supercategory": "pets"},
        {"id": 7, "name": "cat", "supercategory": "pets"},
        {"id": 8, "name": "bird", "supercategory": "bird"},
    ]
    assert read_boxes(coco_file(tmp_path, photo, categories=categories)).labels == (
        "pets",
        "cat",
        "bird",
    )


def test_coco_with_ids_as_texts_and_in_a_file_of_any_name(tmp_path, photo):
    boxes = [{"id": 1, "image_id": "1", "category_id": "7", "bbox": [1, 2, 10, 10]}]
    path = coco_file(tmp_path, photo, annotations=boxes)
    path.rename(path.with_name("result.json"))
    data = read_boxes(path.parent)
    assert data.photos[0].boxes.tolist() == [[1, 2, 11, 12]]
    assert not any("not among" in problem for problem in data.problems)


def test_corners_in_place_of_width_and_height_are_refused(tmp_path, photo):
    images = [{"id": 1, "file_name": "1.png", "width": 40, "height": 30}]
    corners = [[1, 2, 11, 12], [20, 5, 39, 29], [25, 3, 38, 9]]

    def read(boxes):
        records = [
            {"id": n, "image_id": 1, "category_id": 7, "bbox": box} for n, box in enumerate(boxes)
        ]
        return read_boxes(coco_file(tmp_path, photo, images=images, annotations=records))

    with pytest.raises(
        UsageError, match=r"2 of 3 boxes reach beyond .* fit as xmin, ymin, xmax, ymax"
    ):
        read(corners)
    assert len(read([*corners, [30, 10, 8, 5]]).photos[0].boxes) == 4  # no corners


def test_coco_with_duplicate_ids(tmp_path, photo):
    images = [
        {"id": 1, "file_name": "1.png", "width": None},
        {"id": 1, "file_name": "2.png"},
    ]
    data = read_boxes(coco_file(tmp_path, photo, images=images))
    assert len(data.photos) == 1
    assert any("the image id 1 occurs twice" in problem for problem in data.problems)
    twice = [{"id": 7, "name": "cat"}, {"id": 7, "name": "dog"}]
    with pytest.raises(UsageError, match=r"category 7 .* occurs twice"):
        read_boxes(coco_file(tmp_path, photo, categories=twice))


@pytest.mark.parametrize(("content", "words"), [
    ("{", "cannot be read as JSON"), ("[]", "no list 'images'"), ('{"images": [1]}', "no list 'images'"),
    ('{"images": [], "annotations": [], "categories": []}', "contains no usable photo"),
])  # fmt: skip
def test_what_is_no_coco(tmp_path, content, words):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UsageError, match=words):
        read_boxes(tmp_path / "a.json")


def test_coco_names_no_file_outside(tmp_path, photo):
    photo("secret.png")
    path = coco_file(tmp_path, photo, images=[{"id": 1, "file_name": "../secret.png"}])
    with pytest.raises(UsageError, match=r"secret\.png'\): its file_name leads out of"):
        read_boxes(path)


@pytest.mark.parametrize(
    "names",
    [
        "names: [cat, 'big dog']",
        'path: x\nnames:\n  0: cat\n  1: "big dog"\nnc: 2',
        "names:\n- cat\n- big dog  # two\n",
        "names: &n\n  - cat\n  - >-\n    big\n    dog\nother: *n\n",
    ],
)
def test_yolo(tmp_path, photo, names):
    photo("yolo/images/train/a.png", 100, 50)
    photo("yolo/images/train/b.png", 100, 50)
    labels = tmp_path / "yolo" / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "a.txt").write_text(
        "1 0.5 0.5 0.2 0.4\n\n0 0.05 0.1 0.1 0.2\r\n0 0.2 0.2 0.6 0.2 0.6 0.6 0.2 0.6\n"
    )
    (tmp_path / "yolo" / "data.yaml").write_text(names)
    for folder in (tmp_path / "yolo" / "images" / "train", tmp_path / "yolo"):
        data = read_boxes(folder)
        assert data.labels == ("cat", "big dog")
        np.testing.assert_allclose(
            data.photos[0].boxes, [[40, 15, 60, 35], [0, 0, 10, 10], [20, 10, 60, 30]], atol=1e-4
        )
        assert data.photos[0].labels.tolist() == [1, 0, 0]
        assert len(data.photos[1].boxes) == 0
        assert not data.problems


@pytest.mark.parametrize(("line", "words"), [
    ("0 0.1", "has 1 number after its class"),
    ("0 0.1 0.1 0.1", "has 3 numbers after its class"),
    ("0 .5 .5 .1 .1 .93", r"has 5 numbers .* a confidence\?"),
    ("0 .1 .1 .2 .1 .2 .2 .1", "has 7 numbers after its class"),
    ("5 .5 .5 .1 .1", "has the class 5, and the data has 2 class names"),
    ("-1 .5 .5 .1 .1", "has the class -1"),
    ("cat .5 .5 .1 .1", "is not a class number and numbers"),
    ("0 50 50 10 10", "outside 0 to 1; YOLO's are fractions"),
    ("0 nan .5 .1 .1", "outside 0 to 1"),
])  # fmt: skip
def test_a_malformed_line_of_yolo_is_named_and_its_photo_left_out(tmp_path, photo, line, words):
    photo("y/images/a.png")
    photo("y/images/b.png")
    (tmp_path / "y/labels").mkdir()
    (tmp_path / "y/labels/a.txt").write_text(f"0 .5 .5 .1 .1\n{line}\n")
    (tmp_path / "y/labels/b.txt").write_text("1 .5 .5 .1 .1\n")
    (tmp_path / "y/classes.txt").write_text("cat\ndog\n")
    data = read_boxes(tmp_path / "y")
    assert [photo.name for photo in data.photos] == [f"{tmp_path}/y/images/b.png"]
    (problem,) = data.problems
    assert re.match(rf".*/y/labels/a\.txt: line 2 .*{words}", problem), problem
    (tmp_path / "y/labels/b.txt").unlink()
    photo("y/images/b.png").unlink()
    with pytest.raises(UsageError, match=r"contains no usable photo: .*a.txt: line 2"):
        read_boxes(tmp_path / "y")


def test_parts_of_yolo_are_those_of_data_yaml(tmp_path, photo):
    for part in ("train", "valid"):
        for n in range(2):
            photo(f"r/{part}/images/{n}.jpg", 100, 50)
        (tmp_path / f"r/{part}/labels").mkdir(parents=True)
        (tmp_path / f"r/{part}/labels/0.txt").write_text("0 .5 .5 .2 .4 .1 .1 2\n")
    yaml = tmp_path / "r/data.yaml"
    yaml.write_text(
        "train: ../train/images\nval: [../valid/images]\ntest: ../test/images\n"
        "kpt_shape: [1, 3]\nnc: 2\nnames: [no, 007]\n"
    )
    for source in (yaml, tmp_path / "r"):
        data = read_boxes(source)
        assert data.labels == ("no", "007")
        assert [photo.split for photo in data.photos] == ["train"] * 2 + ["validation"] * 2
        np.testing.assert_allclose(data.photos[0].boxes, [[40, 15, 60, 35]], atol=1e-4)
    assert {photo.split for photo in read_boxes(tmp_path / "r/train").photos} == {None}
    for text, words in (
        ("train: gone\nnames: [a]", "train is 'gone', which is not in"),
        ("train: train/images\nnames: {a: b}", "must be class numbers"),
        ("train: train/images\nnames: [a, a]", "'a' occurs twice"),
        ("train: train/images\nnames: [a]\nnc: 2", "nc is '2', and the data has 1 name"),
        ("train: train/images\nnames: 3", "`names` must be a list"),
        ("train: [\n", "cannot be read as YAML"),
        ("train: train/images", "has no `names`"),
    ):
        yaml.write_text(text)
        with pytest.raises(UsageError, match=words):
            read_boxes(yaml)


def test_images_train_and_images_val_are_two_parts(tmp_path, photo):
    for part in ("train", "val"):
        photo(f"y/images/{part}/{part}.png")
        (tmp_path / f"y/labels/{part}").mkdir(parents=True)
        (tmp_path / f"y/labels/{part}/{part}.txt").write_text("0 .5 .5 .1 .1\n")
    (tmp_path / "y/data.yaml").write_text("names: [cat]")
    data = read_boxes(tmp_path / "y")
    assert [photo.split for photo in data.photos] == ["train", "validation"]
    (tmp_path / "y/labels/train/train.txt").unlink()
    (tmp_path / "y/labels/val/val.txt").unlink()
    with pytest.raises(UsageError, match=r"None of the 2 photos has a \.txt file"):
        read_boxes(tmp_path / "y")


def test_labelme(tmp_path, photo):
    photo("l/a.png")
    shapes = [
        {"label": "cat", "points": [[1, 2], [11, 2], [11, 12]], "shape_type": "polygon"},
        {"label": "dog", "points": [[30, 20], [20, 10]], "shape_type": "rectangle"},
        {"label": "dog", "points": [[10, 10], [10, 15]], "shape_type": "circle"},
        {"label": "fox", "points": [[1, 1], [5, 1], [5, 5]], "group_id": 1},
        {"label": "fox", "points": [[7, 7], [9, 7], [9, 9]], "group_id": 1},
        {"label": "__ignore__", "points": [[7, 7], [9, 7], [9, 9]]},
    ]
    file = tmp_path / "l/a.json"
    file.write_text(json.dumps({"shapes": shapes, "imagePath": "..\\x\\a.png"}))
    data = read_boxes(tmp_path / "l")
    assert data.labels == ("cat", "dog", "fox")
    expected = [[1, 2, 11, 12], [20, 10, 30, 20], [5, 5, 15, 15], [1, 1, 9, 9]]
    np.testing.assert_allclose(data.photos[0].boxes, expected, atol=1e-4)
    shapes.append({"label": "cat", "points": [[1, 2]], "shape_type": "point"})
    file.write_text(json.dumps({"shapes": shapes, "imagePath": "a.png"}))
    with pytest.raises(UsageError, match=r"a.json: shape 7 \('cat'\) is a 'point' of 1 point;"):
        read_boxes(tmp_path / "l")


def test_yolo_without_names(tmp_path, photo):
    photo("y/images/a.png")
    (tmp_path / "y" / "labels").mkdir()
    with pytest.raises(UsageError, match="no class names"):
        read_boxes(tmp_path / "y")


def test_table(tmp_path, photo):
    photo("a.png")
    photo("c.png")
    photo("images/b.png")
    (tmp_path / "t.csv").write_text(
        "Filename,class,xmin,ymin,xmax,ymax\na.png,cat,1,2,11,12\nb.png,,,,,\nc.png,cat,1,2,3,4\n"
        "a.png,dog,1,2,x,4\ngone.png,cat,1,2,3,4\n"
    )
    data = read_boxes(tmp_path / "t.csv")
    assert [len(p.boxes) for p in data.photos] == [0, 1]
    assert [line.removeprefix(str(tmp_path)) for line in data.problems] == [
        f"/t.csv:5: the column 'xmax' has 'x', not a finite number; the photo {tmp_path}/a.png is left out",
        f"/t.csv:6: the photo '{tmp_path}/gone.png' is missing",
    ]
    (tmp_path / "u.csv").write_text("image,xmin\na.png,1\n")
    with pytest.raises(UsageError, match="has no columns label, xmin, ymin, xmax, ymax"):
        read_boxes(tmp_path / "u.csv")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400", "1,5"])
@pytest.mark.parametrize("columns", ["xmin,ymin,xmax,ymax", "x,y,width,height"])
def test_boxes_need_finite_numbers(tmp_path, photo, number, columns):
    photo("a.png")
    photo("b.png")
    path = tmp_path / "t.csv"
    path.write_text(
        f'image,label,{columns}\na.png,cat,1,2,30,40\nb.png,cat,1,2,"{number}",4\n'
        "b.png,dog,1,2,30,40\n"
    )
    data = read_boxes(path, box_format="xyxy" if "xmax" in columns else "xywh")
    assert len(data.photos) == 1
    column = columns.split(",")[2]
    problem = next(line for line in data.problems if line.startswith(f"{path}:3:"))
    assert f"the column {column!r} has '{number}', not a finite number" in problem
    assert "b.png is left out" in problem


def test_yolo_class_numbers_with_a_point(tmp_path, photo):
    photo("a.png")
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    (tmp_path / "a.txt").write_text("1.0 0.5 0.5 0.4 0.4\n0 0.5 0.5 0.2 0.2\n")
    (one,) = read_boxes(tmp_path).photos
    assert one.labels.tolist() == [1, 0]


def test_a_photo_without_a_usable_box_is_not_background(tmp_path, photo):
    photo("a.png")
    photo("b.png")
    rows = "a.png,cat,1,2,11,12\nb.png,cat,3,3,3,9\nb.png,cat,50,1,60,9\n"
    (tmp_path / "t.csv").write_text(f"image,label,xmin,ymin,xmax,ymax\n{rows}")
    data = read_boxes(tmp_path / "t.csv")
    assert [len(one.boxes) for one in data.photos] == [1]
    assert data.problems[-1].endswith("b.png: none of its boxes can be used; the photo is left out")


@pytest.mark.parametrize(("orientation", "turned"), [(1, False), (6, True), (3, True)])
def test_photos_that_exif_turns(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 30), "white").save(tmp_path / "a.jpg", exif=exif)
    table = tmp_path / "t.csv"
    table.write_text("image,label,xmin,ymin,xmax,ymax\na.jpg,cat,1,2,11,12\n")
    notes = [note for note in read_boxes(table).columns if "EXIF" in note]
    assert (
        notes
        == ["1 photo rotated by EXIF; boxes are assumed to be those of the upright photo"] * turned
    )
    table.write_text("image,width,height,label,xmin,ymin,xmax,ymax\na.jpg,40,30,cat,1,2,11,12\n")
    if orientation == 6:  # the sides change places
        with pytest.raises(
            UsageError, match="40x30 pixels, the photo has 30x40 after EXIF rotation"
        ):
            read_boxes(table)
    else:
        assert len(read_boxes(table).photos) == 1


def test_flags_of_boxes_in_a_table(tmp_path, photo):
    photo("a.png")
    rows = "a,cat,0.1,0.5,0.2,0.6,0,1\na,cat,0.1,0.9,0.2,0.9,1,0\n"
    header = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf,difficult\n"
    (tmp_path / "t.csv").write_text(header + rows)
    (only,) = read_boxes(tmp_path / "t.csv").photos
    assert (only.crowd.tolist(), only.difficult.tolist()) == ([False, True], [True, False])
    np.testing.assert_allclose(only.boxes[0], [4, 6, 20, 18])
    (tmp_path / "t.csv").write_text(header + rows + "a,cat,0.1,0.9,0.2,0.9,many,0\n")
    with pytest.raises(UsageError, match="in the column 'IsGroupOf' that is 'many', not 0 or 1"):
        read_boxes(tmp_path / "t.csv")


@pytest.mark.parametrize(("text", "box_format"), [
    ("image,label,x,y,w,h\na.png,cat,3,5,20,10\n", "xywh"),
    ("image,label,x,y,w,h\na.png,cat,30,20,20,20\n", "cxcywh"),
    ("image,label,x_center,y_center,width,height\na.png,cat,10,10,10,10\n", "cxcywh"),
    ("image,label,left,top,width,height\na.png,cat,20,10,10,10\n", "xywh"),
    ("image,label,bbox_x,bbox_y,bbox_w,bbox_h\na.png,cat,1,2,20,10\n", "xywh"),
    ("image,label,x0,y0,x1,y1\na.png,cat,10,10,20,20\n", "xyxy"),
    ("filename,width,height,class,xmin,ymin,xmax,ymax\na.png,40,30,cat,10,10,20,20\n", "xyxy"),
    ("a.png,cat,30,20,40,30\nb.png,cat,1,2,3,4\n", "xyxy"),
    ("a.png,30,20,40,30,cat\nb.png,1,2,3,4,dog\n", "xyxy"),
    ("a.png,cat,10,5,8,3\nb.png,cat,1,2,30,4\n", "xywh"),
])  # fmt: skip
def test_what_the_numbers_of_a_table_mean(tmp_path, photo, text, box_format):
    photo("a.png")
    photo("b.png")
    (tmp_path / "t.csv").write_text(text)
    x, y, right, bottom = read_boxes(tmp_path / "t.csv").photos[0].boxes[0].tolist()
    sides = {
        "xyxy": [x, y, right, bottom],
        "xywh": [x, y, right - x, bottom - y],
        "cxcywh": [(x + right) / 2, (y + bottom) / 2, right - x, bottom - y],
    }
    numbers = [f"{side:g}" for side in sides[box_format]]
    assert ",".join(numbers) in text


def test_numbers_that_can_be_read_in_two_ways_are_refused(tmp_path, photo):
    photo("a.png")
    path = tmp_path / "t.csv"
    path.write_text("image,label,x,y,w,h\na.png,cat,20,15,10,10\n")
    both = (
        r"may be x and y of the top left corner, width, height \('xywh'\) or x and y of the centre, "
        r"width, height \('cxcywh'\), such as 20, 15, 10, 10 in .*t.csv:2; set box_format"
    )
    with pytest.raises(UsageError, match=both):
        read_boxes(path)
    assert read_boxes(path, box_format="xywh").photos[0].boxes.tolist() == [[20, 15, 30, 25]]
    assert read_boxes(path, box_format="cxcywh").photos[0].boxes.tolist() == [[15, 10, 25, 20]]
    path.write_text("image,label,xmin,ymin,xmax,ymax\na.png,cat,20,15,30,25\n")
    with pytest.raises(UsageError, match="not box_format='xywh'"):
        read_boxes(path, box_format="xywh")
    path.write_text("ImageID,LabelName,XMin,XMax,YMin,YMax\na.png,cat,.5,.75,0,1\n")
    data = read_boxes(path, path_column="ImageID", label_column="LabelName")
    assert data.photos[0].boxes.tolist() == [[20, 0, 30, 30]]  # fractions of the photo's size
    path.write_text("image,label,xmin,ymin,xmax,ymax\ngone.png,cat,20,15,30,25\n")
    with pytest.raises(
        UsageError, match=r"none of its photos \(1\) exists; the first is .*gone.png"
    ):
        read_boxes(path)


def test_a_table_with_a_column_of_splits(tmp_path, photo):
    photo("a.png")
    photo("b.png")
    (tmp_path / "t.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax,split\na.png,cat,1,2,3,4,train\nb.png,cat,1,2,3,4,valid\n"
    )
    data = read_boxes(tmp_path / "t.csv")
    assert [photo.split for photo in data.photos] == ["train", "validation"]


def test_pairs_and_what_is_nothing(tmp_path, photo):
    path = photo("a.png")
    data = read_boxes([(path, [("cat", 1, 1, 9, 9)]), (np.zeros((5, 6, 3), np.uint8), [])])
    assert [p.size for p in data.photos] == [(40, 30), (6, 5)]
    floats = np.linspace(-1, 1, 90).reshape(5, 6, 3)
    boxed = read_boxes([(floats, [("cat", 1, 1, 3, 3)]), (floats / 9, [])])  # one range for both
    assert [p.photo.min() for p in boxed.photos] == [0, 113]
    many = read_boxes([(path, [("cat", 0, 0, 1 + n % 30, 9) for n in range(500)])])
    assert len(many.photos[0].boxes) == 500
    for source, words in (
        ([], "contains no usable photo"),
        ([(path, [])], "no class to learn"),
        ([3], "Item 1"),
        (tmp_path, "not a known layout"),
        (tmp_path / "gone", "does not exist"),
    ):
        with pytest.raises(UsageError, match=words):
            read_boxes(source)


HALF = ("cat", 0.25, 0.5, 0.75, 1)


def test_shares_of_the_photo_are_recognised_or_refused(tmp_path, photo):
    """As if in pixels they would be boxes of one pixel, and all figures 0."""
    path = photo("a.png")
    data = read_boxes([(path, [HALF]), (path, [])])
    assert data.photos[0].boxes.tolist() == [[10, 15, 30, 30]]
    assert data.columns == ("boxes: fractions of the photo's size",)
    assert read_boxes([(path, [HALF, ("cat", 0, 0, 1, 1)])]).photos[0].boxes[1, 2] == 40
    with pytest.raises(UsageError, match=r"1 box in fractions .* in item 1, and 1 in pixels"):
        read_boxes([(path, [HALF, ("cat", 1, 1, 2, 2)])])
    record = {"image_id": 1, "category_id": 1, "bbox": [0.25, 0.5, 0.5, 0.5]}
    images, categories = [{"id": 1, "file_name": "a.png"}], [{"id": 1, "name": "cat"}]
    content = {"images": images, "categories": categories, "annotations": [record]}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="all coordinates of boxes lie between 0 and 1"):
        read_boxes(tmp_path / "boxes.json")


OBJECTS = {"bbox": [[3, 5, 30, 10], [20, 1, 19, 9]], "category": [1, 0]}
SINGLE = [{"bbox": [3, 5, 30, 10], "label": "dog"}, {"bbox": [20, 1, 19, 9], "label": "cat"}]


@pytest.mark.parametrize("objects", [OBJECTS, SINGLE, json.dumps(OBJECTS)])
def test_a_column_of_objects_as_in_data_sets_of_hugging_face(objects):
    picture = Image.new("RGB", (40, 30))
    data = read_boxes([{"image": picture, "objects": objects}, {"image": picture, "objects": None}])
    first, second = data.photos
    assert first.boxes.tolist() == [[3, 5, 33, 15], [20, 1, 39, 10]]
    assert [data.labels[label] for label in first.labels] in (["1", "0"], ["dog", "cat"])
    assert len(second.boxes) == 0
    assert "boxes: x and y of the top left corner, width, height, in pixels" in data.columns


@pytest.mark.parametrize(("objects", "words"), [
    ({"bbox": [[1, 2, 3]], "category": [0]}, "box 1 of the column 'objects' is .1, 2, 3., not four"),
    ({"bbox": [[1, 2, 3, 4]], "category": []}, "as many boxes"),
    ({"bbox": [[1, 2, 3, 4]]}, "its keys are bbox"),
    ({"bbox": [[1, 2, 3, 4]], "category": [None]}, "has no class"),
    ({"bbox": [[1, 2, 3, 4]], "category": [7]}, "not an index of the 2 class names"),
    ("cats", "not boxes and their classes"),
])  # fmt: skip
def test_objects_in_another_form_leave_their_photo_out(objects, words):
    """The names of the classes are those of the features of a `datasets.Dataset`."""

    class Dataset(list):
        features: ClassVar = {"objects": {"category": {"feature": {"names": ["cat", "dog"]}}}}

    picture = Image.new("RGB", (40, 30))
    rows = Dataset([{"image": picture, "objects": OBJECTS}, {"image": picture, "objects": objects}])
    data = read_boxes(rows)
    (one,) = data.photos
    assert [data.labels[label] for label in one.labels] == ["dog", "cat"]
    (problem,) = data.problems
    assert problem.startswith("row 2: ")
    assert re.search(words, problem)


def test_photos_of_one_group_stay_together(tmp_path, photo):
    photo("a.png")
    path = tmp_path / "t.csv"
    head = "image,label,xmin,ymin,xmax,ymax,fold,patient\n"
    path.write_text(head + "a.png,cat,1,2,3,4,train,7\na.png,dog,1,2,9,9,train,7\n")
    (one,) = read_boxes(path, split_column="fold", group_column="patient").photos
    assert (one.split, one.group) == ("train", "7")
    path.write_text(head + "a.png,cat,1,2,3,4,train,7\na.png,dog,1,2,9,9,train,8\n")
    with pytest.raises(UsageError, match=r"a\.png is in two groups: 7 and 8"):
        read_boxes(path, group_column="patient")
