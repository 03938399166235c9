"""Labelled data is read whole, or refused with the file, the line or row, the column and the way
out.
"""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from warmstart.catalog import Label
from warmstart.core.records import read_photos, read_table, read_texts
from warmstart.core.records.classes import ClassIndex
from warmstart.core.records.columns import LABEL, TEXT
from warmstart.errors import InputError, RecordError, UsageError

WANT = [("a, b", "007"), ("c", "neg")]


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def texts(data, **options):
    return [(one.value, one.label) for one in read_texts(data, **options)]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"]
)
def test_encodings(file, encoding):
    text = "text,label\r\nété,é\r\n🙂 ok,x\r\n"
    if encoding.endswith("-bom"):
        content = f"\N{BOM}{text}".encode(encoding.removesuffix("-bom"))
    else:
        content = text.encode(encoding)
    assert texts(file("a.csv", content)) == [("été", "é"), ("🙂 ok", "x")]


@pytest.mark.parametrize(("content", "words"), [
    ("text,label\nok,x\nété,x\n".encode("latin-1"), r"a.csv:3: is not UTF-8 at byte 16 .*encoding="),
    ("text,label\nété,x\n".encode("utf-16-le"), "a.csv:1: has a NUL character.*save it as UTF-8"),
    ("text,label\nété,x\n".encode("utf-32"), "a.csv is UTF-32; save it as UTF-8"),
    (b"\xff\xfet\x00,", "a.csv:1: is not UTF-16-LE at byte 4"),
    (b"", "a.csv is empty"), (b"\xef\xbb\xbf", "a.csv is empty"), (b"\n \n,\n", "a.csv is empty"),
])  # fmt: skip
def test_what_is_not_text_is_refused_with_its_place(file, content, words):
    with pytest.raises(UsageError, match=words):
        texts(file("a.csv", content))


def test_a_named_encoding_is_used(file):
    path = file("a.csv", "text,label\nété,x\n".encode("latin-1"))
    assert texts(path, encoding="latin-1") == [("été", "x")]
    for encoding in ("utf-8", "utf-16"):
        assert texts(
            file("b.csv", "\N{BOM}text,label\na,x\n".encode(encoding)), encoding=encoding
        ) == [("a", "x")]
    for name in ("no-such", "base64"):
        with pytest.raises(UsageError, match="not an encoding"):
            texts(path, encoding=name)


@pytest.mark.parametrize(("name", "content"), [
    ("a.csv", 'text,label\n"a, b",007\nc,neg\n'), ("a.csv", "text;label\na, b;007\nc;neg\n"),
    ("a.csv", "text\tlabel\na, b\t007\nc\tneg\n"), ("a.tsv", "text\tlabel\na, b\t007\nc\tneg\n"),
    ("a.tsv", "text;label\na, b;007\nc;neg\n"), ("a.csv", 'id,text,label\r\n1,"a, b",007\r\n\r\n2,c,neg\r\n,,\r\n'),
    ("a.csv", "text;label\ra, b;007\rc;neg"), ("a.csv", ' Text ;LABEL;\na, b;007;\nc;neg;\n'),
    ("a.jsonl", '{"text": "a, b", "label": "007"}\n\n{"label": "neg", "text": "c"}\n'),
    ("a.json", '[{"text": "a, b", "label": "007"}, {"text": "c", "label": "neg"}]'),
    ("a.json", '{"text": "a, b", "label": "007"}\n{"text": "c", "label": "neg"}\n'),
    ("a.json", '{"data": [{"text": "a, b", "label": "007"}, {"text": "c", "label": "neg"}]}'),
    ("a.json", '{"text": ["a, b", "c"], "label": ["007", "neg"]}'),
    ("a.json", '{"text": {"0": "a, b", "3": "c"}, "label": {"0": "007", "3": "neg"}}'),
    ("a.csv", "text|label\na, b|007\nc|neg\n"), ("a.csv", "sep=;\ntext;label\na, b;007\nc;neg\n"),
    ("a.csv", "sep=\t\ntext\tlabel\na, b\t007\nc\tneg\n"),
])  # fmt: skip
def test_files(file, name, content):
    assert texts(file(name, content)) == WANT


@pytest.mark.parametrize(("content", "want"), [
    ('sentence\tlabel\n"Hello" he said\t1\n5" pipe\t0\n', [('"Hello" he said', "1"), ('5" pipe', "0")]),
    ('sentence\tlabel\n" open\t1\n"all of it"\t0\nb\t0\n', [('" open', "1"), ('"all of it"', "0"), ("b", "0")]),
    ('text\tlabel\n"say ""hi"""\t1\n"a\tb"\t0\n', [('say "hi"', "1"), ("a\tb", "0")]),
    ('"text"\t"label"\n"a"\t1\n"b"\t0\n', [("a", "1"), ("b", "0")]),
])  # fmt: skip
def test_quotation_marks_between_tabs_are_text_unless_the_file_needs_them(file, content, want):
    assert texts(file("a.tsv", content)) == want


def test_files_without_a_header(file):
    assert texts(file("a.csv", "good,pos\nbad,neg\nfine,pos\n"))[0] == ("good", "pos")
    assert texts(file("a.tsv", "good film\t1\nbad\t0\n")) == [("good film", "1"), ("bad", "0")]
    assert texts(file("a.tsv", "a b\tc d\t1\ne f\tg\t0\n")) == [
        (("a b", "c d"), "1"),
        (("e f", "g"), "0"),
    ]
    photos = read_photos(file("a.csv", "x.png,cat\ny.png,dog\n"))
    assert [(one.name.rpartition(":")[2], one.label) for one in photos] == [
        ("1", "cat"),
        ("2", "dog"),
    ]
    for content in ("How good is the film?,What is your mark?\nfine,a\nbad,b\n", "file.name,kind\nx.png,a\ny.png,b\n",
                    "comments,kind\ngood,pos\nbad,pos\n", "good,pos\n", "1,good film,pos\n2,bad,neg\n3,fine,pos\n",
                    "good, nice film,pos\nbad, dull film,neg\na, b,pos\n"):  # fmt: skip
        with pytest.raises(
            UsageError, match=r"may name the columns or be an example.*text_column and label_column"
        ):
            texts(file("a.csv", content))
    assert texts(
        file("a.csv", "words,kind\ngood,pos\n"), text_column="words", label_column="kind"
    ) == [("good", "pos")]


@pytest.mark.parametrize(("content", "want"), [
    ("id,comment,category\n1,good,pos\n2,bad,neg\n", [("good", "pos"), ("bad", "neg")]),
    ("text,labels\na,x\nb,y\n", [("a", "x"), ("b", "y")]),
    ("text,labels\na,x|y\nb,x; z\nc,\n", [("a", ("x", "y")), ("b", ("x", "z")), ("c", ())]),
    ("text,label,score\na,x,0.3\n", [("a", "x")]),
    ("index\tsentence1\tsentence2\tscore\n0\ta\tb\t3.2\n", [(("a", "b"), "3.2")]),
    ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta\tb\t0\n", [(("a", "b"), "0")]),
    ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t2\t3\ta\t\"b\n", [(("a", '"b'), "1")]),
    ("index\tquestion\tsentence\tlabel\n1\ta?\tb\tentailment\n", [(("a?", "b"), "entailment")]),
    ("index\tpromptID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n1\t2\tfiction\ta\tb\tneutral\tentailment\n",
     [(("a", "b"), "entailment")]),
])  # fmt: skip
def test_columns_are_recognised(file, content, want):
    assert texts(file("a.csv", content)) == want


SENTENCES = ["I liked it a lot", "never again, I am afraid", "what a nice little film", "it is dull and far too long",
             "I would see it again", "my dog liked it more than I did", "a good evening for all of us"]  # fmt: skip
LABELS = ["ham", "spam", "ham", "ham", "spam", "ham", "spam"]


@pytest.mark.parametrize("header", ["v1,v2", "kind,words", "id,Message body"])
def test_columns_are_recognised_by_their_content(tmp_path, header):
    path = tmp_path / "a.csv"
    pd.DataFrame(zip(LABELS, SENTENCES, strict=True)).to_csv(
        path, index=False, header=header.split(",")
    )
    if header.startswith("id"):  # a column of row numbers is never a label
        with pytest.raises(
            UsageError, match=r"no column of labels.*\(the columns are id, Message body"
        ):
            texts(path)
        return
    columns: list[str] = []
    found = list(read_texts(path, columns=columns))
    assert [(one.value, one.label) for one in found] == list(zip(SENTENCES, LABELS, strict=True))
    assert columns == [f"text: {header.split(',')[1]}", f"label: {header.split(',')[0]}"]


def test_content_that_fits_two_columns_is_refused():
    table = {"a": LABELS, "b": LABELS[::-1], "words": SENTENCES}
    with pytest.raises(
        UsageError, match="may be in the column 'a' or 'b'; name one with label_column"
    ):
        texts(table)
    with pytest.raises(UsageError, match="no column of texts"):
        texts({"label": LABELS, "a": SENTENCES, "b": SENTENCES})


def test_photos_are_recognised_by_their_content(file):
    rows = "".join(
        f"x{number}.jpg,{'cat' if number % 2 else 'dog'},{number}\n" for number in range(8)
    )
    columns: list[str] = []
    found = list(read_photos(file("a.csv", f"what,kind,n\n{rows}"), columns=columns))
    assert [one.label for one in found] == ["dog", "cat"] * 4
    assert columns == ["photo: what", "label: kind"]


def test_cola_has_no_header(file):
    rows = [("gj04", "1", "", "Our friends bought it."), ("gj04", "0", "*", "They drank the pub."),
            ("ks08", "1", "", 'He said "no".')]  # fmt: skip
    path = file("train.tsv", "".join("\t".join(row) + "\n" for row in rows))
    assert texts(path) == [(row[3], row[1]) for row in rows]


def test_labels_without_consensus_are_missing(file):
    lines = [
        {"sentence1": "a", "sentence2": "b", "gold_label": label} for label in ("neutral", "-")
    ]
    problems: list[str] = []
    path = file("snli.jsonl", "\n".join(map(json.dumps, lines)))
    assert texts(path, problems=problems) == [(("a", "b"), "neutral")]
    assert "has no label (-" in problems[0]


def test_splits_and_groups(file):
    rows = "a,x,train,1\nb,y,Valid,3\nc,x,test,\nd,y,,2\n"
    found = list(read_texts(file("a.csv", f"text,label,split,who\n{rows}"), group_column="who"))
    assert [one.split for one in found] == ["train", "validation", "test", None]
    assert [one.group for one in found] == ["1", "3", None, "2"]
    (one, *_) = read_texts(file("a.csv", f"text,label,x,who\n{rows}"), split_column="x")
    assert one.split == "train"
    with pytest.raises(UsageError, match=r"a.csv:2: 'one' in the column 'split' must be train"):
        texts(file("a.csv", "text,label,split\na,x,one\n"))
    # a column that is called `set`, and says something else, is none of splits
    assert texts(file("a.csv", "text,label,set\na,x,one\n")) == [("a", "x")]


def test_empty_splits_and_groups_are_counted(file):
    path = file("a.csv", "text,label,split,who\na,x,train,1\nb,y,,\nc,x,test,\n")
    problems: list[str] = []
    found = list(read_texts(path, group_column="who", problems=problems))
    assert [one.split for one in found] == ["train", None, "test"]
    assert [one.partition(": ")[2] for one in problems] == [
        "1 record with no split, used for training",
        "2 records with no group, not grouped with others",
    ]


@pytest.mark.parametrize(
    ("column", "cells", "splits"),
    [
        ("data set", ("train", "test", "valid"), ["train", "test", "validation"]),
        ("Usage", ("Training", "PublicTest", "PrivateTest"), ["train", "test", "test"]),
        ("phase", ("train", "train", "train"), ["train"] * 3),
        ("für was", ("Train set", "dev", "dev"), ["train", "validation", "validation"]),
        ("is_train", ("1", "0", "1"), ["train", "test", "train"]),
        ("isValidation", ("False", "True", "False"), ["train", "validation", "train"]),
        ("mode", ("train", "test", "manual"), [None] * 3),
        ("is_train", ("1", "0", "4"), [None] * 3),
    ],
)
def test_splits_are_recognised_by_their_content(file, column, cells, splits):
    rows = "".join(f"{text},{text}x,{cell}\n" for text, cell in zip("abc", cells, strict=True))
    columns: list[str] = []
    data = read_texts(file("a.csv", f"text,label,{column}\n{rows}"), columns=columns)
    assert [one.split for one in data] == splits
    assert (f"split: {column}" in columns) == any(splits)


def test_a_table_that_is_sorted_by_splits(file):
    rows = ["a,x,train"] * 1200 + ["b,y,test"] * 3
    content = "\n".join(["text,label,{}", *rows])
    parts = [one.split for one in read_texts(file("a.csv", content.format("phase")))]
    assert parts == ["train"] * 1200 + ["test"] * 3
    with pytest.raises(UsageError, match=r"a.csv:1202: the column 'why' says test here, and train"):
        texts(file("a.csv", content.format("why")))
    other = content.replace("b,y,test", "b,y,tram").format("why")
    assert len(texts(file("b.csv", other))) == 1203


def test_contents_of_files_are_not_searched_for_parts():
    class Content(bytes):
        def __str__(self) -> str:
            raise AssertionError("the content of a file was written as text")

    rows = [
        {"image": Content(b"x"), "label": label, "stage": part}
        for label, part in (("a", "train"), ("b", "test"))
    ]
    assert [one.split for one in read_photos(rows)] == ["train", "test"]


def test_a_column_serves_one_purpose(file):
    path = file("a.csv", "text,label\na,train\nb,test\n")
    with pytest.raises(UsageError, match="'label' is used for something else"):
        texts(path)
    assert texts(path, label_column="label") == [("a", "train"), ("b", "test")]
    photos = [{"path": "a.jpg", "label": "x"}, {"path": "b.jpg", "label": "y"}]
    with pytest.raises(UsageError, match="'path' cannot be both the photo and the label"):
        list(read_photos(photos, label_column="path"))
    both = file("b.csv", "text,label,mode,phase\na,x,train,test\nb,y,test,train\n")
    with pytest.raises(UsageError, match="'mode' and 'phase' both assign splits and disagree"):
        texts(both)
    assert len(texts(both, split_column="mode")) == 2


def test_class_names_fix_the_classes():
    names = ["cat", "dog"]
    assert texts([("a", 1), ("b", "cat"), ("c", "0")], class_names=names) == [
        ("a", "dog"), ("b", "cat"), ("c", "cat")]  # fmt: skip
    assert texts([("a", "2")], class_names=["3", "2"]) == [("a", "2")]
    for label, words in (("bird", "is 'bird', which is not one of the classes 'cat', 'dog'"),
                         (2, "is 2, which is not an index of the 2 class names")):  # fmt: skip
        with pytest.raises(UsageError, match=f"row 1: has a label that {words}"):
            texts([("a", label)], class_names=names)
    with pytest.raises(UsageError, match="'a' occurs twice"):
        texts([("a", "a")], class_names=["a", "a"])
    assert texts([("a", "0.0"), ("b", 1.0)], class_names=names) == [("a", "cat"), ("b", "dog")]
    assert texts([("a", "1")], class_names=["1.0", "2.0"]) == [("a", "1.0")]
    for label in ("00", "01", "\N{FULLWIDTH DIGIT ONE}", "-1"):
        with pytest.raises(UsageError, match="is not one of the classes"):
            texts([("a", label)], class_names=names)
    # one index too high: the others are indices of another list, so that none can be trusted
    with pytest.raises(UsageError, match="row 2: has a label that is 2, which is not an index"):
        texts([("a", "1"), ("b", "2")], class_names=names, problems=[])


def test_a_label_means_one_class_of_a_model():
    def index(*names):
        return ClassIndex([Label(n, f"id{n}", name) for n, name in enumerate(names)], "the model")

    assert index("cat", "big dog")("big_dog", "row 1") == 1
    assert index("cat", "dog")("1", "row 1") == 1  # no class is called by a number: an index
    assert index("1", "2", "3")("1", "row 1") == 0  # a name
    assert index("1.0", "2.0", "3.0")("1", "row 1") == 0  # of a model of version 0.1
    assert index("False", "True")("true", "row 1") == 1
    for names, label in ((("1 star", "2 stars"), "1"), (("cat", "dog"), "01"), (("0.5", "1.5"), "1"),
                         (("cat", "dog"), "\N{FULLWIDTH DIGIT ONE}")):  # fmt: skip
        with pytest.raises(UsageError, match="has no class"):
            index(*names)(label, "row 1")
    with pytest.raises(UsageError, match=r"row 1: the model has no class '0'; it has 1, 2, 3\."):
        index("1", "2", "3")("0", "row 1")
    with pytest.raises(
        UsageError, match="2 classes named 'crane'; label with their ids, 'id0' and 'id1'"
    ):
        index("crane", "crane")("crane", "row 1")


@pytest.mark.parametrize(("content", "options", "words"), [
    ("text,review,label\na,b,x\n", {}, "'text' or 'review'; name one with text_column"),
    ("text,label,class\na,b,x\n", {}, "'label' or 'class'; name one with label_column"),
    ("text,sentence1,sentence2,label\na,b,c,x\n", {}, r"sentence1 and sentence2 or text; name it with text_column"),
    ("text,words\na,x\n", {}, r"no column of labels.*label_column \(the columns are text, words\)"),
    ("text,spam\na,1\n", {}, "no column of labels"),
    ("label,words\na,x\n", {}, r"no column of texts; name it with text_column \(the columns are label, words\)"),
    ("text,label\na,x\n", {"label_column": "kind"}, "no column 'kind'; the columns are text, label"),
    ("text,text,label\na,b,x\n", {}, "columns 1, 2 have the same name, 'text'"),
    ("text,label\n", {}, "header and no records"), ("text\na\n", {}, "one column only"),
    ("nice; x,pos\nbad; y,neg\n", {}, r"a comma \(nice; x \| pos\) or a semicolon .*delimiter="),
    ("text,label\ngood, nice film,pos\n", {}, r"a.csv:2: has 3 cells where there are 2 columns \(text, label\)"),
    ("text,label\na,x\nb\n", {}, "a.csv:3: has 1 cell"),
    ("text,label\na,x\n\nb,\n", {}, r"a.csv:4: has no label \(the column 'label' is empty\)"),
    ('text,label\n"a\nb",x\n"c" d,e\n', {}, "a.csv:4: is damaged"), ('text,label\n"a,x\nb,y\n', {}, "a.csv:2: is dam"),
    ("text,label\n,x\n", {}, "a.csv:2: has no text"),
    ("id,text,a,b\n1,x,0,1\n2,y,1,\n", {"multi_label": True}, "a.csv:3: has no 0 or 1"),
    ("text,verified,helpful\na,0,1\n", {}, "'verified' and 'helpful' hold 0 and 1.*label_column='verified,helpful'"),
    ("c_no,text,toxic,insult\nx,a,0,1\n", {"multi_label": True}, "hold 0 and 1, and 'c_no' does not"),
    ("Text,text,label\na,b,x\n", {}, "the text may be in '[Tt]ext' or '[Tt]ext'"),
    ("title,body,label\nA day,it was long,x\n", {}, "'body' or 'title'; name one with text_column, or two with"),
    ("question,answer,label\nis it?,it is so,1\n", {}, "'question' or 'answer'; name one"),
    ("text,label\na,x|y\n", {}, "one name or several; say which with multi_label"),
    ("text,label\na,x\n", {"delimiter": ",,"}, "one character"),
])  # fmt: skip
def test_what_is_damaged_or_ambiguous_is_refused(file, content, options, words):
    with pytest.raises(UsageError, match=words):
        texts(file("a.csv", content), **options)


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}\n', r"a.jsonl:2: has no label .*'label' is absent"),
    ("a.jsonl", '{"text": "a", "label": NaN}\n', "a.jsonl:1: has no label"),
    ("a.jsonl", '{"text": "a", "label": null}\n', "a.jsonl:1: has no label"),
    ("a.jsonl", '{"text": "a", "label": {"b": 1}}\n', "label that is an object of type dict"),
    ("a.jsonl", '{"text": 3, "label": "x"}\n', "a.jsonl:1: the text is not a string but 3"),
    ("a.jsonl", '{"text": "a", "text": "b", "label": "x"}\n', "key 'text' occurs twice"),
    ("a.jsonl", '{"text": "a", "label": "x"}\n{"text"\n', "a.jsonl:2: is not JSON"),
    ("a.jsonl", "[1]\n", "a.jsonl:1: is not a JSON object"), ("a.jsonl", "\n", "contains no records"),
    ("a.jsonl", '{"text": "a", "label": "\\ud800"}', "an unpaired surrogate"),
    ("a.json", '{"data": []}', "contains no records"), ("a.json", "{", "is not JSON"),
    ("a.json", '{"train": [{"text": "a"}], "test": [{"text": "b"}]}', "must be a list of JSON objects.*keys 'train'"),
    ("a.json", '{"text": ["a", "b"], "label": ["x"]}', "different lengths: text 2, label 1"),
    ("a.json", "[]", "contains no records"), ("a.json", "[1]", "a.json: row 1: is not a JSON object"),
    ("a.json", "[" * 100_000, "is not JSON"), ("a.parquet", "PAR1", "not a Parquet file"), ("a.parquet", "", "empty"),
    ("a.xlsx", "x", "not a file of labelled data.*save the sheet as CSV"), ("a.csv.gz", "x", "unpack it first"),
])  # fmt: skip
def test_damaged_files_are_named(file, name, content, words):
    with pytest.raises(UsageError, match=words):
        texts(file(name, content))
    with pytest.raises(UsageError, match="does not exist"):
        texts(
            file(name, content).with_name(
                f"none{name[1:]}" if not name.endswith((".xlsx", ".gz")) else "none.csv"
            )
        )


def test_problems_are_collected_and_the_others_are_read(file):
    problems: list[str] = []
    path = file("a.csv", "text,label\na,x\nb\nc,\n" + "g,y\n" * 40 + "d,e,f\n")
    assert texts(path, problems=problems) == [("a", "x"), *[("g", "y")] * 40]
    assert [problem.split(":")[1] for problem in problems] == ["3", "4", "45"]
    with pytest.raises(RecordError) as caught:
        texts(path)
    assert caught.value.item == f"{path}:3"
    assert isinstance(caught.value, InputError)
    path = file("a.csv", "text,label\na, b,x\nc, d,y\ng,y\nh,y\n")
    with pytest.raises(UsageError, match=r"2 of 4 records cannot be read; the first: .*a.csv:2"):
        texts(path, problems=problems)


def test_labels_keep_their_identity():
    table = pd.DataFrame({"text": list("abcd"), "label": pd.Series(["007", "7", "1.0", "true"])})
    assert [label for _, label in texts(table)] == ["007", "7", "1", "true"]
    for column, want in (
        ([1, 2], ["1", "2"]),
        ([1.0, 2.5], ["1", "2.5"]),
        ([True, False], ["True", "False"]),
        (["1.0", "1"], ["1", "1"]),  # as pandas writes an integer column with a missing value
        (["1.00", "-0.0"], ["1", "0"]),
        (["1.5", "v1.0"], ["1.5", "v1.0"]),
        (np.array([0.1, 0.7], np.float32), ["0.1", "0.7"]),
        (np.array([0.1, 1 / 3]), ["0.1", "0.3333333333333333"]),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), ["2020-01-01", "2020-01-02"]),
    ):
        assert [
            label for _, label in texts(pd.DataFrame({"text": ["a", "b"], "label": column}))
        ] == want
    categories = pd.Categorical(["x", "y"])
    assert [
        label for _, label in texts(pd.DataFrame({"text": ["a", "b"], "label": categories}))
    ] == ["x", "y"]
    assert texts([("a", np.int64(3)), ("b", np.array(["x", "y"]))]) == [
        ("a", "3"),
        ("b", ("x", "y")),
    ]
    assert texts([("a", "x|y")]) == [("a", "x|y")]
    assert texts(pd.DataFrame({"text": ["a"], "label": ["x|y"]}), multi_label=False) == [
        ("a", "x|y")
    ]
    assert texts(pd.DataFrame({"text": ["a"], "label": ["x|y"]}), multi_label=True) == [
        ("a", ("x", "y"))
    ]


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, pd.NA, pd.NaT, "", " "])
def test_missing_labels_are_never_a_class(missing):
    table = pd.DataFrame({"text": ["a", "b"], "label": pd.Series(["x", missing], dtype=object)})
    for data in (
        table,
        table.to_dict("records"),
        table.to_dict("list"),
        [("a", "x"), ("b", missing)],
    ):
        with pytest.raises(RecordError, match="row 2: has no label"):
            texts(data)


def test_class_names_of_datasets_are_used(tmp_path):
    class ClassLabel:
        names = ("neg", "pos")

    class Dataset(list):
        column_names = ("text", "label")
        features = {"text": None, "label": ClassLabel()}  # noqa: RUF012

    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    assert texts(Dataset(rows)) == [("a", "pos"), ("b", "neg")]
    with pytest.raises(RecordError, match="row 1: has no label"):
        texts(Dataset([{"text": "a", "label": -1}]))
    with pytest.raises(RecordError, match="is 2, which is not an index of the 2 class names"):
        texts(Dataset([{"text": "a", "label": 2}]))
    features = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"huggingface": json.dumps(features)}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert texts(table) == texts(tmp_path / "a.parquet") == [("a", "pos"), ("b", "neg")]


@pytest.mark.parametrize(("data", "words"), [
    (7, "type int"), ([], "no records"), (pd.DataFrame({"text": [], "label": []}), "no rows"), ("", "not a file"),
    ([("a", "b", "c")], r"row 1: is not a \(text, label\) pair"),
    ([{"text": "a", "label": "x"}, 3], "row 2: is not a mapping"),
    ({"train": [{"text": "a"}], "test": "x"}, "'test' is an object of type str"),
    ({"text": ["a"], "label": []}, "different lengths: text 1, label 0"),
])  # fmt: skip
def test_objects_that_are_no_labelled_data(data, words):
    with pytest.raises(UsageError, match=words):
        texts(data)


def test_tuples_have_no_columns_to_name():
    with pytest.raises(UsageError, match="no column names, so text_column='a' does not apply"):
        texts([("a", "x")], text_column="a")


def test_paths_are_relative_to_the_file(file, tmp_path):
    path = file("a.csv", "path,label\nx/1.png,a\n/y.png,b\nhttps://h/z.png,c\n")
    assert [one.value for one in read_photos(path)] == [
        str(tmp_path / "x/1.png"),
        "/y.png",
        "https://h/z.png",
    ]
    content = [
        {"image": {"bytes": b"png", "path": None}, "label": 0},
        {"image": {"path": "x.png"}, "label": 1},
    ]
    assert [one.value for one in read_photos(content)] == [b"png", "x.png"]
    with pytest.raises(RecordError, match="row 1: the photo in the column 'image' is a number"):
        list(read_photos([{"image": 3, "label": 0}]))


def test_backslashes_separate_folders(file, tmp_path):
    (tmp_path / "cats").mkdir()
    for name in ("cats/1.jpg", "a\\b.jpg"):
        (tmp_path / name).write_text("x")
    table = file("a.csv", "path,label\ncats\\1.jpg,x\na\\b.jpg,y\n")
    found = [one.value for one in read_photos(table)]
    assert found == [str(tmp_path / "cats" / "1.jpg"), str(tmp_path / "a\\b.jpg")]


def test_bare_file_names_may_be_those_of_a_folder_next_to_the_table(file, tmp_path):
    for name in ("images/1.png", "2.png", "images/2.png", "images/3.png", "old/3.png", ".x/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"png")
    path = file("a.csv", "path,label\n1.png,a\n2.png,b\n4.png,a\n")
    assert [one.value for one in read_photos(path)] == [
        str(tmp_path / "images/1.png"),
        str(tmp_path / "2.png"),
        str(tmp_path / "4.png"),  # missing, which its reader says
    ]
    path = file("b.csv", "path,label\n1.png,a\n3.png,b\n")
    with pytest.raises(RecordError, match=r"\(3.png\) is in images/ and old/; write its path"):
        list(read_photos(path))


def test_ids_of_photos_are_file_names_without_their_suffix(file, tmp_path):
    for name in ("a.txt", "train/a.jpg", "train/b.1.png", "train/c.jpg", "train/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"png")
    path = file("a.csv", "image_id,label,source\na,x,web\nb.1,y,web\ntrain/a,x,web\nd,y,web\n")
    names = [one.value.removeprefix(f"{tmp_path}/") for one in read_photos(path)]
    assert names == ["train/a.jpg", "train/b.1.png", "train/a.jpg", "d"]
    with pytest.raises(RecordError, match=r"\(c\) may be c.jpg or c.png; add the suffix"):
        list(read_photos(file("b.csv", "image_id,label\nc,x\n")))


def test_columns_may_be_named_in_any_table(file):
    path = file("a.csv", "a;b;text;label;set\nx.png;cat;t;l;test\n")
    (one,) = read_photos(path, path_column="a", label_column="b")
    assert (one.label, one.split) == ("cat", "test")
    assert texts(path, text_column="a", pair_column="text", label_column="b") == [
        (("x.png", "t"), "cat")
    ]


def test_a_table_says_what_it_holds(file):
    table = read_table(file("a.csv", ",text,label\n0,a,x\n"), (TEXT, LABEL))
    assert table.columns == ("column 1", "text", "label")
    (record,) = table.read()
    assert record.values == {"column 1": "0", "text": "a", "label": "x"}


def test_no_heavy_imports():
    code = (
        "import sys; from warmstart.core import records; list(records.read_texts([('a', 'x')]));"
        "print({'pandas', 'pyarrow', 'tensorflow', 'keras'} & {*sys.modules})"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "null", "NULL", "<NA>", "#N/A"])
def test_words_for_missing_labels_are_never_a_class(file, word):
    """What pandas and others write into a text file; unless the classes say otherwise."""
    path = file("a.csv", f"text,label\na,x\nb,{word}\nc,y\n")
    problems: list[str] = []
    assert [one.label for one in read_texts(path, problems=problems)] == ["x", "y"]
    assert f"a.csv:3: has no label: {word!r} is a missing value" in problems[0]
    names = ["x", "y", word]
    for option in ({"class_names": names}, {"model_classes": names}):
        assert [one.label for one in read_texts(path, **option)] == ["x", word, "y"]


@pytest.mark.parametrize("word", ["NA", "N/A", "n/a"])
def test_words_that_may_be_a_class_are_refused(file, word):
    path = file("a.csv", f"text,label\na,x\nb,{word}\nc,y\n")
    with pytest.raises(UsageError, match="is a missing value, or a class of this name"):
        list(read_texts(path, problems=[]))
    assert [one.label for one in read_texts(path, class_names=["x", "y", word])][1] == word


def test_names_that_look_missing_are_classes(file):
    path = file("a.csv", "text,label\na,none\nb,Nan bread\nc,-\n")
    assert [one.label for one in read_texts(path)] == ["none", "Nan bread", "-"]


FILMS = [(f"film {number} is fine", LABELS[number % 7]) for number in range(24)]


def test_an_unclosed_quotation_mark_is_an_error(file):
    lines = [f"{text},{label}" for text, label in FILMS]
    lines[5], lines[15] = '"great movie,spam', 'awful movie",ham'
    words = (
        r'a.csv:7: a quoted cell continues to line 17, and its lines look like records.*write ""'
    )
    for header, swap in (("text,label", False), ("label,text", True)):
        rows = [",".join(reversed(line.split(","))) if swap else line for line in lines]
        if swap:
            rows[5], rows[15] = 'spam,"great movie', 'ham,awful movie"'
        with pytest.raises(UsageError, match=words):
            texts(file("a.csv", "\n".join([header, *rows])))
    lines[6] = 'film 6 too",ham'  # two records only
    with pytest.raises(UsageError, match="continues to line 8"):
        texts(file("a.csv", "\n".join(["text,label", *lines])))


def test_cells_with_line_ends_are_read(file):
    reviews = [
        "Good, funny\nand sad, too",
        "One,\n\ntwo",
        "a\nspam,\nb, c\nd",
        "x\r\ny",
        "no, ham\n",
        "it, ham\nok",
    ]
    rows = [*FILMS, *((text, "ham") for text in reviews)]
    frame = pd.DataFrame(rows, columns=["text", "label"])
    assert texts(file("a.csv", frame.to_csv(index=False))) == rows
    pairs = [
        ("What, then?\nAnd why?", "Well,\nit is"),
        ("a,\nb,\nc,", "d"),
        ("Hi, you\nHi, me\nHi, all", "e"),
    ]
    frame = pd.DataFrame(pairs, columns=["text", "label"])
    assert texts(file("a.csv", frame.to_csv(index=False))) == pairs


def test_a_file_without_a_header_may_have_the_labels_first(file):
    again = [*FILMS[:8], *FILMS[:8], ("one, two", "ham")]  # as some messages recur
    for delimiter, name in (("\t", "sms.tsv"), (",", "sms.csv")):
        columns: list[str] = []
        frame = pd.DataFrame([(label, text) for text, label in again])
        content = frame.to_csv(index=False, header=False, sep=delimiter)
        found = read_texts(file(name, content), columns=columns)
        assert [(one.value, one.label) for one in found] == again
        assert columns == ["text: column 2", "label: column 1"]
    with pytest.raises(UsageError, match="may name the columns or be an example"):
        texts(file("a.csv", "city,Paris\n" * 4 + "city,Rome\ncountry,Peru\n" * 4))
    with pytest.raises(
        UsageError, match=r"pairs are \(text, label\), but 'ham' looks like the label"
    ):
        texts([(label, text) for text, label in again])
    for two in ((["a", "b"], ["x", "y"]), [["a", "x"], ["b", "y"]]):
        with pytest.raises(UsageError, match="may be 2 records, or a list of each of text, label"):
            texts(two)
    assert texts([("a", "x"), ("b", "y")]) == [("a", "x"), ("b", "y")]


def test_columns_of_0_and_1_are_classes_where_they_are_named(file):
    path = file("a.csv", "id,text,toxic,insult\n7,a,0,1\n8,b,0,0\n")
    want = [("a", ("insult",)), ("b", ())]
    for options in (
        {"label_column": "toxic,insult"},
        {"label_column": "toxic, insult"},
        {"multi_label": True},
        {"class_names": ["toxic", "insult"]},
    ):
        assert texts(path, **options) == want
    assert texts(path, label_column="toxic") == [("a", "0"), ("b", "0")]
    with pytest.raises(UsageError, match="no column 'rude'; the columns are id, text, toxic"):
        texts(path, label_column="toxic,rude")


def test_urls_of_tables_are_named_as_they_are():
    with pytest.raises(
        UsageError, match=r"^https://x\.invalid/a\.csv is a URL; download the table"
    ):
        read_table("https://x.invalid/a.csv", (TEXT, LABEL))
