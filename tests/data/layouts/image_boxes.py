"""Photos with boxes."""

from __future__ import annotations

from tests.data.layouts.image_files import (
    PHOTO,
    YOLO,
    Layout,
    Refused,
    coco,
    labelme,
    mask,
    photos,
    xml,
)

ANT = ("ant",)
_SPLITS = ("train", "valid", "test")
_EACH = {"train": 1, "validation": 1, "test": 1}
_PHOTOS = photos("train/1.jpg", "valid/2.jpg", "test/3.jpg")
_ROBOFLOW = {**_PHOTOS, "README.roboflow.txt": "ants", "README.dataset.txt": "ants"}
_NAMES = {"train/1": "1", "valid/2": "2", "test/3": "3"}
_YOLO = {
    **photos(*(f"{split}/images/{split}.jpg" for split in _SPLITS)),
    **{f"{split}/labels/{split}.txt": YOLO for split in _SPLITS},
    "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 1\n"
    "names: ['ant']\n\nroboflow:\n  workspace: x\n  version: 1\n",
    "README.roboflow.txt": "ants",
}
_HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def voc(root: str, *names: str, lists: str = "") -> dict[str, str | None]:
    """A folder of Pascal VOC; `lists`: the photos to train on, the others are to test."""
    test = "\n".join(name for name in names if name not in lists)
    return {
        **{f"{root}/JPEGImages/{name}.jpg": PHOTO for name in names},
        **{f"{root}/Annotations/{name}.xml": xml(f"{name}.jpg") for name in names},
        f"{root}/ImageSets/Main/trainval.txt": lists,
        f"{root}/ImageSets/Main/test.txt": test,
        f"{root}/ImageSets/Main/ant_trainval.txt": f"{lists} 1\n",
    }


PETS = {
    **photos("images/Abyssinian_1.jpg", "images/Abyssinian_2.jpg", "images/beagle_1.jpg"),
    **{f"annotations/xmls/{name}.xml": xml(f"{name}.jpg", "cat")
       for name in ("Abyssinian_1", "Abyssinian_2")},
    **{f"annotations/trimaps/{name}.png": mask(1, 2, 3)
       for name in ("Abyssinian_1", "Abyssinian_2", "beagle_1")},
    "annotations/list.txt": "# Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\n",
    "annotations/trainval.txt": "Abyssinian_1 1 1 1\nAbyssinian_2 1 1 1\n",
    "annotations/test.txt": "beagle_1 2 2 1\n",
}  # fmt: skip

BOXES: tuple[Layout | Refused, ...] = (
    Layout(
        "COCO 2017",
        {
            **photos("train2017/1.jpg", "train2017/2.jpg", "val2017/3.jpg"),
            "annotations/instances_train2017.json": coco("1.jpg", "2.jpg"),
            "annotations/instances_val2017.json": coco("3.jpg"),
            "annotations/captions_train2017.json": "{}",
            "annotations/person_keypoints_val2017.json": "{}",
        },
        ANT,
        {"train": 2, "validation": 1},
    ),
    Layout(
        "Roboflow, COCO",
        {
            **_ROBOFLOW,
            **{
                f"{path.split('/')[0]}/_annotations.coco.json": coco(f"{name}.jpg", grouped=True)
                for path, name in _NAMES.items()
            },
        },
        ANT,
        _EACH,
    ),
    Layout(
        "Roboflow, Pascal VOC",
        {**_ROBOFLOW, **{f"{path}.xml": xml(f"{name}.jpg") for path, name in _NAMES.items()}},
        ANT,
        _EACH,
    ),
    Layout("Roboflow, YOLO", _YOLO, ANT, _EACH),
    Layout("Roboflow, YOLO, data.yaml", _YOLO, ANT, _EACH, "data.yaml"),
    Layout(
        "Roboflow, Darknet",
        {
            **_ROBOFLOW,
            **{f"{path}.txt": YOLO for path in _NAMES},
            **{f"{split}/_darknet.labels": "ant\n" for split in _SPLITS},
        },
        ANT,
        _EACH,
    ),
    Layout(
        "Roboflow, TensorFlow CSV",
        {
            **_ROBOFLOW,
            **{
                f"{path.split('/')[0]}/_annotations.csv": f"{_HEADER}{name}.jpg,40,30,ant,2,3,20,15\n"
                for path, name in _NAMES.items()
            },
        },
        ANT,
        _EACH,
    ),
    Layout(
        "Roboflow, RetinaNet CSV",
        {
            **_ROBOFLOW,
            **{
                f"{path.split('/')[0]}/_annotations.csv": f"{name}.jpg,2,3,20,15,ant\n{name}.jpg,9,8,39,29,ant\n"
                for path, name in _NAMES.items()
            },
            **{f"{split}/_classes.csv": "ant,0\n" for split in _SPLITS},
        },
        ANT,
        _EACH,
    ),
    Layout(
        "Ultralytics, coco8.yaml",
        {
            **photos(
                "coco8/images/train/1.jpg", "coco8/images/train/2.jpg", "coco8/images/val/3.jpg"
            ),
            "coco8/labels/train/1.txt": YOLO,
            "coco8/labels/val/3.txt": YOLO,
            "coco8/LICENSE": "AGPL-3.0",
            "coco8.yaml": "path: coco8 # dataset root\ntrain: images/train\nval: images/val\ntest: #\n"
            "names:\n  0: ant\n  1: bee\n",
        },
        ("ant", "bee"),
        {"train": 2, "validation": 1},
        "coco8.yaml",
    ),
    Layout(
        "Label Studio, YOLO",
        {
            **photos("images/1.jpg", "images/2.jpg"),
            "labels/1.txt": YOLO,
            "labels/2.txt": YOLO,
            "classes.txt": "ant\n",
            "notes.json": '{"categories": [{"id": 0, "name": "ant"}], "info": {}}',
        },
        ANT,
        {None: 2},
    ),
    Layout(
        "Label Studio, COCO",
        {**photos("images/1.jpg"), "result.json": coco("images\\\\1.jpg".replace("\\\\", "\\"))},
        ANT,
        {None: 1},
    ),
    Layout(
        "labelme",
        {**photos("1.jpg", "2.jpg"), "1.json": labelme("1.jpg"), "2.json": labelme("2.jpg")},
        ANT,
        {None: 2},
    ),
    Layout(
        "LabelImg, Pascal VOC",
        {**photos("1.jpg", "2.jpg"), "1.xml": xml("1.jpg"), "2.xml": xml("2.jpg")},
        ANT,
        {None: 2},
    ),
    Layout(
        "CVAT, Pascal VOC",
        {
            **photos("JPEGImages/1.jpg", "JPEGImages/2.jpg"),
            "Annotations/1.xml": xml("1.jpg"),
            "Annotations/2.xml": xml("2.jpg"),
            "ImageSets/Main/default.txt": "1\n2\n",
            "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nant:1,2,3::\n",
        },
        ANT,
        {None: 2},
    ),
    Layout(
        "CVAT, COCO",
        {
            **photos("images/default/1.jpg", "images/default/2.jpg"),
            "annotations/instances_default.json": coco("1.jpg", "2.jpg"),
        },
        ANT,
        {None: 2},
    ),
    Layout(
        "CVAT, YOLO",
        {
            **photos("obj_train_data/1.jpg", "obj_train_data/2.jpg"),
            "obj_train_data/1.txt": YOLO,
            "obj_train_data/2.txt": "",
            "obj.names": "ant\n",
            "obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n",
            "train.txt": "data/obj_train_data/1.jpg\ndata/obj_train_data/2.jpg\n",
        },
        ANT,
        {None: 2},
    ),
    Layout(
        "Darknet with lists",
        {
            **photos("data/obj/1.jpg", "data/obj/2.jpg"),
            "data/obj/1.txt": YOLO,
            "data/obj/2.txt": YOLO,
            "data/obj.names": "ant\n",
            "data/train.txt": "data/obj/1.jpg\n",
            "data/test.txt": "data/obj/2.jpg\n",
        },
        ANT,
        {"train": 1, "test": 1},
        "data",
    ),
    Layout(
        "YOLO with lists",
        {
            **photos("images/1.jpg", "images/2.jpg", "images/3.jpg"),
            **{f"labels/{n}.txt": YOLO for n in (1, 2, 3)},
            "classes.txt": "ant\n",
            "val.txt": "./images/2.jpg\n",
        },
        ANT,
        {"train": 2, "validation": 1},
    ),
    Layout(
        "Pascal VOC 2007, the folder of the archive",
        voc("VOCdevkit/VOC2007", "000001", "000002", lists="000001"),
        ANT,
        {"train": 1, "test": 1},
        "VOCdevkit",
    ),
    Layout(
        "Pascal VOC 2007 and 2012, the folder around the archive",
        {
            **voc("VOCdevkit/VOC2007", "000001", "000002", lists="000001"),
            **voc("VOCdevkit/VOC2012", "2008_000001", "2008_000002", lists="2008_000001"),
        },
        ANT,
        {"train": 2, "test": 2},
    ),
    Layout(
        "Kaggle, images/ and annotations/",
        {
            **photos("images/1.png", "images/2.png"),
            "annotations/1.xml": xml("1.png"),
            "annotations/2.xml": xml("2.png"),
        },
        ANT,
        {None: 2},
    ),
    Layout(
        "Pascal VOC with lists of paths",
        {
            **photos("images/1.jpg", "images/2.jpg", "images/3.jpg"),
            **{f"annotations/{n}.xml": xml(f"{n}.jpg") for n in (1, 2, 3)},
            "train.txt": "/home/ann/images/1.jpg\n/home/ann/images/2.jpg\n",
            "test.txt": "/home/ann/images/3.jpg\n",
        },
        ANT,
        {"train": 2, "test": 1},
    ),
    Layout("Oxford pets", PETS, ("cat",), {"train": 2}),
    Layout(
        "Open Images",
        {
            **photos("train/0a.jpg", "validation/0b.jpg"),
            **{
                f"{split}-annotations-bbox.csv": "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
                "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
                f"{name},xclick,/m/0k4j,1,0.1,0.5,0.2,0.6,0,0,0,0,0\n"
                f"{name},xclick,/m/0k4j,1,0.1,0.9,0.2,0.9,0,0,1,0,0\n"
                for split, name in (("train", "0a"), ("validation", "0b"))
            },
            "class-descriptions-boxable.csv": "/m/0k4j,Car\n/m/01g317,Person\n",
        },
        ("/m/0k4j",),
        {"train": 1, "validation": 1},
    ),
    Layout(
        "Hugging Face, metadata.jsonl with objects",
        {
            **photos("train/1.jpg", "validation/2.jpg"),
            **{
                f"{split}/metadata.jsonl": f'{{"file_name": "{name}.jpg", "objects": {{"bbox": '
                '[[2, 3, 18, 12], [20, 9, 15, 6]], "categories": ["ant", "ant"]}}\n'
                for split, name in (("train", "1"), ("validation", "2"))
            },
        },
        ANT,
        {"train": 1, "validation": 1},
    ),
    Layout(
        "tables of two splits",
        {
            **photos("images/1.jpg", "images/2.jpg"),
            "train_labels.csv": f"{_HEADER}1.jpg,40,30,ant,2,3,20,15\n",
            "test_labels.csv": f"{_HEADER}2.jpg,40,30,ant,2,3,20,15\n",
        },
        ANT,
        {"train": 1, "test": 1},
    ),
    Layout(
        "a table with its splits in a column of another name",
        {
            **photos("1.jpg", "2.jpg"),
            "boxes.csv": "filename,dataset,class,xmin,ymin,xmax,ymax\n"
            "1.jpg,train,ant,2,3,20,15\n2.jpg,test,ant,2,3,20,15\n",
        },
        ANT,
        {"train": 1, "test": 1},
    ),
    Layout(
        "XML files in labels/ next to images/",
        {
            **photos("images/1.jpg", "images/2.jpg"),
            **{f"labels/{n}.xml": xml(f"{n}.jpg") for n in (1, 2)},
        },
        ANT,
        {None: 2},
    ),
    Layout(
        "labelme with a turned rectangle",
        {
            **photos("1.jpg"),
            "1.json": labelme("1.jpg")
            .replace("[[2, 3], [20, 15]]", "[[2, 5], [9, 2], [12, 9], [5, 12]]")
            .replace('"rectangle"', '"rotation"'),
        },
        ANT,
        {None: 1},
    ),
    Refused(
        "a table whose photos are called name, without labels",
        {
            **photos(*(f"{n}.jpg" for n in range(6))),
            "boxes.csv": "name,xmin,ymin,xmax,ymax\n"
            + "".join(f"{n}.jpg,2,3,20,15\n" for n in range(6)),
        },
        r"the table has no column label",
    ),
    Refused(
        "Pascal VOC with the lists of another data set",
        {
            **voc(".", "1", "2"),
            "ImageSets/Main/trainval.txt": "2008_000001\n",
            "ImageSets/Main/test.txt": "2008_000002\n",
        },
        r"Main: the lists test.txt, trainval.txt name none of the 2 files",
    ),
    Refused(
        "two data sets in one folder",
        {
            **photos("ants/1.jpg", "bees/2.jpg"),
            "ants/1.xml": xml("1.jpg"),
            "bees/2.xml": xml("2.jpg"),
        },
        r"contains ants/ and bees/ with boxes: name the one to read, or rename them",
    ),
)
