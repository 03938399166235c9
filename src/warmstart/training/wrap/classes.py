"""The classes of a wrapped classifier: their names, and the activation of its outputs."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.catalog import Label
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.training.wrap.wrapper import LabelOptions

if TYPE_CHECKING:
    import keras


def class_labels(names_or_file: Any, count: int) -> tuple[Label, ...]:
    """The classes of the option `labels`: names, `Label`s, or a file with one per line.

    Raises:
        UsageError: there are more or fewer than outputs, or a name is repeated.
    """
    names = class_names(names_or_file)
    if names is None:
        names = [f"class_{index}" for index in range(count)]
    if len(names) != count:
        raise UsageError(
            f"labels names {counted(len(names), 'class', 'classes')}, but the model has {count}."
        )
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"labels names the class {repeated[0][:100]!r} twice.")
    return tuple(Label(index, name, name) for index, name in enumerate(names))


def class_names(names_or_file: Any) -> list[str] | None:
    """The names of the option `labels`, which are names, `Label`s, or a file with one per line.

    Raises:
        UsageError: the file does not exist, or the value has another type.
        InputError: the file is not a list of names.
    """
    if names_or_file is None:
        return None
    if isinstance(names_or_file, str | PathLike):
        from warmstart.models.image.transfer.saved_entry import names_of_file

        path = Path(names_or_file).expanduser()
        if not path.is_file():
            raise UsageError(
                f"labels: the file {path} does not exist; a file of labels has one class "
                "name per line."
            )
        return names_of_file(path)[0]
    if not isinstance(names_or_file, Iterable):
        raise UsageError(f"labels must be names or the path of a file, not {names_or_file!r}.")
    return [getattr(label, "name", None) or str(label) for label in names_or_file]


def last_activation(model: keras.Model) -> str | None:
    """The activation of a model's output: "softmax", "sigmoid" or "linear"; None for any other last
    operation.
    """
    import keras

    operation = model.outputs[0]._keras_history.operation
    while True:
        if isinstance(operation, keras.Model):
            return last_activation(operation)
        name = type(operation).__name__
        if name in ("Softmax", "Sigmoid"):
            return name.lower()
        activation = getattr(getattr(operation, "activation", None), "__name__", None)
        if name != "Activation" or activation != "linear":
            return activation
        operation = operation.input._keras_history.operation


def chosen_activation(model: keras.Model, options: LabelOptions) -> tuple[str, int, bool]:
    """(activation of the config, number of classes, whether several may apply) of a classifier.

    Raises:
        UsageError: its output is not one vector of classes, or it may be logits or probabilities.
    """
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in model.outputs)
        raise UsageError(
            "A classifier has one output of the shape (None, classes); this model returns "
            f"{shapes}. Wrap it for the task 'tensors'."
        )
    units = model.outputs[0].shape[-1]
    if not isinstance(units, int):
        raise UsageError("The number of classes is unknown.")
    own, added = last_activation(model), options.activation
    if added is None:
        if own not in ("softmax", "sigmoid"):
            added = _of_loss(model)
        if added is None and own not in ("softmax", "sigmoid"):
            raise UsageError(
                "The model does not end with a softmax or sigmoid, so its outputs may be "
                "logits or probabilities. Pass activation=: softmax (logits, one class per "
                "input), sigmoid (logits, independent classes) or none (probabilities)."
            )
    elif added != "none" and own in ("softmax", "sigmoid"):
        raise UsageError(
            f"The model already ends with a {own}; activation={added!r} would apply a second "
            "one. Leave it out, or pass activation='none'."
        )
    applied = added if added in ("softmax", "sigmoid") else "none"
    is_sigmoid = "sigmoid" in (applied, own)
    if units == 1:
        if not is_sigmoid:
            raise UsageError(
                "The model has one output, which is a probability only with a sigmoid; pass "
                "activation='sigmoid' if it is a logit, or wrap it for the task 'tensors'."
            )
        return ("binary" if applied == "sigmoid" else "complement"), 2, False
    several = is_sigmoid if options.multi_label is None else options.multi_label
    if several and "softmax" in (applied, own):
        raise UsageError(
            "With a softmax the classes exclude each other; leave multi_label out, or pass "
            "activation='sigmoid' if the outputs are logits of independent classes."
        )
    return applied, units, several


def _of_loss(model: keras.Model) -> str | None:
    """The activation that matches the loss of a compiled model whose outputs are logits."""
    loss = getattr(model, "loss", None)
    if not getattr(loss, "from_logits", None) and not (getattr(loss, "_fn_kwargs", None) or {}).get(
        "from_logits"
    ):
        return None
    name = type(loss).__name__
    if "Binary" in name:
        return "sigmoid"
    return "softmax" if "Categorical" in name else None
