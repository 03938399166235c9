"""`ws.pick`: which pretrained model suits this data, before any training.

Every candidate's features of the training photos are computed once (they stay in the cache, where
`finetune` finds them again), and judged by a cross-validated linear classifier, which is also what
the first phase of fine-tuning gets, and by LogME.
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
from warmstart.engines import choose
from warmstart.errors import UsageError, WarmstartError, documented_in
from warmstart.hub.progress import Progress
from warmstart.image.classification import ImageClassifier
from warmstart.image.train import data as labelled
from warmstart.image.train.features import photo_features
from warmstart.image.train.transferability import FOLDS, logme, probe, stratified_folds

MOST = 2000  # photos: more make the estimate little better
FAR = 0.65
FEW = 30  # photos of which a mean confidence says something

CandidateSource: TypeAlias = Union[str, Path, "tuple[str, str]", Model[Any, Any, Any]]
"""A name or folder of a model, one with a checkpoint, or a model."""
Compiling = Callable[[Model[Any, Any, Any]], contextlib.AbstractContextManager[Any]]


@dataclass(frozen=True)
class Candidate:
    """One model's prospects.

    Attributes:
        name: of the model.
        weights: its checkpoint, as text; None for its own.
        accuracy: of a linear classifier on its features, cross-validated, 0 to 1; for several
            labels an example, the share of single decisions that are right.
        error: standard error of that accuracy.
        loss: negative log likelihood of the same answers, lower is better; it decides between equal
            accuracies.
        logme: the LogME score; higher is better, comparable within one ranking only.
        milliseconds: of the engine, for one photo.
        megabytes: of the compiled program.
        parameters: how many numbers it has.
        input: (height, width) of the photos it sees, in pixels.
        familiarity: its mean confidence on this data (of the best of its own classes), relative to
            the accuracy that is published for it, which is what a calibrated model's confidence is
            on the data it was trained for. About 1 on such data. None without a published accuracy,
            or with fewer than 30 photos.
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
        """Whether the familiarity is below 0.65: the model was trained on other data."""
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
    """Candidates, the most promising first; `len`, indexing and iteration are over `candidates`.

    Attributes:
        candidates: what was judged.
        photos: how many photos were used.
        classes: names of the data's classes.
        majority: what always answering the most frequent class gets right.
        failed: why each other candidate could not be judged, by name.
        warnings: what the user should know, in sentences.
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
        """The table, the warnings, and what to do next."""
        yield f"{self.photos:,} photos, {len(self.classes)} classes; always the most frequent one: {self.majority:.1%}"
        yield ""
        names = [
            c.name if c.weights is None else f"{c.name} ({Path(c.weights).name})" for c in self
        ]
        width = max(len(name) for name in ("model", *names))
        yield f"{'model':<{width}}  {'accuracy':>14}  {'LogME':>7}  {'ms':>6}  {'MB':>6}  {'input':>9}  familiarity"
        for name, c in zip(names, self, strict=True):
            known = (
                "" if c.familiarity is None else f"{c.familiarity:.2f}{' (far)' if c.far else ''}"
            )
            size = f"{c.input[1]}x{c.input[0]}"
            yield (
                f"{name:<{width}}  {c.accuracy:>6.1%} ± {c.error:>5.1%}  {c.logme:>7.3f}  {c.milliseconds:>6.2f}  "
                f"{c.megabytes:>6.1f}  {size:>9}  {known}"
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
    tried = list(candidates) if candidates is not None else default_candidates()
    if not tried:
        raise UsageError("There are no candidates: fetch some with `warmstart pull`, or pass them.")
    dataset = labelled.read(data, seed=seed)
    part = dataset.train
    targets = (
        part.targets
        if dataset.multi_label
        else np.eye(len(dataset.classes), dtype=np.float32)[part.targets]
    )
    digests = list(part.digests)
    rows = np.arange(len(part))
    if len(part) > MOST:
        rows = np.flatnonzero(stratified_folds(targets, digests, -(-len(part) // MOST), seed) == 0)
    if len({digests[row] for row in rows}) < 2 * FOLDS:
        raise UsageError(
            f"{dataset.name} has {len(rows)} training photos; ranking needs {2 * FOLDS} or more."
        )
    chosen = _Chosen(part.subset(rows), targets[rows], dataset.multi_label, seed)
    judged: list[Candidate] = []
    failed: dict[str, str] = {}
    for candidate in tried:
        try:
            judged.append(_judge(candidate, chosen, progress, compiling))
        except WarmstartError as error:
            failed[_named(candidate)] = str(error)
    if not judged:
        raise UsageError(
            "No candidate is usable: " + "; ".join(f"{n}: {why}" for n, why in failed.items())
        )
    judged.sort(key=lambda c: (-c.accuracy, c.loss, c.name))
    majority = _majority(chosen.targets, dataset.multi_label)
    return Ranking(
        tuple(judged),
        len(chosen.targets),
        dataset.classes,
        majority,
        failed,
        (*dataset.warnings, *chosen.problems, *_warnings(judged, majority)),
    )


def default_candidates() -> list[str]:
    """Image classifiers whose weights are here: in the package, or in the cache."""
    return [
        entry.name
        for entry in catalog.search(task=ImageClassifier.task)
        if "top" in entry.weights and _is_here(entry.weights["top"].source)
    ]


def _is_here(source: str) -> bool:
    return source.startswith("embedded:") or hub.is_cached(source)


def _named(candidate: Any) -> str:
    if isinstance(candidate, Model):
        return candidate.name
    return (
        " with ".join(map(str, candidate))
        if isinstance(candidate, tuple | list)
        else str(candidate)
    )


@dataclass
class _Chosen:
    """The photos that all candidates are judged on; those that one could not read are left out for
    the later ones.
    """

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


def _judge(
    candidate: Any, chosen: _Chosen, progress: Progress | None, compiling: Compiling
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
    features = photo_features(model, chosen.examples.inputs, progress=progress)
    usable = [index for index in range(len(chosen.examples)) if index not in features.failed]
    vectors, confidence = features.vectors[usable, 0], features.confidence[usable, 0]
    chosen.leave_out(features.failed)
    folds = stratified_folds(chosen.targets, list(chosen.examples.digests), seed=chosen.seed)
    score = probe(vectors, chosen.targets, folds, multi_label=chosen.multi_label)
    (milliseconds,) = choose.measure([engine], rounds=2)
    height, width = model.preprocessing.size
    return Candidate(
        name=model.name,
        weights=None if weights is None else str(weights),
        accuracy=score.accuracy,
        error=score.error,
        loss=score.loss,
        logme=logme(vectors, chosen.targets),
        milliseconds=milliseconds,
        megabytes=model.artifact.size_on(engine.name) / 1e6,
        parameters=model.entry.parameters,
        input=(height, width),
        familiarity=_familiarity(model, confidence),
    )


def _familiarity(model: ImageClassifier, confidence: np.ndarray) -> float | None:
    """Mean confidence over published accuracy; the difference of the two is what Guillory et al.,
    "Predicting with Confidence on Unseen Distributions" (2021), arXiv:2107.03315, tell a drop of
    the accuracy from."""
    published = [metric.value for metric in model.entry.metrics if metric.name == "top1"]
    if not published or not model.weights.published or len(confidence) < FEW:
        return None
    return float(confidence.mean() / published[0])


def _majority(targets: np.ndarray, multi_label: bool) -> float:
    if multi_label:
        return float(((targets.mean(0) > 0.5) == targets).mean())
    return float(targets.mean(0).max())


def _warnings(judged: Sequence[Candidate], majority: float) -> Iterator[str]:
    if judged[0].accuracy <= majority + 2 * judged[0].error:
        yield (
            "no candidate's features separate the classes better than always predicting the "
            "most frequent one: the labels may be wrong, or the photos too few"
        )
    known = [candidate for candidate in judged if candidate.familiarity is not None]
    if known and all(candidate.far for candidate in known):
        yield (
            "this data looks far from what every candidate was trained on (their confidence is below "
            f"{FAR:.0%} of their accuracy there): expect less from frozen features, and train more layers"
        )
