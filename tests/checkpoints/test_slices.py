"""Arrays that lie in another file of the folder: found whatever their order of axes, and nothing else is ever read."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.checkpoints import open_checkpoint, save_safetensors, save_sliced
from warmstart.checkpoints.slices import KEY
from warmstart.errors import CheckpointError, CorruptCheckpointError, UnsafeCheckpointError, UsageError

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(size=(3, 3, 4, 8)).astype(np.float16)
TABLE = RANDOM.normal(size=(16, 9)).astype(np.float32)
ARRAYS = {"conv/kernel": KERNEL, "bias": np.arange(4, dtype=np.float32), "table": TABLE,
          "other": RANDOM.normal(size=(50,)).astype(np.float32)}


@pytest.fixture
def folder(tmp_path):
    """A program that holds the kernel with its output channels first, and the table as it is."""
    program = tmp_path / "artifacts" / "program.tflite"
    program.parent.mkdir()
    program.write_bytes(b"TFL3" * 3 + KERNEL.transpose(3, 0, 1, 2).tobytes() + b"between" + TABLE.tobytes() + b"end")
    save_sliced(tmp_path / "m.safetensors", ARRAYS, program)
    return tmp_path


def told_by(folder) -> dict:
    with open_checkpoint(folder / "m.safetensors") as checkpoint:
        return json.loads(checkpoint._own.metadata[KEY])


def rewrite(folder, told) -> None:
    """The file again, with another description of its slices."""
    own = {name: ARRAYS[name] for name in ("bias", "other")}
    save_safetensors(folder / "m.safetensors", own, {KEY: told if isinstance(told, str) else json.dumps(told)})


def test_every_array_comes_back_bit_for_bit(folder):
    with open_checkpoint(folder / "m.safetensors") as checkpoint:
        assert checkpoint.layout == "safetensors"
        assert sorted(checkpoint.names()) == sorted(ARRAYS)
        assert checkpoint.files() == [folder / "m.safetensors", folder / "artifacts" / "program.tflite"]
        for name, array in ARRAYS.items():
            read = checkpoint.read(name)
            assert checkpoint.shape(name) == array.shape
            assert checkpoint.dtype(name) == array.dtype.name
            assert read.dtype == array.dtype
            assert read.flags.c_contiguous
            np.testing.assert_array_equal(read, array)


def test_what_the_other_file_holds_is_not_written_again(folder):
    assert set(told_by(folder)["arrays"]) == {"conv/kernel", "table"}
    assert (folder / "m.safetensors").stat().st_size < KERNEL.nbytes + TABLE.nbytes


def test_without_anything_to_share_it_is_a_plain_file(tmp_path):
    (tmp_path / "program").write_bytes(b"nothing")
    save_sliced(tmp_path / "m.safetensors", ARRAYS, tmp_path / "program")
    save_safetensors(tmp_path / "plain.safetensors", ARRAYS)
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "plain.safetensors").read_bytes()


def test_two_arrays_never_share_the_same_bytes(tmp_path):
    (tmp_path / "program").write_bytes(TABLE.tobytes())
    save_sliced(tmp_path / "m.safetensors", {"a": TABLE, "b": TABLE}, tmp_path / "program")
    assert set(told_by(tmp_path)["arrays"]) == {"a"}
    with open_checkpoint(tmp_path / "m.safetensors") as checkpoint:
        np.testing.assert_array_equal(checkpoint.read("a"), checkpoint.read("b"))


def test_what_is_shared_must_lie_below(tmp_path):
    (tmp_path / "program").write_bytes(TABLE.tobytes())
    with pytest.raises(UsageError, match="stay in one folder"):
        save_sliced(tmp_path / "folder" / "m.safetensors", ARRAYS, tmp_path / "program")


def test_the_other_file_is_missing(folder):
    (folder / "artifacts" / "program.tflite").unlink()
    with pytest.raises(CorruptCheckpointError, match=r"program\.tflite, which is missing"):
        open_checkpoint(folder / "m.safetensors")


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:40] + b"?" + b[41:],
                                    lambda b: b""], ids=["shorter", "longer", "changed", "empty"])
def test_the_other_file_is_not_the_one_that_was_meant(folder, damage):
    program = folder / "artifacts" / "program.tflite"
    program.write_bytes(damage(program.read_bytes()))
    with pytest.raises(CorruptCheckpointError, match="sha256 differs"):
        open_checkpoint(folder / "m.safetensors")


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "artifacts/../../secret", "a//b", "", ".hidden", "a\\b",
                                  "./a"])
def test_files_elsewhere_are_refused(folder, file):
    rewrite(folder, {**told_by(folder), "file": file})
    with pytest.raises(UnsafeCheckpointError, match="outside its folder"):
        open_checkpoint(folder / "m.safetensors")


def test_a_scalar_keeps_its_shape(folder):
    told = told_by(folder)
    told["arrays"]["table"].update(shape=[], axes=[])
    rewrite(folder, told)
    with open_checkpoint(folder / "m.safetensors") as checkpoint:
        assert checkpoint.read("table").shape == checkpoint.shape("table") == ()


@pytest.mark.parametrize("change", [{"offset": 10**6}, {"shape": [16, 9000], "offset": 0}, {"offset": 12}],
                         ids=["beyond the end", "larger than the file", "over another"])
def test_slices_that_cannot_be_are_refused(folder, change):
    told = told_by(folder)
    told["arrays"]["table"].update(change)
    rewrite(folder, told)
    with pytest.raises(UnsafeCheckpointError, match=r"'(table|conv/kernel)' overlaps another, or goes beyond"):
        open_checkpoint(folder / "m.safetensors")


@pytest.mark.parametrize("told", [
    "", "[]", "{}", "[" * 100_000, '{"file": "a", "sha256": "", "arrays": []}',
    '{"file": 1, "sha256": "", "arrays": {}}',
    '{"file": "a", "sha256": "", "arrays": {"bias": {"dtype": "F32", "shape": [1], "axes": [0], "offset": 0}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "F32", "shape": [1], "axes": [0]}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "F32", "shape": [1], "axes": [0], "offset": -1}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "F32", "shape": [1], "axes": [1], "offset": 0}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "F31", "shape": [1], "axes": [0], "offset": 0}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": [], "shape": [1], "axes": [0], "offset": 0}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "F32", "shape": "1", "axes": [0], "offset": 0}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "F32", "shape": [1], "axes": [0], "offset": true}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "F32", "shape": [0, 1], "axes": [0, 1], "offset": 0}}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "F32", "shape": [], "axes": [], "\\u001b": 0}}}',
    '{"file": "a", "sha256": "", "arrays": {"\\ud800": {"dtype": "F32", "shape": [], "axes": [], "offset": 0}}}',
    '{"file": "a", "sha256": "", "arrays": {"__metadata__": {"dtype": "F32", "shape": [], "axes": [], "offset": 0}}}',
    '{"file": "a", "file": "b", "sha256": "", "arrays": {}}',
    '{"file": "a", "sha256": "", "arrays": {"x": {"dtype": "' + "F" * 100_000 + '", "shape": [1], "axes": [0], '
    '"offset": 0}}}',
])
def test_a_damaged_description_is_told(folder, told):
    rewrite(folder, told)
    with pytest.raises(CorruptCheckpointError, match=r"m\.safetensors does not say where its arrays lie") as raised:
        open_checkpoint(folder / "m.safetensors")
    assert len(str(raised.value)) < 1000
    assert "\x1b" not in str(raised.value)


@given(at=st.integers(0, 4000), to=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_is_an_error_or_changes_only_numbers(tmp_path_factory, at, to):
    folder = tmp_path_factory.mktemp("changed")
    (folder / "program").write_bytes(KERNEL.tobytes())
    save_sliced(folder / "m.safetensors", ARRAYS, folder / "program")
    content = bytearray((folder / "m.safetensors").read_bytes())
    content[at % len(content)] = to
    (folder / "m.safetensors").write_bytes(content)
    try:
        with open_checkpoint(folder / "m.safetensors") as checkpoint:
            for name in checkpoint.names():
                assert checkpoint.read(name).shape == checkpoint.shape(name)
    except CheckpointError:
        pass
