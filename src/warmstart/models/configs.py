"""The base of a family's config."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from warmstart.errors import UsageError
from warmstart.json_values import check


@dataclass(frozen=True)
class Config:
    """Sizes of one network; a family's dataclass adds the fields, and checks them in `check`.

    JSON lists become tuples.

    Raises:
        UsageError: the sizes are impossible.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(value))
        self.check()

    def check(self) -> None:
        """Raise a `UsageError` if the sizes do not go together."""

    @classmethod
    def of(cls, config: Self | Mapping[str, Any]) -> Self:
        """From itself, or from the JSON values of an entry.

        Raises:
            UsageError: a key is unknown or missing, a value has another type, or the sizes are
                impossible.
        """
        if isinstance(config, cls):
            return config
        values: Any = config
        family = cls.__module__.split(".")[-2]
        try:
            check(values, cls, family)
        except ValueError as error:
            raise UsageError(str(error)) from None
        return cls(**values)

    @property
    def architecture(self) -> str:
        """The family's name."""
        return type(self).__module__.split(".")[-2]

    def parameters(self) -> int:
        """The number of parameters; 0: not counted."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON values of an entry."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }
