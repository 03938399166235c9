"""Tables as inputs: where rows begin, what a bad row costs, texts and series and paths in columns."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.photos import CIFAR

import warmstart as ws
from warmstart.bulk import listing, tables
from warmstart.bulk.plan import make_plan
from warmstart.bulk.rows import RowReader, rows_of
from warmstart.errors import InputError, UsageError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


GOLDEN = Path(__file__).parents[1] / "golden" / "text"
MODELS = {
    "text": "sst2_bert_tiny",
    "photo": CIFAR,
    "recording": "digits_wavenet_asr",
    "question": GOLDEN / "bert_question_answering",
    "series": "deepar",
}


def reader_of(kind, columns=()):
    return RowReader(ws.load(MODELS[kind]), columns)


def read(inputs, kind="text", columns=(), size=3):
    """Every row of a plan as (source, value), shard by shard."""
    reader = reader_of(kind, columns)
    plan = make_plan(listing.list_rows(inputs, reader), size)
    found = [row for shard in plan.shards for row in rows_of(shard, reader)]
    assert [row.number for row in found] == list(range(plan.rows))
    return [(row.source, row.value) for row in found]


@settings(max_examples=25)
@given(
    rows=st.lists(st.lists(TEXT, min_size=2, max_size=2), min_size=1, max_size=9),
    size=st.integers(1, 4),
)
def test_every_cut_of_a_table_gives_the_same_rows(rows, size, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *rows])
    lines = [json.dumps({"id": a, "text": b}, ensure_ascii=False) for a, b in rows]
    (folder / "t.jsonl").write_text("\n\n".join(lines), "utf-8", newline="\n")
    want = [b for _, b in rows]
    for name in ("t.csv", "t.jsonl"):
        assert [value for _, value in read(folder / name, columns=("text",), size=size)] == want


def test_csv_with_line_ends_in_its_fields(tmp_path):
    (tmp_path / "t.csv").write_bytes(
        b'\xef\xbb\xbfid,text\r\n1,"two\r\nlines"\r\n\r\n2,"a ""b"", c"\r\n3\r\n4,\xff\r\n5,end'
    )
    found = read(tmp_path / "t.csv", size=1)
    assert [value for _, value in found if isinstance(value, str)] == [
        "two\r\nlines",
        'a "b", c',
        "end",
    ]
    assert [source[-2:] for source, _ in found] == [":1", ":2", ":3", ":4", ":5"]
    assert "1 field, not 2" in str(found[2][1])
    assert "not UTF-8" in str(found[3][1])


def test_parquet_in_row_groups(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"text": [f"text {n}" for n in range(50)], "id": list(range(50))})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    assert [value for _, value in read(tmp_path / "t.parquet", size=4)] == table.column(
        "text"
    ).to_pylist()
    with pytest.raises(UsageError, match="no column 'words'"):
        read(tmp_path / "t.parquet", columns=("words",))


def test_a_bad_line_is_a_row_that_fails(tmp_path):
    (tmp_path / "t.jsonl").write_bytes(
        b'{"text": "a"}\n{"text": \n{"text": 3}\n{"other": 1}\n"bare"\n{"text": "\xff"}\n'
    )
    values = [value for _, value in read(tmp_path / "t.jsonl")]
    assert (values[0], values[4]) == ("a", "bare")
    for place, words in (
        (1, "t.jsonl:2: is not JSON"),
        (2, "3 is not a text"),
        (3, "no column of texts"),
        (5, "not UTF-8"),
    ):
        assert isinstance(values[place], InputError)
        assert words in str(values[place])


def test_columns_are_found_or_named(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"premise": "a", "hypothesis": "b", "text": "c"}))
    assert read(tmp_path / "t.jsonl")[0][1] == "c"
    assert read(tmp_path / "t.jsonl", columns=("premise", "hypothesis"))[0][1] == ("a", "b")
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": "a?", "context": "b"}))
    assert read(tmp_path / "q.jsonl", "question")[0][1] == ("a?", "b")
    (tmp_path / "n.jsonl").write_text(json.dumps({"nothing": "a"}))
    with pytest.raises(UsageError, match="no column of texts; name it with column"):
        read(tmp_path / "n.jsonl")
    (tmp_path / "t.txt").write_text("one\n\na\tb\n")
    assert read(tmp_path / "t.txt") == [
        (f"{tmp_path}/t.txt:1", "one"),
        (f"{tmp_path}/t.txt:3", ("a", "b")),
    ]
    assert read(["t.txt is a text", ("a", "b"), "Paris is the [MASK]?"]) == [
        ("item 1", "t.txt is a text"),
        ("item 2", ("a", "b")),
        ("item 3", "Paris is the [MASK]?"),
    ]


def test_delimiters_are_detected_and_utf16_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("id;text\n1;a, b\n2;c\n")
    assert [value for _, value in read(tmp_path / "t.csv", size=1)] == ["a, b", "c"]
    (tmp_path / "t.tsv").write_text('text\tid\n"Hello" he said\t1\nc\t2\n')
    assert [value for _, value in read(tmp_path / "t.tsv", size=1)] == ['"Hello" he said', "c"]
    (tmp_path / "one.csv").write_text("text\na;b\n")
    assert [value for _, value in read(tmp_path / "one.csv")] == ["a;b"]
    for name in ("u.csv", "u.jsonl"):
        (tmp_path / name).write_text("text,id\na,1\n", "utf-16")
        with pytest.raises(UsageError, match="is UTF-16-LE; save it as UTF-8"):
            read(tmp_path / name)


def test_two_columns_that_may_hold_the_text_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("review,comment\na,b\n")
    with pytest.raises(UsageError, match="'review' or 'comment'; name one with column"):
        read(tmp_path / "t.csv")


def test_a_table_that_became_shorter_fails_its_rows_only(tmp_path):
    (tmp_path / "t.txt").write_text("a\nb\nc\nd\n")
    plan = make_plan(listing.list_rows(tmp_path, reader_of("text")), 2)
    (tmp_path / "t.txt").write_text("a\nb\nc\n")
    values = [row.value for shard in plan.shards for row in rows_of(shard, reader_of("text"))]
    assert values[:3] == ["a", "b", "c"]
    assert "has 1 fewer row than when it was listed" in str(values[3])


def test_photos_by_a_table_of_paths_and_of_bytes(photos, model, tmp_path):
    names = [f"img{n}.png" for n in (0, 3, 6)]
    rows = ["path,label", *(f"a/{name},1" for name in names), "a/none*.png,1", ",1"]
    (photos / "list.csv").write_text("\n".join(rows))
    done = ws.batch(model, photos / "list.csv", tmp_path / "csv", top_k=1)
    assert [row["source"] for row in done.results()] == [f"{photos}/a/{name}" for name in names]
    assert [
        "no such file" in letter["error"] or "names no photo" in letter["error"]
        for letter in done.failures()
    ] == [True, True]
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    held = [{"bytes": (photos / "a" / name).read_bytes(), "path": None} for name in names]
    pq.write_table(pa.table({"image": held}), tmp_path / "t.parquet")
    again = ws.batch(model, tmp_path / "t.parquet", tmp_path / "parquet", top_k=1)
    assert [r["predictions"] for r in again.results()] == [r["predictions"] for r in done.results()]
    assert next(again.results())["source"].endswith("t.parquet:1")
    (photos / "list.csv").unlink()


@pytest.mark.parametrize("source", ["bytes", "url"])
def test_rows_of_bytes_and_urls_are_read_again_when_a_batch_fails(
    photos, tmp_path, monkeypatch, source
):
    fsspec = pytest.importorskip("fsspec")
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    contents = [(photos / "a" / f"img{n}.png").read_bytes() for n in (0, 3, 6)]
    if source == "bytes":
        inputs = tmp_path / "t.parquet"
        pq.write_table(pa.table({"image": [{"bytes": c, "path": None} for c in contents]}), inputs)
    else:
        inputs = [f"memory://again/{index}.png" for index in range(len(contents))]
        for url, content in zip(inputs, contents, strict=True):
            fsspec.filesystem("memory").pipe(url, content)
    model = ws.load(CIFAR, engine="litert")
    run = model.engine.run

    def only_single(function, *, images):
        if len(images) > 1:
            raise RuntimeError("too many")
        return run(function, images=images)

    monkeypatch.setattr(model.engine, "run", only_single)
    done = ws.batch(model, inputs, tmp_path / "out", top_k=1)
    assert (done.rows, done.failed) == (3, 0), list(done.failures())


def test_texts(tmp_path):
    (tmp_path / "prompts.jsonl").write_text(
        '{"prompt": "ROMEO:"}\n{"prompt": ""}\n{"prompt": "JULIET:"}\n'
    )
    done = ws.batch(
        "shakespeare_gpt2",
        tmp_path / "prompts.jsonl",
        tmp_path / "out",
        max_new_tokens=2,
        engine="litert",
    )
    want = ws.load("shakespeare_gpt2", engine="litert")(["ROMEO:", "JULIET:"], max_new_tokens=2)
    assert [row["text"] for row in done.results()] == [result.text for result in want]
    (letter,) = done.failures()
    assert letter == {
        "row": 1,
        "source": f"{tmp_path}/prompts.jsonl:2",
        "error": f"{tmp_path}/prompts.jsonl:2" + letter["error"].partition(".jsonl:2")[2],
    }
    assert "empty" in letter["error"]


def test_series(tmp_path):
    times = np.arange("2024-01-01", "2024-01-15", dtype="datetime64[h]")
    hours = np.arange(len(times))
    lines, wave = ["item_id,timestamp,target"], 10 + 3 * np.sin(hours * np.pi / 12)
    for item in ("a", "b", "c"):
        lines += [f"{item},{time},{value:.4f}" for time, value in zip(times, wave, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    model = ws.load("deepar", engine="litert")
    given = {"horizon": 3, "samples": 5}
    done = ws.batch(model, tmp_path / "t.csv", tmp_path / "csv", shard_rows=2, **given)
    assert [row["input"] for row in done.results()] == ["a", "b", "c"]
    first = model(tmp_path / "t.csv", **given)[0].to_dict()
    assert first == {
        key: value for key, value in next(done.results()).items() if key not in ("row", "source")
    }
    target = wave.round(4).tolist()
    (tmp_path / "t.jsonl").write_text(
        "\n".join(
            json.dumps(row)
            for row in (
                {"item_id": "a", "start": "2024-01-01", "freq": "h", "target": target},
                {"item_id": "x", "target": "no"},
            )
        )
    )
    again = ws.batch(model, tmp_path / "t.jsonl", tmp_path / "jsonl", **given)
    assert next(again.results())["mean"] == first["mean"]
    assert [letter["row"] for letter in again.failures()] == [1]
    parquet = pytest.importorskip("pyarrow.parquet")
    ws.batch(model, tmp_path / "t.csv", tmp_path / "parquet", format="parquet", **given)
    row = parquet.read_table(tmp_path / "parquet").to_pylist()[0]
    assert dict(row["quantiles"]) == first["quantiles"]


def test_every_format_is_known():
    assert {tables.format_of(f"x{suffix}") for suffix in tables.SUFFIXES} == {
        "txt",
        "jsonl",
        "csv",
        "parquet",
    }
