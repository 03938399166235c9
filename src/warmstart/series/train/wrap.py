"""Wrap a user's model as a forecaster: context, horizon, quantiles and scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

from warmstart.core.options import Option
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.series.window_model import MEDIAN
from warmstart.training.wrap.wrapper import WrapOptions, Wrapper

SCALINGS = ("none", "standard", "mean")


@dataclass(frozen=True, kw_only=True)
class WrapForecasterOptions(WrapOptions):
    """Options of wrapping a forecaster."""

    scaling: Annotated[
        str | None,
        Option(
            "Scaling of windows in training: none; standard, by their mean and standard "
            "deviation; mean, by the mean of their absolute values; or an offset and a "
            "divisor for all windows, such as 120.5,33.1. Required."
        ),
    ] = None
    quantiles: Annotated[
        Sequence[float],
        Option(
            "Levels of the last axis of the output, if the model returns quantiles.", gt=0, lt=1
        ),
    ] = ()
    freq: Annotated[
        str, Option("Frequency of series without timestamps, a pandas alias.", max_length=20)
    ] = "D"
    context: Annotated[
        int | None, Option("Number of steps in a window, if the model accepts any.", ge=1)
    ] = None


class ForecasterWrapper(Wrapper[WrapForecasterOptions]):
    """Decides what a window is, and what the outputs mean."""

    task = "forecasting"
    options_class: ClassVar = WrapForecasterOptions

    @cached_property
    def context(self) -> int:
        """Steps of a window."""
        inputs = self.opened.model.inputs
        shape = tuple(inputs[0].shape)
        is_window = len(shape) == 2 or (len(shape) == 3 and shape[2] == 1)
        if len(inputs) != 1 or not is_window or "float" not in str(inputs[0].dtype):
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
            raise UsageError(
                "A forecaster takes one window of one series, (None, steps) or (None, steps, "
                f"1). This model takes {shapes}; wrap it for the task 'tensors'."
            )
        steps, context = shape[1], self.options.context
        if isinstance(steps, int):
            if context not in (None, steps):
                raise UsageError(
                    f"The model takes {counted(steps, 'step')}, not context={context}; leave context out."
                )
            return steps
        if context is None:
            raise UsageError("The model takes windows of any length; pass one, such as context=96.")
        return context

    @cached_property
    def horizon(self) -> int:
        """Steps of a forecast."""
        outputs = self.opened.model.outputs
        shape = tuple(outputs[0].shape)
        levels = len(self.options.quantiles)
        last = levels or 1
        fits = len(shape) == 2 or (len(shape) == 3 and shape[2] == last)
        if levels > 1:
            fits = len(shape) == 3 and shape[2] == levels
        if len(outputs) != 1 or not fits or not isinstance(shape[1], int):
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in outputs)
            form = f"(None, horizon, {levels})" if levels > 1 else "(None, horizon)"
            raise UsageError(
                f"A forecaster returns the next steps, {form}, or (None, horizon, levels) with "
                f"quantiles= their levels. The outputs of this model are {shapes}."
            )
        return shape[1]

    @cached_property
    def scaling(self) -> str | list[float]:
        """The scaling as stored in the bundle."""
        scaling = self.options.scaling
        if scaling in SCALINGS:
            return str(scaling)
        try:
            numbers = [float(part) for part in str(scaling).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != 2 or not numbers[1] > 0:
            raise UsageError(
                "The scaling of windows is unknown: pass scaling='none', 'standard', 'mean', "
                "or an offset and a divisor, such as scaling='120.5,33.1'."
            )
        return numbers

    def config(self) -> dict[str, Any]:
        return {"context": self.context, "horizon": self.horizon}

    def processing(self) -> dict[str, Any]:
        levels = list(self.options.quantiles) or [MEDIAN]
        if sorted({*levels}) != levels:
            raise UsageError("quantiles must be in ascending order.")
        return {
            "context": self.context,
            "horizon": self.horizon,
            "levels": levels,
            "scaling": self.scaling,
            "freq": self.options.freq,
        }
