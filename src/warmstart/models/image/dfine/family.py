"""D-FINE with an HGNetV2 backbone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.layout import Layout
from warmstart.errors import UsageError
from warmstart.models.checks import integer, integers, number, one_of
from warmstart.models.image.repository import NONE, check_task, labels_of, make_entry, preprocessing
from warmstart.models.repository import CONFIG

WIDEST, MOST = 4096, 64
PAPER = (
    "Peng, Li, Wu, Zhang, Sun, Wu: D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution "
    "Refinement, 2024, arXiv:2410.13842"
)
STAGES = {
    "stage_in_channels": [48, 128, 512, 1024],
    "stage_mid_channels": [48, 96, 192, 384],
    "stage_out_channels": [128, 512, 1024, 2048],
    "stage_num_blocks": [1, 1, 3, 1],
    "stage_downsample_strides": [2, 2, 2, 2],
    "stage_kernel_size": [3, 3, 5, 5],
    "stage_numb_of_layers": [6, 6, 6, 6],
}
SWITCHES = {
    "stage_downsample": [False, True, True, True],
    "stage_light_block": [False, False, True, True],
}
WIDTHS = (
    ("encoder_hidden_dim", 256, WIDEST), ("encoder_layers", 1, MOST), ("encoder_ffn_dim", 1024, WIDEST),
    ("encoder_attention_heads", 8, 256), ("d_model", 256, WIDEST), ("num_queries", 300, 10_000),
    ("decoder_ffn_dim", 1024, WIDEST), ("decoder_attention_heads", 8, 256), ("max_num_bins", 32, 1024),
    ("top_prob_values", 4, 64), ("lqe_hidden_dim", 64, WIDEST), ("lqe_layers", 2, 16),
)  # fmt: skip
"""Key, default, largest."""
ACTIVATIONS = ("relu", "silu", "gelu")


LAYOUT = Layout(
    aliases=((r"^(class_embed|bbox_embed)\.", r"model.decoder.\1."),),
    optional=("model.denoising_class_embed.*", "*.num_points_scale"),  # of training; constants
)


def read(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path = folder / CONFIG
    check_task(config, folder, task, "object-detection", "DFineForObjectDetection")
    labels = labels_of(config, folder)
    rules = preprocessing(folder, (640, 640), NONE)
    if rules.size[0] % 32 or rules.size[1] % 32:
        raise UsageError(f"{path}: the size must be of multiples of 32, not {rules.size}.")
    for key, allowed in (
        ("decoder_method", ("default",)),
        ("normalize_before", (False,)),
        ("eval_size", (None,)),
        ("learn_initial_query", (False,)),
        ("anchor_image_size", (None,)),
        ("layer_scale", (1, 1.0)),
    ):
        one_of(config, key, path, allowed[0], allowed)
    backbone = _backbone(config, path)
    levels = integer(config, "num_feature_levels", path, 3, 1, 8)
    if levels != len(backbone["out_indices"]):
        raise UsageError(
            f"{path}: num_feature_levels ({levels}) beyond the backbone's maps is not supported."
        )
    layers = integer(config, "decoder_layers", path, 6, 1, MOST)
    last = integer(config, "eval_idx", path, -1, -layers, layers - 1) % layers
    points = config.get("decoder_n_points", 4)
    points = [points] * levels if isinstance(points, int) else points
    sizes: dict[str, Any] = {
        "backbone_config": backbone,
        "decoder_layers": last + 1,
        "eval_size": None,
        "classes": len(labels),
        "input_size": list(rules.size),
        "decoder_n_points": integers(
            {"decoder_n_points": points}, "decoder_n_points", path, [], 1, MOST, levels
        ),
        "encode_proj_layers": _indices(config, "encode_proj_layers", path, [2], levels),
        "decoder_in_channels": integers(
            config, "decoder_in_channels", path, [256] * levels, 1, WIDEST, levels
        ),
    }
    for key, default, most in WIDTHS:
        sizes[key] = integer(config, key, path, default, 1, most)
    for key, default_number in (
        ("layer_norm_eps", 1e-5),
        ("batch_norm_eps", 1e-5),
        ("hidden_expansion", 1.0),
        ("depth_mult", 1.0),
        ("decoder_offset_scale", 0.5),
        ("up", 0.5),
        ("reg_scale", 4.0),
        ("positional_encoding_temperature", 10000.0),
    ):
        sizes[key] = number(config, key, path, default_number, 0.0, 1e6)
    for key, act in (
        ("encoder_activation_function", "gelu"),
        ("activation_function", "silu"),
        ("decoder_activation_function", "relu"),
    ):
        sizes[key] = one_of(config, key, path, act, ACTIVATIONS)
    width = sizes["encoder_hidden_dim"]
    if (
        sizes["d_model"] % sizes["decoder_attention_heads"]
        or width % sizes["encoder_attention_heads"]
        or width % 4
    ):
        raise UsageError(f"{path}: the widths must be divisible by the numbers of attention heads.")
    return make_entry(
        "dfine", "object-detection", "dfine", sizes, rules, "Apache-2.0", PAPER
    ), labels


def _backbone(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    backbone = config.get("backbone_config")
    if not isinstance(backbone, dict) or backbone.get("model_type") != "hgnet_v2":
        raise UsageError(f"{path}: backbone_config must be of the model_type hgnet_v2.")
    count = len(backbone.get("stage_in_channels", STAGES["stage_in_channels"]))
    sizes: dict[str, Any] = {
        key: integers(backbone, key, path, default, 1, WIDEST, count)
        for key, default in STAGES.items()
    }
    for key, default in SWITCHES.items():
        values = backbone.get(key, default)
        if (
            not isinstance(values, list)
            or len(values) != count
            or not all(isinstance(v, bool) for v in values)
        ):
            raise UsageError(f"{path}: {key} must be {count} booleans, not {values!r}.")
        sizes[key] = values
    sizes["stem_channels"] = integers(backbone, "stem_channels", path, [3, 32, 48], 1, WIDEST, 3)
    sizes["stem_strides"] = integers(backbone, "stem_strides", path, [2, 1, 1, 2, 1], 1, 4, 5)
    sizes["use_learnable_affine_block"] = one_of(
        backbone, "use_learnable_affine_block", path, False, (True, False)
    )
    sizes["hidden_act"] = one_of(backbone, "hidden_act", path, "relu", ACTIVATIONS)
    names = backbone.get("out_features")
    if isinstance(names, list) and "out_indices" not in backbone:
        stages = ["stem", *(f"stage{i + 1}" for i in range(count))]
        backbone = {
            **backbone,
            "out_indices": [stages.index(name) for name in names if name in stages],
        }
    sizes["out_indices"] = _indices(backbone, "out_indices", path, [2, 3, 4], count + 1)
    return sizes


def _indices(
    config: Mapping[str, Any], key: str, path: Path, default: list[int], count: int
) -> list[int]:
    values = config.get(key, default)
    if not isinstance(values, list) or not values:
        raise UsageError(f"{path}: {key} must be a list of indices, not {values!r}.")
    return integers(config, key, path, default, 0, count - 1, len(values))
