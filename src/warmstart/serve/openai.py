"""OpenAI's endpoints for texts: completions (also as a stream) and embeddings.

Source: OpenAI's API reference. The models here support a subset of it. Unsupported parameters that
would change the result are refused; `user` is ignored.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from warmstart.core.input_kind import checked_text
from warmstart.errors import InputError
from warmstart.serve import body
from warmstart.serve.errors import error_body, invalid, refusal, too_large
from warmstart.serve.inference import check_generated
from warmstart.serve.openai_fields import COMPLETION as FIELDS
from warmstart.serve.openai_logprobs import ScoredCompletion, score_tokens
from warmstart.serve.options import MAX_SEED, check
from warmstart.serve.predict import freeze
from warmstart.serve.registry import ServedModel
from warmstart.serve.settings import Settings
from warmstart.serve.state import DISCONNECTED, State, json_response, state_of
from warmstart.serve.streaming import Stream
from warmstart.text.results import Generation

Text = Annotated[str, msgspec.Meta(min_length=1)]
Texts = Annotated[list[str], msgspec.Meta(min_length=1, max_length=64)]
Tokens = Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(min_length=1)]
Prompts = Annotated[list[str | int | Tokens], msgspec.Meta(min_length=1)]
"""Several prompts, each a text or its token ids; or the token ids of one prompt."""
MAX_TOKENS = 16
"""OpenAI's default of `max_tokens`."""
Unsupported = Annotated[str, msgspec.Meta(max_length=0)]
"""A parameter of OpenAI that the models here do not support: it must be absent, null or empty."""
Zero = Annotated[float, msgspec.Meta(ge=0, le=0)]


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Options of a stream: whether its last event has the token counts."""

    include_usage: bool | None = False


class CompletionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request to `/v1/completions`."""

    model: Text
    prompt: str | Prompts
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = 1.0
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = 1.0
    n: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = 1
    best_of: Annotated[int, msgspec.Meta(ge=1, le=1)] | None = 1
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=5)] | None = None
    echo: bool | None = False
    stop: Text | Annotated[list[Text], msgspec.Meta(max_length=16)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEED)] | None = None
    frequency_penalty: Zero | None = 0.0
    presence_penalty: Zero | None = 0.0
    user: str | None = None
    suffix: Unsupported | None = None
    logit_bias: Annotated[dict[str, float], msgspec.Meta(max_length=0)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0, le=10)] | None = None
    overflow: Literal["error", "slide"] | None = None

    def generation_options(
        self, served: ServedModel, settings: Settings, index: int = 0
    ) -> dict[str, Any]:
        """The options of `TextGenerator` for the choice with this index.

        Raises:
            Refused: one is over a limit of the server.
        """
        is_sampled = self.temperature is None or self.temperature > 0
        options: dict[str, Any] = {
            "max_new_tokens": self.max_tokens or min(MAX_TOKENS, settings.max_new_tokens),
            "temperature": 1.0 if self.temperature is None else self.temperature,
            "overflow": self.overflow,
        }
        if is_sampled:
            options |= {"top_p": None if self.top_p == 1 else self.top_p}
            options |= {"top_k": self.top_k, "min_p": self.min_p}
            options["seed"] = None if self.seed is None else (self.seed + index) % (MAX_SEED + 1)
        options["repetition_penalty"] = self.repetition_penalty
        options["stop"] = [self.stop] if isinstance(self.stop, str) else self.stop or None
        values = {name: value for name, value in options.items() if value is not None}
        return check(served.model, values, settings, FIELDS)


class EmbeddingRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request to `/v1/embeddings`."""

    model: Text
    input: str | Texts
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: None = None
    user: str | None = None


class _Request(Protocol):
    model: str


RequestT = TypeVar("RequestT", bound=_Request)


async def read_request(
    request: Request, form: type[RequestT], task: str
) -> tuple[RequestT, ServedModel, float]:
    """The payload of a request, the model that it names, and the deadline."""
    state = state_of(request)
    body.require_json(request)
    deadline = state.deadline(request)
    data = await state.read(request, deadline)
    payload: RequestT = await state.parse(request, deadline, body.parse_json, data, form)
    return payload, state.model(request, payload.model, [task]), deadline


def _texts(value: str | list[str], state: State) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    for number, text in enumerate(texts, 1):
        try:
            checked_text(text, state.settings)
        except InputError as error:
            raise refusal(error, f"input {number}") from None
    return texts


def _prompts(served: ServedModel, prompt: str | list[Any], state: State) -> list[str]:
    """The texts of prompts.

    Raises:
        Refused: they are of several types, or token ids that differ from the tokenizer's encoding of
            their text.
    """
    if isinstance(prompt, str):
        return _texts(prompt, state)
    if all(isinstance(item, int) for item in prompt):
        prompt = [prompt]
    if any(isinstance(item, int) for item in prompt):
        raise invalid("A prompt is a text or an array of token ids, not both.")
    if len(prompt) > state.settings.max_inputs:
        raise too_large(f"There are {len(prompt)} prompts; {state.settings.max_inputs} at most.")
    tokenizer = served.model.tokenizer  # type: ignore[attr-defined]
    texts = []
    for number, item in enumerate(prompt, 1):
        if isinstance(item, str):
            texts.append(item)
            continue
        is_known = max(item) < tokenizer.size
        texts.append(tokenizer.decode(item) if is_known else "")
        if not is_known or tokenizer.encode(texts[-1]).ids.tolist() != item:
            raise invalid(
                f"The token ids of prompt {number} are not those that the tokenizer of {served.name} "
                "makes of its text; send the text."
            )
    return _texts(texts, state)


async def completions(request: Request) -> Response:
    """Complete prompts."""
    state = state_of(request)
    payload, served, deadline = await read_request(request, CompletionRequest, "text-generation")
    prompts = _prompts(served, payload.prompt, state)
    count = payload.n or 1
    options = [payload.generation_options(served, state.settings, index) for index in range(count)]
    if payload.max_tokens != 0:
        check_generated(served.model, prompts, options[0], state.settings, count)
    if payload.stream:
        if len(prompts) > 1 or count > 1:
            raise invalid("A stream takes one prompt and n=1.")
        if payload.logprobs is not None or payload.max_tokens == 0:
            raise invalid("A stream takes neither logprobs nor max_tokens=0.")
        return await _stream(request, served, payload, prompts[0], options[0], deadline)
    if payload.stream_options:
        raise invalid("stream_options requires stream.")
    if payload.max_tokens == 0 and not payload.echo:
        raise invalid("max_tokens=0 generates nothing; with echo=true it returns the prompt.")
    if len(prompts) * count > state.settings.max_inputs:
        raise too_large(
            f"{len(prompts)} prompts with n={count} are more than {state.settings.max_inputs}."
        )
    answers: list[Any] = [None] * (len(prompts) * count)
    for index in range(count if payload.max_tokens != 0 else 0):
        # Each index has a seed of its own, so all prompts of one index go together.
        key = (ServedModel.predict, freeze(options[index]))
        answers[index::count] = await state.run(request, served, key, prompts, deadline)
    for number, answer in enumerate(answers):
        if isinstance(answer, InputError):
            raise refusal(answer, f"prompt {number // count + 1}")
    logprobs: Sequence[Any] = [None] * len(answers)
    if payload.logprobs is not None:
        texts = [prompt for prompt in prompts for _ in range(count)]
        values = [
            ScoredCompletion(served, text, answer, is_echoed=bool(payload.echo))
            for text, answer in zip(texts, answers, strict=True)
        ]
        work = (score_tokens, payload.logprobs)
        logprobs = await state.run(request, served, work, values, deadline)
    choices = [
        {
            "index": number,
            "text": (prompts[number // count] if payload.echo else "")
            + (answer.text if answer else ""),
            "logprobs": logprobs[number],
            "finish_reason": _finish_reason(answer) if answer else "length",
        }
        for number, answer in enumerate(answers)
    ]
    return json_response(
        {**_head(served), "choices": choices, "usage": _usage(served, prompts, answers)}
    )


async def _stream(
    request: Request,
    served: ServedModel,
    payload: CompletionRequest,
    prompt: str,
    options: dict[str, Any],
    deadline: float,
) -> Response:
    stream = Stream(served, prompt, options, deadline, request.scope.get(DISCONNECTED))
    first = await stream.first()  # so that errors of the prompt have a status of their own
    head = _head(served)

    def event(text: str, finish: str | None = None) -> bytes:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        return b"data: " + msgspec.json.encode({**head, "choices": [choice]}) + b"\n\n"

    async def events() -> Any:
        try:
            if payload.echo:
                yield event(prompt)
            if first:
                yield event(first)
            async for piece in stream:
                yield event(piece)
            assert stream.result is not None
            yield event("", _finish_reason(stream.result))
            if payload.stream_options and payload.stream_options.include_usage:
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
            yield (b"data: " + msgspec.json.encode(error_body(refused, request.url.path)) + b"\n\n")
        finally:
            stream.cancel()

    return StreamingResponse(
        events(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def _head(served: ServedModel) -> dict[str, Any]:
    return {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": served.name,
    }


def _finish_reason(answer: Generation) -> str:
    return "length" if answer.finish == "length" else "stop"


def _usage(
    served: ServedModel, prompts: Sequence[str], answers: Sequence[Generation | None]
) -> dict[str, int]:
    tokenizer = served.model.tokenizer  # type: ignore[attr-defined]
    prompt_tokens = sum(len(tokenizer.encode(prompt).ids) for prompt in prompts)
    completion_tokens = sum(len(answer.tokens) for answer in answers if answer)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


async def embeddings(request: Request) -> Response:
    """Compute the embeddings of texts."""
    state = state_of(request)
    payload, served, deadline = await read_request(request, EmbeddingRequest, "text-embedding")
    texts = _texts(payload.input, state)
    answers = await state.run(request, served, (ServedModel.predict, ()), texts, deadline)
    data: list[dict[str, Any]] = []
    tokens = 0
    for number, answer in enumerate(answers):
        if isinstance(answer, InputError):
            raise refusal(answer, f"input {number + 1}")
        vector: Any = answer.vector.astype("<f4")
        embedding = (
            base64.b64encode(vector.tobytes()).decode()
            if payload.encoding_format == "base64"
            else vector.tolist()
        )
        data.append({"object": "embedding", "index": number, "embedding": embedding})
        tokens += len(served.model.tokenize(texts[number]))  # type: ignore[attr-defined]
    return json_response(
        {
            "object": "list",
            "data": data,
            "model": served.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )
