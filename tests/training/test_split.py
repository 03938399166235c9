"""Validation examples: stratified, whole groups, the same for the same seed."""

from collections import Counter

import numpy as np
import pytest

from warmstart.errors import UsageError
from warmstart.training.split import fingerprint, rarest, split, split_rows


def words(count: int) -> list[tuple[str, str]]:
    return [(str(n), "rare" if n % 10 == 0 else "common") for n in range(count)]


def divided(validation, seed=0, **options):
    return split(words(50), validation, seed, list, **options)


def test_every_class_has_its_share():
    train, validation, *_ = divided(0.2, labels=lambda one: (one[1],))
    assert Counter(label for _, label in validation) == {"common": 9, "rare": 1}
    assert sorted(train + validation) == sorted(words(50))
    assert train == [one for one in words(50) if one in set(train)]  # in the order of the data


def test_the_seed_decides():
    assert divided(0.2) == divided(0.2)
    assert divided(0.2) != divided(0.2, seed=1)


def test_groups_stay_together():
    train, validation, *_ = divided(0.3, group=lambda one: int(one[0]) // 5)
    assert len(validation) == 15
    groups = [{int(text) // 5 for text, _ in split} for split in (train, validation)]
    assert not groups[0] & groups[1]


def test_examples_without_a_group_stand_alone():
    train, validation, *_ = divided(0.2, group=lambda one: None if int(one[0]) % 2 else "even")
    assert len(train) + len(validation) == 50
    assert len({int(text) % 2 for text, _ in validation}) == 1  # the group of 25 stays together


def test_few_groups_that_make_validation_large_cause_a_warning():
    *_, warnings = divided(0.2, group=lambda one: int(one[0]) % 2)
    assert warnings == (
        "25 of 50 examples (50%) are set aside for validation, not 20%: they stay together in 2 groups",
    )
    assert not divided(0.2, group=lambda one: int(one[0]) // 5).warnings


def test_splits_of_the_data_are_respected():
    def split_of(one):
        return ("train", "validation", "test", None, "train")[int(one[0]) % 5]

    train, validation, test, warnings = divided("auto", split_of=split_of)
    assert [len(some) for some in (train, validation, test)] == [30, 10, 10]
    assert not warnings
    train, validation, test, warnings = divided(0.5, split_of=split_of)
    assert [len(some) for some in (train, validation, test)] == [15, 15, 10]
    assert "10 validation examples from the data are not used" in warnings[0]
    with pytest.raises(UsageError, match="none is left to train on"):
        divided("auto", split_of=lambda one: "test")


def test_auto_is_a_fifth_and_zero_is_none_and_data_is_read():
    assert len(divided("auto")[1]) == 10
    for none in (0, None, False, 0.0):
        assert divided(none) == (words(50), [], [], ())
    assert divided([("x", "y")])[:2] == (words(50), [("x", "y")])


def test_a_class_with_one_example_stays_in_training():
    strata = np.array([0] * 9 + [1])
    for seed in range(10):
        assert 9 in split_rows(10, 0.5, seed, strata=strata)[0]
    with pytest.raises(UsageError, match="too few examples"):
        split_rows(3, 0.5, 0, strata=np.arange(3))
    with pytest.raises(UsageError, match="between 0 and 1"):
        split_rows(3, 1.0, 0)


def test_fixed_rows_stay_in_training():
    for seed in range(10):
        train, validation = split_rows(10, 0.3, seed, fixed=[0, 1, 2])
        assert {0, 1, 2} <= set(train)
        assert len(validation) == 3


def test_the_rarest_label_decides():
    strata = rarest([("a", "b"), ("a",), ("a", "b"), (), ("a", "c")])
    assert strata.tolist() == [1, 0, 1, -1, 2]


def test_a_fingerprint_changes_with_an_example():
    assert fingerprint(words(3)) == fingerprint(words(3)) != fingerprint(words(4))
