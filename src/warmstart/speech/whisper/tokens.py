"""Whisper's tokens: text, and the special ones by their names in the tokenizer of the repository or
bundle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from warmstart.errors import BundleError
from warmstart.models.checks import Repository
from warmstart.models.keras_hub import is_preset, preset_of
from warmstart.models.repository import CONFIG, read_json
from warmstart.models.speech.whisper import presets
from warmstart.speech.normalizer import WITHOUT_SPACES
from warmstart.speech.whisper.languages import language_code

FILES = (
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "normalizer.json",
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
)
"""The files of a Whisper repository other than its weights."""
SECONDS = 0.02
"""From one timestamp to the next."""
BEFORE, AFTER = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
"""Punctuation that belongs to the following word, and to the preceding word."""


@dataclass(frozen=True)
class WhisperTokens:
    """The tokenizer and its special tokens.

    Attributes:
        end: ends a text; the ids of text tokens are lower.
        start: begins a text.
        languages: code -> token; empty for models of one language.
        translate, transcribe: the tokens of the two tasks.
        previous: begins the text of previous windows.
        no_speech: its probability after `start` is that of silence.
        no_timestamps: the text will have no timestamps; the token after it is 0.00 seconds.
    """

    tokenizer: Any
    end: int
    start: int
    languages: dict[str, int]
    translate: int
    transcribe: int
    previous: int
    no_speech: int
    no_timestamps: int
    other: tuple[int, ...]

    @classmethod
    def open(cls, folder: Path, vocabulary: int, multilingual: bool = True) -> WhisperTokens:
        """Read the tokenizer of a folder: that of a KerasHub preset, `tokenizer.json`, or
        `vocab.json`, `merges.txt` and `added_tokens.json`.

        Raises:
            BundleError: a file is missing or damaged, or is not of a Whisper tokenizer of this
                vocabulary.
        """
        tokenizer = _open_tokenizer(folder, vocabulary)

        def number(*names: str) -> int:
            for name in names:
                token = tokenizer.token_to_id(f"<|{name}|>")
                if token is not None and token < vocabulary:
                    return int(token)
            raise BundleError(
                f"{folder}: its tokenizer has no token <|{names[0]}|> below {vocabulary:,}; it is not "
                "that of this Whisper model."
            )

        start, translate = number("startoftranscript"), number("translate")
        lm = tokenizer.token_to_id("<|startoflm|>")
        languages = {}
        for token in range(start + 1, translate) if multilingual else ():
            if name := tokenizer.id_to_token(token):
                languages[name.strip("<|>")] = token
        tokens = cls(
            tokenizer,
            number("endoftext"),
            start,
            languages,
            translate,
            number("transcribe"),
            number("startofprev"),
            number("notimestamps") - 1,
            number("notimestamps"),
            () if lm is None else (lm,),
        )
        return tokens._as_stated(folder)

    def _as_stated(self, folder: Path) -> WhisperTokens:
        """These tokens with the languages of `generation_config.json`, if it lists them.

        Raises:
            BundleError: it names other tokens than the tokenizer has.
        """
        path = folder / "generation_config.json"
        try:
            stated = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        except (ValueError, OSError) as error:
            raise BundleError(f"{path} is not JSON: {error}") from error
        tasks = stated.get("task_to_id") or {}
        for key, value, token in (
            ("eos_token_id", stated.get("eos_token_id"), self.end),
            ("decoder_start_token_id", stated.get("decoder_start_token_id"), self.start),
            ("no_timestamps_token_id", stated.get("no_timestamps_token_id"), self.no_timestamps),
            ("prev_sot_token_id", stated.get("prev_sot_token_id"), self.previous),
            ("task_to_id.translate", tasks.get("translate"), self.translate),
            ("task_to_id.transcribe", tasks.get("transcribe"), self.transcribe),
        ):
            if value not in (None, token, [token]):
                raise BundleError(f"{path}: {key} is {value!r}, but {token} in the tokenizer.")
        listed = stated.get("lang_to_id") or {}
        for name, token in listed.items():
            if self.tokenizer.token_to_id(name) != token:
                raise BundleError(
                    f"{path}: lang_to_id maps {name} to the id {token!r}, but the tokenizer "
                    "does not."
                )
        if not (listed and self.languages):
            return self
        languages = {name.strip("<|>"): token for name, token in listed.items()}
        return replace(self, languages=dict(sorted(languages.items(), key=lambda pair: pair[1])))

    @property
    def first_time(self) -> int:
        """The timestamp 0.00; the others follow."""
        return self.no_timestamps + 1

    def special(self) -> list[int]:
        """Tokens that are never chosen: all special ones but `end`, languages and timestamps."""
        return [
            self.start,
            self.translate,
            self.transcribe,
            self.previous,
            self.no_speech,
            self.no_timestamps,
            *self.other,
        ]

    def language(self, language: str) -> str:
        """The code of a language, from its code or English name.

        Raises:
            UsageError: the model does not know it; the message suggests near ones.
        """
        return language_code(language, self.languages or ("en",))

    def encode(self, text: str) -> list[int]:
        """Text tokens; the names of special tokens in the text are ordinary text or nothing."""
        return [
            t for t in self.tokenizer.encode(text, add_special_tokens=False).ids if t < self.end
        ]

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of the text tokens among these."""
        text_tokens = [t for t in tokens if t < self.end]
        return str(self.tokenizer.decode(text_tokens, skip_special_tokens=False))

    def words(self, tokens: Sequence[int], language: str) -> list[tuple[str, list[int]]]:
        """The words of text tokens, punctuation with them: (text as it stands, with its space;
        tokens).
        """
        pieces = self._pieces(tokens)
        words: list[tuple[str, list[int]]] = []
        for text, ids in pieces:
            new = (
                language in WITHOUT_SPACES
                or text.startswith(" ")
                or not text.strip().strip(BEFORE + AFTER)
            )
            if not words or (
                new and words[-1][0].strip()
            ):  # a space of its own goes with what follows
                words.append((text, list(ids)))
            else:
                words[-1] = (words[-1][0] + text, words[-1][1] + ids)
        return _with_punctuation(words)

    def _pieces(self, tokens: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Tokens in the smallest groups that are whole characters."""
        whole = self.decode(tokens)
        words: list[tuple[str, list[int]]] = []
        waiting: list[int] = []
        done = 0
        for token in tokens:
            waiting.append(token)
            text = self.decode(waiting)
            broken = text.find("�")
            if broken < 0 or whole[done + broken : done + broken + 1] == "�":
                words.append((text, waiting))
                done += len(text)
                waiting = []
        return [*words, (self.decode(waiting), waiting)] if waiting else words


def _with_punctuation(words: list[tuple[str, list[int]]]) -> list[tuple[str, list[int]]]:
    joined: list[tuple[str, list[int]]] = []
    for text, ids in words:
        last = joined[-1][0] if joined else ""
        ends = (
            bool(joined) and text.strip() != "" and text == text.lstrip() and not text.strip(AFTER)
        )
        opens = (
            bool(joined)
            and last.strip() != ""
            and last.startswith(" ")
            and not last.strip().strip(BEFORE)
        )
        if ends or opens:
            joined[-1] = (last + (text.lstrip() if opens else text), joined[-1][1] + ids)
        else:
            joined.append((text, ids))
    return joined


def _open_tokenizer(folder: Path, vocabulary: int) -> Any:
    from tokenizers import Tokenizer

    try:
        if presets.is_preset(folder):
            return _preset_tokenizer(folder, vocabulary)
        if (folder / "tokenizer.json").is_file():
            return Tokenizer.from_file(str(folder / "tokenizer.json"))
        for name in ("vocab.json", "merges.txt"):
            if not (folder / name).is_file():
                raise BundleError(
                    f"{folder} has no tokenizer.json and no {name}; fetch the whole repository."
                )
        made = _byte_level(folder / "vocab.json")
        added = json.loads((folder / "added_tokens.json").read_text("utf-8"))
        _add(made, added, folder / "added_tokens.json")
        return made
    except BundleError:
        raise
    except (
        Exception
    ) as error:  # tokenizers raises plain Exception for whatever is wrong with a file
        raise BundleError(f"{folder}: its tokenizer cannot be read: {error}") from error


def _byte_level(path: Path) -> Any:
    """The tokenizer of a vocabulary and the `merges.txt` in its folder, without special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    made = Tokenizer(models.BPE.from_file(str(path), str(path.with_name("merges.txt"))))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def _add(tokenizer: Any, tokens: Mapping[str, int], path: Path) -> None:
    """Add special tokens, which follow on the vocabulary."""
    from tokenizers import AddedToken

    for name, token in sorted(tokens.items(), key=lambda pair: pair[1]):
        tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False)])
        if tokenizer.token_to_id(name) != token:
            raise BundleError(
                f"{path}: {name} is {token}, which does not follow on the vocabulary; fetch the "
                "repository again."
            )


def _preset_tokenizer(folder: Path, vocabulary: int) -> Any:
    """The tokenizer of a KerasHub preset. Tokens without a name, such as the languages of an English
    model, get one.
    """
    path = presets.vocabulary_file(folder)
    tokens = presets.vocabulary(folder)
    made = _byte_level(path)
    first = made.get_vocab_size()
    added = {name: token for name, token in tokens.items() if token >= first}
    after = max(added.values(), default=first) + 1
    for token in {*range(first, after)} - {*added.values()}:
        added[f"<|{token}|>"] = token
    for number, token in enumerate(range(after, vocabulary)):
        added[f"<|{number * SECONDS:.2f}|>"] = token
    _add(made, added, folder / "tokenizer.json")
    return made


def own_files(folder: Path) -> dict[str, Path | bytes]:
    """The files of a repository or bundle that belong to the model besides its weights. Those of a
    KerasHub preset are written as transformers reads them.
    """
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if not is_preset(config):
        return {name: folder / name for name in FILES if (folder / name).is_file()}
    own = presets.config_of(preset_of(Repository(config, folder / CONFIG), {}))
    tokenizer = _open_tokenizer(folder, own["vocab_size"])
    return {
        CONFIG: (json.dumps(own, indent=2) + "\n").encode(),
        "tokenizer.json": tokenizer.to_str(pretty=False).encode(),
    }
