"""What an image fine-tuning came to: its figures, model card, report and bundle."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Label, Metric
from warmstart.core import bundle
from warmstart.core.metrics import calibration
from warmstart.core.metrics.classification import per_class
from warmstart.core.model import Model
from warmstart.image import decoder
from warmstart.image.classification import ImageClassifier
from warmstart.image.train.data import Dataset
from warmstart.training import charts, result
from warmstart.training.fit import Fitted
from warmstart.training.report import Report, beside, command_line, pictures, table, text
from warmstart.training.run import Run

MISTAKES = 15
SOURCE = "measured when it was fine-tuned"


@dataclass(frozen=True)
class Outcome:
    """A finished fine-tuning, before it is written.

    Attributes:
        config: of `models.transfer`, with the temperature.
        net: with the weights of the best epoch.
        logits: (N, classes) of validation and test, before the temperature.
        fits: of the phases, by name.
        learned: layers of the base that were trained.
        seconds: what the phases took.
    """

    run: Run
    model: ImageClassifier
    dataset: Dataset
    config: Mapping[str, Any]
    net: keras.Model
    logits: Mapping[str, np.ndarray]
    fits: Mapping[str, Fitted]
    learned: Sequence[str]
    seconds: Mapping[str, float]

    @cached_property
    def figures(self) -> dict[str, dict[str, float]]:
        """Of each part but training: `accuracy`, `calibration_error` before and after, `examples`."""
        return {name: self._figures(name) for name in self.logits}

    def _figures(self, name: str) -> dict[str, float]:
        targets, several = getattr(self.dataset, name).targets, self.dataset.multi_label
        logits = self.logits[name]
        # validation chose the temperature, so there it is judged on folds that did not
        scaled = (calibration.cross_fitted(logits, targets, several) if name == "validation"
                  else logits / self.config["temperature"])
        before = calibration.decisions(calibration.probabilities(logits, several), targets, several)
        after = calibration.decisions(calibration.probabilities(scaled, several), targets, several)
        return {"examples": len(targets), "accuracy": float(before[1].mean()),
                "calibration_error_before": calibration.calibration_error(*before),
                "calibration_error": calibration.calibration_error(*after)}

    @property
    def probabilities(self) -> np.ndarray:
        """What the model returns for the validation part: (N, classes)."""
        return calibration.probabilities(self.logits["validation"] / self.config["temperature"],
                                         self.dataset.multi_label)

    def lines(self) -> Iterator[str]:
        """The result in words."""
        what = "single decisions" if self.dataset.multi_label else "examples"
        for name, told in self.figures.items():
            yield (f"{name}: {told['accuracy']:.1%} of the {what} right (always the usual answer: "
                   f"{self.dataset.majority:.1%}); calibration error {told['calibration_error_before']:.3f} before, "
                   f"{told['calibration_error']:.3f} after temperature scaling")
        yield f"written: {self.run.folder} (the page {bundle.REPORT} shows how good it is)"


def bundled(outcome: Outcome) -> Model:
    """Write the bundle with its report and card; returns the model, loaded from it."""
    labels = [Label(place, name, name) for place, name in enumerate(outcome.dataset.classes)]
    told = {"figures": outcome.figures, "temperature": outcome.config["temperature"], "seconds": outcome.seconds,
            "majority": outcome.dataset.majority, "learned": list(outcome.learned),
            "data": {name: len(part) for name, part in outcome.dataset.parts()},
            "problems": outcome.dataset.problems, "warnings": outcome.dataset.warnings}
    told_entry = entry(outcome)
    return result.finish(outcome.run, outcome.net, told_entry, labels, fits=outcome.fits, report=report(outcome),
                         told=told, card=card(outcome, told_entry, labels))


def entry(outcome: Outcome) -> Entry:
    """What the catalogue would say of the result."""
    base, dataset = outcome.model.entry, outcome.dataset
    name = base.name if base.name.endswith("_finetuned") else f"{base.name}_finetuned"
    metrics = tuple(Metric("accuracy" if dataset.multi_label else "top1", round(told["accuracy"], 4),
                           f"{dataset.name}, {part} part ({told['examples']} examples)", SOURCE)
                    for part, told in outcome.figures.items())
    processing = {**base.processing, **({"multi_label": True} if dataset.multi_label else {})}
    return replace(
        base, name=name, title=f"{_base_title(base)} fine-tuned on {dataset.name}", architecture="transfer",
        config=dict(outcome.config), weights={}, labels="", parameters=outcome.net.count_params(), metrics=metrics,
        aliases=(), processing=processing)


def _base_title(base: Entry) -> str:
    return base.title.partition(" fine-tuned on ")[0]


def card(outcome: Outcome, told: Entry, labels: Sequence[Label]) -> str:
    """The model card: the usual one, and how it was made."""
    data, recipe = outcome.dataset, outcome.run.settings["recipe"]
    figures = outcome.figures["validation"]
    counts = {name: data.counts(part) for name, part in data.parts()}
    rows = "\n".join(f"| {name} | {' | '.join(str(count[place]) for count in counts.values())} |"
                     for place, name in enumerate(data.classes))
    phases = "head only" if "network" not in outcome.fits else f"head, then {len(outcome.learned)} layers of the base"
    return bundle.model_card(told, labels) + f"""
## How it was made

Fine-tuned with warmstart from `{outcome.model.name}` ({phases}; BatchNormalization kept as it was), seed
{outcome.run.settings['seed']}, label smoothing {recipe['label_smoothing']}. Its probabilities are calibrated with the
temperature {outcome.config['temperature']:.3f}; the expected calibration error on the validation part is
{figures['calibration_error']:.3f} (before: {figures['calibration_error_before']:.3f}).
The validation part also chose the best epoch, so figures on photos that nobody has looked at may be lower.

| class | {' | '.join(counts)} |
|---|{'--:|' * len(counts)}
{rows}

`{bundle.REPORT}` shows curves, confusion matrix, calibration and mistakes; `{bundle.TRAINING}` has the numbers.
"""


def report(outcome: Outcome) -> str:
    """The page."""
    data, figures = outcome.dataset, outcome.figures
    names = ", ".join(data.classes[:12]) + (" …" if len(data.classes) > 12 else "")
    page = Report(f"{_base_title(outcome.model.entry)} fine-tuned on {data.name}",
                  f"{len(data.classes)} classes: {names}")
    what = "decisions" if data.multi_label else "photos"
    tiles = [(f"{told['accuracy']:.1%}", f"of the {name} {what} right") for name, told in figures.items()]
    page.tiles([*tiles, (f"{data.majority:.1%}", "by always giving the usual answer"),
                (f"{figures['validation']['calibration_error']:.3f}", "calibration error (0 is perfect)")])
    _data_section(page, outcome)
    _curves(page, outcome)
    _classes(page, outcome)
    _calibration(page, outcome)
    _mistakes(page, outcome)
    recipe = {**outcome.run.settings["recipe"], "seed": outcome.run.settings["seed"],
              "freeze": outcome.run.settings["freeze"], "augment": outcome.run.settings["augment"]}
    rows = [[name, str(value)] for name, value in recipe.items()]
    page.section("Recipe", table(("setting", "value"), rows),
                 text("Seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in outcome.seconds.items()) + "."))
    call = f"ws.finetune({outcome.model.name!r}, {data.name!r}, seed={outcome.run.settings['seed']}, …)"
    return page.render(command_line(call))


def _data_section(page: Report, outcome: Outcome) -> None:
    data = outcome.dataset
    counts = {name: data.counts(part) for name, part in data.parts()}
    rows = [[name, *(int(count[place]) for count in counts.values())] for place, name in enumerate(data.classes)]
    content = [text(warning, warning=True) for warning in data.warnings]
    content.append(table(("class", *counts), rows))
    if data.problems:
        content.append(text(f"{len(data.problems)} could not be used and were left out:"))
        content.append(table(("what is wrong",), [[problem] for problem in data.problems[:50]]))
    page.section("Data", *content)


def _curves(page: Report, outcome: Outcome) -> None:
    blocks = []
    for name, fitted in outcome.fits.items():
        if len(fitted.history) < 2:
            continue
        def curve(key: str, fitted: Fitted = fitted) -> list[tuple[float, float]]:
            return [(r["epoch"], r[key]) for r in fitted.history if key in r]

        for key in ("loss", "accuracy"):
            series = {"training": curve(key), "validation": curve(f"val_{key}")}
            blocks.append(charts.lines(series, x=f"epoch of the {name}", y=key, mark=fitted.best))
    notes = [text("The training photos are varied and their labels smoothed, so their loss may lie above that of "
                  "validation. The dashed line is the epoch that was kept; epoch 0 is what phase 1 gave.")]
    if "network" not in outcome.fits:
        notes = [text("Only the head was trained; the base is as it was.")]
    if outcome.fits["head"].stopped == "solved":
        notes.append(text("The head is a linear layer at its optimum: it has no curve."))
    page.section("Curves", *notes, beside(*blocks) if blocks else "")


def _classes(page: Report, outcome: Outcome) -> None:
    data, classes = outcome.dataset, outcome.dataset.classes
    truth, chances = data.validation.targets, outcome.probabilities
    said = chances > 0.5 if data.multi_label else np.eye(len(classes), dtype=bool)[chances.argmax(1)]
    true = truth > 0.5 if data.multi_label else np.eye(len(classes), dtype=bool)[truth]
    rows = [[name, told["count"], *("–" if math.isnan(told[key]) else f"{told[key]:.1%}"
                                    for key in ("precision", "recall", "f1"))]
            for name, told in per_class(said, true, classes).items()]
    content = [text("Precision: how often the answer is right when it is given. Recall: how many of the class are "
                    "found. F1: their harmonic mean."),
               table(("class", "validation", "precision", "recall", "F1"), rows)]
    if not data.multi_label and len(classes) <= 40:
        counts = np.zeros((len(classes), len(classes)), int)
        np.add.at(counts, (truth, chances.argmax(1)), 1)
        content += [text("Rows are what is on the photo, columns what the model said."), charts.matrix(counts, classes)]
    page.section("Per class", *content)


def _calibration(page: Report, outcome: Outcome) -> None:
    several, targets = outcome.dataset.multi_label, outcome.dataset.validation.targets
    logits = outcome.logits["validation"]
    series = {name: calibration.decisions(calibration.probabilities(x, several), targets, several)
              for name, x in (("before", logits), ("after", calibration.cross_fitted(logits, targets, several)))}
    told = outcome.figures["validation"]
    page.section("Calibration", text(
        f"Of the answers with a confidence of 80 %, 80 % should be right. Temperature scaling divides the logits by "
        f"{outcome.config['temperature']:.3f}: the expected calibration error goes from "
        f"{told['calibration_error_before']:.3f} to {told['calibration_error']:.3f}, measured on folds that did not "
        "choose the temperature. The model returns the calibrated probabilities."), charts.reliability(series))


def _mistakes(page: Report, outcome: Outcome) -> None:
    data, chances = outcome.dataset, outcome.probabilities
    if data.multi_label:
        wrong = np.abs((chances > 0.5) - data.validation.targets)
        confidence = (np.abs(chances - 0.5) * wrong).max(1)
    else:
        confidence = np.where(chances.argmax(1) != data.validation.targets, chances.max(1), 0)
    order = [int(i) for i in np.argsort(-confidence) if confidence[i] > 0]
    if not order:
        page.section("Mistakes", text("None on the validation part."))
        return
    shown = []
    for place in order[:MISTAKES]:
        photo = data.validation.inputs[place]
        name = str(photo).rsplit("/", 1)[-1] if isinstance(photo, str) or hasattr(photo, "__fspath__") else ""
        shown.append((decoder.decode(photo, target=(224, 224)), f"{_said(outcome, chances, place)} {name}"))
    page.section("Mistakes", text(f"The most confident {len(shown)} of {len(order)} on the validation part. A wrong "
                                  "label is often among them."), pictures(shown))


def _said(outcome: Outcome, chances: np.ndarray, place: int) -> str:
    classes, target = outcome.dataset.classes, outcome.dataset.validation.targets[place]
    if outcome.dataset.multi_label:
        worst = int((np.abs(chances[place] - 0.5) * ((chances[place] > 0.5) != (target > 0.5))).argmax())
        return f"{classes[worst]}: {chances[place, worst]:.0%}, is {'on it' if target[worst] else 'not on it'}."
    best = int(chances[place].argmax())
    return f"{classes[best]} {chances[place, best]:.0%}, but is {classes[int(target)]}."
