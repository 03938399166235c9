"""WaveNet in both of its roles: error rates on spoken digits, and the speed of hearing and of
speaking.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/speech.py fsdd

`fsdd` is the folder `recordings` of the Free Spoken Digit Dataset. The generator of 50 layers has
random weights; it and a plain cached loop in TensorFlow with one call per sample say the same
samples, and are measured in turns. `--left-out` names the work folders of
`scripts/train_embedded_digits_asr.py --leave-out`. `--whisper` is the folder of Whisper base, in
the layout of `hf://openai/whisper-base`, and `--read` labelled recordings, in a form that
`warmstart evaluate` takes: its error rate on them. The speed of Whisper: `whisper.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import results
import speech_whisper
import warmstart as ws
from figures import Figure
from measure import ratio, turns
from results import Session
from settings import ROOT, log
from speech_peers import AT_ONCE, RATE
from workers import Worker

sys.path.append(str(ROOT / "scripts"))
from digits_asr_export import STEPS, left_out_runs
from digits_audio import TEST, WORDS, joined, read_clips, sequences_of, split

SCRIPT = Path(__file__).with_name("speech_peers.py")
DIGITS = 8000
LONG = """
import json, sys, time
sys.path.append(sys.argv[2])
import warmstart as ws
from memory import peak_mb
model, start = ws.load("digits_wavenet_asr", engine="litert"), time.perf_counter()
words = len(model(sys.argv[1], vocabulary=False).text.split())
print(json.dumps({"words": words, "seconds": time.perf_counter() - start, "megabytes": peak_mb()}))
"""


def error_rates(recordings: Path, left_out: Sequence[Path]) -> list[Figure]:
    model = ws.load("digits_wavenet_asr", engine="litert")
    _, test = split(read_clips(recordings))
    single = [((clip.samples, DIGITS), WORDS[clip.digit]) for clip in test]
    five = [((samples, DIGITS), text) for samples, text in sequences_of(test)]
    figures = []
    for what, pairs, bar in (
        (f"{len(single)} test recordings of one digit", single, 0.02),
        (f"{len(five)} sequences of 5 test recordings", five, 0.04),
    ):
        log(what)
        wer, free = (model.evaluate(pairs, **more)["wer"] for more in ({}, {"vocabulary": False}))
        figures.append(
            Figure(
                1,
                f"word error rate, {what}",
                wer,
                "share",
                bar=bar,
                note=f"decoded with the ten words, as by default; the best path alone: {free:.2%}",
            )
        )
    runs = left_out_runs(left_out)
    worst = max(runs, key=lambda one: one["wer"], default=None)
    note = (
        "no such run was given"
        if worst is None
        else "; ".join(f"{r['speaker']} {r['wer']:.1%}" for r in runs)
        + (
            "; trained "
            + " or ".join(f"{STEPS * epochs:,}" for epochs in sorted({r["epochs"] for r in runs}))
            + " steps"
        )
    )
    figures.append(
        Figure(
            1,
            f"word error rate, one speaker left out of training, the worst of {len(runs)} of six",
            worst and worst["wer"],
            "share",
            bar=0.25,
            note=note,
        )
    )
    return figures


def generated(name: str, there: bool) -> Figure:
    """How many generated digits are recognised."""
    from digits_wavenet_export import COUNT, recognised, share

    what = f"{COUNT} generated digits, recognised as the digit that was asked for"
    if not there:
        return Figure(
            2,
            what,
            None,
            "share",
            bar=0.85,
            at_least=True,
            note="the generator of digits is not trained",
        )
    log(what)
    found = recognised(
        ws.load(name, engine="litert"), ws.load("digits_wavenet_asr", engine="litert"), COUNT, 0
    )
    return Figure(2, what, share(found), "share", bar=0.85, at_least=True)


def a_minute(recordings: Path) -> np.ndarray:
    """Sixty seconds of spoken digits, float32 at 8 kHz."""
    _, test = split(read_clips(recordings))
    random = np.random.default_rng(0)
    minute = np.concatenate(
        [joined(random, [test[i] for i in random.permutation(len(test))[:5]]) for _ in range(30)]
    )
    return minute[: 60 * DIGITS]


def long_recording(options: argparse.Namespace, scratch: Path) -> list[Figure]:
    """A file of many hours through the recogniser in a process of its own: its memory, and what it
    hears.
    """
    minute, measured = a_minute(options.recordings), {}
    for hours in (options.hours / 10, options.hours):
        log(f"a recording of {hours:g} hours")
        path = scratch / "long.flac"
        with soundfile.SoundFile(path, "w", DIGITS, 1, "PCM_16") as file:
            for _ in range(round(60 * hours)):
                file.write(minute)
        found = subprocess.run(
            [sys.executable, "-c", LONG, path, SCRIPT.parent], stdout=subprocess.PIPE, check=True
        )
        measured[hours] = json.loads(found.stdout)
        measured[hours]["file"] = path.stat().st_size / 2**20
    short, long = measured.values()
    return [
        Figure(
            6,
            f"peak memory of the process that hears {options.hours:g} hours, against a tenth of them",
            long["megabytes"] / short["megabytes"],
            bar=1.5,
            note=f"{long['megabytes']:.0f} MB and {short['megabytes']:.0f} MB; a FLAC of {long['file']:.0f} MB, "
            f"{long['words']:,} words with their times, {long['seconds']:.0f} s by the best path",
        ),
        Figure(
            6,
            "words heard in them against ten times those in a tenth",
            long["words"] / short["words"] / 10,
        ),
    ]


def a_new_voice(options: argparse.Namespace, scratch: Path) -> list[Figure]:
    """The recogniser that never heard a speaker, the one it understands worst, fine-tuned on some
    of that voice.
    """
    worst, folder = max(
        zip(left_out_runs(options.left_out), options.left_out, strict=True),
        key=lambda one: one[0]["wer"],
    )
    speaker = worst["speaker"]
    log(f"fine-tuning on the voice of {speaker}")
    theirs = [
        ((clip.samples, DIGITS), WORDS[clip.digit], clip.index)
        for clip in read_clips(options.recordings)
        if clip.speaker == speaker
    ]
    mine = range(TEST.stop, TEST.stop + options.examples)
    learned, others = (
        [(sound, word) for sound, word, index in theirs if (index in mine) is part]
        for part in (True, False)
    )
    base = ws.load(folder / "bundle")
    start = time.perf_counter()
    tuned = ws.finetune(
        base, learned, validation=None, epochs=20, output=scratch / "voice", verbose=False
    )
    seconds = time.perf_counter() - start
    before, after = (model.evaluate(others)["wer"] for model in (base, tuned))
    what = f"word error rate on {len(others)} recordings of {speaker}, after learning {len(learned)} others"
    return [
        Figure(
            7,
            what,
            after,
            "share",
            note=f"{before:.1%} before; 20 epochs, no other setting, {seconds:.0f} s with compiling",
        )
    ]


def speeds(options: argparse.Namespace, scratch: Path, speaks: bool) -> list[Figure]:
    environment = {
        **os.environ,
        "WARMSTART_HOME": str(scratch / "home"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    np.save(scratch / "minute.npy", a_minute(options.recordings))
    job: dict[str, Any] = {
        "folder": str(scratch / "wavenet"),
        "minute": str(scratch / "minute.npy"),
        "compared": options.compared,
        "digits": options.digits,
    }
    log("the plain loop gets ready")
    with (
        Worker(SCRIPT, environment, kind="tensorflow", **job) as theirs,
        Worker(SCRIPT, environment, kind="generator", **job) as ours,
    ):
        log("in turns")
        values = turns(
            {"ours": ours.timer("samples"), "theirs": theirs.timer("samples")}, options.rounds, 1.0
        )
        info, chunk = {**theirs.info, **ours.info}, ours.info["chunk"]
    each = {
        "ours": [ms / chunk for ms in values["ours"]],
        "theirs": [ms / AT_ONCE for ms in values["theirs"]],
    }
    middle = {name: statistics.median(times) for name, times in each.items()}
    same = [np.mean(np.equal(info[key], info["uncached"])) for key in ("said", "cached")]
    figures = [
        Figure(
            3,
            f"the first {options.compared} samples, cached in one compiled loop, equal those without a cache",
            float(same[0]),
            "share",
            bar=1.0,
            at_least=True,
            note=f"50 layers, the same random numbers; the plain cached loop: {same[1]:.1%}",
        ),
        Figure(
            4,
            "speed of generation, 5 x (1 … 512), against one tf.function call per sample",
            ratio(each["theirs"], each["ours"]),
            bar=20.0,
            at_least=True,
            note=f"{middle['ours']:.3f} ms and {middle['theirs']:.3f} ms a sample, medians of {options.rounds} "
            f"rounds, TensorFlow {info['tensorflow']}",
        ),
        Figure(4, f"its real-time factor at {RATE // 1000} kHz", middle["ours"] * RATE / 1e3),
    ]
    factor = None
    if speaks:
        with Worker(SCRIPT, environment, kind="digits", **job) as worker:
            factor = statistics.median(worker.time("digit", options.rounds)) / 500
    figures.append(
        Figure(
            4,
            "real-time factor of digits_wavenet at 8 kHz",
            factor,
            bar=1.0,
            note="" if speaks else "the generator of digits is not trained",
        )
    )
    with Worker(SCRIPT, environment, kind="recogniser", **job) as worker:
        values = turns(
            {name: worker.timer(name) for name in ("minute", "best path")}, options.rounds, 1.0
        )
        heard = worker.info
    factors = {
        name: statistics.median(times) / 1e3 / heard["seconds"] for name, times in values.items()
    }
    figures.append(
        Figure(
            5,
            "recognition of one minute of digits, real-time factor",
            factors["minute"],
            bar=0.05,
            note=f"{heard['words']} words, engine {heard['engine']}; the best path alone: "
            f"{factors['best path']:.4f}",
        )
    )
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recordings", type=Path, help="folder of the 3,000 recordings")
    parser.add_argument(
        "--left-out", type=Path, nargs="*", default=[], help="work folders of runs with --leave-out"
    )
    parser.add_argument("--digits", default="digits_wavenet", help="the generator of digits")
    parser.add_argument("--whisper", type=Path, help="the folder of Whisper base")
    parser.add_argument("--read", type=Path, help="labelled recordings for Whisper")
    parser.add_argument("--sequences", type=int, help="of digits, for Whisper; default: all")
    parser.add_argument("--compared", type=int, default=300, help="samples that are compared")
    parser.add_argument(
        "--examples", type=int, default=10, help="recordings of each digit, of a new voice"
    )
    parser.add_argument(
        "--hours", type=float, default=10.0, help="of the long recording; 0 leaves it out"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--speed-only", action="store_true", help="leave the error rates out")
    results.add_option(parser)
    options = parser.parse_args(argv)
    if (options.whisper is None) != (options.read is None):
        parser.error("--whisper needs --read, and --read needs --whisper")
    speaks = (Path(ws.__file__).parent / "embedded" / options.digits).is_dir() or Path(
        options.digits
    ).is_dir()

    def measure(session: Session) -> Iterator[Figure]:
        yield from speeds(options, session.scratch, speaks)
        if options.hours:
            yield from long_recording(options, session.scratch)
        if options.left_out:
            yield from a_new_voice(options, session.scratch)
        if not options.speed_only:
            yield from error_rates(options.recordings, options.left_out)
            yield generated(options.digits, speaks)
            if options.whisper:
                yield from speech_whisper.error_rates(
                    options.whisper, options.read, options.recordings, options.sequences
                )

    results.run("speech", options, measure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
