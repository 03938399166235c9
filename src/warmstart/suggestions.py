"""Messages about names that do not exist: the nearest ones that do."""

from __future__ import annotations

from collections.abc import Iterable

MAX_LISTED = 40
"""Names that a message lists."""


def near(name: str, known: Iterable[str], count: int = 1, cutoff: float = 0.6) -> list[str]:
    """The most similar names to `name` among `known`, best first, at most `count`."""
    from difflib import get_close_matches  # takes 10 ms to import, and only an error needs it

    return get_close_matches(name, list(known), count, cutoff)


def unknown_name(problem: str, name: object, known: Iterable[str], verb: str = "It has") -> str:
    """A message such as "digits has no class 'on'; did you mean one? It has zero, one."

    Args:
        problem: what the message says of the name, such as "digits has no class".
        name: the unknown name.
        known: the names that exist.
        verb: the start of the sentence that lists them.
    """
    names = [str(other) for other in known]
    plain = {other.lower(): other for other in reversed(names)}
    similar = near(str(name).lower(), plain)
    hint = f"; did you mean {plain[similar[0]]}?" if similar else "."
    more = ", …" if len(names) > MAX_LISTED else ""
    return f"{problem} {str(name)[:100]!r}{hint} {verb} {', '.join(names[:MAX_LISTED])}{more}."
