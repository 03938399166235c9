"""Chronos-Bolt: a T5 config with a `chronos_config` inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warmstart.checkpoints.layout import PYTORCH, Layout
from warmstart.errors import BundleError, UsageError
from warmstart.models.checks import Described, Repository
from warmstart.models.configs import Config
from warmstart.models.repository import entry_of, slug

PAPER = "Ansari et al.: Chronos: Learning the Language of Time Series, 2024, arXiv:2403.07815"
LARGEST = {
    "d_model": 8192,
    "d_ff": 32768,
    "d_kv": 1024,
    "num_heads": 256,
    "num_layers": 128,
    "num_decoder_layers": 128,
}
RUNNER = "warmstart.series.patching:ChronosBolt"
LAYOUT = Layout(
    modules=(
        (r"^(\w+_patch_embedding)_(\w+_layer)$", r"\1.\2"),
        (r"^(encoder|decoder)_norm$", r"\1.final_layer_norm"),
        (r"^(encoder|decoder)_bias$", r"\1.block.0.layer.0.SelfAttention.relative_attention_bias"),
        (r"^(encoder|decoder)_(\d+)_(\d)_norm$", r"\1.block.\2.layer.\3.layer_norm"),
        (r"^(encoder|decoder)_(\d+)_self_(\w)$", r"\1.block.\2.layer.0.SelfAttention.\3"),
        (r"^decoder_(\d+)_cross$", r"decoder.block.\1.layer.1.EncDecAttention"),
        (r"^encoder_(\d+)_ff_(\w+)$", r"encoder.block.\1.layer.1.DenseReluDense.\2"),
        (r"^decoder_(\d+)_ff_(\w+)$", r"decoder.block.\1.layer.2.DenseReluDense.\2"),
    ),
    variables=PYTORCH
    | {"scale": "weight", "table": "weight"}
    | {letter: f"{letter}.weight" for letter in "qkvo"},
    transposed=("*/kernel", "*_cross/?"),
    optional=("lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"),
)
"""Optional arrays are copies of `shared.weight`, or not used."""


@dataclass(frozen=True)
class ChronosBoltConfig(Config):
    """Sizes of one network; names are those of its `config.json`."""

    d_model: int
    d_ff: int
    d_kv: int
    num_heads: int
    num_layers: int
    num_decoder_layers: int
    patch: int = 16
    most_patches: int = 128
    horizon: int = 64
    quantiles: int = 9
    reg_token: bool = True
    buckets: int = 32
    distance: int = 128
    epsilon: float = 1e-6
    activation: str = "relu"


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    config, path = repo.config, repo.path
    inner = config.get("chronos_config")
    if not isinstance(inner, Mapping):
        raise UsageError(
            f"{path} is a T5 without a chronos_config; the only T5 that is supported is Chronos-Bolt."
        )
    repo.check_task("forecasting")
    try:
        sizes = {key: int(config[key]) for key in LARGEST}
        patch, stride = int(inner["input_patch_size"]), int(inner["input_patch_stride"])
        context, horizon = int(inner["context_length"]), int(inner["prediction_length"])
        quantiles = [float(level) for level in inner["quantiles"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} lacks {error} or has a wrong value; fetch it again.") from error
    limits = {
        **LARGEST,
        "input_patch_size": 1024,
        "context_length": 2**17,
        "prediction_length": 4096,
        "quantiles": 999,
    }
    values = {
        **sizes,
        "input_patch_size": patch,
        "context_length": context,
        "prediction_length": horizon,
        "quantiles": len(quantiles),
    }
    for key, value in values.items():
        if not 1 <= value <= limits[key]:
            raise UsageError(f"{path}: {key} must be 1 to {limits[key]}, not {value}.")
    if patch != stride or context % patch:
        raise UsageError(
            f"{path}: patches of {patch} every {stride} steps in {context} are not supported."
        )
    if config.get("is_gated_act") or config.get("dense_act_fn") not in ("relu", "gelu", "silu"):
        raise UsageError(
            f"{path}: the activation {config.get('feed_forward_proj')!r} is not supported."
        )
    if int(config.get("decoder_start_token_id") or 0) != 0:
        raise UsageError(f"{path}: decoding must start with token 0.")
    if sorted(quantiles) != quantiles or not 0 < quantiles[0] <= quantiles[-1] < 1:
        raise UsageError(f"{path}: quantiles must rise between 0 and 1.")
    built = {
        **sizes,
        "patch": patch,
        "most_patches": context // patch,
        "horizon": horizon,
        "quantiles": len(quantiles),
        "reg_token": bool(inner.get("use_reg_token", False)),
        "buckets": int(config.get("relative_attention_num_buckets", 32)),
        "distance": int(config.get("relative_attention_max_distance", 128)),
        "epsilon": float(config.get("layer_norm_epsilon", 1e-6)),
        "activation": str(config["dense_act_fn"]),
    }
    entry = entry_of(
        repo,
        name=slug(repo.folder, "chronos_bolt").replace(".", "_"),
        task="forecasting",
        family="chronos_bolt",
        architecture="chronos_bolt",
        config=built,
        parameters=parameters(built),
        paper=PAPER,
        processing={"context": context, "horizon": horizon, "quantiles": quantiles, "patch": patch},
    )
    return entry, ()


def parameters(config: Mapping[str, Any]) -> int:
    """The number of parameters of a network."""
    c = config
    d, inner, heads = c["d_model"], c["d_ff"], c["num_heads"] * c["d_kv"]

    def residual(into: int, out: int) -> Any:
        return into * inner + inner + inner * out + out + into * out + out

    attention, feed = 4 * d * heads, 2 * d * inner
    encoder = c["num_layers"] * (attention + feed + 2 * d)
    decoder = c["num_decoder_layers"] * (2 * attention + feed + 3 * d)
    ends = residual(2 * c["patch"], d) + residual(d, c["quantiles"] * c["horizon"])
    biases = 2 * (d + c["buckets"] * c["num_heads"])
    return int(encoder + decoder + ends + biases + (2 if c["reg_token"] else 1) * d)
