"""Files of texts as the public data sets are written, and what they are read as.

A row is the reader, the file or the files of a folder, the options, what was understood of the columns,
the number of examples, and the first of them. Texts are those of `TEXTS`, so that the cells of a
column are as different as in the real files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from warmstart.errors import UsageError
from warmstart.text.conll import sentences
from warmstart.text.corpus import pairs, texts
from warmstart.text.data import examples
from warmstart.text.squad import questions

ROWS = range(12)
SUBJECTS = ("The film", "A long story", "My old phone", "This small hotel")
VERBS = ("was never", "is still", "seems to be")
TEXTS = [f"{s} {v} what we had in mind" for s in SUBJECTS for v in VERBS]
OTHERS = [f"Nobody says that {text[0].lower()}{text[1:]}, not even today" for text in TEXTS]
TITLES = [f"{text.split(' what')[0]} good" for text in TEXTS]
T, O = TEXTS, OTHERS  # noqa: E741


def lines(row: Any, header: str = "") -> str:
    return header + "".join(row(n) + "\n" for n in ROWS)


def objects(row: Any) -> str:
    return lines(lambda n: json.dumps(row(n)))


def one_of(n: int, *labels: str) -> str:
    return labels[n % len(labels)]


def folder(path: str, label: str) -> dict[str, str]:
    return {f"{path}/{label}/{n}_9.txt": f"{T[n]}<br /><br />{label}" for n in range(6)}


IMDB = {
    **folder("train", "pos"),
    **folder("train", "neg"),
    **folder("test", "pos"),
    **folder("test", "neg"),
    "train/unsup/0_0.txt": "nobody knows",
    "train/urls_pos.txt": "http://example.org",
    "imdb.vocab": "the",
}
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Ada",
            "paragraphs": [
                {
                    "context": "Ada met Charles in London.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "Where?",
                            "answers": [{"text": "London", "answer_start": 19}],
                            "is_impossible": False,
                        },
                        {
                            "id": "2",
                            "question": "Why?",
                            "answers": [],
                            "is_impossible": True,
                            "plausible_answers": [{"text": "Ada", "answer_start": 0}],
                        },
                    ],
                }
            ],
        }
    ],
}

CLASSES: dict[str, tuple[Any, ...]] = {
    "SMS spam, as of Kaggle": (
        "spam.csv",
        lines(lambda n: f'{one_of(n, "ham", "spam")},"{T[n]}, ok",,,', "v1,v2,,,\n"),
        {},
        ["text: v2", "label: v1"],
        f"{T[0]}, ok",
        ["ham", "spam"],
    ),
    "SMS spam, as of UCI": (
        "SMSSpamCollection.tsv",
        lines(lambda n: f'{one_of(n, "ham", "spam")}\t{T[n]} "now"'),
        {},
        ["text: column 2", "label: column 1"],
        f'{T[0]} "now"',
        ["ham", "spam"],
    ),
    "Yelp polarity": (
        "train.csv",
        lines(lambda n: f'"{n % 2 + 1}","{T[n]}, ""now"""'),
        {},
        ["text: column 2", "label: column 1"],
        f'{T[0]}, "now"',
        ["1", "2"],
    ),
    "AG News with a header": (
        "train.csv",
        lines(
            lambda n: f"{n % 4 + 1},{TITLES[n]},{O[n].replace(',', '')}",
            "Class Index,Title,Description\n",
        ),
        {"text_column": "Description"},
        ["text: Description", "label: Class Index"],
        O[0].replace(",", ""),
        ["1", "2", "3", "4"],
    ),
    "IMDB of Kaggle": (
        "imdb.csv",
        lines(
            lambda n: f'"{T[n]} ""x"".<br />",{one_of(n, "negative", "positive")}',
            "review,sentiment\n",
        ),
        {},
        ["text: review", "label: sentiment"],
        f'{T[0]} "x".<br />',
        ["negative", "positive"],
    ),
    "aclImdb": (
        IMDB,
        None,
        {},
        ["text: text", "label: label", "split: split"],
        f"{T[0]}<br /><br />neg",
        ["neg", "pos"],
    ),
    "20 newsgroups": (
        {
            f"{group}/{1000 + n}": f"From: a\n\n{T[n]}"
            for group in ("alt.atheism", "sci.space")
            for n in ROWS
        },
        None,
        {},
        ["text: text", "label: label"],
        f"From: a\n\n{T[0]}",
        ["alt.atheism", "sci.space"],
    ),
    "SST-2": (
        "train.tsv",
        lines(lambda n: f"{T[n]} \t{n % 2}", "sentence\tlabel\n"),
        {},
        ["text: sentence", "label: label"],
        f"{T[0]} ",
        ["0", "1"],
    ),
    "CoLA": (
        "train.tsv",
        lines(lambda n: f"gj04\t{n % 2}\t{'' if n % 2 else '*'}\t{T[n]}."),
        {},
        ["text: column 4", "label: column 2"],
        f"{T[0]}.",
        ["0", "1"],
    ),
    "MRPC": (
        "msr.tsv",
        lines(
            lambda n: f'{n % 2}\t{n}\t{n + 9}\t"{T[n]}" he said\t{O[n]}',
            "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n",
        ),
        {},
        ["text: #1 String", "second text: #2 String", "label: Quality"],
        (f'"{T[0]}" he said', O[0]),
        ["0", "1"],
    ),
    "QQP": (
        "train.tsv",
        lines(
            lambda n: f"{n}\t{n}\t{n + 9}\t{T[n]}?\t{O[n]}?\t{n % 2}",
            "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n",
        ),
        {},
        ["text: question1", "second text: question2", "label: is_duplicate"],
        (f"{T[0]}?", f"{O[0]}?"),
        ["0", "1"],
    ),
    "MNLI": (
        "dev.tsv",
        lines(
            lambda n: (
                f"{n}\t{n}c\tslate\t( a b )\t(ROOT a)\t{T[n]}\t{O[n]}\tneutral\t{one_of(n, 'entailment', 'neutral')}"
            ),
            "index\tpairID\tgenre\tsentence1_binary_parse\tsentence1_parse\tsentence1\tsentence2\tlabel1\tgold_label\n",
        ),
        {},
        ["text: sentence1", "second text: sentence2", "label: gold_label"],
        (T[0], O[0]),
        ["entailment", "neutral"],
    ),
    "QNLI": (
        "train.tsv",
        lines(
            lambda n: f"{n}\t{T[n]}?\t{O[n]}\t{one_of(n, 'entailment', 'not_entailment')}",
            "index\tquestion\tsentence\tlabel\n",
        ),
        {},
        ["text: question", "second text: sentence", "label: label"],
        (f"{T[0]}?", O[0]),
        ["entailment", "not_entailment"],
    ),
    "STS-B": (
        "train.tsv",
        lines(
            lambda n: (
                f"{n}\tmain\tMSRvid\t2012test\t{n:04}\tnone\tnone\t{T[n]}\t{O[n]}\t{n % 5}.500"
            ),
            "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n",
        ),
        {},
        ["text: sentence1", "second text: sentence2", "label: score"],
        (T[0], O[0]),
        [f"{n}.500" for n in range(5)],
    ),
    "SICK": (
        "SICK.tsv",
        lines(
            lambda n: f"{n}\t{T[n]}\t{O[n]}\t4.5\t{one_of(n, 'ENTAILMENT', 'NEUTRAL')}",
            "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n",
        ),
        {},
        ["text: sentence_A", "second text: sentence_B", "label: entailment_judgment"],
        (T[0], O[0]),
        ["ENTAILMENT", "NEUTRAL"],
    ),
    "SNLI": (
        "snli.jsonl",
        objects(
            lambda n: {
                "annotator_labels": ["neutral"],
                "captionID": f"{n}.jpg",
                "gold_label": one_of(n, "neutral", "contradiction"),
                "pairID": f"{n}r1n",
                "sentence1": T[n],
                "sentence1_parse": "(R)",
                "sentence2": O[n],
            }
        ),
        {},
        ["text: sentence1", "second text: sentence2", "label: gold_label"],
        (T[0], O[0]),
        ["contradiction", "neutral"],
    ),
    "tweet_eval": (
        "tweets.csv",
        lines(lambda n: f'"@user {T[n]}",{n % 3}', "text,label\n"),
        {},
        ["text: text", "label: label"],
        f"@user {T[0]}",
        ["0", "1", "2"],
    ),
    "emotion": (
        "train.csv",
        lines(lambda n: f"{T[n]};{one_of(n, 'joy', 'sadness')}"),
        {},
        ["text: column 1", "label: column 2"],
        T[0],
        ["joy", "sadness"],
    ),
    "financial phrases": (
        "all-data.csv",
        lines(lambda n: f'{one_of(n, "neutral", "positive")},"{O[n]}"'),
        {},
        ["text: column 2", "label: column 1"],
        O[0],
        ["neutral", "positive"],
    ),
    "row numbers of pandas": (
        "statements.csv",
        lines(lambda n: f"{n},{T[n]},{one_of(n, 'Anxiety', 'Normal')}", ",statement,status\n"),
        {},
        ["text: statement", "label: status"],
        T[0],
        ["Anxiety", "Normal"],
    ),
    "hate speech": (
        "labeled_data.csv",
        lines(
            lambda n: f'{n},3,0,{n % 3},{3 - n % 3},{n % 3},"!!! RT @a: {T[n]}"',
            ",count,hate_speech,offensive_language,neither,class,tweet\n",
        ),
        {},
        ["text: tweet", "label: class"],
        f"!!! RT @a: {T[0]}",
        ["0", "1", "2"],
    ),
    "Yelp reviews": (
        "review.jsonl",
        objects(
            lambda n: {
                "review_id": f"x{n}",
                "stars": float(n % 2 + 1),
                "useful": 0,
                "text": T[n],
                "date": "2018-07-07",
            }
        ),
        {},
        ["text: text", "label: stars"],
        T[0],
        ["1", "2"],
    ),
    "toxic comments": (
        "train.csv",
        lines(
            lambda n: f"{n:016x},{T[n]},{n % 2},{int(n % 3 == 0)}",
            "comment_id,comment_text,toxic,insult\n",
        ),
        {"multi_label": True},
        ["text: comment_text", "labels: toxic, insult (columns of 0 and 1)"],
        T[0],
        ["insult", "toxic"],
    ),
    "pairs of a list in each line": (
        "train.jsonl",
        objects(lambda n: [T[n], one_of(n, "a", "b")]),
        {},
        ["text: column 1", "label: column 2"],
        T[0],
        ["a", "b"],
    ),
}


def written(tmp_path: Path, name: Any, content: str | None) -> Path:
    """The path of a file with this content, or of a folder of files."""
    for file, text in {name: content}.items() if isinstance(name, str) else name.items():
        path = tmp_path / "data" / file if not isinstance(name, str) else tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path / name if isinstance(name, str) else tmp_path / "data"


@pytest.mark.parametrize("name", CLASSES)
def test_texts_with_classes(tmp_path, name):
    file, content, options, expected, first, labels = CLASSES[name]
    columns: list[str] = []
    problems: list[str] = []
    found = examples(
        written(tmp_path, file, content), columns=columns, problems=problems, **options
    )
    assert columns == expected
    assert len(found) == (24 if isinstance(file, dict) else len(ROWS))
    text = found[0].text
    assert (text if isinstance(text, str) else (text.text, text.pair)) == first
    assert sorted({label for one in found for label in one.labels}) == labels
    splits = {one.split for one in found}
    assert splits == ({"train", "test"} if name == "aclImdb" else {None})
    assert (name == "aclImdb") == any(
        "train/unsup: 1 text not used, without a class" in one for one in problems
    )


AG = lines(lambda n: f'"{n % 4 + 1}","{TITLES[n]}","{O[n]}"')
REFUSED: dict[str, tuple[Any, ...]] = {
    "AG News": (
        examples,
        "train.csv",
        AG,
        "with a name for each of the 3 columns, such as label,column2,text",
    ),
    "AG News with usual names": (
        examples,
        "train.csv",
        "label,title,text\n" + AG,
        "the text may be in the column 'text' or 'title'",
    ),
    "Sentiment140": (
        examples,
        "train.csv",
        lines(lambda n: f'"{n % 2 * 4}","{n + 1e9:.0f}","Mon Apr 06","NO_QUERY","u{n}","{O[n]}"'),
        "of the 6 columns, such as label,column2,column3,column4,column5,text",
    ),
    "SMS spam without a suffix": (
        examples,
        "SMSSpamCollection",
        lines(lambda n: f"ham\t{T[n]}"),
        r"rename it to SMSSpamCollection\.tsv",
    ),
    "airline tweets": (
        examples,
        "Tweets.csv",
        lines(
            lambda n: (
                f"{one_of(n, 'neutral', 'negative')},{one_of(n // 2, 'Delta', 'United')},{T[n]}"
            ),
            "airline_sentiment,airline,text\n",
        ),
        "the label may be in the column 'airline_sentiment' or 'airline'; name one with label_column",
    ),
    "Amazon reviews": (
        examples,
        "reviews.jsonl",
        objects(
            lambda n: {"reviewerID": f"A{n}", "reviewText": O[n], "overall": 5.0, "summary": T[n]}
        ),
        "the text may be in the column 'reviewText' or 'summary'",
    ),
    "GLUE's folder": (
        examples,
        {"train.tsv": "sentence\tlabel\n", "dev.tsv": ""},
        None,
        "pass the path of the table to read: 'dev.tsv', 'train.tsv'",
    ),
    "SNLI's numbers": (
        pairs,
        "snli.csv",
        lines(lambda n: f"{T[n]},{O[n].replace(',', '')},{n % 3}", "premise,hypothesis,label\n"),
        r"has class indices \(0, 1, 2\)\. 0 may mean entailment",
    ),
    "MNLI's numbers": (
        pairs,
        "mnli.csv",
        lines(lambda n: f"{T[n]},{O[n].replace(',', '')},{n % 3}", "sentence1,sentence2,label\n"),
        "class indices",
    ),
    "STS-B's scores": (
        pairs,
        "sts.csv",
        lines(
            lambda n: f"{T[n]},{O[n].replace(',', '')},{n % 2 + n / 5}",
            "sentence1,sentence2,score\n",
        ),
        r"the column 'score' has '1\.2', but training needs to know which pairs match",
    ),
    "MS MARCO's collection": (
        texts,
        "collection.tsv",
        lines(lambda n: f"{n}\t{O[n]}"),
        "each of the 2 columns, such as column1,text",
    ),
    "CoNLL-U": (
        sentences,
        "en.conllu",
        "# sent_id = 1\n1\tAl\tAl\tPROPN\tNNP\t_\t0\troot\t0:root\t_\n\n",
        "conllu:2: is CoNLL-U",
    ),
    "GermEval": (
        sentences,
        "de.tsv",
        lines(lambda n: "#\thttp://x [2009]\n1\tBonn\tB-LOC\tO\n2\tist\tO\tO\n"),
        r"the tags may be in column 3 or in column 4, both with the entities \(LOC\)",
    ),
    "MIT restaurants": (
        sentences,
        "train.bio",
        lines(lambda n: "B-Rating\ttwo\nO\tplease\n"),
        "write the word first and the tag last",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_with_the_way_out(tmp_path, name):
    read, file, content, words = REFUSED[name]
    with pytest.raises(UsageError, match=words):
        read(written(tmp_path, file, content))


TAGGED = {
    "CoNLL-2003": (
        "eng.train",
        "-DOCSTART- -X- -X- O\n\n" + lines(lambda n: "EU NNP B-NP B-ORG\ncame VBD B-VP O\n"),
    ),
    "WNUT-17": ("wnut17.conll", lines(lambda n: "EU\tB-ORG\ncame\tO\n")),
    "NER of Kaggle": (
        "ner_dataset.csv",
        "Sentence #,Word,POS,Tag\n" + lines(lambda n: f"Sentence: {n},EU,NNP,B-ORG\n,came,VBD,O"),
    ),
    "datasets": (
        "train.jsonl",
        objects(lambda n: {"id": n, "tokens": ["EU", "came"], "ner_tags": ["B-ORG", "O"]}),
    ),
}


@pytest.mark.parametrize("name", TAGGED)
def test_tagged_sentences(tmp_path, name):
    found = sentences(written(tmp_path, *TAGGED[name]))
    assert [(one.words, one.tags) for one in found] == [(("EU", "came"), ("B-ORG", "O"))] * len(
        ROWS
    )


QUESTIONS = {
    "SQuAD": ("train-v2.0.json", json.dumps(SQUAD)),
    "datasets": (
        "train.jsonl",
        json.dumps(
            {
                "id": "1",
                "context": "Ada met Charles in London.",
                "question": "Where?",
                "answers": {"text": ["London"], "answer_start": [19]},
            }
        )
        + '\n{"id": "2", "context": "Ada met Charles in London.", "question": "Why?", '
        + '"answers": {"text": [], "answer_start": []}}\n',
    ),
    "pandas": (
        "train.csv",
        "id,context,question,answers\n"
        "1,Ada met Charles in London.,Where?,\"{'text': array(['London'], dtype=object), "
        "'answer_start': array([19], dtype=int32)}\"\n"
        "2,Ada met Charles in London.,Why?,\"{'text': array([], dtype=object), "
        "'answer_start': array([], dtype=int32)}\"\n",
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions(tmp_path, name):
    found = questions(written(tmp_path, *QUESTIONS[name]))
    assert [(one.question, one.answers) for one in found] == [
        ("Where?", (("London", 19),)),
        ("Why?", ()),
    ]


TOGETHER = {
    "MS MARCO's triples": ("triples.tsv", lines(lambda n: f"{T[n]}?\t{O[n]}\t{O[n - 1]}"), 3),
    "sentence-transformers' lists": (
        "all-nli.jsonl",
        objects(lambda n: [f"{T[n]}?", O[n], O[n - 1]]),
        3,
    ),
    "sentence-transformers' keys": (
        "train.jsonl",
        objects(lambda n: {"anchor": f"{T[n]}?", "positive": O[n], "negative": O[n - 1]}),
        3,
    ),
    "Natural Questions": ("nq.jsonl", objects(lambda n: {"query": f"{T[n]}?", "answer": O[n]}), 2),
    "Quora pairs": (
        "quora.tsv",
        lines(
            lambda n: f"{n}\t{n}\t{n}\t{T[n]}?\t{O[n]}\t1",
            "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n",
        ),
        2,
    ),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_texts_that_belong_together(tmp_path, name):
    file, content, count = TOGETHER[name]
    found = pairs(written(tmp_path, file, content))
    assert len(found) == len(ROWS)
    assert found[0].texts == (f"{T[0]}?", O[0], O[-1])[:count]


def test_another_encoding_is_named_and_cells_beyond_the_header_are_not_lost(tmp_path):
    rows = [f'{one_of(n, "ham", "spam")},"{T[n]} for £5",,,' for n in ROWS]
    rows[2] = rows[2].replace(",,,", '," and more",,')
    path = tmp_path / "spam.csv"
    path.write_bytes("\n".join(["v1,v2,,,", *rows]).encode("latin-1"))
    with pytest.raises(UsageError, match=r"is not UTF-8 .* name its encoding with encoding="):
        examples(path)
    problems: list[str] = []
    found = examples(path, encoding="latin-1", problems=problems)
    assert len(found) == len(ROWS) - 1
    assert found[0].text == f"{T[0]} for £5"
    assert ":4: has 5 cells where there are 2 columns (v1, v2)" in problems[0]
