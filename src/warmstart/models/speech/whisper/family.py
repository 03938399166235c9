"""Whisper: `config.json`, and what matters of `generation_config.json` and
`preprocessor_config.json`.

Special tokens are not read from here: the tokenizer knows them by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from warmstart.checkpoints.layout import Layout
from warmstart.errors import BundleError, UsageError
from warmstart.json_values import is_integer
from warmstart.models.checks import Described, Repository
from warmstart.models.configs import Config
from warmstart.models.keras_hub import Preset
from warmstart.models.repository import CONFIG, entry_of, read_json, slug
from warmstart.models.speech.whisper import presets

PAPER = (
    "Radford, Kim, Xu, Brockman, McLeavey, Sutskever: Robust Speech Recognition via Large-Scale Weak Supervision "
    "(2022), arXiv:2212.04356"
)
TASK = "speech-recognition"
SIZES = {  # of the config -> of the architecture, and the largest that is accepted
    "d_model": ("width", 4096), "encoder_layers": ("encoder_layers", 96), "decoder_layers": ("decoder_layers", 96),
    "encoder_attention_heads": ("encoder_heads", 128), "decoder_attention_heads": ("decoder_heads", 128),
    "encoder_ffn_dim": ("encoder_hidden", 32768), "decoder_ffn_dim": ("decoder_hidden", 32768),
    "num_mel_bins": ("mels", 512), "vocab_size": ("vocabulary", 500_000),
    "max_source_positions": ("audio_positions", 15_000), "max_target_positions": ("text_positions", 8192),
}  # fmt: skip
OPTIONS = {"activation_function": "gelu", "scale_embedding": False, "tie_word_embeddings": True}
"""The only values that the network supports."""
GENERATION = {
    "num_beams": 1, "num_beam_groups": 1, "num_return_sequences": 1, "do_sample": False,
    "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "encoder_repetition_penalty": 1.0,
    "encoder_no_repeat_ngram_size": 0, "min_length": 0, "min_new_tokens": 0, "bad_words_ids": [],
    "sequence_bias": [], "forced_bos_token_id": None, "forced_eos_token_id": None,
    "exponential_decay_length_penalty": None, "guidance_scale": 1.0, "penalty_alpha": 0.0,
    "stop_strings": [], "watermarking_config": None, "assistant_early_exit": None,
}  # fmt: skip
"""The only values in generation_config.json that decoding supports, besides null."""
FRONT_END = {"sampling_rate": 16000, "n_fft": 400, "hop_length": 160, "dither": 0.0}
MULTILINGUAL = 51865  # tokens; the vocabularies of the English models are smaller
GENERATION_FILE, FRONT_END_FILE = "generation_config.json", "preprocessor_config.json"
LAYOUT = Layout(prefix="model", optional=("proj_out.weight",), keras_hub=presets.arrays)
RUNNER = "warmstart.speech.whisper.recognizer"


@dataclass(frozen=True)
class WhisperConfig(Config):
    """Sizes of one network.

    Attributes:
        width: of every position's vector, in both halves.
        encoder_layers, decoder_layers: blocks.
        encoder_heads, decoder_heads: attention heads; they divide `width`.
        encoder_hidden, decoder_hidden: width inside the feed-forward parts.
        mels: mel bins of the features.
        vocabulary: tokens.
        audio_positions: encoder positions, half the number of frames in a window.
        text_positions: the longest text, prompt included.
    """

    width: int = 384
    encoder_layers: int = 4
    decoder_layers: int = 4
    encoder_heads: int = 6
    decoder_heads: int = 6
    encoder_hidden: int = 1536
    decoder_hidden: int = 1536
    mels: int = 80
    vocabulary: int = 51865
    audio_positions: int = 1500
    text_positions: int = 448

    def check(self) -> None:
        if self.width % self.encoder_heads or self.width % self.decoder_heads:
            raise UsageError(
                f"whisper: width must be divisible by the numbers of heads, and {self.width} is not divisible by "
                f"{self.encoder_heads} and {self.decoder_heads}"
            )

    @property
    def head_width(self) -> int:
        """Width of one head of the decoder."""
        return self.width // self.decoder_heads


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    return read(replace(preset.repo, config=presets.config_of(preset)))


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    repo.check_task(TASK)
    config, folder, path = repo.config, repo.folder, repo.path
    sizes = {}
    for key, (name, maximum) in SIZES.items():
        value = config.get(key)
        if not is_integer(value, 1, maximum):
            raise BundleError(
                f"{path}: {key} must be a whole number from 1 to {maximum:,}, not {value!r}."
            )
        sizes[name] = value
    for key, supported in OPTIONS.items():
        if config.get(key, supported) != supported:
            raise UsageError(
                f"{path}: {key} {config[key]!r} is not supported; only {supported!r} is."
            )
    for name in ("encoder_heads", "decoder_heads"):
        if sizes["width"] % sizes[name]:
            raise BundleError(
                f"{path}: d_model must be divisible by the numbers of attention heads, and "
                f"{sizes['width']} is not divisible by {sizes[name]}."
            )
    front_end = _optional(folder / FRONT_END_FILE)
    for key, supported in {**FRONT_END, "feature_size": sizes["mels"]}.items():
        if front_end.get(key, supported) != supported:
            raise UsageError(
                f"{folder / FRONT_END_FILE}: {key} {front_end[key]!r} is not supported; this model takes {supported!r}."
            )
    options = generation_of(folder, config)
    heads = [list(map(int, pair)) for pair in options.get("alignment_heads") or ()]
    if any(
        len(h) != 2
        or not (0 <= h[0] < sizes["decoder_layers"] and 0 <= h[1] < sizes["decoder_heads"])
        for h in heads
    ):
        raise BundleError(
            f"{folder / GENERATION_FILE}: alignment_heads names heads that do not exist."
        )
    initial = options.get("max_initial_timestamp_index")
    processing: dict[str, Any] = {
        "multilingual": bool(options.get("is_multilingual", sizes["vocabulary"] >= MULTILINGUAL)),
        "suppress": _tokens(folder, options, "suppress_tokens", sizes["vocabulary"]),
        "begin_suppress": _tokens(folder, options, "begin_suppress_tokens", sizes["vocabulary"]),
        "max_initial_timestamp": 50 if initial is None else int(initial),
        "alignment_heads": heads,
        **_defaults(folder, options, sizes),
    }
    name = slug(folder).replace(".", "_")
    entry = entry_of(
        repo,
        name=name if name.startswith("whisper") else f"whisper_{name}",
        task=TASK,
        family="whisper",
        architecture="whisper",
        config=sizes,
        parameters=parameters(sizes),
        paper=PAPER,
        processing=processing,
    )
    return entry, ()


def generation_of(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The decoding settings of `generation_config.json`, or of `config.json` without such a file.

    Raises:
        BundleError: it cannot be read.
        UsageError: it asks for what decoding does not do.
    """
    path = folder / GENERATION_FILE
    options = _optional(path) if path.exists() else dict(config)
    path = path if path.exists() else folder / CONFIG
    for key, supported in GENERATION.items():
        value = options.get(key)
        if value is not None and value != supported:
            raise UsageError(
                f"{path}: {key} {value!r} is not supported; only {supported!r} is. Without this "
                "line the model decodes greedily."
            )
    return options


def _defaults(folder: Path, options: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """Language, task and length if `generation_config.json` decides them."""
    path = folder / GENERATION_FILE
    settings: dict[str, Any] = {}
    forced = options.get("forced_decoder_ids") or []
    if not isinstance(forced, list) or not all(_is_forced(pair, sizes) for pair in forced):
        raise BundleError(
            f"{path}: forced_decoder_ids must be pairs of a position and a token below "
            f"{sizes['vocabulary']:,}."
        )
    if tokens := [pair[1] for pair in sorted(forced) if pair[1] is not None]:
        settings["forced"] = tokens
    for key in ("language", "task"):
        value = options.get(key)
        if value is not None:
            if not isinstance(value, str):
                raise BundleError(f"{path}: {key} must be a string, not {value!r}.")
            settings[key] = value
    for key in ("max_length", "max_new_tokens"):
        value = options.get(key)
        if value is not None and not is_integer(value):
            raise BundleError(f"{path}: {key} must be a whole number, not {value!r}.")
        if value is not None and value < 1:
            raise BundleError(f"{path}: {key} must be 1 or more, not {value}.")
        if value is not None and value < sizes["text_positions"]:
            settings[key] = value
    return settings


def _is_forced(pair: Any, sizes: Mapping[str, int]) -> bool:
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], int):
        return False
    token = pair[1]
    return token is None or (isinstance(token, int) and 0 <= token < sizes["vocabulary"])


def parameters(config: Mapping[str, int]) -> int:
    """The number of parameters of a network (see `WhisperConfig`), the encoder's fixed positions
    included.
    """
    d = config["width"]
    attention = 4 * d * d + 3 * d  # keys have no bias

    def block(hidden: int, attentions: int) -> int:
        return attentions * (attention + 2 * d) + 2 * d * hidden + hidden + d + 2 * d

    convolutions = 3 * config["mels"] * d + d + 3 * d * d + d
    embeddings = d * (config["audio_positions"] + config["text_positions"] + config["vocabulary"])
    return (
        convolutions
        + embeddings
        + config["encoder_layers"] * block(config["encoder_hidden"], 1)
        + config["decoder_layers"] * block(config["decoder_hidden"], 2)
        + 4 * d
    )


def _optional(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = read_json(path) if path.exists() else {}
    return config


def _tokens(folder: Path, options: Mapping[str, Any], key: str, vocabulary: int) -> list[int]:
    tokens = options.get(key) or []
    if not isinstance(tokens, list) or not all(
        isinstance(token, int) and 0 <= token < vocabulary for token in tokens
    ):
        raise BundleError(
            f"{folder / GENERATION_FILE}: {key} must be a list of tokens below {vocabulary:,}."
        )
    return sorted(set(tokens))
