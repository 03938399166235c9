"""Write tests/golden/normalizer.json: sentences, and what transformers' text normalizers for Whisper
make of them.

    python scripts/make_goldens_normalizer.py

Needs transformers (scripts/requirements.txt); the tests do not. Sentences are put together at
random, from words that have a rule and words that have none.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from transformers.models.whisper.english_normalizer import (
    BasicTextNormalizer,
    EnglishTextNormalizer,
)

from warmstart.speech.normalizer import english, numbers

FILE = Path(__file__).parents[1] / "tests" / "golden" / "normalizer.json"
SENTENCES = 400
NAMES = (
    "the", "house", "colour", "organise", "theatre", "paid", "ninth", "a", "half", "well-known",
    "naïve", "œuvre", "Café", "it's", "[noise]", "(laughs)", "<unk>", ",", ".", "?", "!", "…",
    "1,000", "$5", "3.5", "12", "7", "0", "1", "2.0", "1.2.3.4", "1960s", "42nd", "10th", "20%",
    "%", "£20", "€3.50", "¢5", "don't", "O'Neill", "rock'n'roll", "A.M.", "e.g.", "uh-huh",
)  # fmt: skip
PHRASES = (
    "and a half", "two and a half million", "double oh seven", "one oh one", "nineteen eighty four",
    "$2 and ¢7", "a hundred and one", "fifty per cent", "minus five", "positive thinking",
    "three point one four", "twenty first", "sixty sixes", "two dollars and five cents",
)  # fmt: skip
OTHERS = {
    "de": "Grüße aus München, [lacht] – 3,5 Äpfel! (leise) Straße",
    "fr": "L’été, c’est «fini»… à 10 h 30 ; garçon",
    "ja": "これは、テストです。「東京」[笑] １２３",
    "zh": "你好，世界！（笑）今天是2024年。",
    "hi": "नमस्ते, यह एक परीक्षण है।",
    "ru": "Привет, мир! Ёлка — это (шёпотом) дерево.",
    "th": "สวัสดีครับ [เสียง] ๑๒๓",
    "tr": "İstanbul'da IŞIK, çok güzel!",
}


def sentences() -> Iterator[str]:
    """English, with the words that have rules far more often than people say them."""
    choose = random.Random(0)
    words = [*NAMES, *PHRASES, *numbers.NUMERIC, *english.WORDS, *english.TITLES, *english.ENDINGS]
    words.sort()
    for _ in range(SENTENCES):
        sentence = " ".join(choose.choice(words) for _ in range(choose.randint(2, 10)))
        yield sentence.capitalize() + "." if choose.random() < 0.3 else sentence


def main() -> None:
    normalizer = EnglishTextNormalizer(english._spellings())
    basic, characters = BasicTextNormalizer(), BasicTextNormalizer(split_letters=True)
    cases = [[sentence, "en", normalizer(sentence)] for sentence in sentences()]
    for language, text in OTHERS.items():
        rules = characters if language in ("ja", "zh", "th") else basic
        cases.append([text, language, rules(text)])
    FILE.write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()
