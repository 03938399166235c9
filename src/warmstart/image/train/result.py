"""The result of fine-tuning an image classifier: metrics, entry, model card and report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core import bundle
from warmstart.core.metrics import calibration
from warmstart.counts import counted
from warmstart.image import decoder
from warmstart.image.train.classification_base import ClassificationBase
from warmstart.training import charts
from warmstart.training.page import Section, class_section
from warmstart.training.report import pictures, table, text
from warmstart.training.trainer import SOURCE

MISTAKES = 15


def figures(trainer: ClassificationBase, split: str) -> dict[str, float]:
    """The metrics of a split: `accuracy`, `calibration_error` before and after, `examples`."""
    targets, several = trainer.truth(split)
    logits = trainer.logits[split]
    if split == "validation":  # cross-fitted, because the temperature is fitted on these examples
        scaled = calibration.cross_fitted(logits, targets, several)
    else:
        scaled = logits / trainer.config["temperature"]
    before, after = (
        calibration.decisions(calibration.probabilities(values, several), targets, several)
        for values in (logits, scaled)
    )
    return {
        "examples": len(targets),
        "accuracy": float(before[1].mean()),
        "calibration_error_before": calibration.calibration_error(*before),
        "calibration_error": calibration.calibration_error(*after),
    }


def lines(trainer: ClassificationBase) -> Iterator[str]:
    """The lines that show the result."""
    several = trainer.dataset.multi_label
    what = "single decisions" if several else "examples"
    for split, figures in trainer.figures.items():
        before, after = figures["calibration_error_before"], figures["calibration_error"]
        yield (
            f"result: {figures['accuracy']:.1%} of the {split} {what} correct (baseline: "
            f"{trainer.dataset.majority:.1%}); calibration error {before:.3f} before, "
            f"{after:.3f} after temperature scaling"
        )


def details(trainer: ClassificationBase) -> dict[str, Any]:
    """Values for `training.json` besides settings and history."""
    dataset = trainer.dataset
    return {
        "figures": trainer.figures,
        "temperature": trainer.config["temperature"],
        "seconds": trainer.seconds,
        "majority": dataset.majority,
        "learned": list(trainer.learned),
        "data": {name: len(split) for name, split in dataset.splits()},
        "problems": dataset.problems,
        "warnings": dataset.warnings,
    }


def entry(trainer: ClassificationBase) -> Entry:
    """The entry of the result."""
    base, dataset = trainer.model.entry, trainer.dataset
    several = dataset.multi_label
    metrics = tuple(
        Metric(
            "accuracy" if several else "top1",
            round(figures["accuracy"], 4),
            f"{dataset.name}, {split} split ({counted(int(figures['examples']), 'example')})",
            SOURCE,
        )
        for split, figures in trainer.figures.items()
    )
    return replace(
        base,
        name=trainer.options.name or f"{base.name.removesuffix('_finetuned')}_finetuned",
        title=f"{base.title.partition(' fine-tuned on ')[0]} fine-tuned on {dataset.name}",
        architecture="transfer",
        config=dict(trainer.config),
        weights={},
        labels="",
        parameters=trainer.network.count_params(),
        metrics=metrics,
        aliases=(),
        processing={**base.processing, **({"multi_label": True} if several else {})},
    )


def card(trainer: ClassificationBase) -> str:
    """The default model card, and a section on the training."""
    data, settings = trainer.dataset, trainer.run.settings
    figures = trainer.figures["validation"]
    counts = {name: data.counts(split) for name, split in data.splits()}
    rows = "\n".join(
        f"| {name} | {' | '.join(str(count[index]) for count in counts.values())} |"
        for index, name in enumerate(data.classes)
    )
    phases = "head only"
    if "network" in trainer.fits:
        phases = f"head, then {counted(len(trainer.learned), 'layer')} of the base"
        share = trainer.fits["network"].share
        if share is not None:
            phases += f"; {average_in_words(share)}"
    return (
        bundle.model_card(trainer.entry, trainer.labels)
        + f"""
## How it was made

Fine-tuned with warmstart from `{trainer.model.name}` ({phases}; BatchNormalization frozen), seed
{settings["seed"]}, label smoothing {settings["recipe"]["label_smoothing"]}. Its probabilities are calibrated with the
temperature {trainer.config["temperature"]:.3f}; the expected calibration error on the validation split is
{figures["calibration_error"]:.3f} (before: {figures["calibration_error_before"]:.3f}).
The validation split was also used to select the best epoch or average, so metrics on new photos may be lower.

| class | {" | ".join(counts)} |
|---|{"--:|" * len(counts)}
{rows}

`{bundle.REPORT}` shows curves, confusion matrix, calibration and mistakes; `{bundle.TRAINING}` has the numbers.
"""
    )


def average_in_words(share: float) -> str:
    """A description of the average of the weights before and after phase 2."""
    return f"an average, {share:.0%} of it from after phase 2"


def tiles(trainer: ClassificationBase) -> list[tuple[str, str]]:
    """The large figures of the report."""
    dataset, figures = trainer.dataset, trainer.figures
    what = "decisions" if dataset.multi_label else "photos"
    error = figures["validation"]["calibration_error"]
    return [
        *(
            (f"{values['accuracy']:.1%}", f"of the {split} {what} correct")
            for split, values in figures.items()
        ),
        (f"{dataset.majority:.1%}", "baseline: always the most frequent class"),
        (f"{error:.3f}", "calibration error (0 is perfect)"),
    ]


def sections(trainer: ClassificationBase) -> list[Section]:
    """The sections of the report: classes, calibration, mistakes, and the recipe."""
    validation = trainer.logits["validation"] / trainer.config["temperature"]
    probabilities = calibration.probabilities(validation, trainer.dataset.multi_label)
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in trainer.seconds.items())
    if "network" in trainer.fits:
        phases = f"Phase 2 trained {counted(len(trainer.learned), 'layer')} of the base."
        share = trainer.fits["network"].share
        if share is not None:
            phases += f" The weights are {average_in_words(share)}."
    else:
        phases = "Only the head was trained; the base is unchanged."
    if trainer.fits["head"].stopped == "solved":
        phases += " The head is a linear layer at its optimum: it has no curve."
    phases += (
        " Training photos are augmented and their labels smoothed, "
        "so the training loss may exceed the validation loss."
    )
    recipe = [[name, str(value)] for name, value in trainer.run.settings["recipe"].items()]
    return [
        _classes(trainer, probabilities),
        _calibration(trainer),
        _mistakes(trainer, probabilities),
        (
            "Recipe",
            text(phases) + table(("option", "value"), recipe) + text(f"Seconds: {seconds}."),
        ),
    ]


def _classes(trainer: ClassificationBase, probabilities: np.ndarray) -> Section:
    truth, several = trainer.truth("validation")
    names = trainer.dataset.classes
    if several:
        return class_section(probabilities > 0.5, truth > 0.5, names)
    identity = np.eye(len(names), dtype=bool)
    return class_section(identity[probabilities.argmax(1)], identity[truth], names)


def _calibration(trainer: ClassificationBase) -> Section:
    targets, several = trainer.truth("validation")
    logits = trainer.logits["validation"]
    series = {
        name: calibration.decisions(calibration.probabilities(values, several), targets, several)
        for name, values in (
            ("before", logits),
            ("after", calibration.cross_fitted(logits, targets, several)),
        )
    }
    figures = trainer.figures["validation"]
    note = (
        "Of the predictions with a confidence of 80 %, 80 % should be correct. Temperature "
        "scaling divides the logits by "
        f"{trainer.config['temperature']:.3f}: the expected calibration error changes from "
        f"{figures['calibration_error_before']:.3f} to {figures['calibration_error']:.3f}, measured on folds to "
        "which the temperature was not fitted. The model returns the calibrated probabilities."
    )
    return "Calibration", text(note) + charts.reliability(series)


def _mistakes(trainer: ClassificationBase, probabilities: np.ndarray) -> Section:
    photos = trainer.dataset.validation.inputs
    truth, several = trainer.truth("validation")
    if several:
        wrong = np.abs((probabilities > 0.5) - truth)
        confidence = (np.abs(probabilities - 0.5) * wrong).max(1)
    else:
        confidence = np.where(probabilities.argmax(1) != truth, probabilities.max(1), 0)
    order = [int(row) for row in np.argsort(-confidence) if confidence[row] > 0]
    if not order:
        return "Mistakes", text("None on the validation split.")
    shown = []
    for row in order[:MISTAKES]:
        photo = photos[row]
        is_path = isinstance(photo, str) or hasattr(photo, "__fspath__")
        name = str(photo).rsplit("/", 1)[-1] if is_path else ""
        words = _in_words(trainer, probabilities[row], truth[row])
        shown.append((decoder.decode(photo, target=(224, 224)), f"{words} {name}"))
    note = f"The most confident {len(shown)} of {len(order)} on the validation split. Often, some are mislabelled."
    return "Mistakes", text(note) + pictures(shown)


def _in_words(trainer: ClassificationBase, scores: np.ndarray, target: Any) -> str:
    classes = trainer.dataset.classes
    if trainer.dataset.multi_label:
        worst = int((np.abs(scores - 0.5) * ((scores > 0.5) != (target > 0.5))).argmax())
        actual = "on it" if target[worst] else "not on it"
        return f"{classes[worst]}: {scores[worst]:.0%}, is {actual}."
    best = int(scores.argmax())
    return f"{classes[best]} {scores[best]:.0%}, but is {classes[int(target)]}."
