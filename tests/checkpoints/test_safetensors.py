"""Safetensors: equal to the reference library, and strict with everything else."""

import json
import os
import stat

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import DTYPES, MAX_HEADER, parse_header, save_safetensors
from warmstart.errors import (
    CheckpointError,
    CorruptCheckpointError,
    UnsafeCheckpointError,
    UsageError,
)

ARRAYS = {
    "b/kernel": np.arange(6, dtype="float32").reshape(2, 3),
    "a/half": np.array([1.5, -2, np.inf, np.nan], "float16"),
    "scalar": np.array(7, "int64"),
    "empty": np.zeros((0, 4), "float64"),
    "flags": np.array([True, False, True]),
    "bytes": np.arange(3, dtype="uint8"),
    "größe": np.array([2.5]),
}


def read_all(path):
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.layout == "safetensors"
        return {name: checkpoint.read(name) for name in checkpoint.names()}


def test_round_trip_keeps_every_bit_and_the_order(tmp_path):
    path = tmp_path / "new" / "m.safetensors"
    save_safetensors(path, ARRAYS, {"made by": "test"})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.names() == list(ARRAYS)
        assert checkpoint.metadata == {"made by": "test"}
        for name, array in ARRAYS.items():
            got = checkpoint.read(name)
            assert (checkpoint.shape(name), checkpoint.dtype(name)) == (
                array.shape,
                array.dtype.name,
            )
            assert (got.shape, got.dtype, got.tobytes()) == (
                array.shape,
                array.dtype,
                array.tobytes(),
            )
            assert got.flags.writeable


def test_the_reference_library_reads_what_we_write(tmp_path):
    save_safetensors(tmp_path / "m", ARRAYS)
    theirs = safetensors.numpy.load_file(tmp_path / "m")
    assert set(theirs) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(theirs[name], array)


def test_we_read_what_the_reference_library_writes(tmp_path):
    safetensors.numpy.save_file(ARRAYS, tmp_path / "m", {"format": "np"})
    ours = read_all(tmp_path / "m")
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(ours[name], array)


def test_bfloat16_is_read_as_equal_float32(tmp_path):
    import ml_dtypes

    values = np.array([[1.0, -2.5, 3e38], [1e-30, np.inf, 0.1]], ml_dtypes.bfloat16)
    save_safetensors(tmp_path / "m", {"w": values})
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.dtype("w") == "bfloat16"
        got = checkpoint.read("w")
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, values.astype(np.float32))


def test_other_memory_orders_are_written_in_order(tmp_path):
    array = np.arange(12, dtype=">f4").reshape(3, 4).T[::2]
    save_safetensors(tmp_path / "m", {"w": array})
    np.testing.assert_array_equal(read_all(tmp_path / "m")["w"], array)


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([None]), np.array([1j])])
def test_what_the_format_lacks_is_not_written(tmp_path, array):
    with pytest.raises(UsageError, match="'w'"):
        save_safetensors(tmp_path / "m", {"w": array})
    assert not list(tmp_path.iterdir())


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save_safetensors(path, {"w": np.ones(3)})
    before = path.read_bytes()

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(CheckpointError, match="No space left"):
        save_safetensors(path, {"w": np.zeros(5)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_new_files_follow_the_umask(tmp_path):
    old = os.umask(0o022)
    try:
        save_safetensors(tmp_path / "m", {"w": np.ones(1)})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o644


def entry(begin=0, end=4, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


ONE = json.dumps(entry())
BAD = {
    "overlap": ({"a": entry(0, 4), "b": entry(2, 6)}, 6),
    "the same bytes twice": ({"a": entry(0, 4), "b": entry(0, 4)}, 4),
    "gap": ({"a": entry(0, 4), "b": entry(8, 12)}, 12),
    "beyond the end": ({"a": entry(0, 400, (100,))}, 4),
    "bytes left over": ({"a": entry()}, 8),
    "negative": ({"a": entry(-4, 0)}, 4),
    "backwards": ({"a": entry(4, 0)}, 4),
    "size of another dtype": ({"a": entry(0, 4, (1,), "F64")}, 4),
    "shape bomb": ({"a": entry(0, 4, (1 << 40, 1 << 40))}, 4),
    "negative shape": ({"a": entry(0, 4, (-1, -1))}, 4),
    "huge side": ({"a": entry(0, 0, (0, 1 << 70))}, 0),
    "many sides": ({"a": entry(0, 4, (1,) * 40)}, 4),
    "unknown dtype": ({"a": entry(0, 4, (1,), "OBJECT")}, 4),
    "dtype is a list": ({"a": {**entry(), "dtype": ["F32"]}}, 4),
    "shape is a number": ({"a": {**entry(), "shape": 1}}, 4),
    "float in the shape": ({"a": {**entry(), "shape": [1.0]}}, 4),
    "bool in the shape": ({"a": {**entry(), "shape": [True]}}, 4),
    "one offset": ({"a": {**entry(), "data_offsets": [4]}}, 4),
    "key missing": ({"a": {"dtype": "F32", "shape": [1]}}, 4),
    "key too many": ({"a": {**entry(), "code": "x"}}, 4),
    "not an object": ({"a": 3}, 4),
    "a list": ("[]", 0),
    "nothing": ("", 0),
    "duplicate": ('{"a":' + ONE + ',"a":' + ONE + "}", 4),
    "duplicate key inside": (
        '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        4,
    ),
    "text behind": ('{"a":' + ONE + "} x", 4),
    "comma at the end": ('{"a":' + ONE + ",}", 4),
    "metadata twice": ('{"__metadata__":{},"__metadata__":{}}', 0),
    "metadata is a number": ('{"__metadata__":{"a":1}}', 0),
    "not text": (b'{"\xff\xfe":1}', 0),
    "half a surrogate": ('{"\\ud800":' + ONE + "}", 4),
    "deep": ('{"a":' + "[" * 100_000, 0),
    "long number": ('{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,4]}}' % ("9" * 1500), 4),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_header_is_refused(tmp_path, safetensors_bytes, case):
    header, size = BAD[case]
    (tmp_path / "m.safetensors").write_bytes(safetensors_bytes(header, bytes(size)))
    with pytest.raises(CorruptCheckpointError, match=r"m\.safetensors"):
        open_checkpoint(tmp_path / "m.safetensors")


def test_a_good_header_is_not_refused(tmp_path, safetensors_bytes):
    header = '{ "__metadata__" : { "a" : "}{" , "b":"\\u00e9" } , "x" : ' + ONE + " }   "
    (tmp_path / "m").write_bytes(safetensors_bytes(header, b"\0\0\x80?"))
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.metadata == {"a": "}{", "b": "é"}
        assert checkpoint.read("x") == [1.0]
    (tmp_path / "empty").write_bytes(safetensors_bytes("{}"))
    assert read_all(tmp_path / "empty") == {}


@pytest.mark.parametrize("length", [MAX_HEADER + 1, 100 << 20, 1 << 63])
def test_a_huge_header_is_refused_before_it_is_read(tmp_path, safetensors_bytes, length):
    path = tmp_path / "m"
    path.write_bytes(safetensors_bytes("{", length=length))
    os.truncate(path, 110 << 20)  # sparse: the header would be there
    with pytest.raises(UnsafeCheckpointError, match="header of"):
        open_checkpoint(path)


def test_every_truncation_is_refused(tmp_path):
    save_safetensors(tmp_path / "m", ARRAYS)
    whole = (tmp_path / "m").read_bytes()
    for size in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(CheckpointError):
            open_checkpoint(tmp_path / "cut")


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(list(DTYPES)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__", "w"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    header=st.binary(max_size=200) | json_like.map(lambda value: json.dumps(value).encode()),
    size=st.integers(0, 64),
)
def test_any_header_is_valid_or_a_value_error(header, size):
    try:
        tensors, metadata = parse_header(header, size)
    except ValueError:
        return
    parsed = json.loads(header)  # what we take, JSON takes
    assert set(tensors) == set(parsed) - {"__metadata__"}
    assert metadata == parsed.get("__metadata__", {})
    assert sum(info.end - info.begin for info in tensors.values()) == size


@example(shapes=[("BF16", [])], names=[" ", "a", "b", "c", "d"], flip=None)
@settings(max_examples=200)
@given(
    shapes=st.lists(
        st.tuples(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 4), max_size=3)),
        max_size=5,
    ),
    names=st.lists(st.text(max_size=6), min_size=5, max_size=5, unique=True),
    flip=st.none() | st.tuples(st.integers(0), st.integers(0, 7)),
)
def test_we_accept_exactly_what_the_reference_accepts(
    tmp_path_factory, safetensors_bytes, shapes, names, flip
):
    header, offset = {}, 0
    for (dtype, shape), name in zip(shapes, names, strict=False):
        size = int(np.prod(shape)) * (2 if dtype == "BF16" else np.dtype(DTYPES[dtype]).itemsize)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    raw = bytearray(safetensors_bytes(header, bytes(offset)))
    if flip:
        raw[flip[0] % len(raw)] ^= 1 << flip[1]
    path = tmp_path_factory.mktemp("st") / "m"
    path.write_bytes(raw)
    try:
        theirs = {name: tuple(item["shape"]) for name, item in safetensors.deserialize(bytes(raw))}
    except Exception:
        theirs = None
    try:
        with open_checkpoint(path) as checkpoint:
            ours = {name: checkpoint.shape(name) for name in checkpoint.names()}
            for name in ours:
                checkpoint.read(name)
    except CheckpointError:
        ours = None
    if ours is not None:  # ours may be stricter (fp8 dtypes, duplicate names), never looser
        assert ours == theirs
    elif flip is None:
        assert theirs is None


def shards(folder, **changes):
    save_safetensors(
        folder / "model-00001-of-00002.safetensors", {"a": np.ones(2), "b": np.zeros(3)}
    )
    save_safetensors(folder / "model-00002-of-00002.safetensors", {"c": np.full(4, 2.0)})
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    weight_map = {"a": one, "b": one, "c": two} | changes
    weight_map = {name: file for name, file in weight_map.items() if file is not None}
    index = folder / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"metadata": {"total_size": 72}, "weight_map": weight_map}, indent=2)
    )
    return index


def test_shards_are_one_checkpoint(tmp_path):
    index = shards(tmp_path)
    for path in (index, tmp_path):
        arrays = read_all(path)
        assert list(arrays) == ["a", "b", "c"]
        np.testing.assert_array_equal(arrays["c"], np.full(4, 2.0))
    with open_checkpoint(index) as checkpoint:
        assert (checkpoint.shape("b"), checkpoint.dtype("b")) == ((3,), "float64")


@pytest.mark.parametrize(
    "file",
    [
        "../model-00002-of-00002.safetensors",
        "/etc/passwd",
        "sub/x",
        "..",
        "",
        3,
        "C:\\x",
        "http://host/x",
        ["model-00002-of-00002.safetensors"],
    ],
)
def test_an_index_stays_in_its_folder(tmp_path, file):
    with pytest.raises(UnsafeCheckpointError, match="outside its folder"):
        open_checkpoint(shards(tmp_path, c=file))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c": None}, "model-00002"),
        ({"d": "model-00002-of-00002.safetensors"}, "d"),
        ({"a": "model-00002-of-00002.safetensors"}, "'a'"),
        ({"c": "missing.safetensors"}, "missing"),
    ],
)
def test_an_index_must_agree_with_its_files(tmp_path, changes, message):
    index = shards(tmp_path, **changes)
    if changes == {"c": None}:  # an array that the index does not know
        ones = np.ones(1)
        save_safetensors(
            tmp_path / "model-00001-of-00002.safetensors", {"a": ones, "b": ones, "c": ones}
        )
        message = "'c'"
    with pytest.raises(CorruptCheckpointError, match=message):
        open_checkpoint(index)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"weight_map": {}}', '{"weight_map": 3}', "{}", '{"w":' + "[" * 99999]
)
def test_a_bad_index(tmp_path, text):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(CorruptCheckpointError):
        open_checkpoint(path)
