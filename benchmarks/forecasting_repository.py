"""A Chronos-Bolt repository of a public size with random weights, in the public layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

PATCH, CONTEXT, STEPS = 16, 2048, 64
LEVELS = [n / 10 for n in range(1, 10)]


def write_repository(folder: Path, sizes: Mapping[str, int], seed: int = 0) -> None:
    """Write config.json and model.safetensors; `sizes` are keys of a T5 config."""
    random = np.random.default_rng(seed)
    width, inner, heads = sizes["d_model"], sizes["d_ff"], sizes["num_heads"] * sizes["d_kv"]
    arrays: dict[str, np.ndarray] = {"shared.weight": random.normal(0, 1, (2, width))}

    def dense(name: str, into: int, out: int, *, bias: bool = False) -> None:
        arrays[f"{name}.weight"] = random.normal(0, into**-0.5, (out, into))
        if bias:
            arrays[f"{name}.bias"] = random.normal(0, 0.1, out)

    for name, shape in (
        ("input_patch_embedding", (2 * PATCH, inner, width)),
        ("output_patch_embedding", (width, inner, STEPS * len(LEVELS))),
    ):
        dense(f"{name}.hidden_layer", shape[0], shape[1], bias=True)
        dense(f"{name}.output_layer", shape[1], shape[2], bias=True)
        dense(f"{name}.residual_layer", shape[0], shape[2], bias=True)
    for side in ("encoder", "decoder"):
        kinds = ["SelfAttention", *(["EncDecAttention"] if side == "decoder" else [])]
        for n in range(sizes["num_layers" if side == "encoder" else "num_decoder_layers"]):
            for place, kind in enumerate(kinds):
                base = f"{side}.block.{n}.layer.{place}"
                for part in "qkv":
                    dense(f"{base}.{kind}.{part}", width, heads)
                arrays[f"{base}.{kind}.q.weight"] *= sizes["d_kv"] ** -0.5
                dense(f"{base}.{kind}.o", heads, width)
                arrays[f"{base}.layer_norm.weight"] = np.ones(width)
            base = f"{side}.block.{n}.layer.{len(kinds)}"
            dense(f"{base}.DenseReluDense.wi", width, inner)
            dense(f"{base}.DenseReluDense.wo", inner, width)
            arrays[f"{base}.layer_norm.weight"] = np.ones(width)
        arrays[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (
            random.normal(0, 0.5, (32, sizes["num_heads"]))
        )
        arrays[f"{side}.final_layer_norm.weight"] = np.ones(width)
    folder.mkdir(parents=True)
    save_file(
        {name: value.astype(np.float32) for name, value in arrays.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = {
        "architectures": ["ChronosBoltModelForForecasting"],
        "model_type": "t5",
        **sizes,
        "chronos_config": {
            "context_length": CONTEXT,
            "prediction_length": STEPS,
            "input_patch_size": PATCH,
            "input_patch_stride": PATCH,
            "quantiles": LEVELS,
            "use_reg_token": True,
        },
        "chronos_pipeline_class": "ChronosBoltPipeline",
        "decoder_start_token_id": 0,
        "dense_act_fn": "relu",
        "dropout_rate": 0.1,
        "eos_token_id": 1,
        "feed_forward_proj": "relu",
        "initializer_factor": 0.05,
        "is_encoder_decoder": True,
        "is_gated_act": False,
        "layer_norm_epsilon": 1e-6,
        "pad_token_id": 0,
        "reg_token_id": 1,
        "relative_attention_max_distance": 128,
        "relative_attention_num_buckets": 32,
        "tie_word_embeddings": False,
        "use_cache": True,
        "vocab_size": 2,
        "n_positions": 512,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
