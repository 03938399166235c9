"""GPT-2 repositories: `model_type` gpt2, also those of DistilGPT2 and other models of this architecture."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import BundleError, UsageError

PAPER = ("Radford, Wu, Child, Luan, Amodei, Sutskever: Language Models are Unsupervised Multitask Learners, 2019")
SIZES = {"vocab_size": 2**21, "n_positions": 2**20, "n_embd": 2**16, "n_layer": 1024, "n_head": 1024, "n_inner": 2**18}
"""What decides the sizes, and the largest that is believed."""
MOST_PARAMETERS = 20 * 10**9
OPTIONS: dict[str, Any] = {
    "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "initializer_range": 0.02, "embd_pdrop": 0.1,
    "attn_pdrop": 0.1, "resid_pdrop": 0.1, "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False, "tie_word_embeddings": True,
}
"""Keys that are honoured, with the reference's defaults."""
REFUSED = {"add_cross_attention": False, "is_encoder_decoder": False, "quantization_config": None}
"""Keys that are not honoured: any other value is an error."""
HEADS = {"GPT2LMHeadModel": "text-generation", "GPT2DoubleHeadsModel": "text-generation",
         "GPT2Model": "text-generation", "GPT2ForSequenceClassification": "text-classification"}


def entry(config: Mapping[str, Any], folder: Path, task: str | None) -> tuple[Entry, tuple[Label, ...]]:
    """Read a config; see `catalog.huggingface`."""
    where = folder / "config.json"
    sizes: dict[str, Any] = {key: _size(config, key, largest, where) for key, largest in SIZES.items()}
    for key, usual in REFUSED.items():
        if config.get(key, usual) != usual:
            raise UsageError(f"{where}: {key}={config[key]!r} is not supported.")
    built: dict[str, Any] = {**sizes, **{key: config.get(key, usual) for key, usual in OPTIONS.items()}}
    _check_options(built, where)
    heads = [HEADS[name] for name in config.get("architectures") or ["GPT2LMHeadModel"] if name in HEADS]
    if not heads:
        raise UsageError(f"{where}: the architecture {config['architectures']} is not supported; supported are "
                         f"{', '.join(HEADS)}.")
    if task is not None and task not in heads:
        raise UsageError(f"{folder} was made for {heads[0]} and has no head for {task}.")
    labels: tuple[Label, ...] = ()
    processing: dict[str, Any] = {"longest": sizes["n_positions"]}
    if heads[0] == "text-classification":
        labels = _labels(config, where)
        built |= {"num_labels": len(labels), "tie_word_embeddings": True}
        processing |= {"problem": config.get("problem_type") or "single_label_classification"}
    else:
        processing |= {"end": _ends(config, sizes["vocab_size"], where)}
    count = parameters(built)
    _check_memory(count, folder, where)
    return Entry(
        name=_name(folder), task=heads[0], family="gpt2", title=folder.name, architecture="gpt2", config=built,
        weights={}, preprocessing=None, labels="", licence="unknown", parameters=count, gflops=None, min_size=0,
        metrics=(), paper=PAPER, processing=processing,
    ), labels


def parameters(config: Mapping[str, Any]) -> int:
    """The numbers in a network of this config."""
    width, inner = config["n_embd"], config.get("n_inner") or 4 * config["n_embd"]
    block = 4 * width + 4 * width * width + 4 * width + 2 * width * inner + inner + width
    head = width * (config.get("num_labels") or 0)
    if not config.get("tie_word_embeddings", True):
        head += width * config["vocab_size"]
    return (config["vocab_size"] + config["n_positions"] + 2) * width + config["n_layer"] * block + head


def _size(config: Mapping[str, Any], key: str, largest: int, where: Path) -> int | None:
    value = config.get(key)
    if value is None and key == "n_inner":
        return None
    if value is None:
        raise BundleError(f"{where} lacks the key {key!r}; fetch the repository again.")
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= largest:
        raise BundleError(f"{where}: {key} must be a whole number from 1 to {largest:,}, not {value!r}.")
    return value


def _check_options(built: Mapping[str, Any], where: Path) -> None:
    for key, usual in OPTIONS.items():
        value = built[key]
        kinds: Any = {bool: bool, float: (int, float), str: str}[type(usual)]
        if not isinstance(value, kinds) or (isinstance(value, bool) and not isinstance(usual, bool)):
            raise BundleError(f"{where}: {key} must be a {type(usual).__name__}, not {value!r}.")
    if not 0 < built["layer_norm_epsilon"] < 1:
        raise BundleError(f"{where}: layer_norm_epsilon must be between 0 and 1, not {built['layer_norm_epsilon']!r}.")
    if built["n_embd"] % built["n_head"]:
        raise BundleError(f"{where}: n_embd {built['n_embd']} is no multiple of n_head {built['n_head']}.")


def _check_memory(count: int, folder: Path, where: Path) -> None:
    """Refuse sizes that the weights beside the config cannot be of, before memory is taken for them."""
    here = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if count > MOST_PARAMETERS or (here and count > here):  # no number takes less than a byte
        raise BundleError(f"{where} describes a network of {count:,} numbers, but its weights have {here:,} bytes; "
                          "the config is damaged or of another model.")


def _ends(config: Mapping[str, Any], vocabulary: int, where: Path) -> list[int]:
    """The tokens that end a text."""
    told = config.get("eos_token_id")
    ends = told if isinstance(told, list) else [] if told is None else [told]
    for token in ends:
        if not isinstance(token, int) or token < 0:
            raise BundleError(f"{where}: eos_token_id must be a token's number, not {token!r}.")
    return [token for token in ends if token < vocabulary]  # tiny models keep the number of the large ones'


def _labels(config: Mapping[str, Any], where: Path) -> tuple[Label, ...]:
    told = config.get("id2label") or {}
    count = config.get("num_labels") or len(told) or 2
    try:
        names = {int(number): str(name) for number, name in told.items()} or {n: f"LABEL_{n}" for n in range(count)}
    except (ValueError, AttributeError) as error:
        raise BundleError(f"{where}: id2label is damaged ({error}).") from error
    if sorted(names) != list(range(len(names))):
        raise BundleError(f"{where}: id2label does not count its labels from 0 up.")
    return tuple(Label(number, names[number], names[number]) for number in sorted(names))


def _name(folder: Path) -> str:
    """A name of the catalogue's form for a folder."""
    name = re.sub(r"[^a-z0-9.]+", "_", folder.name.lower()).strip("_.")
    return name if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9.]+)*", name) else "gpt2"
