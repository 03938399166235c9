"""The problem that labels of texts define: one class per text, several classes, or a number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from warmstart.catalog import Label
from warmstart.core.records.dialects import is_number
from warmstart.errors import UsageError
from warmstart.text.data import Example

MOST_FRACTIONS = 10
"""Up to this many different fractional labels may as well be classes."""


def problem_of(examples: Sequence[Example]) -> str:
    """The problem that the labels suggest: "single", "multi", or "regression" for fractional numbers.

    Raises:
        UsageError: they can be classes or values.
    """
    if any(len(example.labels) != 1 for example in examples):
        return "multi"
    labels = {example.labels[0] for example in examples}
    if not all(map(is_number, labels)) or all(float(label).is_integer() for label in labels):
        return "single"
    if len(labels) > MOST_FRACTIONS:
        return "regression"
    shown = ", ".join(sorted(labels))
    raise UsageError(
        f"The labels are the numbers {shown}: pass problem='single' if they are classes, or "
        "problem='regression' if they are values."
    )


def check_problem(examples: Sequence[Example], problem: str) -> None:
    """Refuse labels that do not fit the problem.

    Raises:
        UsageError: one does not; the message names its record.
    """
    for example in examples:
        if problem == "regression" and not (
            len(example.labels) == 1
            and is_number(example.labels[0])
            and math.isfinite(float(example.labels[0]))
        ):
            raise UsageError(
                f"{example.name}: regression needs a number for each text, not "
                f"{', '.join(example.labels)!r}."
            )
        if problem == "single" and len(example.labels) != 1:
            raise UsageError(
                f"{example.name} has {len(example.labels)} labels; problem='multi' allows that."
            )


def classes(
    train: Sequence[Example], names: Mapping[str, str], order: Sequence[str] | None = None
) -> tuple[Label, ...]:
    """The labels of the training data in order: numbers by value, others alphabetically.

    Args:
        train: the training data.
        names: display names by label.
        order: all labels in order, if the user has set them.

    Raises:
        UsageError: there is only one label, one has no examples, or one may mark unlabelled data.
    """
    labels = {label for example in train for label in example.labels}
    if order is not None:
        if missing := [label for label in order if label not in labels]:
            raise UsageError(
                f"There are no training examples of {missing[0]!r}: add some, or remove it "
                "from class_names."
            )
        return tuple(
            Label(index, label, names.get(label, label)) for index, label in enumerate(order)
        )
    numbers = {str(number) for number in range(len(labels) - 1)}
    if labels == {"-1", *numbers} and len(numbers) > 2:  # two may be -1, 0 and 1
        raise UsageError(
            f"The label -1, next to 0 to {len(numbers) - 1}, may be a class or mean no label, as in "
            "data sets of Hugging Face; remove its examples, or name all classes with class_names."
        )
    if len(labels) < 2:
        raise UsageError(
            f"The examples have only the label {next(iter(labels))!r}; a classifier needs "
            "two or more."
        )

    def key(label: str) -> tuple[bool, int, str]:
        return not label.isdecimal(), int(label) if label.isdecimal() else 0, label

    return tuple(
        Label(index, label, names.get(label, label))
        for index, label in enumerate(sorted(labels, key=key))
    )
