"""A `.tflite` file as a checkpoint, and bundles whose compiled program holds the weights."""

import json
import shutil

import numpy as np
import pytest

from warmstart.catalog.queries import EMBEDDED
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.program import share_arrays
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.engines import store
from warmstart.errors import CorruptCheckpointError, UnsafeCheckpointError

SHIPPED = EMBEDDED / "leaf_deeplabv3" / "artifacts" / "float32"
STATISTIC = "conv1_bn/moving_mean"


@pytest.fixture
def folder(tmp_path):
    """The folder of a program that holds the weights of its model."""
    return shutil.copytree(SHIPPED, tmp_path / "float32")


@pytest.fixture(scope="module")
def arrays():
    with open_checkpoint(SHIPPED / "artifact.json") as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.names()}


def rewrite(folder, change):
    """The record again, after `change` of its content."""
    record = json.loads((folder / "artifact.json").read_text())
    change(record)
    (folder / "artifact.json").write_text(json.dumps(record))


def kernels(arrays):
    return {
        name for name, array in arrays.items() if name.endswith("kernel") and array.nbytes >= 128
    }


def test_arrays_come_from_the_program_and_from_the_rest(arrays):
    record, program_file = SHIPPED / "artifact.json", SHIPPED / "program.tflite"
    with open_checkpoint(record) as checkpoint, open_checkpoint(program_file) as program:
        assert checkpoint.layout == program.layout == "tflite"
        assert [file.name for file in checkpoint.files()] == [
            "artifact.json",
            "program.tflite",
            "rest.safetensors",
        ]
        for name, array in arrays.items():
            assert checkpoint.shape(name) == array.shape
            assert checkpoint.dtype(name) == array.dtype.name
            assert array.flags.c_contiguous
    record = json.loads((SHIPPED / "artifact.json").read_text())
    assert kernels(arrays) <= set(record["arrays"])


def test_arrays_are_found_again_whatever_the_order_of_their_axes(folder, arrays):
    (folder / "rest.safetensors").unlink()
    record = json.loads((folder / "artifact.json").read_text())
    shared = share_arrays(folder, arrays)
    assert kernels(arrays) <= set(shared)
    store.write_record(folder, "float16", {"signatures": record["signatures"], "arrays": shared})
    with open_checkpoint(folder / "artifact.json") as checkpoint:
        assert set(checkpoint.names()) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(checkpoint.read(name), array, err_msg=name)


def test_arrays_that_a_program_joins_in_one_tensor(tmp_path):
    """Kernels of filters and gates, one after another."""
    shipped = EMBEDDED / "digits_wavenet_asr" / "artifacts" / "float32"
    folder = shutil.copytree(shipped, tmp_path / "float32")
    with open_checkpoint(folder / "artifact.json") as checkpoint:
        arrays = {name: checkpoint.read(name) for name in checkpoint.names()}
    (folder / "rest.safetensors").unlink()
    record = json.loads((folder / "artifact.json").read_text())
    shared = share_arrays(folder, arrays)
    halves = [shared[f"stack/layer3/{part}_kernel"] for part in ("filter", "gate")]
    assert halves[0]["tensor"] == halves[1]["tensor"]
    assert [half["start"] for half in halves] == [0, arrays["stack/layer3/gate_kernel"].size]
    store.write_record(folder, "float16", {"signatures": record["signatures"], "arrays": shared})
    with open_checkpoint(folder / "artifact.json") as checkpoint:
        for name, array in arrays.items():
            np.testing.assert_array_equal(checkpoint.read(name), array, err_msg=name)


@pytest.mark.parametrize(
    ("start", "message"), [(10**6, "another size"), (-1, "impossible"), ("0", "impossible")]
)
def test_a_start_that_is_not_in_the_tensor_is_refused(tmp_path, start, message):
    shipped = EMBEDDED / "digits_wavenet_asr" / "artifacts" / "float32"
    folder = shutil.copytree(shipped, tmp_path / "float32")
    name = "stack/layer3/gate_kernel"
    rewrite(folder, lambda record: record["arrays"][name].update(start=start))
    with pytest.raises(CorruptCheckpointError, match=message):
        open_checkpoint(folder / "artifact.json")


def test_no_two_arrays_share_a_tensor(folder, arrays):
    name = max(kernels(arrays), key=lambda name: arrays[name].size)
    shared = share_arrays(folder, {"a": arrays[name], "b": arrays[name]})
    assert set(shared) == {"a"}
    with open_checkpoint(folder / "rest.safetensors") as rest:
        np.testing.assert_array_equal(rest.read("b"), arrays[name])


def test_the_store_checks_the_rest_too(folder):
    store.Artifact.load(folder)
    content = bytearray((folder / "rest.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "rest.safetensors").write_bytes(content)
    with pytest.raises(Exception, match="not the recorded ones"):
        store.Artifact.load(folder)


@pytest.mark.parametrize("name", ["program.tflite", "rest.safetensors"])
def test_a_file_is_missing_or_another_one(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(CorruptCheckpointError, match="sha256 differs"):
        open_checkpoint(folder / "artifact.json")
    (folder / name).unlink()
    with pytest.raises(CorruptCheckpointError, match=f"needs the file {name}, which is missing"):
        open_checkpoint(folder / "artifact.json")


@pytest.mark.parametrize(("change", "message"), [
    (lambda record: record.pop("arrays"), "arrays"),
    (lambda record: record.pop("sha256"), "sha256"),
    (lambda record: record["sha256"].pop("program.tflite"), "no sha256 of program"),
    (lambda record: record["arrays"].update(x={"tensor": "t"}), "needs tensor, shape and axes"),
    (lambda record: record["arrays"].update(x=[]), "needs tensor, shape and axes"),
    (lambda record: next(iter(record["arrays"].values())).update(axes=[0, 0, 1, 2]), "axes that are not those"),
    (lambda record: next(iter(record["arrays"].values())).update(shape=[-1]), "impossible"),
    (lambda record: next(iter(record["arrays"].values())).update(tensor="nothing"), "the program lacks"),
    (lambda record: next(iter(record["arrays"].values())).update(shape=[3, 5, 7, 11]), "another size"),
    (lambda record: record["arrays"].update({STATISTIC: next(iter(record["arrays"].values()))}), "both have the array"),
])  # fmt: skip
def test_records_that_do_not_fit_are_refused(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(CorruptCheckpointError, match=message):
        open_checkpoint(folder / "artifact.json")


@pytest.mark.parametrize("text", ["{", "{}", "[" * 100_000, '{"arrays": {}, "sha256": 3}'])
def test_records_that_are_none(folder, text):
    (folder / "artifact.json").write_text(text)
    with pytest.raises(CorruptCheckpointError):
        open_checkpoint(folder / "artifact.json")


def test_a_record_of_many_megabytes_is_refused(folder):
    (folder / "artifact.json").write_text('{"a": "' + "x" * (26 << 20) + '"}')
    with pytest.raises(UnsafeCheckpointError, match="a record of"):
        open_checkpoint(folder / "artifact.json")


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-100], lambda b: b[:40], lambda b: b[:200] + bytes(400) + b[600:]],
    ids=["shorter", "only a head", "zeros"],
)
def test_damaged_programs_are_refused(tmp_path, damage):
    path = tmp_path / "m.tflite"
    path.write_bytes(damage((SHIPPED / "program.tflite").read_bytes()))
    with pytest.raises(CorruptCheckpointError, match=r"m\.tflite is damaged"):
        open_checkpoint(path)


def test_a_folder_with_such_a_program_is_a_checkpoint(tmp_path, arrays):
    shutil.copytree(EMBEDDED / "leaf_deeplabv3", tmp_path / "bundle")
    with open_checkpoint(tmp_path / "bundle") as checkpoint:
        assert set(checkpoint.names()) == set(arrays)


def test_integers_with_a_scale_are_numbers():
    program = EMBEDDED / "efficientnet_lite0" / "artifacts" / "float32" / "program.tflite"
    with open_checkpoint(program) as checkpoint:
        name = next(name for name in checkpoint.names() if checkpoint.shape(name) == (32, 3, 3, 3))
        assert checkpoint.dtype(name) == "float32"
        kernel = checkpoint.read(name)
    assert kernel.dtype == np.float32
    largest = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True)
    steps = kernel / (largest / 127)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert len(np.unique(np.rint(steps))) > 100


@pytest.mark.shared
@pytest.mark.parametrize(("file", "kernel", "bias"), [
    ("tf2_mobilenet_v2_1.0_224_ptq.tflite", (1001, 1, 1, 1280), (1001,)),
    ("v3-small_224_1.0_uint8.tflite", (1001, 1, 1, 1024), (1001,)),
    ("deeplabv3_mnv2_pascal_quant.tflite", (21, 1, 1, 256), (21,)),
])  # fmt: skip
def test_published_files_are_read(shared_data, file, kernel, bias):
    with open_checkpoint(shared_data / "weights" / "tflite" / file) as checkpoint:
        shapes = {name: checkpoint.shape(name) for name in checkpoint.names()}
        assert {kernel, bias} <= set(shapes.values())
        array = checkpoint.read(next(name for name, shape in shapes.items() if shape == kernel))
    assert array.dtype == np.float32
    assert 0.01 < array.std() < 1


def test_a_closed_file_is_not_read(arrays):
    with open_checkpoint(SHIPPED / "program.tflite") as checkpoint:
        name = checkpoint.names()[0]
    with pytest.raises(ValueError, match="closed"):
        checkpoint.read(name)


def test_a_json_index_of_another_name_is_that_of_shards(tmp_path):
    save_safetensors(tmp_path / "a.safetensors", {"x": np.zeros(3, np.float32)})
    (tmp_path / "index.json").write_text('{"weight_map": {"x": "a.safetensors"}}')
    with open_checkpoint(tmp_path / "index.json") as checkpoint:
        assert checkpoint.layout == "safetensors"
