"""Write src/warmstart/catalog/entries/*.toml for the families of keras.applications.

    python scripts/make_catalog.py [--check] [FAMILY ...]

Nothing that Keras knows is typed here. Each network is built as Keras builds it for
`weights="imagenet"`, with the download replaced by a recorder, so addresses and hashes are those
Keras itself would use; the scaling is told by running the family's `preprocess_input`; the smallest
size is what Keras checks. Parameters are counted. GFLOPs are multiply-adds / 1e9 of convolutions
and dense layers at the variant's size, one multiply-add counting once, as papers print it; pooling,
normalisation and activations are not counted. Facts that Keras does not hold (papers, licences,
resize rules, published accuracy with its source) come from scripts/catalog_facts.toml.

`--check` writes nothing and exits with 1 where a file differs. It takes about five minutes.
"""

import argparse
import inspect
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
ENTRIES = ROOT / "src" / "warmstart" / "catalog" / "entries"
FACTS = tomllib.loads((ROOT / "scripts" / "catalog_facts.toml").read_text(encoding="utf-8"))
DATASET = "ImageNet-1k validation"
HEADER = "# Written by scripts/make_catalog.py from keras.applications {version}; do not edit.\n"


@dataclass(frozen=True)
class Variant:
    """One network: its name, the Keras function and arguments that build it, None for Keras'
    default size.
    """

    name: str
    function: str
    title: str
    arguments: dict[str, Any] = field(default_factory=dict)
    size: int | None = None
    aliases: tuple[str, ...] = ()


def variants() -> dict[str, list[Variant]]:
    """All variants, by family."""
    plain = {
        "vgg": ("VGG16", "VGG19"),
        "resnet": ("ResNet50", "ResNet101", "ResNet152"),
        "inception_v3": ("InceptionV3",),
        "inception_resnet_v2": ("InceptionResNetV2",),
        "xception": ("Xception",),
        "densenet": ("DenseNet121", "DenseNet169", "DenseNet201"),
        "nasnet": ("NASNetMobile", "NASNetLarge"),
        "resnet_v2": ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
        "efficientnet": tuple(f"EfficientNetB{n}" for n in range(8)),
        "efficientnet_v2": tuple(
            f"EfficientNetV2{n}" for n in ("B0", "B1", "B2", "B3", "S", "M", "L")
        ),
        "convnext": tuple(f"ConvNeXt{n}" for n in ("Tiny", "Small", "Base", "Large", "XLarge")),
    }
    found = {
        family: [_plain_variant(family, function) for function in names]
        for family, names in plain.items()
    }
    found["mobilenet"] = [
        Variant(f"mobilenet_{alpha}_{size}", "MobileNet", f"MobileNet {alpha} {size}", {"alpha": alpha}, size,
                ("mobilenet", "mobilenet_v1") if (alpha, size) == (1.0, 224) else ())
        for alpha in (0.25, 0.5, 0.75, 1.0) for size in (128, 160, 192, 224)
    ]  # fmt: skip
    found["mobilenet_v2"] = [
        Variant(f"mobilenet_v2_{alpha}_{size}", "MobileNetV2", f"MobileNetV2 {alpha} {size}", {"alpha": alpha}, size)
        for alpha in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4) for size in (96, 128, 160, 192, 224)
        if alpha <= 1 or size == 224  # TF-Slim published 1.3 and 1.4 at 224 only
    ]  # fmt: skip
    found["mobilenet_v2"] = [
        replace(variant, name="mobilenet_v2", aliases=("mobilenetv2", variant.name))
        if variant.name == "mobilenet_v2_1.0_224" else variant for variant in found["mobilenet_v2"]
    ]  # fmt: skip
    found["mobilenet_v3"] = [
        Variant(f"mobilenet_v3_{kind}{suffix}", f"MobileNetV3{kind.title()}",
                f"MobileNetV3 {kind}{suffix.replace('_', ' ')}", arguments, 224,
                () if suffix else (f"mobilenetv3{kind}",))
        for kind in ("small", "large")
        for suffix, arguments in (("", {}), ("_0.75", {"alpha": 0.75}), ("_minimalistic", {"minimalistic": True}))
    ]  # fmt: skip
    return found


def _plain_variant(family: str, function: str) -> Variant:
    """Keras' function name in snake case: ResNet50V2 -> resnet50_v2, NASNetMobile -> nasnet_mobile."""
    stem = {"resnet_v2": "resnet"}.get(family, family)
    lower = function.lower()
    if lower.startswith("resnet") and lower.endswith("v2"):
        name = lower.removesuffix("v2") + "_v2"
    else:
        rest = lower.removeprefix(stem.replace("_", ""))
        name = stem + (rest if rest[:1].isdigit() else rest and "_" + rest)
    return Variant(name, function, function, aliases=(lower,) if lower != name else ())


@dataclass
class Recorded:
    """What Keras would have done: files as (address, hash or None) and its smallest size."""

    files: list[tuple[str, str | None]] = field(default_factory=list)
    min_size: int = 0


def build(variant: Variant, *, include_top: bool) -> tuple[Any, Recorded]:
    """Build as for `weights="imagenet"`, without any download."""
    import keras
    from keras.src.applications import imagenet_utils
    from keras.src.utils import file_utils

    recorded = Recorded()
    obtain = imagenet_utils.obtain_input_shape

    def get_file(fname: str, origin: str, cache_subdir: str, file_hash: str | None = None) -> str:
        recorded.files.append((origin, file_hash))
        return fname

    def obtain_input_shape(*arguments: Any, **keywords: Any) -> Any:
        recorded.min_size = keywords["min_size"]
        return obtain(*arguments, **keywords)

    keras.utils.clear_session()
    shape = (variant.size, variant.size, 3) if variant.size else None
    with (
        patch.object(file_utils, "get_file", get_file),
        patch.object(imagenet_utils, "obtain_input_shape", obtain_input_shape),
        patch.object(keras.Model, "load_weights", lambda self, path: None),
    ):
        model = getattr(keras.applications, variant.function)(
            weights="imagenet", include_top=include_top, input_shape=shape, **variant.arguments
        )
    if not recorded.min_size:  # MobileNetV3 checks by itself
        recorded.min_size = _smallest(variant)
    return model, recorded


def _smallest(variant: Variant) -> int:
    import keras

    function = getattr(keras.applications, variant.function)
    for size in range(8, 128):
        try:
            function(
                weights=None, include_top=False, input_shape=(size, size, 3), **variant.arguments
            )
        except ValueError:
            continue
        return size
    raise RuntimeError(f"{variant.function} accepts no size below 128")


def scaling(function: str) -> str:
    """The name of the family's `preprocess_input`, told by what it does to an array."""
    import keras
    import numpy as np
    from keras.src.applications import imagenet_utils

    module = inspect.getmodule(inspect.unwrap(getattr(keras.applications, function)))
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 2, 2, 3)).astype("float32")
    result = module.preprocess_input(pixels.copy())  # type: ignore[union-attr]
    if np.array_equal(result, pixels):
        return "raw"
    for mode in ("tf", "caffe", "torch"):
        if np.array_equal(result, imagenet_utils.preprocess_input(pixels.copy(), mode=mode)):
            return mode
    raise RuntimeError(f"{function}: unknown preprocess_input")


def layers_of(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers_of(layer)
        else:
            yield layer


def multiply_adds(model: Any) -> int:
    """Multiply-adds of convolutions and dense layers for one input, from kernel and output shapes."""
    total = 0
    for layer in layers_of(model):
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense"):
            positions = prod(layer.output.shape[1:-1])
            if kind == "SeparableConv2D":
                kernels = prod(layer.depthwise_kernel.shape) + prod(layer.pointwise_kernel.shape)
            # a kernel's size is its multiply-adds per output position; a grouped one holds its own
            # inputs only
            else:
                kernels = prod(layer.kernel.shape)
            total += positions * kernels
        elif "Conv" in kind or kind == "EinsumDense":
            raise RuntimeError(f"multiply-adds of {kind} are not known")
    return total


def preprocessing(family: str, variant: Variant, size: int) -> dict[str, Any]:
    facts = FACTS[family]
    rules: dict[str, Any] = {"size": [size, size], "scaling": scaling(variant.function)}
    resize = facts.get("resize", "crop")
    if family == "efficientnet_v2":
        resize = "squash" if variant.function[-1] in "SML" else "crop_plus_32"
    if resize == "crop_plus_32":
        rules |= {"crop_ratio": round(size / (size + 32), 4)}
    elif resize != "crop":
        rules |= {"resize": resize}
    interpolation = facts.get("interpolation", "bilinear")
    if family == "efficientnet_v2" and resize == "crop_plus_32":
        interpolation = "bicubic"
    return rules if interpolation == "bilinear" else rules | {"interpolation": interpolation}


def table(family: str, variant: Variant) -> dict[str, Any]:
    """One `[[variant]]` table, with every key; keys that the whole family shares are lifted out
    later.
    """
    facts = FACTS[family]
    model, recorded = build(variant, include_top=True)
    size = model.input.shape[1]
    files = {"top": recorded.files[0]}
    values: dict[str, Any] = {
        "name": variant.name,
        "title": variant.title,
        "aliases": list(variant.aliases),
        "parameters": model.count_params(),
        "gflops": float(f"{multiply_adds(model) / 1e9:.4g}"),
        "min_size": recorded.min_size,
        "config": {"function": variant.function, **variant.arguments, "input_size": [size, size]},
        "preprocessing": preprocessing(family, variant, size),
    }
    del model
    files["notop"] = build(variant, include_top=False)[1].files[0]
    values["weights_base"] = files["top"][0].rpartition("/")[0] + "/"
    values["weights"] = {
        key: {"source": address.removeprefix(values["weights_base"]), **_digest(digest)}
        for key, (address, digest) in files.items()
    }
    figures = facts["metrics"].get(variant.name, [])
    source = facts["metrics_source"]
    if figures and isinstance(figures[-1], str):
        *figures, source = figures
    values |= {
        key: round(figure / 100, 5) for key, figure in zip(("top1", "top5"), figures, strict=False)
    }
    if figures:
        values["metrics_source"] = FACTS["sources"][source]
        values["metrics_dataset"] = facts.get("metrics_dataset", DATASET)
    print(
        f"{variant.name}: {values['parameters']:,} parameters, {values['gflops']} GFLOPs",
        file=sys.stderr,
    )
    return values


def _digest(value: str | None) -> dict[str, str]:
    if value is None:
        return {}
    return {{32: "md5", 64: "sha256"}[len(value)]: value}


def family_file(family: str, members: list[Variant]) -> str:
    """The TOML text of one family."""
    import keras

    tables = [table(family, variant) for variant in members]
    facts = FACTS[family]
    defaults: dict[str, Any] = {
        "task": "image-classification",
        "family": family,
        "architecture": "keras_applications",
        "labels": "imagenet-1k",
        "licence": facts["licence"],
        "paper": facts["paper"],
    }
    for key in ("min_size", "weights_base", "metrics_dataset", "metrics_source"):
        values = [values[key] for values in tables if key in values]
        if not values:
            continue
        defaults[key] = max(
            values, key=values.count
        )  # the most common one; the others say so themselves
        for variant in tables:
            if variant.get(key) == defaults[key]:
                del variant[key]
    for key in ("config", "preprocessing"):
        shared = {
            k: v
            for k, v in tables[0][key].items()
            if all(other[key].get(k) == v for other in tables)
        }
        if shared:
            defaults[key] = shared
        for variant in tables:
            variant[key] = {k: v for k, v in variant[key].items() if k not in shared}
    lines = [
        HEADER.format(version=keras.__version__) + f"# {facts['note']}",
        "",
        "[defaults]",
        *_lines(defaults),
    ]
    for variant in tables:
        lines += ["", "[[variant]]", *_lines(variant)]
    return "\n".join(lines) + "\n"


def _lines(values: dict[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if key == "weights":
            yield from (f"weights.{name} = {_toml(file)}" for name, file in value.items())
        elif value not in ([], {}):
            yield f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, int):
        return f"{value:_}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return repr(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where a file differs"
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="only these (default: all)")
    options = parser.parse_args()
    found = variants()
    differing = []
    for family in options.families or sorted(found):
        path = ENTRIES / f"{family}.toml"
        text = family_file(family, found[family])
        if options.check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                differing.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    if differing:
        print(f"differs from keras.applications: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
