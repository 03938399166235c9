"""The layout is told by the content; `.keras` archives; pickles; what is no checkpoint at all."""

import io
import pickle
import shutil
import struct
import tempfile
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.errors import CheckpointError, CorruptCheckpointError, UnsafeCheckpointError


@pytest.fixture(scope="session")
def weights_bytes() -> bytes:
    """The `model.weights.h5` of one dense layer."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = np.arange(6.0).reshape(2, 3)
        group["1"] = np.ones(3)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path):
    """Write a zip archive: archive({member: bytes})."""

    def write(members, name="model.keras", compression=zipfile.ZIP_STORED):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", compression) as file:
            for member, data in members.items():
                file.writestr(member, data)
        return path

    return write


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_keras_archive(archive, weights_bytes, compression, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = archive(
        {"metadata.json": "{", "config.json": "{never read", "model.weights.h5": weights_bytes},
        compression=compression,
    )
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.layout == "keras-weights-h5"
        assert checkpoint.path == path
        assert checkpoint.names() == ["layers/dense/vars/0", "layers/dense/vars/1"]
        np.testing.assert_array_equal(
            checkpoint.read("layers/dense/vars/0"), np.arange(6.0).reshape(2, 3)
        )
    assert not list((tmp_path / "temporary").iterdir())


def test_the_suffix_means_nothing(tmp_path, archive, weights_bytes):
    save_safetensors(tmp_path / "a.h5", {"w": np.ones(1)})
    (tmp_path / "b.safetensors").write_bytes(weights_bytes)
    shutil.copy(archive({"model.weights.h5": weights_bytes}), tmp_path / "c.bin")
    layouts = {}
    for name in ("a.h5", "b.safetensors", "c.bin"):
        with open_checkpoint(tmp_path / name) as checkpoint:
            layouts[name] = checkpoint.layout
    assert layouts == {
        "a.h5": "safetensors",
        "b.safetensors": "keras-weights-h5",
        "c.bin": "keras-weights-h5",
    }


def test_folders(tmp_path, weights_bytes):
    with pytest.raises(CheckpointError, match="contains no weights"):
        open_checkpoint(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UnsafeCheckpointError, match="safetensors"):
        open_checkpoint(tmp_path)
    (tmp_path / "model.weights.h5").write_bytes(weights_bytes)
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.layout == "keras-weights-h5"
    save_safetensors(tmp_path / "model.safetensors", {"w": np.ones(1)})
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.layout == "safetensors"


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code was run')",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "model.h5"])
def test_pickles_are_refused(tmp_path, protocol, name):
    (tmp_path / name).write_bytes(pickle.dumps(Trap(), protocol))
    with pytest.raises(UnsafeCheckpointError, match=r"pickle.*Convert it to safetensors"):
        open_checkpoint(tmp_path / name)


@pytest.mark.parametrize("member", ["archive/data.pkl", "data.pkl"])
def test_torch_archives_are_refused(archive, weights_bytes, member):
    with pytest.raises(UnsafeCheckpointError, match="pickle"):
        open_checkpoint(
            archive({member: pickle.dumps(Trap()), "model.weights.h5": weights_bytes}, "m.pth")
        )


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil"])
def test_members_that_lead_elsewhere(archive, weights_bytes, name):
    with pytest.raises(UnsafeCheckpointError, match="member called"):
        open_checkpoint(archive({"model.weights.h5": weights_bytes, name: b"x"}))


def test_archives_without_the_weights(archive, weights_bytes, tmp_path):
    for members in (
        {"config.json": b"{}"},
        {"sub/model.weights.h5": weights_bytes},
        {"model.weights.npz": b""},
    ):
        with pytest.raises(CorruptCheckpointError, match=r"model\.weights\.h5"):
            open_checkpoint(archive(members))
    path = tmp_path / "twice.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model.weights.h5", weights_bytes)
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("model.weights.h5", weights_bytes)
    with pytest.raises(CorruptCheckpointError, match="2 members"):
        open_checkpoint(path)
    with pytest.raises(CorruptCheckpointError, match="signature"):
        open_checkpoint(archive({"model.weights.h5": b"no HDF5"}))


def test_zip_bomb(archive):
    path = archive({"model.weights.h5": bytes(64 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnsafeCheckpointError, match="unpacks from"):
        open_checkpoint(path)


def test_a_member_longer_than_it_declares(archive, weights_bytes):
    path = archive({"model.weights.h5": weights_bytes}, compression=zipfile.ZIP_DEFLATED)
    raw = path.read_bytes()
    size = struct.pack("<I", len(weights_bytes))
    path.write_bytes(raw.replace(size, struct.pack("<I", len(weights_bytes) - 500)))
    with pytest.raises(CheckpointError):
        open_checkpoint(path)


def test_an_encrypted_or_odd_member(archive, weights_bytes):
    path = archive({"model.weights.h5": weights_bytes}, compression=zipfile.ZIP_BZIP2)
    with pytest.raises(UnsafeCheckpointError, match="unusual"):
        open_checkpoint(path)
    raw = bytearray(archive({"model.weights.h5": weights_bytes}).read_bytes())
    raw[raw.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(UnsafeCheckpointError, match="encrypted"):
        open_checkpoint(path)


def test_an_archive_of_very_many_members(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        for i in range(10_001):
            file.writestr(str(i), b"")
    with pytest.raises(UnsafeCheckpointError, match="10001 members"):
        open_checkpoint(path)


def test_no_room_for_the_temporary_file(archive, weights_bytes, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(CheckpointError, match="temporary file") as caught:
        open_checkpoint(archive({"model.weights.h5": weights_bytes}))
    assert not isinstance(caught.value, CorruptCheckpointError)


@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4),
    keep=st.floats(0.5, 1),
)
def test_damaged_archives(tmp_path_factory, weights_bytes, changes, keep):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", b"{}")
        file.writestr("model.weights.h5", weights_bytes)
    raw = bytearray(buffer.getvalue())
    del raw[int(len(raw) * keep) :]
    for place, value in changes:
        raw[place % len(raw)] ^= value
    path = tmp_path_factory.getbasetemp() / "damaged.keras"
    path.write_bytes(raw)
    try:
        with open_checkpoint(path) as checkpoint:
            arrays = {name: checkpoint.read(name) for name in checkpoint.names()}
    except CheckpointError:
        return
    assert arrays["layers/dense/vars/0"].tolist() == [
        [0, 1, 2],
        [3, 4, 5],
    ]  # the CRC would have told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"x", "neither HDF5"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (b"{}", "weight_map"),
        (bytes(100), "neither"),
        (b"\x89HDF\r\n\x1a\n", "damaged"),
        (b"PK\x03\x04", "incomplete zip"),
    ],
)
def test_what_is_no_checkpoint(tmp_path, content, message):
    (tmp_path / "m.h5").write_bytes(content)
    with pytest.raises(CorruptCheckpointError, match=rf"m\.h5.*{message}"):
        open_checkpoint(tmp_path / "m.h5")


def test_a_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be opened"):
        open_checkpoint(tmp_path / "none.h5")


@settings(max_examples=200)
@given(
    st.sampled_from([b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x02", b"{"]),
    st.binary(max_size=200),
)
def test_any_bytes(tmp_path_factory, start, rest):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(start + rest)
    try:
        checkpoint = open_checkpoint(path)
    except CheckpointError:
        return
    with checkpoint:  # only a header without arrays is that short
        assert checkpoint.names() == []


def test_closed_and_thread_safe(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    arrays = {f"w{i}": np.full(5000, i) for i in range(40)}
    save_safetensors(tmp_path / "m", arrays)
    checkpoint = open_checkpoint(tmp_path / "m")
    with ThreadPoolExecutor(8) as pool:
        for name, got in zip(arrays, pool.map(checkpoint.read, arrays), strict=True):
            np.testing.assert_array_equal(got, arrays[name])
    checkpoint.close()
    checkpoint.close()
    with pytest.raises(CheckpointError):
        checkpoint.read("w1")
