"""Tokens to text while they come: only whole characters, and nothing past a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"


class Tail:
    """The text of a growing series of tokens.

    Args:
        decode: token ids -> text; bytes that are no whole characters become U+FFFD.
        stops: strings that end the text; they are no part of it.

    Attributes:
        text: all that was given out.
        stopped: whether a stop string has come.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()):
        self._decode, self._stops = decode, stops
        self._tokens: list[int] = []  # those whose text is not certain yet
        self._held = ""  # text that may be the start of a stop string
        self.text = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Take one token; returns the text that is certain now, which may be empty."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if text.endswith(UNFINISHED) and len(self._tokens) < 8:  # a character has 4 bytes, so this is damage else
            return ""
        self._tokens.clear()
        return self._give(text, last=False)

    def finish(self) -> str:
        """The rest; after that the text is complete."""
        rest = self._decode(self._tokens) if self._tokens else ""
        self._tokens.clear()
        return self._give(rest, last=True)

    def _give(self, text: str, *, last: bool) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            text, self._held = text[:min(found)], ""
        else:
            held = 0 if last else max((_overlap(text, stop) for stop in self._stops), default=0)
            text, self._held = text[:len(text) - held], text[len(text) - held:]
        self.text += text
        return text


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text are a beginning of the stop string."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
