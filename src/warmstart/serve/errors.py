"""Refusals of requests: a status, a reason for metrics and logs, and a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warmstart.errors import CancelledError, InputError, TooLargeError, UsageError, WarmstartError
from warmstart.serve.openai_fields import renamed
from warmstart.serve.queue import Closed, Expired, Full

RETRY = {"Retry-After": "1"}


class Refused(Exception):
    """A refused request.

    Attributes:
        status: of HTTP.
        reason: one word, for metrics and logs.
        headers: of the response, in addition to the usual ones.
    """

    def __init__(
        self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
    ):
        super().__init__(message)
        self.status, self.reason, self.headers = status, reason, dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        return Refused, (self.status, self.reason, str(self), self.headers)


def invalid(message: str) -> Refused:
    """Status 400."""
    return Refused(400, "invalid", message)


def too_large(message: str) -> Refused:
    """Status 413."""
    return Refused(413, "too_large", message)


def refusal(error: BaseException, item: str = "") -> Refused:
    """The HTTP error for an exception, without details of errors that the client did not cause.

    Args:
        error: any exception that was raised while the request was handled.
        item: the name of the unusable input in the request; replaces the name in the message.
    """
    match error:
        case Refused():
            return error
        case Full():
            return Refused(
                429,
                "full",
                "Too many requests are waiting for this model; try again later.",
                RETRY,
            )
        case Closed():
            return Refused(503, "draining", "The server is shutting down.", {"Retry-After": "5"})
        case Expired() | TimeoutError() | CancelledError():
            return Refused(
                504,
                "deadline",
                "The request took longer than the deadline; request less, or try again later.",
                RETRY,
            )
        case TooLargeError():
            return too_large(with_item_name(error, item))
        case InputError():
            return Refused(400, "input", with_item_name(error, item))
        case UsageError():
            return invalid(str(error))
        case MemoryError():
            return too_large("The input is too large for the free memory.")
        case WarmstartError():
            return Refused(500, "model", f"Prediction failed: {error}")
    return Refused(500, "internal", "Internal server error; see the server's log.")


def with_item_name(error: InputError, item: str) -> str:
    """The message of an error, with `item` as the name of the input."""
    text = str(error)
    if not item:
        return text
    for name in filter(None, (error.item, repr(error.item))):
        if text.startswith(f"{name}: "):
            return f"{item}: {text[len(name) + 2 :]}"
    return text if text.startswith(item) else f"{item}: {text}"


def error_body(refused: Refused, path: str) -> dict[str, Any]:
    """The JSON of a refusal: `{"error": text}`; at the paths of OpenAI's API
    `{"error": {"message": text, …}}`.
    """
    if not path.startswith("/v1/") or path.startswith("/v1/predict/"):
        return {"error": str(refused)}
    is_request = refused.status < 500 and refused.status != 429
    type_ = "invalid_request_error" if is_request else "server_error"
    message = renamed(str(refused), path)
    return {"error": {"message": message, "type": type_, "param": None, "code": refused.reason}}
