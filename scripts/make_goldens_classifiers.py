"""Write tiny random image classifiers in the layouts of timm and of Hugging Face, with the
reference's outputs, to tests/golden/classifiers/.

    pip install torch timm transformers
    python scripts/make_goldens_classifiers.py [NAME ...]

The test suite needs neither torch nor timm nor transformers; this script does. Running it again
gives the same files.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import timm.models.efficientnet
import timm.models.mobilenetv3
import torch
import transformers
from safetensors.torch import save_file
from timm.models._hub import save_config_for_hf

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "classifiers"
MAKERS: dict[str, Callable[[], tuple[Any, tuple[int, int], dict[str, Any]]]] = {}


def maker(function: Callable[[], Any]) -> Callable[[], Any]:
    MAKERS[function.__name__] = function
    return function


def shake(model: torch.nn.Module, gain: float) -> None:
    """Random numbers everywhere: fresh models have zeros and ones where errors of loading would
    hide.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in sorted(model.state_dict().items()):
            if not tensor.dtype.is_floating_point:
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(1 + 0.2 * noise.abs())
            elif tensor.ndim == 1 or name.endswith(("gamma", "token", "pos_embed", "embeddings")):
                is_scale = name.endswith("weight") or "gamma" in name or "lambda" in name
                tensor.copy_(0.1 * noise + (1.0 if is_scale and tensor.ndim == 1 else 0.0))
            else:
                tensor.copy_(noise * (gain / tensor[0].numel()) ** 0.5)
        model.half().float()


def write(name: str) -> None:
    """One repository, and `expected.npz` with images, logits and features of the reference."""
    torch.manual_seed(0)
    model, size, processor = MAKERS[name]()
    model.eval()
    gains = {"EfficientNet": 3.4, "MobileNetV3": 2.7}  # gates take some of the signal
    shake(model, gains.get(type(model).__name__, 1.5))
    folder = GOLDEN / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(1)
    images = (torch.rand((2, 3, *size), generator=generator) * 2 - 1).half().float()
    images[1] = images[1].sort(dim=1).values  # another picture, and not only other noise
    with torch.no_grad():
        if isinstance(model, transformers.PreTrainedModel):
            outputs = transformers_outputs(model, images)
            model.half().save_pretrained(folder)
            (folder / "preprocessor_config.json").write_text(json.dumps(processor) + "\n")
        else:
            outputs = timm_outputs(model, images)
            state = {
                key: value.half() if value.ndim else value
                for key, value in model.state_dict().items()
            }
            save_file(
                {key: value.contiguous() for key, value in state.items()},
                folder / "model.safetensors",
            )
            save_config_for_hf(model, folder / "config.json", model_config=dict(processor))
    images = images.numpy().transpose(0, 2, 3, 1).astype(np.float16)
    np.savez_compressed(folder / "expected.npz", images=images, **outputs)
    size_on_disk = sum(file.stat().st_size for file in folder.iterdir())
    print(
        name,
        size_on_disk,
        {key: (value.shape, np.abs(value).max()) for key, value in outputs.items()},
    )


def timm_outputs(model: Any, images: torch.Tensor) -> dict[str, np.ndarray]:
    maps = model.forward_features(images)
    is_mobile = type(model).__name__ == "MobileNetV3"  # its head has a layer between
    features = maps.mean((2, 3)) if is_mobile else model.forward_head(maps, pre_logits=True)
    outputs = {"features": features.numpy()}
    return outputs | ({"logits": model(images).numpy()} if model.num_classes else {})


def transformers_outputs(model: Any, images: torch.Tensor) -> dict[str, np.ndarray]:
    if not hasattr(model, "num_labels") or type(model).__name__.endswith("Model"):
        states = model(pixel_values=images).last_hidden_state
        return {"features": (states[:, 0] if states.ndim == 3 else states.mean((2, 3))).numpy()}
    return {"logits": model(pixel_values=images).logits.numpy()}


def labels(count: int) -> dict[str, Any]:
    names = {index: f"thing {index}" for index in range(count)}
    return {"id2label": names, "label2id": {name: index for index, name in names.items()}}


def processor(side: int, **more: Any) -> dict[str, Any]:
    return {
        "do_resize": True,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "resample": 2,
        "size": {"height": side, "width": side},
        **more,
    }


# Vision Transformers

SMALL = {
    "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 5, "img_size": 24, "patch_size": 8,
}  # fmt: skip


@maker
def timm_vit() -> Any:
    model = timm.create_model("vit_tiny_patch16_224", **SMALL)
    names = [f"n{index}" for index in range(5)]
    described = {name: f"thing {name}" for name in names}
    return model, (24, 24), {"label_names": names, "label_descriptions": described}


@maker
def timm_deit3() -> Any:
    return timm.create_model("deit3_small_patch16_224", **SMALL), (24, 24), {}


@maker
def timm_deit_distilled() -> Any:
    name = "deit_tiny_distilled_patch16_224"
    return timm.create_model(name, **SMALL), (24, 24), {}


@maker
def timm_clip() -> Any:
    name = "vit_base_patch32_clip_quickgelu_224"
    return timm.create_model(name, **SMALL), (24, 24), {}


@maker
def timm_gap() -> Any:
    sizes = {**SMALL, "qkv_bias": False}
    return timm.create_model("vit_medium_patch16_reg4_gap_256", **sizes), (24, 24), {}


@maker
def timm_dinov2() -> Any:
    sizes = {**SMALL, "num_classes": 0}
    return timm.create_model("vit_small_patch14_dinov2", **sizes), (24, 24), {}


@maker
def timm_dinov2_giant() -> Any:
    sizes = {**SMALL, "num_classes": 3, "mlp_ratio": 4}
    return timm.create_model("vit_giant_patch14_reg4_dinov2", **sizes), (24, 24), {}


HF_SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 24}


@maker
def vit() -> Any:
    sizes = {**HF_SMALL, "intermediate_size": 24, "patch_size": 8}
    config = transformers.ViTConfig(**sizes, **labels(5))
    return transformers.ViTForImageClassification(config), (24, 24), processor(24)


@maker
def vit_model() -> Any:
    sizes = {**HF_SMALL, "intermediate_size": 24, "patch_size": 8, "hidden_act": "gelu_new"}
    return transformers.ViTModel(transformers.ViTConfig(**sizes)), (24, 24), processor(24)


@maker
def deit() -> Any:
    sizes = {**HF_SMALL, "intermediate_size": 24, "patch_size": 8}
    config = transformers.DeiTConfig(**sizes, **labels(5))
    rules = processor(28, do_center_crop=True, crop_size={"height": 24, "width": 24}, resample=3)
    return transformers.DeiTForImageClassification(config), (24, 24), rules


@maker
def deit_teacher() -> Any:
    sizes = {**HF_SMALL, "intermediate_size": 24, "patch_size": 8}
    config = transformers.DeiTConfig(**sizes, **labels(5))
    model = transformers.DeiTForImageClassificationWithTeacher(config)
    return model, (24, 24), processor(24)


@maker
def dinov2() -> Any:
    """The positions are of 5 x 5 patches, the pictures of 3 x 3."""
    config = transformers.Dinov2Config(**{**HF_SMALL, "image_size": 40}, patch_size=8, **labels(5))
    crop = {"do_center_crop": True, "crop_size": {"height": 24, "width": 24}}
    rules = processor(28, size={"shortest_edge": 28}, **crop)
    return transformers.Dinov2ForImageClassification(config), (24, 24), rules


@maker
def dinov2_registers() -> Any:
    """The positions are of 5 x 5 patches, the pictures of 3 x 3."""
    sizes = {**HF_SMALL, "image_size": 40, "use_swiglu_ffn": True, "num_register_tokens": 2}
    config = transformers.Dinov2WithRegistersConfig(**sizes, patch_size=8)
    return transformers.Dinov2WithRegistersModel(config), (24, 24), processor(24)


# ResNet: the pictures have odd sides, where padding shows


@maker
def timm_resnet18() -> Any:
    model = timm.create_model("resnet18", channels=(4, 4, 6, 8), num_classes=5)
    return model, (37, 37), {}


@maker
def timm_resnet50d() -> Any:
    sizes = {"layers": (1, 2, 1, 1), "channels": (2, 3, 2, 4), "stem_width": 4, "num_classes": 5}
    return timm.create_model("resnet50d", **sizes), (37, 37), {}


@maker
def timm_wide_resnet50() -> Any:
    sizes = {"layers": (1, 2, 1, 1), "channels": (2, 3, 2, 4), "num_classes": 0}
    return timm.create_model("wide_resnet50_2", **sizes), (37, 37), {}


RESNET = {"embedding_size": 8, "depths": [1, 2], "image_size": 37}


@maker
def resnet() -> Any:
    config = transformers.ResNetConfig(**RESNET, hidden_sizes=[16, 24], **labels(5))
    rules = processor(37, size={"shortest_edge": 37}, crop_pct=0.875, resample=3)
    return transformers.ResNetForImageClassification(config), (37, 37), rules


@maker
def resnet_first() -> Any:
    """Strides in the first convolutions, and in the first stage."""
    flags = {"downsample_in_bottleneck": True, "downsample_in_first_stage": True}
    config = transformers.ResNetConfig(**RESNET, hidden_sizes=[16, 24], **flags, **labels(3))
    return transformers.ResNetForImageClassification(config), (37, 37), processor(37)


@maker
def resnet_model() -> Any:
    config = transformers.ResNetConfig(**RESNET, hidden_sizes=[8, 12], layer_type="basic")
    return transformers.ResNetModel(config), (37, 37), processor(37)


# ConvNeXt

CONVNEXT = {"depths": (1, 2, 1, 1), "dims": (8, 12, 16, 20), "num_classes": 5}


@maker
def timm_convnext() -> Any:
    return timm.create_model("convnext_tiny", **CONVNEXT), (40, 40), {}


@maker
def timm_convnext_atto() -> Any:
    """Its linear layers are 1x1 convolutions."""
    sizes = {**CONVNEXT, "num_classes": 0}
    return timm.create_model("convnext_atto", **sizes), (40, 40), {}


@maker
def timm_convnextv2() -> Any:
    return timm.create_model("convnextv2_tiny", **CONVNEXT), (40, 40), {}


SIZES = {"hidden_sizes": [8, 12], "depths": [1, 2], "num_stages": 2}


@maker
def convnext() -> Any:
    config = transformers.ConvNextConfig(**SIZES, **labels(5))
    rules = processor(40, size={"shortest_edge": 40}, crop_pct=0.875, resample=3)
    return transformers.ConvNextForImageClassification(config), (40, 40), rules


@maker
def convnextv2() -> Any:
    config = transformers.ConvNextV2Config(**SIZES, **labels(3))
    return transformers.ConvNextV2ForImageClassification(config), (40, 40), processor(384)


# EfficientNet and MobileNetV3, with both kinds of padding


def efficient(name: str) -> Any:
    sizes = {"channel_multiplier": 0.1, "depth_multiplier": 0.4, "num_classes": 5}
    generate = timm.models.efficientnet._gen_efficientnet
    if "mobilenet" in name:
        generate = timm.models.mobilenetv3._gen_mobilenet_v3
    if name.startswith("tf_"):
        sizes |= {"bn_eps": 1e-3, "pad_type": "same"}
    model = generate(name, **sizes)
    if "mobilenet" in name:  # its last layers are 1280 wide
        model.conv_head = torch.nn.Conv2d(model.conv_head.in_channels, 16, 1)
        model.classifier = torch.nn.Linear(16, 5)
    model.pretrained_cfg = timm.models.get_pretrained_cfg(name).to_dict()
    return model, (37, 37), {}


@maker
def timm_efficientnet() -> Any:
    return efficient("efficientnet_b0")


@maker
def timm_mobilenetv3_large() -> Any:
    return efficient("mobilenetv3_large_100")


@maker
def timm_tf_mobilenetv3_small() -> Any:
    return efficient("tf_mobilenetv3_small_100")


def main() -> None:
    for name in sys.argv[1:] or MAKERS:
        write(name)


if __name__ == "__main__":
    main()
