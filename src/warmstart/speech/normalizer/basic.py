"""The rules for all languages but English: no case, no punctuation, no remarks in brackets."""

from __future__ import annotations

import re
import unicodedata

LETTERS = {
    "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ß": "ss", "ẞ": "SS",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "th", "ł": "l", "Ł": "L",
}  # fmt: skip
"""Letters that Unicode does not decompose, without their diacritics."""
JOINERS = "\u200c\u200d"
_SQUARE = re.compile(r"[<\[][^>\]]*[>\]]")
_ROUND = re.compile(r"\(([^)]+?)\)")


def normalize_basic(text: str, *, split_characters: bool = False) -> str:
    """Lower case; marks, symbols and punctuation are spaces.

    Args:
        text: in any language.
        split_characters: whether spaces are put between all characters, so that words are
            characters.
    """
    text = without_remarks(text.lower())
    cleaned = "".join(_spaced(character) for character in unicodedata.normalize("NFKC", text))
    cleaned = cleaned.lower()
    if split_characters:
        cleaned = re.sub(f"(?<=.)(?=[^{JOINERS}])", " ", cleaned, flags=re.DOTALL)
    return single_spaces(cleaned)


def without_remarks(text: str) -> str:
    """A text without what is in brackets, such as [laughter]."""
    return _ROUND.sub("", _SQUARE.sub("", text))


def without_diacritics(text: str, keep: str) -> str:
    """Letters without diacritics; symbols and punctuation are spaces, but for those in `keep`."""
    return "".join(
        character if character in keep else _plain_letter(character)
        for character in unicodedata.normalize("NFKD", text)
    )


def single_spaces(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _plain_letter(character: str) -> str:
    if character in LETTERS:
        return LETTERS[character]
    return "" if unicodedata.category(character) == "Mn" else _spaced(character)


def _spaced(character: str) -> str:
    return " " if unicodedata.category(character)[0] in "MSP" else character
