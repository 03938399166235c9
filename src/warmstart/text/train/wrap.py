"""Wrap a user's model of token ids as a text classifier or embedder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar

from warmstart.catalog import Label
from warmstart.core.options import Option
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.text.encoder import INPUTS
from warmstart.text.tokenizer import Tokenizer
from warmstart.training.types import TextSplitter
from warmstart.training.wrap.classes import chosen_activation, class_labels
from warmstart.training.wrap.wrapper import LabelOptions, WrapOptions, Wrapper

if TYPE_CHECKING:
    import keras

    from warmstart.training.wrap.opened_model import OpenedModel

NAMES = {
    "input_ids": "input_ids",
    "token_ids": "input_ids",
    "attention_mask": "attention_mask",
    "padding_mask": "attention_mask",
    "token_type_ids": "token_type_ids",
    "segment_ids": "token_type_ids",
}
"""Names that inputs have in the models of others -> those of here."""
DEFAULT_LENGTH = 512
PUNCTUATION = r"""[!"#$%&()\*\+,-\.\/:;<=>?@\[\\\]^_`{|}~\']"""
"""The punctuation that `TextVectorization` strips."""
SPACES = r"[ \t\n\v\f\r]+"
UNKNOWN = "[UNK]"


@dataclass(frozen=True, kw_only=True)
class TokenOptions(WrapOptions):
    """How texts become token ids."""

    tokenizer: Annotated[
        TextSplitter,
        Option(
            "Folder of the tokenizer (tokenizer.json or vocab.txt); in Python also a "
            "TextVectorization layer. Not needed if the model begins with one."
        ),
    ] = None
    max_length: Annotated[
        int | None,
        Option("Maximum number of tokens of a text, if the model accepts any. Default: 512.", ge=1),
    ] = None


@dataclass(frozen=True, kw_only=True)
class WrapTextOptions(TokenOptions, LabelOptions):
    """Options of wrapping a text classifier."""


@dataclass(frozen=True, kw_only=True)
class WrapEmbedderOptions(TokenOptions):
    """Options of wrapping a text embedder."""

    pooling: Annotated[
        Literal["mean", "cls", "max"] | None,
        Option(
            "Pooling of the token states into one vector. Required if the model returns "
            "token states."
        ),
    ] = None
    normalize: Annotated[bool, Option("Whether vectors are scaled to length 1.")] = False


TokensT = TypeVar("TokensT", bound=TokenOptions)


class TextWrapper(Wrapper[TokensT], Generic[TokensT]):
    """Decides how texts become token ids; subclasses decide what the outputs mean."""

    def __init__(self, opened: OpenedModel, options: TokensT):
        vectorization = leading_vectorization(opened.model)
        if vectorization is not None:
            if options.tokenizer is not None:
                raise UsageError(
                    f"The model begins with {vectorization.name!r}, which tokenizes texts; "
                    "leave out tokenizer."
                )
            opened = opened.with_model(_after(opened.model, vectorization))
        self.vectorization = vectorization
        super().__init__(opened, options)
        layer = options.tokenizer
        if vectorization is None and type(layer).__name__ == "TextVectorization":
            self.vectorization = layer

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the folder that was named.

        Raises:
            UsageError: none was.
        """
        folder = self.options.tokenizer
        if not isinstance(folder, str | os.PathLike):
            raise UsageError(
                "A model of texts needs the tokenizer that it was trained with: tokenizer= the "
                "folder of a tokenizer.json or vocab.txt, or its TextVectorization layer."
            )
        return Tokenizer.open(Path(folder).expanduser())

    @cached_property
    def vocabulary_size(self) -> int:
        if self.vectorization is not None:
            return int(self.vectorization.vocabulary_size())
        return self.tokenizer.size

    @cached_property
    def pad_id(self) -> int:
        return 0 if self.vectorization is not None else self.tokenizer.special_id("pad") or 0

    @cached_property
    def lengths(self) -> tuple[int | None, int]:
        """(tokens that every text is padded to, None if it is not; tokens at most)."""
        fixed = self.opened.model.inputs[0].shape[1]
        if self.vectorization is not None:
            own = self.vectorization.get_config()["output_sequence_length"]
            fixed = fixed if own is None else own
        length = self.options.max_length
        if fixed is None:
            return None, length or DEFAULT_LENGTH
        if length not in (None, fixed):
            raise UsageError(
                f"The model takes texts of {counted(fixed, 'token')}, not max_length={length}; leave max_length out."
            )
        return int(fixed), int(fixed)

    def config(self) -> dict[str, Any]:
        self._check_embedding()
        length = self.lengths[0]
        return {
            "names": self._names(),
            "vocab_size": self.vocabulary_size,
            "pad_token_id": self.pad_id,
            **({"length": length} if length else {}),
        }

    def processing(self) -> dict[str, Any]:
        return {"max_length": self.lengths[1]}

    def files(self) -> Mapping[str, Path | bytes]:
        if self.vectorization is not None:
            return {"tokenizer.json": tokenizer_json(self.vectorization)}
        return self.tokenizer.files()

    def _names(self) -> list[str]:
        """The role of each input of the model."""
        inputs = self.opened.model.inputs
        for tensor in inputs:
            if len(tensor.shape) != 2 or str(tensor.dtype) == "string":
                raise UsageError(
                    f"A model of texts takes token ids (None, tokens); this model takes "
                    f"{tensor.dtype} {tuple(tensor.shape)}. Wrap it for the task 'tensors'."
                )
        own = [tensor._keras_history.operation.name for tensor in inputs]
        if len(inputs) == 1:
            return [INPUTS[0]]
        names = [NAMES.get(name, "") for name in own]
        if "" in names or len(set(names)) < len(names):
            raise UsageError(
                f"The inputs {', '.join(own)} are ambiguous; call them {', '.join(INPUTS)}."
            )
        return names

    def _check_embedding(self) -> None:
        """Refuse a tokenizer with more tokens than the model has embeddings."""
        import keras

        rows = [
            layer.input_dim
            for layer in self.opened.model._flatten_layers()
            if isinstance(layer, keras.layers.Embedding)
        ]
        if rows and self.vocabulary_size > max(rows):
            raise UsageError(
                f"The tokenizer has {self.vocabulary_size:,} tokens, but the model has "
                f"{max(rows):,} embeddings; they do not belong to the same model."
            )


class TextClassifierWrapper(TextWrapper[WrapTextOptions]):
    """Decides how outputs become logits."""

    task = "text-classification"
    options_class: ClassVar = WrapTextOptions

    @cached_property
    def chosen(self) -> tuple[str, int, bool]:
        """(activation, classes, whether several may apply)."""
        return chosen_activation(self.opened.model, self.options)

    def config(self) -> dict[str, Any]:
        activation, classes, several = self.chosen
        own = {"activation": activation, "classes": classes, "multi_label": several}
        return {**super().config(), **own}

    def processing(self) -> dict[str, Any]:
        return {"problem": "multi" if self.chosen[2] else "single", **super().processing()}

    def labels(self) -> tuple[Label, ...]:
        return class_labels(self.options.labels, self.chosen[1])


class TextEmbedderWrapper(TextWrapper[WrapEmbedderOptions]):
    """Decides how outputs become one vector."""

    task = "text-embedding"
    options_class: ClassVar = WrapEmbedderOptions

    def config(self) -> dict[str, Any]:
        outputs = self.opened.model.outputs
        shape = tuple(outputs[0].shape)
        if len(outputs) != 1 or len(shape) not in (2, 3) or not isinstance(shape[-1], int):
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in outputs)
            raise UsageError(
                "A text embedder must have one output: a vector (None, D), or a state for "
                f"each token (None, tokens, D). The outputs of this model are {shapes}."
            )
        pooling = self.options.pooling
        if len(shape) == 3 and pooling is None:
            raise UsageError(
                "The model returns a state for each token; choose how to combine them: "
                "pooling='mean', 'cls' or 'max'."
            )
        if len(shape) == 2 and pooling is not None:
            raise UsageError("The model already returns one vector per text; leave pooling out.")
        own = {"pooling": pooling or "none", "normalize": self.options.normalize}
        return {**super().config(), **own, "hidden_size": shape[-1]}


def leading_vectorization(model: keras.Model) -> Any:
    """The `TextVectorization` that a model of one text begins with; None if it does not."""
    import keras

    if len(model.inputs) != 1 or str(model.inputs[0].dtype) != "string":
        return None
    for layer in model.layers:
        if isinstance(layer, keras.layers.TextVectorization):
            return layer
    raise UsageError(
        "The model takes texts, but no TextVectorization tokenizes them. Wrap the part of "
        "the model that takes token ids, with tokenizer=."
    )


def _after(model: keras.Model, layer: Any) -> keras.Model:
    """The part of a model after its `TextVectorization`."""
    import keras

    part = keras.Model(layer.output, model.outputs, name=model.name)
    whole: keras.Model = keras.models.clone_model(part)  # a graph of its own
    whole.set_weights(part.get_weights())
    return whole


def tokenizer_json(layer: Any) -> bytes:
    """A `TextVectorization` as a `tokenizer.json` that gives the same ids.

    Raises:
        UsageError: it does something that a tokenizer does not.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    config = layer.get_config()
    _check_vectorization(layer, config)
    words: Sequence[str] = layer.get_vocabulary()
    vocabulary = {word: index for index, word in enumerate(words)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    steps: list[Any] = []
    if config["standardize"] in ("lower", "lower_and_strip_punctuation"):
        # TensorFlow lowers ASCII only
        steps += [normalizers.Replace(chr(code), chr(code + 32)) for code in range(65, 91)]
    if config["standardize"] in ("strip_punctuation", "lower_and_strip_punctuation"):
        steps.append(normalizers.Replace(Regex(PUNCTUATION), ""))
    if steps:
        backend.normalizer = normalizers.Sequence(steps)
    pattern = Regex(SPACES) if config["split"] == "whitespace" else Regex(r"(?s:.)")
    behaviour = "removed" if config["split"] == "whitespace" else "isolated"
    backend.pre_tokenizer = pre_tokenizers.Split(pattern, behaviour)
    data: Any = json.loads(backend.to_str())
    return json.dumps(data, ensure_ascii=False).encode()


def _check_vectorization(layer: Any, config: Mapping[str, Any]) -> None:
    reasons = {
        "output_mode": (config["output_mode"] == "int", "does not return token ids"),
        "ngrams": (config["ngrams"] is None, "makes n-grams"),
        "standardize": (
            config["standardize"]
            in (None, "lower", "strip_punctuation", "lower_and_strip_punctuation"),
            "changes texts with a custom function",
        ),
        "split": (
            config["split"] in ("whitespace", "character"),
            "splits texts with a custom function",
        ),
    }
    for key, (is_usual, reason) in reasons.items():
        if not is_usual:
            raise UsageError(
                f"The layer {layer.name!r} cannot become a tokenizer: with {key}={config[key]!r} it "
                f"{reason}. Save a tokenizer.json of your own, and wrap the part of the model that "
                "takes token ids."
            )
    if len(layer.get_vocabulary()) < 3:
        raise UsageError(f"The layer {layer.name!r} has no vocabulary yet; call its adapt method.")
