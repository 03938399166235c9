"""Configs of the encoders (BERT, DistilBERT, RoBERTa): the network's sizes, and `config.json` read
and written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.layout import Rules
from warmstart.errors import BundleError, UsageError
from warmstart.models import repository
from warmstart.models.checks import Described, Repository
from warmstart.models.text import repository as texts
from warmstart.models.text import sentence_modules

ACTIVATIONS = (
    "gelu",
    "gelu_python",
    "gelu_new",
    "gelu_pytorch_tanh",
    "gelu_fast",
    "relu",
    "silu",
    "swish",
    "tanh",
)
MEAN_OF_FOUR = "mean_of_last_four"
CLASSIFIER_POOLING = ("cls", "mean", MEAN_OF_FOUR)
HEAD = "head."
"""The prefixes of the names of head layers; the pooler belongs to neither head nor body."""
POOLER = "pooler."
HEAD_MODULES: Rules = ((r"^head\.", ""),)
OLD_NAMES: Rules = ((r"\.gamma$", ".weight"), (r"\.beta$", ".bias"))
"""The names in checkpoints that were converted from the first TensorFlow release of BERT."""
SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
SHARED_KEYS = (
    "vocab_size",
    "max_position_embeddings",
    "pad_token_id",
    "initializer_range",
    "tie_word_embeddings",
)
"""Keys that all families write under the same name."""
OWN_KEYS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)
"""Keys that a family may name in its own way."""


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes and options of one encoder and its head, named as in the reference's configs.

    `head` is "base", "fill-mask", "text-classification", "token-classification" or
    "question-answering"; `num_labels` is for the two classification heads, `pooler` for "base".
    `classifier_pooling` is what of a text is classified: its first token ("cls"), as in the
    reference, the mean of its tokens in the last layer ("mean"), or in the last four layers
    ("mean_of_last_four"; Devlin et al. 2018, section 5.3, with frozen features).
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    hidden_act: str = "gelu"
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    classifier_dropout: float = 0.1
    initializer_range: float = 0.02
    tie_word_embeddings: bool = True
    head: str = "base"
    num_labels: int = 2
    pooler: bool = True
    classifier_pooling: str = "cls"

    @classmethod
    def of(cls, config: Self | Mapping[str, Any], family: str) -> Self:
        """From a mapping of its fields.

        Raises:
            UsageError: a key is unknown or missing, or a value is not possible.
        """
        if isinstance(config, cls):
            return config
        values: Any = config
        try:
            result = cls(**values)
        except TypeError as error:
            known = ", ".join(field.name for field in fields(cls))
            raise UsageError(f"{family}: {error}; the keys are {known}") from None
        if result.hidden_act not in ACTIVATIONS:
            raise UsageError(
                f"{family}: hidden_act must be one of {', '.join(ACTIVATIONS)}, not {result.hidden_act!r}"
            )
        if result.classifier_pooling not in CLASSIFIER_POOLING:
            raise UsageError(
                f"{family}: classifier_pooling must be one of {', '.join(CLASSIFIER_POOLING)}, not "
                f"{result.classifier_pooling!r}"
            )
        if result.hidden_size % result.num_attention_heads:
            raise UsageError(
                f"{family}: {_not_divisible(result.hidden_size, result.num_attention_heads)}"
            )
        return result


def is_head(layer: str) -> bool:
    """Whether a layer of this name belongs to the head of a task."""
    return layer.startswith(HEAD)


def is_body(layer: str) -> bool:
    """Whether a layer of this name belongs to the encoder itself, without its pooler."""
    return not layer.startswith((HEAD, POOLER))


def read(
    repo: Repository,
    *,
    architecture: str,
    paper: str,
    sizes: Callable[[Repository], dict[str, Any]],
    first_position: Callable[[Mapping[str, Any]], int] = lambda sizes: 0,
) -> Described:
    """The entry of a repository, and its labels.

    Args:
        repo: with the files of the tokenizer and of sentence-transformers.
        architecture, paper: of the entry.
        sizes: from the repository to the fields of `EncoderConfig`.
        first_position: from the sizes to the position of the first token.

    Raises:
        BundleError: a key is missing, or a value impossible.
        UsageError: an option, or the task, is not supported.
    """
    folder = repo.folder
    texts.refuse(repo, texts.HARMLESS)
    head = texts.head_of(repo)
    built = _checked(sizes(repo), repo)
    has_labels = head in ("text-classification", "token-classification")
    labels = texts.labels_of(repo) if has_labels else ()
    positions = built["max_position_embeddings"] - first_position(built)
    if positions <= 2:
        raise BundleError(
            f"{repo.path}: max_position_embeddings {built['max_position_embeddings']} is too small."
        )
    built["head"] = "base" if head == "text-embedding" else head
    built["pooler"] = head == "text-embedding" and texts.mentions(folder, "pooler.dense.weight")
    if labels:
        built["num_labels"] = len(labels)
    if head == "text-classification" and repo.get("classifier_pooling") is not None:
        built["classifier_pooling"] = repo.get("classifier_pooling")
    processing: dict[str, Any] = {"max_length": texts.max_length(folder, positions)}
    if head == "text-embedding":
        processing |= sentence_modules.read(folder)
    elif head == "text-classification":
        processing["problem"] = texts.problem_of(repo, len(labels))
    count = parameters(built)
    repository.check_parameters(count, folder, texts.MOST_PARAMETERS)
    entry = repository.entry_of(
        repo,
        name=repository.slug(folder),
        task=head,
        family=str(repo.get("model_type")).replace("-", "_"),
        architecture=architecture,
        config=built,
        parameters=count,
        paper=paper,
        processing=processing,
    )
    return entry, labels


def as_task(entry: Entry, task: str) -> Entry | None:
    """The entry with which the same weights do another task; None if they cannot.

    The body of every encoder embeds texts, by the mean of their tokens.
    """
    if task != "text-embedding":
        return None
    config = {**entry.config, "head": "base", "pooler": False}
    return replace(
        entry,
        task=task,
        config=config,
        processing={"max_length": entry.processing["max_length"], **sentence_modules.DEFAULTS},
        labels="",
        metrics=(),
        parameters=parameters(config),
    )


def write(
    entry: Entry,
    labels: tuple[Label, ...],
    *,
    classes: Mapping[str, str],
    renamed: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The `config.json` that `read` reads, for the repository that a saved bundle is.

    Args:
        entry, labels: of the bundle.
        classes: model_type -> what the names of its classes start with.
        renamed: from a key of `OWN_KEYS` to the family's own.
        more: from a further key of the file to a field of `EncoderConfig`.
    """
    model_type = entry.family.replace("_", "-")
    if model_type not in classes:  # the catalogue has families of its own, such as MiniLM
        model_type = entry.architecture
    end = next(end for end, task in texts.HEADS.items() if task == entry.task)
    sizes = entry.config
    config: dict[str, Any] = {
        "architectures": [classes[model_type] + end],
        "model_type": model_type,
        "dtype": "float32",
    }
    config |= {key: sizes[key] for key in SHARED_KEYS}
    config |= {(renamed or {}).get(key, key): sizes[key] for key in OWN_KEYS}
    config |= {key: sizes[name] for key, name in (more or {}).items()}
    if entry.task in ("text-classification", "token-classification"):
        config["id2label"] = {str(label.index): label.name for label in labels}
        config["label2id"] = {label.name: label.index for label in labels}
    if entry.task == "text-classification":
        config["problem_type"] = texts.problem_type(entry)
        if sizes.get("classifier_pooling", "cls") != "cls":
            # The reference has no such head, so that it must read no more than the encoder.
            config["architectures"] = [classes[model_type] + "Model"]
            config["classifier_pooling"] = sizes["classifier_pooling"]
    return config


def parameters(config: Mapping[str, Any]) -> int:
    """The number of parameters of an encoder with its head."""
    width, inner, vocabulary = (
        config["hidden_size"],
        config["intermediate_size"],
        config["vocab_size"],
    )
    rows = vocabulary + config["max_position_embeddings"] + config["type_vocab_size"]
    layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
    body = (rows + 2) * width + config["num_hidden_layers"] * layer
    square = width * width + width
    classes = (width + 1) * config.get("num_labels", 2)
    decoder = vocabulary * (1 if config["tie_word_embeddings"] else width + 1)
    mean = config.get("classifier_pooling", "cls") != "cls"
    heads = {
        "text-classification": classes if mean else square + classes,
        "token-classification": classes,
        "question-answering": 2 * (width + 1),
        "fill-mask": square + 2 * width + decoder,
        "base": square if config["pooler"] else 0,
    }
    return int(body + heads[config["head"]])


def bert_sizes(repo: Repository, *, pad_token_id: int) -> dict[str, Any]:
    """The sizes of a config with BERT's keys; `pad_token_id` is the family's default."""
    dropout = texts.number(repo, "hidden_dropout_prob", 0.1)
    return {
        **{key: texts.size(repo, key) for key in SIZES},
        "type_vocab_size": texts.size(repo, "type_vocab_size", default=2),
        "hidden_act": repo.get("hidden_act", "gelu"),
        "layer_norm_eps": texts.number(repo, "layer_norm_eps", 1e-12),
        "pad_token_id": texts.size(repo, "pad_token_id", limit="vocab_size", default=pad_token_id),
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": texts.number(repo, "attention_probs_dropout_prob", 0.1),
        "classifier_dropout": texts.number(repo, "classifier_dropout", dropout),
    }


BERT_KEYS = {key: key for key in ("type_vocab_size", "layer_norm_eps", "classifier_dropout")}
"""Keys that `write` adds for families with BERT's config."""


def decoder_aliases(module: str, config: EncoderConfig) -> dict[str, str]:
    """Alternative names of the bias of the masked-word decoder: alias -> the name in the layer.

    Files have it at `module.bias`, at `module.decoder.bias`, or at both.
    """
    outer, inner = f"{module}.bias", f"{module}.decoder.bias"
    return {inner: outer} if config.tie_word_embeddings else {outer: inner}


def _checked(sizes: dict[str, Any], repo: Repository) -> dict[str, Any]:
    for key in ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size"):
        if not sizes[key]:
            raise BundleError(f"{repo.path}: {key} must not be 0.")
    if sizes["hidden_size"] % sizes["num_attention_heads"]:
        raise BundleError(
            f"{repo.path}: {_not_divisible(sizes['hidden_size'], sizes['num_attention_heads'])}."
        )
    if sizes["hidden_act"] not in ACTIVATIONS:
        raise UsageError(
            f"{repo.path}: the activation {sizes['hidden_act']!r} is not supported; "
            f"supported are {', '.join(ACTIVATIONS)}."
        )
    return {
        **sizes,
        "initializer_range": texts.number(repo, "initializer_range", 0.02),
        "tie_word_embeddings": repo.get("tie_word_embeddings", True) is not False,
    }


def _not_divisible(width: int, heads: int) -> str:
    return f"hidden_size must be divisible by num_attention_heads, and {width} is not divisible by {heads}"
