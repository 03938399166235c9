"""OpenAI's endpoints for sound: transcriptions and speech.

Source: OpenAI's API reference. The models here support a subset of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from warmstart.core.input_kind import checked_text
from warmstart.errors import InputError
from warmstart.serve import body
from warmstart.serve.errors import Refused, invalid, refusal
from warmstart.serve.forms import parse_form
from warmstart.serve.inference import check_generated
from warmstart.serve.openai import Text, Unsupported, read_request
from warmstart.serve.openai_fields import SPEECH, TRANSCRIPTION
from warmstart.serve.options import check, set_twice
from warmstart.serve.predict import freeze
from warmstart.serve.registry import ServedModel
from warmstart.serve.state import json_response, state_of
from warmstart.serve.struct_errors import explain

if TYPE_CHECKING:
    from warmstart.speech.results.audio import Audio

PCM_RATE = 24_000
"""Samples per second of OpenAI's format pcm: 16 bits, little-endian, one channel."""
MEDIA = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "pcm": f"audio/pcm;rate={PCM_RATE}",
}
"""Formats of speech with their media types."""


class SpeechRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request to `/v1/audio/speech`; `voice` is a speaker of the model."""

    model: Text
    input: Text
    voice: Text | int | None = None
    response_format: Literal["mp3", "wav", "flac", "pcm"] | None = "mp3"
    speed: Annotated[float, msgspec.Meta(ge=1, le=1)] | None = 1.0
    instructions: Unsupported | None = None
    stream_format: Literal["audio"] | None = None
    temperature: Annotated[float, msgspec.Meta(gt=0, le=10)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None

    def options(self) -> dict[str, Any]:
        """The request as options of `AudioGenerator`."""
        options = {"speaker": self.voice, "temperature": self.temperature, "seed": self.seed}
        return {name: value for name, value in options.items() if value is not None}


async def speech(request: Request) -> Response:
    """Synthesize speech from a text."""
    state = state_of(request)
    payload, served, deadline = await read_request(request, SpeechRequest, "audio-generation")
    if served.input_kind.is_file:
        raise invalid(f"{served.name} takes recordings, not texts; see /v1/predict/{served.name}.")
    text = checked_text(payload.input, state.settings)
    options = check(served.model, payload.options(), state.settings, SPEECH)
    check_generated(served.model, [text], options, state.settings)
    key = (ServedModel.predict, freeze(options))
    [answer] = await state.run(request, served, key, [text], deadline)
    if isinstance(answer, InputError):
        raise refusal(answer, "the input")
    response_format = payload.response_format or "mp3"
    if response_format == "pcm":
        content = await body.offload(body.ALWAYS, _pcm, answer)
    else:
        content = await body.offload(body.ALWAYS, answer.file_content, f".{response_format}")
    return Response(content, media_type=MEDIA[response_format])


def _pcm(sound: Audio) -> bytes:
    from warmstart.speech import audio  # and soundfile

    rates = {"sample_rate": PCM_RATE, "array_rate": sound.sample_rate}
    samples = np.concatenate(list(audio.pieces(sound.samples, name="the sound", **rates)))
    return (samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes()


GRANULARITIES = "timestamp_granularities[]"


class TranscriptionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of the form of `/v1/audio/transcriptions`, besides the file."""

    model: Text
    language: Annotated[str, msgspec.Meta(min_length=1, max_length=20)] | None = None
    prompt: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)] | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    granularities: list[Literal["word", "segment"]] = msgspec.field(
        name=GRANULARITIES, default_factory=list
    )


async def transcriptions(request: Request) -> Response:
    """The transcript of a recording."""
    state = state_of(request)
    deadline = state.deadline(request)
    data = await state.read(request, deadline)
    if body.media_type(request) != "multipart/form-data":
        raise Refused(
            415,
            "invalid",
            "A recording comes as multipart/form-data with the fields file and model.",
        )
    fields = parse_form(data, request.headers["content-type"])
    files = [field.data for field in fields if field.name == "file"]
    values: dict[str, Any] = {}
    for field in fields:
        text = field.data.decode("utf-8", "replace")
        if field.name == GRANULARITIES:
            values.setdefault(GRANULARITIES, []).append(text)
        elif field.name in values:
            raise set_twice(field.name)
        elif field.name == "model" or (text and field.name != "file"):
            values[field.name] = text
    try:
        payload = msgspec.convert(values, TranscriptionRequest, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(explain(error, TranscriptionRequest)) from None
    if len(files) != 1 or not files[0]:
        raise invalid("The form must hold one file, in the field `file`, and it must not be empty.")
    served = state.model(request, payload.model, ["speech-recognition"])
    options: dict[str, Any] = {"language": payload.language, "initial_prompt": payload.prompt}
    words = "word" in payload.granularities
    options |= {"temperature": payload.temperature or None, "word_timestamps": words or None}
    options = {name: value for name, value in options.items() if value is not None}
    for name in options:
        if name not in served.model.option_names:
            renamed = TRANSCRIPTION.get(name, name)
            raise invalid(f"{payload.model} does not support {renamed}; leave it out.")
    options = check(served.model, options, state.settings, TRANSCRIPTION)
    [answer] = await state.run(
        request, served, (ServedModel.predict, freeze(options)), files, deadline
    )
    if isinstance(answer, InputError):
        raise refusal(answer, "the recording")
    match payload.response_format:
        case "text":
            return PlainTextResponse(answer.text + "\n")
        case "srt":
            return PlainTextResponse(answer.to_srt(), media_type="application/x-subrip")
        case "vtt":
            return PlainTextResponse(answer.to_vtt(), media_type="text/vtt")
        case "verbose_json":
            record = answer.to_dict()
            segments = [
                {"id": index, **segment} for index, segment in enumerate(record["segments"])
            ]
            spoken = [
                {"word": word["text"], "start": word["start"], "end": word["end"]}
                for word in record["words"]
            ]
            return json_response(
                {
                    "task": "transcribe",
                    "language": answer.language,
                    "duration": answer.duration,
                    "text": answer.text,
                    "segments": segments,
                    **({"words": spoken} if words else {}),
                }
            )
    return json_response({"text": answer.text})
