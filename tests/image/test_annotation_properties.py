"""What is written as boxes or masks is read back, or refused with a `UsageError`, whatever is in the
files.
"""

import contextlib
import json
from itertools import count
from xml.sax.saxutils import escape

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.fuzz import cases

from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.annotations.masks import read_masks

WIDTH, HEIGHT = 40, 30
LIMITS = settings(
    max_examples=cases(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp"), blacklist_characters="\ufeff"),
    min_size=1,
    max_size=8,
).map(str.strip).filter(lambda name: name and not name.isspace())  # fmt: skip
SIDE = st.integers(0, HEIGHT - 1)
BOX = st.tuples(SIDE, SIDE, st.integers(1, 10), st.integers(1, 10)).map(
    lambda box: (box[0], box[1], min(box[0] + box[2], WIDTH), min(box[1] + box[3], HEIGHT))
)
BOXES = st.lists(st.tuples(st.integers(0, 2), BOX), min_size=1, max_size=4)
CLASSES = st.lists(NAMES, min_size=3, max_size=3, unique=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["images", "annotations", "categories", "shapes", "id", "image_id", "bbox", "name",
                         "category_id", "file_name", "points", "label", "area", "supercategory",
                         "segmentation", "size", "counts", "imagePath", "imageData"]), inner, max_size=6),
    max_leaves=25,
)  # fmt: skip
_numbers = count()


@pytest.fixture
def folder(tmp_path):
    """Makes a new folder with one photo, 40 by 30 pixels."""

    def make():
        path = tmp_path / str(next(_numbers))
        (path / "images").mkdir(parents=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(path / "images" / "a.png")
        return path

    return make


def voc(path, names, boxes):
    objects = "".join(
        f"<object><name>{escape(names[label])}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
        f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for label, (a, b, c, d) in boxes
    )
    (path / "Annotations").mkdir()
    (path / "Annotations" / "a.xml").write_text(f"<annotation>{objects}</annotation>", "utf-8")
    return path


def coco(path, names, boxes):
    annotations = [
        {"id": n, "image_id": 5, "category_id": label, "bbox": [a, b, c - a, d - b]}
        for n, (label, (a, b, c, d)) in enumerate(boxes)
    ]
    content = {
        "images": [{"id": 5, "file_name": "a.png"}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": annotations,
    }
    (path / "boxes.json").write_text(json.dumps(content))
    return path / "boxes.json"


def yolo(path, names, boxes):
    lines = [
        f"{label} {(a + c) / 2 / WIDTH} {(b + d) / 2 / HEIGHT} {(c - a) / WIDTH} {(d - b) / HEIGHT}"
        if n % 2
        else f"{label} {a / WIDTH} {b / HEIGHT} {c / WIDTH} {b / HEIGHT} {c / WIDTH} {d / HEIGHT}"
        for n, (label, (a, b, c, d)) in enumerate(boxes)
    ]
    (path / "labels").mkdir()
    (path / "labels" / "a.txt").write_text("\n".join(lines))
    (path / "data.yaml").write_text(yaml.safe_dump({"names": dict(enumerate(names))}))
    return path


def labelme(path, names, boxes):
    shapes = [
        {"label": names[label], "points": [[c, b], [a, d]], "shape_type": "rectangle"}
        for label, (a, b, c, d) in boxes
    ]
    (path / "images" / "a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png"}))
    return path / "images"


@LIMITS
@given(CLASSES, BOXES, st.sampled_from([voc, coco, yolo, labelme]))
def test_boxes_are_read_back(folder, names, boxes, write):
    data = read_boxes(write(folder(), names, boxes))
    (photo,) = data.photos
    assert [data.labels[label] for label in photo.labels] == [names[label] for label, _ in boxes]
    np.testing.assert_allclose(photo.boxes, [box for _, box in boxes], atol=1e-3)
    assert not data.problems


@LIMITS
@given(st.lists(st.integers(0, 255), min_size=1, max_size=4, unique=True), st.data())
def test_masks_are_read_back_or_refused(folder, values, data):
    """Class indices, and 255 for pixels that do not count, come back as they are."""
    path = folder()
    mask = np.array(values, np.uint8)[np.arange(WIDTH * HEIGHT) % len(values)]
    mask = mask.reshape(HEIGHT, WIDTH)
    (path / "masks").mkdir()
    Image.fromarray(mask).save(path / "masks" / "a_mask.png")
    labels = data.draw(st.none() | st.just([f"c{n}" for n in range(max(values) + 1)]))
    try:
        (photo,) = read_masks(path, labels).photos
    except UsageError:
        return
    two = len(values) == 2 and min(values) == 0 and (labels is None or len(labels) == 2)
    expected = (mask > 0).astype(np.uint8) if two else mask
    np.testing.assert_array_equal(photo.mask(), expected)


XML = st.recursive(
    st.text(max_size=6).map(lambda text: escape("".join(c for c in text if c.isprintable()))),
    lambda inner: st.lists(
        st.tuples(st.sampled_from(["annotation", "object", "bndbox", "name", "xmin", "ymin", "xmax",
                                   "ymax", "difficult", "filename", "size", "width"]), inner), max_size=5
    ).map(lambda parts: "".join(f"<{tag}>{text}</{tag}>" for tag, text in parts)),
    max_leaves=15,
)  # fmt: skip


@LIMITS
@given(XML.map(lambda text: f"<annotation>{text}</annotation>".encode()) | st.binary(max_size=80))
@example(b'<?xml version="1.0" encoding="no-such"?><annotation/>')
def test_any_xml_is_read_or_refused(folder, content):
    path = voc(folder(), ["cat"], [(0, (1, 2, 3, 4))])
    (path / "Annotations" / "a.xml").write_bytes(content)
    with contextlib.suppress(UsageError):
        read_boxes(path)


@settings(LIMITS, max_examples=cases(120))
@given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=80), st.booleans())
def test_any_json_is_read_or_refused(folder, content, whole):
    path = folder()
    (path / "images" / "a.json").write_bytes(content)
    for read in (read_boxes, read_masks):
        with contextlib.suppress(UsageError):
            read(path / "images" / "a.json" if whole else path / "images")


@settings(LIMITS, max_examples=cases(120))
@given(st.data())
def test_any_annotations_of_coco_are_read_or_refused(folder, data):
    """The form is COCO's, and the values are anything."""
    value = (
        st.none()
        | st.integers(-2, 2)
        | st.floats()
        | st.text(max_size=3)
        | st.lists(JSON, max_size=4)
    )

    def records(*keys):
        return data.draw(
            st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(keys, value)), max_size=3)
        )

    content = {
        "images": [{"id": 1, "file_name": "a.png"}, *records("id", "file_name", "width", "height")],
        "categories": [{"id": 1, "name": "cat"}, *records("id", "name", "supercategory")],
        "annotations": records("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"),
    }  # fmt: skip
    path = folder() / "boxes.json"
    path.write_text(json.dumps(content))
    for read in (read_boxes, read_masks):
        with contextlib.suppress(UsageError):
            read(path)


YAML = st.text(
    st.sampled_from(list("names: []{}-'\"ab01\n\t,&*<!|>#%@`~trinvalpth./")), max_size=60
)


@settings(LIMITS, max_examples=cases(120))
@given(YAML | st.text(max_size=30), st.text(st.sampled_from(list("01.- e+nai\n\t")), max_size=40))
@example("names: [cat", "0 1e400 .5 .1 .1")
@example("names: {0: a, 0: b}", "0 .5 .5 .1 .1")
@example("names: [a]\ntrain: [[images]]", "")
@example("&a names: *a", "")
def test_any_yaml_and_any_lines_are_read_or_refused(folder, content, lines):
    path = yolo(folder(), ["cat"], [(0, (1, 2, 3, 4))])
    for text in (content, 'names: ["cat"]'):
        (path / "data.yaml").write_text(text, "utf-8", "replace")
        (path / "labels" / "a.txt").write_text(lines)
        with contextlib.suppress(UsageError):
            read_boxes(path)


@LIMITS
@given(st.binary(max_size=60), st.sampled_from([".png", ".gif", ".tif", ".jpg"]))
def test_any_mask_is_read_or_refused(folder, content, suffix):
    path = folder()
    (path / "masks").mkdir()
    (path / "masks" / f"a{suffix}").write_bytes(content)
    with contextlib.suppress(UsageError):
        read_masks(path)
