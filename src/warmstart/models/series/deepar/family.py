"""DeepAR."""

from __future__ import annotations

from dataclasses import dataclass

from warmstart.errors import UsageError
from warmstart.models.configs import Config

RUNNER = "warmstart.series.deepar:DeepAR"
PARAMETERS = {
    "student_t": ("loc", "scale", "df"),
    "gaussian": ("loc", "scale"),
    "negative_binomial": ("mean", "alpha"),
}
"""Distribution -> its parameters, in the order of the network's outputs."""
LARGEST = {"lags": 4096, "features": 4096, "hidden": 8192, "layers": 64, "categories": 64}


@dataclass(frozen=True)
class DeepARConfig(Config):
    """Sizes of one network.

    Attributes:
        lags: of the earlier values it sees, in steps.
        features: calendar, age and covariates per step.
        cardinalities: number of known values of each static category.
        distribution: `"student_t"`, `"gaussian"` or `"negative_binomial"`.
        hidden, layers: of the LSTM.
        dropout: between its layers and before the output, while training.
        shortcut: a lag: a straight path leads from all lags to the location, and begins as the
            value at this one; 0: there is none.
    """

    lags: tuple[int, ...]
    features: int
    cardinalities: tuple[int, ...] = ()
    distribution: str = "student_t"
    hidden: int = 40
    layers: int = 2
    dropout: float = 0.1
    shortcut: int = 0

    def check(self) -> None:
        if self.distribution not in PARAMETERS:
            raise UsageError(
                f"distribution must be one of {', '.join(PARAMETERS)}, not {self.distribution!r}."
            )
        sizes = {
            "lags": len(self.lags),
            "features": self.features,
            "hidden": self.hidden,
            "layers": self.layers,
            "categories": len(self.cardinalities) + 1,
        }
        for key, size in sizes.items():
            if not 1 <= size <= LARGEST[key]:
                raise UsageError(f"deepar: {key} must be 1 to {LARGEST[key]}, not {size}.")
        if min(self.lags) < 1 or max(self.cardinalities, default=0) > 10_000_000:
            raise UsageError("deepar: lags are 1 or more, cardinalities at most 10,000,000.")
        if self.shortcut and (
            self.shortcut not in self.lags or self.distribution == "negative_binomial"
        ):
            raise UsageError(
                f"deepar: shortcut is one of the lags, of a distribution with a location, not "
                f"{self.shortcut} of {self.distribution}."
            )


def state_names(layers: int) -> list[str]:
    """Names of the states of a network with this number of layers."""
    return [f"{state}_{n + 1}" for n in range(layers) for state in ("hidden", "cell")]
