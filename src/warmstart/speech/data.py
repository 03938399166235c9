"""Recordings with transcripts, in these forms:

    talks.csv, .tsv, .jsonl, .json, .parquet
        a table: "audio" (or path, file, file_name) and "text" (or transcription, transcript,
        sentence); paths are relative to the table, or to "clips", "wavs" or "audio" next to it
    talks/metadata.csv (or .tsv, .jsonl, .parquet; or transcripts, or manifest)
        the same table inside a folder
    talks/metadata.csv, .txt
        LJSpeech: lines "LJ001-0001|text|text" of wavs/LJ001-0001.wav
    talks/manifest.jsonl, .json
        NeMo: "audio_filepath", "text"
    talks/a.wav, talks/a.txt
        a transcript next to each recording
    talks/1/2/1-2.trans.txt, prompts.txt, …
        other texts in a folder; see `transcript_files`

or a table in memory, a dataset, or (recording, text) pairs, the recording as the models take it.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from warmstart.core import records
from warmstart.core.inputs import natural
from warmstart.core.reading import scheme
from warmstart.core.records.columns import RECORDING, TRANSCRIPT
from warmstart.core.records.encodings import file_lines
from warmstart.core.records.file_columns import file_column
from warmstart.core.records.record import Record
from warmstart.errors import RecordError, UsageError
from warmstart.speech import piped
from warmstart.speech.audio import SUFFIXES
from warmstart.speech.segments import Segments
from warmstart.speech.transcript_files import TranscriptFiles, without_samples

TABLES = tuple(
    f"{name}{suffix}"
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet")
    for name in ("metadata", "transcripts", "manifest")
)


class Example(NamedTuple):
    """A recording and its text.

    Attributes:
        recording: as the models take it.
        text: the transcript.
        split: "train", "validation" or "test", as a column of splits says; None without one.
        group: examples of the same group stay in one split.
    """

    recording: Any
    text: str
    split: str | None = None
    group: str | None = None


def examples(data: Any, **keywords: Any) -> list[Example]:
    """Recordings with their texts.

    Args:
        data: one of the forms above.
        **keywords: see `core.records.Reading`.

    Raises:
        UsageError: it is none of these forms, a record is unusable, or there are no records.
    """
    reading = records.Reading(**keywords)
    if isinstance(data, str | os.PathLike):
        path = Path(os.fsdecode(data)).expanduser()
        if path.is_dir():
            inside = next((path / name for name in TABLES if (path / name).is_file()), None)
            if inside is None:
                return _of_folder(path, reading.problems)
            path = inside
        named = [name for name in (reading.path_column, reading.text_column) if name]
        if piped.is_piped(path, reading.encoding, named):
            if not piped.has_header(next(file_lines(path, reading.encoding), ""), named):
                pairs = piped.read_piped(path, reading.problems, reading.encoding)
                return [Example(*pair) for pair in pairs]
            reading = replace(reading, delimiter=reading.delimiter or "|")
        data = path
    table = records.read_table(data, (RECORDING, TRANSCRIPT), reading=reading, example_rank=1)
    recording, text = file_column(table, RECORDING), table.column(TRANSCRIPT)
    table.find_split()
    table.describe({"recording": recording, "text": text})
    segments = Segments(table.columns)

    def example(record: Record) -> Example:
        sound = _in_folder(table.file(record, recording, "recording"), table.folder)
        segments.check(record, sound)
        return Example(sound, table.text(record, text), *table.membership(record))

    return list(table.map(example))


def _in_folder(recording: Any, folder: Path | None) -> Any:
    """The path of a recording, which may be in a folder next to the table (Common Voice, LJSpeech)."""
    if folder is None or not isinstance(recording, str) or scheme(recording) is not None:
        return recording
    return str(piped.located(Path(recording), folder) or recording)


def _of_folder(folder: Path, problems: list[str] | None) -> list[Example]:
    recordings = sorted(
        (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES),
        key=lambda path: natural(str(path)),
    )
    files = TranscriptFiles(folder, recordings)
    texts = without_samples([files.text_of(recording) for recording in recordings])
    examples: list[Example] = []
    without: list[RecordError] = []
    shared = Counter(map(files.file_of, recordings))
    for recording, text in zip(recordings, texts, strict=True):
        own = files.file_of(recording)
        if text:
            group = str(own) if own is not None and shared[own] > 1 else None
            examples.append(Example(str(recording), text, group=group))
        else:
            name, reason = (
                (own.name, "is empty") if own else (f"{recording.stem}.txt", "is not there")
            )
            message = f"{recording}: has no text ({name} {reason})"
            without.append(RecordError(message, str(recording)))
    if not examples:
        raise UsageError(_refusal(folder))
    for error in without:
        records.report(error, problems)
    return examples


def _refusal(folder: Path) -> str:
    tables = sorted(
        path.name for path in folder.iterdir() if path.suffix.lower() in records.SUFFIXES
    )
    if tables:
        return f"{folder} is a folder; pass the path of the table to read: {records.abbreviated(tables)}."
    return (
        f"{folder} contains no recordings with texts. Texts may be in a table "
        f"({', '.join(TABLES)}), in a .txt file for each recording, or in one with the name "
        "and text of each recording on a line, as in LibriSpeech and VIVOS."
    )
