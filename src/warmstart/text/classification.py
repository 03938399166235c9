"""Text classification: text or pair → tokens → engine → scores → `Classification`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Label
from warmstart.core import records
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.metrics.classification import per_class
from warmstart.core.model import Prepared
from warmstart.core.options import BatchOptions, ColumnOptions, Option, takes
from warmstart.core.probabilities import sigmoid, softmax
from warmstart.core.records.classes import ClassIndex
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.engines.agreement import Measure, Rule
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.text import data as text_data
from warmstart.text.data import EvaluateTextsOptions
from warmstart.text.encoder import TextModel, Windows
from warmstart.text.inputs import PAIR, Pair, PairInput
from warmstart.text.results import TextClassification


@dataclass(frozen=True, kw_only=True)
class ClassifyTextOptions(BatchOptions, ColumnOptions):
    """Options of text classification."""

    top_k: Annotated[
        int, Option("Number of classes in a result, best first.", ge=1, short="-k")
    ] = 5
    candidate_labels: Annotated[
        Sequence[str],
        Option("Your own class names, for zero-shot classification with an entailment model."),
    ] = ()
    hypothesis_template: Annotated[
        str, Option("Hypothesis that a text entails if a class applies; {} stands for the class.")
    ] = "This example is {}."
    multi_label: Annotated[
        bool, Option("Whether several of the candidate labels may apply to a text.")
    ] = False

    def __post_init__(self) -> None:
        if "{}" not in self.hypothesis_template:
            raise UsageError(
                f"hypothesis_template must have {{}} where the class comes, "
                f"not {self.hypothesis_template!r}."
            )


ZERO_SHOT = ("candidate_labels", "hypothesis_template", "multi_label")
"""Options of models of entailment."""


THRESHOLD = 0.5
"""Score from which one of several classes applies."""


class TextClassifier(TextModel[PairInput, TextClassification, ClassifyTextOptions]):
    """Classifies texts, or pairs of texts.

    Example:
        >>> model = ws.load("sst2_bert_tiny")
        >>> [result.label for result in model(["a delight", "a waste of time"])]
        ['positive', 'negative']
        >>> model.problem, model.max_length
        ('single', 128)
        >>> model.tokenize("a delight").ids
        array([   2,   43, 7876,    3], dtype=int32)
    """

    task = "text-classification"
    class_output = "logits"
    options = ClassifyTextOptions
    evaluate_options = EvaluateTextsOptions
    result = TextClassification

    @cached_property
    def class_index(self) -> ClassIndex:
        """The entry of `labels` that a label of the data refers to."""
        return ClassIndex(self.labels, self.name)

    @property
    def problem(self) -> str:
        """`"single"`: one class applies, scores add up to 1; `"multi"`: each applies or not;
        `"regression"`: values.
        """
        return str(self.entry.processing.get("problem", "single"))

    @property
    def agreement_rule(self) -> Rule:
        measures: dict[str, Measure] = {"multi": "labels", "regression": "values"}
        measure = measures.get(self.problem, "classes")
        return Rule("values" if len(self.labels) == 1 else measure, ("logits",))

    @overload
    @takes(ClassifyTextOptions)
    def __call__(self, text: PairInput, options: ClassifyTextOptions) -> TextClassification: ...
    @overload
    @takes(ClassifyTextOptions)
    def __call__(
        self, text: Several[PairInput], options: ClassifyTextOptions
    ) -> Results[TextClassification | Failed]: ...
    @takes(ClassifyTextOptions)
    def __call__(self, text: Any, options: ClassifyTextOptions) -> Any:
        """Classify a text (str or UTF-8 bytes) or a pair of texts, or a list of them.

        A model of entailment (NLI) classifies by `candidate_labels`, too, without training: each
        becomes a hypothesis, and its score is how much the text entails it.

        Returns:
            One `TextClassification`; for a list a list, in which an unusable text is a `Failed` at its
            index. For regression the scores are the values themselves.

        Raises:
            InputError: the one text is unusable.
            UsageError: an option is wrong, or `text` stands for many texts and is not a list.
        """
        return self.predict(text, options)

    @takes(ClassifyTextOptions)
    def stream(
        self, texts: Iterable[PairInput] | os.PathLike[str], options: ClassifyTextOptions
    ) -> ResultStream[TextClassification | Failed]:
        """Classify the texts of an iterator, a column, or the `Path` of a file with one per line, in
        constant memory.

        Returns:
            An iterator with a `TextClassification` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of texts.
        """
        return self.predict_stream(texts, options)

    @cached_property
    def entailment(self) -> int | None:
        """The index of the class that says that one text entails another; None if there is none."""
        names = [label.name.lower() for label in self.labels]
        return next((n for n, name in enumerate(names) if name.startswith("entail")), None)

    @property
    def option_names(self) -> tuple[str, ...]:
        names = super().option_names
        return (
            names if self.entailment is not None else tuple(n for n in names if n not in ZERO_SHOT)
        )

    def sequences(
        self, text: str | Pair, name: str, options: ClassifyTextOptions
    ) -> Sequence[str | Pair]:
        if not options.candidate_labels:
            return [text]
        if isinstance(text, Pair):
            reason = "is a pair of texts; candidate_labels are for single texts"
            raise InputError(f"{name}: {reason}", name)
        template = options.hypothesis_template
        return [Pair(text, template.replace("{}", label)) for label in options.candidate_labels]

    def decode(
        self, prepared: Prepared, outputs: Any, options: ClassifyTextOptions
    ) -> TextClassification:
        if options.candidate_labels:
            labels = [Label(n, name, name) for n, name in enumerate(options.candidate_labels)]
            scores = self._entailed(np.stack([row["logits"] for row in outputs]), options)
        else:
            labels, scores = list(self.labels), self.scores(outputs[0]["logits"])
        windows: Windows = prepared.context
        best = TextClassification.of(windows.input, self.name, scores, labels, options.top_k)
        return replace(best, truncated=True) if windows.truncated else best

    def _entailed(
        self, logits: NDArray[np.float32], options: ClassifyTextOptions
    ) -> NDArray[np.float64]:
        """(N,) scores of candidate labels from the logits (N, L) of their hypotheses.

        Source: Yin, Hay, Roth, "Benchmarking Zero-shot Text Classification" (2019), section 4.
        """
        assert self.entailment is not None
        if options.multi_label or len(logits) == 1:
            opposite = (
                -1 if self.entailment == 0 else 0
            )  # contradiction, which is usually at the other end
            shares: NDArray[np.float64] = softmax(logits[:, [opposite, self.entailment]])[:, 1]
            return shares
        return softmax(logits[:, self.entailment])

    def scores(self, logits: NDArray[np.float32]) -> NDArray[Any]:
        """Logits (…, L) as what results show: probabilities, or values for regression."""
        functions = {"single": softmax, "multi": sigmoid}
        return functions.get(self.problem, np.asarray)(logits)

    @takes(EvaluateTextsOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluateTextsOptions) -> Evaluation:
        """Measure the model on labelled texts.

        Args:
            data: the path of a TSV, CSV or JSONL file, or (text, label) pairs; see
                `text.data.examples`. A label is an id or name of `labels`, or an index; for
                regression a number.
            options: how a table is read, and texts per call of the engine.

        Returns:
            `accuracy` and `f1` (macro; both 0 to 1; with several labels per text, `accuracy` counts
            the texts whose labels are all correct) and `per_class` (`precision`, `recall`, `f1` and
            `count` by name), for regression `pearson` and `mse`; `count`; `errors`: the messages
            on the other texts.

        Raises:
            UsageError: no texts, or a label that the model does not have.
        """
        errors: list[str] = []
        several = self.problem == "multi"
        reading = {**options.reading(), "model_classes": [label.name for label in self.labels]}
        examples = records.evaluation_split(
            text_data.examples(data, multi_label=several, problems=errors, **reading)
        )
        truth = [self._truth(example) for example in examples]

        def decode(prepared: Prepared, outputs: Any, options: Any) -> NDArray[Any]:
            return self.scores(outputs[0]["logits"])

        call = ClassifyTextOptions(batch_size=options.batch_size)
        items = PAIR.stream(example.text for example in examples)
        answers = self.run(items, call, (self.compute, decode))
        pairs = list(records.usable_results(self.name, truth, answers, errors, options.progress))
        if not pairs:
            raise UsageError(f"No text could be evaluated; the first error: {errors[0]}")
        targets, all_scores = map(np.stack, zip(*pairs, strict=True))
        figures: dict[str, Any] = self.metrics(targets, all_scores)
        if self.problem != "regression":
            names = [label.name for label in self.labels]
            decisions = self.decisions(all_scores).astype(bool)
            figures["per_class"] = per_class(decisions, targets.astype(bool), names)
        return Evaluation.of(self, {**figures, "count": len(pairs), "errors": errors})

    def decisions(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """1 for the classes that scores (N, L) predict, else 0."""
        if self.problem != "single":
            return (scores >= THRESHOLD).astype(np.float64)
        decisions: NDArray[np.float64] = np.eye(scores.shape[1])[scores.argmax(axis=1)]
        return decisions

    def metrics(self, targets: NDArray[Any], scores: NDArray[Any]) -> dict[str, float]:
        """Metrics of scores (N, L) against the truth (N, L): 0 or 1, or values for regression."""
        if self.problem == "regression":
            predicted, expected = scores.ravel(), targets.ravel()
            varies = predicted.std() and expected.std()
            pearson = np.corrcoef(predicted, expected)[0, 1] if varies else 0.0
            return {
                "pearson": float(pearson),
                "mse": float(np.mean((predicted - expected) ** 2)),
            }
        decisions = self.decisions(scores)
        correct = (decisions * targets).sum(0)
        total = decisions.sum(0) + targets.sum(0)
        occurs = total > 0
        f1 = np.mean(2 * correct[occurs] / total[occurs]) if occurs.any() else 0.0
        accuracy = np.mean((decisions == targets).all(axis=1))
        return {"accuracy": float(accuracy), "f1": float(f1)}

    def _truth(self, example: text_data.Example) -> NDArray[Any]:
        if self.problem == "regression":
            try:
                return np.array([float(label) for label in example.labels])
            except ValueError:
                label = example.labels[0]
                raise UsageError(f"{example.name}: the label {label!r} is not a number.") from None
        if self.problem == "single" and len(example.labels) != 1:
            count = len(example.labels) or "no"
            raise UsageError(
                f"{example.name} has {count} labels, but {self.name} predicts one per text."
            )
        target = np.zeros(len(self.labels))
        for label in example.labels:
            target[self.class_index(label, example.name)] = 1
        return target
