"""GPT-2, and other models of its architecture, such as DistilGPT2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.keras_hub import converter
from warmstart.checkpoints.layout import Layout, Rules
from warmstart.errors import BundleError, UsageError
from warmstart.json_values import is_integer
from warmstart.models import repository
from warmstart.models.checks import Described, Repository
from warmstart.models.configs import Config
from warmstart.models.keras_hub import PREPROCESSOR, Preset, preset_limits
from warmstart.models.text import generation_config
from warmstart.models.text import repository as texts

PAPER = "Radford, Wu, Child, Luan, Amodei, Sutskever: Language Models are Unsupervised Multitask Learners, 2019"
SIZES = {
    "vocab_size": 2**21,
    "n_positions": 2**20,
    "n_embd": 2**16,
    "n_layer": 1024,
    "n_head": 1024,
    "n_inner": 2**18,
}
"""Keys of sizes, and the largest that are accepted."""
ACTIVATIONS = ("gelu_new", "gelu_pytorch_tanh", "gelu", "relu", "silu", "swish", "tanh")
MOST_PARAMETERS = 20 * 10**9
OPTIONS: dict[str, Any] = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "initializer_range": 0.02,
    "embd_pdrop": 0.1,
    "attn_pdrop": 0.1,
    "resid_pdrop": 0.1,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "tie_word_embeddings": True,
}
"""Options that are supported, with the reference's defaults."""
REFUSED = {"add_cross_attention": False, "is_encoder_decoder": False, "quantization_config": None}
"""Options that are not supported: any other value is an error."""
HEADS = {
    "GPT2LMHeadModel": "text-generation",
    "GPT2DoubleHeadsModel": "text-generation",
    "GPT2Model": "text-generation",
    "GPT2ForSequenceClassification": "text-classification",
}


KERAS_HUB: Rules = (
    (r"reversible_embedding\.0", "wte"),
    (r"position_embedding\.0", "wpe"),
    (r"layer_normalization\.0", "ln_f"),
    *(
        (rf"transformer_decoder\.(\d+)\.{name}", rf"h.\1.{module}")
        for name, module in {
            r"self_attention_layer\.query_dense": "attn.query",
            r"self_attention_layer\.key_dense": "attn.key",
            r"self_attention_layer\.value_dense": "attn.value",
            r"self_attention_layer\.output_dense": "attn.c_proj",
            "self_attention_layer_norm": "ln_1",
            "feedforward_intermediate_dense": "mlp.c_fc",
            "feedforward_output_dense": "mlp.c_proj",
            "feedforward_layer_norm": "ln_2",
        }.items()
    ),
)


def keras_hub_arrays(checkpoint: Checkpoint) -> Checkpoint:
    """The arrays of a preset of KerasHub, whose queries, keys and values are apart."""
    blocks = {match[1] for name in checkpoint.names() if (match := BLOCK_OF_PRESET.match(name))}
    joined = {
        f"h.{n}.attn.c_attn": tuple(f"h.{n}.attn.{part}" for part in ("query", "key", "value"))
        for n in blocks
    }
    return converter(KERAS_HUB, transposed=False, joined=joined)(checkpoint)


VOCABULARY, END = "assets/tokenizer/vocabulary.json", "<|endoftext|>"
"""In a KerasHub preset: the vocabulary, and the token that separates texts."""
BLOCK_OF_PRESET = re.compile(r"transformer_decoder\.(\d+)\.")
LAYOUT = Layout(
    keras_hub=keras_hub_arrays,
    prefix="transformer",
    outside=("lm_head.*", "score.*"),
    modules=((r"^h_(\d+)", r"h.\1"), (r"\.(attn|mlp)_(c_\w+)$", r".\1.\2")),
    transposed=(
        "lm_head/kernel",
        "score/kernel",
    ),  # the others are of the class Conv1D, whose axes are Keras' own
    optional=("lm_head.*", "multiple_choice_head.*"),
)
"""`lm_head` is optional: if it is tied to the embedding, files may still have it."""


@dataclass(frozen=True)
class GPT2Config(Config):
    """Sizes and options, named as in Hugging Face's `config.json`; the defaults are GPT-2 small.

    With `num_labels` the network classifies a text by its last token and has no language-modelling
    head.
    """

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    resid_pdrop: float = 0.1
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    reorder_and_upcast_attn: bool = False
    tie_word_embeddings: bool = True
    num_labels: int | None = None

    def check(self) -> None:
        if self.activation_function not in ACTIVATIONS:
            raise UsageError(
                f"gpt2: activation_function {self.activation_function!r} is not supported; "
                f"supported are {', '.join(ACTIVATIONS)}."
            )
        if self.n_embd % self.n_head:
            raise UsageError(
                f"gpt2: n_embd {self.n_embd} must be divisible by n_head {self.n_head}."
            )

    def scale(self, layer: int) -> float:
        """The factor of the queries in this layer (counted from 0)."""
        scale = (self.n_embd // self.n_head) ** -0.5 if self.scale_attn_weights else 1.0
        return scale / (layer + 1) if self.scale_attn_by_inverse_layer_idx else scale


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    keys = {
        "vocab_size": "vocabulary_size",
        "n_positions": "max_sequence_length",
        "n_embd": "hidden_dim",
        "n_layer": "num_layers",
        "n_head": "num_heads",
        "n_inner": "intermediate_dim",
    }
    own = preset.sizes(*keys.values())
    config: dict[str, Any] = {key: own[name] for key, name in keys.items()}
    config |= {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
    vocabulary = preset.repo.folder / VOCABULARY
    end = repository.read_json(vocabulary).get(END) if vocabulary.is_file() else None
    config |= {"bos_token_id": end, "eos_token_id": end}
    entry, labels = read(replace(preset.repo, config=config))
    path = preset.repo.folder / PREPROCESSOR
    limits = preset_limits(repository.read_json(path), path) if path.is_file() else []
    if not limits or limits[0] >= own["max_sequence_length"]:
        return entry, labels
    generation = {"generation": {"max_length": limits[0]}}
    return replace(entry, processing={**entry.processing, **generation}), labels


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    config, folder, path, task = repo.config, repo.folder, repo.path, repo.task
    sizes: dict[str, Any] = {key: _size(repo, key, largest) for key, largest in SIZES.items()}
    for key, default in REFUSED.items():
        if config.get(key, default) != default:
            raise UsageError(f"{path}: {key}={config[key]!r} is not supported.")
    built: dict[str, Any] = {
        **sizes,
        **{key: config.get(key, default) for key, default in OPTIONS.items()},
    }
    _check_options(built, path)
    tasks = [
        HEADS[name] for name in config.get("architectures") or ["GPT2LMHeadModel"] if name in HEADS
    ]
    if not tasks:
        raise UsageError(
            f"{path}: the architecture {config['architectures']} is not supported; supported are {', '.join(HEADS)}."
        )
    if task is not None and task not in tasks:
        raise UsageError(f"{folder} is a model for {tasks[0]} and has no head for {task}.")
    labels: tuple[Label, ...] = ()
    processing: dict[str, Any] = {}
    if tasks[0] == "text-classification":
        labels = texts.labels_of(repo)
        built |= {"num_labels": len(labels), "tie_word_embeddings": True}
        processing["max_length"] = texts.max_length(folder, sizes["n_positions"])
        processing["problem"] = texts.problem_of(repo, len(labels))
    else:
        processing["longest"] = sizes["n_positions"]
        processing |= generation_config.read(config, folder, sizes["vocab_size"])
    count = parameters(built)
    repository.check_parameters(count, folder, MOST_PARAMETERS)
    entry = repository.entry_of(
        repo,
        name=repository.slug(folder, "gpt2"),
        task=tasks[0],
        family="gpt2",
        architecture="gpt2",
        config=built,
        parameters=count,
        paper=PAPER,
        processing=processing,
    )
    return entry, labels


def write(
    entry: Entry, labels: tuple[Label, ...] = (), *, begin: int | None = None
) -> dict[str, Any]:
    """The `config.json` of a saved bundle; `begin` is the token that begins texts."""
    ends = list(entry.processing.get("end", ()))
    names = {str(label.index): label.name for label in labels}
    return {
        "model_type": "gpt2",
        "architectures": [next(name for name, task in HEADS.items() if task == entry.task)],
        **entry.config,
        **({"id2label": names, "problem_type": texts.problem_type(entry)} if labels else {}),
        "eos_token_id": ends[0] if len(ends) == 1 else ends or None,
        "bos_token_id": begin,
        "dtype": "float32",
    }


def parameters(config: Mapping[str, Any]) -> int:
    """The number of parameters of a network."""
    width, inner = config["n_embd"], config.get("n_inner") or 4 * config["n_embd"]
    block = 4 * width + 4 * width * width + 4 * width + 2 * width * inner + inner + width
    head = width * (config.get("num_labels") or 0)
    if not config.get("tie_word_embeddings", True):
        head += width * config["vocab_size"]
    return int(
        (config["vocab_size"] + config["n_positions"] + 2) * width
        + config["n_layer"] * block
        + head
    )


def _size(repo: Repository, key: str, largest: int) -> int | None:
    value = repo.get(key)
    if value is None and key == "n_inner":
        return None
    if value is None:
        raise BundleError(f"{repo.path} lacks the key {key!r}; fetch the repository again.")
    if not is_integer(value, 1, largest):
        raise BundleError(
            f"{repo.path}: {key} must be a whole number from 1 to {largest:,}, not {value!r}."
        )
    return value


def _check_options(built: Mapping[str, Any], path: Path) -> None:
    for key, default in OPTIONS.items():
        value = built[key]
        classes: Any = {bool: bool, float: (int, float), str: str}[type(default)]
        if not isinstance(value, classes) or (
            isinstance(value, bool) and not isinstance(default, bool)
        ):
            raise BundleError(f"{path}: {key} must be a {type(default).__name__}, not {value!r}.")
    if not 0 < built["layer_norm_epsilon"] < 1:
        raise BundleError(
            f"{path}: layer_norm_epsilon must be between 0 and 1, not {built['layer_norm_epsilon']!r}."
        )
    if built["n_embd"] % built["n_head"]:
        raise BundleError(
            f"{path}: n_embd must be divisible by n_head, and {built['n_embd']} is not divisible by {built['n_head']}."
        )
