"""Named arrays as inputs: files of every form, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmstart.errors import InputError, TooLargeError, UsageError
from warmstart.tensors.inputs import ARRAYS, items_of_file

LIMITS = SimpleNamespace(max_values=100)


def values(path, names=("a", "b")):
    return [item.value for item in items_of_file(str(path), names)]


def test_files_of_every_form_hold_the_same(tmp_path):
    np.savez(tmp_path / "a.npz", a=[1.0, 2.0], b=[[3, 4], [5, 6]])
    rows = [{"a": 1.0, "b": [3, 4]}, {"a": 2.0, "b": [5, 6]}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("a.npz", "a.json", "a.jsonl"):
        plain = [
            {k: np.asarray(v).tolist() for k, v in row.items()} for row in values(tmp_path / name)
        ]
        assert plain == rows


def test_an_open_file_holds_what_a_named_one_does(tmp_path):
    np.savez(tmp_path / "a.npz", a=[1.0, 2.0], b=[[3, 4], [5, 6]])
    rows = [{"a": 1.0, "b": [3, 4]}, {"a": 2.0, "b": [5, 6]}]
    contents = [
        (tmp_path / "a.npz").read_bytes(),
        json.dumps(rows, indent=1).encode(),
        json.dumps(rows).encode(),
        "".join(json.dumps(row) + "\n" for row in rows).encode(),
    ]
    for content in contents:
        items = ARRAYS.stream(ARRAYS.from_arguments([io.BytesIO(content)]), ("a", "b"))
        plain = [{k: np.asarray(v).tolist() for k, v in item.value.items()} for item in items]
        assert plain == rows
    (item,) = ARRAYS.stream([io.BytesIO(b"{not JSON")])
    assert isinstance(item.value, InputError)


def test_the_first_line_of_standard_input_tells_json_from_names():
    assert ARRAYS.is_content('{"a": [1, 2]}')
    assert not ARRAYS.is_content("arrays.npz")


def test_a_table_has_numbers_as_texts(tmp_path):
    (tmp_path / "a.csv").write_text("a;city;b\n1,5;Bern;2\n")
    assert values(tmp_path / "a.csv") == [{"a": "1,5", "city": "Bern", "b": "2"}]


def test_arrays_of_several_lengths_and_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=[1.0, 2.0], b=[1.0])
    np.savez(tmp_path / "b.npz", a=np.array([{}], dtype=object))
    np.savez(tmp_path / "c.npz", a=np.array(["x"]))
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04nothing")
    (tmp_path / "e.json").write_text("[1, [2]]")
    for name in "abcde":
        path = next(tmp_path.glob(f"{name}.*"))
        with pytest.raises(InputError, match=path.name):
            values(path)
    with pytest.raises(UsageError, match="arrays are read from"):
        values(tmp_path / "a.png")


def test_a_request_is_bounded():
    data = json.dumps({"a": [[1, 2]]}).encode()
    assert ARRAYS.from_bytes(data, LIMITS)["a"].shape == (1, 2)
    for value in ([], {}, "x", {"a": ["x"]}, {"a": [1, [2]]}):
        with pytest.raises(InputError):
            ARRAYS.from_json(value, LIMITS)


def test_a_small_file_with_many_numbers_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1000))
    with pytest.raises(TooLargeError, match="more than 100 numbers"):
        ARRAYS.from_bytes((tmp_path / "a.npz").read_bytes(), LIMITS)


@given(st.binary(max_size=300))
def test_any_bytes_are_arrays_or_an_error(data):
    for content in (data, b"PK\x03\x04" + data):
        with contextlib.suppress(InputError):
            ARRAYS.from_bytes(content, LIMITS)
