"""Whisper in KerasHub's presets: its config, the names of its arrays, and its tokens.

A preset of `WhisperBackbone` has encoder and decoder. KerasHub names the tokens that it uses; the
others follow from the order that all of Whisper's vocabularies have.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.checkpoints.keras_hub import converter
from warmstart.checkpoints.layout import Rules
from warmstart.errors import BundleError, UsageError
from warmstart.models.checks import Values
from warmstart.models.keras_hub import Preset
from warmstart.models.repository import read_json

TOKENIZER, CONVERTER = "tokenizer.json", "audio_converter.json"
ASSETS = ("assets/tokenizer", "assets")
"""Folders of vocabularies in newer and older presets."""
RATE = 16_000
CONVERTER_OPTIONS = {"num_fft_bins": 400, "stride": 160, "sampling_rate": RATE}
"""The only values that the features support."""
ATTENTION = {"query_dense": "q_proj", "key_dense": "k_proj", "value_dense": "v_proj"}
PARTS = {
    **{
        f"{theirs}_attention_layer.{part}": f"{own}.{module}"
        for theirs, own in (("self", "self_attn"), ("cross", "encoder_attn"))
        for part, module in {**ATTENTION, "output_dense": "out_proj"}.items()
    },
    "self_attention_layer_norm": "self_attn_layer_norm",
    "cross_attention_layer_norm": "encoder_attn_layer_norm",
    "feedforward_intermediate_dense": "fc1",
    "feedforward_output_dense": "fc2",
    "feedforward_layer_norm": "final_layer_norm",
}
"""KerasHub's names in a block -> those of transformers."""
RULES: Rules = (
    (r"conv1d\.0", "encoder.conv1"),
    (r"conv1d\.1", "encoder.conv2"),
    (r"position_embedding\.0", "encoder.embed_positions"),
    (r"token_and_position_embedding\.0\.token_embedding", "decoder.embed_tokens"),
    (r"token_and_position_embedding\.0\.position_embedding", "decoder.embed_positions"),
    (r"layer_normalization\.0", "encoder.layer_norm"),
    (r"layer_normalization\.1", "decoder.layer_norm"),
    *(
        (rf"whisper_{half}\.(\d+)\.{part}", rf"{half}.layers.\1.{module}")
        for half in ("encoder", "decoder")
        for part, module in PARTS.items()
    ),
)
arrays = converter(RULES)
"""The arrays of a preset with the names of transformers."""
TASKS = ("", "AudioToText")
"""KerasHub's names of the token embedding, which is the output matrix, with and without a head."""


def config_of(preset: Preset) -> dict[str, Any]:
    """The `config.json` that the model has in transformers, with what its `generation_config.json`
    would say.

    Raises:
        BundleError: a size is missing.
        UsageError: the preset is of another task, or its features are computed in another way.
    """
    folder = preset.repo.folder
    if preset.model not in TASKS:
        raise UsageError(f"{folder} is KerasHub's Whisper{preset.model}, which is not supported.")
    keys = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim")
    lengths = ("max_encoder_sequence_length", "max_decoder_sequence_length")
    sizes = {"num_mels": 80, **preset.sizes(*keys, *lengths)}
    if "num_mels" in preset.values.config:
        sizes |= preset.sizes("num_mels")
    frames = sizes["max_encoder_sequence_length"]
    _check_converter(folder, sizes["num_mels"], frames)
    return {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "d_model": sizes["hidden_dim"],
        **{f"{half}_layers": sizes["num_layers"] for half in ("encoder", "decoder")},
        **{f"{half}_attention_heads": sizes["num_heads"] for half in ("encoder", "decoder")},
        **{f"{half}_ffn_dim": sizes["intermediate_dim"] for half in ("encoder", "decoder")},
        "num_mel_bins": sizes["num_mels"],
        "vocab_size": sizes["vocabulary_size"],
        "max_source_positions": frames // 2,
        "max_target_positions": sizes["max_decoder_sequence_length"],
        **_generation(folder),
    }


def _check_converter(folder: Path, mels: int, frames: int) -> None:
    path = folder / CONVERTER
    options = read_json(path).get("config") if path.is_file() else None
    if not isinstance(options, Mapping):
        return
    seconds = frames * CONVERTER_OPTIONS["stride"] / RATE
    supported = {**CONVERTER_OPTIONS, "num_mels": mels, "max_audio_length": seconds}
    for key, value in supported.items():
        Values(options, path).one_of(key, (value,))


def _generation(folder: Path) -> dict[str, Any]:
    """The settings of decoding: a text begins with neither a space nor the end token (Radford et
    al. 2022, section 4.5 and OpenAI's code).
    """
    tokens = vocabulary(folder)
    first = [tokens[name] for name in ("Ġ", "<|endoftext|>") if name in tokens]
    return {"is_multilingual": bool(languages(folder)), "begin_suppress_tokens": sorted(first)}


def is_preset(folder: Path) -> bool:
    """Whether the tokenizer of a folder is one of KerasHub."""
    path = folder / TOKENIZER
    return path.is_file() and "registered_name" in read_json(path)


def vocabulary_file(folder: Path) -> Path:
    """The file of the text tokens; `merges.txt` is in the same folder.

    Raises:
        BundleError: there is none.
    """
    files = [folder / assets / "vocabulary.json" for assets in ASSETS]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise BundleError(f"{folder} has no vocabulary in {ASSETS[0]}; fetch the whole preset.")
    return file


def languages(folder: Path) -> dict[str, int]:
    """The tokens of languages by name; empty for a model of English."""
    return _tokens(folder, "language_tokens")


def vocabulary(folder: Path) -> dict[str, int]:
    """All tokens up to the one that says that no timestamps follow.

    Raises:
        BundleError: the vocabulary is missing or damaged.
    """
    path = vocabulary_file(folder)
    special = _tokens(folder, "special_tokens")
    tokens = {**read_json(path), **languages(folder), **special}
    if last := special.get("<|notimestamps|>"):
        for number, name in enumerate(("startoflm", "startofprev", "nospeech")):
            if last - 3 + number not in special.values():
                tokens.setdefault(f"<|{name}|>", last - 3 + number)
    return tokens


def _tokens(folder: Path, key: str) -> dict[str, int]:
    path = folder / TOKENIZER
    config = read_json(path).get("config") if path.is_file() else None
    tokens = (config.get(key) if isinstance(config, Mapping) else None) or {}
    if not isinstance(tokens, Mapping) or not all(isinstance(id, int) for id in tokens.values()):
        raise BundleError(f"{path}: {key} must map each token to a number.")
    return dict(tokens)
