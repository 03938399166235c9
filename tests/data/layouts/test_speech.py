"""Recordings and texts as the public data sets are laid out, and the pairs that are read.

A row is the text files, the recordings (0.1 s each), what is opened, and the pairs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from warmstart.errors import UsageError
from warmstart.speech.data import examples

RATE = 16_000
NEMO = [
    {"audio_filepath": f"{n}.wav", "duration": 0.1, "text": text}
    for n, text in enumerate(("yes", "no"))
]
COMMON_VOICE = (
    "client_id\tpath\tsentence_id\tsentence\tsentence_domain\tup_votes\tage\tlocale\tsegment\n"
    'x\ta{0}\t1f\t"Yes", he said.\t\t2\t\ten\t\ny\tb{0}\t2f\tNo.\t\t0\t\ten\t\n'
)

LAYOUTS: dict[str, tuple[dict[str, str], tuple[str, ...], str, dict[str, str]]] = {
    "Common Voice": (
        {"train.tsv": COMMON_VOICE.format(".mp3")},
        ("clips/a.mp3", "clips/b.mp3"),
        "train.tsv",
        {"clips/a.mp3": '"Yes", he said.', "clips/b.mp3": "No."},
    ),
    "Common Voice, first versions": (
        {"train.tsv": COMMON_VOICE.format("")},
        ("clips/a.mp3", "clips/b.mp3"),
        "train.tsv",
        {"clips/a.mp3": '"Yes", he said.', "clips/b.mp3": "No."},
    ),
    "LJSpeech": (
        {"metadata.csv": "LJ001-0001|In 1455|In fourteen fifty-five\nLJ001-0002|Yes; no|Yes; no\n"},
        ("wavs/LJ001-0001.wav", "wavs/LJ001-0002.wav"),
        "",
        {"wavs/LJ001-0001.wav": "In fourteen fifty-five", "wavs/LJ001-0002.wav": "Yes; no"},
    ),
    "LibriSpeech": (
        {
            "train-clean-100/19/198/19-198.trans.txt": "19-198-0000 FOUR FIVE\n19-198-0001 SIX\n",
            "README.TXT": "All of it",
        },
        ("train-clean-100/19/198/19-198-0000.flac", "train-clean-100/19/198/19-198-0001.flac"),
        "train-clean-100",
        {
            "train-clean-100/19/198/19-198-0000.flac": "FOUR FIVE",
            "train-clean-100/19/198/19-198-0001.flac": "SIX",
        },
    ),
    "LibriTTS": (
        {"1/2/1_2_3.normalized.txt": "Number four.", "1/2/1_2_3.original.txt": "No. 4."},
        ("1/2/1_2_3.wav",),
        "",
        {"1/2/1_2_3.wav": "Number four."},
    ),
    "VCTK": (
        {
            "txt/p225/p225_001.txt": "Please call Stella.\n",
            "speaker-info.txt": "p225 23 F English\n",
        },
        ("wav48/p225/p225_001.wav",),
        "",
        {"wav48/p225/p225_001.wav": "Please call Stella."},
    ),
    "VCTK, two microphones": (
        {"txt/p225/p225_001.txt": "Please call Stella.\n"},
        ("wav48/p225/p225_001_mic1.flac", "wav48/p225/p225_001_mic2.flac"),
        "",
        {
            "wav48/p225/p225_001_mic1.flac": "Please call Stella.",
            "wav48/p225/p225_001_mic2.flac": "Please call Stella.",
        },
    ),
    "VIVOS": (
        {"train/prompts.txt": "A_R001 KHÁCH SẠN\nA_R002 CHỈ BẰNG\n", "train/genders.txt": "A m\n"},
        ("train/waves/A/A_R001.wav", "train/waves/A/A_R002.wav"),
        "train",
        {"train/waves/A/A_R001.wav": "KHÁCH SẠN", "train/waves/A/A_R002.wav": "CHỈ BẰNG"},
    ),
    "AISHELL": (
        {"transcript/aishell_transcript_v0.8.txt": "BAC009W0121 而 对 楼市\nBAC009W0999 也\n"},
        ("wav/train/BAC009W0121.wav",),
        "",
        {"wav/train/BAC009W0121.wav": "而 对 楼市"},
    ),
    "Kaldi": (
        {
            "text": "u1 hello\nu2 world\n",
            "wav.scp": "u1 wav/u1.wav\n",
            "utt2dur.txt": "u1 0.1\nu2 0.1\n",
        },
        ("wav/u1.wav", "wav/u2.wav"),
        "",
        {"wav/u1.wav": "hello", "wav/u2.wav": "world"},
    ),
    "TIMIT": (
        {
            "TRAIN/SA1.TXT": "0 1600 She had your dark suit.\n",
            "TRAIN/SA2.TXT": "0 1580 Don't ask me.\n",
        },
        ("TRAIN/SA1.WAV", "TRAIN/SA2.WAV"),
        "",
        {"TRAIN/SA1.WAV": "She had your dark suit.", "TRAIN/SA2.WAV": "Don't ask me."},
    ),
    "AudioFolder": (
        {
            "metadata.csv": 'file_name,transcription\ntrain/a.wav,Hello there\ntrain/b.wav,"yes, no"\n'
        },
        ("train/a.wav", "train/b.wav"),
        "",
        {"train/a.wav": "Hello there", "train/b.wav": "yes, no"},
    ),
    "NeMo": (
        {"manifest.json": "\n".join(map(json.dumps, NEMO))},
        ("0.wav", "1.wav"),
        "manifest.json",
        {"0.wav": "yes", "1.wav": "no"},
    ),
}


def laid_out(tmp_path: Path, texts: dict[str, str], recordings: tuple[str, ...]) -> Path:
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    sound = np.random.default_rng(0).normal(0, 0.1, RATE // 10)
    for name in recordings:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound, RATE, format="NIST" if name.endswith(".WAV") else None)
    return tmp_path


@pytest.mark.parametrize("name", LAYOUTS)
def test_public_layouts(tmp_path, name):
    texts, recordings, opened, expected = LAYOUTS[name]
    problems: list[str] = []
    found = examples(laid_out(tmp_path, texts, recordings) / opened, problems=problems)
    assert {str(Path(one.recording).relative_to(tmp_path)): one.text for one in found} == expected
    assert problems == []
    assert len({one.group for one in found}) == 1  # those of two microphones stay together


REFUSED: dict[str, tuple[dict[str, str], tuple[str, ...], str, str]] = {
    "Common Voice's folder": (
        {"train.tsv": "path\tsentence\n", "dev.tsv": "path\tsentence\n"},
        (),
        "",
        "the table to read: 'dev.tsv', 'train.tsv'",
    ),
    "speech_commands": (
        {"validation_list.txt": "yes/a_nohash_0.wav\n"},
        ("yes/a_nohash_0.wav", "no/b_nohash_0.wav"),
        "",
        "contains no recordings with texts",
    ),
    "two lists": (
        {"prompts.txt": "A_R001 yes\n", "old/prompts.txt": "A_R001 no\n"},
        ("waves/A_R001.wav",),
        "",
        "The text of A_R001 may be in .* or in .*; remove one of the two files",
    ),
    "FLEURS": (
        {
            "train.tsv": "".join(
                f"{n}\t{n}00.wav\tHello {n}, all of you there.\thello all of\t1600\tFEMALE\n"
                for n in range(8)
            )
        },
        (),
        "train.tsv",
        "for each of the 6 columns, such as column1,audio,text,column4,column5,column6",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_with_the_way_out(tmp_path, name):
    texts, recordings, opened, words = REFUSED[name]
    with pytest.raises(UsageError, match=words):
        examples(laid_out(tmp_path, texts, recordings) / opened)


@pytest.mark.parametrize(
    ("header", "cells", "words"),
    [
        ("start,end", "0,2.5", r"a\.csv:2: end is 2\.5, but its file has 10\.0 s: the table may contain segments"),
        ("start_ms,end_ms", "0,2500", "end_ms is 2500, but its file has 10.0 s"),
        ("startTime,endTime", "0:00,0:02.5", "endTime is 0:02.5, but its file has"),
        ("duration", "2.5", "duration is 2.5, but its file has"),
        ("start", "00:00:02.5", "begins at start 00:00:02.5 of its file"),
        ("offset", '"2,5"', "begins at offset 2,5 of its file"),
        ("from", "2.5", "begins at from 2.5 of its file"),
        ("t0", "2.5", "begins at t0 2.5 of its file"),
        ("start_sample", "100", "begins at start_sample 100 of its file"),
        ("start,end", "0,10", ""),
        ("duration", "9.6", ""),  # rounded, or without the silence at the end
        ("duration_ms", "10000", ""),
        ("n_frames", "1600", ""),
        ("end", "2500", ""),  # in an unknown unit
        ("startup,endless", "5,1", ""),
    ],
)  # fmt: skip
def test_segments_are_refused_and_lengths_of_whole_files_are_not(tmp_path, header, cells, words):
    soundfile.write(tmp_path / "a.wav", np.zeros(10 * RATE, np.float32), RATE)
    table = tmp_path / "a.csv"
    table.write_text(f"audio,{header},text\na.wav,{cells},yes\n")
    if words:
        with pytest.raises(UsageError, match=words):
            examples(table, problems=[])
    else:
        assert [one.text for one in examples(table)] == ["yes"]


def test_lengths_of_samples_in_memory_are_compared_too():
    row: dict[str, Any] = {
        "audio": {"array": np.zeros(10 * RATE), "sampling_rate": RATE},
        "duration": 2.5,
        "text": "yes",
    }
    with pytest.raises(UsageError, match=r"row 1: duration is 2\.5, but its file has 10\.0 s"):
        examples([row])
    assert len(examples([row | {"duration": 10.0}])) == 1
