"""The HDF5 reader: equal to h5py on what Keras writes, and unmoved by what an attacker writes."""

import contextlib
import struct
import time
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.errors import CheckpointError, CorruptCheckpointError, UnsafeCheckpointError

LAYERS = {
    "conv": {
        "conv/kernel:0": np.arange(12, dtype="f4").reshape(3, 4),
        "conv/bias:0": np.ones(4, "f4"),
    },
    "empty": {},
    "a/b": {"a/b/x:0": np.array(3, "i8")},
}


def read_all(path):
    with open_checkpoint(path) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.names()}


@pytest.mark.parametrize("full_model", [False, True])
@pytest.mark.parametrize("options", [{}, {"libver": "latest"}, {"libver": ("v108", "v108")}])
def test_names_order_and_layers_of_a_legacy_file(tmp_path, full_model, options):
    def fill(root):
        root.attrs["layer_names"] = [name.encode() for name in LAYERS]
        for name, weights in LAYERS.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, value in weights.items():
                group[weight] = value

    with h5py.File(tmp_path / "x", "w", **options) as file:
        fill(file.create_group("model_weights") if full_model else file)
        file.attrs["model_config"] = "not read"
    with open_checkpoint(tmp_path / "x") as checkpoint:
        assert checkpoint.layout == "keras-h5"
        assert checkpoint.names() == ["conv/kernel:0", "conv/bias:0", "a/b/x:0"]
        assert checkpoint.layers() == {"conv": ["conv/kernel:0", "conv/bias:0"], "a/b": ["a/b/x:0"]}
        assert [checkpoint.dtype(name) for name in checkpoint.names()] == [
            "float32",
            "float32",
            "int64",
        ]
        np.testing.assert_array_equal(
            checkpoint.read("conv/kernel:0"), LAYERS["conv"]["conv/kernel:0"]
        )
        assert checkpoint.read("a/b/x:0") == 3


def test_long_lists_of_names_are_split_over_attributes(write_h5):
    names = [
        f"layer_{i:04}_{'x' * 100}" for i in range(1000)
    ]  # more than the 64 kB of one attribute

    def fill(file):
        for number, part in enumerate(
            np.array_split(np.array([name.encode() for name in names]), 3)
        ):
            file.attrs[f"layer_names{number}"] = part
        for name in reversed(names):
            group = file.create_group(name)
            group.attrs["weight_names"] = [b"w"]
            group["w"] = np.float32(names.index(name))

    with open_checkpoint(write_h5(fill)) as checkpoint:
        assert checkpoint.names() == [f"{name}/w" for name in names]
        assert [float(checkpoint.read(name)) for name in checkpoint.names()] == list(range(1000))


VALUES = np.random.default_rng(0).normal(size=(7, 10, 3))


@pytest.mark.parametrize(
    "dtype", ["<f4", ">f4", "<f2", ">f8", "<f8", "<i4", ">i2", "i1", "u1", "<u8", "?"]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (3, 4, 2)},
        {"chunks": (3, 4, 2), "compression": "gzip", "shuffle": True},
        {"chunks": (16, 16, 16), "maxshape": (None, None, None), "compression": 9},
        {"compression": "gzip"},
        {"chunks": (1, 1, 1)},
    ],
)
def test_every_number_type_and_storage_as_h5py_reads_it(legacy_h5, dtype, options):
    array = (VALUES * 50).astype(dtype)
    path = legacy_h5({"a": {"w": array}}, **options)
    with open_checkpoint(path) as checkpoint:
        got = checkpoint.read("a/w")
        assert checkpoint.dtype("a/w") == array.dtype.name
    with h5py.File(path) as file:
        np.testing.assert_array_equal(got, file["a/w"][()])
    assert got.dtype == array.dtype.newbyteorder("=")
    assert got.flags.writeable


def test_compact_and_empty_arrays(write_h5):
    def fill(file):
        file.attrs["layer_names"] = [b"a"]
        group = file.create_group("a")
        group.attrs["weight_names"] = [b"compact", b"none"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((5,))
        dataset = h5py.h5d.create(group.id, b"compact", h5py.h5t.IEEE_F32LE, space, properties)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(5, dtype="f4"))
        group.create_dataset("none", data=np.zeros((0, 3), "f4"))

    arrays = read_all(write_h5(fill))
    np.testing.assert_array_equal(arrays["a/compact"], np.arange(5))
    assert arrays["a/none"].shape == (0, 3)


def test_keras_3_bfloat16(write_h5):
    import ml_dtypes

    values = np.array([1.5, -3.25, np.inf], ml_dtypes.bfloat16)

    def fill(file):
        group = file.create_group("layers/dense/vars")
        dataset = group.create_dataset("0", data=values)
        dataset.attrs["dtype"] = "bfloat16"

    with open_checkpoint(write_h5(fill)) as checkpoint:
        assert checkpoint.dtype("layers/dense/vars/0") == "bfloat16"
        np.testing.assert_array_equal(checkpoint.read("layers/dense/vars/0"), values.astype("f4"))


def test_nan_and_infinity_are_numbers(legacy_h5):
    array = np.array([np.nan, np.inf, -np.inf], "f4")
    np.testing.assert_array_equal(read_all(legacy_h5({"a": {"w": array}}))["a/w"], array)


def test_an_hdf5_file_without_weights(write_h5):
    with pytest.raises(CorruptCheckpointError, match="no Keras weights"):
        open_checkpoint(write_h5(lambda file: file.create_dataset("x", data=np.ones(3))))


# Hostile files. Each is put in the place of one array, or of the group of a layer.


def soft(group):
    group["w"] = h5py.SoftLink("/secret")


def soft_path(group):
    group["w"] = h5py.SoftLink("/a/other")


def external(group):
    group["w"] = h5py.ExternalLink("/etc/hostname", "/x")


def virtual(group):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    group.create_virtual_dataset("w", layout)


def external_storage(group):
    group.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def references(group):
    group.create_dataset("w", data=np.array([group.ref], h5py.ref_dtype))


def variable_length(group):
    group.create_dataset("w", (2,), h5py.vlen_dtype(np.float32))


def text(group):
    group.create_dataset("w", data=["x"] * 3)


def records(group):
    group.create_dataset("w", data=np.zeros(3, [("a", "f4")]))


def enumeration(group):
    group.create_dataset("w", data=np.zeros(3, "i1"), dtype=h5py.enum_dtype({"A": 0, "B": 1}, "i1"))


def opaque(group):
    group.create_dataset("w", data=np.zeros(3, "V8"))


def complex_numbers(group):
    group.create_dataset("w", data=np.zeros(3, "c8"))


def odd_float(group):
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(31, 20, 11, 0, 20)
    h5py.h5d.create(group.id, b"w", kind, h5py.h5s.create_simple((3,)))


def named_type(group):
    group.file["secret"] = np.dtype("f4")
    group.create_dataset("w", data=np.zeros(3), dtype=group.file["secret"])


def terabytes(group):
    group.create_dataset("w", (1 << 40,), "f4")


def terabytes_in_chunks(group):
    group.create_dataset("w", (1 << 20, 1 << 20), "f4", chunks=(1 << 10, 1 << 10), fillvalue=1)


def one_chunk_of_many(group):
    group.create_dataset("w", (1 << 40,), "f4", chunks=(1 << 10,), compression="gzip")[:1024] = 1


def huge_chunk(group):
    group.create_dataset("w", (10,), "f8", chunks=(1 << 22,), maxshape=(None,), compression="gzip")[
        :
    ] = 1


def overflow(group):
    group.create_dataset("w", (1 << 31, 1 << 31, 4), "f4", chunks=(1, 1, 4))


def bomb(group):
    group.create_dataset("w", data=np.zeros(1 << 23), chunks=(1 << 20,), compression=9)


def other_filter(group):
    group.create_dataset("w", data=np.zeros(64), chunks=(8,), compression="lzf")


def deflate_twice(group):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((64,))
    properties.set_deflate(9)
    properties.set_deflate(9)
    space = h5py.h5s.create_simple((64,))
    h5py.h5d.create(group.id, b"w", h5py.h5t.IEEE_F32LE, space, properties).write(
        h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(64, "f4")
    )


def no_shape(group):
    group.create_dataset("w", data=h5py.Empty("f4"))


def a_group(group):
    group.create_group("w")


def missing(group):
    pass


HOSTILE = [
    soft,
    soft_path,
    external,
    virtual,
    external_storage,
    references,
    variable_length,
    text,
    records,
    enumeration,
    opaque,
    complex_numbers,
    odd_float,
    named_type,
    terabytes,
    terabytes_in_chunks,
    one_chunk_of_many,
    huge_chunk,
    overflow,
    bomb,
    other_filter,
    deflate_twice,
    no_shape,
    a_group,
    missing,
]
DAMAGED = {no_shape, a_group, missing}


@pytest.mark.parametrize("plant", HOSTILE, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("layout", ["legacy", "full model", "keras 3"])
def test_anything_but_numbers_in_this_file_is_refused(write_h5, plant, layout):
    def fill(file):
        root = file.create_group("model_weights") if layout == "full model" else file
        if layout == "keras 3":
            group = root.create_group("layers/dense/vars")
            group["0"] = np.ones(3)
        else:
            root.attrs["layer_names"] = [b"a"]
            group = root.create_group("a")
            group.attrs["weight_names"] = [b"w"]
            group["other"] = np.ones(3)
        plant(group)

    path = write_h5(fill)
    if layout == "keras 3" and plant in (missing, a_group):
        return
    with pytest.raises(
        CorruptCheckpointError if plant in DAMAGED else UnsafeCheckpointError, match=r"file\.h5"
    ):
        open_checkpoint(path)


@pytest.mark.parametrize("name", ["/secret/w", "../w", "./w", "w/", "", "x" * 5000, "w\0w"])
def test_weight_names_lead_nowhere_else(write_h5, name):
    def fill(file):
        file.attrs["layer_names"] = [b"a"]
        file["secret/w"] = np.ones(3)
        group = file.create_group("a")
        group.attrs["weight_names"] = np.array([name.encode()], f"S{len(name) + 1}")

    with pytest.raises(CheckpointError):
        open_checkpoint(write_h5(fill))


def test_a_layer_that_is_a_link_is_refused(write_h5):
    def fill(file):
        file.attrs["layer_names"] = [b"a"]
        file["a"] = h5py.ExternalLink("/etc/hostname", "/x")

    with pytest.raises(UnsafeCheckpointError, match="external link"):
        open_checkpoint(write_h5(fill))


def test_circles_and_depth(write_h5):
    def circle(file):
        group = file.create_group("layers/dense/vars")
        group["0"] = np.ones(3)
        group["up"] = file["layers"]

    def deep(file):
        file.create_group("layers/" * 200 + "vars")["0"] = np.ones(3)

    for fill in (circle, deep):
        with pytest.raises(UnsafeCheckpointError, match="circle or too deep"):
            open_checkpoint(write_h5(fill))


def test_one_array_under_many_names_does_not_multiply(legacy_h5):
    def extra(root):
        group = root["a"]
        for i in range(2000):
            group[f"copy{i}"] = group["w"]
        group.attrs["weight_names"] = [b"w", *(f"copy{i}".encode() for i in range(2000))]

    path = legacy_h5(
        {"a": {"w": np.zeros(1 << 15)}}, extra=extra
    )  # 256 kB; 512 MB if each were read
    with pytest.raises(UnsafeCheckpointError, match="declare arrays of over"):
        open_checkpoint(path)


def test_very_many_attributes_take_no_time(write_h5):
    def fill(file):
        file.attrs["layer_names"] = [b"a"]
        file.create_group("a").attrs["weight_names"] = [b"w"]
        file["a/w"] = np.ones(1)
        for i in range(3000):
            file.attrs[f"layer_names{i}"] = [f"b{i}".encode()]

    path = write_h5(fill)
    start = time.process_time()
    with pytest.raises(CorruptCheckpointError, match="'b0' is listed"):
        open_checkpoint(path)
    assert time.process_time() - start < 1  # a search from the start for each would be quadratic


def test_text_of_variable_length_does_not_multiply(write_h5):
    """Thousands of names may be the same megabyte on disk."""

    def fill(file):
        file.attrs["layer_names"] = ["y" * ((1 << 20) + 77), *["z"] * 3000]

    path = write_h5(fill)
    raw = bytearray(path.read_bytes())
    first = raw.find(struct.pack("<I", (1 << 20) + 77), raw.find(b"layer_names"))
    for i in range(1, 3001):  # let all point to the first
        raw[first + 16 * i : first + 16 * i + 16] = raw[first : first + 16]
    path.write_bytes(raw)
    with h5py.File(path) as file:
        assert file.attrs.get_id("layer_names").shape == (3001,)
    with pytest.raises(UnsafeCheckpointError, match="a name of"):
        open_checkpoint(path)


def test_a_chunk_that_inflates_to_more_than_it_declares(legacy_h5):
    path = legacy_h5({"a": {"w": np.zeros(16, "f4")}}, chunks=(16,), compression="gzip")
    bomb = zlib.compress(bytes(40 << 20), 9)
    with h5py.File(path, "r+") as file:
        file["a/w"].id.write_direct_chunk((0,), bomb)
    with (
        open_checkpoint(path) as checkpoint,
        pytest.raises(CorruptCheckpointError, match="does not decompress"),
    ):
        checkpoint.read("a/w")


def test_damaged_compression(legacy_h5):
    path = legacy_h5({"a": {"w": np.arange(16.0)}}, chunks=(16,), compression="gzip")
    with h5py.File(path, "r+") as file:
        file["a/w"].id.write_direct_chunk((0,), b"no deflate stream")
    with (
        open_checkpoint(path) as checkpoint,
        pytest.raises(CorruptCheckpointError, match="cannot be decompressed"),
    ):
        checkpoint.read("a/w")


def test_every_truncation_is_refused(tmp_path, small_h5_bytes):
    path = tmp_path / "cut.h5"
    for size in [*range(100), *range(100, len(small_h5_bytes), 37), len(small_h5_bytes) - 1]:
        path.write_bytes(small_h5_bytes[:size])
        with pytest.raises(CheckpointError):
            open_checkpoint(path)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_is_a_typed_error_or_harmless(tmp_path_factory, small_h5_bytes, changes):
    raw = bytearray(small_h5_bytes)
    for place, value in changes:
        raw[place % len(raw)] ^= value
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    path.write_bytes(raw)
    with contextlib.suppress(CheckpointError):
        for name, array in read_all(path).items():
            assert isinstance(name, str)
            assert array.nbytes <= 1 << 20


def test_every_single_bit_of_the_structure(tmp_path, small_h5_bytes):
    """All bits of the first bytes, where superblock, root group and first headers are."""
    path = tmp_path / "damaged.h5"
    for bit in range(0, 8 * 1500, 13):
        raw = bytearray(small_h5_bytes)
        raw[bit // 8] ^= 1 << bit % 8
        path.write_bytes(raw)
        with contextlib.suppress(CheckpointError):
            read_all(path)


@pytest.mark.parametrize("options", [{"libver": "latest"}, {"track_order": True}])
@pytest.mark.parametrize("count", [9, 400, 5000])  # in one block, in several, in blocks of blocks
def test_groups_of_many_members(options, count, tmp_path):
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w", **options) as file:
        for number in range(count):
            file[f"layers/dense_with_a_long_name_{number}/vars/0"] = np.float32(number)
    with open_checkpoint(path) as checkpoint:
        names = [f"layers/dense_with_a_long_name_{number}/vars/0" for number in range(count)]
        assert set(checkpoint.names()) == set(names)
        assert [float(checkpoint.read(name)) for name in names] == list(range(count))


@pytest.mark.parametrize("options", [{"libver": "latest"}, {"track_order": True}])
def test_lists_of_layers_beside_many_attributes(options, tmp_path):
    path = tmp_path / "model.h5"
    layers = [f"layer_{'x' * 200}_{number}" for number in range(400)]  # more than 64 KB of names
    with h5py.File(path, "w", **options) as file:
        file.attrs["layer_names"] = layers
        for number in range(20):
            file.attrs[f"note {number}"] = "text" * number
        for number, layer in enumerate(layers):
            group = file.create_group(layer)
            group.attrs["weight_names"] = ["kernel:0"]
            group["kernel:0"] = np.full(2, number, np.float32)
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint.layers()) == layers
        for number, layer in enumerate(layers):
            assert checkpoint.read(f"{layer}/kernel:0").tolist() == [number, number]


@given(data=st.data())
@settings(max_examples=150)
def test_damaged_dense_groups_are_typed_errors(dense_bytes, tmp_path_factory, data):
    raw = bytearray(dense_bytes)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(8, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.weights.h5"
    path.write_bytes(raw)
    try:
        with open_checkpoint(path) as checkpoint:
            for name in checkpoint.names():
                checkpoint.read(name)
    except CheckpointError:
        pass


@pytest.fixture(scope="module")
def dense_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("dense") / "model.weights.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for number in range(60):
            file[f"layers/dense_{number}/vars/0"] = np.float32(number)
    return path.read_bytes()
