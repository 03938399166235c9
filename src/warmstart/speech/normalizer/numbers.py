"""Numbers in English words, written in figures: "twenty one dollars" -> "$21".

Source: the rules of openai/whisper's `EnglishNumberNormalizer`. Digits in a row are read one after
the other ("one oh one" -> "101"); "1" stays "one".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

ZEROS = frozenset({"o", "oh", "zero"})
_ONES = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_THOUSANDS = (
    "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
    "septillion", "octillion", "nonillion", "decillion",
)  # fmt: skip
ONES = {word: number for number, word in enumerate(_ONES, 1)}
TENS = {word: 10 * number for number, word in enumerate(_TENS, 2)}
MULTIPLIERS = {
    "hundred": 100,
    **{word: 1000**power for power, word in enumerate(_THOUSANDS, 1)},
}
IRREGULAR_ORDINALS = {
    "first": (1, "st"),
    "second": (2, "nd"),
    "third": (3, "rd"),
    "fifth": (5, "th"),
    "twelfth": (12, "th"),
}
SIGNS = {"minus": "-", "negative": "-", "plus": "+", "positive": "+"}
"""Words before a number."""
CURRENCIES = {
    "pound": "£", "pounds": "£", "euro": "€", "euros": "€", "dollar": "$", "dollars": "$",
    "cent": "¢", "cents": "¢",
}  # fmt: skip
"""Words after a number, whose symbols stand before it."""
REPEATS = {"double": 2, "triple": 3}

_FIGURES = re.compile(r"\d+(\.\d+)?")


def _plural(word: str) -> str:
    if word == "six":
        return "sixes"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _ordinal(word: str) -> str:
    if word.endswith("y"):
        return f"{word[:-1]}ieth"
    return word + ("h" if word.endswith("t") else "th")


ONES_SUFFIXED = {
    "zeroth": (0, "th"),
    **{_plural(word): (number, "s") for word, number in ONES.items()},
    # "nineth", as the reference has it: "ninth" stays a word.
    **{_ordinal(word): (n, "th") for word, n in ONES.items() if n > 3 and n not in (5, 12)},
    **IRREGULAR_ORDINALS,
}
TENS_SUFFIXED = {
    **{_plural(word): (number, "s") for word, number in TENS.items()},
    **{_ordinal(word): (number, "th") for word, number in TENS.items()},
}
MULTIPLIERS_SUFFIXED = {
    **{_plural(word): (number, "s") for word, number in MULTIPLIERS.items()},
    **{_ordinal(word): (number, "th") for word, number in MULTIPLIERS.items()},
}
DIGITS = frozenset({*ZEROS, *ONES, *TENS})
NUMERIC = frozenset(
    {
        *DIGITS, *ONES_SUFFIXED, *TENS_SUFFIXED, *MULTIPLIERS, *MULTIPLIERS_SUFFIXED, *SIGNS,
        *CURRENCIES, *REPEATS, "per", "percent", "and", "point",
    }
)  # fmt: skip
"""All words that can be part of a number."""


def numbers_in_figures(text: str) -> str:
    """A text in lower case with its numbers in figures."""
    return _after(" ".join(_Reader(_before(text).split())))


def _before(text: str) -> str:
    """Halves as decimals; a space between figures and letters, but for endings such as "st"."""
    parts = re.split(r"\band\s+a\s+half\b", text)
    words = []
    for part in parts[:-1]:
        if part.strip():
            last = part.split()[-1]
            words += [part, "point five" if last in DIGITS or last in MULTIPLIERS else "and a half"]
    if parts[-1].strip():
        words.append(parts[-1])
    text = " ".join(words)
    text = re.sub(r"([a-z])([0-9])", r"\1 \2", text)
    text = re.sub(r"([0-9])([a-z])", r"\1 \2", text)
    return re.sub(r"([0-9])\s+(st|nd|rd|th|s)\b", r"\1\2", text)


def _after(text: str) -> str:
    """Cents with their dollars; "one" for a lone 1."""
    text = re.sub(
        r"([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b",
        lambda match: f"{match[1]}{match[2]}.{int(match[3]):02d}",
        text,
    )
    text = re.sub(r"[€£$]0.([0-9]{1,2})\b", lambda match: f"¢{int(match[1])}", text)
    return re.sub(r"\b1(s?)\b", r"one\1", text)


class _Reader:
    """Reads words from left to right; iterating gives words and numbers in figures.

    Attributes:
        value: of the number so far: an int that may grow, or figures that are only appended to.
        prefix: its sign or currency.
    """

    def __init__(self, words: Sequence[str]):
        self.words = words
        self.value: int | str | None = None
        self.prefix = ""

    def __iter__(self) -> Iterator[str]:
        words = self.words
        skip = False
        for index, word in enumerate(words):
            if skip:
                skip = False
                continue
            previous = words[index - 1] if index else ""
            following = words[index + 1] if index + 1 < len(words) else ""
            numeric = following in NUMERIC or _FIGURES.fullmatch(following) is not None
            bare = word[1:] if word[0] in "-+£€$¢" else word
            if _FIGURES.fullmatch(bare):
                yield from self._figures(word, bare)
            elif word in ZEROS:
                self._append("0")
            elif word in ONES:
                self.value = self._with_ones(ONES[word], previous)
            elif word in ONES_SUFFIXED:
                ones, ending = ONES_SUFFIXED[word]
                yield self._done(f"{self._with_ones(ones, previous)}{ending}")
            elif word in TENS:
                self.value = self._with_tens(TENS[word])
            elif word in TENS_SUFFIXED:
                tens, ending = TENS_SUFFIXED[word]
                yield self._done(f"{self._with_tens(tens)}{ending}")
            elif word in MULTIPLIERS:
                yield from self._multiply(MULTIPLIERS[word])
            elif word in MULTIPLIERS_SUFFIXED:
                multiplier, ending = MULTIPLIERS_SUFFIXED[word]
                yield from self._multiply(multiplier)
                yield self._done(f"{self.value}{ending}")
            elif word in SIGNS and numeric:
                yield from self._finished()
                self.prefix = SIGNS[word]
            elif word in CURRENCIES and self.value is not None:
                self.prefix = CURRENCIES[word]
                yield from self._finished()
            elif word == "percent" and self.value is not None:
                yield self._done(f"{self.value}%")
            elif word == "per" and following == "cent" and self.value is not None:
                yield self._done(f"{self.value}%")
                skip = True
            elif word == "and" and numeric and previous in MULTIPLIERS:
                pass  # a hundred and one
            elif word in REPEATS and (following in ONES or following in ZEROS):
                self._append(str(ONES.get(following, 0)) * REPEATS[word])
                skip = True
            elif word == "point" and numeric:
                if following in DIGITS or _FIGURES.fullmatch(following):
                    self._append(".")
            else:
                yield from self._finished()
                yield self._done(word)
        yield from self._finished()

    def _done(self, text: str) -> str:
        """A word or number with its prefix; the next number starts again."""
        text = self.prefix + text
        self.value, self.prefix = None, ""
        return text

    def _finished(self) -> Iterator[str]:
        """The number so far, if there is one."""
        if self.value is not None:
            yield self._done(str(self.value))

    def _append(self, figures: str) -> None:
        self.value = f"{self.value or ''}{figures}"

    def _figures(self, word: str, bare: str) -> Iterator[str]:
        if isinstance(self.value, str) and self.value.endswith("."):
            self.value += word  # decimals, or the parts of an IP address
            return
        yield from self._finished()
        if word != bare:
            self.prefix = word[0]
        number = Fraction(bare)
        self.value = number.numerator if number.denominator == 1 else bare

    def _with_ones(self, ones: int, previous: str) -> int | str:
        """The value with a number below twenty after it."""
        value = self.value
        if value is None:
            return ones
        if isinstance(value, str) or previous in ONES:
            replaces = previous in TENS and ones < 10  # 19 twenty one -> 1921
            return f"{str(value)[:-1] if replaces else value}{ones}"
        return value + ones if value % (10 if ones < 10 else 100) == 0 else f"{value}{ones}"

    def _with_tens(self, tens: int) -> int | str:
        value = self.value
        if value is None:
            return tens
        return value + tens if isinstance(value, int) and value % 100 == 0 else f"{value}{tens}"

    def _multiply(self, multiplier: int) -> Iterator[str]:
        value = self.value
        if value is None:
            self.value = multiplier
        elif isinstance(value, int) and value:
            thousands = value // 1000 * 1000
            self.value = thousands + (value - thousands) * multiplier
        elif (product := _product(value, multiplier)) is not None:
            self.value = product
        else:
            yield from self._finished()
            self.value = multiplier


def _product(value: int | str, multiplier: int) -> int | None:
    """Figures times a number, if they stand for one and the product is an integer."""
    try:
        product = Fraction(value) * multiplier
    except ValueError:  # such as an IP address
        return None
    return product.numerator if product.denominator == 1 else None
