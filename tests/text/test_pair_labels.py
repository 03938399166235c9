"""Tables of pairs whose labels say which belong together."""

import pandas as pd
import pytest

from warmstart.errors import UsageError
from warmstart.text.corpus import pairs

ANCHORS = ["what is tea", "where is Rome"]
OTHERS = ["a hot drink of leaves", "in the middle of Italy"]
WRONG = ["a kind of car", "on the moon"]


def table(names, together, apart, label="label"):
    rows = [(a, b, together) for a, b in zip(ANCHORS, OTHERS, strict=True)]
    rows += [(a, b, apart) for a, b in zip(ANCHORS, WRONG, strict=True)]
    return pd.DataFrame(rows, columns=[*names, label])


@pytest.mark.parametrize(
    ("names", "together", "apart", "label"),
    [
        (("query", "passage"), 1, 0, "label"),
        (("query", "passage"), 1.0, 0.0, "relevance"),
        (("premise", "hypothesis"), "entailment", "contradiction", "label"),
        (("question1", "question2"), "1", "0", "is_duplicate"),
        (("sentence1", "sentence2"), True, False, "label"),
        (("sentence1", "sentence2"), "Equivalent", "not equivalent", "gold_label"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".csv"])
def test_labels_decide_which_pairs_belong_together(tmp_path, names, together, apart, label, suffix):
    data = table(names, together, apart, label)
    if suffix:
        data.to_csv(tmp_path / "a.csv", index=False)
        data = tmp_path / "a.csv"
    columns: list[str] = []
    found = pairs(data, columns=columns)
    assert [one.texts for one in found] == list(zip(ANCHORS, OTHERS, WRONG, strict=True))
    assert f"label: {label}" in columns
    assert columns[-1] == "2 pairs do not match and are the negatives of the same anchors"


def test_pairs_without_negatives_for_each_anchor():
    data = table(("premise", "hypothesis"), "entailment", "contradiction")
    data.loc[3, "label"] = "neutral"
    data.loc[len(data)] = ["a", "b", None]
    columns: list[str] = []
    problems: list[str] = []
    found = pairs(data, columns=columns, problems=problems)
    assert [one.texts for one in found] == list(zip(ANCHORS, OTHERS, strict=True))
    assert columns[-1] == "2 pairs do not match and are left out"
    assert "row 5: has no label" in problems[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (table(("sentence1", "sentence2"), 4.5, 0.2, "score"), "'score' has 4.5.*write 1 or 0"),
        (table(("query", "passage"), "sport", "news"), "'label' has 'sport'"),
        (table(("premise", "hypothesis"), 0, 1), "0 may mean entailment"),
        (table(("query", "passage"), "yes", "no", "checked"), "label_column='checked', or remove"),
        (table(("query", "passage"), 0, 0), "no pair matches, according to 'label'"),
        (table(("anchor", "positive"), 1, 0).assign(negative="x y"), r"negatives \('negative'\)"),
        ([("a b", "c d", "1"), ("a b", "e f", "0")], "third column looks like labels"),
    ],
)
def test_what_the_labels_leave_open_is_refused(data, words):
    with pytest.raises(UsageError, match=words):
        pairs(data)


def test_named_and_other_columns():
    data = table(("query", "passage"), "yes", "no", "checked")
    assert len(pairs(data, label_column="checked")[0].texts) == 3
    data = table(("question", "answer"), "sport", "news", "topic")  # says nothing of the pair
    assert [len(one.texts) for one in pairs(data)] == [2] * 4
