"""`ws.pick`: ranks pretrained models for labelled data, without fine-tuning.

Each candidate's features of the training photos are computed once (`finetune` uses them from the
cache) and evaluated by a cross-validated linear classifier, as in the first phase of fine-tuning,
and by LogME.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, Union

import numpy as np

from warmstart import catalog, hub
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.core.types import Data
from warmstart.counts import counted
from warmstart.engines import choose
from warmstart.errors import UsageError, WarmstartError, documented_in
from warmstart.hub.progress import Progress
from warmstart.image.classification import ImageClassifier
from warmstart.image.train import data as labelled
from warmstart.image.train.features import photo_features
from warmstart.image.train.transferability import FOLDS, logme, probe, stratified_folds

MOST = 2000  # photos; more hardly improve the estimate
FAR = 0.65
FEW = 30  # photos that a mean confidence needs

CandidateSource: TypeAlias = Union[str, Path, "tuple[str, str]", Model[Any, Any, Any]]
"""A name or folder of a model, one with a checkpoint, or a model."""
Compiling = Callable[[Model[Any, Any, Any]], contextlib.AbstractContextManager[Any]]


@dataclass(frozen=True)
class Candidate:
    """The evaluation of a model.

    Attributes:
        name: of the model.
        weights: its checkpoint, as text; None for its own.
        accuracy: of a linear classifier on its features, cross-validated, 0 to 1; for several
            labels per example, the fraction of correct single decisions.
        error: the standard error of that accuracy.
        loss: the negative log likelihood of the same predictions, lower is better; it decides
            between equal accuracies.
        logme: the LogME score; higher is better, only comparable within a ranking.
        milliseconds: of the engine, for one photo.
        megabytes: of the compiled program.
        parameters: of the network.
        input: (height, width) of the network's input in pixels.
        familiarity: the mean confidence of the model on this data (for the best of its own
            classes), divided by its published accuracy, which a calibrated model's confidence
            equals on data like its training data. About 1 on such data. None without a published
            accuracy, or with fewer than 30 photos.
    """

    name: str
    weights: str | None
    accuracy: float
    error: float
    loss: float
    logme: float
    milliseconds: float
    megabytes: float
    parameters: int
    input: tuple[int, int]
    familiarity: float | None

    @property
    def far(self) -> bool:
        """Whether the familiarity is below 0.65, as for data that differs from the training data."""
        return self.familiarity is not None and self.familiarity < FAR

    def to_dict(self) -> dict[str, Any]:
        return {
            **{
                key: round(value, 6) if isinstance(value, float) else value
                for key, value in vars(self).items()
            },
            "input": list(self.input),
            "far": self.far,
        }


@dataclass(frozen=True)
class Ranking:
    """The candidates, best first; `len`, indexing and iteration are over `candidates`.

    Attributes:
        candidates: the models that were evaluated.
        photos: the number of photos that were used.
        classes: names of the data's classes.
        majority: the accuracy of always predicting the most frequent class.
        failed: the errors of the other candidates, by name.
        warnings: sentences about the data and the result.
    """

    candidates: tuple[Candidate, ...]
    photos: int
    classes: tuple[str, ...]
    majority: float
    failed: dict[str, str]
    warnings: tuple[str, ...]

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, index: int) -> Candidate:
        return self.candidates[index]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The table and the warnings."""
        classes = counted(len(self.classes), "class", "classes")
        yield f"{counted(self.photos, 'photo')}, {classes}; always the most frequent one: {self.majority:.1%}"
        yield ""
        names = [
            c.name if c.weights is None else f"{c.name} ({Path(c.weights).name})" for c in self
        ]
        width = max(len(name) for name in ("model", *names))
        yield f"{'model':<{width}}  {'accuracy':>14}  {'LogME':>7}  {'ms':>6}  {'MB':>6}  {'input':>9}  familiarity"
        for name, c in zip(names, self, strict=True):
            familiarity = "" if c.familiarity is None else f"{c.familiarity:.2f}{' (far)' * c.far}"
            size = f"{c.input[1]}x{c.input[0]}"
            yield (
                f"{name:<{width}}  {c.accuracy:>6.1%} ± {c.error:>5.1%}  {c.logme:>7.3f}  {c.milliseconds:>6.2f}  "
                f"{c.megabytes:>6.1f}  {size:>9}  {familiarity}"
            ).rstrip()
        if self.warnings:
            yield ""
            yield from (f"warning: {text}" for text in self.warnings)

    def to_dict(self) -> dict[str, Any]:
        return {
            "photos": self.photos,
            "classes": list(self.classes),
            "majority": round(self.majority, 6),
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "failed": self.failed,
            "warnings": list(self.warnings),
        }


@documented_in("picking.md")
def pick(
    data: Data,
    *,
    candidates: Iterable[CandidateSource] | None = None,
    task: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    compiling: Compiling = contextlib.nullcontext,
) -> Ranking:
    """Rank pretrained models for labelled data.

    Only the training split is used, so that the validation split stays unseen; if it has more than
    2,000 photos, a stratified sample of it.

    Args:
        data: as for `finetune`: a folder of class folders, a table of paths and labels, a list of
            pairs, a `tf.data.Dataset`.
        candidates: names of the catalogue, folders of bundles, (name, weights) pairs, or models.
            Default: every image classifier whose weights are in the cache or in the package.
        task: `"image-classification"`, also by default.
        seed: of the folds.
        progress: called with (name of a model, photos so far, total).
        compiling: called with each model; returns a context manager that is entered while the model
            is compiled, to show that.

    Returns:
        The candidates, best first, with their cross-validated accuracy and cost.

    Raises:
        UsageError: the data cannot be used, there are no candidates, or none can be evaluated.

    Example:
        >>> ws.pick("classes", candidates=["efficientnet_lite0"]).best.name
        'efficientnet_lite0'
    """
    if task not in (None, ImageClassifier.task):
        raise UsageError(f"pick ranks models for {ImageClassifier.task}, not for {task!r}.")
    sources = list(candidates) if candidates is not None else default_candidates()
    if not sources:
        raise UsageError("There are no candidates: fetch some with `warmstart pull`, or pass them.")
    dataset = labelled.read(data, seed=seed)
    train = dataset.train
    targets = (
        train.targets
        if dataset.multi_label
        else np.eye(len(dataset.classes), dtype=np.float32)[train.targets]
    )
    digests = list(train.digests)
    rows = np.arange(len(train))
    if len(train) > MOST:
        rows = np.flatnonzero(stratified_folds(targets, digests, -(-len(train) // MOST), seed) == 0)
    if len({digests[row] for row in rows}) < 2 * FOLDS:
        photos = counted(len(rows), "training photo")
        raise UsageError(f"{dataset.name} has {photos}; ranking needs {2 * FOLDS} or more.")
    sample = _Sample(train.subset(rows), targets[rows], dataset.multi_label, seed)
    evaluated: list[Candidate] = []
    failed: dict[str, str] = {}
    for source in sources:
        try:
            evaluated.append(_evaluate(source, sample, progress, compiling))
        except WarmstartError as error:
            failed[_name_of(source)] = str(error)
    if not evaluated:
        raise UsageError(
            "No candidate is usable: "
            + "; ".join(f"{name}: {error}" for name, error in failed.items())
        )
    evaluated.sort(key=lambda c: (-c.accuracy, c.loss, c.name))
    majority = _majority(sample.targets, dataset.multi_label)
    return Ranking(
        tuple(evaluated),
        len(sample.targets),
        dataset.classes,
        majority,
        failed,
        (*dataset.warnings, *sample.problems, *_warnings(evaluated, majority)),
    )


def default_candidates() -> list[str]:
    """The image classifiers whose weights are in the package or in the cache."""
    return [
        entry.name
        for entry in catalog.search(task=ImageClassifier.task)
        if "top" in entry.weights and _is_local(entry.weights["top"].source)
    ]


def _is_local(source: str) -> bool:
    return source.startswith("embedded:") or hub.is_cached(source)


def _name_of(candidate: Any) -> str:
    if isinstance(candidate, Model):
        return candidate.name
    return (
        " with ".join(map(str, candidate))
        if isinstance(candidate, tuple | list)
        else str(candidate)
    )


@dataclass
class _Sample:
    """The photos for evaluation, without those that an earlier candidate could not read."""

    examples: labelled.Examples
    targets: np.ndarray
    multi_label: bool
    seed: int
    problems: tuple[str, ...] = ()

    def leave_out(self, failed: Mapping[int, Exception]) -> None:
        if failed:
            good = [index for index in range(len(self.examples)) if index not in failed]
            self.examples, self.targets = self.examples.subset(good), self.targets[good]
            self.problems += tuple(f"left out: {error}" for error in failed.values())


def _evaluate(
    candidate: Any, sample: _Sample, progress: Progress | None, compiling: Compiling
) -> Candidate:
    weights = None
    if isinstance(candidate, Model):
        model = candidate
    elif isinstance(candidate, tuple | list):
        name, weights = candidate
        model = load(name, weights=weights)
        weights = "random" if weights is None else weights
    else:
        model = load(candidate)
    if not isinstance(model, ImageClassifier):
        raise UsageError(
            f"{model.name} is a model for {model.entry.task}, not {ImageClassifier.task}."
        )
    with compiling(model):
        engine = model.engine
    features = photo_features(model, sample.examples.inputs, progress=progress)
    usable = [index for index in range(len(sample.examples)) if index not in features.failed]
    vectors, confidence = features.vectors[usable, 0], features.confidence[usable, 0]
    sample.leave_out(features.failed)
    folds = stratified_folds(sample.targets, list(sample.examples.digests), seed=sample.seed)
    score = probe(vectors, sample.targets, folds, multi_label=sample.multi_label)
    (milliseconds,) = choose.measure([engine], rounds=2)
    height, width = model.preprocessing.size
    return Candidate(
        name=model.name,
        weights=None if weights is None else str(weights),
        accuracy=score.accuracy,
        error=score.error,
        loss=score.loss,
        logme=logme(vectors, sample.targets),
        milliseconds=milliseconds,
        megabytes=model.artifact.size_on(engine.name) / 1e6,
        parameters=model.entry.parameters,
        input=(height, width),
        familiarity=_familiarity(model, confidence),
    )


def _familiarity(model: ImageClassifier, confidence: np.ndarray) -> float | None:
    """The mean confidence divided by the published accuracy. Guillory et al., "Predicting with
    Confidence on Unseen Distributions" (2021), arXiv:2107.03315, predict accuracy from their
    difference.
    """
    published = [metric.value for metric in model.entry.metrics if metric.name == "top1"]
    if not published or not model.weights.published or len(confidence) < FEW:
        return None
    return float(confidence.mean() / published[0])


def _majority(targets: np.ndarray, multi_label: bool) -> float:
    if multi_label:
        return float(((targets.mean(0) > 0.5) == targets).mean())
    return float(targets.mean(0).max())


def _warnings(evaluated: Sequence[Candidate], majority: float) -> Iterator[str]:
    if evaluated[0].accuracy <= majority + 2 * evaluated[0].error:
        yield (
            "no candidate's features separate the classes better than always predicting the "
            "most frequent one: the labels may be wrong, or the photos too few"
        )
    comparable = [candidate for candidate in evaluated if candidate.familiarity is not None]
    if comparable and all(candidate.far for candidate in comparable):
        yield (
            "this data differs from the training data of every candidate (their confidence is below "
            f"{FAR:.0%} of their published accuracy): expect less from frozen features, and train more "
            "layers"
        )
