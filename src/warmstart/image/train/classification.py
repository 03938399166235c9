"""Fine-tuning of image classifiers: phase 1 trains the head on features, phase 2 the network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras

from warmstart.core.metrics import calibration
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.train import head, network, result
from warmstart.image.train.classification_base import ClassificationBase
from warmstart.image.train.data.checks import checked
from warmstart.image.train.data.examples import without


class ImageClassificationTrainer(ClassificationBase):
    """Phase 1 trains the head on features that are computed once, phase 2 head and base together."""

    describe = result.entry
    results = result.lines
    tiles = result.tiles
    sections = result.sections
    details = result.details
    card = result.card

    def train(self) -> None:
        with self.timed("features"):
            features = head.features(self)
        self._leave_out({name: split.failed for name, split in features.items()})
        vectors = {name: head.usable(split) for name, split in features.items()}
        with self.timed("head"):
            self.head, self.fits["head"], self.logits = head.train(self, vectors)
        self.terminal.write_lines(f"head: {self._accuracy_in_words('head')}")
        if self.options.freeze not in ("backbone", "encoder") and self.options.epochs:
            self.train_network()
        else:
            network.copy_head(self.head, self.build())

    def _leave_out(self, failed: Mapping[str, Mapping[int, Exception]]) -> None:
        before = len(self.dataset.problems)
        remaining = without(self.dataset, failed)
        problems = remaining.problems[before:]
        self.terminal.write_lines(*(f"left out: {problem}" for problem in problems))
        try:
            self.dataset = checked(remaining)
        except UsageError as error:
            raise UsageError(
                f"{error} {counted(len(problems), 'photo')} cannot be read: {problems[0].rstrip('.')}."
            ) from error
        self.summary = self.dataset.summary()
        if problems:
            self.terminal.write_lines(f"baseline without them: {self.summary.baseline}")

    def train_network(self) -> None:
        """Train head and base together; the result is never worse than that of phase 1."""
        with self.timed("network"):
            model = self.build()
            network.copy_head(self.head, model)
            self.freeze()
            self.fit_network()
            logits = keras.Model(model.input, model.get_layer("logits").output)
            self.logits = {
                name: head.predicted(logits, self.evaluated(name, split))
                for name, split in self.dataset.splits()
                if name != "train"
            }
        self.terminal.write_lines(f"network: {self._accuracy_in_words('network')}")

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure the seconds of a phase."""
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 3)

    def calibrate(self) -> None:
        temperature = calibration.temperature(self.logits["validation"], *self.truth("validation"))
        self.config = {**self.config, "temperature": temperature}
        self.figures = {name: result.figures(self, name) for name in self.logits}

    def _accuracy_in_words(self, name: str) -> str:
        fitted = self.fits[name]
        accuracy = fitted.metrics["val_accuracy"]
        what = "decisions" if self.dataset.multi_label else "examples"
        average = "" if fitted.share is None else f"; {result.average_in_words(fitted.share)}"
        return (
            f"{accuracy:.1%} of the validation {what} correct, after {self.seconds[name]:.1f} "
            f"s{average}"
        )
