"""The same labelled data in every form gives the same examples, whatever the task."""

import csv
import importlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from warmstart.errors import InputError, UsageError
from warmstart.image.annotations.boxes import read_boxes
from warmstart.image.train.data import read as read_images
from warmstart.speech import data as speech
from warmstart.text import conll, data, squad

FILES = ("csv", "semicolon.csv", "utf16.csv", "tsv", "jsonl", "ndjson", "json", "parquet")
OBJECTS = (
    "pandas",
    "polars",
    "arrow",
    "batch",
    "tuples",
    "lists",
    "iterator",
    "mappings",
    "columns",
    "dataset",
)
TF_FORMS = ("tf.data", "tf.data of mappings", "tf.data of batches")
TF, TF_MAPPINGS, TF_BATCHES = (
    pytest.param(form, marks=pytest.mark.tensorflow) for form in TF_FORMS
)
FORMS = (*FILES, *OBJECTS, TF, TF_MAPPINGS, TF_BATCHES)
WITHOUT_NAMES = ("tuples", "lists", "iterator")
NESTED = (*FILES[4:], *OBJECTS)
BOXES = [form for form in FILES + OBJECTS if form not in (*WITHOUT_NAMES, "json")]


class Dataset:
    """What a `datasets.Dataset` can do."""

    features = None

    def __init__(self, rows):
        self.rows = rows
        self.column_names = list(rows[0])

    def __iter__(self):
        return iter(self.rows)

    def __len__(self):
        return len(self.rows)


def form_of(form: str, columns: tuple[str, ...], rows: list[tuple], folder):
    """The rows in one form; a file is in the folder."""
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    table = {column: [row[index] for row in rows] for index, column in enumerate(columns)}
    if form in FILES:
        path = folder / f"data.{form}"
        if form == "parquet":
            pq.write_table(pa.table(table), path)
        elif form == "json":
            path.write_text(json.dumps(records))
        elif form in ("jsonl", "ndjson"):
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        else:
            delimiter = {"semicolon.csv": ";", "tsv": "\t"}.get(form, ",")
            with path.open(
                "w", newline="", encoding="utf-16" if form == "utf16.csv" else "utf-8"
            ) as file:
                csv.writer(file, delimiter=delimiter).writerows([columns, *rows])
        return path
    if form == "polars":
        return pytest.importorskip("polars").DataFrame(table)
    if form.startswith("tf.data"):
        slices = importlib.import_module("tensorflow").data.Dataset.from_tensor_slices
        if form == "tf.data of mappings":
            return slices(table)
        dataset = slices(tuple(table.values()))
        return dataset.batch(3) if form == "tf.data of batches" else dataset
    return {
        "pandas": lambda: pd.DataFrame(table), "arrow": lambda: pa.table(table), "tuples": lambda: rows,
        "batch": lambda: pa.RecordBatch.from_pydict(table), "lists": lambda: list(map(list, rows)),
        "iterator": lambda: iter(rows), "mappings": lambda: records, "columns": lambda: table,
        "dataset": lambda: Dataset(records),
    }[form]()  # fmt: skip


TEXTS = [
    ("a good, long film", "007"),
    ("bad; really", "neg"),
    ('"quoted" words', "007"),
    ("fine\tyes", "neg"),
]


@pytest.mark.parametrize("form", FORMS)
def test_texts(form, tmp_path):
    found = data.examples(form_of(form, ("text", "label"), TEXTS, tmp_path))
    assert [(one.text, *one.labels) for one in found] == TEXTS
    assert all(one.name for one in found)


@pytest.mark.parametrize(
    "form", [*(form for form in FILES + OBJECTS if form not in WITHOUT_NAMES), TF_MAPPINGS]
)
def test_columns_with_other_names(form, tmp_path):
    source = form_of(form, ("one", "two"), TEXTS, tmp_path)
    found = data.examples(source, text_column="one", label_column="two")
    assert [(one.text, *one.labels) for one in found] == TEXTS


@pytest.mark.parametrize("form", FORMS)
def test_photos(form, tmp_path):
    rows = []
    for number in range(6):
        name = f"{number}.png"
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        rows.append((name if form in FILES else str(tmp_path / name), ("007", "7")[number % 2]))
    found = read_images(form_of(form, ("path", "label"), rows, tmp_path), validation=0.34)
    assert found.classes == ("007", "7")
    examples = sorted(
        (str(path), found.classes[target])
        for _, split in found.splits() for path, target in zip(split.inputs, split.targets, strict=True)
    )  # fmt: skip
    assert examples == [(str(tmp_path / path), label) for path, label in rows]
    assert not found.problems


@pytest.mark.parametrize("form", FORMS)
def test_recordings(form, tmp_path):
    folder = "" if form in FILES else f"{tmp_path}/"
    rows = [(f"{folder}{number}.wav", text) for number, (text, _) in enumerate(TEXTS)]
    found = [one[:2] for one in speech.examples(form_of(form, ("audio", "text"), rows, tmp_path))]
    assert found == [(f"{tmp_path}/{number}.wav", text) for number, (text, _) in enumerate(TEXTS)]


@pytest.mark.parametrize("form", FILES + OBJECTS)
def test_questions(form, tmp_path):
    rows = [("Who?", "Ann met Bob", "Bob"), ("When?", "It was, maybe, 1999", "1999")]
    found = squad.questions(form_of(form, ("question", "context", "answer"), rows, tmp_path))
    assert found == [squad.Question("Who?", "Ann met Bob", (("Bob", 8),)),
                     squad.Question("When?", "It was, maybe, 1999", (("1999", 15),))]  # fmt: skip


@pytest.mark.parametrize("form", NESTED)
def test_questions_with_answers_of_hugging_face(form, tmp_path):
    rows = [("Who?", "Bob met Bob", {"text": ["Bob", "met"], "answer_start": [8, 4]}),
            ("Why?", "Bob", {"text": [], "answer_start": []})]  # fmt: skip
    found = squad.questions(form_of(form, ("question", "context", "answers"), rows, tmp_path))
    assert found == [
        squad.Question("Who?", "Bob met Bob", (("Bob", 8), ("met", 4))),
        squad.Question("Why?", "Bob", ()),
    ]


@pytest.mark.parametrize("form", [*NESTED, "csv"])
def test_tagged_sentences(form, tmp_path):
    rows = [(["Ann", "lives"], ["B-PER", "O"]), (["Bob"], ["B-PER"])]
    if form == "csv":
        rows = [(" ".join(words), json.dumps(tags)) for words, tags in rows]
    found = conll.sentences(form_of(form, ("tokens", "ner_tags"), rows, tmp_path))
    assert found == [
        conll.Sentence(("Ann", "lives"), ("B-PER", "O")),
        conll.Sentence(("Bob",), ("B-PER",)),
    ]


@pytest.mark.tensorflow
def test_tagged_sentences_of_tf_data():
    tf = importlib.import_module("tensorflow")
    ragged = [
        {"tokens": ["Ann", "lives"], "tags": ["B-PER", "O"]},
        {"tokens": ["Bob"], "tags": ["B-PER"]},
    ]
    spec = {name: tf.TensorSpec((None,), tf.string) for name in ("tokens", "tags")}
    found = conll.sentences(
        tf.data.Dataset.from_generator(lambda: iter(ragged), output_signature=spec)
    )
    assert found == [
        conll.Sentence(("Ann", "lives"), ("B-PER", "O")),
        conll.Sentence(("Bob",), ("B-PER",)),
    ]


@pytest.mark.parametrize("form", BOXES)
def test_boxes(form, tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    path = "a.png" if form in FILES else str(tmp_path / "a.png")
    rows = [(path, "cat", 1, 2, 11, 12), (path, "dog", 3, 4, 5, 6.5)]
    columns = ("image", "label", "xmin", "ymin", "xmax", "ymax")
    if form in ("parquet", "arrow", "batch", "polars"):
        rows = [(*row[:2], *map(float, row[2:])) for row in rows]
    found = read_boxes(form_of(form, columns, rows, tmp_path))
    assert found.labels == ("cat", "dog")
    assert found.photos[0].boxes.tolist() == [[1, 2, 11, 12], [3, 4, 5, 6.5]]


def test_wrong_questions_and_sentences_are_named():
    for row, words in (({"answers": "Bob"}, "has the answer 'Bob' 2 times"), ({"answers": "Eve"}, "not contain"),
                       ({"answers": {"text": ["Bob"], "answer_start": [1]}}, "row 1: the answer 'Bob' is not at"),
                       ({"answers": {"text": ["Bob"], "answer_start": []}}, "equal lengths"),
                       ({"answers": [{"text": "Bob"}]}, "not a text and its first character"),
                       ({"answers": "Bob", "context": ""}, "row 1: has no context"),
                       ({}, "no column of answers")):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            squad.questions([{"question": "Who?", "context": "Bob met Bob", **row}])
    for row, words in (
        ({"tags": ["O", "O"]}, "row 1: has 1 word and 2 tags"),
        ({"tags": [3]}, "tag 3 is not a name"),
        ({"tags": None}, "row 1: has no tags"),
        ({}, "no column of tags"),
    ):
        with pytest.raises(UsageError, match=words):
            conll.sentences([{"tokens": ["a"], **row}])
    problems: list[str] = []
    assert len(conll.sentences([(["a"], ["O"]), (["a"], [])], problems=problems)) == 1
    assert len(problems) == 1


@pytest.mark.parametrize("write", [str, json.dumps], ids=["Python", "JSON"])
def test_lists_and_mappings_written_into_cells(write, tmp_path):
    def table(name, **cells):
        path = tmp_path / name
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(
                [cells, [write(v) if not isinstance(v, str) else v for v in cells.values()]]
            )
        return path

    (one,) = data.examples(table("a.csv", text="a fine film", labels=["good", "it's, short"]))
    assert one.labels == ("good", "it's, short")
    (sentence,) = conll.sentences(
        table("b.csv", tokens=["New York", "is"], ner_tags=["B-LOC", "O"])
    )
    assert (sentence.words, sentence.tags) == (("New York", "is"), ("B-LOC", "O"))
    answers = {"text": ["Ann"], "answer_start": [4]}
    (question,) = squad.questions(
        table("c.csv", question="Who?", context="Now Ann", answers=answers)
    )
    assert question.answers == (("Ann", 4),)


def test_lists_as_numpy_writes_them_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text,labels\nfine,\"['good' 'short']\"\n")
    with pytest.raises(UsageError, match="without commas; write it as JSON"):
        data.examples(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("text,labels\nfine,[draft]\n")
    assert data.examples(tmp_path / "b.csv")[0].labels == ("[draft]",)


def test_tags_in_the_first_column_and_words_of_two_parts_are_refused(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("B-LOC Paris\nO is\n\nB-PER Ann\n")
    with pytest.raises(UsageError, match="tags seem to be in the first column"):
        conll.sentences(path)
    path.write_text("Paris B-LOC\nis O\n\nNew York B-LOC\n")
    with pytest.raises(InputError, match=r"a.conll:4: has 3 columns, but the first line has 2"):
        conll.sentences(path)
    path.write_text(path.read_text().replace(" B", "\tB").replace(" O", "\tO"))
    assert conll.sentences(path)[1].words == ("New York",)
