"""Texts to token ids and back, by the tokenizer files of a model's folder."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import BundleError, InputError, UsageError
from warmstart.text import vocabularies, vocabulary_files

if TYPE_CHECKING:
    import tokenizers

    from warmstart.core.loaded_model import LoadedModel

PADDED_ROWS = 1024
"""How many more rows than tokens an embedding may have: some are padded to a round number."""
LONG_TEXT = 10_000
"""Texts with more characters are encoded as a batch of one, which costs extra time."""
LARGEST_TEXT = 16 * 2**20
"""Characters of one text; more are refused."""


class TruncationWarning(UserWarning):
    """A text was longer than the model's `max_length`, and was truncated."""


@dataclass(frozen=True)
class Encoded:
    """One text, pair, or window of one, as tokens.

    Attributes:
        ids: int32 (T,).
        types: int32 (T,); 0, or 1 for the second text of a pair.
        truncated: whether tokens were left out.
        encoding: what the tokenizers library gave; offsets and words are read from it when they are
            needed. None: they were read already.
    """

    ids: np.ndarray
    types: np.ndarray
    truncated: bool
    encoding: tokenizers.Encoding | None

    def __len__(self) -> int:
        return len(self.ids)

    def without_encoding(self) -> Encoded:
        """The same, without `encoding`, which also stores the truncated tokens."""
        known = {"offsets": self.offsets, "sequences": self.sequences, "words": self.words}
        other = replace(self, encoding=None)
        other.__dict__.update(known)  # these are cached properties
        return other

    @cached_property
    def offsets(self) -> np.ndarray:
        """int64 (T, 2): where each token begins and ends in its text, in characters; (0, 0) for
        special ones.
        """
        assert self.encoding is not None
        return np.array(self.encoding.offsets, np.int64).reshape(-1, 2)

    @cached_property
    def sequences(self) -> np.ndarray:
        """int64 (T,): 0 or 1 for tokens of the first or second text, -1 for special ones."""
        assert self.encoding is not None
        indices = self.encoding.sequence_ids
        return np.array([-1 if index is None else index for index in indices], np.int64)

    @cached_property
    def words(self) -> np.ndarray:
        """int64 (T,): the number of the word that each token belongs to, -1 for special ones."""
        assert self.encoding is not None
        return np.array([-1 if word is None else word for word in self.encoding.word_ids], np.int64)


class Tokenizer:
    """A model's tokenizer. Safe to use from several threads.

    Attributes:
        special: special tokens by role: `"cls"`, `"sep"`, `"pad"`, `"mask"`, `"unk"`, `"bos"`,
            `"eos"`, those it has.
        folder: where its files lie.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        special: Mapping[str, str],
        folder: Path,
        rows: int | None = None,
        truncation_side: vocabularies.Side = "right",
    ):
        self.special, self.folder = dict(special), folder
        self._backend, self._rows = backend, rows
        self._lock = threading.Lock()
        self._truncation: dict[str, Any] | None = None
        self._side = truncation_side
        self._has_warned = False

    @classmethod
    def open(cls, folder: Path, *, rows: int | None = None) -> Tokenizer:
        """The tokenizer of a folder.

        Args:
            folder: holds `tokenizer.json`, else `vocab.txt`, else `vocab.json` and `merges.txt`.
            rows: of the model's embedding; the vocabulary must fit it.

        Raises:
            BundleError: files are missing or damaged, or the vocabulary is not the embedding's.
            UsageError: an option of the tokenizer is not supported.
        """
        backend, special = vocabularies.open_backend(folder)
        size = backend.get_vocab_size()
        if rows is not None and not rows - PADDED_ROWS <= size <= rows:
            raise BundleError(
                f"The tokenizer in {folder} has {size:,} tokens, but the model has {rows:,} "
                "embeddings; they do not belong to the same model."
            )
        return cls(backend, special, folder, rows, vocabularies.truncation_side(folder))

    @classmethod
    def of(cls, model: LoadedModel) -> Tokenizer:
        """The tokenizer in the folder of a model; errors are those of `open`.

        Raises:
            BundleError: the model has no folder.
        """
        if model.folder is None:
            raise BundleError(
                f"{model.name} has no folder with a tokenizer; load it by name, folder or source."
            )
        return cls.open(model.folder, rows=model.entry.config["vocab_size"])

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return self._backend.get_vocab_size()

    @cached_property
    def continuing(self) -> str:
        """The prefix of tokens that continue a word (`"##"`); `""` if a space begins a word instead."""
        return getattr(self._backend.model, "continuing_subword_prefix", None) or ""

    def id(self, token: str) -> int | None:
        """The id of a token; None if there is no such token."""
        return self._backend.token_to_id(token)

    def token(self, number: int) -> str | None:
        """The token of an id; None if there is no such id."""
        return self._backend.id_to_token(int(number))

    def special_id(self, role: str) -> int | None:
        """The id of a special token by its role, such as `"mask"`; None if the tokenizer has
        none.
        """
        return self.id(self.special[role]) if role in self.special else None

    def encode(
        self,
        text: str,
        pair: str | None = None,
        *,
        limit: int | None = None,
        special: bool = True,
        name: str = "",
    ) -> Encoded:
        """One text, or a pair of texts, as tokens.

        Args:
            text, pair: the texts.
            limit: most tokens, special ones included; what is longer loses its end, or its
                beginning where the checkpoint says so (of a pair, the longer one's), with a
                `TruncationWarning`, once for each tokenizer. None: no limit.
            special: whether special tokens are added, such as `[CLS]` and `[SEP]`.
            name: of the input, for errors.

        Raises:
            InputError: the text cannot be encoded, or has more than `LARGEST_TEXT` characters.
            BundleError: the tokenizer gives ids that the model does not have.
        """
        encoding = (
            self._encoding(text, pair, special, name, max_length=limit, direction=self._side)
            if limit
            else self._encoding(text, pair, special, name)
        )
        truncated = bool(encoding.overflowing)
        if truncated and not self._has_warned:
            self._has_warned = True
            part = "end" if self._side == "right" else "beginning"
            message = (
                f"{name or 'A text'} has more than the {limit:,} tokens that the model "
                f"takes; its {part} is truncated. Results of such texts have truncated=True; "
                "this warning is shown once."
            )
            warnings.warn_explicit(message, TruncationWarning, "warmstart", 1)  # no source line
        encoded = self._encoded(encoding, truncated)
        is_long = len(text) + len(pair or "") > LONG_TEXT
        return encoded.without_encoding() if truncated and is_long else encoded

    def windows(
        self, text: str, pair: str | None = None, *, limit: int, stride: int, name: str = ""
    ) -> list[Encoded]:
        """A text as overlapping windows of at most `limit` tokens; of a pair, only the second text
        is cut.

        Args:
            text, pair: the texts; every window of a pair starts with the whole first one.
            limit: most tokens of a window, special ones included.
            stride: how many tokens a window shares with the one before.
            name: of the input, for errors.

        Raises:
            InputError: the text cannot be encoded, or the first text of a pair leaves no room for
                the second.
        """
        try:
            encoding = self._encoding(
                text,
                pair,
                True,
                name,
                max_length=limit,
                stride=stride,
                strategy="longest_first" if pair is None else "only_second",
            )
        except BundleError as error:
            reason = f"({error})"
            if pair is not None and (count := len(self.encode(text))) > limit // 2:
                reason = f"with a first text of {count:,}, such as the question; shorten it"
            message = f"{name}: does not fit into windows of {limit} tokens {reason}"
            raise InputError(message, name) from error
        return [self._encoded(window, False) for window in (encoding, *encoding.overflowing)]

    def decode(self, ids: Sequence[int] | np.ndarray, *, special: bool = False) -> str:
        """Text of token ids; `special` keeps special tokens. Bytes that are not complete UTF-8
        characters come as U+FFFD.

        Raises:
            InputError: an id is negative or too large to be one.
        """
        try:
            return self._backend.decode(
                [int(number) for number in ids], skip_special_tokens=not special
            )
        except OverflowError as error:
            raise InputError(f"token ids must be 0 or more: {error}") from error

    def files(self) -> dict[str, Path | bytes]:
        """Its files by name, as they belong into a repository: always with a `tokenizer.json`."""
        files: dict[str, Path | bytes] = {
            name: path for name in vocabularies.FILES if (path := self.folder / name).is_file()
        }
        if vocabulary_files.is_preset(self.folder):
            tokens = {f"{role}_token": token for role, token in self.special.items()}
            files = {"tokenizer_config.json": json.dumps(tokens).encode()}
        with self._lock:
            self._truncate({})
            files.setdefault("tokenizer.json", self._backend.to_str(pretty=False).encode())
        return files

    def _encoding(
        self, text: str, pair: str | None, special: bool, name: str, **cut: Any
    ) -> tokenizers.Encoding:
        for part in (text, pair or ""):
            check_text(part, name)
        with (
            vocabularies.library_errors(
                f"{name or 'the text'}, or the tokenizer in {self.folder},"
            ),
            self._lock,
        ):
            self._truncate(cut)
            if len(text) + len(pair or "") > LONG_TEXT:  # a batch releases the GIL
                both = text if pair is None else (text, pair)
                return self._backend.encode_batch([both], add_special_tokens=special)[0]
            return self._backend.encode(text, pair, add_special_tokens=special)

    def _truncate(self, cut: dict[str, Any]) -> None:
        """Set what is cut, which is part of the library's state; the caller holds the lock."""
        if cut == self._truncation:
            return
        if cut:
            self._backend.enable_truncation(**cut)
        else:
            self._backend.no_truncation()
        self._truncation = cut

    def _encoded(self, encoding: tokenizers.Encoding, truncated: bool) -> Encoded:
        ids = np.array(encoding.ids, np.int64)
        if self._rows is not None and ids.max(initial=0) >= self._rows:
            raise BundleError(
                f"The tokenizer in {self.folder} returns the id {ids.max()}, but the model "
                f"has {self._rows:,} embeddings; they do not belong to the same model."
            )
        return Encoded(
            ids.astype(np.int32), np.array(encoding.type_ids, np.int32), truncated, encoding
        )


def check_text(text: str, name: str = "") -> None:
    """Raise `InputError` unless this is a text that can be encoded, up to `LARGEST_TEXT`."""
    if not isinstance(text, str):
        raise InputError(
            f"{name or 'a text'}: is not a text but an object of type {type(text).__name__}", name
        )
    if len(text) > LARGEST_TEXT:
        raise InputError(
            f"{name or 'a text'}: has {len(text):,} characters, more than {LARGEST_TEXT:,}; cut it",
            name,
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name or 'a text'}: has half of a surrogate pair at character {error.start + 1}, which is "
            "not text; decode its bytes as UTF-8",
            name,
        ) from error


def padded(encoded: Sequence[Encoded], pad: int, *, to: int | None = None) -> dict[str, np.ndarray]:
    """Several texts as one batch, padded at their ends to the longest.

    Args:
        encoded: N texts.
        pad: the id that fills up.
        to: pad to this many tokens instead.

    Returns:
        `input_ids`, `attention_mask` (1 for tokens, 0 for padding) and `token_type_ids`, each int32
        (N, T).
    """
    length = to or max(map(len, encoded))
    if length < max(map(len, encoded)):
        raise UsageError(f"texts of {max(map(len, encoded))} tokens cannot be padded to {length}.")
    ids = np.full((len(encoded), length), pad, np.int32)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, sequence in enumerate(encoded):
        size = len(sequence)
        ids[row, :size], mask[row, :size], types[row, :size] = sequence.ids, 1, sequence.types
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
