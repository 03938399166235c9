"""Photos with classes."""

from __future__ import annotations

from collections.abc import Mapping

from tests.data.layouts.image_files import PHOTO, Layout, Refused, coco, folders, photos, xml

FLOWERS = ("daisy", "rose")
_CSV = "file_name,label\n{0}1.jpg,daisy\n{0}2.jpg,rose\n"
_JSONL = (
    '{{"file_name": "{0}1.jpg", "label": "daisy"}}\n{{"file_name": "{0}2.jpg", "label": "rose"}}\n'
)
_ROBOFLOW = {"README.roboflow.txt": "flowers", "README.dataset.txt": "flowers"}
_SPLITS = ("train", "valid", "test")
_FOOD = folders("images", classes=FLOWERS, number=3)
_KAGGLE = {
    "train.csv": "image_id,label\na1,daisy\na2,rose\na3,rose\n",
    "test.csv": "image_id\nb1\n",
    "sample_submission.csv": "image_id,label\nb1,rose\n",
}


def _paths(files: Mapping[str, object], suffix: str = "") -> list[str]:
    return [name.removeprefix("images/").removesuffix(".jpg") + suffix for name in files]


CLASSES: tuple[Layout | Refused, ...] = (
    Layout(
        "flower_photos",
        {**folders("flower_photos", classes=FLOWERS), "flower_photos/LICENSE.txt": "CC-BY"},
        FLOWERS,
        {None: 4},
        "flower_photos",
    ),
    Layout(
        "flower_photos in the folder of the archive",
        {**folders("data/flower_photos", classes=FLOWERS), "data/flower_photos/LICENSE.txt": ""},
        FLOWERS,
        {None: 4},
    ),
    Layout(
        "CIFAR-10 of fast.ai",
        {**folders("train", "test", classes=("airplane", "cat")), "labels.txt": "airplane\ncat\n"},
        ("airplane", "cat"),
        {"train": 4, "test": 4},
    ),
    Layout(
        "Roboflow, folders",
        {**folders(*_SPLITS, classes=FLOWERS), **_ROBOFLOW},
        FLOWERS,
        {"train": 4, "validation": 4, "test": 4},
    ),
    Layout(
        "Roboflow, several classes",
        {
            **photos(*(f"{split}/{n}.jpg" for split in _SPLITS for n in (1, 2))),
            **{
                f"{split}/_classes.csv": "filename, daisy, rose\n1.jpg, 1, 0\n2.jpg, 1, 1\n"
                for split in _SPLITS
            },
            **_ROBOFLOW,
        },
        FLOWERS,
        {"train": 2, "validation": 2, "test": 2},
    ),
    Layout(
        "Hugging Face, metadata.csv",
        {**photos("1.jpg", "2.jpg"), "metadata.csv": _CSV.format("")},
        FLOWERS,
        {None: 2},
    ),
    Layout(
        "Hugging Face, metadata.csv of each split",
        {
            **photos(*(f"{split}/{n}.jpg" for split in ("train", "validation") for n in (1, 2))),
            **{f"{split}/metadata.csv": _CSV.format("") for split in ("train", "validation")},
        },
        FLOWERS,
        {"train": 2, "validation": 2},
    ),
    Layout(
        "Hugging Face, metadata.jsonl of each split",
        {
            **photos(*(f"{split}/images/{n}.jpg" for split in ("train", "test") for n in (1, 2))),
            **{f"{split}/metadata.jsonl": _JSONL.format("images/") for split in ("train", "test")},
        },
        FLOWERS,
        {"train": 2, "test": 2},
    ),
    Layout(
        "Hugging Face, one metadata.jsonl with paths",
        {
            **photos("train/1.jpg", "train/2.jpg", "test/3.jpg"),
            "metadata.jsonl": _JSONL.format("train/"),
        },
        FLOWERS,
        {None: 2},
    ),
    Layout(
        "Hugging Face, class folders with captions",
        {
            **folders("train", "validation", classes=FLOWERS),
            "train/metadata.csv": "file_name,text\ndaisy/train_daisy0.jpg,a daisy\n",
        },
        FLOWERS,
        {"train": 4, "validation": 4},
    ),
    Layout(
        "Kaggle, images/",
        {**photos(*(f"images/{n}.jpg" for n in ("a1", "a2", "a3", "b1"))), **_KAGGLE},
        FLOWERS,
        {"train": 3},
    ),
    Layout(
        "Kaggle, train/ and test/",
        {**photos("train/a1.png", "train/a2.png", "train/a3.png", "test/b1.png"), **_KAGGLE},
        FLOWERS,
        {"train": 3},
    ),
    Layout(
        "Kaggle, the path of train.csv",
        {**photos("train_images/a1.jpg", "train_images/a2.jpg", "train_images/a3.jpg"), **_KAGGLE},
        FLOWERS,
        {None: 3},
        "train.csv",
    ),
    Layout(
        "HAM10000",
        {
            **photos(*(f"HAM10000_images_part_{1 + n % 2}/ISIC_{n}.jpg" for n in range(6))),
            "HAM10000_metadata.csv": "lesion_id,image_id,dx\n"
            + "".join(f"HAM_{n},ISIC_{n},{FLOWERS[n // 3]}\n" for n in range(6)),
        },
        FLOWERS,
        {None: 6},
    ),
    Layout(
        "NIH chest X-rays",
        {
            **photos(*(f"images_00{1 + n % 2}/images/{n}.png" for n in range(6))),
            "Data_Entry_2017.csv": "Image Index,Finding Labels,Follow-up #\n"
            + "".join(f"{n}.png,{FLOWERS[n // 3]},0\n" for n in range(6)),
        },
        FLOWERS,
        {None: 6},
    ),
    Layout(
        "EuroSAT",
        {
            **photos("Forest/Forest_1.jpg", "Forest/Forest_2.jpg", "River/River_1.jpg"),
            "label_map.json": '{"Forest": 1, "River": 8}',
            "train.csv": ",Filename,Label,ClassName\n0,Forest/Forest_1.jpg,1,Forest\n"
            "1,River/River_1.jpg,8,River\n",
            "test.csv": ",Filename,Label,ClassName\n2,Forest/Forest_2.jpg,1,Forest\n",
        },
        ("Forest", "River"),
        {None: 3},
    ),
    Layout(
        "Kaggle's dog breeds",
        {
            **photos(*(f"train/{n}.jpg" for n in range(6)), "test/9.jpg"),
            "labels.csv": "id,breed\n" + "".join(f"{n},{FLOWERS[n % 2]}\n" for n in range(6)),
            "sample_submission.csv": "id,daisy,rose\n9,0.5,0.5\n",
        },
        FLOWERS,
        {None: 6},
    ),
    Layout(
        "Udacity's flowers",
        {
            **folders("flower_data/train", "flower_data/valid", classes=("1", "2")),
            "cat_to_name.json": '{"1": "pink primrose", "2": "rose"}',
        },
        ("1", "2"),
        {"train": 4, "validation": 4},
    ),
    Layout(
        "Food-101",
        {
            **_FOOD,
            "meta/classes.txt": "daisy\nrose\n",
            "meta/labels.txt": "Daisy\nRose\n",
            "meta/train.txt": "\n".join(name for name in _paths(_FOOD) if "0" not in name),
            "meta/test.txt": "\n".join(name for name in _paths(_FOOD) if "0" in name),
            "meta/train.json": "{}",
            "meta/test.json": "{}",
            "license_agreement.txt": "x",
        },
        FLOWERS,
        {"train": 4, "test": 2},
    ),
    Layout(
        "MIT indoor scenes",
        {
            **{name.replace("images/", "Images/"): PHOTO for name in _FOOD},
            "TrainImages.txt": "\n".join(_paths(_FOOD, ".jpg")[1:]),
            "TestImages.txt": _paths(_FOOD, ".jpg")[0],
        },
        FLOWERS,
        {"train": 5, "test": 1},
    ),
    Layout(
        "lists of paths and indices next to class folders",
        {
            **photos("ice cream/1.jpg", "ice cream/2.jpg", "pie/1.jpg", "pie/2.jpg"),
            "train.txt": "ice cream/1.jpg\npie/1.jpg 1\n",
            "val.txt": "ice cream/2.jpg\n./pie/2.jpg 1\n",
        },
        ("ice cream", "pie"),
        {"train": 2, "validation": 2},
    ),
    Layout(
        "CUB-200-2011",
        {
            **folders("images", classes=("001.Albatross", "002.Auklet")),
            "images.txt": "".join(
                f"{n} {name}/images{name}{(n - 1) % 2}.jpg\n"
                for n, name in enumerate(("001.Albatross",) * 2 + ("002.Auklet",) * 2, 1)
            ),
            "classes.txt": "1 001.Albatross\n2 002.Auklet\n",
            "image_class_labels.txt": "1 1\n",
            "train_test_split.txt": "1 0\n2 1\n3 1\n4 0\n",
            "bounding_boxes.txt": "1 60.0 27.0 325.0 304.0\n",
            "parts/parts.txt": "1 back\n",
            "attributes/certainties.txt": "1 not visible\n",
        },
        ("001.Albatross", "002.Auklet"),
        {"train": 2, "test": 2},
    ),
    Layout(
        "Stanford dogs",
        {
            **folders("Images", classes=("n02085620-Chihuahua", "n02085782-Japanese_spaniel")),
            "Annotation/n02085620-Chihuahua/Images_n02085620-Chihuahua0": xml("%s"),
            "lists/train_list.mat": "MATLAB",
        },
        ("n02085620-Chihuahua", "n02085782-Japanese_spaniel"),
        {None: 4},
    ),
    Layout(
        "UC Merced",
        {**folders("UCMerced_LandUse/Images", classes=FLOWERS), "UCMerced_LandUse/readme.txt": ""},
        FLOWERS,
        {None: 4},
    ),
    Layout(
        "splits in the class folders",
        photos(
            *(
                f"{name}/{split}/{name}{split}.jpg"
                for name in FLOWERS
                for split in ("train", "test")
            )
        ),
        FLOWERS,
        {"train": 2, "test": 2},
    ),
    Layout(
        "classes of several sessions",
        photos("daisy/monday/1.jpg", "daisy/friday/2.jpg", "rose/monday/3.jpg", "rose/4.jpg"),
        FLOWERS,
        {None: 4},
    ),
    Layout(
        "trainval and test, as macOS packs them",
        {
            **folders("trainval", "test", classes=FLOWERS),
            "__MACOSX/trainval/._daisy": "",
            "trainval/__MACOSX/daisy/._1.jpg": "",
        },
        FLOWERS,
        {"train": 4, "test": 4},
    ),
    Refused(
        "splits with other data in a folder of the same name",
        {
            **folders("x/train", "x/test", classes=FLOWERS),
            **folders("x/x/train", "x/x/test", classes=FLOWERS),
        },
        r"has the splits test/, train/ and also x/ with class folders",
        "x",
    ),
    Layout(
        "BUSI, with masks next to the photos",
        {
            **photos("benign/benign (1).png", "benign/benign (2).png", "normal/normal (1).png"),
            **photos("benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png"),
            **photos("normal/normal (1)_mask.png"),
        },
        ("benign", "normal"),
        {None: 3},
    ),
    Layout(
        "Tiny ImageNet, with photos to test in images/",
        {
            **folders("train", "val", classes=FLOWERS),
            **photos("test/images/1.jpg", "test/images/2.jpg"),
        },
        FLOWERS,
        {"train": 4, "validation": 4},
    ),
    Layout(
        "BIRDS-525, a label a row and a split in a column of its own name",
        {
            **photos(*(f"{n}.jpg" for n in range(6))),
            "birds.csv": "filepaths,labels,data set\n0.jpg,DAISY,train\n1.jpg,ROSE,train\n2.jpg,ROSE,train\n"
            "3.jpg,ROSE,valid\n4.jpg,DAISY,test\n5.jpg,DAISY,test\n",
        },
        ("DAISY", "ROSE"),
        {"train": 3, "validation": 1, "test": 2},
    ),
    Layout(
        "class names as macOS writes them in one split",
        photos(
            *(f"train/{name}/{n}.jpg" for name in ("\u00e9t\u00e9", "hiver") for n in "12"),
            *(f"val/{name}/{n}.jpg" for name in ("e\u0301te\u0301", "hiver") for n in "34"),
        ),
        ("hiver", "\u00e9t\u00e9"),
        {"train": 4, "validation": 4},
    ),
    Refused(
        "class folders of another format",
        {"a/1.dcm": "DICM", "b/2.dcm": "DICM"},
        r"without a photo \('a', 'b'\).*not read, because they are not JPEG.*1\.dcm",
    ),
    Refused(
        "folds of class folders",
        folders("fold1", "fold2", classes=("a", "b")),
        r"two ways: the classes fold1, fold2, or the classes a, b in each of these",
    ),
    Refused(
        "folds with a photo of no class",
        {**folders("fold1", "fold2", classes=("a", "b")), **photos("fold2/x.jpg")},
        r"two ways: the classes fold1, fold2, or the classes a, b",
    ),
    Refused(
        "folds of which one lacks a class",
        {
            **folders("fold1", "fold2", "fold3", classes=("a", "b", "c")),
            **folders("fold4", classes=("a", "b")),
        },
        r"the classes a, b, c in each",
    ),
    Refused(
        "Tiny ImageNet",
        {
            **photos("train/n01/images/n01_0.JPEG", "train/n02/images/n02_0.JPEG"),
            **photos("val/images/val_0.JPEG", "test/images/test_0.JPEG"),
            "val/val_annotations.txt": "val_0.JPEG\tn01\t0\t32\t44\t62\n",
        },
        r"val is the validation split and has no class folders",
    ),
    Refused(
        "Kaggle's dogs and cats",
        photos("train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "train/dog.1.jpg"),
        r"no class folders.*If the names of the photos begin with the classes \('cat', 'dog'\)",
        "train",
    ),
    Refused(
        "boxes of Roboflow's CSV",
        {
            **photos("train/1.jpg"),
            "train/_annotations.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n"
            "1.jpg,40,30,ant,2,3,20,15\n",
        },
        r"has the columns xmin, ymin, xmax, ymax, so a row is a box, or a photo",
    ),
    Refused(
        "COCO of Roboflow",
        {
            **photos("train/1.jpg", "valid/2.jpg"),
            "train/_annotations.coco.json": coco("1.jpg"),
            "valid/_annotations.coco.json": coco("2.jpg"),
        },
        r"splits train/ and valid/, which contain no class folders.*task='object-detection'",
    ),
)
"""Of photos with classes."""
