"""Text classification: text or pair -> tokens -> engine -> scores -> `Classification`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from warmstart.core.ranking import best
from warmstart.core.results import Classification, Failed, Prediction
from warmstart.errors import UsageError
from warmstart.text import data as text_data
from warmstart.text.encoder import Row, TextTask, sigmoid, softmax
from warmstart.text.inputs import Pair, shown
from warmstart.text.tokenizer import Encoded


class TextClassifier(TextTask):
    """Tells of what kind a text, or a pair of texts, is.

    Example:
        >>> model = ws.load("sst2_bert_tiny")
        >>> model("what a film").label
        'positive'
    """

    task = "text-classification"
    pairs = True

    @property
    def problem(self) -> str:
        """`"single"`: one class applies, scores add up to 1; `"multi"`: each applies or not; `"regression"`: values."""
        return str(self.entry.processing.get("problem", "single"))

    def __call__(self, inputs: Any, *, top_k: int = 5, batch_size: int | None = None, **options: Any) -> Any:
        """Classify texts.

        Args:
            inputs: a text (str or UTF-8 bytes), or a pair of texts as a tuple; a list or generator of them; a path
                object of a file with one text a line.
            top_k: how many classes a result holds, best first; at most all of them.
            batch_size: texts per call of the engine where there are several; does not change results.

        Returns:
            One `Classification`; a list of them for a list; an iterator for a generator or file. In a list or iterator
            an unusable text is a `Failed` in its place. For regression the scores are the values themselves.

        Raises:
            InputError: the one text is unusable.
            UsageError: an option is wrong.
        """
        if options:
            raise UsageError(f"TextClassifier takes no option {next(iter(options))!r}.")
        if top_k < 1:
            raise UsageError(f"top_k must be 1 or more, not {top_k}.")

        def result(text: str | Pair, windows: Sequence[Encoded], rows: Sequence[Row]) -> Classification:
            scores = self.scores(rows[0]["logits"])
            places = best(scores, top_k)
            return Classification(shown(text), self.name, tuple(
                Prediction(int(i), self.labels[i].id, self.labels[i].name, float(scores[i])) for i in places))

        return self._results(inputs, batch_size, result)

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Logits (…, L) as what results show: probabilities, or values for regression."""
        return {"single": softmax, "multi": sigmoid}.get(self.problem, np.asarray)(logits)

    def evaluate(self, data: Any, *, batch_size: int | None = None,
                 progress: Callable[[str, int, int | None], None] | None = None) -> dict[str, Any]:
        """How good the model is on labelled texts.

        Args:
            data: the path of a TSV, CSV or JSONL file, or (text, label) pairs; see `text.data.examples`. A label
                is an id or name of `labels`, or an index; for regression a number.
            batch_size: texts per call of the engine; does not change results.
            progress: called with (name of the model, texts so far, texts in all).

        Returns:
            `accuracy` and `f1` (macro; both 0 to 1; of several labels a text: `accuracy` counts the texts with all of
            them right), for regression `pearson` and `mse`; `count`; `errors`: what is wrong with the others.

        Raises:
            UsageError: no texts, or a label that the model does not have.
        """
        examples = text_data.examples(data)
        truth = [self._truth(example) for example in examples]
        found: list[tuple[np.ndarray, np.ndarray]] = []
        errors: list[str] = []
        texts = (example.text for example in examples)
        for done, (want, row) in enumerate(zip(truth, self._answers(texts, batch_size), strict=True), 1):
            if isinstance(row, Failed):
                errors.append(str(row.error))
            else:
                found.append((want, self.scores(row[2][0]["logits"])))
            if progress:
                progress(self.name, done, len(examples))
        if not found:
            raise UsageError(f"No text could be judged; the first error: {errors[0]}")
        wants, scores = map(np.stack, zip(*found, strict=True))
        return {**self.metrics(wants, scores), "count": len(found), "errors": errors}

    def metrics(self, wants: np.ndarray, scores: np.ndarray) -> dict[str, float]:
        """Metrics of scores (N, L) against the truth (N, L): 0 or 1, or values for regression."""
        if self.problem == "regression":
            flat, want = scores.ravel(), wants.ravel()
            alike = np.corrcoef(flat, want)[0, 1] if flat.std() and want.std() else 0.0
            return {"pearson": float(alike), "mse": float(np.mean((flat - want) ** 2))}
        if self.problem == "single":
            said = np.eye(scores.shape[1])[scores.argmax(axis=1)]
        else:
            said = (scores >= 0.5).astype(float)
        both, given, asked = (said * wants).sum(0), said.sum(0), wants.sum(0)
        seen = (given + asked) > 0
        f1 = np.mean(2 * both[seen] / (given + asked)[seen]) if seen.any() else 0.0
        return {"accuracy": float(np.mean((said == wants).all(axis=1))), "f1": float(f1)}

    def _truth(self, example: text_data.Example) -> np.ndarray:
        if self.problem == "regression":
            try:
                return np.array([float(label) for label in example.labels])
            except ValueError:
                raise UsageError(f"{example.name}: the label {example.labels[0]!r} is no number.") from None
        want = np.zeros(len(self.labels))
        for label in example.labels:
            want[self._index(label, example.name)] = 1
        return want

    def _index(self, label: str, name: str) -> int:
        for known in self.labels:
            if label in (known.id, known.name):
                return known.index
        if label.isdecimal() and int(label) < len(self.labels):
            return int(label)
        raise UsageError(f"{name}: {self.name} has no class {label!r}; it has "
                         f"{', '.join(known.name for known in self.labels[:10])}.")
