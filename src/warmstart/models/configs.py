"""From an entry's config to a family's dataclass of sizes."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from warmstart.errors import UsageError

T = TypeVar("T")


def sizes(cls: type[T], config: Any, family: str) -> T:
    """An instance of the dataclass, from itself or from a mapping of JSON values.

    Raises:
        UsageError: a key is unknown.
    """
    if isinstance(config, cls):
        return config
    values: Mapping[str, Any] = config
    if unknown := values.keys() - {field.name for field in fields(cls)}:  # type: ignore[arg-type]
        raise UsageError(f"{family}: unknown key {sorted(unknown)[0]!r}")
    return cls(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    )
