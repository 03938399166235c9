"""Options of training forecasters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from warmstart.core.options import Option
from warmstart.errors import UsageError
from warmstart.training.options import TrainOptions
from warmstart.training.types import Validation


@dataclass(frozen=True, kw_only=True)
class ForecastingOptions(TrainOptions):
    """Options of fine-tuning a DeepAR."""

    # Windows are sampled at random: an epoch is only `batches_per_epoch` steps.
    epochs: Annotated[int, Option("Maximum number of epochs; the best one is selected.", ge=1)] = 30
    batches_per_epoch: Annotated[int, Option("Number of steps per epoch.", ge=1, rare=True)] = 50
    # A window is short, and likelihoods of random windows are noisy.
    batch_size: Annotated[int, Option("Windows per step.", ge=1)] = 32
    validation: Annotated[
        Validation,
        Option(
            "Whether the last horizon of each series, up to four for long series, is set "
            "aside to select the best epoch, calibrate and backtest: auto (yes) or 0 (train "
            "on all steps)."
        ),
    ] = "auto"
    # Epochs are short, so that a few without a better one say little.
    patience: Annotated[
        int | None, Option("Stop after this many epochs without improvement.", ge=1, rare=True)
    ] = 10
    horizon: Annotated[
        int | None,
        Option("Number of steps to forecast; default: that of the base, else 24.", ge=1, le=10_000),
    ] = None
    context: Annotated[
        int | None,
        Option(
            "Context length: the number of observed steps that the network reads; default: "
            "that of the base, else the horizon, at least one season.",
            ge=1,
            le=10_000,
        ),
    ] = None
    distribution: Annotated[
        Literal["student_t", "gaussian", "negative_binomial"] | None,
        Option(
            "Distribution of a step; negative_binomial for counts. Default: that of the "
            "base, else student_t.",
            rare=True,
        ),
    ] = None
    hidden: Annotated[
        int, Option("Width of a network that is trained from scratch.", ge=1, rare=True)
    ] = 40
    layers: Annotated[int, Option("Number of layers of such a network.", ge=1, rare=True)] = 2
    dropout: Annotated[float, Option("Dropout rate of such a network.", ge=0, lt=1, rare=True)] = (
        0.1
    )
    shortcut: Annotated[
        bool | None,
        Option(
            "Whether such a network has a skip connection from the lags to the location, "
            "initialised to the seasonal-naive forecast; default: if the distribution has a "
            "location.",
            rare=True,
        ),
    ] = None
    scaling: Annotated[
        Literal["mean", "robust"] | None,
        Option(
            "Scaling of a window: by its mean absolute value, or by its median and mean "
            "absolute deviation (robust). Default: that of the base, else robust if the "
            "distribution has a location.",
            rare=True,
        ),
    ] = None
    sampling: Annotated[
        float | str,
        Option(
            "Sampling of windows: uniform, scale (in proportion to the scale of the series), "
            "or a power of the scale from 0 to 1.",
            rare=True,
        ),
    ] = "uniform"
    items: Annotated[
        bool | None,
        Option(
            "Whether each series has an embedding; default: if there are 2 to 100,000 series.",
            rare=True,
        ),
    ] = None
    freq: Annotated[str | None, Option("Frequency of the series, such as D or h.")] = None
    target: Annotated[str | None, Option("Column of the values.")] = None
    item: Annotated[
        str | Sequence[str] | None,
        Option(
            "Column with the names of the series, or several columns that together form the name."
        ),
    ] = None
    timestamp: Annotated[str | None, Option("Column of the timestamps.")] = None
    date_format: Annotated[
        str | None,
        Option(
            "Format of the timestamps, such as %d/%m/%Y, if the column does not show it; "
            "excel, unix or steps for numbers.",
            rare=True,
        ),
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None,
        Option("Decimal separator of numbers in text, if the column does not show it.", rare=True),
    ] = None
    known_covariates: Annotated[
        Sequence[str] | None, Option("Columns of covariates known in advance.", rare=True)
    ] = None
    static_covariates: Annotated[
        Sequence[str], Option("Columns of categories of a series.", rare=True)
    ] = ()
    holidays: Annotated[
        Sequence[object] | None,
        Option("Dates with a feature of their own, such as holidays.", cli=False),
    ] = None
    duplicates: Annotated[
        str, Option("How to merge rows of a series with the same timestamp.", rare=True)
    ] = "error"

    def check_validation(self) -> None:
        chosen = self.validation
        if not (chosen is None or (isinstance(chosen, int) and chosen in (0, 1))) and (
            not isinstance(chosen, str) or chosen != "auto"
        ):
            raise UsageError(
                "validation must be 'auto' (the last horizon of each series) or 0 (none), not "
                f"{chosen if isinstance(chosen, str | float) else type(chosen).__name__}."
            )

    @property
    def validates(self) -> bool:
        """Whether the last horizons of each series are set aside."""
        return bool(self.validation)
