"""Build a tokenizer of the `tokenizers` library from the files of a repository.

`tokenizer.json` is a complete tokenizer. Older repositories have only its parts, from which it is
built as in the reference: `vocab.txt` (WordPiece, as in BERT) or `vocab.json` and `merges.txt`
(byte-level BPE, as in RoBERTa and GPT-2). Files contain only data, but may be hostile: sizes are
checked first, and all errors of the library become a BundleError.

Sources: Devlin et al., "BERT" (2018), appendix A.2; Radford et al., "Language Models are
Unsupervised Multitask Learners" (2019), section 2.2; the tokenizer classes of Hugging Face
transformers for names and defaults of options.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from warmstart.errors import BundleError, UsageError
from warmstart.text import vocabulary_files as files

if TYPE_CHECKING:
    import tokenizers

Side: TypeAlias = Literal["left", "right"]
FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
"""The files that make up a tokenizer; no repository has all of them."""
ROLES = ("unk", "cls", "sep", "pad", "mask", "bos", "eos")
BERT_TOKENS = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
ROBERTA_TOKENS = {
    "unk": "<unk>",
    "cls": "<s>",
    "sep": "</s>",
    "pad": "<pad>",
    "mask": "<mask>",
    "bos": "<s>",
    "eos": "</s>",
}
GPT2_TOKENS = {"unk": "<|endoftext|>", "bos": "<|endoftext|>", "eos": "<|endoftext|>"}


def settings(folder: Path) -> dict[str, Any]:
    """The special tokens of `special_tokens_map.json` and `tokenizer_config.json`; the latter wins."""
    merged: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            merged |= files.read_object(folder / name)
    return merged


def truncation_side(folder: Path) -> Side:
    """The side on which a long text is truncated: that of the config, else that of
    `tokenizer.json`, else "right".

    Raises:
        BundleError: it is neither "left" nor "right".
    """
    config, path = settings(folder), folder / "tokenizer.json"
    side = config.get("truncation_side")
    if side is None and path.is_file():
        truncation = files.read_object(path).get("truncation")
        side = truncation.get("direction") if isinstance(truncation, Mapping) else None
    side = str(side or "right").lower()
    if side not in ("left", "right"):
        raise BundleError(
            f"{folder / 'tokenizer_config.json'}: truncation_side must be left or right, not {side!r}."
        )
    return "left" if side == "left" else "right"


def special_tokens(config: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, str]:
    """Role (`"cls"`, `"pad"`, ...) -> token, from settings like `{"cls_token": "[CLS]"}` or `{"content": …}`."""
    tokens = dict(defaults)
    for role in ROLES:
        token = config.get(f"{role}_token")
        token = token.get("content") if isinstance(token, Mapping) else token
        if isinstance(token, str) and token:
            tokens[role] = token
    return tokens


def open_backend(folder: Path) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    """The library's tokenizer for a folder, and its special tokens by role.

    Raises:
        BundleError: files are missing, damaged, too large, or contradict each other.
        UsageError: an option of the tokenizer is not supported.
    """
    if files.is_preset(folder):
        vocabulary, config = files.read_preset(folder)
        build = _wordpiece if vocabulary.suffix == ".txt" else _byte_level
        return build(folder, config, vocabulary)
    config = settings(folder)
    if config.get("do_basic_tokenize") is False or config.get("never_split"):
        raise UsageError(
            f"{folder / 'tokenizer_config.json'}: do_basic_tokenize=false and never_split are not "
            "supported; save the tokenizer as a tokenizer.json."
        )
    if (folder / "tokenizer.json").is_file():
        backend = _whole(folder / "tokenizer.json", config)
        return backend, special_tokens(config, _usual(backend))
    if (folder / "vocab.txt").is_file():
        return _wordpiece(folder, config, folder / "vocab.txt")
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _byte_level(folder, config, folder / "vocab.json")
    raise BundleError(
        f"{folder} has no tokenizer: neither tokenizer.json, nor vocab.txt, nor vocab.json with "
        "merges.txt is there (SentencePiece's .model files are not read: save a tokenizer.json)."
    )


@contextlib.contextmanager
def library_errors(what: str) -> Iterator[None]:
    """Turn whatever the tokenizers library raises into a BundleError about `what`."""
    try:
        yield
    except (BundleError, UsageError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # its panics (PanicException) are no Exceptions
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise BundleError(f"{what} cannot be used: {str(error)[:300]}") from error
        raise


def _whole(path: Path, config: Mapping[str, Any]) -> tokenizers.Tokenizer:
    import tokenizers

    files.check_size(path)
    with library_errors(str(path)):
        backend = tokenizers.Tokenizer.from_file(str(path))
        backend.no_truncation()
        backend.no_padding()
        # The config wins over tokenizer.json, as in the reference.
        space, before = config.get("add_prefix_space"), backend.pre_tokenizer
        if isinstance(before, tokenizers.pre_tokenizers.ByteLevel) and isinstance(space, bool):
            before.add_prefix_space = space
            backend.pre_tokenizer = before
        normalizer = backend.normalizer
        if isinstance(normalizer, tokenizers.normalizers.BertNormalizer):
            options = (
                ("do_lower_case", "lowercase"),
                ("strip_accents", "strip_accents"),
                ("tokenize_chinese_chars", "handle_chinese_chars"),
            )
            changed = {
                own: config[key]
                for key, own in options
                if isinstance(config.get(key), bool) and getattr(normalizer, own) != config[key]
            }
            if changed:
                for own, value in changed.items():
                    setattr(normalizer, own, value)
                backend.normalizer = normalizer
    if backend.get_vocab_size() > files.MOST_TOKENS:
        raise BundleError(
            f"{path} has {backend.get_vocab_size():,} tokens; more than {files.MOST_TOKENS:,} are refused."
        )
    return backend


def _usual(backend: tokenizers.Tokenizer) -> dict[str, str]:
    """The special tokens by their usual spellings, where no config names them."""
    for tokens in (BERT_TOKENS, ROBERTA_TOKENS, GPT2_TOKENS):
        if all(backend.token_to_id(token) is not None for token in set(tokens.values())):
            return dict(tokens)
    return {}


def _wordpiece(
    folder: Path, config: Mapping[str, Any], path: Path
) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokens = special_tokens(config, BERT_TOKENS)
    vocabulary: dict[str, int] = {}
    for number, line in enumerate(files.text(path).split("\n")):
        token = line.rstrip("\r\n")
        if token or number == 0:
            vocabulary[token] = (
                number  # a token that comes twice has its last id, as in the reference
            )
    files.check_tokens(path, vocabulary, [tokens["unk"], tokens["cls"], tokens["sep"]])
    with library_errors(str(path)):
        backend = Tokenizer(
            models.WordPiece(vocabulary, unk_token=tokens["unk"], max_input_chars_per_word=100)
        )
        backend.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=files.flag(config, "tokenize_chinese_chars", True, folder),
            strip_accents=files.flag(config, "strip_accents", None, folder),
            lowercase=files.flag(config, "do_lower_case", True, folder),
        )
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        cls, sep = tokens["cls"], tokens["sep"]
        backend.post_processor = processors.TemplateProcessing(
            single=f"{cls}:0 $A:0 {sep}:0",
            pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
            special_tokens=[(cls, vocabulary[cls]), (sep, vocabulary[sep])],
        )
        backend.decoder = decoders.WordPiece(prefix="##")
        _add(backend, folder, config, tokens)
    return backend, tokens


def _byte_level(
    folder: Path, config: Mapping[str, Any], path: Path
) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    vocabulary = files.read_object(path)
    roberta = _is_roberta(folder, config, vocabulary)
    tokens = special_tokens(config, ROBERTA_TOKENS if roberta else GPT2_TOKENS)
    files.check_tokens(path, vocabulary, [tokens["cls"], tokens["sep"]] if roberta else [])
    lines = [
        line
        for line in files.text(path.with_name("merges.txt")).split("\n")
        if line and not line.startswith("#version")
    ]
    parts = [line.rstrip("\r").split(" ") for line in lines]
    merges = [(pair[0], pair[1]) for pair in parts if len(pair) == 2]
    if len(merges) < len(parts):
        raise BundleError(
            f"{path.with_name('merges.txt')} is damaged: a line does not hold two parts."
        )
    space = bool(files.flag(config, "add_prefix_space", False, folder))
    with library_errors(str(path)):
        backend = Tokenizer(
            models.BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix="")
        )
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
        backend.decoder = decoders.ByteLevel()
        if roberta:
            cls, sep = ((tokens[role], int(vocabulary[tokens[role]])) for role in ("cls", "sep"))
            backend.post_processor = processors.RobertaProcessing(
                sep, cls, trim_offsets=True, add_prefix_space=space
            )
        elif files.flag(config, "add_bos_token", False, folder):
            begin = tokens["bos"]
            files.check_tokens(path, vocabulary, [begin])
            backend.post_processor = processors.TemplateProcessing(
                single=f"{begin} $A", special_tokens=[(begin, int(vocabulary[begin]))]
            )
        else:
            backend.post_processor = processors.ByteLevel(trim_offsets=False)
        _add(backend, folder, config, tokens)
    return backend, tokens


def _is_roberta(folder: Path, config: Mapping[str, Any], vocabulary: Mapping[str, Any]) -> bool:
    """Whether texts are wrapped in <s> … </s>: by the tokenizer's class, the model's type, or the
    vocabulary.
    """
    name = str(config.get("tokenizer_class") or "")
    if not name and (folder / "config.json").is_file():
        name = str(files.read_object(folder / "config.json").get("model_type") or "")
    if name:
        return "roberta" in name.lower()
    return "<s>" in vocabulary and "</s>" in vocabulary


def _add(
    backend: tokenizers.Tokenizer,
    folder: Path,
    config: Mapping[str, Any],
    tokens: Mapping[str, str],
) -> None:
    """Let special tokens and those of `added_tokens.json` be recognised in text as they are."""
    from tokenizers import AddedToken

    path = folder / "added_tokens.json"
    added = files.read_object(path) if path.is_file() else {}
    if not all(isinstance(number, int) for number in added.values()):
        raise BundleError(f"{path} is damaged: it must map each token to a number.")
    for token in sorted(added, key=lambda token: added[token]):
        backend.add_tokens([AddedToken(token, normalized=False)])
        if backend.token_to_id(token) != added[token]:
            raise BundleError(
                f"{path}: the token {token!r} has the number {added[token]}, but comes as "
                f"{backend.token_to_id(token)}; the files do not belong to the same "
                "tokenizer."
            )
    extra = config.get("additional_special_tokens") or []
    extra = (
        [t.get("content") if isinstance(t, Mapping) else t for t in extra]
        if isinstance(extra, list)
        else []
    )
    # RoBERTa's mask takes the space before it: "a <mask>" is one token after "a".
    backend.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False, lstrip=token == "<mask>")
            for token in dict.fromkeys(
                [*tokens.values(), *(t for t in extra if isinstance(t, str) and t)]
            )
        ]
    )
