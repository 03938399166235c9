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
    """Of DeepAR."""

    # Windows are sampled at random: an epoch is only `batches_per_epoch` steps.
    epochs: Annotated[int, Option("Epochs, at most; the best one is kept.", ge=1)] = 30
    batches_per_epoch: Annotated[int, Option("Steps of an epoch.", ge=1, rare=True)] = 50
    # A window is short, and likelihoods of random windows are noisy.
    batch_size: Annotated[int, Option("Windows per step.", ge=1)] = 32
    validation: Annotated[
        Validation,
        Option(
            "Whether the last horizon of each series, up to four of long ones, is set aside to choose "
            "the best epoch, to calibrate and to backtest: auto (yes) or 0 (train on everything)."
        ),
    ] = "auto"
    # Epochs are short, so that a few without a better one say little.
    patience: Annotated[
        int | None, Option("Stop after this many epochs without a better one.", ge=1, rare=True)
    ] = 10
    horizon: Annotated[
        int | None, Option("Steps to forecast; default: the base's, else 24.", ge=1, le=10_000)
    ] = None
    context: Annotated[
        int | None,
        Option(
            "Observed steps that the network reads first; default: the base's, else the horizon, "
            "at least one season.",
            ge=1,
            le=10_000,
        ),
    ] = None
    distribution: Annotated[
        Literal["student_t", "gaussian", "negative_binomial"] | None,
        Option(
            "Of a step; negative_binomial for counts. Default: the base's, else student_t.",
            rare=True,
        ),
    ] = None
    hidden: Annotated[int, Option("Width of a network from scratch.", ge=1, rare=True)] = 40
    layers: Annotated[int, Option("Layers of a network from scratch.", ge=1, rare=True)] = 2
    dropout: Annotated[float, Option("Of a network from scratch.", ge=0, lt=1, rare=True)] = 0.1
    shortcut: Annotated[
        bool | None,
        Option(
            "Whether a network from scratch has a straight path from the lags to the location, "
            "which begins as seasonal naive; default: where the distribution has a location.",
            rare=True,
        ),
    ] = None
    scaling: Annotated[
        Literal["mean", "robust"] | None,
        Option(
            "What values are relative to: the mean absolute value of a window, or its median and "
            "mean absolute deviation. Default: the base's, else robust where the distribution has "
            "a location.",
            rare=True,
        ),
    ] = None
    sampling: Annotated[
        float | str,
        Option(
            "Of windows: uniform, scale (large series more often), or a power of the scale from 0 "
            "to 1.",
            rare=True,
        ),
    ] = "uniform"
    items: Annotated[
        bool | None,
        Option(
            "Whether each series has an embedding; default: for 2 to 100,000 of them.", rare=True
        ),
    ] = None
    freq: Annotated[str | None, Option("Frequency of the series, such as D or h.")] = None
    target: Annotated[str | None, Option("Column of the values.")] = None
    item: Annotated[
        str | Sequence[str] | None,
        Option("Column of the series' names, or columns whose values together are the name."),
    ] = None
    timestamp: Annotated[str | None, Option("Column of the timestamps.")] = None
    date_format: Annotated[
        str | None,
        Option(
            "How timestamps are written, such as %d/%m/%Y, where the column does not tell it; or "
            "excel, unix or steps, for numbers.",
            rare=True,
        ),
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None,
        Option("Decimal sign of numbers in texts, where the column does not tell it.", rare=True),
    ] = None
    known: Annotated[
        Sequence[str] | None, Option("Columns of covariates known in advance.", rare=True)
    ] = None
    static: Annotated[Sequence[str], Option("Columns of categories of a series.", rare=True)] = ()
    holidays: Annotated[
        Sequence[object] | None, Option("Dates that get a feature of their own.", cli=False)
    ] = None
    duplicates: Annotated[str, Option("What to do where a timestamp occurs twice.", rare=True)] = (
        "error"
    )

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
