"""The JSON by which Keras describes the layers of a model: text into values, within bounds."""

from __future__ import annotations

import json
from typing import Any

from warmstart.errors import CorruptCheckpointError

LARGEST_CONFIG = 32 << 20
"""Bytes; NASNetLarge takes 1 MB."""


def parse(text: str, label: str) -> dict[str, Any]:
    """The values of a config.

    Args:
        text: JSON.
        label: of the file, for messages.

    Raises:
        CorruptCheckpointError: it is not a JSON object.
    """
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptCheckpointError(
            f"{label}: the config of its model is not JSON ({str(error)[:200]}); fetch it again."
        ) from error
    if not isinstance(config, dict):
        raise CorruptCheckpointError(
            f"{label}: the config of its model is not a JSON object; fetch it again."
        )
    return config
