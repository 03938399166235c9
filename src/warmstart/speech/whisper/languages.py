"""Languages by code and by name.

Source: the table of openai/whisper's `tokenizer.py`.
"""

from __future__ import annotations

from collections.abc import Collection

from warmstart.errors import UsageError
from warmstart.suggestions import near

NAMES = {
    "en": "english", "zh": "chinese", "de": "german", "es": "spanish", "ru": "russian",
    "ko": "korean", "fr": "french", "ja": "japanese", "pt": "portuguese", "tr": "turkish",
    "pl": "polish", "ca": "catalan", "nl": "dutch", "ar": "arabic", "sv": "swedish",
    "it": "italian", "id": "indonesian", "hi": "hindi", "fi": "finnish", "vi": "vietnamese",
    "he": "hebrew", "uk": "ukrainian", "el": "greek", "ms": "malay", "cs": "czech",
    "ro": "romanian", "da": "danish", "hu": "hungarian", "ta": "tamil", "no": "norwegian",
    "th": "thai", "ur": "urdu", "hr": "croatian", "bg": "bulgarian", "lt": "lithuanian",
    "la": "latin", "mi": "maori", "ml": "malayalam", "cy": "welsh", "sk": "slovak",
    "te": "telugu", "fa": "persian", "lv": "latvian", "bn": "bengali", "sr": "serbian",
    "az": "azerbaijani", "sl": "slovenian", "kn": "kannada", "et": "estonian", "mk": "macedonian",
    "br": "breton", "eu": "basque", "is": "icelandic", "hy": "armenian", "ne": "nepali",
    "mn": "mongolian", "bs": "bosnian", "kk": "kazakh", "sq": "albanian", "sw": "swahili",
    "gl": "galician", "mr": "marathi", "pa": "punjabi", "si": "sinhala", "km": "khmer",
    "sn": "shona", "yo": "yoruba", "so": "somali", "af": "afrikaans", "oc": "occitan",
    "ka": "georgian", "be": "belarusian", "tg": "tajik", "sd": "sindhi", "gu": "gujarati",
    "am": "amharic", "yi": "yiddish", "lo": "lao", "uz": "uzbek", "fo": "faroese",
    "ht": "haitian creole", "ps": "pashto", "tk": "turkmen", "nn": "nynorsk", "mt": "maltese",
    "sa": "sanskrit", "lb": "luxembourgish", "my": "myanmar", "bo": "tibetan", "tl": "tagalog",
    "mg": "malagasy", "as": "assamese", "tt": "tatar", "haw": "hawaiian", "ln": "lingala",
    "ha": "hausa", "ba": "bashkir", "jw": "javanese", "su": "sundanese", "yue": "cantonese",
}  # fmt: skip
"""Code -> name."""
OTHER_NAMES = {
    "burmese": "my", "valencian": "ca", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb",
    "pushto": "ps", "panjabi": "pa", "moldavian": "ro", "moldovan": "ro", "sinhalese": "si",
    "castilian": "es", "mandarin": "zh",
}  # fmt: skip
"""Other names -> code."""


def language_code(language: str, known: Collection[str]) -> str:
    """The code of a language.

    Args:
        language: its code or English name, in any case; "<|de|>" is read, too.
        known: codes of the languages that a model knows.

    Raises:
        UsageError: the model does not know it; the message suggests near ones.
    """
    name = language.strip().lower().removeprefix("<|").removesuffix("|>").replace("_", "-")
    codes = {text: code for code, text in NAMES.items()} | OTHER_NAMES
    code = codes.get(name, name)
    if code in known:
        return code
    raise UsageError(f"The model has no language {language!r}{_suggestion(name, known)}")


def _suggestion(name: str, known: Collection[str]) -> str:
    codes = {text: code for code, text in NAMES.items()} | OTHER_NAMES
    names = {text: code for text, code in codes.items() if code in known}
    similar = [names[text] for text in near(name, names, 3, 0.7)]
    if (base := name.split("-")[0]) in known:  # de-AT
        similar = [base]
    if similar:
        shown = (f"{code} ({NAMES.get(code, code).title()})" for code in dict.fromkeys(similar))
        return f"; did you mean {' or '.join(shown)}?"
    listed = ", ".join(list(known)[:12]) + (" …" if len(known) > 12 else "")
    return f"; available: {listed}"
