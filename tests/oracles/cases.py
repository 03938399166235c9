"""The cases: one model for each task (of some two), with inputs and options that use all that the
task can do.

The models of `CASES` are inside the package, or are bundles of version 0.1 in `bundles/`. All of
them are compiled: the cases need no TensorFlow. `BUNDLES` names all bundles, and what each is
asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tests.photos import CIFAR

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DATA = HERE / "data"
BUNDLE_FOLDER = HERE / "bundles"

PHOTO, PHOTO_2, BROKEN_PHOTO = DATA / "cat.jpg", DATA / "rocket.png", DATA / "broken.jpg"
SPEECH, BROKEN_SPEECH = DATA / "three_seven.wav", DATA / "broken.wav"
HOURLY, BROKEN_HOURLY = DATA / "hourly.csv", DATA / "broken.csv"
CONTEXT = "bob lives in new york . the film is good ."


@dataclass(frozen=True)
class Case:
    """One model and what it is asked.

    Attributes:
        task: of the model.
        model: a name, or the folder of a bundle.
        single: inputs in all forms that the task takes, by the name of the form; values are made
            when called.
        several: a list of inputs, one of which is unusable.
        options: each is given together with the first single input, or with those of `input_for`.
        input_for: the name of an option -> the form of `single` that it needs.
        arguments: of `warmstart predict`.
        request: the JSON body of a prediction over HTTP.
        batch: inputs of `ws.batch`.
        labelled: data that `evaluate` takes; None: the task has none.
    """

    task: str
    model: str | Path
    single: Mapping[str, Callable[[], Any]]
    several: Callable[[], list[Any]]
    options: Sequence[Mapping[str, Any]]
    arguments: Sequence[str]
    request: Mapping[str, Any]
    batch: Callable[[], Any]
    input_for: Mapping[str, str] = field(default_factory=dict)
    labelled: Callable[[], Any] = lambda: None


def pixels() -> np.ndarray:
    """A photo as an array: uint8 (H, W, 3)."""
    from PIL import Image

    return np.asarray(Image.open(PHOTO_2).convert("RGB"))


def samples() -> np.ndarray:
    """A recording as an array: float32 (N,), 8 kHz."""
    import soundfile

    return np.asarray(soundfile.read(SPEECH, dtype="float32")[0])


def table() -> Any:
    """Two series as a long table."""
    import pandas as pd

    return pd.read_csv(HOURLY)


def renamed_table() -> Any:
    """The same under other names, with one hour twice."""
    import pandas as pd

    one = table().rename(columns={"timestamp": "when", "item_id": "shop", "target": "sold"})
    return pd.concat([one, one[-1:]])


def values() -> np.ndarray:
    """A series as an array: float64 (T,)."""
    return np.sin(np.arange(60) / 4)


def base64_of(path: Path) -> str:
    import base64

    return base64.b64encode(path.read_bytes()).decode()


PHOTOS: dict[str, Callable[[], Any]] = {
    "path": lambda: str(PHOTO),
    "path object": lambda: PHOTO_2,
    "bytes": PHOTO.read_bytes,
    "array": pixels,
    "float array": lambda: pixels().astype(np.float32) / 255,
}
RECORDINGS: dict[str, Callable[[], Any]] = {
    "path": lambda: str(SPEECH),
    "bytes": SPEECH.read_bytes,
    "array and rate": lambda: (samples(), 8000),
    "mapping": lambda: {"array": samples(), "sampling_rate": 8000},
    "array": samples,
}


def photos() -> list[Any]:
    return [str(PHOTO), str(BROKEN_PHOTO), PHOTO_2, PHOTO.read_bytes(), pixels()]


def recordings() -> list[Any]:
    return [str(SPEECH), str(BROKEN_SPEECH), (samples()[:4000], 8000)]


def image(
    task: str, model: str, *options: Mapping[str, Any], label: Any, flags: Sequence[str] = ()
) -> Case:
    return Case(
        task,
        model,
        PHOTOS,
        photos,
        [*options, {"value_range": "0..1"}],
        input_for={"value_range": "float array"},
        arguments=[str(PHOTO), str(BROKEN_PHOTO), str(PHOTO_2), *flags],
        request={
            "inputs": [base64_of(PHOTO), "bm90aGluZw=="],
            "options": {
                name: value
                for one in options
                for name, value in one.items()
                if name != "batch_size"
            },
        },
        batch=lambda: [str(PHOTO), str(BROKEN_PHOTO), str(PHOTO_2)],
        labelled=lambda: label,
    )


def text(
    task: str,
    model: str | Path,
    given: Sequence[str],
    *options: Mapping[str, Any],
    label: Any = None,
    flags: Sequence[str] = (),
    **single: Any,
) -> Case:
    """The first of the texts is asked alone, as text and as bytes."""
    forms: dict[str, Callable[[], Any]] = {"text": lambda: given[0], "bytes": given[0].encode}
    forms |= {name: partial(copy, value) for name, value in single.items()}
    return Case(
        task,
        model,
        forms,
        lambda: [given[0], b"\xff\xfe", *given[1:]],
        options,
        arguments=[*given, *flags],
        request={
            "inputs": list(given),
            "options": {
                name: value
                for name, value in (options[0] if options else {}).items()
                if name != "batch_size"
            },
        },
        batch=lambda: list(given),
        labelled=lambda: label,
    )


WRITING: tuple[Mapping[str, Any], ...] = (
    {"max_new_tokens": 6},
    {"max_new_tokens": 8, "temperature": 0.7, "seed": 3},
    {"max_new_tokens": 8, "top_k": 5, "seed": 2},
    {"max_new_tokens": 8, "top_p": 0.8, "seed": 1},
    {"max_new_tokens": 8, "min_p": 0.1, "seed": 1},
    {"max_new_tokens": 8, "repetition_penalty": 1.5},
    {"max_new_tokens": 12, "no_repeat_ngram_size": 2},
    {"max_new_tokens": 8, "num_beams": 3},
    {"max_new_tokens": 20, "stop": [",", "."]},
    {"max_new_tokens": 5, "overflow": "slide"},
    {"max_new_tokens": 5, "batch_size": 1},
)
QUESTION = {"question": "who lives ?", "context": CONTEXT}
REVIEWS = ["what a wonderful film", "a dull and lifeless mess", "it is a film about a dog"]
PEOPLE = ["bobby lives in new york", "ann lives in paris", "the film is good"]
MASKED = ["the [MASK] is good .", "ann [MASK] in [MASK] .", "bob <mask> here"]

CASES: dict[str, Case] = {
    "image-classification": image(
        "image-classification",
        CIFAR,
        {"top_k": 2},
        {"batch_size": 1},
        label=[(str(PHOTO), "cat"), (str(PHOTO_2), "airplane")],
        flags=["--top-k", "2"],
    ),
    "object-detection": image(
        "object-detection",
        "bccd_fcos",
        {"threshold": 0.05},
        {"max_boxes": 2},
        {"batch_size": 1},
        label=[(str(PHOTO), [("RBC", 3, 3, 40, 40)])],
        flags=["--threshold", "0.5"],
    ),
    "image-segmentation": image(
        "image-segmentation", "leaf_deeplabv3", {"batch_size": 1}, label=str(DATA / "segmentation")
    ),
    "text-generation": text(
        "text-generation",
        "shakespeare_gpt2",
        ["ROMEO:", "To be, or not", "My lord"],
        *WRITING,
        label=["To be, or not"],
        flags=["--max-new-tokens", "6", "--seed", "1", "--top-p", "0.9"],
    ),
    "text-classification": text(
        "text-classification",
        "sst2_bert_tiny",
        REVIEWS,
        {"top_k": 1},
        {"batch_size": 1},
        label=[(REVIEWS[0], "positive"), (REVIEWS[1], "positive")],
        flags=["--top-k", "1"],
        pair=("what a film", "it is good"),
    ),
    "text-embedding": text(
        "text-embedding",
        BUNDLE_FOLDER / "text-embedding",
        PEOPLE,
        {"batch_size": 1},
        label=[
            ((PEOPLE[0], PEOPLE[1]), 0.9),
            ((PEOPLE[0], PEOPLE[2]), 0.1),
            ((PEOPLE[1], PEOPLE[2]), 0.2),
        ],
    ),
    "token-classification": text(
        "token-classification",
        BUNDLE_FOLDER / "token-classification",
        PEOPLE,
        {"aggregation": "none"},
        {"aggregation": "simple"},
        {"aggregation": "first"},
        {"aggregation": "max"},
        {"batch_size": 1},
        label=[(("ann", "lives", "in", "paris"), ("B-PER", "O", "O", "B-LOC"))],
        flags=["--aggregation", "first"],
    ),
    "fill-mask": text(
        "fill-mask",
        BUNDLE_FOLDER / "fill-mask",
        MASKED,
        {"top_k": 2},
        {"batch_size": 1},
        label=[(MASKED[0], "lives"), (MASKED[0], "film")],
        flags=["--top-k", "2"],
    ),
    "question-answering": Case(
        "question-answering",
        BUNDLE_FOLDER / "question-answering",
        {
            "pair": lambda: ("who lives ?", CONTEXT),
            "mapping": lambda: dict(QUESTION),
            "long context": lambda: ("who lives ?", " ".join([CONTEXT] * 12)),
        },
        lambda: [("who lives ?", CONTEXT), ("", ""), dict(QUESTION)],
        [{"top_k": 3}, {"max_answer_tokens": 1}, {"no_answer": True}, {"batch_size": 1}],
        arguments=["who lives ?", "--context", CONTEXT],
        request={
            "inputs": [QUESTION, QUESTION],
            "options": {"top_k": 2, "max_answer_tokens": 3, "no_answer": True},
        },
        batch=lambda: [dict(QUESTION), ("who lives ?", CONTEXT)],
        labelled=lambda: str(DATA / "squad.json"),
    ),
    "speech-recognition": Case(
        "speech-recognition",
        "digits_wavenet_asr",
        RECORDINGS,
        recordings,
        [
            {"beam": 4},
            {"vocabulary": ["three", "seven", "one"]},
            {"vocabulary": False},
            {"language_model": str(DATA / "digits.arpa")},
            {"word_timestamps": True},
            {"sample_rate": 8000},
        ],
        input_for={"sample_rate": "array"},
        arguments=[str(SPEECH), str(BROKEN_SPEECH)],
        request={"inputs": [base64_of(SPEECH), "bm90aGluZw=="], "options": {}},
        batch=lambda: [str(SPEECH), str(BROKEN_SPEECH)],
        labelled=lambda: [(str(SPEECH), "three seven"), (str(SPEECH), "three one")],
    ),
    "speech-recognition-whisper": Case(
        "speech-recognition",
        BUNDLE_FOLDER / "speech-recognition-whisper",
        {"path": lambda: str(SPEECH)},
        recordings,
        [
            {"language": "en"},
            {"language": "de", "translate": True},
            {"timestamps": False},
            {"word_timestamps": True},
            {"initial_prompt": "one two"},
            {"condition_on_previous": False},
            {"temperature": 0.5, "seed": 2},
        ],
        arguments=[str(SPEECH), "--word-timestamps"],
        request={
            "inputs": base64_of(SPEECH),
            "options": {"word_timestamps": True, "language": "en", "temperature": 0},
        },
        batch=lambda: [str(SPEECH)],
    ),
    "audio-generation": Case(
        "audio-generation",
        "digits_wavenet",
        {"text": lambda: "seven", "number": lambda: 7, "several": lambda: "7 one"},
        lambda: ["seven", "apple", "one"],
        [
            {"speaker": "theo", "seconds": 0.1},
            {"seconds": 0.1, "temperature": 0.3},
            {"seconds": 0.1, "seed": 3},
            {"speaker": 1, "seconds": 0.1},
        ],
        arguments=["seven", "apple", "--seconds", "0.1", "--speaker", "theo", "--seed", "1"],
        request={
            "inputs": ["seven", "apple"],
            "options": {"speaker": "theo", "seconds": 0.1, "seed": 1, "temperature": 0.5},
        },
        batch=lambda: ["seven"],
    ),
    "forecasting": Case(
        "forecasting",
        "deepar",
        {
            "array": values,
            "pandas series": lambda: (
                table()
                .groupby("item_id")
                .get_group("a")
                .set_index("timestamp")["target"]
                .pipe(lambda one: one.set_axis(one.index.astype("datetime64[ns]")))
            ),
            "table": table,
            "path": lambda: str(HOURLY),
            "mapping": lambda: {"x": values(), "y": values()[:30]},
            "renamed table": renamed_table,
        },
        lambda: [values(), np.full(5, np.nan), values()[:40]],
        [
            {"horizon": 3},
            {"quantiles": [0.2, 0.8]},
            {"samples": 7},
            {"seed": 5},
            {"batch_size": 1},
            {"parameters": True},
            {"freq": "h", "horizon": 2},
            {
                "target": "sold",
                "item": "shop",
                "timestamp": "when",
                "duplicates": "last",
                "horizon": 2,
            },
        ],
        input_for={"target": "renamed table"},
        arguments=[str(HOURLY), "--horizon", "3", "--samples", "20"],
        request={
            "inputs": [values().tolist(), values()[:30].tolist()],
            "options": {"horizon": 3, "samples": 20, "quantiles": [0.1, 0.9], "seed": 2},
        },
        batch=lambda: str(HOURLY),
        labelled=table,
    ),
    "forecasting-chronos": Case(
        "forecasting",
        BUNDLE_FOLDER / "forecasting-chronos",
        {"array": values},
        lambda: [values(), np.full(5, np.nan), values()[:40]],
        [{"horizon": 3}, {"quantiles": [0.2, 0.8], "horizon": 3}],
        arguments=[str(HOURLY), "--horizon", "3"],
        request={"inputs": values().tolist(), "options": {"horizon": 3}},
        batch=lambda: str(HOURLY),
        labelled=lambda: None,
    ),
}

TONES = DATA / "tones.wav"
BUNDLES: dict[str, tuple[Callable[[], list[Any]], Mapping[str, Any]]] = {
    "image-classification": (lambda: [str(PHOTO), str(PHOTO_2)], {}),
    "object-detection": (lambda: [str(PHOTO), str(PHOTO_2)], {"threshold": 0, "max_boxes": 5}),
    "image-segmentation": (lambda: [str(PHOTO), str(PHOTO_2)], {}),
    "text-classification": (lambda: ["the film is good", "the film is bad"], {}),
    "text-classification-lora": (lambda: ["the film is good", "the film is bad"], {}),
    "token-classification": (lambda: PEOPLE, {}),
    "question-answering": (lambda: [dict(QUESTION)], {}),
    "text-generation": (lambda: ["The cat sat on", "To be, or"], {"max_new_tokens": 12}),
    "fill-mask": (lambda: MASKED, {}),
    "text-embedding": (lambda: PEOPLE, {}),
    "speech-recognition": (lambda: [str(TONES), str(SPEECH)], {}),
    "speech-recognition-whisper": (lambda: [str(SPEECH)], {}),
    "forecasting": (lambda: [values(), values()[:40]], {}),
    "forecasting-chronos": (lambda: [values(), values()[:40]], {"horizon": 4}),
}
"""Folder -> what the bundle is asked, as a list, and with which options."""
