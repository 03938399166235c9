"""The rules for English: contractions, titles, numbers in figures, American spelling."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from warmstart.speech.normalizer.basic import single_spaces, without_diacritics, without_remarks
from warmstart.speech.normalizer.numbers import numbers_in_figures

SPELLINGS = Path(__file__).with_name("spellings.txt")
HESITATIONS = ("hmm", "mm", "mhm", "mmm", "uh", "um")
WORDS = {
    "won't": "will not", "can't": "can not", "let's": "let us", "ain't": "aint",
    "y'all": "you all", "wanna": "want to", "gotta": "got to", "gonna": "going to",
    "i'ma": "i am going to", "imma": "i am going to", "woulda": "would have",
    "coulda": "could have", "shoulda": "should have", "ma'am": "madam",
}  # fmt: skip
"""Contractions that are whole words."""
TITLES = {
    "mr": "mister", "mrs": "missus", "st": "saint", "dr": "doctor", "prof": "professor",
    "capt": "captain", "gov": "governor", "ald": "alderman", "gen": "general", "sen": "senator",
    "rep": "representative", "pres": "president", "rev": "reverend", "hon": "honorable",
    "asst": "assistant", "assoc": "associate", "lt": "lieutenant", "col": "colonel",
    "jr": "junior", "sr": "senior", "esq": "esquire",
}  # fmt: skip
ENDINGS = {
    "'d been": "had been", "'s been": "has been", "'d gone": "had gone", "'s gone": "has gone",
    "'d done": "had done", "'s got": "has got", "n't": "not", "'re": "are", "'s": "is",
    "'d": "would", "'ll": "will", "'t": "not", "'ve": "have", "'m": "am",
}  # fmt: skip
"""Contractions that end a word; the longer ones first."""
SYMBOLS = ".%$¢€£"
"""Words and signs that may belong to a number."""


def normalize_english(text: str) -> str:
    """An English text as Whisper's evaluation compares it."""
    text = without_remarks(text.lower())
    text = re.sub(rf"\b({'|'.join(HESITATIONS)})\b", "", text)
    text = re.sub(r"\s+'", "'", text)
    for pattern, words in _expansions():
        text = pattern.sub(words, text)
    text = re.sub(r"(\d),(\d)", r"\1\2", text)  # 1,000
    text = re.sub(r"\.([^0-9]|$)", r" \1", text)
    text = numbers_in_figures(without_diacritics(text, keep=SYMBOLS))
    spellings = _spellings()
    text = " ".join(spellings.get(word, word) for word in text.split())
    text = re.sub(r"[.$¢€£]([^0-9])", r" \1", text)
    text = re.sub(r"([^0-9])%", r"\1 ", text)
    return single_spaces(text)


@cache
def _expansions() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The replacements, in this order."""
    return (
        *((re.compile(rf"\b{word}\b"), words) for word, words in WORDS.items()),
        *((re.compile(rf"\b{title}\b"), f"{word} ") for title, word in TITLES.items()),
        *((re.compile(rf"{ending}\b"), f" {words}") for ending, words in ENDINGS.items()),
    )


@cache
def _spellings() -> dict[str, str]:
    """British spellings -> American ones."""
    lines = SPELLINGS.read_text("utf-8").splitlines()
    pairs = (line.split(" ", 1) for line in lines if not line.startswith("#"))
    return {pair[0]: pair[1] for pair in pairs}
