"""The names of options in OpenAI's requests, and messages that use them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

COMPLETION: Mapping[str, str] = MappingProxyType({"max_new_tokens": "max_tokens"})
SPEECH: Mapping[str, str] = MappingProxyType({"speaker": "voice"})
TRANSCRIPTION: Mapping[str, str] = MappingProxyType(
    {"initial_prompt": "prompt", "word_timestamps": "timestamp_granularities"}
)
"""Option -> field of the request, if their names differ."""
_BY_PATH = {
    "/v1/completions": COMPLETION,
    "/v1/audio/speech": SPEECH,
    "/v1/audio/transcriptions": TRANSCRIPTION,
}


def renamed(message: str, path: str) -> str:
    """A message of a model, with the field names of the requested path instead of the model's options.
    Only names with an underscore are replaced, because the others are also ordinary words.
    """
    for option, field in _BY_PATH.get(path, {}).items():
        if "_" in option:
            message = re.sub(rf"\b{option}\b", field, message)
    return message
