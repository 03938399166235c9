"""Right uses of the public API; mypy and pyright check every `assert_type`. Never run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import warmstart as ws

photo: NDArray[np.uint8] = np.zeros((2, 2, 3), np.uint8)
paths: list[str] = ["a.jpg"]

classifier = ws.ImageClassifier.load("mobilenet_v2", precision="int8")
assert_type(classifier, ws.ImageClassifier)
assert_type(ws.load("mobilenet_v2", task="image-classification"), ws.ImageClassifier)
assert_type(ws.load("gpt2", task="text-generation", engine="litert"), ws.TextGenerator)
assert_type(ws.load("mobilenet_v2"), ws.Model[Any, Any, Any])
assert_type(classifier("cat.jpg", top_k=3), ws.Classification)
assert_type(classifier(Path("cat.jpg")), ws.Classification)
assert_type(classifier(b"..."), ws.Classification)
assert_type(classifier(photo), ws.Classification)
assert_type(classifier(["a.jpg", Path("b.jpg")]), ws.Results[ws.Classification | ws.Failed])
assert_type(classifier(paths, top_k=1), ws.Results[ws.Classification | ws.Failed])
assert_type(classifier.stream("photos/", top_k=2), ws.ResultStream[ws.Classification | ws.Failed])
assert_type(classifier.features(photo), NDArray[np.float32])
assert_type(classifier("cat.jpg").label, str)

for one in classifier(paths):
    if one:
        assert_type(one, ws.Classification)

for mask in ws.ImageSegmenter.load("x")(paths):
    if mask:
        assert_type(mask, ws.Segmentation)
    else:  # pyright believes that what has a length may be false, so this needs a result without one
        assert_type(mask, ws.Failed)

assert_type(ws.ObjectDetector.load("x")("street.jpg", threshold=0.5), ws.Detections)
assert_type(ws.ImageSegmenter.load("x")("room.jpg"), ws.Segmentation)

text = ws.TextClassifier.load("x")
assert_type(text("a"), ws.TextClassification)
assert_type(text(("a", "b")), ws.TextClassification)
assert_type(text(["a", ("b", "c")]), ws.Results[ws.TextClassification | ws.Failed])

answerer = ws.QuestionAnswerer.load("x")
pairs: list[tuple[str, str]] = []
assert_type(answerer(("who?", "me")), ws.Answer)
assert_type(answerer({"question": "who?", "context": "me"}), ws.Answer)
assert_type(answerer(pairs, top_k=3), ws.Results[ws.Answer | ws.Failed])

assert_type(ws.TokenClassifier.load("x")("Ann lives in Paris."), ws.Entities)
assert_type(ws.FillMask.load("x")("a [MASK]"), ws.FilledMask)
assert_type(ws.TextEmbedder.load("x")(["a", "b"]), ws.Results[ws.Embedding | ws.Failed])
assert_type(ws.TextGenerator.load("x")("Once", max_new_tokens=5, seed=1), ws.Generation)

recognizer = ws.SpeechRecognizer.load("x")
samples: NDArray[np.float32] = np.zeros(3, np.float32)
assert_type(recognizer((samples, 16_000)), ws.Transcript)
assert_type(recognizer([(samples, 16_000), "a.wav"]), ws.Results[ws.Transcript | ws.Failed])
assert_type(ws.AudioGenerator.load("x")("seven", speaker="theo"), ws.Audio)

forecaster = ws.Forecaster.load("x")
table: Mapping[str, NDArray[np.float32]] = {"a": samples}
assert_type(forecaster(samples), ws.Forecast)
assert_type(forecaster([1.0, 2.5]), ws.Forecast)
assert_type(forecaster([1.0, None]), ws.Forecast)
of_column: ws.Forecast = forecaster(pd.Series([1.0, 2.5]))
assert_type(forecaster([samples, samples], horizon=3), ws.Results[ws.Forecast | ws.Failed])
assert_type(forecaster([[1, 2], [3, 4]]), ws.Results[ws.Forecast | ws.Failed])
assert_type(forecaster("sales.csv"), ws.Results[ws.Forecast | ws.Failed])
assert_type(forecaster(Path("sales.csv")), ws.Results[ws.Forecast | ws.Failed])
assert_type(forecaster(table), ws.Results[ws.Forecast | ws.Failed])
assert_type(forecaster({"a": [1.0]}), ws.Results[ws.Forecast | ws.Failed])
of_table: ws.Results[ws.Forecast | ws.Failed] = forecaster(pd.DataFrame({"a": [1.0]}))
assert_type(forecaster.features({"a": [1.0]}), NDArray[np.float32])
assert_type(ws.AudioGenerator.load("x")(["seven", "two"]), ws.Results[ws.Audio | ws.Failed])

assert_type(ws.list_models("mobilenet*", task="image-classification"), ws.Entries)
assert_type(ws.batch("mobilenet_v2", "photos/", "out"), ws.BatchResult)
assert_type(
    ws.finetune("mobilenet_v2", "photos/", task="image-classification", epochs=3),
    ws.ImageClassifier,
)
assert_type(ws.finetune(classifier, "photos/"), ws.Model[Any, Any, Any])
