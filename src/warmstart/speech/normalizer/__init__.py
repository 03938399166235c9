"""Whisper's text normalizer: what published word error rates are computed on.

Source: Radford et al. 2022, appendix C, and the rules of openai/whisper's `normalizers`. English
has rules of its own for contractions, titles, numbers and spelling; other languages lose case,
punctuation and remarks in brackets, and those without spaces are compared character by character.
"""

from __future__ import annotations

from warmstart.speech.normalizer.basic import normalize_basic
from warmstart.speech.normalizer.english import normalize_english

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that are written without spaces between words."""


def normalize(text: str, language: str) -> str:
    """A text as Whisper's evaluation compares it.

    Args:
        text: of a transcript.
        language: its code; English rules for "en", else the basic ones.
    """
    if language == "en":
        return normalize_english(text)
    return normalize_basic(text, split_characters=language in WITHOUT_SPACES)
