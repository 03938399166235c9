"""BERT, DistilBERT, RoBERTa and those with their architecture (XLM-RoBERTa, CamemBERT): configs to entries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.catalog.huggingface import CONFIG, texts
from warmstart.errors import BundleError, UsageError

ACTIVATIONS = ("gelu", "gelu_python", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "silu", "swish", "tanh")
ARCHITECTURES = {"bert": "bert", "distilbert": "distilbert", "roberta": "roberta", "xlm-roberta": "roberta",
                 "camembert": "roberta"}
CLASSES = {"bert": "Bert", "distilbert": "DistilBert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta",
           "camembert": "Camembert"}
PAPERS = {
    "bert": "Devlin, Chang, Lee, Toutanova: BERT: Pre-training of Deep Bidirectional Transformers for Language "
            "Understanding, 2018, arXiv:1810.04805",
    "distilbert": "Sanh, Debut, Chaumond, Wolf: DistilBERT, a distilled version of BERT: smaller, faster, cheaper and "
                  "lighter, 2019, arXiv:1910.01108",
    "roberta": "Liu et al.: RoBERTa: A Robustly Optimized BERT Pretraining Approach, 2019, arXiv:1907.11692",
    "xlm-roberta": "Conneau et al.: Unsupervised Cross-lingual Representation Learning at Scale, 2019, "
                   "arXiv:1911.02116",
    "camembert": "Martin et al.: CamemBERT: a Tasty French Language Model, 2019, arXiv:1911.03894",
}
DISTIL_KEYS = {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads",
               "intermediate_size": "hidden_dim", "hidden_act": "activation", "hidden_dropout_prob": "dropout",
               "attention_probs_dropout_prob": "attention_dropout"}
"""What DistilBERT's configs call the options of BERT's."""


def entry(config: Mapping[str, Any], folder: Path, task: str | None = None) -> tuple[Entry, tuple[Label, ...]]:
    """Read a config.

    Args:
        config: of `config.json`.
        folder: where it lies; the tokenizer's and sentence-transformers' files are looked for there.
        task: what the model shall do; default: what its head is made for.

    Raises:
        BundleError: a key is missing, or a value absurd.
        UsageError: an option, or the task, is not supported.
    """
    path = folder / CONFIG
    kind = str(config["model_type"])
    texts.refuse(config, path, texts.HARMLESS)
    head = texts.head_of(config, folder, task)
    labels = texts.labels_of(config, path) if head in ("text-classification", "token-classification") else ()
    sizes = _distilbert(config, path) if kind == "distilbert" else _bert(config, path)
    roberta = ARCHITECTURES[kind] == "roberta"
    offset = sizes["pad_token_id"] + 1 if roberta else 0
    if sizes["max_position_embeddings"] <= offset + 2:
        raise BundleError(f"{path}: max_position_embeddings {sizes['max_position_embeddings']} leaves no room.")
    sizes["head"] = "base" if head == "text-embedding" else head
    sizes["pooler"] = head == "text-embedding" and texts.mentions(folder, "pooler.dense.weight")
    if labels:
        sizes["num_labels"] = len(labels)
    most = sizes["max_position_embeddings"] - offset
    processing: dict[str, Any] = {"max_length": texts.longest(config, folder, most)}
    if head == "text-embedding":
        processing |= texts.sentence_modules(folder)
    elif head == "text-classification":
        processing["problem"] = texts.problem_of(config, path, len(labels))
    parameters = count(sizes, ARCHITECTURES[kind])
    texts.check_parameters(parameters, folder)
    name = texts.slug(folder)
    return Entry(
        name=name, task=head, family=kind.replace("-", "_"), title=folder.resolve().name,
        architecture=ARCHITECTURES[kind], config=sizes, weights={}, preprocessing=None, labels="",
        licence=str(config.get("license") or "NOASSERTION"), parameters=parameters, gflops=None, min_size=0, metrics=(),
        paper=PAPERS[kind], processing=processing,
    ), labels


def config_of(entry: Entry, labels: tuple[Label, ...]) -> dict[str, Any]:
    """The `config.json` that `entry` reads, for the repository that a saved bundle is."""
    kind = entry.family.replace("_", "-")
    kind = kind if kind in CLASSES else entry.architecture  # the catalogue has families of its own, such as MiniLM
    sizes = dict(entry.config)
    found: dict[str, Any] = {
        "architectures": [CLASSES[kind] + next(end for end, task in texts.HEADS.items() if task == entry.task)],
        "model_type": kind, "dtype": "float32",
    }
    for key in ("vocab_size", "max_position_embeddings", "pad_token_id", "initializer_range", "tie_word_embeddings"):
        found[key] = sizes[key]
    own = DISTIL_KEYS if kind == "distilbert" else {}
    for key in DISTIL_KEYS:
        found[own.get(key, key)] = sizes[key]
    if kind == "distilbert":
        found["seq_classif_dropout"] = sizes["classifier_dropout"]
    else:
        found |= {key: sizes[key] for key in ("type_vocab_size", "layer_norm_eps", "classifier_dropout")}
    if entry.task in ("text-classification", "token-classification"):
        found["id2label"] = {str(label.index): label.name for label in labels}
        found["label2id"] = {label.name: label.index for label in labels}
    if entry.task == "text-classification":
        problem = entry.processing.get("problem", "single")
        found["problem_type"] = next(name for name, short in texts.PROBLEMS.items() if short == problem)
    return found


def count(sizes: Mapping[str, Any], architecture: str) -> int:
    """The number of parameters of an encoder with its head."""
    width, inner, vocabulary = sizes["hidden_size"], sizes["intermediate_size"], sizes["vocab_size"]
    rows = vocabulary + sizes["max_position_embeddings"] + sizes["type_vocab_size"]
    layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
    body = (rows + 2) * width + sizes["num_hidden_layers"] * layer
    square, classes = width * width + width, (width + 1) * sizes.get("num_labels", 2)
    decoder = vocabulary * (1 if sizes["tie_word_embeddings"] else width + 1)
    return body + {"text-classification": square + classes, "token-classification": classes,
                   "question-answering": 2 * (width + 1), "fill-mask": square + 2 * width + decoder,
                   "base": square if sizes["pooler"] else 0}[sizes["head"]]


def _bert(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {key: texts.size(config, key, path) for key in (
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "max_position_embeddings")}
    dropout = texts.number(config, "hidden_dropout_prob", path, 0.1)
    roberta = config["model_type"] != "bert"
    return _checked({
        **found,
        "type_vocab_size": texts.size(config, "type_vocab_size", path, default=2),
        "hidden_act": config.get("hidden_act", "gelu"),
        "layer_norm_eps": texts.number(config, "layer_norm_eps", path, 1e-12),
        "pad_token_id": texts.size(config, "pad_token_id", path, limit="vocab_size", default=1 if roberta else 0),
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": texts.number(config, "attention_probs_dropout_prob", path, 0.1),
        "classifier_dropout": texts.number(config, "classifier_dropout", path, dropout),
    }, config, path)


def _distilbert(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    limits = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    found = {key: texts.size(config, DISTIL_KEYS[key], path, limit=key) for key in limits}
    dropout = texts.number(config, "dropout", path, 0.1)
    return _checked({
        "vocab_size": texts.size(config, "vocab_size", path), **found,
        "max_position_embeddings": texts.size(config, "max_position_embeddings", path, default=512),
        "type_vocab_size": 0,
        "hidden_act": config.get("activation", "gelu"),
        "layer_norm_eps": 1e-12,  # fixed in the reference, whatever a config says
        "pad_token_id": texts.size(config, "pad_token_id", path, limit="vocab_size", default=0),
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": texts.number(config, "attention_dropout", path, 0.1),
        "classifier_dropout": texts.number(config, "seq_classif_dropout", path, 0.2),
    }, config, path)


def _checked(sizes: dict[str, Any], config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    for key in ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size"):
        if not sizes[key]:
            raise BundleError(f"{path}: {key} must not be 0.")
    if sizes["hidden_size"] % sizes["num_attention_heads"]:
        raise BundleError(f"{path}: {sizes['num_attention_heads']} heads cannot share {sizes['hidden_size']} numbers.")
    if sizes["hidden_act"] not in ACTIVATIONS:
        raise UsageError(f"{path}: the activation {sizes['hidden_act']!r} is not supported; supported are "
                         f"{', '.join(ACTIVATIONS)}.")
    tied = config.get("tie_word_embeddings", True)
    return {**sizes, "initializer_range": texts.number(config, "initializer_range", path, 0.02),
            "tie_word_embeddings": tied is not False}
