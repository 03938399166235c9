"""What people's boxes look like: flags and ids as texts, names that contradict, files that nothing
belongs to. Each is read, or refused with a sentence.
"""

import json

import pytest
from PIL import Image

from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes

BOX = (4, 5, 20, 25)


@pytest.fixture
def folder(tmp_path):
    """(layout of files: content or None for a photo) -> the folder."""

    def make(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                Image.new("RGB", (40, 30)).save(path)
            else:
                path.write_text(content, "utf-8")
        return tmp_path

    return make


def xml(filename="", *boxes, size=(40, 30)):
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for label, (a, b, c, d) in boxes
    )
    return (
        f"<annotation><filename>{filename}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height></size>{objects}</annotation>"
    )


def voc(*numbers):
    files = {f"JPEGImages/{n}.jpg": None for n in numbers}
    return files | {f"Annotations/{n}.xml": xml(f"{n}.jpg", ("cat", BOX)) for n in numbers}


def coco(images=(), annotations=(), categories=({"id": 3, "name": "cat"},)):
    images = images or [{"id": 1, "file_name": "0.jpg", "width": 40, "height": 30}]
    annotations = annotations or [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [4, 5, 16, 20]}
    ]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def names(data):
    return [photo.name.rsplit("/", 1)[-1] for photo in data.photos]


def test_the_own_name_of_an_xml_beats_the_photo_that_it_names(folder):
    files = voc(0, 1, 2) | {"Annotations/1.xml": xml("0.jpg", ("dog", BOX))}
    data = read_boxes(folder(files | {"Annotations/z.xml": xml("2.jpg", ("dog", BOX))}))
    assert names(data) == ["0.jpg", "1.jpg", "2.jpg"]
    assert [data.labels[photo.labels[0]] for photo in data.photos] == ["cat", "dog", "cat"]
    assert any("1.xml: has the name of 1.jpg and names 0.jpg" in line for line in data.problems)
    assert any("z.xml: names the photo 2.jpg, which has an" in line for line in data.problems)


def test_xml_in_capitals_and_subfolders_is_read_and_photos_without_one_are_counted(folder):
    files = voc(0, 1, 2, 3)
    files["Annotations/1.XML"] = files.pop("Annotations/1.xml")
    files["Annotations/sub/2.xml"] = files.pop("Annotations/2.xml")
    del files["Annotations/3.xml"]
    data = read_boxes(folder(files))
    assert sorted(names(data)) == ["0.jpg", "1.jpg", "2.jpg"]
    (problem,) = data.problems
    assert problem.startswith("1 photo without an .xml in ")


def test_photos_in_two_lists_of_voc_and_names_with_a_suffix(folder):
    lists = {"train.txt": "0\n1.jpg\n", "val.txt": "1\n2.xml\n9\n"}
    files = voc(0, 1, 2) | {f"ImageSets/Main/{name}": text for name, text in lists.items()}
    data = read_boxes(folder(files))
    assert [photo.split for photo in data.photos] == ["train", "train", "validation"]
    assert any("1 photo in two of the lists" in line for line in data.problems)
    assert any(
        "1 file missing, named in a list" in line and "9.xml" in line for line in data.problems
    )


def test_two_photos_of_one_annotation_are_left_out(folder):
    data = read_boxes(folder(voc(0, 1) | {"JPEGImages/1.png": None, "Annotations/1.xml": xml()}))
    assert names(data) == ["0.jpg"]
    assert any("1.jpg and 1.png have its name" in line for line in data.problems)


@pytest.mark.parametrize(("value", "crowd"), [
    ("0", False), ("false", False), ("0.0", False), (0.0, False), (None, False), ("1", True), (True, True),
])  # fmt: skip
def test_iscrowd_as_text(folder, value, crowd):
    one = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [4, 5, 16, 20], "iscrowd": value}
    data = read_boxes(folder({"0.jpg": None, "a.json": coco(annotations=[one])}) / "a.json")
    assert data.photos[0].crowd.tolist() == [crowd]


@pytest.mark.parametrize(("image", "annotation", "words"), [
    ({"id": 1.0, "width": "40", "height": 30.0}, {"image_id": "1"}, ""),
    ({"id": "1"}, {"image_id": 1.0, "category_id": "3"}, ""),
    ({"file_name": "../DATA/0.jpg"}, {}, ""),
    ({"width": "wide"}, {}, r"width of the photo is 'wide' \(str\), not a whole number; it is left out"),
    ({}, {"iscrowd": "maybe"}, "an iscrowd that is 'maybe', not 0 or 1; its photo is left out"),
    ({}, {"image_id": "001"}, r"has the image_id '001' \(str\), but the ids of images are 1"),
    ({}, {"image_id": None}, r"has the image_id None \(NoneType\)"),
    ({"file_name": "../other/0.jpg"}, {}, "leads out of"),
    ({"width": 80}, {}, "says 80x30 pixels, the photo has 40x30"),
])  # fmt: skip
def test_ids_sizes_and_paths_of_coco(folder, image, annotation, words):
    images = [{"id": 1, "file_name": "0.jpg", "width": 40, "height": 30, **image}]
    boxes = [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [4, 5, 16, 20], **annotation}]
    content = coco(images, boxes).replace("DATA", "data")
    path = folder({"data/0.jpg": None, "data/a.json": content}) / "data/a.json"
    if words:
        with pytest.raises(UsageError, match=words):
            read_boxes(path)
    else:
        assert read_boxes(path).photos[0].boxes.tolist() == [list(BOX)]


def test_images_of_one_file_are_left_out(folder):
    images = [{"id": n, "file_name": "0.jpg" if n < 3 else "3.jpg"} for n in (1, 2, 3)]
    data = read_boxes(folder({"0.jpg": None, "3.jpg": None, "a.json": coco(images)}) / "a.json")
    assert names(data) == ["3.jpg"]
    assert any("0.jpg belongs to 2 images (1, 2)" in line for line in data.problems)


def test_a_third_file_of_coco_is_refused_by_name(folder):
    files = {f"annotations/instances_{part}.json": coco() for part in ("train", "val", "minival")}
    with pytest.raises(UsageError, match=r"instances_minival\.json \(no split\)"):
        read_boxes(folder(files))


def yolo(*numbers):
    files = {f"images/{n}.jpg": None for n in numbers} | {"classes.txt": "cat\ndog\n"}
    return files | {f"labels/{n}.txt": "1 .3 .5 .4 .5\n" for n in numbers}


def test_text_files_of_yolo_by_any_name_and_without_a_photo(folder):
    files = yolo(0, 1, 2)
    files["labels/0.TXT"] = files.pop("labels/0.txt")
    files["labels/1.jpg.txt"] = files.pop("labels/1.txt")
    files |= {
        "labels/8.txt": "0 .5 .5 .1 .1\n",
        "labels/README.txt": "by hand",
        "images/3.jpg": None,
    }
    data = read_boxes(folder(files))
    assert [len(photo.boxes) for photo in data.photos] == [1, 1, 1, 0]
    (problem,) = data.problems
    assert problem.startswith("1 .txt file without a photo, such as")
    assert data.columns[0].startswith("1 photo without a .txt file and so without objects")


def test_two_photos_of_one_text_file_are_left_out(folder):
    data = read_boxes(folder(yolo(0, 1) | {"images/0.png": None}))
    assert names(data) == ["1.jpg"]
    assert len([line for line in data.problems if "shares" in line]) == 2


@pytest.mark.parametrize(("files", "words"), [
    ({"classes.txt": "cat\n\ndog\n"}, "line 2 is blank"),
    ({"obj.names": "dog\ncat\n"}, "class 0 is 'cat' in one and 'dog' in the other"),
    ({"notes.yaml": "names: [A, B]"}, "notes.yaml and .*classes.txt disagree"),
    ({"labels/classes.txt": "cat\n"}, "class 1 is 'dog' in one and 'absent'"),
])  # fmt: skip
def test_names_that_disagree_are_refused(folder, files, words):
    with pytest.raises(UsageError, match=words):
        read_boxes(folder(yolo(0) | files))


def test_names_of_labelimg_and_lists_with_a_byte_order_mark(folder):
    files = yolo(0, 1, 2)
    files["labels/classes.txt"] = files.pop("classes.txt")
    assert read_boxes(folder(files)).labels == ("cat", "dog")
    files = {
        "data.yaml": "names: [cat, dog]\ntrain: train.txt\nval: val.txt\ntest: nowhere\n",
        "train.txt": "\ufeffimages\\0.jpg\n",
        "val.txt": "images/0.jpg\nimages/1.jpg\n",
    }
    data = read_boxes(folder(files) / "data.yaml")
    assert names(data) == ["0.jpg", "0.jpg", "1.jpg"]
    assert any("test is 'nowhere'" in line for line in data.problems)
    assert any("1 photo in none of the splits of data.yaml" in line for line in data.problems)
    assert any("1 photo in two splits" in line and "0.jpg" in line for line in data.problems)


def test_sizes_of_photos_are_compared_in_tables_and_in_labelme(folder):
    rows = ["0.jpg,80,60,cat,4,5,20,25", "1.jpg,40,30,cat,4,5,20,25"]
    text = "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *rows])
    root = folder({"0.jpg": None, "1.jpg": None, "t.csv": text})
    data = read_boxes(root / "t.csv")
    assert names(data) == ["1.jpg"]
    assert "0.jpg: the annotation says 80x60 pixels, the photo has 40x30" in data.problems[0]
    of_boxes = text.replace("80,60", "16,20").replace("40,30", "16,20")
    (root / "t.csv").write_text(of_boxes)
    assert len(read_boxes(root / "t.csv").photos) == 2
    shape = {"label": "cat", "points": [[4, 5], [20, 25]], "shape_type": "rectangle"}
    sizes = {"imageWidth": 80, "imageHeight": 60}
    (root / "0.json").write_text(json.dumps({"shapes": [shape], "imagePath": "1.jpg", **sizes}))
    (root / "1.json").write_text(json.dumps({"shapes": [shape], "imagePath": "1.jpg"}))
    (root / "t.csv").unlink()
    data = read_boxes(root)
    assert names(data) == ["1.jpg"]
    assert any("0.json: has the name of 0.jpg and names 1.jpg" in line for line in data.problems)
    assert any("0.jpg: the annotation says 80x60" in line for line in data.problems)


def test_shares_among_pixels_are_refused_or_left_out(folder):
    header = "image,label,xmin,ymin,xmax,ymax\n"
    text = header + "0.jpg,cat,.1,.2,.5,.8\n1.jpg,cat,4,5,20,25\n"
    root = folder({"0.jpg": None, "1.jpg": None, "t.csv": text})
    with pytest.raises(
        UsageError, match=r"1 box in fractions .* in .*csv:2, and 1 in pixels, .*csv:3"
    ):
        read_boxes(root / "t.csv")
    (root / "0.xml").write_text(xml("", ("cat", (0.1, 0.2, 0.5, 0.8))))
    for count in (1, 30):
        (root / "1.xml").write_text(xml("", *[("cat", BOX)] * count))
        (root / "t.csv").unlink(missing_ok=True)
        if count == 1:
            with pytest.raises(UsageError, match=r"1 of 2 boxes are fractions of the photo's size"):
                read_boxes(root)
        else:
            data = read_boxes(root)
            assert names(data) == ["1.jpg"]
            assert any("0.jpg: box 1 ('cat'): all sides lie" in line for line in data.problems)


def test_boxes_beyond_most_photos_are_refused(folder):
    rows = "".join(f"0.jpg,cat,{n},20,{n + 20},45\n" for n in range(4))
    path = folder({"0.jpg": None, "t.csv": "image,label,xmin,ymin,xmax,ymax\n" + rows}) / "t.csv"
    with pytest.raises(UsageError, match="4 of 4 boxes reach beyond their photos"):
        read_boxes(path)


def test_a_whole_number_is_an_index_where_no_class_is_a_number(folder):
    path = folder({"0.jpg": None}) / "0.jpg"
    data = read_boxes([(path, [(1, *BOX), ("cat", *BOX)])], ["cat", "dog"], strict=True)
    assert data.photos[0].labels.tolist() == [1, 0]
    with pytest.raises(UsageError, match=r"unknown classes: '2' \(1\)"):
        read_boxes([(path, [(2, *BOX)])], ["cat", "dog"], strict=True)
    with pytest.raises(UsageError, match=r"unknown classes: '0' \(1\)"):
        read_boxes([(path, [(0, *BOX)])], ["7", "dog"], strict=True)
    with pytest.raises(UsageError, match="Item 1 of the data is not"):
        read_boxes([(path, [(None, *BOX)])])
