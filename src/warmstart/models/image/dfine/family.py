"""D-FINE with an HGNetV2 backbone."""

from __future__ import annotations

from typing import Any

from warmstart.checkpoints.layout import Layout
from warmstart.errors import UsageError
from warmstart.models.checks import Described, Repository, Values
from warmstart.models.image.repository import (
    NONE,
    labels_of,
    make_entry,
    preprocessing,
    require_head,
)

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


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    path = repo.path
    require_head(repo, "DFineForObjectDetection", "object-detection")
    labels = labels_of(repo)
    rules = preprocessing(repo.folder, (640, 640), NONE)
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
        repo.one_of(key, allowed)
    backbone = _backbone(repo)
    levels = repo.integer("num_feature_levels", 3, 1, 8)
    if levels != len(backbone["out_indices"]):
        raise UsageError(
            f"{path}: num_feature_levels ({levels}) beyond the backbone's maps is not supported."
        )
    layers = repo.integer("decoder_layers", 6, 1, MOST)
    last = repo.integer("eval_idx", -1, -layers, layers - 1) % layers
    points = repo.get("decoder_n_points", 4)
    points = [points] * levels if isinstance(points, int) else points
    sizes: dict[str, Any] = {
        "backbone_config": backbone,
        "decoder_layers": last + 1,
        "eval_size": None,
        "classes": len(labels),
        "input_size": list(rules.size),
        "decoder_n_points": Values({"decoder_n_points": points}, path).integers(
            "decoder_n_points", [], 1, MOST, levels
        ),
        "encode_proj_layers": _indices(repo, "encode_proj_layers", [2], levels),
        "decoder_in_channels": repo.integers(
            "decoder_in_channels", [256] * levels, 1, WIDEST, levels
        ),
    }
    for key, default, most in WIDTHS:
        sizes[key] = repo.integer(key, default, 1, most)
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
        sizes[key] = repo.number(key, default_number, 0.0, 1e6)
    for key, act in (
        ("encoder_activation_function", "gelu"),
        ("activation_function", "silu"),
        ("decoder_activation_function", "relu"),
    ):
        sizes[key] = repo.one_of(key, ACTIVATIONS, act)
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


def _backbone(repo: Repository) -> dict[str, Any]:
    backbone = repo.get("backbone_config")
    if not isinstance(backbone, dict) or backbone.get("model_type") != "hgnet_v2":
        raise UsageError(f"{repo.path}: backbone_config must be of the model_type hgnet_v2.")
    own = Values(backbone, repo.path)
    count = len(backbone.get("stage_in_channels", STAGES["stage_in_channels"]))
    sizes: dict[str, Any] = {
        key: own.integers(key, default, 1, WIDEST, count) for key, default in STAGES.items()
    }
    for key, default in SWITCHES.items():
        values = own.get(key, default)
        if (
            not isinstance(values, list)
            or len(values) != count
            or not all(isinstance(v, bool) for v in values)
        ):
            raise UsageError(f"{own.path}: {key} must be {count} booleans, not {values!r}.")
        sizes[key] = values
    sizes["stem_channels"] = own.integers("stem_channels", [3, 32, 48], 1, WIDEST, 3)
    sizes["stem_strides"] = own.integers("stem_strides", [2, 1, 1, 2, 1], 1, 4, 5)
    sizes["use_learnable_affine_block"] = own.one_of(
        "use_learnable_affine_block", (True, False), False
    )
    sizes["hidden_act"] = own.one_of("hidden_act", ACTIVATIONS, "relu")
    names = own.get("out_features")
    if isinstance(names, list) and "out_indices" not in backbone:
        stages = ["stem", *(f"stage{i + 1}" for i in range(count))]
        indices = [stages.index(name) for name in names if name in stages]
        own = Values({"out_indices": indices}, own.path)
    sizes["out_indices"] = _indices(own, "out_indices", [2, 3, 4], count + 1)
    return sizes


def _indices(values: Values, key: str, default: list[int], count: int) -> list[int]:
    indices = values.get(key, default)
    if not isinstance(indices, list) or not indices:
        raise UsageError(f"{values.path}: {key} must be a list of indices, not {indices!r}.")
    return values.integers(key, default, 0, count - 1, len(indices))
