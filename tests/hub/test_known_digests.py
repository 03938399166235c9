"""Large files are read again when they have changed, and only then."""

import hashlib
import os
import time

import pytest

from warmstart.hub import home, known_digests
from warmstart.hub.known_digests import known_sha256_of


@pytest.fixture
def file(tmp_path):
    """A large file that was not changed of late."""
    path = tmp_path / "file"
    path.write_bytes(bytes(known_digests.LARGE))
    return path


@pytest.fixture
def reads(monkeypatch):
    """The files that are read."""
    read, names = known_digests.sha256_of, []
    monkeypatch.setattr(known_digests, "sha256_of", lambda path: names.append(path) or read(path))
    return names


@pytest.fixture
def settled(monkeypatch):
    monkeypatch.setattr(known_digests, "SETTLED", -1.0)


def correct(path):
    return known_sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once(file, reads):
    assert correct(file)
    assert correct(file)
    assert reads == [file]


def test_a_file_that_was_just_written_is_read_again(file, reads):
    assert correct(file)
    assert correct(file)
    assert reads == [file, file]


@pytest.mark.usefixtures("settled")
def test_a_changed_file_of_the_same_size_and_modification_time_is_read_again(file):
    assert correct(file)
    status = file.stat()
    time.sleep(0.05)
    with open(file, "r+b") as opened:
        opened.write(b"1")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert correct(file)


@pytest.mark.usefixtures("settled")
def test_another_file_of_the_same_name_is_read(file, tmp_path):
    assert correct(file)
    (tmp_path / "other").write_bytes(b"1" * known_digests.LARGE)
    os.replace(tmp_path / "other", file)
    assert correct(file)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("value", ["{", "[]", "{}", '{"PATH": 1}', '{"PATH": ["1", "0"]}'])
def test_damaged_notes_are_ignored(value, file):
    home().mkdir(parents=True, exist_ok=True)
    (home() / "digests.json").write_text(value.replace("PATH", str(file)))
    assert correct(file)


@pytest.mark.usefixtures("settled")
def test_without_a_folder_for_notes(file, tmp_path, monkeypatch):
    monkeypatch.setenv("WARMSTART_HOME", str(file / "home"))
    assert correct(file)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        known_sha256_of(tmp_path / "missing")
