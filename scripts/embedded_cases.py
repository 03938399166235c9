"""The data on which the int8 programs of the embedded models are calibrated, measured and compared.

Calibration inputs are never evaluated on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import warmstart as ws
from warmstart.core.calibration_inputs import MOST, collect

ANTS_AND_BEES = {"ants": "n02219486", "bees": "n02206856"}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEST_RECORDINGS = 5
"""The first recordings of each digit and speaker are the test split."""
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


@dataclass(frozen=True)
class Case:
    """An embedded model and its data.

    Attributes:
        evaluate: a model and the folder of real data -> metrics by name, higher is better.
        agreement: the model in float32, in int8, and the folder of real data -> agreement on the
            inputs of the evaluation, 0 to 1; None: it is not measured.
        calibration: the folder of real data -> inputs; None: int8 of the task is not calibrated.
        call: a model -> one call, to be timed; None: its program on one input.
    """

    evaluate: Callable[[Any, Path], Mapping[str, float]]
    agreement: Callable[[Any, Any, Path], float] | None
    calibration: Callable[[Path], Sequence[Any]] | None = None
    call: Callable[[Any], Any] | None = None


def on(inputs: Callable[[Path], Sequence[Any]]) -> Callable[[Any, Any, Path], float]:
    """The agreement on these inputs, as `precision="auto"` measures it."""

    def agreement(exact: Any, small: Any, data: Path) -> float:
        items = inputs(data)
        parts = [items[start : start + MOST] for start in range(0, len(items), MOST)]
        values = []
        for part in parts:
            collected = collect(exact, part, least=1)
            expected: Any = collected.decisions(exact.engine)
            values.append(collected.agreement(small.engine, expected))
        return float(np.average(values, weights=list(map(len, parts))))

    return agreement


def cells(data: Path, part: str) -> list[Path]:
    folder = data / "images" / "bccd"
    names = (folder / "ImageSets" / "Main" / f"{part}.txt").read_text().split()
    return [folder / "JPEGImages" / f"{name}.jpg" for name in names]


def cell_metrics(model: Any, data: Path) -> Mapping[str, float]:
    figures = model.evaluate(data / "images" / "bccd" / "ImageSets" / "Main" / "test.txt")
    return {name: figures[name] for name in ("ap50", "ap")}


def leaves(data: Path) -> list[Path]:
    return sorted((data / "images" / "coffee-leaves" / "train" / "images").iterdir())


def test_leaves(data: Path) -> list[Path]:
    return sorted((data / "images" / "coffee-leaves" / "test" / "images").iterdir())


def leaf_metrics(model: Any, data: Path) -> Mapping[str, float]:
    return {"miou": model.evaluate(data / "images" / "coffee-leaves" / "test")["miou"]}


def insects(data: Path) -> list[Path]:
    return sorted((data / "images" / "hymenoptera" / "train").rglob("*.jpg"))


def photos(data: Path) -> list[tuple[Path, str]]:
    """Photos of ImageNet, of ants and of bees, and the ids of their classes."""
    paths = sorted((data / "images" / "imagenet-sample").glob("*.JPEG"))
    labelled = [(path, path.name.split("_")[0]) for path in paths]
    for folder, wnid in ANTS_AND_BEES.items():
        insects = data / "images" / "hymenoptera" / "val" / folder
        labelled += [(path, wnid) for path in sorted(insects.glob("*.jpg"))]
    return labelled


def photo_metrics(model: Any, data: Path) -> Mapping[str, float]:
    return {"top1": model.evaluate(photos(data))["top1"]}


def sentences(data: Path, part: str) -> list[tuple[str, str]]:
    """Sentences of SST-2 and their labels."""
    lines = (data / "text" / "sst2" / f"{part}.tsv").read_text("utf-8").splitlines()
    return [(text, label) for text, _, label in (line.rpartition("\t") for line in lines)]


def sentence_metrics(model: Any, data: Path) -> Mapping[str, float]:
    return {"accuracy": model.evaluate(sentences(data, "dev"))["accuracy"]}


def play(data: Path) -> str:
    return (data / "text" / "tinyshakespeare.txt").read_text("utf-8")[-111_539:]


def passages(data: Path) -> list[str]:
    """The play in parts that are shorter than the context of the model."""
    text = play(data)
    return [text[start : start + 400] for start in range(0, len(text), 400)]


def play_metrics(model: Any, data: Path) -> Mapping[str, float]:
    return {"nats per character": -model.score(play(data)).nats_per_character}


def recordings(data: Path) -> list[tuple[Path, str]]:
    """The test split of the spoken digits, and their texts."""
    return [
        (data / "speech" / "fsdd" / f"{digit}_{speaker}_{index}.wav", word)
        for digit, word in enumerate(DIGITS)
        for speaker in SPEAKERS
        for index in range(TEST_RECORDINGS)
    ]


def digit_metrics(model: Any, data: Path) -> Mapping[str, float]:
    return {"word accuracy": 1 - model.evaluate(recordings(data))["wer"]}


def spoken_metrics(model: Any, _: Path) -> Mapping[str, float]:
    recognizer = ws.load("digits_wavenet_asr", engine="litert")
    words = [(speaker, word) for speaker in SPEAKERS for word in DIGITS]
    sounds = [model(DIGITS.index(word), speaker=speaker, seed=0) for speaker, word in words]
    texts = [recognizer((sound.samples, model.sample_rate)).text for sound in sounds]
    return {"recognised": float(np.mean([a == b for a, (_, b) in zip(texts, words, strict=True)]))}


def series_metrics(model: Any, data: Path) -> Mapping[str, float]:
    import pandas as pd

    half_hours = pd.read_csv(data / "series" / "taylor.csv").iloc[:, 0].to_numpy(float)
    hours = pd.date_range("2000-06-05", periods=len(half_hours) // 2, freq="h")
    demand = pd.Series(half_hours.reshape(-1, 2).sum(1), hours)
    figures = model.evaluate(demand, horizon=48, windows=10)
    return {"1 - mean wQL": 1 - figures["mean_wQL"]}


def tone(model: Any) -> Any:
    return model((np.sin(np.arange(8000, dtype=np.float32) / 5) / 2, 8000))


CASES: Mapping[str, Case] = {
    "efficientnet_lite0": Case(
        photo_metrics, on(lambda data: [path for path, _ in photos(data)]), insects
    ),
    "bccd_fcos": Case(
        cell_metrics, on(lambda data: cells(data, "test")), lambda data: cells(data, "trainval")
    ),
    "leaf_deeplabv3": Case(leaf_metrics, on(test_leaves), leaves),
    "sst2_bert_tiny": Case(
        sentence_metrics,
        on(lambda data: [text for text, _ in sentences(data, "dev")]),
        lambda data: [text for text, _ in sentences(data, "train")[:300]],
    ),
    "shakespeare_gpt2": Case(
        play_metrics, on(passages), call=lambda model: model("ROMEO:", seed=0, max_new_tokens=64)
    ),
    "digits_wavenet_asr": Case(
        digit_metrics, on(lambda data: [path for path, _ in recordings(data)]), call=tone
    ),
    "digits_wavenet": Case(spoken_metrics, None, call=lambda model: model(1, seed=0)),
    "deepar": Case(
        series_metrics, None, call=lambda model: model(np.sin(np.arange(200.0)), seed=0)
    ),
}
