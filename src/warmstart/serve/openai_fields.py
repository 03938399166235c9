"""How OpenAI's requests call the options of models, and messages that use these names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

COMPLETION: Mapping[str, str] = MappingProxyType({"max_new_tokens": "max_tokens"})
SPEECH: Mapping[str, str] = MappingProxyType({"speaker": "voice"})
TRANSCRIPTION: Mapping[str, str] = MappingProxyType(
    {"initial_prompt": "prompt", "words": "timestamp_granularities"}
)
"""Option -> field of the request, where they differ."""
_BY_ADDRESS = {
    "/v1/completions": COMPLETION,
    "/v1/audio/speech": SPEECH,
    "/v1/audio/transcriptions": TRANSCRIPTION,
}


def renamed(message: str, path: str) -> str:
    """A message of a model in the terms of the address that was asked. Only names with an underscore
    are replaced: others are also words.
    """
    for option, field in _BY_ADDRESS.get(path, {}).items():
        if "_" in option:
            message = re.sub(rf"\b{option}\b", field, message)
    return message
