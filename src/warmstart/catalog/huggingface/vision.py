"""Segmentation models in Hugging Face layout: `segformer`, and `mobilenet_v2` with its DeepLab head."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, ImagePreprocessing, Label, Metric, WeightFile
from warmstart.catalog.huggingface import read_json
from warmstart.catalog.huggingface.checks import integer, integers, number, one_of
from warmstart.catalog.licences import SEGFORMER
from warmstart.errors import UsageError

PROCESSOR = "preprocessor_config.json"
LARGEST_SIDE, LARGEST_WIDTH, MOST_BLOCKS, MOST_CLASSES = 4096, 8192, 256, 65_536
RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "area"}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def entry(config: Mapping[str, Any], folder: Path, task: str | None) -> tuple[Entry, tuple[Label, ...]]:
    """What a repository of these families holds.

    Raises:
        BundleError, UsageError: see `catalog.huggingface.read`.
    """
    kind = str(config["model_type"])
    heads = {"segformer": "SegformerForSemanticSegmentation", "mobilenet_v2": "MobileNetV2ForSemanticSegmentation"}
    return _segmentation(config, folder, task, kind, heads[kind])


def _segmentation(config: Mapping[str, Any], folder: Path, task: str | None, kind: str,
                  head: str) -> tuple[Entry, tuple[Label, ...]]:
    check_task(config, folder, task, "image-segmentation", head)
    labels = labels_of(config, folder)
    read = {"segformer": _segformer, "mobilenet_v2": _mobilenet_v2}[kind]
    architecture, sizes, size, scale, licence, paper = read(config, folder)
    rules = preprocessing(folder, size, scale)
    sizes |= {"classes": len(labels), "input_size": list(rules.size)}
    return make_entry(kind, "image-segmentation", architecture, sizes, rules, licence, paper), labels


def _segformer(config: Mapping[str, Any], folder: Path) -> tuple:
    where = folder / "config.json"
    stages = integer(config, "num_encoder_blocks", where, 4, 1, 8)
    sizes: dict[str, Any] = {key: integers(config, key, where, default, 1, most, stages) for key, default, most in (
        ("depths", [2, 2, 2, 2], MOST_BLOCKS), ("hidden_sizes", [32, 64, 160, 256], LARGEST_WIDTH),
        ("num_attention_heads", [1, 2, 5, 8], 256), ("sr_ratios", [8, 4, 2, 1], 64),
        ("patch_sizes", [7, 3, 3, 3], 64), ("strides", [4, 2, 2, 2], 64), ("mlp_ratios", [4, 4, 4, 4], 16))}
    sizes["decoder_hidden_size"] = integer(config, "decoder_hidden_size", where, 256, 1, LARGEST_WIDTH)
    sizes["hidden_act"] = one_of(config, "hidden_act", where, "gelu", ("gelu", "relu", "silu"))
    integer(config, "num_channels", where, 3, 3, 3)
    if config.get("reshape_last_stage") is False:
        raise UsageError(f"{where}: reshape_last_stage false is not supported.")
    paper = ("Xie, Wang, Yu, Anandkumar, Alvarez, Luo: SegFormer: Simple and Efficient Design for Semantic "
             "Segmentation with Transformers, 2021, arXiv:2105.15203")
    return "segformer", sizes, (512, 512), IMAGENET, SEGFORMER, paper


def _mobilenet_v2(config: Mapping[str, Any], folder: Path) -> tuple:
    where = folder / "config.json"
    side = config.get("image_size", 513)
    side = side if isinstance(side, int) else 513
    sizes = {
        "depth_multiplier": number(config, "depth_multiplier", where, 1.0, 0.01, 16.0),
        "depth_divisible_by": integer(config, "depth_divisible_by", where, 8, 1, 64),
        "min_depth": integer(config, "min_depth", where, 8, 1, 1024),
        "expand_ratio": number(config, "expand_ratio", where, 6.0, 0.1, 64.0),
        "output_stride": one_of(config, "output_stride", where, 32, (2, 4, 8, 16, 32)),
        "first_layer_is_expansion": one_of(config, "first_layer_is_expansion", where, True, (True, False)),
        "tf_padding": one_of(config, "tf_padding", where, True, (True, False)),
        "hidden_act": one_of(config, "hidden_act", where, "relu6", ("relu6", "relu", "silu")),
        "layer_norm_eps": number(config, "layer_norm_eps", where, 1e-3, 0.0, 1.0),
    }
    integer(config, "num_channels", where, 3, 3, 3)
    paper = ("Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018, "
             "arXiv:1801.04381")
    return "deeplabv3_mobilenet_v2", sizes, (side, side), HALF, "Apache-2.0", paper


def check_task(config: Mapping[str, Any], folder: Path, task: str | None, able: str, head: str) -> None:
    """Raise `UsageError` unless the repository has that head and that is what it shall do."""
    heads = config.get("architectures")
    if not isinstance(heads, list) or head not in heads:
        raise UsageError(f"{folder / 'config.json'} has no head that is supported: its architectures are {heads}, "
                         f"needed is {head}.")
    if task not in (None, able):
        raise UsageError(f"{folder} does {able}, not {task}.")


def labels_of(config: Mapping[str, Any], folder: Path) -> tuple[Label, ...]:
    """The classes of a config's `id2label`, in order.

    Raises:
        UsageError: they are not counted from 0 up, or too many.
    """
    names = config.get("id2label")
    if not isinstance(names, dict) or not 0 < len(names) <= MOST_CLASSES:
        raise UsageError(f"{folder / 'config.json'}: id2label must name 1 to {MOST_CLASSES:,} classes.")
    try:
        found = {int(index): str(name) for index, name in names.items()}
    except ValueError:
        found = {}
    if sorted(found) != list(range(len(names))):
        raise UsageError(f"{folder / 'config.json'}: id2label does not count its classes from 0 up.")
    return tuple(Label(index, str(index), found[index]) for index in range(len(found)))


def preprocessing(folder: Path, size: tuple[int, int], scale: Mapping[str, tuple[float, ...]]) -> ImagePreprocessing:
    """The rules of `preprocessor_config.json`, or (where there is none) those of the family.

    A centre crop would leave the sides of the photo without an answer: where the processor crops to a square, the
    photo is fitted into it instead, as Google's own DeepLab demonstration does.
    """
    path = folder / PROCESSOR
    told = read_json(path) if path.is_file() else {}
    wanted = told.get("crop_size") if told.get("do_center_crop") else told.get("size")
    if isinstance(wanted, dict):
        shortest = wanted.get("shortest_edge", 0)
        wanted = [wanted.get("height", shortest), wanted.get("width", shortest)]
    elif isinstance(wanted, int):
        wanted = [wanted, wanted]
    height, width = wanted if isinstance(wanted, list) and len(wanted) == 2 else size
    for side in (height, width):
        if not isinstance(side, int) or isinstance(side, bool) or not 16 <= side <= LARGEST_SIDE:
            raise UsageError(f"{path}: the size must be of whole numbers from 16 to {LARGEST_SIDE}, not {wanted!r}.")
    rules: dict[str, Any] = {"size": (height, width), "resize": "pad" if told.get("do_center_crop") else "squash",
                             "interpolation": RESAMPLING.get(told.get("resample", 2), "bilinear")}
    if told.get("do_normalize", True):
        mean, std = (_three(told.get(f"image_{key}", scale[key]), path, key) for key in ("mean", "std"))
    else:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if (mean, std) == (IMAGENET["mean"], IMAGENET["std"]):
        return ImagePreprocessing(**rules, scaling="torch")
    if (mean, std) == (HALF["mean"], HALF["std"]):
        return ImagePreprocessing(**rules, scaling="tf")
    return ImagePreprocessing(**rules, scaling="standard", mean=mean, std=std)


def _three(values: Any, path: Path, key: str) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or len(values) != 3 or not all(isinstance(v, int | float) for v in values):
        raise UsageError(f"{path}: image_{key} must be three numbers, not {values!r}.")
    if key == "std" and not all(v > 0 for v in values):
        raise UsageError(f"{path}: image_std must be above 0, not {values!r}.")
    return tuple(float(v) for v in values)


def make_entry(name: str, task: str, architecture: str, config: Mapping[str, Any], rules: ImagePreprocessing,
               licence: str, paper: str, processing: Mapping[str, Any] | None = None) -> Entry:
    """The entry of a repository; what only the catalogue knows of it stays empty."""
    weights: dict[str, WeightFile] = {}
    metrics: tuple[Metric, ...] = ()
    return Entry(name=name, task=task, family=name, title=name, architecture=architecture, config=config,
                 weights=weights, preprocessing=rules, labels="", licence=licence, parameters=0, gflops=None,
                 min_size=16, metrics=metrics, paper=paper, processing=processing or {})
