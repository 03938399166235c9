"""The settings of the prompt in a checkpoint's `generation_config.json`."""

from __future__ import annotations

from warmstart.catalog import Entry
from warmstart.errors import BundleError
from warmstart.speech.whisper.tokens import WhisperTokens


def forced_prompt(tokens: WhisperTokens, entry: Entry) -> tuple[str | None, str]:
    """(code of the language or None, "transcribe" or "translate") of a call that names neither.

    `language` and `task` go before `forced_decoder_ids`, as in transformers. Whether there are
    timestamps is an option of each call.

    Raises:
        BundleError: a forced token is none of the prompt's, or the task does not exist.
        UsageError: the model does not know the language.
    """
    processing, name = entry.processing, entry.name
    codes = {token: code for code, token in tokens.languages.items()}
    tasks = {tokens.translate: "translate", tokens.transcribe: "transcribe"}
    language, task = None, "transcribe"
    for token in processing.get("forced", ()):
        if token in codes:
            language = codes[token]
        elif token in tasks:
            task = tasks[token]
        elif token != tokens.no_timestamps:
            raise BundleError(
                f"{name}: forced_decoder_ids of generation_config.json has the token {token}, which "
                "is not a language, a task or <|notimestamps|>."
            )
    if "language" in processing:
        language = tokens.language(processing["language"])
    task = str(processing.get("task", task))
    if task not in tasks.values():
        raise BundleError(
            f"{name}: task of generation_config.json is {task!r}, not transcribe or translate."
        )
    return language, task
