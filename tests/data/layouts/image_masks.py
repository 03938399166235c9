"""Photos with masks."""

from __future__ import annotations

from tests.data.layouts.image_boxes import PETS
from tests.data.layouts.image_files import Layout, Refused, coco, colours, labelme, mask, photos

LEAF = ("background", "leaf")
_SKY, _ROAD = (128, 128, 128), (128, 64, 128)
_CITIES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle",
    "bicycle",
)  # fmt: skip
_TWO = {"train": 1, "validation": 1}


def _voc(root: str, *names: str) -> dict[str, object]:
    return {
        **photos(*(f"{root}/JPEGImages/{name}.jpg" for name in names)),
        **{f"{root}/SegmentationClass/{name}.png": mask(0, 1, 255) for name in names},
        **{f"{root}/SegmentationObject/{name}.png": mask(0, 2) for name in names},
        f"{root}/ImageSets/Segmentation/train.txt": f"{names[0]}\n",
        f"{root}/ImageSets/Segmentation/val.txt": f"{names[1]}\n",
    }


MASKS: tuple[Layout | Refused, ...] = (
    Layout(
        "Cityscapes",
        {
            **photos(
                *(f"leftImg8bit/{split}/bonn/bonn_0_leftImg8bit.png" for split in ("train", "val"))
            ),
            **{
                f"gtFine/{split}/bonn/bonn_0_gtFine_{kind}": content
                for split in ("train", "val")
                for kind, content in (
                    ("labelIds.png", mask(7, 11)),
                    ("color.png", colours(_SKY)),
                    ("instanceIds.png", mask(7)),
                    ("polygons.json", "{}"),
                )
            },
        },
        _CITIES,
        _TWO,
    ),
    Layout(
        "CamVid of SegNet",
        {
            **photos("train/1.png", "val/2.png", "test/3.png"),
            **{
                path: mask(0, 1, 2)
                for path in ("trainannot/1.png", "valannot/2.png", "testannot/3.png")
            },
            "train.txt": "/SegNet/CamVid/train/1.png /SegNet/CamVid/trainannot/1.png\n",
        },
        ("class 0", "class 1", "class 2"),
        {"train": 1, "validation": 1, "test": 1},
    ),
    Layout(
        "CamVid in colours",
        {
            **photos("train/1.png", "val/2.png"),
            "train_labels/1_L.png": colours(_SKY, _ROAD),
            "val_labels/2_L.png": colours(_ROAD, _SKY),
            "class_dict.csv": "name,r,g,b\nRoad,128,64,128\nSky,128,128,128\n",
        },
        ("Road", "Sky"),
        _TWO,
    ),
    Layout(
        "CamVid of fast.ai",
        {
            **photos("images/1.png", "images/2.png"),
            "labels/1_P.png": mask(0, 1),
            "labels/2_P.png": mask(1),
            "codes.txt": "Road\nSky",
            "valid.txt": "2.png",
        },
        ("Road", "Sky"),
        _TWO,
    ),
    Layout(
        "ADE20K, scene parsing",
        {
            **photos("images/training/ADE_train_1.jpg", "images/validation/ADE_val_1.jpg"),
            "annotations/training/ADE_train_1.png": mask(0, 1, 2),
            "annotations/validation/ADE_val_1.png": mask(0, 2),
            "objectInfo150.txt": "Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t1\t1\twall\n",
            "sceneCategories.txt": "ADE_train_1 hall\n",
        },
        ("class 0", "class 1", "class 2"),
        _TWO,
    ),
    Layout("Pascal VOC", _voc("VOC2012", "a", "b"), ("class 0", "class 1"), _TWO, "VOC2012"),
    Layout(
        "Pascal VOC, the folder of the archive",
        {
            **_voc("VOCdevkit/VOC2012", "a", "b"),
            "VOCdevkit/VOC2012/labels.txt": "background\nleaf\n",
        },
        LEAF,
        _TWO,
        "VOCdevkit",
    ),
    Layout(
        "Roboflow, semantic masks",
        {
            **photos("train/1.jpg", "valid/2.jpg"),
            "train/1_mask.png": mask(0, 1),
            "valid/2_mask.png": mask(1, 0),
            **{
                f"{split}/_classes.csv": "Pixel Value, Class\n0, background\n1, leaf\n"
                for split in ("train", "valid")
            },
        },
        LEAF,
        _TWO,
    ),
    Layout(
        "Roboflow, COCO segmentation",
        {
            **photos("train/1.jpg", "valid/2.jpg"),
            **{
                f"{split}/_annotations.coco.json": coco(name, polygons=True, grouped=True)
                for split, name in (("train", "1.jpg"), ("valid", "2.jpg"))
            },
        },
        ("background", "ant"),
        _TWO,
    ),
    Layout(
        "labelme",
        {**photos("1.jpg", "2.jpg"), "1.json": labelme("1.jpg"), "2.json": labelme("2.jpg")},
        ("background", "ant"),
        {None: 2},
    ),
    Layout(
        "labelme in splits",
        {
            **photos("train/1.jpg", "val/2.jpg"),
            "train/1.json": labelme("1.jpg"),
            "val/2.json": labelme("2.jpg").replace("ant", "bee"),
        },
        ("background", "ant", "bee"),
        _TWO,
    ),
    Layout(
        "CVAT, segmentation masks",
        {
            **photos("JPEGImages/1.jpg", "JPEGImages/2.jpg"),
            "SegmentationClass/1.png": colours((0, 0, 0), (250, 50, 83)),
            "SegmentationClass/2.png": colours((0, 0, 0)),
            "SegmentationObject/1.png": colours((0, 0, 0), (128, 0, 0)),
            "ImageSets/Segmentation/default.txt": "1\n2\n",
            "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nleaf:250,50,83::\n",
        },
        LEAF,
        {None: 2},
    ),
    Layout(
        "Kaggle, train/ and train_masks/",
        {
            **photos("train/1.jpg", "train/2.jpg", "test/3.jpg"),
            "train_masks/1_mask.gif": mask(0, 255),
            "train_masks/2_mask.gif": mask(255, 0),
        },
        ("background", "object"),
        {"train": 2},
    ),
    Layout(
        "Kvasir-SEG",
        {
            **photos("images/1.jpg", "images/2.jpg", "images/3.jpg"),
            **{f"masks/{n}.jpg": mask(0, 255) for n in (1, 2, 3)},
            "train.txt": "1\n3\n",
            "val.txt": "2\n",
            "kavsir_bboxes.json": '{"1": {"height": 30, "width": 40, "bbox": []}}',
        },
        ("background", "object"),
        {"train": 2, "validation": 1},
    ),
    Layout(
        "Kaggle, Images/ and Masks/",
        {
            **photos("Leaves/Images/1.jpg", "Leaves/Images/2.jpg"),
            "Leaves/Masks/1.png": mask(0, 255),
            "Leaves/Masks/2.png": mask(255, 0),
        },
        ("background", "object"),
        {None: 2},
    ),
    Refused(
        "Oxford pets",
        PETS,
        r"the masks contain 1 \([\d,]+ pixels\), 2 .*, 3 .*, and there are no labels for these values",
    ),
)
