"""The JSON of answers, as schemas, for the OpenAPI document: what `.to_dict()` of each task's result holds."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
_STRING: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_INTEGER: Schema = {"type": "integer"}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _result(**properties: Schema) -> Schema:
    return _object(input=_STRING, model=_STRING, **properties)


_PREDICTION = _object(index=_INTEGER, id=_STRING, label=_STRING, score=_NUMBER)
_CLASSES = _result(predictions=_array(_PREDICTION))
_SPAN = {"text": _STRING, "start": _INTEGER, "end": _INTEGER, "score": _NUMBER}
_TIMED = _object(text=_STRING, start=_NUMBER, end=_NUMBER, score=_NUMBER)
_NUMBERS = _array({"type": ["number", "null"]})

RESULTS: dict[str, Schema] = {
    "image-classification": _CLASSES,
    "text-classification": _CLASSES,
    "object-detection": _result(size=_array(_INTEGER), boxes=_array(_object(
        label=_STRING, index=_INTEGER, score=_NUMBER, xmin=_NUMBER, ymin=_NUMBER, xmax=_NUMBER, ymax=_NUMBER))),
    "image-segmentation": _result(size=_array(_INTEGER), mask_png=_STRING, areas=_array(_object(
        label=_STRING, index=_INTEGER, pixels=_INTEGER, share=_NUMBER))),
    "token-classification": _result(entities=_array(_object(label=_STRING, **_SPAN))),
    "question-answering": _result(**_SPAN, others=_array(_object(**_SPAN))),
    "fill-mask": _result(text=_STRING, masks=_array(_array(_PREDICTION))),
    "text-embedding": _result(vector=_array(_NUMBER)),
    "text-generation": _result(text=_STRING, tokens=_array(_INTEGER), logprobs=_array(_NUMBER),
                               finish={"enum": ["length", "end", "stop"]}),
    "speech-recognition": _result(text=_STRING, language=_STRING, duration=_NUMBER, segments=_array(_TIMED),
                                  words=_array(_TIMED)),
    "audio-generation": _result(sample_rate=_INTEGER, seconds=_NUMBER, peak=_NUMBER, audio_wav=_STRING),
    "forecasting": _result(
        freq=_STRING, timestamps=_array(_STRING), mean=_NUMBERS,
        quantiles={"type": "object", "additionalProperties": _NUMBERS},
        history=_object(timestamps=_array(_STRING), values=_NUMBERS)),
}


def error() -> Schema:
    """What a refusal says."""
    return {**_object(error=_STRING), "additionalProperties": False}


def model_about() -> Schema:
    """One model of `/v1/models`."""
    return _object(id=_STRING, object=_STRING, created=_INTEGER, owned_by=_STRING, task={"enum": list(RESULTS)},
                   title=_STRING, version=_STRING, labels=_INTEGER, classes=_array(_array(_STRING)), input=_STRING,
                   accepts=_array(_STRING), options={"type": "object"})


def model_list() -> Schema:
    """`/v1/models`."""
    return _object(object=_STRING, data=_array(model_about()))
