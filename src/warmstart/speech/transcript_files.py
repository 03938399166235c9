"""Texts of the recordings in a folder: a file for each recording, or files with a line for each.

a.wav, a.txt                                    next to each other
wav48/p225/p225_001.wav, txt/p225/p225_001.txt  in trees of their own (VCTK)
a_1.wav, a_1.normalized.txt                     LibriTTS
SA1.WAV, SA1.TXT: "0 46797 She had …"           TIMIT, with the samples that the text is of
1-2-0003.flac, 1-2.trans.txt: "1-2-0003 WHAT …" LibriSpeech
waves/A/A_R001.wav, prompts.txt: "A_R001 …"     VIVOS, AISHELL, Kaldi's `text`
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from warmstart.core.records.encodings import file_lines
from warmstart.errors import RecordError, UsageError

SUFFIX = ".txt"
PREFERRED, IGNORED = ".normalized", ".original"
"""Of two texts for one recording, as in LibriTTS, the one that is used and the one that is not."""
KALDI = "text"
_MICROPHONE = re.compile(r"_mic\d+$")
_SAMPLES = re.compile(r"(\d+) (\d+) (?=\S)")


class TranscriptFiles:
    """The texts of a folder.

    Args:
        folder: searched to its end.
        recordings: those of the folder.

    Raises:
        UsageError: a file cannot be read.
    """

    def __init__(self, folder: Path, recordings: Sequence[Path]):
        files = [path for path in sorted(folder.rglob("*")) if _is_text(path) and path.is_file()]
        stems = Counter(path.stem for path in recordings)
        self._adjacent = {(path.parent, _stem(path)): path for path in files}
        self._by_stem: dict[str, list[Path]] = {}
        for path in files:
            self._by_stem.setdefault(_stem(path), []).append(path)
        self._lines: dict[Path | str, tuple[str, Path]] = {}
        known = {*recordings}
        paths = {path.with_suffix("") for path in known}
        for path in files:
            if _stem(path) not in stems:
                self._read_list(path, paths, stems)

    def file_of(self, recording: Path) -> Path | None:
        """The file that has only the text of a recording; None if there is none."""
        adjacent = self._adjacent.get((recording.parent, recording.stem))
        if adjacent is not None:
            return adjacent
        for stem in dict.fromkeys((recording.stem, _MICROPHONE.sub("", recording.stem))):
            if len(others := self._by_stem.get(stem, [])) == 1:
                return others[0]
        return None

    def text_of(self, recording: Path) -> str:
        """The text of a recording; "" if it has none."""
        for key in (recording.with_suffix(""), recording.stem):
            if key in self._lines:
                return self._lines[key][0]
        path = self.file_of(recording)
        return "" if path is None else " ".join("".join(file_lines(path)).split())

    def _read_list(self, path: Path, paths: set[Path], stems: Counter[str]) -> None:
        """The lines of a file that name a recording of its folder, or the only one of a name."""
        read: dict[Path | str, str] = {}
        try:
            rows = [*file_lines(path)]
        except RecordError:  # another file, in another encoding
            return
        for line in rows:
            name, _, text = line.strip().replace("\t", " ").partition(" ")
            if not text.strip():
                continue
            if path.parent / name in paths:
                read[path.parent / name] = text.strip()
            elif stems[name] == 1:
                read[name] = text.strip()
        if all(map(_is_number, read.values())):
            return
        for key, text in read.items():
            if key in self._lines:
                other = self._lines[key][1]
                raise UsageError(
                    f"The text of {Path(key).name} may be in {other} or in {path}; remove "
                    "one of the two files."
                )
            self._lines[key] = text, path


def without_samples(texts: Sequence[str]) -> list[str]:
    """Texts without the leading range of samples, if all have one."""
    matches = [_SAMPLES.match(text) for text in texts]
    ranges = [(int(match[1]), int(match[2])) for match in matches if match is not None]
    if len(ranges) < len(texts) or any(start >= end for start, end in ranges):
        return [*texts]
    return [_SAMPLES.sub("", text, count=1) for text in texts]


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX or path.name == KALDI


def _stem(path: Path) -> str:
    """The name of the recording that a text is of; "" if another text is preferred."""
    stem = path.stem.removesuffix(PREFERRED)
    return "" if stem.endswith(IGNORED) else stem


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+.\d]+", text) is not None
