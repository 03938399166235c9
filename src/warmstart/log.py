"""The logger `warmstart`: what is opened, fetched, compiled and chosen, at the level INFO."""

from __future__ import annotations

import sys
from typing import Any

NAME = "warmstart"


def info(message: str, *values: Any) -> None:
    """Log a message with its values, as `logging.Logger.info` does.

    Importing `logging` takes longer than most predictions, and where nobody has imported it there
    is no handler that would show the message.
    """
    if (logging := sys.modules.get("logging")) is not None:
        logging.getLogger(NAME).info(message, *values)


def show() -> None:
    """Write the messages to standard error."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger(NAME)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
