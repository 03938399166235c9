"""Counts with their nouns."""

import pytest

from warmstart.counts import counted, singular


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, "token"), "0 tokens"),
        ((1, "token"), "1 token"),
        ((2000, "token"), "2,000 tokens"),
        ((1, "class", "classes"), "1 class"),
        ((2, "class", "classes"), "2 classes"),
        ((1, "series", "series"), "1 series"),
    ],
)
def test_a_count_has_its_noun_in_the_singular_or_plural(arguments, text):
    assert counted(*arguments) == text


def test_the_singular_of_a_plural():
    assert [singular(noun) for noun in ("photos", "series")] == ["photo", "series"]
