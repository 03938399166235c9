"""Modules of sentence-transformers: from hidden states to the vector of a text.

`modules.json` lists them: Transformer, Pooling, Dense, Normalize. Pooling, and a Normalize directly
after it, are part of the network; Dense layers are applied to its vectors.

Source: Reimers, Gurevych, "Sentence-BERT" (2019), section 3; names as sentence-transformers writes
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from warmstart.errors import BundleError, UsageError
from warmstart.models.repository import read_json

MODES = {
    "cls": "cls_token",
    "max": "max_tokens",
    "mean": "mean_tokens",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean": "weightedmean_tokens",
    "lasttoken": "lasttoken",
}
"""Ways of pooling, in the order in which several are concatenated -> the ends of their older keys."""
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid", "SiLU")
MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
LENGTH = "sentence_bert_config.json"
WEIGHTS = "model.safetensors"
DEFAULTS: dict[str, Any] = {"pooling": "mean", "normalize": False, "lowercase": False}
"""The modules of a repository without `modules.json`."""


def read(folder: Path) -> dict[str, Any]:
    """The `processing` of an entry that embeds texts.

    Returns:
        `pooling` (a mode, or several with "+" between them), `normalize`, `lowercase`; and where
        there are some, `prompts`, `prompt_name` (the default one), and `dense`: the layers behind
        the network, each with `file`, `activation`, and `normalize`, whether its result gets
        length 1.

    Raises:
        UsageError: a module or an option of it is not supported.
        BundleError: a file is damaged.
    """
    processing = dict(DEFAULTS)
    if (folder / MODULES).is_file():
        processing |= _modules(folder)
    if (folder / LENGTH).is_file():
        processing["lowercase"] = read_json(folder / LENGTH).get("do_lower_case") is True
    return processing | prompts(folder)


def prompts(folder: Path) -> dict[str, Any]:
    """`prompts`, text by name, and `prompt_name`, that of the default one, if there are some.

    Raises:
        BundleError: they are not texts, or the default one is not there.
    """
    path = folder / PROMPTS
    config = read_json(path) if path.is_file() else {}
    texts, default = config.get("prompts") or {}, config.get("default_prompt_name")
    if not isinstance(texts, Mapping) or not all(
        text is None or isinstance(text, str) for text in texts.values()
    ):
        raise BundleError(f"{path}: prompts must map names to texts.")
    if default is not None and default not in texts:
        raise BundleError(f"{path} has no prompt {default!r}, which is set as the default.")
    named = {str(name): text or "" for name, text in texts.items()}
    if not any(named.values()):
        return {}
    return {"prompts": named} | ({"prompt_name": default} if default else {})


def folders(folder: Path) -> list[str]:
    """The folders of the modules in a repository, without that of the Transformer."""
    path = folder / MODULES
    return [name for module in _listed(path) if (name := _inside(module.get("path"), path))]


def _modules(folder: Path) -> dict[str, Any]:
    path = folder / MODULES
    processing: dict[str, Any] = {}
    dense: list[dict[str, Any]] = []
    for module in _listed(path):
        name = module["type"].rpartition(".")[2]
        config = folder / _inside(module.get("path"), path) / "config.json"
        if name == "Pooling" and not processing:
            processing["pooling"] = _pooling(config, folder)
        elif name == "Normalize":
            (dense[-1] if dense else processing)["normalize"] = True
        elif name == "Dense":
            dense.append(_dense(config))
        elif name not in ("Transformer", "Dropout"):
            raise UsageError(
                f"{path}: the module {module['type']} is not supported; supported are Transformer, "
                "Pooling, Dense, Dropout and Normalize."
            )
    return processing | ({"dense": dense} if dense else {})


def _listed(path: Path) -> list[dict[str, Any]]:
    modules: list[dict[str, Any]] = read_json(path, list)
    if not all(
        isinstance(module, dict) and isinstance(module.get("type"), str) for module in modules
    ):
        raise BundleError(f"{path} is damaged: it must list modules with their types.")
    return modules


def _inside(name: Any, path: Path) -> str:
    if name == "":
        return ""
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise BundleError(f"{path} names the folder {name!r}, which is not one of the repository.")
    return name


def _pooling(path: Path, folder: Path) -> str:
    config = read_json(path)
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for mode, key in MODES.items() if config.get(f"pooling_mode_{key}")]
        others = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
        unknown = sorted(set(others) - {f"pooling_mode_{key}" for key in MODES.values()})
    else:
        modes = [modes] if isinstance(modes, str) else modes
        unknown = [str(mode) for mode in modes if mode not in MODES]
    if unknown or not isinstance(modes, Sequence):
        raise UsageError(
            f"{path}: pooling by {', '.join(unknown)} is not supported; supported are "
            f"{', '.join(MODES)}."
        )
    if config.get("include_prompt") is False and prompts(folder):
        raise UsageError(
            f"{path}: include_prompt=false, pooling without the tokens of a prompt, is not "
            "supported; take a checkpoint that pools all tokens."
        )
    return "+".join(modes or ["mean"])


def _dense(path: Path) -> dict[str, Any]:
    config = read_json(path)
    name = str(config.get("activation_function") or "torch.nn.modules.linear.Identity")
    activation = name.rpartition(".")[2]
    unsupported = [
        f"{key}={config[key]!r}"
        for key, default in (
            ("use_residual", False),
            ("module_input_name", "sentence_embedding"),
            ("module_output_name", "sentence_embedding"),
        )
        if config.get(key, default) not in (default, None)
    ]
    if activation not in ACTIVATIONS:
        unsupported.append(f"activation_function={name!r}")
    if unsupported:
        raise UsageError(f"{path}: {', '.join(unsupported)} is not supported.")
    return {"file": f"{path.parent.name}/{WEIGHTS}", "activation": activation}
