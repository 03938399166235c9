"""OpenAI's endpoints: completions (also as a stream), embeddings, transcriptions.

Source: OpenAI's API reference, of which this is the part that the models here can do. Parameters
that would change the answer and are not supported are refused; `user` is ignored.
"""

from __future__ import annotations

import base64
import time
import uuid
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from warmstart.core.input_kind import checked_text
from warmstart.errors import InputError
from warmstart.serve import body
from warmstart.serve.errors import Refused, invalid, refusal, too_large
from warmstart.serve.forms import parse_form
from warmstart.serve.predict import freeze
from warmstart.serve.registry import Served
from warmstart.serve.state import GONE, State, json_response, state_of
from warmstart.serve.streaming import Stream
from warmstart.serve.work import check_generated
from warmstart.text.results import Generation

Text = Annotated[str, msgspec.Meta(min_length=1)]
Texts = Annotated[list[str], msgspec.Meta(min_length=1, max_length=64)]
Zero = Annotated[float, msgspec.Meta(ge=0, le=0)]


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Of a stream: whether its last piece tells how many tokens there were."""

    include_usage: bool = False


class CompletionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What `/v1/completions` takes."""

    model: Text
    prompt: str | Texts
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=2048)] | None = 16
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = 1.0
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = 1.0
    n: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = 1
    best_of: Annotated[int, msgspec.Meta(ge=1, le=1)] | None = 1
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=0)] | None = None
    echo: bool | None = False
    stop: Text | Annotated[list[Text], msgspec.Meta(max_length=16)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    frequency_penalty: Zero | None = 0.0
    presence_penalty: Zero | None = 0.0
    user: str | None = None

    def choice(self, place: int = 0) -> dict[str, Any]:
        """As options of `TextGenerator`, for the choice of this place."""
        sampled = self.temperature is None or self.temperature > 0
        told: dict[str, Any] = {
            "max_new_tokens": self.max_tokens or 16,
            "temperature": 1.0 if self.temperature is None else self.temperature,
        }
        if self.top_p not in (None, 1.0) and sampled:
            told["top_p"] = self.top_p
        if self.stop:
            told["stop"] = [self.stop] if isinstance(self.stop, str) else self.stop
        if self.seed is not None and sampled:
            told["seed"] = self.seed + place
        return told


class EmbeddingRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What `/v1/embeddings` takes."""

    model: Text
    input: str | Texts
    encoding_format: Annotated[str, msgspec.Meta(pattern="^(float|base64)$")] = "float"
    user: str | None = None


Asked = TypeVar("Asked", CompletionRequest, EmbeddingRequest)


async def _asked(request: Request, form: type[Asked], task: str) -> tuple[Asked, Served, float]:
    """What a body asks for, the model that it names, and the deadline."""
    state = state_of(request)
    body.require_json(request)
    asked: Asked = body.parse_json(await body.read(request, state.settings), form)
    return asked, state.model(request, asked.model, [task]), state.deadline(request)


def _texts(given: str | list[str], state: State) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    for text in texts:
        checked_text(text, state.settings)
    return texts


async def completions(request: Request) -> Response:
    """Continue prompts."""
    state = state_of(request)
    asked, served, deadline = await _asked(request, CompletionRequest, "text-generation")
    prompts = _texts(asked.prompt, state)
    count = asked.n or 1
    check_generated(served.model, prompts, asked.choice(), state.settings, count)
    if asked.stream:
        if len(prompts) > 1 or count > 1:
            raise invalid("A stream takes one prompt and n=1.")
        return await _streamed(request, state, served, asked, prompts[0], deadline)
    if asked.stream_options:
        raise invalid("stream_options goes with stream.")
    if len(prompts) * count > state.settings.max_inputs:
        raise too_large(
            f"{len(prompts)} prompts with n={count} are more than {state.settings.max_inputs}."
        )
    answers: list[Any] = [None] * (len(prompts) * count)
    for place in range(
        count
    ):  # each place has a seed of its own, so all prompts of one place go together
        found = await state.ask(
            request, served, (Served.answer, freeze(asked.choice(place))), prompts, deadline
        )
        answers[place::count] = found
    for number, answer in enumerate(answers):
        if isinstance(answer, InputError):
            raise refusal(answer, f"prompt {number // count + 1}")
    choices = [_choice(served, answer, number, asked) for number, answer in enumerate(answers)]
    return json_response(
        {**_head(served), "choices": choices, "usage": _usage(served, prompts, answers)}
    )


async def _streamed(
    request: Request,
    state: State,
    served: Served,
    asked: CompletionRequest,
    prompt: str,
    deadline: float,
) -> Response:
    stream = Stream(served, prompt, asked.choice(), deadline, request.scope.get(GONE))
    first = await stream.first()  # raises here what is wrong with the prompt
    head = _head(served)

    def event(text: str, finish: str | None = None) -> bytes:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        return b"data: " + msgspec.json.encode({**head, "choices": [choice]}) + b"\n\n"

    async def events() -> Any:
        try:
            if asked.echo:
                yield event(prompt)
            if first:
                yield event(first)
            async for piece in stream:
                yield event(piece)
            assert stream.result is not None
            yield event("", _finish(stream.result))
            if asked.stream_options and asked.stream_options.include_usage:
                usage = _usage(served, [prompt], [stream.result])
                yield (
                    b"data: "
                    + msgspec.json.encode({**head, "choices": [], "usage": usage})
                    + b"\n\n"
                )
            yield b"data: [DONE]\n\n"
        except Exception as error:  # the status is sent already
            refused = refusal(error)
            request.scope["warmstart.reason"] = refused.reason
            yield (
                b"data: "
                + msgspec.json.encode(
                    {
                        "error": {
                            "message": str(refused),
                            "type": "server_error",
                            "param": None,
                            "code": refused.reason,
                        }
                    }
                )
                + b"\n\n"
            )
        finally:
            stream.cancel()

    return StreamingResponse(
        events(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def _head(served: Served) -> dict[str, Any]:
    return {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": served.name,
    }


def _choice(
    served: Served, answer: Generation, number: int, asked: CompletionRequest
) -> dict[str, Any]:
    logprobs = None
    if asked.logprobs is not None:
        pieces = [served.model.tokenizer.decode([token]) for token in answer.tokens]  # type: ignore[attr-defined]
        starts = np.cumsum([len(answer.input) if asked.echo else 0, *map(len, pieces)])[:-1]
        logprobs = {
            "tokens": pieces,
            "token_logprobs": list(answer.logprobs),
            "top_logprobs": None,
            "text_offset": starts.tolist(),
        }
    text = answer.input + answer.text if asked.echo else answer.text
    return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": _finish(answer)}


def _finish(answer: Generation) -> str:
    return "length" if answer.finish == "length" else "stop"


def _usage(served: Served, prompts: list[str], answers: list[Generation]) -> dict[str, int]:
    tokenizer = served.model.tokenizer  # type: ignore[attr-defined]
    given = sum(len(tokenizer.encode(prompt).ids) for prompt in prompts)
    written = sum(len(answer.tokens) for answer in answers)
    return {"prompt_tokens": given, "completion_tokens": written, "total_tokens": given + written}


async def embeddings(request: Request) -> Response:
    """Texts as vectors."""
    state = state_of(request)
    asked, served, deadline = await _asked(request, EmbeddingRequest, "text-embedding")
    texts = _texts(asked.input, state)
    answers = await state.ask(request, served, (Served.answer, ()), texts, deadline)
    found: list[dict[str, Any]] = []
    tokens = 0
    for number, answer in enumerate(answers):
        if isinstance(answer, InputError):
            raise refusal(answer, f"input {number + 1}")
        vector: Any = answer.vector.astype("<f4")
        coded = (
            base64.b64encode(vector.tobytes()).decode()
            if asked.encoding_format == "base64"
            else vector.tolist()
        )
        found.append({"object": "embedding", "index": number, "embedding": coded})
        tokens += len(served.model.encode(texts[number]))  # type: ignore[attr-defined]
    return json_response(
        {
            "object": "list",
            "data": found,
            "model": served.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


class TranscriptionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of the form of `/v1/audio/transcriptions`, besides the file."""

    model: Text
    language: Annotated[str, msgspec.Meta(min_length=1, max_length=20)] | None = None
    prompt: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)] | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    granularity: Literal["word", "segment"] = msgspec.field(
        name="timestamp_granularities[]", default="segment"
    )


async def transcriptions(request: Request) -> Response:
    """What is said in a recording."""
    state = state_of(request)
    data = await body.read(request, state.settings)
    if body.media_type(request) != "multipart/form-data":
        raise Refused(
            415,
            "invalid",
            "A recording comes as multipart/form-data with the fields file and model.",
        )
    fields = parse_form(data, request.headers["content-type"])
    files = [field.data for field in fields if field.name == "file"]
    given = {
        field.name: field.data.decode("utf-8", "replace")
        for field in fields
        if field.name != "file"
    }
    given = {name: value for name, value in given.items() if value or name == "model"}
    words = any(
        field.name.startswith("timestamp_granularities") and field.data == b"word"
        for field in fields
    )
    if "model" not in given:
        raise invalid("The form must name the model, in the field `model`.")
    try:
        asked = msgspec.convert(given, TranscriptionRequest, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(f"The form is not valid: {error}") from None
    if len(files) != 1 or not files[0]:
        raise invalid("The form must hold one file, in the field `file`, and it must not be empty.")
    served = state.model(request, asked.model, ["speech-recognition"])
    chosen: dict[str, Any] = {"language": asked.language, "initial_prompt": asked.prompt}
    chosen |= {"temperature": asked.temperature or None, "words": words or None}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    [answer] = await state.ask(
        request, served, (Served.answer, freeze(chosen)), files, state.deadline(request)
    )
    if isinstance(answer, InputError):
        raise refusal(answer, "the recording")
    match asked.response_format:
        case "text":
            return PlainTextResponse(answer.text + "\n")
        case "srt":
            return PlainTextResponse(answer.to_srt(), media_type="application/x-subrip")
        case "vtt":
            return PlainTextResponse(answer.to_vtt(), media_type="text/vtt")
        case "verbose_json":
            told = answer.to_dict()
            segments = [{"id": n, **segment} for n, segment in enumerate(told["segments"])]
            spoken = [
                {"word": w["text"], "start": w["start"], "end": w["end"]} for w in told["words"]
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
