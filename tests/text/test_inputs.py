"""One text, a pair, lists, generators and files of lines become single texts; bad ones are named."""

import numpy as np
import pytest

from warmstart.errors import InputError, UsageError
from warmstart.text.inputs import Pair, is_single, iter_texts, shown, text_of


def texts(inputs):
    return [text_of(item) for item in iter_texts(inputs)]


@pytest.mark.parametrize(("one", "want"), [
    ("a film", "a film"),
    (b"a film", "a film"),
    (("a", "b"), Pair("a", "b")),
    ({"text": "a"}, "a"),
    ({"text": "a", "text_pair": "b"}, Pair("a", "b")),
])  # fmt: skip
def test_one(one, want):
    assert is_single(one)
    assert texts(one) == [want]


@pytest.mark.parametrize("many", [
    ["a", "b"], np.array(["a", "b"]), (t for t in "ab"), ("a", "b", "a")[:2] and ["a", b"b"],
])  # fmt: skip
def test_many(many):
    assert not is_single(many)
    assert texts(many) == ["a", "b"]


def test_pairs_in_a_list():
    assert texts([("a", "b"), ["c", "d"], "e"]) == [Pair("a", "b"), Pair("c", "d"), "e"]


def test_a_file_of_lines(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffone\r\n\n  \nzwölf\n".encode() + b"bad \xff\nlast")
    assert not is_single(path)
    items = list(iter_texts(path))
    assert [item.name.rpartition(":")[2] for item in items] == ["1", "4", "5", "6"]
    assert [text_of(item) for item in (items[0], items[1], items[3])] == ["one", "zwölf", "last"]
    with pytest.raises(InputError, match=r"texts\.txt:5: is not UTF-8 at byte 4"):
        text_of(items[2])
    (tmp_path / "empty.txt").touch()
    for bad in ("empty.txt", "nowhere.txt"):
        with pytest.raises(InputError, match=bad):
            list(iter_texts(tmp_path / bad))


def test_a_generator_is_asked_as_needed():
    asked = []

    def source():
        for n in range(9):
            asked.append(n)
            yield str(n)

    items = iter_texts(source())
    assert asked == []
    next(items)
    assert asked == [0]


@pytest.mark.parametrize("bad", ["", " \n\t", b"\xff", 5, None, "\ud800", ("a", ""), {"pair": "x"}, ["a", "b", "c"]])
def test_bad_texts_are_named(bad):
    (_, item) = iter_texts(["fine", bad])
    with pytest.raises(InputError, match="item 2"):
        text_of(item)


@pytest.mark.parametrize("nothing", [None, 5, object()])
def test_no_texts(nothing):
    with pytest.raises(UsageError, match="cannot take texts"):
        iter_texts(nothing)


def test_shown():
    assert shown("x" * 200) == "x" * 200
    assert shown("x" * 201) == "x" * 199 + "…"
    assert shown(Pair("a", "b")) == "a | b"
