"""Few labelled texts: short trainings, and a result that has learned from all of them.

Where texts are few, each one counts. The figures are those of a training without the validation
texts. Then the classifier is trained again on all texts for as many steps, several times with the
texts in other orders, and the result is the mean of the weights. All these trainings start from the
same head, so the mean predicts about as well as their ensemble (Wortsman et al., "Model soups"
(2022), arXiv:2203.05482).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmstart.errors import UsageError
from warmstart.training.batches import Batches
from warmstart.training.fit import seeded

if TYPE_CHECKING:
    from warmstart.text.train.classification import TextClassificationTrainer

FEW_TEXTS, FEW_STEPS, MOST_EPOCHS = 320, 120, 20
"""Training texts, at most, and the steps and epochs of a training on them."""
TEXTS_OF_A_CLASS = 20
"""On average. With fewer, a training of so few steps is far from its end."""
RUNS = 2
"""Trainings on all texts, where no option says how many."""


def is_few(trainer: TextClassificationTrainer) -> bool:
    """Whether, without options that say otherwise, training is short and followed by refits."""
    options = trainer.options
    is_default = options.epochs is None and options.lora is None and trainer.set_aside
    fewest = TEXTS_OF_A_CLASS * len(trainer.labels)
    texts_are_few = fewest <= len(trainer.train_examples) <= FEW_TEXTS
    return is_default and trainer.starts_at_probe and texts_are_few


def few_epochs(batches: Batches) -> int:
    """Passes over few texts."""
    return min(MOST_EPOCHS, -(-FEW_STEPS // len(batches)))


def runs(trainer: TextClassificationTrainer) -> int:
    """How often the classifier is trained on all texts after it was measured."""
    if trainer.options.refit is not None:
        return trainer.options.refit
    return RUNS if is_few(trainer) else 0


def check(trainer: TextClassificationTrainer) -> None:
    """Check that the validation texts may be trained on.

    Raises:
        UsageError: the options ask for a refit, and the validation texts are data of their own.
    """
    if trainer.options.refit and not trainer.set_aside:
        raise UsageError(
            "refit also trains on the validation texts, so these must be a fraction of the "
            "training data, such as validation=0.2; or leave refit out."
        )


def refit(trainer: TextClassificationTrainer) -> None:
    """Train on all texts, and give the network the mean of the weights."""
    times, network, fitted = runs(trainer), trainer.network, trainer.fits[trainer.fit_name]
    if not times:
        return
    examples = [*trainer.train_examples, *trainer.validation_examples]
    network.set_weights(trainer.start)
    batches = trainer.text_batches(examples, shuffle=True)
    if trainer.probe and (trainer.starts_at_probe or is_probe(trainer)):
        trainer.solve(examples, batches)
    if is_probe(trainer):
        return
    steps = fitted.history[-1]["epoch"] * len(trainer.batches())
    epochs = max(1, round(steps / len(batches)))
    start = mean = network.get_weights()
    for index in range(1, times + 1):
        network.set_weights(start)
        batches = trainer.text_batches(examples, shuffle=True)
        batches.seed += index
        name = f"refit-{index}"
        with seeded(trainer.options.seed):
            learner = trainer.compiled(len(batches) * epochs)
            trainer.fits[name] = trainer.fitted(learner, batches, name=name, epochs=epochs)
        pairs = zip(mean, network.get_weights(), strict=True)
        mean = [a * (1 - 1 / index) + b / index for a, b in pairs]
    network.set_weights(mean)


def in_words(trainer: TextClassificationTrainer) -> str:
    """A sentence on the data of the result, and on the run that its metrics are from; "" without a
    refit.
    """
    times = runs(trainer)
    if not times:
        return ""
    texts = f"all {len(trainer.train_examples) + len(trainer.validation_examples):,} texts"
    if is_probe(trainer):
        return f"the result is the linear probe of {texts}; the metrics are those of the one before"
    what = "one further run" if times == 1 else f"the mean of {times} further runs"
    return f"the result is {what}, on {texts}; the metrics are those of the run before"


def is_probe(trainer: TextClassificationTrainer) -> bool:
    """Whether no epoch was better than the linear probe."""
    return bool(trainer.probe) and trainer.fits[trainer.fit_name].best == 0
