"""Reads repositories of text models: heads, sizes, lengths and problem types."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.errors import BundleError, CheckpointError, UsageError
from warmstart.json_values import is_integer, is_number
from warmstart.models import keras_hub
from warmstart.models.checks import Repository, Values
from warmstart.models.repository import class_names, read_json

HEADS = {
    "ForMaskedLM": "fill-mask",
    "ForPreTraining": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "Model": "text-embedding",
}
"""The end of an architecture's name -> the task of its head."""
LARGEST = {
    "vocab_size": 2_000_000,
    "hidden_size": 16_384,
    "num_hidden_layers": 256,
    "num_attention_heads": 256,
    "intermediate_size": 131_072,
    "max_position_embeddings": 1_000_000,
    "type_vocab_size": 1_000,
    "num_labels": 200_000,
}
MOST_PARAMETERS = 4_000_000_000
LARGEST_HEADER = 25 << 20
UNLIMITED = 10**9  # a `model_max_length` above this means no limit
PROBLEMS = {
    None: "",
    "single_label_classification": "single",
    "multi_label_classification": "multi",
    "regression": "regression",
}
ACTIVATIONS = {"Identity": "regression", "Sigmoid": "multi"}
"""Activations of the single score of a cross-encoder -> the problem type."""
HARMLESS = {
    "is_decoder": False,
    "add_cross_attention": False,
    "pruned_heads": {},
    "tie_encoder_decoder": False,
    "position_embedding_type": "absolute",
    "quantization_config": None,
    "auto_map": None,
    "cross_attention_hidden_size": None,
    "is_encoder_decoder": False,
}
"""Options that change the numbers, and the only value that is supported."""


def refuse(repo: Values, supported: Mapping[str, Any]) -> None:
    """UsageError for an option that would change the numbers and is not supported.

    Keys that are not named here have no effect on the numbers in the reference either.
    """
    for key, value in supported.items():
        if repo.get(key, value) not in (value, None):
            reason = f"{repo.get(key)!r} is not supported"
            if key == "auto_map":
                reason = "the repository has its own code"
            raise UsageError(f"{repo.path}: {key}: {reason}; take a checkpoint that has {value!r}.")


def size(repo: Values, key: str, *, limit: str = "", default: int | None = None) -> int:
    """A size from the config.

    Raises:
        BundleError: it is missing, not a whole number, or too large.
    """
    value = repo.get(key, default)
    largest = LARGEST[limit or key]
    if value is None:
        raise BundleError(f"{repo.path} lacks {key!r}; it is damaged, fetch it again.")
    if not is_integer(value, 0, largest):
        raise BundleError(
            f"{repo.path}: {key} is {str(value)[:40]}, but must be a whole number of at most "
            f"{largest:,}."
        )
    return value


def number(repo: Values, key: str, default: float, *, maximum: float = 1.0) -> float:
    """A number of 0 to `maximum` from the config; `default` if it is missing or null. BundleError
    for others.
    """
    value = repo.get(key)
    value = default if value is None else value
    if not is_number(value, 0, maximum):
        raise BundleError(
            f"{repo.path}: {key} is {str(value)[:40]}, but must be a number of 0 to {maximum:g}."
        )
    return float(value)


def head_of(repo: Repository) -> str:
    """The task of the repository's head, or the requested one if the head can do it.

    Every encoder can embed texts; anything else needs its head.

    Raises:
        UsageError: the checkpoint has no head for the task.
    """
    folder, task = repo.folder, repo.task
    names = repo.get("architectures") or []
    tasks = [
        HEADS[match[0]]
        for name in names
        if isinstance(name, str)
        and (match := re.search("|".join(f"{end}$" for end in HEADS), name))
    ]
    if repo.get("classifier_pooling") not in (
        None,
        "cls",
    ):  # of a head that the reference does not have
        tasks = ["text-classification"]
    if names and not tasks:
        raise UsageError(f"{repo.path}: the architecture {names[0]!r} is not supported.")
    if task is None:
        sentences = (folder / "modules.json").is_file()
        return "text-embedding" if sentences or not tasks else tasks[0]
    if task in (*tasks, "text-embedding"):
        return task
    if task not in HEADS.values():
        raise UsageError(
            f"{folder} is a {repo.get('model_type')} model, which does not support {task}."
        )
    if names:
        raise UsageError(
            f"{folder} has no head for {task}: it is a {names[0]}. Fine-tune it for that "
            "(`ws.finetune`), or take a checkpoint that was."
        )
    return task  # the config does not say; the weights will


def labels_of(repo: Repository) -> tuple[Label, ...]:
    """The classes of a head; their ids are their names.

    Raises:
        BundleError: they are not counted from 0 up.
    """
    return tuple(Label(index, name, name) for index, name in enumerate(class_names(repo)))


def problem_of(repo: Values, labels: int) -> str:
    """`"single"`, `"multi"` or `"regression"`: how logits become scores.

    One class without a `problem_type` is one that may apply or not, as in the reference's pipeline;
    of a cross-encoder, its activation decides: raw scores, or probabilities.

    Raises:
        UsageError: the problem or the activation is not supported.
    """
    problem = repo.get("problem_type")
    if problem not in PROBLEMS:
        raise UsageError(f"{repo.path}: problem_type {problem!r} is not supported.")
    if problem is None and labels == 1 and (activation := _activation(repo)):
        if activation not in ACTIVATIONS:
            raise UsageError(
                f"{repo.path}: the activation {activation!r} of scores is not supported; supported are "
                f"{', '.join(ACTIVATIONS)}."
            )
        return ACTIVATIONS[activation]
    return PROBLEMS[problem] or ("multi" if labels == 1 else "single")


def problem_type(entry: Entry) -> str | None:
    """The `problem_type` of `config.json` for a bundle that classifies texts."""
    problem = entry.processing.get("problem", "single")
    return next(name for name, short in PROBLEMS.items() if short == problem)


def _activation(repo: Values) -> str:
    """The class of a cross-encoder's activation, as sentence-transformers writes it; or ""."""
    nested = repo.get("sentence_transformers")
    activation = nested.get("activation_fn") if isinstance(nested, Mapping) else None
    activation = activation or repo.get("sbert_ce_default_activation_function")
    return str(activation).rpartition(".")[2] if activation else ""


def max_length(folder: Path, positions: int) -> int:
    """The maximum number of tokens of a text: the lowest limit of the position embeddings and of
    the configs of the tokenizer, sentence-transformers and KerasHub.

    Raises:
        UsageError: KerasHub's preprocessor truncates pairs in a way that is not supported.
    """
    limits = [positions]
    if (path := folder / keras_hub.PREPROCESSOR).is_file():
        limits += keras_hub.preset_limits(read_json(path), path)
    for name, key in (
        ("tokenizer_config.json", "model_max_length"),
        ("sentence_bert_config.json", "max_seq_length"),
    ):
        if (folder / name).is_file():
            value = read_json(folder / name).get(key)
            if is_number(value) and 2 < value < UNLIMITED:
                limits.append(int(value))
    return min(limits)


def mentions(folder: Path, name: str) -> bool:
    """Whether an array whose name ends so is in the repository's weights: by the headers of its
    safetensors files, or if it has none, in what else there is.
    """
    if not any(folder.glob("*.safetensors")):
        return _has_array(folder, name)
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if f'{name}"'.encode() in file.read(min(length, LARGEST_HEADER)):
                return True
    return False


def _has_array(folder: Path, name: str) -> bool:
    try:
        with open_checkpoint(folder) as checkpoint:
            return any(array.endswith(name) for array in checkpoint.names())
    except CheckpointError:
        return False  # the error comes where the weights are needed
