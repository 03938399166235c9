"""Whisper repositories: `config.json`, and of `generation_config.json` and `preprocessor_config.json` what decides.

Special tokens are not read from here: the tokenizer knows them by name.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import BundleError, UsageError

TASK = "speech-recognition"
SIZES = {  # of the config -> of the architecture, and the most that is believed
    "d_model": ("width", 4096), "encoder_layers": ("encoder_layers", 96), "decoder_layers": ("decoder_layers", 96),
    "encoder_attention_heads": ("encoder_heads", 128), "decoder_attention_heads": ("decoder_heads", 128),
    "encoder_ffn_dim": ("encoder_hidden", 32768), "decoder_ffn_dim": ("decoder_hidden", 32768),
    "num_mel_bins": ("mels", 512), "vocab_size": ("vocabulary", 500_000),
    "max_source_positions": ("audio_positions", 15_000), "max_target_positions": ("text_positions", 8192),
}  # fmt: skip
OPTIONS = {"activation_function": "gelu", "scale_embedding": False, "tie_word_embeddings": True}
"""What the architecture can do: one value each."""
FRONT_END = {"sampling_rate": 16000, "n_fft": 400, "hop_length": 160, "dither": 0.0}
MULTILINGUAL = 51865  # tokens; the vocabularies of the English models are smaller


def entry(config: Mapping[str, Any], folder: Path, task: str | None) -> tuple[Entry, tuple[Label, ...]]:
    """The entry of a Whisper repository; see `catalog.huggingface.read`."""
    from warmstart.models.repository import read_json

    if task not in (None, TASK):
        raise UsageError(f"{folder} is a Whisper model, which does {TASK}, not {task}.")
    sizes = {}
    for key, (name, most) in SIZES.items():
        value = config.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise BundleError(f"{folder / 'config.json'}: {key} must be a whole number from 1 to {most:,}, "
                              f"not {value!r}.")
        sizes[name] = value
    for key, only in OPTIONS.items():
        if config.get(key, only) != only:
            raise UsageError(f"{folder / 'config.json'}: {key} {config[key]!r} is not supported; only {only!r} is.")
    for name in ("encoder_heads", "decoder_heads"):
        if sizes["width"] % sizes[name]:
            raise BundleError(f"{folder / 'config.json'}: d_model {sizes['width']} is no multiple of the {sizes[name]} "
                              "attention heads.")
    front = read_json(folder / "preprocessor_config.json") if (folder / "preprocessor_config.json").exists() else {}
    for key, wanted in {**FRONT_END, "feature_size": sizes["mels"]}.items():
        if front.get(key, wanted) != wanted:
            raise UsageError(f"{folder / 'preprocessor_config.json'}: {key} {front[key]!r} is not supported; "
                             f"this model takes {wanted!r}.")
    generation = read_json(folder / "generation_config.json") if (folder / "generation_config.json").exists() else {}
    told = {**config, **{key: value for key, value in generation.items() if value is not None}}
    heads = [list(map(int, pair)) for pair in told.get("alignment_heads") or ()]
    if any(len(h) != 2 or not (0 <= h[0] < sizes["decoder_layers"] and 0 <= h[1] < sizes["decoder_heads"])
           for h in heads):
        raise BundleError(f"{folder / 'generation_config.json'}: alignment_heads names heads that do not exist.")
    processing = {
        "multilingual": bool(told.get("is_multilingual", sizes["vocabulary"] >= MULTILINGUAL)),
        "suppress": _tokens(folder, told, "suppress_tokens", sizes["vocabulary"]),
        "begin_suppress": _tokens(folder, told, "begin_suppress_tokens", sizes["vocabulary"]),
        "max_initial_timestamp": int(told.get("max_initial_timestamp_index") or 50),
        "alignment_heads": heads,
    }
    name = "_".join(re.findall("[a-z0-9]+", folder.name.lower()))
    return Entry(
        name=name if name.startswith("whisper") else f"whisper_{name}".rstrip("_"), task=TASK, family="whisper",
        title=folder.name, architecture="whisper", config=sizes, weights={}, preprocessing=None, labels="",
        licence=str(config.get("license", "unknown")), parameters=parameters(sizes), gflops=None, min_size=0,
        metrics=(), paper=PAPER, processing=processing,
    ), ()


PAPER = ("Radford, Kim, Xu, Brockman, McLeavey, Sutskever: Robust Speech Recognition via Large-Scale Weak Supervision "
         "(2022), arXiv:2212.04356")


def parameters(sizes: Mapping[str, int]) -> int:
    """Numbers in a network of these sizes (of `WhisperConfig`), the encoder's fixed positions included."""
    d = sizes["width"]
    attention = 4 * d * d + 3 * d  # keys have no bias

    def block(hidden: int, attentions: int) -> int:
        return attentions * (attention + 2 * d) + 2 * d * hidden + hidden + d + 2 * d

    convolutions = 3 * sizes["mels"] * d + d + 3 * d * d + d
    embeddings = d * (sizes["audio_positions"] + sizes["text_positions"] + sizes["vocabulary"])
    return (convolutions + embeddings + sizes["encoder_layers"] * block(sizes["encoder_hidden"], 1)
            + sizes["decoder_layers"] * block(sizes["decoder_hidden"], 2) + 4 * d)


def _tokens(folder: Path, told: Mapping[str, Any], key: str, vocabulary: int) -> list[int]:
    found = told.get(key) or []
    if not isinstance(found, list) or not all(isinstance(t, int) and 0 <= t < vocabulary for t in found):
        raise BundleError(f"{folder / 'generation_config.json'}: {key} must be a list of tokens below {vocabulary:,}.")
    return sorted(set(found))
