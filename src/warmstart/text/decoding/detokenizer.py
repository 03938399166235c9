"""Convert tokens to text incrementally: only complete characters, and nothing after a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"
MAX_PENDING = 8
"""Tokens that may wait for the end of a character; it has 4 bytes at most, so more are damaged
text.
"""


class Detokenizer:
    """The text of a growing series of tokens.

    Args:
        decode: token ids -> text; bytes that are not complete characters become U+FFFD.
        stops: strings that end the text; they are not part of it.

    Attributes:
        text: all that was returned.
        stopped: whether a stop string has come.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()):
        self._decode, self._stops = decode, stops
        self._pending_tokens: list[int] = []  # whose text is not final yet
        self._pending_text = ""  # may be the start of a stop string
        self.text = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Add one token; returns the text that has become final, which may be empty."""
        self._pending_tokens.append(token)
        text = self._decode(self._pending_tokens)
        if text.endswith(REPLACEMENT) and len(self._pending_tokens) < MAX_PENDING:
            return ""
        self._pending_tokens.clear()
        return self._release(text, is_last=False)

    def finish(self) -> str:
        """The rest; after that the text is complete."""
        rest = self._decode(self._pending_tokens) if self._pending_tokens else ""
        self._pending_tokens.clear()
        return self._release(rest, is_last=True)

    def _release(self, text: str, *, is_last: bool) -> str:
        if self.stopped:
            return ""
        text = self._pending_text + text
        stops = [index for stop in self._stops if (index := text.find(stop)) >= 0]
        if stops:
            self.stopped = True
            text, self._pending_text = text[: min(stops)], ""
        else:
            overlap = max((_overlap(text, stop) for stop in self._stops), default=0)
            end = len(text) if is_last else len(text) - overlap
            text, self._pending_text = text[:end], text[end:]
        self.text += text
        return text


def _overlap(text: str, stop: str) -> int:
    """The number of characters at the end of the text that may begin the stop string."""
    longest = min(len(stop) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
