"""Recordings and what is said in them, in the forms people have them.

    talks.csv, talks.jsonl            a table: "audio" (or path, file, file_name) and "text" (or transcription,
                                      transcript, sentence); paths are relative to the table
    talks/metadata.csv (or .jsonl)    the same table inside a folder
    talks/a.wav, talks/a.txt          a text beside each recording
    talks/1/2/1-2.trans.txt           LibriSpeech: lines "1-2-0003 WHAT IS SAID" of 1-2-0003.flac beside it

or pairs (recording, text), the recording as the models take it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from warmstart.errors import UsageError
from warmstart.speech.audio import SUFFIXES

AUDIO = ("audio", "path", "file", "file_name", "filename", "audio_filepath", "wav")
TEXT = ("text", "transcription", "transcript", "sentence", "label")
TABLES = ("metadata.csv", "metadata.jsonl", "transcripts.csv", "transcripts.jsonl")

Pair = tuple[Any, str]


def pairs(data: Any) -> list[Pair]:
    """(recording, text) of each example.

    Raises:
        UsageError: it is none of these forms, is damaged, or there is nothing in it.
    """
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        found = list(_folder(path) if path.is_dir() else _table(path))
        if not found:
            raise UsageError(f"{path} holds no recordings with their texts: a table ({', '.join(TABLES)}), a .txt file "
                             "beside each recording, or LibriSpeech's .trans.txt files.")
        return found
    if not isinstance(data, Iterable):
        raise UsageError(f"Give a folder, a .csv or .jsonl file, or pairs (recording, text), not {data!r}.")
    found = []
    for place, pair in enumerate(data, 1):
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[1], str)):
            raise UsageError(f"Example {place} is no pair (recording, text).")
        found.append((pair[0], pair[1]))
    if not found:
        raise UsageError("There are no recordings.")
    return found


def _table(path: Path) -> Iterator[Pair]:
    if path.suffix not in (".csv", ".jsonl") or not path.is_file():
        raise UsageError(f'{path} is no folder, .csv or .jsonl file; a file has "audio" and "text" in every row.')
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(x) for x in file if x.strip()]
        for row in rows:
            where, what = (next(row[key] for key in keys if key in row) for keys in (AUDIO, TEXT))
            yield (where if "://" in where else str(path.parent / Path(where).expanduser())), str(what)
    except (OSError, ValueError, TypeError, AttributeError, StopIteration, RuntimeError, csv.Error) as error:
        raise UsageError(f'{path} is damaged, or a row has no "audio" or "text": {error}') from error


def _folder(folder: Path) -> Iterator[Pair]:
    table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if table is not None:
        yield from _table(table)
        return
    sounds = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    lines: dict[Path, str] = {}
    for path in sorted(folder.rglob("*.trans.txt")):
        for line in _read(path).splitlines():
            stem, _, text = line.strip().partition(" ")
            lines[path.parent / stem] = text
    for sound in sounds:
        beside = sound.with_suffix(".txt")
        if sound.with_suffix("") in lines:
            yield str(sound), lines[sound.with_suffix("")]
        elif beside.is_file():
            yield str(sound), " ".join(_read(beside).split())


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text: {error}") from error
