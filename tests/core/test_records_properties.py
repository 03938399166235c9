"""What programs write is read back, or refused; whatever the bytes are, nothing but a `UsageError`
comes out.
"""

import contextlib
import csv
import io
import json
import re
import tracemalloc

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.fuzz import cases

from warmstart.core.records import SUFFIXES, read_texts
from warmstart.core.records.values import MISSING_WORDS, UNCLEAR_WORDS
from warmstart.errors import UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.speech.data import examples as speech_examples
from warmstart.text.conll import sentences
from warmstart.text.data import examples
from warmstart.text.squad import questions

LIMITS = settings(
    max_examples=cases(150),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
CELLS = st.text(st.sampled_from(list(',;\t"|\r\n a1.é')) | CHARACTERS, max_size=12).filter(
    str.strip
)
NAMES = CELLS.map(str.strip).filter(lambda name: name not in MISSING_WORDS | UNCLEAR_WORDS)
ROWS = st.lists(st.tuples(CELLS, NAMES), min_size=1, max_size=8)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])


def texts(path, **options):
    return [(one.value, one.label) for one in read_texts(path, multi_label=False, **options)]


def texts_or_error(path, **options):
    """The texts, or the message of the error."""
    try:
        return texts(path, **options)
    except UsageError as error:
        return str(error)


def written(rows, **dialect) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue()


@LIMITS
@given(
    ROWS,
    st.sampled_from(",;\t"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\r\n", "\n"]),
    ENCODINGS,
    st.sampled_from([".csv", ".tsv"]),
)
@example([('"', "a")], "\t", csv.QUOTE_MINIMAL, "\n", "utf-8", ".tsv")
@example([("a\r", "b"), ("a\tb", '"')], "\t", csv.QUOTE_MINIMAL, "\r\n", "utf-8", ".csv")
@example([("0\t\n", "0")], "\t", csv.QUOTE_MINIMAL, "\n", "utf-8", ".tsv")
@example([("0\t\n", "0")], "\t", csv.QUOTE_ALL, "\n", "utf-8", ".tsv")
@example([("0\t0\n0", "0")], "\t", csv.QUOTE_ALL, "\r\n", "utf-8", ".csv")
@example([("0\t0\n0", "0")], "\t", csv.QUOTE_MINIMAL, "\r\n", "utf-8", ".csv")
@example([("a;b", "c;d")], ",", csv.QUOTE_MINIMAL, "\n", "utf-8", ".csv")
def test_tables_are_read_back(tmp_path, rows, delimiter, quoting, end, encoding, suffix):
    if (
        quoting == csv.QUOTE_MINIMAL and end == "\n"
    ):  # then the writer leaves "\r" without quotation marks
        rows = [(text.replace("\r", "-"), label.replace("\r", "-")) for text, label in rows]
    text = written(
        [("text", "label"), *rows], delimiter=delimiter, quoting=quoting, lineterminator=end
    )
    path = tmp_path / f"a{suffix}"
    path.write_bytes(text.encode(encoding))
    found = texts_or_error(path)
    if "quotation marks may be text" in found:
        assert any("\t" in cell and {*"\r\n"} & {*cell} for row in rows for cell in row)
    elif "a quotation mark is not closed" in found:  # the lines of a cell look like records
        assert quoting == csv.QUOTE_MINIMAL
        assert any(delimiter in cell and {*"\r\n"} & {*cell} for row in rows for cell in row)
    else:
        assert found == rows


@LIMITS
@given(ROWS, st.sampled_from(",;\t"), ENCODINGS)
def test_tables_without_a_header_are_read_back_or_refused(tmp_path, rows, delimiter, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes(written(rows, delimiter=delimiter).encode(encoding))
    assume(not {cell.strip().casefold() for cell in rows[0]} & {"text", "label"})
    found = texts_or_error(path)
    first, last = ({row[column] for row in rows} for column in (0, 1))
    swapped = [(text, class_of(label.strip())) for label, text in rows]
    labels_first = swapped if len(first) <= len(last) else rows
    assert "a.csv" in found if isinstance(found, str) else found in (rows, labels_first)


@LIMITS
@given(ROWS, ENCODINGS, st.booleans())
def test_json_is_read_back(tmp_path, rows, encoding, ascii_only):
    records = [{"label": label, "text": text} for text, label in rows]
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    files = {"a.jsonl": "\n".join(lines), "b.json": json.dumps(records)}
    if len(rows) > 1:
        files["a.json"] = files["a.jsonl"]
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode(encoding))
        assert texts(tmp_path / name) == rows


VALUES = st.one_of(
    NAMES.filter(lambda name: name == name.strip()),
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6),
    st.booleans(),
    st.sampled_from([None, "", " ", float("nan")]),
)


def class_of(value) -> str | None:
    """The name of a label; None where it is missing."""
    if value is None or value != value or not str(value).strip():
        return None
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]*)[.]0+", value):
        value = float(value)  # as pandas writes whole numbers next to a missing one
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


@settings(LIMITS, max_examples=cases(250))
@given(
    st.lists(st.tuples(CELLS, VALUES), min_size=1, max_size=12),
    st.sampled_from(["pandas", "category", "mappings", "columns", "tuples", "jsonl", "json"]),
)
@example([("a", 1.0), ("b", float("nan"))], "pandas")
def test_labels_of_any_type_keep_their_identity_or_are_missing(tmp_path, rows, form):
    table = pd.DataFrame({"text": [text for text, _ in rows]})
    values = pd.Series([value for _, value in rows], dtype=object)
    mappings = [{"text": text, "label": value} for text, value in rows]
    if form in ("pandas", "category"):
        data = table.assign(label=values if form == "pandas" else values.astype("category"))
        rows = list(
            zip(table["text"], data["label"].tolist(), strict=True)
        )  # 0 and False are equal
    elif form in ("jsonl", "json"):
        data = tmp_path / f"a.{form}"
        lines = "\n".join(map(json.dumps, mappings))
        data.write_text(lines if form == "jsonl" else json.dumps(mappings))
    else:
        columns = {name: [row[name] for row in mappings] for name in ("text", "label")}
        data = {"mappings": mappings, "columns": columns, "tuples": rows}[form]
    problems: list[str] = []
    found = texts(data, problems=problems)
    expected = [(text, class_of(value)) for text, value in rows]
    assert found == [(text, label) for text, label in expected if label is not None]
    assert len(problems) == len(rows) - len(found)
    assert all("has no label" in problem for problem in problems)


HEADERS = st.lists(
    st.sampled_from(["v1", "v2", "id", "Message", "label", "text", "kind", "split", "a b", "1", ""]),
    min_size=2, max_size=4, unique=True,
)  # fmt: skip


@LIMITS
@given(HEADERS, st.data(), st.sampled_from(",;\t|"), ENCODINGS)
def test_tables_with_any_header_are_read_whole_or_refused(
    tmp_path, header, data, delimiter, encoding
):
    cells = st.sampled_from(
        ["ham", "spam", "a good film, I think", "it is bad; very bad", "1", "0", ""]
    )
    row = st.tuples(*[cells] * len(header))
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    path = tmp_path / "a.csv"
    path.write_bytes(written([header, *rows], delimiter=delimiter).encode(encoding))
    problems: list[str] = []
    columns: list[str] = []
    found = texts_or_error(path, problems=problems, columns=columns)
    if isinstance(found, str):
        assert "a.csv" in found or "train on" in found
        return
    filled = rows[: 1 + max((n for n, one in enumerate(rows) if any(one)), default=-1)]
    assert len(found) + len(problems) in (len(filled), len(filled) + 1)  # a first line that is data
    chosen = dict(column.split(": ", 1) for column in columns)
    if chosen.keys() >= {"text", "label"} and "second text" not in chosen:
        names = [chosen[name] for name in ("text", "label")]
        if len(found) + len(problems) > len(filled):  # "column 2", as the first line is data
            filled.insert(0, header)
            where = [int(name.removeprefix("column ")) - 1 for name in names]
        else:
            where = [header.index(name) for name in names]
        expected = [tuple(one[index] for index in where) for one in filled]
        assert found == [pair for pair in expected if all(pair)]


BYTES = st.one_of(
    st.binary(max_size=300),
    st.text(st.sampled_from(list('text,label;\t\n\r"{}[]:0aé|\0')), max_size=200).map(str.encode),
    st.tuples(st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"text,label\n", b'{"text":', b"PAR1"]),
              st.binary(max_size=100)).map(b"".join),
)  # fmt: skip


@settings(LIMITS, max_examples=cases(350))
@given(BYTES, st.sampled_from(SUFFIXES))
def test_any_bytes_are_records_or_an_error(tmp_path, content, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    problems: list[str] = []
    for collected in (None, problems):
        found = texts_or_error(path, problems=collected)
        assert (
            f"a{suffix}" in found
            if isinstance(found, str)
            else all(
                isinstance(text, str | tuple) and isinstance(label, str | tuple)
                for text, label in found
            )
        )
    assert all(f"a{suffix}" in problem for problem in problems)


CONLL = st.text(st.sampled_from(list("aB-PERO \t\n\u2028")), max_size=60).map(str.encode)
SQUAD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["data", "paragraphs", "qas", "context", "question", "answers", "text",
                                       "answer_start", "is_impossible"]), inner, max_size=4),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())  # fmt: skip


@settings(LIMITS, max_examples=cases(300))
@given(BYTES | CONLL | SQUAD, st.sampled_from([*SUFFIXES, ".conll", ".txt"]))
def test_readers_of_all_tasks_refuse_what_they_cannot_read(tmp_path, content, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    for read in (examples, speech_examples, questions, sentences, read_boxes):
        with contextlib.suppress(UsageError):
            read(path)


@pytest.mark.parametrize(
    "content", [b"a", b'"a,', b'text,label\n"a,', b"{", b"[1,", "é".encode("latin-1"), b"\0"]
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_memory_is_bounded(tmp_path, content, suffix):
    path = tmp_path / f"a{suffix}"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(content * (2**20 // len(content)))
    tracemalloc.start()
    try:
        with pytest.raises(UsageError):
            texts(path)
        assert tracemalloc.get_traced_memory()[1] < 300 * 2**20
    finally:
        tracemalloc.stop()
