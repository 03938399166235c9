"""Tables of tagged sentences with one word in each row, and answers of questions."""

import json

import pandas as pd
import pytest

from warmstart.errors import RecordError, UsageError
from warmstart.text.conll import Sentence, sentences
from warmstart.text.squad import questions

WORDS = [("Ann", "B-PER"), ("is", "O"), ("here", "O"), ("Rome", "B-LOC"), ("is", "O"), ("old", "O")]
WANT = [
    Sentence(("Ann", "is", "here"), ("B-PER", "O", "O")),
    Sentence(("Rome", "is", "old"), ("B-LOC", "O", "O")),
]


def rows(name, numbers, word="words", tag="tags"):
    frame = pd.DataFrame(WORDS, columns=[word, tag])
    return frame if name is None else frame.assign(**{name: numbers})


def test_words_are_grouped_by_the_column_of_sentences(tmp_path):
    assert sentences(rows("sentence_id", [0, 0, 0, 1, 1, 1])) == WANT
    only_first = ["Sentence: 1", "", "", "Sentence: 2", "", ""]
    kaggle = rows("Sentence #", only_first, "Word", "Tag").assign(POS="NN")
    kaggle.to_csv(tmp_path / "a.csv", index=False)
    columns: list[str] = []
    assert sentences(tmp_path / "a.csv", columns=columns) == WANT
    assert columns == ["tokens: Word", "tags: Tag"]
    (tmp_path / "b.csv").write_text((tmp_path / "a.csv").read_text().replace("old,O", "old,"))
    problems: list[str] = []
    assert sentences(tmp_path / "b.csv", problems=problems) == WANT[:1]
    assert "b.csv:7: has no tag" in problems[0]


def test_words_without_sentences_are_refused():
    with pytest.raises(
        UsageError, match="one word in each row, but no column with sentence numbers"
    ):
        sentences(rows(None, None))
    with pytest.raises(UsageError, match="first row has no sentence number"):
        sentences(rows("sentence_id", [None, 0, 0, 1, 1, 1]))
    with pytest.raises(UsageError, match="are mixed; sort the table"):
        sentences(rows("sentence_id", [0, 1, 0, 1, 0, 1]))
    problems: list[str] = []
    data = [{"tokens": ["a", "", "b"], "tags": ["O"] * 3}, {"tokens": ["a"], "tags": ["O"]}]
    assert len(sentences(data, problems=problems)) == 1
    assert "row 1: has an empty word" in problems[0]


CONTEXT = "Ann lives in Rome. Rome is big."


@pytest.mark.parametrize(
    ("answers", "want"),
    [
        ({"answers": {"text": [], "answer_start": []}}, ()),
        ({"answers": "[]"}, ()),
        ({"answers": None, "is_impossible": True}, ()),
        ({"answers": "{'text': array(['Ann'], dtype=object), 'answer_start': array([0])}"}, (("Ann", 0),)),
        ({"answer": "Rome", "answer_start": "13.0"}, (("Rome", 13),)),
        ({"answer": "Ann"}, (("Ann", 0),)),
        ({"answers": None}, "has no answer .*write \\[\\]"),
        ({"answer": " "}, "has no answer .*write \\[\\]"),
        ({"answer": "Paris"}, "the context does not contain the answer 'Paris'"),
        ({"answer": "Rome", "answer_start": "13.5"}, "not a text and its first character"),
    ],
)  # fmt: skip
def test_answers(tmp_path, answers, want):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"question": "Who?", "context": CONTEXT, **answers}))
    if isinstance(want, str):
        with pytest.raises(UsageError, match=want):
            questions(path)
    else:
        assert questions(path)[0].answers == want


@pytest.mark.parametrize("missing", ["question", "context"])
def test_what_a_question_lacks_is_named(missing, tmp_path):
    entry = {"id": "q7", "question": "who?", "answers": []}
    paragraph = {"context": "anna", "qas": [entry]}
    (paragraph if missing == "context" else entry).pop(missing)
    path = tmp_path / "q.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    with pytest.raises(RecordError, match=rf"q\.json: question q7: has no '{missing}'"):
        questions(path)
