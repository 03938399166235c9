"""Tokenizers from every layout, against each other and against what their papers say; hostile files
are refused.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.errors import BundleError, InputError, UsageError
from warmstart.text import tokenizer as text
from warmstart.text import vocabulary_files
from warmstart.text.tokenizer import Tokenizer, TruncationWarning, padded

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "cat",
    "sat",
    "un",
    "##aff",
    "##able",
    "é",
    "e",
    "The",
    ",",
    "你",
    "好",
    "a",
    "##b",
]


def written(folder: Path, config: dict | None = None, words=WORDS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def tokens(tokenizer: Tokenizer, *texts: str) -> list[str]:
    return [tokenizer.token(i) for i in tokenizer.encode(*texts).ids]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("tokenizer"))


def test_wordpiece_from_a_vocabulary(folder):
    tokenizer = Tokenizer.open(folder, rows=len(WORDS))
    assert tokens(tokenizer, "The unaffable\tcat, é") == [
        "[CLS]",
        "the",
        "un",
        "##aff",
        "##able",
        "cat",
        ",",
        "e",
        "[SEP]",
    ]
    encoded = tokenizer.encode("the cat", "sat")
    assert encoded.types.tolist() == [0, 0, 0, 0, 1, 1]
    assert encoded.sequences.tolist() == [-1, 0, 0, -1, 1, -1]
    assert encoded.offsets.tolist() == [[0, 0], [0, 3], [4, 7], [0, 0], [0, 3], [0, 0]]
    assert tokenizer.encode("unaffable cat").words.tolist() == [-1, 0, 0, 0, 1, -1]
    assert tokenizer.decode(encoded.ids) == "the cat sat"
    assert [tokenizer.special_id(kind) for kind in ("pad", "unk", "cls", "sep", "mask", "bos")] == [
        0,
        1,
        2,
        3,
        4,
        None,
    ]


@pytest.mark.parametrize(("config", "given", "want"), [
    ({"do_lower_case": False}, "The é", ["The", "é"]),
    ({"do_lower_case": False, "strip_accents": True}, "The é", ["The", "e"]),
    ({"do_lower_case": True, "strip_accents": False}, "The É", ["the", "é"]),
    ({"tokenize_chinese_chars": True}, "你好", ["你", "好"]),
    ({"tokenize_chinese_chars": False}, "你好", ["[UNK]"]),
])  # fmt: skip
def test_options_are_honoured(tmp_path, config, given, want):
    tokenizer = Tokenizer.open(written(tmp_path, config))
    assert tokens(tokenizer, given) == ["[CLS]", *want, "[SEP]"]
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "tokenizer.json").write_bytes(
        Tokenizer.open(written(tmp_path / "plain")).files()["tokenizer.json"]
    )
    (whole / "tokenizer_config.json").write_text(json.dumps(config))
    assert tokens(Tokenizer.open(whole), given) == ["[CLS]", *want, "[SEP]"]


def test_special_tokens_come_from_the_config(tmp_path):
    words = ["<p>", "<u>", "<c>", "<s>", "<m>", "cat"]
    names = zip(("pad", "unk", "cls", "sep", "mask"), words, strict=False)
    config = {
        f"{kind}_token": {"content": token} if kind == "cls" else token for kind, token in names
    }
    tokenizer = Tokenizer.open(written(tmp_path, config, words))
    assert tokens(tokenizer, "dog <m> cat") == ["<c>", "<u>", "<m>", "cat", "<s>"]
    (tmp_path / "tokenizer_config.json").rename(tmp_path / "special_tokens_map.json")
    assert tokens(Tokenizer.open(tmp_path), "dog <m> cat") == ["<c>", "<u>", "<m>", "cat", "<s>"]


@pytest.mark.shared
def test_real_bert_vocabulary(shared_data):
    tokenizer = Tokenizer.open(shared_data / "tokenizers" / "bert-base-uncased", rows=30522)
    assert tokenizer.encode("Hello, world! Tokenization isn't hard.").ids.tolist() == [
        101,
        7592,
        1010,
        2088,
        999,
        19204,
        3989,
        3475,
        1005,
        1056,
        2524,
        1012,
        102,
    ]
    encoded = tokenizer.encode("crème 🙂 brûlée \0 مرحبا")
    assert [tokenizer.token(i) for i in encoded.ids[1:4]] == ["cr", "##eme", "[UNK]"]
    assert encoded.offsets[1:4].tolist() == [[0, 2], [2, 5], [6, 7]]


@pytest.mark.shared
def test_byte_level_from_its_parts_equals_the_whole(shared_data, tmp_path):
    real = shared_data / "tokenizers" / "gpt2"
    model = json.loads((real / "tokenizer.json").read_text("utf-8"))["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    built, whole = Tokenizer.open(tmp_path, rows=50257), Tokenizer.open(real)
    for one in ("Hello world, it's 2024!", " naïve café 🙂\n\nend", "a <|endoftext|> b", "مرحبا"):
        assert built.encode(one).ids.tolist() == whole.encode(one).ids.tolist()
        assert built.decode(built.encode(one).ids, special=True) == one
    assert built.special_id("eos") == 50256
    with pytest.raises(BundleError, match=r"50,295 tokens, but the model has 50,257"):
        Tokenizer.open(real, rows=50257)


def roberta(folder: Path) -> Path:
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "Ġ", "ab", "Ġa", "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\nĠ a\n", "utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    return folder


def test_roberta_from_its_parts(tmp_path):
    tokenizer = Tokenizer.open(roberta(tmp_path), rows=10)
    assert tokens(tokenizer, "ab a") == ["<s>", "ab", "Ġa", "</s>"]
    assert tokens(tokenizer, "a", "b") == ["<s>", "a", "</s>", "</s>", "b", "</s>"]
    assert tokens(tokenizer, "ab <mask>") == [
        "<s>",
        "ab",
        "<mask>",
        "</s>",
    ]  # the mask takes its space
    assert tokenizer.encode("ab a").offsets.tolist() == [[0, 0], [0, 2], [3, 4], [0, 0]]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"add_prefix_space": True}))
    assert tokens(Tokenizer.open(tmp_path), "a") == ["<s>", "Ġa", "</s>"]


def test_truncation_is_told_once(folder):
    tokenizer = Tokenizer.open(folder)
    with pytest.warns(TruncationWarning, match="more than the 4 tokens"):
        cut = tokenizer.encode("the cat sat the cat", limit=4, name="item 7")
    assert cut.truncated
    assert len(cut) == 4
    assert not tokenizer.encode("cat", limit=4).truncated
    assert (
        len(tokenizer.encode("the cat sat the cat", "cat", limit=5)) == 5
    )  # a second warning would be an error
    assert len(tokenizer.encode("the cat sat the cat")) == 7  # and the limit is not remembered


def test_windows_cover_the_second_text(folder):
    tokenizer = Tokenizer.open(folder)
    context = "the cat sat " * 7
    windows = tokenizer.windows("cat sat", context, limit=12, stride=3)
    whole = tokenizer.encode("cat sat", context)
    spans = [
        [tuple(o) for o, s in zip(w.offsets, w.sequences, strict=True) if s == 1] for w in windows
    ]
    assert all(len(w) <= 12 and w.ids[:4].tolist() == whole.ids[:4].tolist() for w in windows)
    for before, after in pairwise(spans):
        assert before[-3:] == after[:3]
    covered = {span for window in spans for span in window}
    assert covered == {
        tuple(o) for o, s in zip(whole.offsets, whole.sequences, strict=True) if s == 1
    }
    assert len(tokenizer.windows("cat", "sat", limit=12, stride=3)) == 1
    assert len(tokenizer.windows(context, limit=12, stride=3)) > 1
    with pytest.raises(InputError, match="item 2"):
        tokenizer.windows("cat " * 30, "sat", limit=12, stride=3, name="item 2")


def test_padding(folder):
    tokenizer = Tokenizer.open(folder)
    batch = padded([tokenizer.encode("cat"), tokenizer.encode("the cat", "sat")], 0)
    assert batch["input_ids"].tolist() == [[2, 6, 3, 0, 0, 0], [2, 5, 6, 3, 7, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0, 0], [1] * 6]
    assert batch["token_type_ids"].tolist() == [[0] * 6, [0, 0, 0, 0, 1, 1]]
    assert {array.dtype for array in batch.values()} == {np.dtype("int32")}
    with pytest.raises(UsageError):
        padded([tokenizer.encode("cat")], 0, to=2)


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_is_encoded_or_refused_by_name(folder, given):
    tokenizer = Tokenizer.open(folder, rows=len(WORDS))
    if any(0xD800 <= ord(character) < 0xE000 for character in given):
        with pytest.raises(InputError, match="item 3"):
            tokenizer.encode(given, name="item 3")
    else:
        encoded = tokenizer.encode(given, limit=512, name="item 3")
        assert encoded.ids[0] == 2
        assert encoded.ids[-1] == 3
        for (begin, end), place in zip(encoded.offsets, encoded.sequences, strict=True):
            assert place == -1 or 0 <= begin < end <= len(given)


def test_a_vocabulary_of_another_model_is_refused(folder):
    for rows in (len(WORDS) - 1, len(WORDS) + text.PADDED_ROWS + 1):
        with pytest.raises(BundleError, match="do not belong to the same model"):
            Tokenizer.open(folder, rows=rows)
    assert Tokenizer.open(folder, rows=len(WORDS) + 5).size == len(WORDS)


@pytest.mark.parametrize(("name", "content"), [
    ("tokenizer.json", b"{"),
    ("tokenizer.json", b'{"version": "1.0", "model": {"type": "WordPiece"}}'),
    ("tokenizer.json", b'{"a":' * 100_000),
    ("vocab.txt", b"\xff\xfe\x00"),
    ("vocab.txt", b"the\ncat\n"),
    ("tokenizer_config.json", b"[]"),
    ("tokenizer_config.json", b'{"do_lower_case": "yes"}'),
    ("added_tokens.json", b'{"<new>": 3}'),
    ("added_tokens.json", b'{"<new>": "x"}'),
])  # fmt: skip
def test_hostile_files_are_refused_by_name(tmp_path, name, content):
    written(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleError, match=str(tmp_path)):
        Tokenizer.open(tmp_path)


@pytest.mark.parametrize(("vocabulary", "merges"), [
    ('{"<s>": 0, "</s>": 999999999999}', ""),
    ('{"<s>": 0, "</s>": -1}', ""),
    ('{"<s>": 0, "</s>": "x"}', ""),
    ('{"<s>": 0, "</s>": 1, "a": 2}', "a"),
    ('{"<s>": 0, "</s>": 1, "a": 2}', "a b"),
    ('{"a": 2}', ""),
])  # fmt: skip
def test_hostile_byte_level_files_are_refused(tmp_path, vocabulary, merges):
    roberta(tmp_path)
    (tmp_path / "vocab.json").write_text(vocabulary)
    (tmp_path / "merges.txt").write_text(merges)
    with pytest.raises(BundleError, match=str(tmp_path)):
        Tokenizer.open(tmp_path)


def test_files_are_not_read_when_they_are_absurdly_large(tmp_path):
    written(tmp_path)
    with open(tmp_path / "tokenizer.json", "wb") as file:
        file.truncate(vocabulary_files.LARGEST_FILE + 1)
    with pytest.raises(BundleError, match="larger than 64 MiB"):
        Tokenizer.open(tmp_path)


def test_ids_beyond_the_embedding_are_refused(tmp_path, folder):
    whole = json.loads(Tokenizer.open(folder).files()["tokenizer.json"])
    whole["model"]["vocab"]["cat"] = 5_000_000  # few tokens, one with an id from afar
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    tokenizer = Tokenizer.open(tmp_path, rows=len(WORDS))
    with pytest.raises(BundleError, match="returns the id 5000000"):
        tokenizer.encode("cat")


def test_what_is_not_supported_is_named(tmp_path, folder):
    with pytest.raises(UsageError, match="do_basic_tokenize"):
        Tokenizer.open(written(tmp_path, {"do_basic_tokenize": False}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="has no tokenizer"):
        Tokenizer.open(tmp_path / "empty")
    with pytest.raises(InputError, match="16,777,216"):
        Tokenizer.open(folder).encode("a" * (text.LARGEST_TEXT + 1))
