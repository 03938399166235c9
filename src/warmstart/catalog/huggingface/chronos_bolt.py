"""Chronos-Bolt repositories (`amazon/chronos-bolt-*`): a T5 config with a `chronos_config` inside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import BundleError, UsageError

PAPER = "Ansari et al.: Chronos: Learning the Language of Time Series, 2024, arXiv:2403.07815"
LARGEST = {"d_model": 8192, "d_ff": 32768, "d_kv": 1024, "num_heads": 256, "num_layers": 128,
           "num_decoder_layers": 128}


def entry(config: Mapping[str, Any], folder: Path, task: str | None) -> tuple[Entry, tuple[Label, ...]]:
    """See `warmstart.catalog.huggingface`."""
    where = folder / "config.json"
    inner = config.get("chronos_config")
    if not isinstance(inner, Mapping):
        raise UsageError(f"{where} is a T5 without a chronos_config; of T5, Chronos-Bolt only is supported.")
    if task not in (None, "forecasting"):
        raise UsageError(f"{folder} does forecasting, not {task}.")
    try:
        sizes = {key: int(config[key]) for key in LARGEST}
        patch, stride = int(inner["input_patch_size"]), int(inner["input_patch_stride"])
        context, horizon = int(inner["context_length"]), int(inner["prediction_length"])
        quantiles = [float(level) for level in inner["quantiles"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{where} lacks {error} or has a wrong value; fetch it again.") from error
    limits = {**LARGEST, "input_patch_size": 1024, "context_length": 2**17, "prediction_length": 4096,
              "quantiles": 999}
    values = {**sizes, "input_patch_size": patch, "context_length": context, "prediction_length": horizon,
              "quantiles": len(quantiles)}
    for key, value in values.items():
        if not 1 <= value <= limits[key]:
            raise UsageError(f"{where}: {key} must be 1 to {limits[key]}, not {value}.")
    if patch != stride or context % patch:
        raise UsageError(f"{where}: patches of {patch} every {stride} steps in {context} are not supported.")
    if config.get("is_gated_act") or config.get("dense_act_fn") not in ("relu", "gelu", "silu"):
        raise UsageError(f"{where}: the activation {config.get('feed_forward_proj')!r} is not supported.")
    if int(config.get("decoder_start_token_id") or 0) != 0:
        raise UsageError(f"{where}: decoding must start with token 0.")
    if sorted(quantiles) != quantiles or not 0 < quantiles[0] <= quantiles[-1] < 1:
        raise UsageError(f"{where}: quantiles must rise between 0 and 1.")
    built = {**sizes, "patch": patch, "most_patches": context // patch, "horizon": horizon,
             "quantiles": len(quantiles), "reg_token": bool(inner.get("use_reg_token", False)),
             "buckets": int(config.get("relative_attention_num_buckets", 32)),
             "distance": int(config.get("relative_attention_max_distance", 128)),
             "epsilon": float(config.get("layer_norm_epsilon", 1e-6)), "activation": str(config["dense_act_fn"])}
    name = "".join(c if c.isalnum() else "_" for c in folder.name.lower()).strip("_")
    name = name if name[:1].isalpha() else f"chronos_bolt_{name}".rstrip("_")
    while "__" in name:
        name = name.replace("__", "_")
    found = Entry(name=name, task="forecasting", family="chronos_bolt", title=folder.name,
                  architecture="chronos_bolt", config=built, weights={}, preprocessing=None, labels="",
                  licence="unknown", parameters=_parameters(built), gflops=None, min_size=0, metrics=(), paper=PAPER,
                  processing={"context": context, "horizon": horizon, "quantiles": quantiles, "patch": patch})
    return found, ()


def _parameters(c: Mapping[str, Any]) -> int:
    d, inner, heads = c["d_model"], c["d_ff"], c["num_heads"] * c["d_kv"]

    def residual(into: int, out: int) -> int:
        return into * inner + inner + inner * out + out + into * out + out

    attention, feed = 4 * d * heads, 2 * d * inner
    encoder = c["num_layers"] * (attention + feed + 2 * d)
    decoder = c["num_decoder_layers"] * (2 * attention + feed + 3 * d)
    ends = residual(2 * c["patch"], d) + residual(d, c["quantiles"] * c["horizon"])
    return encoder + decoder + ends + 2 * (d + c["buckets"] * c["num_heads"]) + (2 if c["reg_token"] else 1) * d
