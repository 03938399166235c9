"""Requests of OpenAI's clients that are not as they should be, and what is said of them."""

import json

import msgspec
import pytest

from warmstart.serve.body import parse_json
from warmstart.serve.errors import Refused
from warmstart.serve.openai import CompletionRequest, EmbeddingRequest
from warmstart.serve.openai_audio import SpeechRequest, TranscriptionRequest
from warmstart.serve.struct_errors import explain

MINIMAL = {
    CompletionRequest: {"model": "m", "prompt": "A"},
    EmbeddingRequest: {"model": "m", "input": "A"},
    SpeechRequest: {"model": "m", "input": "A"},
}


@pytest.mark.parametrize(
    ("form", "values", "message"),
    [
        (CompletionRequest, {"best_of": 2}, "best_of must be 1; this server does not support an"),
        (CompletionRequest, {"n": 0}, "n must be an integer from 1 to 8."),
        (CompletionRequest, {"max_tokens": 1.5}, "max_tokens must be an integer of 0 or more."),
        (CompletionRequest, {"repetition_penalty": 0}, "must be a number above 0 and at most 10."),
        (CompletionRequest, {"stream": 1}, "stream must be true or false."),
        (CompletionRequest, {"logit_bias": {"1": 2}}, "logit_bias must be left out: this server"),
        (CompletionRequest, {"suffix": "x"}, "suffix must be left out: this server"),
        (CompletionRequest, {"top": 1}, "There is no field 'top'. The request takes model, prompt"),
        (CompletionRequest, {"prompt": ["A", None]}, "Every item of prompt must be a string, an "),
        (CompletionRequest, {"stop": 3}, "stop must be a string that is not empty or an array of"),
        (
            CompletionRequest,
            {"stream_options": {"include_usage": 3}},
            "stream_options.include_usage",
        ),
        (CompletionRequest, {"stream_options": {"x": 3}}, "There is no field 'x' of stream_opt"),
        (EmbeddingRequest, {"dimensions": 3}, "dimensions must be left out: this server"),
        (EmbeddingRequest, {"encoding_format": "x"}, "encoding_format must be base64 or float."),
        (SpeechRequest, {"response_format": "opus"}, "must be flac, mp3, pcm or wav."),
    ],
)
def test_the_field_and_what_it_must_be(form, values, message):
    with pytest.raises(Refused) as refused:
        parse_json(json.dumps({**MINIMAL[form], **values}).encode(), form)
    assert message in str(refused.value)


def test_bodies_that_are_not_requests():
    for body, message in (
        (b"[]", "The request must be a JSON object."),
        (b'{"model": "m"}', "The field 'prompt' is missing."),
        (b'{"model":', "The JSON is invalid: "),
        (b'{"model": "m", "prompt": "A", "temperature": 1e400}', "temperature must be a number"),
    ):
        with pytest.raises(Refused, match=message):
            parse_json(body, CompletionRequest)
    with pytest.raises(Refused, match="The JSON is invalid: Number out of range"):
        parse_json(b'{"inputs": [1e400]}')


@pytest.mark.parametrize("form", MINIMAL)
def test_null_stands_for_an_absent_field(form):
    minimal = MINIMAL[form]
    optional = {name: None for name in form.__struct_fields__ if name not in minimal}
    parse_json(json.dumps({**minimal, **optional}).encode(), form)


def test_fields_of_a_form():
    values = {"model": "m", "timestamp_granularities[]": ["word", "line"]}
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(values, TranscriptionRequest, strict=False)
    message = "Every item of timestamp_granularities[] must be segment or word."
    assert explain(error.value, TranscriptionRequest) == message
