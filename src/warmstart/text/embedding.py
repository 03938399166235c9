"""Text embedding: text → tokens → engine → pooled vector → `Embedding`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.core import records
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item
from warmstart.core.model import Prepared
from warmstart.core.options import BatchOptions, ColumnOptions, Option, takes
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.engines.agreement import Rule
from warmstart.errors import BundleError, UsageError, documented_in
from warmstart.text import data as text_data
from warmstart.text.data import EvaluateTextsOptions
from warmstart.text.dense import Dense, module_files
from warmstart.text.encoder import TextModel, Windows
from warmstart.text.inputs import Pair, Text
from warmstart.text.results import Embedding


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(BatchOptions, ColumnOptions):
    """Options of text embedding.

    Raises:
        UsageError: two of them exclude each other.
    """

    prompt_name: Annotated[
        str | None,
        Option(
            "Name of a prompt of the checkpoint, which is put before each text; default: its "
            "default prompt."
        ),
    ] = None
    prompt: Annotated[
        str | None, Option("Text to put before each text, such as an instruction.")
    ] = None

    def __post_init__(self) -> None:
        if self.prompt is not None and self.prompt_name is not None:
            raise UsageError("prompt and prompt_name exclude each other.")


class TextEmbedder(TextModel[Text, Embedding, EmbedOptions]):
    """Turns texts into vectors; the angle between two of them shows how similar the texts are.

    Example:
        >>> model = ws.load("sentence-model")  # such as "all_minilm_l6_v2"
        >>> a, b = model(["a cat sat on the mat", "there is a cat"])
        >>> a.vector.shape == b.vector.shape
        True
        >>> round(float(model.similarity("a cat", "a cat")), 3)
        1.0
        >>> model.prompts
        mappingproxy({})
    """

    task = "text-embedding"
    options = EmbedOptions
    evaluate_options = EvaluateTextsOptions
    result = Embedding

    @property
    def prompts(self) -> Mapping[str, str]:
        """The prompts of the checkpoint by name."""
        return MappingProxyType(dict(self.entry.processing.get("prompts", {})))

    @property
    def agreement_rule(self) -> Rule:
        return Rule("vectors", ("features",))

    @property
    def option_names(self) -> tuple[str, ...]:
        return tuple(n for n in super().option_names if n != "prompt_name" or self.prompts)

    @property
    def option_examples(self) -> Mapping[str, Sequence[Any]]:
        return {"prompt_name": tuple(self.prompts)} if self.prompts else {}

    @overload
    @takes(EmbedOptions)
    def __call__(self, text: Text, options: EmbedOptions) -> Embedding: ...
    @overload
    @takes(EmbedOptions)
    def __call__(
        self, text: Several[Text], options: EmbedOptions
    ) -> Results[Embedding | Failed]: ...
    @takes(EmbedOptions)
    def __call__(self, text: Any, options: EmbedOptions) -> Any:
        """Embed a text (str or UTF-8 bytes), or a list of texts.

        Vectors are pooled, projected and normalised as the checkpoint's `modules.json` says;
        default: the mean of the tokens, not normalised.

        Returns:
            One `Embedding`; for a list a list, in which an unusable text is a `Failed` at its
            index.

        Raises:
            InputError: the one text is unusable.
            UsageError: an option is wrong, or `text` stands for many texts and is not a list.
        """
        return self.predict(text, options)

    @takes(EmbedOptions)
    def stream(
        self, texts: Iterable[Text] | os.PathLike[str], options: EmbedOptions
    ) -> ResultStream[Embedding | Failed]:
        """Embed the texts of an iterator, a column, or the `Path` of a file with one per line, in
        constant memory.

        Returns:
            An iterator with an `Embedding` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of texts.
        """
        return self.predict_stream(texts, options)

    @takes(EmbedOptions)
    def features(self, texts: Text | Several[Text], options: EmbedOptions) -> NDArray[np.float32]:
        """The vectors of texts, as a call gives them.

        Args:
            texts: one, or a list of them.

        Returns:
            float32 (D,) for one text, (N, D) for a list.

        Raises:
            InputError: a text is unusable.
        """
        return self.predict_features(texts, options)

    def query_features(self, queries: Several[Any]) -> NDArray[np.float32]:
        return self.features(queries, prompt_name=query_prompt(self.prompts))

    def corpus_vectors(self, items: Iterable[Item]) -> Iterator[NDArray[np.float32] | Failed]:
        options = EmbedOptions(prompt_name=document_prompt(self.prompts))
        return self.run(items, options, (self.compute_features, self.vector))

    def check_options(self, options: EmbedOptions) -> None:
        super().check_options(options)
        if options.prompt_name is not None and options.prompt_name not in self.prompts:
            raise UsageError(
                f"{self.name} has no prompt {options.prompt_name!r}; it has: "
                f"{', '.join(self.prompts)}."
            )

    def sequences(self, text: str | Pair, name: str, options: EmbedOptions) -> Sequence[str]:
        assert isinstance(text, str)
        return [self.prompt_of(options) + text]

    def prompt_of(self, options: EmbedOptions) -> str:
        """The prompt before each text."""
        if options.prompt is not None:
            return options.prompt
        name = options.prompt_name or self.entry.processing.get("prompt_name")
        return self.prompts[name] if name else ""

    def vector(
        self, prepared: Prepared, outputs: Any, options: EmbedOptions
    ) -> NDArray[np.float32]:
        vector = super().vector(prepared, outputs, options)
        for layer in self._dense:
            vector = layer(vector)
        return vector.copy()  # the batch can be freed

    def decode(self, prepared: Prepared, outputs: Any, options: EmbedOptions) -> Embedding:
        windows: Windows = prepared.context
        vector = self.vector(prepared, outputs, options)
        return Embedding(windows.input, self.name, vector, windows.truncated)

    @property
    def feature_size(self) -> int:
        if self._dense:
            return self._dense[-1].size
        modes = str(self.entry.processing.get("pooling", "mean")).split("+")
        return len(modes) * int(self.entry.config["hidden_size"])

    @cached_property
    def _dense(self) -> Sequence[Dense]:
        layers = self.entry.processing.get("dense", ())
        if layers and self.folder is None:
            raise BundleError(f"{self.name} has no folder with its Dense modules.")
        return [Dense.open(self.folder / layer["file"], layer) for layer in layers if self.folder]

    def files(self) -> Mapping[str, Path | bytes]:
        """The tokenizer, `config.json`, and the files of sentence-transformers."""
        return {**super().files(), **module_files(self.folder)}

    def export(
        self, path: str | Path, format: str | None = None, *, integer_io: bool = False
    ) -> Path:
        if self._dense:
            raise UsageError(
                f"{self.name} has Dense modules after its network, which an export would "
                "lack; use its bundle."
            )
        return super().export(path, format, integer_io=integer_io)

    @takes(EvaluateTextsOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluateTextsOptions) -> Evaluation:
        """The correlation of the cosine similarity of two texts with labelled scores.

        Args:
            data: ((text, text), score) pairs.
            options: how a table is read, and texts per call of the engine.

        Returns:
            `spearman` and `pearson` (-1 to 1), `count`, `errors`.

        Raises:
            UsageError: there are fewer than two pairs.
        """
        examples = records.evaluation_split(
            text_data.examples(data, multi_label=False, **options.reading())
        )
        pairs = [example.text for example in examples if isinstance(example.text, Pair)]
        if len(examples) < 2 or len(pairs) < len(examples):
            raise UsageError("Embeddings are evaluated on two or more ((text, text), score) pairs.")
        truth = np.array([float(example.labels[0]) for example in examples])
        first = self.features([pair.text for pair in pairs], batch_size=options.batch_size)
        second = self.features([pair.pair for pair in pairs], batch_size=options.batch_size)
        lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        cosine = (first * second).sum(1) / np.maximum(lengths, 1e-12)
        if callable(options.progress):
            options.progress(self.name, len(examples), len(examples))
        metrics = {
            "spearman": float(np.corrcoef(_ranks(cosine), _ranks(truth))[0, 1]),
            "pearson": float(np.corrcoef(cosine, truth)[0, 1]),
            "count": len(examples),
            "errors": [],
        }
        return Evaluation.of(self, metrics)


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks of values, equal ones sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((ends - counts + ends - 1) / 2)[inverse]
    return ranks


def query_prompt(prompts: Mapping[str, str]) -> str | None:
    """The name of the prompt for queries; None if the checkpoint has none."""
    return "query" if "query" in prompts else None


def document_prompt(prompts: Mapping[str, str]) -> str | None:
    """The name of the prompt for the texts of a corpus; None if the checkpoint has none."""
    return next((n for n in ("document", "passage", "corpus") if n in prompts), None)
