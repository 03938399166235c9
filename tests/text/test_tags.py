"""Schemes of tags, and CoNLL and SQuAD files as people write them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmstart.errors import UsageError
from warmstart.text import conll, squad
from warmstart.text.conll import Sentence
from warmstart.text.tags import scheme_of

ENTITIES = [("PER", 0, 2), ("LOC", 3, 4), ("LOC", 4, 7)]
"""Of eight words; the last two entities touch."""


@pytest.mark.parametrize(
    ("tags", "name", "touching"),
    [
        ("PER PER O LOC LOC LOC LOC O", "IO", False),
        ("I-PER I-PER O I-LOC I-LOC I-LOC I-LOC O", "BIO", False),
        ("I-PER I-PER O I-LOC B-LOC I-LOC I-LOC O", "BIO", True),  # IOB1
        ("B-PER I-PER O B-LOC B-LOC I-LOC I-LOC O", "BIO", True),
        ("B_PER I_PER O B_LOC B_LOC I_LOC I_LOC O", "BIO", True),
        ("B-PER E-PER O S-LOC B-LOC I-LOC E-LOC O", "BIOES", True),
        ("B-PER L-PER O U-LOC B-LOC I-LOC L-LOC O", "BIOES", True),
        ("B-PER E-PER O S-LOC B-LOC M-LOC E-LOC O", "BIOES", True),
    ],
)
def test_schemes_are_recognised_and_read(tags, name, touching):
    tags = tags.split()
    scheme = scheme_of(tags)
    assert scheme.name == name
    expected = ENTITIES if touching else [ENTITIES[0], ("LOC", 3, 7)]
    assert scheme.entities(tags) == expected
    assert conll.scores([tags], [tags])["f1"] == 1
    assert scheme.entities(scheme.encode(expected, len(tags))) == expected
    bio = scheme_of(["B-PER", "I-PER"]).encode(expected, len(tags))
    assert conll.scores([tags], [bio], ["B-PER", "I-PER", "B-LOC", "I-LOC"])["f1"] == 1


def test_types_that_look_like_tags_are_types():
    assert scheme_of(["O", "E-mail", "Phone", "Name"]).entities(["E-mail", "E-mail", "Phone"]) == [
        ("E-mail", 0, 2),
        ("Phone", 2, 3),
    ]
    assert scheme_of("BIO").entities("BIOBB") == [
        ("entity", 0, 2),
        ("entity", 3, 4),
        ("entity", 4, 5),
    ]
    assert scheme_of(["B-first-name", "O"]).entities(["B-first-name"]) == [("first-name", 0, 1)]


@given(st.lists(st.integers(1, 4), max_size=6), st.data())
def test_what_is_encoded_is_read_back(lengths, data):
    for labels in (["B-X", "I-X"], ["B-X", "I-X", "E-X", "S-X"], ["B", "I"], ["U-X", "L-X", "B-X"]):
        scheme = scheme_of(labels)
        entities, start = [], 0
        for length in lengths:
            start += data.draw(st.integers(0, 2))
            entities.append((scheme.type_of(labels[0]), start, start + length))
            start += length
        tags = scheme.encode(entities, start)
        assert scheme.entities(tags) == entities
        pieces = [  # every word in two pieces
            piece
            for tag in tags
            for piece in (
                scheme.piece_tag(tag, is_first=True, is_last=False),
                scheme.piece_tag(tag, is_first=False, is_last=True),
            )
        ]
        assert scheme.entities(pieces) == [(name, 2 * a, 2 * b) for name, a, b in entities]
        assert set(pieces) <= {p for tag in tags for p in scheme.piece_tags(tag)}
        assert scheme.entities(scheme.word_tags(pieces[::2])) == entities


ANN = Sentence(("Ann", "lives", "here"), ("B-PER", "O", "O"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann B-PER\nlives O\nhere O\n\n", [ANN]),
        ("Ann\tB-PER\r\nlives\tO\r\nhere\tO\r\n\r\n", [ANN]),
        ("-DOCSTART- -X- O O\n\nAnn NNP I-NP B-PER\nlives VBZ I-VP O\nhere RB O O\n", [ANN]),
        ("# sent_id = 1\n# text = Ann lives here\nAnn B-PER\nlives O\nhere O\n", [ANN]),
        ("# id 7-a\tdomain=train\nAnn _ _ B-PER\nlives _ _ O\nhere _ _ O\n", [ANN]),
        ("#\tsource [2009]\n1\tAnn\tB-PER\n2\tlives\tO\n3\there\tO\n", [ANN]),
        ("Ann,B-PER\nlives,O\nhere,O\n\n,,O\n", [ANN, Sentence((",",), ("O",))]),
        ("Ann;B-PER\nlives;O\nhere;O\n", [ANN]),
        ("# O\nhere O\n", [Sentence(("#", "here"), ("O", "O"))]),
        ("#win B-X\n", [Sentence(("#win",), ("B-X",))]),
        ("1 CD O\n\n2 CD O\n", [Sentence(("1",), ("O",)), Sentence(("2",), ("O",))]),
        ("a\u2028b O\n\u00a0c\u0085 B-X\n", [Sentence(("a\u2028b", "\u00a0c\u0085"), ("O", "B-X"))]),
        ("\u00a0\tO\n", [Sentence(("\ufffd",), ("O",))]),
    ],
)  # fmt: skip
def test_conll_files(tmp_path, text, expected):
    path = tmp_path / "a.conll"
    path.write_bytes(text.encode())
    assert conll.sentences(path) == expected


def test_what_is_not_conll_is_refused(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("Ann B-PER\nlives\n\nhere O\n")
    with pytest.raises(UsageError, match=r"a\.conll:2: has no tag after the word"):
        conll.sentences(path)
    problems: list[str] = []
    assert conll.sentences(path, problems=problems) == [Sentence(("here",), ("O",))]
    assert len(problems) == 1
    path.write_text("1\tAnn\tAnn\tPROPN\tNNP\t_\t2\tnsubj\t_\t_\n")
    with pytest.raises(UsageError, match="is CoNLL-U"):
        conll.sentences(path)
    path.write_text("Ann=B-PER\nlives=O\n")
    assert conll.sentences(path, delimiter="=") == [Sentence(("Ann", "lives"), ("B-PER", "O"))]


RIGHT = {"text": ["Bob"], "answer_start": [8]}
CONTEXT = "Ann met Bob"


@pytest.mark.parametrize("answers", [RIGHT, [{"text": "Bob", "answer_start": 8}]])
@pytest.mark.parametrize("layout", ["squad", "flat", "lines"])
def test_questions_of_every_layout_report_one_wrong_answer(tmp_path, answers, layout):
    wrong = {"text": ["Bob"], "answer_start": [7]}
    rows = [
        {"id": f"q{n}", "question": "Who?", "context": CONTEXT, "answers": one}
        for n, one in enumerate((answers, wrong, answers), 1)
    ]
    path = tmp_path / "a.json"
    if layout == "squad":
        qas = [{key: row[key] for key in ("id", "question", "answers")} for row in rows]
        path.write_text(json.dumps({"data": [{"paragraphs": [{"context": CONTEXT, "qas": qas}]}]}))
    elif layout == "flat":
        path.write_text(json.dumps({"version": "1", "data": rows}, indent=1))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems: list[str] = []
    found = squad.questions(path, problems=problems)
    assert found == [squad.Question("Who?", CONTEXT, (("Bob", 8),))] * 2
    (problem,) = problems
    assert "question q2" in problem
    assert "not at character 7 of its context; it begins at character 8" in problem
    with pytest.raises(UsageError, match="q2"):
        squad.questions(path)


def test_sentences_and_questions_have_parts_and_groups():
    rows = [
        {"tokens": ["Ann"], "tags": ["B-PER"], "split": "test", "author": 7},
        {"tokens": ["Bob"], "tags": ["B-PER"], "split": "train", "author": None},
    ]
    columns: list[str] = []
    found = conll.sentences(rows, group_column="author", columns=columns)
    assert [(one.split, one.group) for one in found] == [("test", "7"), ("train", None)]
    assert columns == ["tokens: tokens", "tags: tags", "split: split", "group: author"]
    question = {"question": "Who?", "context": CONTEXT, "answers": "Bob", "fold": "valid"}
    (one,) = squad.questions([question], split_column="fold")
    assert (one.split, one.group) == ("validation", None)
