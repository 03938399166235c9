"""What is one text, what is several, and what streams; from Python, requests and the command line."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from warmstart.core.inputs import Item
from warmstart.core.reading import Line
from warmstart.errors import InputError, TooLargeError, UsageError
from warmstart.text.inputs import PAIR, PROMPT, QUESTION, TEXT, Pair, display_text, text_of

KINDS = [TEXT, PAIR, QUESTION, PROMPT]
LIMITS = SimpleNamespace(max_text=20, max_pixels=0, max_audio=0.0, max_values=0, allow_urls=False)


def texts(kind, inputs):
    return [kind.read(item) for item in kind.stream(inputs)]


def read(kind, value):
    return kind.read(kind.single(value))


@pytest.mark.parametrize(("one", "want"), [
    ("a film", "a film"),
    (b"a film", "a film"),
    (("a", "b"), Pair("a", "b")),
    ((b"a", "b"), Pair("a", "b")),
    ({"text": "a"}, "a"),
    ({"text": "a", "text_pair": "b"}, Pair("a", "b")),
    ({"text": "a", "text_pair": None}, "a"),
])  # fmt: skip
def test_one(one, want):
    assert not PAIR.is_several(one)
    assert read(PAIR, one) == want
    assert texts(PAIR, [one, one]) == [want, want]


def test_questions():
    for one in (("q", "c"), {"question": "q", "context": "c"}):
        assert read(QUESTION, one) == Pair("q", "c")
    for bad in ("q", {"question": "q"}, ("q", "")):
        with pytest.raises(InputError, match="the question"):
            read(QUESTION, bad)
    for bad, words in (
        (("", "c"), "the question is empty"),
        (("q", " "), "the context is empty"),
        ({"question": "q", "context": "c", "id": 3}, "; not 'id'"),
    ):
        with pytest.raises(InputError, match=words):
            read(QUESTION, bad)
    with pytest.raises(InputError, match="the second text is empty"):
        read(PAIR, ("a", ""))


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_and_a_column_are_several(kind):
    assert kind.is_several([])
    assert kind.is_several(np.array(["a"]))
    for one in ("a", b"a", ("a", "b"), {"text": "a"}, iter(["a"])):
        assert not kind.is_several(one)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("many", [
    ("a", "b", "c"), {"a", "b"}, np.array(["a", "b"]), iter(["a"]), (text for text in "ab"), Path("texts.txt"),
], ids=["tuple", "set", "column", "iterator", "generator", "path"])  # fmt: skip
def test_a_call_refuses_what_stands_for_many(kind, many):
    with pytest.raises(UsageError, match=r"model\.stream\(|model\(list\(x\)\)"):
        kind.single(many)


@pytest.mark.parametrize("kind", [TEXT, PROMPT])
def test_a_pair_is_refused_where_texts_are_single(kind):
    with pytest.raises(UsageError, match=r"A call takes one"):
        kind.single(("a", "b"))
    (item,) = kind.elements([("a", "b")])
    assert isinstance(item.value, InputError)
    with pytest.raises(InputError, match="is a pair of texts"):
        read(kind, {"text": "a", "text_pair": "b"})


@pytest.mark.parametrize(
    "many", [["a", "b"], np.array(["a", "b"]), (t for t in "ab"), iter(["a", b"b"]), ("a", "b")]
)
def test_streams(many):
    assert texts(TEXT, many) == ["a", "b"]


def test_columns_stream():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": ["a", "b"]})
    assert texts(TEXT, table["text"]) == ["a", "b"]
    assert texts(TEXT, np.array(["a", "b"], object)) == ["a", "b"]
    with pytest.raises(UsageError, match="several columns"):
        TEXT.stream(table)


def test_the_stream_of_one_prompt_is_named():
    for prompt in ("ROMEO:", b"ROMEO:"):
        with pytest.raises(UsageError, match="stream_text"):
            PROMPT.stream(prompt)
    assert texts(TEXT, "a film") == ["a film"]


def test_pairs_in_a_list():
    assert texts(PAIR, [("a", "b"), ["c", "d"], "e"]) == [Pair("a", "b"), Pair("c", "d"), "e"]


@pytest.mark.parametrize("kind", [TEXT, PAIR, PROMPT])
def test_a_file_of_lines(kind, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffone\r\n\n  \nzwölf\n".encode() + b"bad \xff\nlast")
    with pytest.raises(UsageError, match=r"texts\.txt.*stream"):
        kind.single(path)
    items = list(kind.stream(path))
    assert [item.name.rpartition(":")[2] for item in items] == ["1", "4", "5", "6"]
    assert [kind.read(item) for item in (items[0], items[1], items[3])] == ["one", "zwölf", "last"]
    with pytest.raises(InputError, match=r"texts\.txt:5: is not UTF-8 at byte 4"):
        kind.read(items[2])
    (tmp_path / "empty.txt").touch()
    for bad in ("empty.txt", "nowhere.txt"):
        with pytest.raises(InputError, match=bad):
            list(kind.stream(tmp_path / bad))


def test_a_generator_is_asked_as_needed():
    asked = []

    def source():
        for n in range(9):
            asked.append(n)
            yield str(n)

    items = TEXT.stream(source())
    assert asked == []
    next(items)
    assert asked == [0]


@pytest.mark.parametrize("bad", ["", " \n\t", b"\xff", 5, None, ("a", ""), {"pair": "x"}, ["a", "b", "c"],
                                 Path("texts.txt"), float("nan")])  # fmt: skip
def test_bad_texts_are_named(bad):
    _, item = PAIR.elements(["fine", bad])
    name = r"texts\.txt" if isinstance(bad, Path) else "item 2"
    with pytest.raises(InputError, match=name):
        raise item.value if isinstance(item.value, InputError) else pytest.fail(PAIR.read(item))


@pytest.mark.parametrize("nothing", [None, 5, object()])
@pytest.mark.parametrize("kind", KINDS)
def test_no_texts(kind, nothing):
    for take in (kind.single, kind.stream):
        with pytest.raises(UsageError, match="cannot take"):
            take(nothing)


def test_an_empty_prompt_is_one():
    assert read(PROMPT, "") == ""


def test_shown():
    assert display_text("x" * 200) == "x" * 200
    assert display_text("x" * 201) == "x" * 199 + "…"
    assert display_text(Pair("a", "b")) == "a | b"
    assert text_of(Item("x", b"a")) == "a"


def test_json():
    assert (
        TEXT.from_json("a", LIMITS)
        == PAIR.from_json("a", LIMITS)
        == PROMPT.from_json("a", LIMITS)
        == "a"
    )
    assert PAIR.from_json({"text": "a"}, LIMITS) == "a"
    assert PAIR.from_json({"text": "a", "text_pair": "b"}, LIMITS) == ("a", "b")
    assert QUESTION.from_json({"question": "a", "context": "b"}, LIMITS) == ("a", "b")
    for kind, bad in (
        (TEXT, {"text": "a"}),
        (TEXT, 3),
        (PAIR, {"text_pair": "b"}),
        (PAIR, {"text": "a", "x": "b"}),
        (PAIR, {"text": "a", "text_pair": None}),
        (PAIR, ["a", "b"]),
        (QUESTION, "a"),
        (QUESTION, {"question": "a"}),
        (PROMPT, None),
        (TEXT, "\0"),
        (TEXT, "\ud800"),
    ):
        with pytest.raises(InputError):
            kind.from_json(bad, LIMITS)
    for kind, long in ((TEXT, "x" * 21), (PAIR, {"text": "a", "text_pair": "x" * 21})):
        with pytest.raises(TooLargeError, match="20 at most"):
            kind.from_json(long, LIMITS)


def test_bytes():
    assert TEXT.from_bytes("\ufeffä".encode(), LIMITS) == "ä"
    with pytest.raises(InputError, match="byte 0"):
        PAIR.from_bytes(b"\xff", LIMITS)
    with pytest.raises(InputError, match="JSON"):
        QUESTION.from_bytes(b"a", LIMITS)


def from_command(kind, *arguments):
    return list(kind.stream(kind.from_arguments(arguments)))


def test_arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("some.txt").write_text("one\n\ntwo\tthree\n")
    items = from_command(PAIR, "a film", "a\tb", "some.txt", "the end.")
    assert [PAIR.read(item) for item in items] == [
        "a film",
        Pair("a", "b"),
        "one",
        Pair("two", "three"),
        "the end.",
    ]
    assert [item.name for item in items] == [
        "item 1",
        "item 2",
        "some.txt:1",
        "some.txt:3",
        "item 5",
    ]
    assert [TEXT.read(item) for item in from_command(TEXT, "a\tb", "some.txt")] == [
        "a\tb",
        "one",
        "two\tthree",
    ]
    assert [QUESTION.read(item) for item in from_command(QUESTION, "q\tc")] == [Pair("q", "c")]


@pytest.mark.parametrize(
    "argument",
    ["nowhere.txt", "cat.jpg", "folder", "data.csv", "notes.md", "empty.txt", "data/reviews", "review.csb",
     "a_fine_film.text", r"C:\data\reviews", r"data\reviews", "C:/reviews"],
)  # fmt: skip
def test_an_argument_that_looks_like_a_file_is_never_a_text(argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("notes.md").write_text("a text")
    Path("empty.txt").touch()
    (item,) = from_command(PAIR, argument)
    assert isinstance(item.value, InputError)
    assert str(item.value).startswith(f"{argument}: ")
    (item,) = from_command(PAIR, Line(argument))  # of standard input
    assert PAIR.read(item) == argument


@pytest.mark.parametrize(
    "argument",
    [
        "see cat.jpg",
        "I love node.js",
        "What? No.",
        "...",
        "a/b",
        "and/or",
        "24/7",
        "good.",
        "great...wow",
        "e.g.",
        "v1.2",
        "https://example.com/x",
        "x" * 5000,
        "a\0b",
    ],
)
def test_other_arguments_are_texts(argument):
    (item,) = from_command(PAIR, argument)
    assert PAIR.read(item) == argument
