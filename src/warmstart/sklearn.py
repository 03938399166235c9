"""Models as estimators of scikit-learn: for pipelines, cross-validation and grid searches.

    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    import warmstart as ws

    make_pipeline(ws.sklearn.Features("efficientnet_lite0"), LogisticRegression()).fit(photos, labels)
    ws.sklearn.Classifier("sst2_bert_tiny", epochs=3).fit(texts, labels).predict(more_texts)

Inputs are what the model takes, such as texts, or paths or arrays of photos, in a list, an array or
a column. Importing this module needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.core.result_collections import Results
from warmstart.core.results import Classification, Failed
from warmstart.errors import UsageError, require
from warmstart.training import finetune

require("sklearn", extra="sklearn", purpose="for ws.sklearn")

from sklearn.base import (  # noqa: E402 (after the error that says how to install it)
    BaseEstimator,
    ClassifierMixin,
    TransformerMixin,
)
from sklearn.utils.multiclass import check_classification_targets, unique_labels  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

    AnyModel = Model[Any, Any, Any]

__all__ = ["Classifier", "Features"]

OPEN_MODELS = 4
"""Maximum number of models opened by name that stay in memory."""


class _Estimator(BaseEstimator):
    """The base of both estimators: inputs are not numbers, and models are shared, not copied."""

    def __sklearn_clone__(self) -> Self:
        return type(self)(**self.get_params(deep=False))  # a model is shared, not copied

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def __getstate__(self) -> Any:
        """Pickle models as the name or folder that they can be loaded from."""
        state: Mapping[str, Any] = super().__getstate__()
        return {
            key: source_of(value) if isinstance(value, Model) else value
            for key, value in state.items()
        }


class Features(TransformerMixin, _Estimator):
    """Turns inputs into the features of a pretrained model, float32 (N, D); nothing is trained.

    Args:
        model: an argument of `ws.load`, or a model that it returned.
        batch_size: inputs per call of the engine; default: the model's own.
    """

    def __init__(
        self,
        model: str | PathLike[str] | AnyModel = "efficientnet_lite0",
        *,
        batch_size: int | None = None,
    ):
        self.model = model
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check that the model has features.

        Raises:
            UsageError: it has none.
        """
        self._model.feature_size  # noqa: B018 (raises if there are none)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The features of inputs: float32 (N, D).

        Raises:
            InputError: an input is unusable.
        """
        inputs = inputs_of(X)
        features: Any = getattr(self._model, "features", None)
        if features is None:
            raise UsageError(f"{self._model.name} has no features of inputs.")
        options = {} if self.batch_size is None else {"batch_size": self.batch_size}
        vectors: NDArray[np.float32] = features(inputs, **options)
        return vectors

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns: the name of the model with a number."""
        model = self._model
        return np.array([f"{model.name}_{i}" for i in range(model.feature_size)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def _model(self) -> AnyModel:
        return opened(self.model)


class Classifier(ClassifierMixin, _Estimator):
    """Fine-tunes a pretrained model on inputs and labels.

    Args:
        base: an argument of `ws.finetune`: a name, folder or source, or a model.
        task: the task of the fine-tuned model; default: that of the base.
        epochs, learning_rate, batch_size: as for `ws.finetune`, with its defaults.
        random_state: the seed; default: that of `ws.finetune`.
        options: other options of `ws.finetune`, such as `{"freeze": "backbone", "output":
            "my-model"}`.
        frozen: use a classifier without training: `fit` only checks that it knows the labels.

    Attributes:
        classes_: the labels, sorted.
        model_: the fine-tuned model, which can be saved and served.
    """

    def __init__(
        self,
        base: str | PathLike[str] | AnyModel = "efficientnet_lite0",
        *,
        task: str | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        random_state: int | None = None,
        options: Mapping[str, Any] | None = None,
        frozen: bool = False,
    ):
        self.base = base
        self.task = task
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.random_state = random_state
        self.options = options
        self.frozen = frozen

    def fit(self, X: Any, y: Any) -> Self:
        """Fine-tune the base.

        Args:
            X: inputs.
            y: a label for each input, strings or numbers; two labels with the same text are an
                error.

        Raises:
            UsageError: inputs and labels do not match, or an option is wrong.
        """
        if y is None:
            raise ValueError("Classifier requires y to be passed, but the target y is None.")
        inputs, labels = inputs_of(X), np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        check_classification_targets(labels)
        if labels.ndim != 1 or len(labels) != len(inputs):
            raise UsageError(
                f"There are {len(inputs)} inputs and labels of the shape {labels.shape}; "
                "Classifier takes one label per input."
            )
        classes = unique_labels(labels)
        names = [str(label) for label in classes]
        if len(set(names)) < len(names):
            raise UsageError("Two labels have the same text; pass the labels as strings.")
        if self.frozen:
            self.model_ = opened(self.base, self.task)
        else:
            pairs = [(item, str(label)) for item, label in zip(inputs, labels, strict=True)]
            self.model_ = finetune(self.base, pairs, task=self.task, **self._options())
        if unknown := set(names) - {label.name for label in self.model_.labels}:
            raise UsageError(f"{self.model_.name} does not know the label {min(unknown)!r}.")
        self.classes_ = classes
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each input, of the dtype of `y`."""
        probabilities = self.predict_proba(X)
        predicted: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return predicted

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probabilities of `classes_`: float64 (N, classes). They sum to less than 1 if a
        frozen model has more classes.

        Raises:
            InputError: an input is unusable.
        """
        check_is_fitted(self)
        model: Any = opened(self.model_, self.task)
        results: Results[Classification | Failed] = model(
            inputs_of(X), top_k=max(len(model.labels), 1)
        )
        columns = {str(label): index for index, label in enumerate(self.classes_)}
        probabilities = np.zeros((len(results), len(columns)))
        for row, result in zip(probabilities, results, strict=True):
            if isinstance(result, Failed):
                raise result.error
            for prediction in result:
                if prediction.label in columns:
                    row[columns[prediction.label]] = prediction.score
        return probabilities

    def _options(self) -> dict[str, Any]:
        own = {
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "seed": self.random_state,
        }
        named = {name: value for name, value in own.items() if value is not None}
        if twice := named.keys() & (self.options or {}).keys():
            raise UsageError(f"The option {min(twice)} is set twice.")
        return {"verbose": False, **named, **(self.options or {})}


def opened(model: str | PathLike[str] | AnyModel, task: str | None = None) -> AnyModel:
    """The model itself, or the one loaded from a name, folder or source; raises what `ws.load`
    raises.
    """
    return model if isinstance(model, Model) else _loaded(str(model), task)


@lru_cache(OPEN_MODELS)
def _loaded(name: str, task: str | None) -> AnyModel:
    return load(name, task=task)


def source_of(model: AnyModel) -> str:
    """The folder or name that a model can be loaded from in another process."""
    return model.name if model.folder is None else str(model.folder.absolute())


def inputs_of(X: Any) -> list[Any]:
    """The inputs in a list, an array or a column.

    Raises:
        UsageError: it is one input, or has several columns.
    """
    if isinstance(X, str | bytes | PathLike) or not isinstance(X, Iterable):
        raise UsageError(
            "X must be a list, array or column of inputs; put a single input into a list."
        )
    columns = getattr(X, "columns", None)
    if columns is not None:  # a table
        if len(columns) != 1:
            raise UsageError(
                f"X has {len(columns)} columns; pass the one with the inputs, such as X['text']."
            )
        table: Any = X
        return list(table[columns[0]])
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.char in "OUS":
        if X.shape[1] != 1:
            raise UsageError(f"X has {X.shape[1]} columns; pass the one with the inputs.")
        X = X[:, 0]
    return [str(item) if isinstance(item, np.str_) else item for item in X]
