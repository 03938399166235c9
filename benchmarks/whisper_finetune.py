"""Whisper base fine-tuned on 100 spoken digits of one speaker, before and after.

    python benchmarks/whisper_finetune.py whisper-base ../shared/data/speech/fsdd --runs runs

`whisper-base` is a folder in the layout of `hf://openai/whisper-base`, the recordings those of the
Free Spoken Digit Dataset (`7_jackson_3.wav`). Ten recordings of each digit are trained on, of which
a fifth chooses the epoch; the word error rates, after Whisper's normalizer, are those of three other
recordings of each. A run that is cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from figures import Figure, text_table
from settings import log

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TRAINED, MEASURED = range(10), range(10, 13)
"""Numbers of the recordings of each digit."""
OPTIONS = {"language": "en", "freeze": "encoder", "augment": False, "epochs": 5}


def spoken(folder: Path, speaker: str, numbers: range) -> list[tuple[str, str]]:
    """(recording, word) of some recordings of each digit."""
    return [
        (str(folder / f"{digit}_{speaker}_{number}.wav"), word)
        for digit, word in enumerate(DIGITS)
        for number in numbers
    ]


def run(whisper: Path, recordings: Path, runs: Path, speaker: str) -> list[Figure]:
    import warmstart as ws

    others = spoken(recordings, speaker, MEASURED)
    before = ws.load(whisper).evaluate(others, language="en")["wer_normalized"]
    log(f"before: {before:.3f}")
    output = runs / f"whisper-{speaker}"
    train = spoken(recordings, speaker, TRAINED)
    ws.finetune(whisper, train, task="speech-recognition", output=output, verbose=False, **OPTIONS)
    after = ws.load(output).evaluate(others)["wer_normalized"]
    what = f"Whisper base, {len(others)} digits of one speaker ({speaker}): word error rate"
    note = f"fine-tuned on {len(train)} others; {', '.join(f'{k}={v}' for k, v in OPTIONS.items())}"
    return [
        Figure(1, f"{what} before", before, "share"),
        Figure(1, f"{what} after", after, "share", bar=before, note=note),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("whisper", type=Path, help="the folder of Whisper base")
    parser.add_argument("recordings", type=Path, help="of the Free Spoken Digit Dataset")
    parser.add_argument("--runs", type=Path, required=True, help="where the model is written")
    parser.add_argument("--speaker", default="theo")
    options = parser.parse_args()
    print(text_table(run(options.whisper, options.recordings, options.runs, options.speaker)))


if __name__ == "__main__":
    main()
