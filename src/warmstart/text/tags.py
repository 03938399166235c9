"""Schemes of tags: how the tags of words or tokens mark entities.

| scheme | an entity of three words | labels |
|---|---|---|
| IO | `PER PER PER` (also `I-PER I-PER I-PER`) | one for each type |
| IOB1 | `I-PER I-PER I-PER`; `B-PER` only directly behind another `PER` | I, B |
| BIO (IOB2) | `B-PER I-PER I-PER` | B, I |
| BIOES, BILOU, BMES | `B-PER I-PER E-PER`, and `S-PER` for a single word | B, I or M, E or L, S, U or W |

IO, IOB1 and BIO are read alike: the longest run of one type is an entity, and B begins another one.
A type may follow its prefix behind `-` or `_`, or be left out (`B`, `I`, `O`).

Source: Ramshaw, Marcus, "Text Chunking using Transformation-Based Learning" (1995); Ratinov, Roth,
"Design Challenges and Misconceptions in Named Entity Recognition" (2009).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

OUTSIDE = "O"
UNTYPED = "entity"
"""The type of entities whose tags are prefixes only."""
LETTERS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
"""Prefix -> what it means: the begin, inside or end of an entity, or a single word."""
_PREFIXED = re.compile(rf"([{''.join(LETTERS)}])([-_])(.+)", re.DOTALL)
_INNER = {"B": "I", "I": "I", "E": "I", "S": "I"}
_FIRST = {"B": "B", "I": "I", "E": "I", "S": "B"}
_LAST = {"B": "I", "I": "I", "E": "E", "S": "E"}


@dataclass(frozen=True)
class Scheme:
    """How tags mark entities.

    Attributes:
        has_prefixes: whether tags begin with a prefix; otherwise they are the types themselves.
        has_ends: whether the end of an entity has a prefix of its own (BIOES and its relatives).
        separator: between prefix and type; "" if there are no types.
        prefixes: meaning -> the prefix that these tags use for it.
    """

    has_prefixes: bool
    has_ends: bool = False
    separator: str = "-"
    prefixes: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """`"IO"`, `"BIO"` or `"BIOES"`."""
        return "BIOES" if self.has_ends else "BIO" if self.has_prefixes else "IO"

    def parse(self, tag: str) -> tuple[str, str]:
        """(meaning of the prefix, type) of a tag: `("B", "PER")`; `("O", "")` outside entities.

        A tag without a prefix counts as inside.
        """
        if tag == OUTSIDE or not tag:
            return OUTSIDE, ""
        if self.has_prefixes:
            if not self.separator and tag in LETTERS:
                return LETTERS[tag], UNTYPED
            if self.separator and (match := _PREFIXED.fullmatch(tag)):
                return LETTERS[match[1]], match[3]
        return "I", tag

    def type_of(self, tag: str) -> str:
        """The type of a tag; "" outside entities."""
        return self.parse(tag)[1]

    def entities(self, tags: Sequence[str]) -> list[tuple[str, int, int]]:
        """(type, index of the first tag, index behind the last) of each entity, in order.

        Tags that contradict each other still mark entities: one that does not continue the entity
        before it begins another.
        """
        entities: list[tuple[str, int, int]] = []
        current, start = "", 0
        for index, tag in enumerate([*tags, OUTSIDE]):
            position, name = self.parse(tag)
            continues = bool(current) and name == current and position in "IE"
            if current and not continues:
                entities.append((current, start, index))
                current = ""
            if position == OUTSIDE:
                continue
            if not continues:
                current, start = name, index
            if position in "ES":
                entities.append((current, start, index + 1))
                current = ""
        return entities

    def encode(self, entities: Iterable[tuple[str, int, int]], length: int) -> list[str]:
        """The tags of so many words that mark these entities."""
        tags = [OUTSIDE] * length
        for name, start, end in entities:
            for index in range(start, end):
                tags[index] = self._tag(_position(index, start, end, self.has_ends), name)
        return tags

    def piece_tag(self, tag: str, *, is_first: bool, is_last: bool) -> str:
        """The tag of a piece of a word with this tag: of its first, its last, or one between."""
        position, name = self.parse(tag)
        if position == OUTSIDE or not self.has_prefixes or (is_first and is_last):
            return tag
        meanings = _FIRST if is_first else _LAST if is_last else _INNER
        meaning = meanings[position]
        return tag if meaning == position else self._tag(meaning, name)

    def piece_tags(self, tag: str) -> set[str]:
        """All tags that pieces of a word with this tag may have."""
        ends = (True, False)
        return {
            self.piece_tag(tag, is_first=first, is_last=last) for first in ends for last in ends
        }

    def word_tags(self, tags: Sequence[str]) -> list[str]:
        """The tags of words of which each has the tag of its first piece."""
        return self.encode(self.entities(tags), len(tags)) if self.has_ends else list(tags)

    def _tag(self, meaning: str, name: str) -> str:
        if not self.has_prefixes:
            return name
        prefix = self.prefixes.get(meaning, meaning)
        return f"{prefix}{self.separator}{name}" if self.separator else prefix


def _position(index: int, start: int, end: int, has_ends: bool) -> str:
    if has_ends and index == end - 1:
        return "S" if end - start == 1 else "E"
    return "B" if index == start else "I"


def scheme_of(tags: Iterable[str]) -> Scheme:
    """The scheme of a set of tags, such as the labels of a model or all tags of a data set."""
    names = set(tags) - {OUTSIDE, ""}
    if names <= LETTERS.keys() and names & {"B", "I"}:
        return _scheme(names, "")
    matches = [match for name in sorted(names) if (match := _PREFIXED.fullmatch(name))]
    letters = {match[1] for match in matches}
    is_plain = 2 * len(matches) <= len(names)  # names such as "E-mail" among others
    if is_plain or not letters & {"B", "I", "S", "U"}:
        return Scheme(has_prefixes=False)
    return _scheme(letters, matches[0][2])


def _scheme(letters: set[str], separator: str) -> Scheme:
    prefixes = {LETTERS[letter]: letter for letter in sorted(letters)}
    for meaning, letter in (("E", "L"), ("S", "U")):
        if "L" in letters or "U" in letters:
            prefixes.setdefault(meaning, letter)
    return Scheme(True, bool(letters - {"B", "I"}), separator, prefixes)
