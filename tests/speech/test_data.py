"""Recordings with their texts, in every form."""

import json

import pytest

from warmstart.errors import UsageError
from warmstart.speech.data import examples


def pairs(data, **options):
    return [one[:2] for one in examples(data, **options)]


def test_tables_name_recordings_beside_them(tmp_path):
    (tmp_path / "a.csv").write_text(
        'file_name,transcription\nx/1.wav,Hello there\nhttps://h/2.wav,"yes, no"\n'
    )
    want = [(str(tmp_path / "x/1.wav"), "Hello there"), ("https://h/2.wav", "yes, no")]
    assert pairs(tmp_path / "a.csv") == want
    rows = [
        {"audio": "x/1.wav", "text": "Hello there"},
        {"audio": "https://h/2.wav", "text": "yes, no"},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert pairs(tmp_path) == want
    assert pairs(iter(want)) == want


def test_ljspeech_and_other_lists_with_bars(tmp_path):
    (tmp_path / "wavs").mkdir()
    for name in ("LJ001-0001", "LJ001-0002"):
        (tmp_path / "wavs" / f"{name}.wav").touch()
    lines = ('LJ001-0001|He said "1, 2"|He said "one, two"', "LJ001-0002|Yes; no|Yes; no")
    (tmp_path / "metadata.csv").write_text("\n".join(lines) + "\n")
    wanted = [
        (str(tmp_path / "wavs/LJ001-0001.wav"), 'He said "one, two"'),
        (str(tmp_path / "wavs/LJ001-0002.wav"), "Yes; no"),
    ]
    assert pairs(tmp_path) == wanted
    (tmp_path / "train.txt").write_text("wavs/a.wav|12|Please call.\nwavs/b.wav|7|Stella again\n")
    assert pairs(tmp_path / "train.txt") == [
        (str(tmp_path / "wavs/a.wav"), "Please call."),
        (str(tmp_path / "wavs/b.wav"), "Stella again"),
    ]
    (tmp_path / "named.csv").write_text("audio_file|text|speaker\nwavs/LJ001-0001|Hello there|x\n")
    assert pairs(tmp_path / "named.csv", path_column="audio_file") == [
        (wanted[0][0], "Hello there")
    ]
    for text, message in (
        ("a.wav|Hello there|anna\nb.wav|good bye|ben\n", "column 2 .* or in the last one"),
        ("a.wav|Hello there\nb.wav\n", "list.txt:2: has 1 cell"),
        ("a.wav|Hello there\nb.wav| \n", "list.txt:2: has no text"),
    ):
        (tmp_path / "list.txt").write_text(text)
        with pytest.raises(UsageError, match=message):
            pairs(tmp_path / "list.txt")


def test_tables_without_a_header_or_with_other_names(tmp_path):
    (tmp_path / "a.csv").write_text("a.wav;yes, please\nb.wav;no\n")
    assert pairs(tmp_path / "a.csv") == [
        (str(tmp_path / "a.wav"), "yes, please"),
        (str(tmp_path / "b.wav"), "no"),
    ]
    (tmp_path / "a.csv").write_text("sound,words\na.wav,yes\n")
    assert pairs(tmp_path / "a.csv", path_column="sound", text_column="words") == [
        (str(tmp_path / "a.wav"), "yes")
    ]
    problems: list[str] = []
    assert pairs([("a.wav", "yes"), ("b.wav", "")], problems=problems) == [("a.wav", "yes")]
    assert problems == ["row 2: has no text; fill it in, or remove the row"]


def test_folders_with_texts_beside_or_as_librispeech_has_them(tmp_path):
    (tmp_path / "1").mkdir()
    for name in ("b.flac", "a.wav", "without.wav", "1/1-2-0001.flac"):
        (tmp_path / name).touch()
    (tmp_path / "a.txt").write_text("one\n two\n")
    (tmp_path / "b.txt").write_text("three")
    (tmp_path / "1" / "1-2.trans.txt").write_text("1-2-0001 FOUR FIVE\n1-2-0002 OF NO RECORDING\n")
    (tmp_path / "silent.wav").touch()
    (tmp_path / "silent.txt").write_text("\n")
    problems: list[str] = []
    assert pairs(tmp_path, problems=problems) == [
        (str(tmp_path / "1/1-2-0001.flac"), "FOUR FIVE"),
        (str(tmp_path / "a.wav"), "one two"),
        (str(tmp_path / "b.flac"), "three"),
    ]
    assert problems == [
        f"{tmp_path}/silent.wav: has no text (silent.txt is empty)",
        f"{tmp_path}/without.wav: has no text (without.txt is not there)",
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("nowhere.csv", "nowhere.csv does not exist"),
        ("nowhere.txt", "nowhere.txt does not exist"),
        ([], "no records"),
        ([("a.wav",)], r"row 1: is not a \(recording, text\) pair"),
        (7, "type int"),
        ([("a.wav", 3)], "row 1: the text is not a string"),
    ],
)
def test_what_cannot_be_read(data, words):
    with pytest.raises(UsageError, match=words):
        pairs(data)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "x,text\n1.wav,a\n"),
        ("a.jsonl", '{"audio": 3, "text": "a"}'),
        ("a.jsonl", "[1]"),
        ("a.jsonl", "{"),
        ("a.csv", b"\xff\xfe\x00"),
        ("metadata.csv", "audio\n1.wav\n"),
    ],
)
def test_damaged_tables_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=name):
        pairs(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="contains no recordings with texts"):
        pairs(tmp_path / "empty")
