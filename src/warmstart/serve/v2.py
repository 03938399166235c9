"""The Open Inference Protocol, version 2 (KServe, Triton), over REST: metadata, readiness,
inference.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from warmstart.serve import body, options, signatures, tensors
from warmstart.serve.errors import Refused, invalid, too_large
from warmstart.serve.inference import check_generated
from warmstart.serve.predict import freeze
from warmstart.serve.registry import ServedModel
from warmstart.serve.state import State, json_response, state_of

JSON_LENGTH_HEADER = "Inference-Header-Content-Length"
EXTENSIONS = ["binary_tensor_data", "model_configuration", "statistics"]
MICROSECONDS = 1e-6
URL_KEYS = ("model_name", "model_version")
"""Keys that repeat the URL, as KServe's client sends them."""


async def server_metadata(request: Request) -> Response:
    from warmstart.version import __version__

    return json_response({"name": "warmstart", "version": __version__, "extensions": EXTENSIONS})


async def live(request: Request) -> Response:
    return json_response({"live": True})


async def ready(request: Request) -> Response:
    """Whether the server is not draining, and all models work."""
    state = state_of(request)
    is_ready = not state.draining and all(served.is_ready() for served in state.registry.values())
    return json_response({"ready": is_ready}, 200 if is_ready else 503)


def _served(request: Request) -> ServedModel:
    """The model that the URL names.

    Raises:
        Refused: there is no such model or version.
    """
    served = state_of(request).registry.find(request.path_params["model"])
    version = request.path_params.get("version")
    if version not in (None, str(served.version)):
        raise Refused(404, "unknown_model", _no_version(served.name, version, str(served.version)))
    request.scope["warmstart.model"] = served.name
    return served


def _no_version(name: str, version: str, existing: str) -> str:
    return f"There is no version {version[:20]!r} of {name}; it has version {existing!r} only."


async def model_metadata(request: Request) -> Response:
    return json_response(signatures.metadata(_served(request)))


async def model_ready(request: Request) -> Response:
    served = _served(request)
    is_ready = not state_of(request).draining and served.is_ready()
    return json_response({"name": served.name, "ready": is_ready}, 200 if is_ready else 503)


async def model_config(request: Request) -> Response:
    return json_response(signatures.config(_served(request), state_of(request).settings))


async def model_statistics(request: Request) -> Response:
    """The statistics of one model, or of all."""
    is_single = "model" in request.path_params
    models = [_served(request)] if is_single else list(state_of(request).registry.values())
    return json_response(
        {
            "model_stats": [
                {
                    "name": served.name,
                    "version": str(served.version),
                    **served.statistics.to_dict(),
                }
                for served in models
            ]
        }
    )


async def infer(request: Request) -> Response:
    """Predict from tensors."""
    state = state_of(request)
    served = _served(request)
    state.model(request, served.name)  # raises `Full` if the queue is full
    body.require_json(request, "", "application/octet-stream")
    deadline = state.deadline(request)
    data = await state.read(request, deadline)
    payload, arrays = await _read(request, state, served, data, deadline)
    parameters = dict(payload.get("parameters", {}))
    as_binary = parameters.pop("binary_data_output", False)
    if not isinstance(as_binary, bool):
        raise invalid("binary_data_output is true or false.")
    if (timeout := parameters.pop("timeout", None)) is not None:
        if isinstance(timeout, bool) or not isinstance(timeout, int) or not 1 <= timeout <= 2**53:
            raise invalid("timeout is a number of microseconds, 1 or more.")
        deadline = min(deadline, time.monotonic() + timeout * MICROSECONDS)
    raw = bool(arrays.keys() & {*served.input_kind.tensors})
    known = list(signatures.raw_outputs(served)) if raw else _program_outputs(served)
    requested = _requested(payload.get("outputs"), known, as_binary)
    if raw:
        outputs = await _predict_raw(request, state, served, arrays, parameters, deadline)
    else:
        if parameters:
            raise invalid(
                f"Requests with arrays of the program take no parameter {min(parameters)[:100]!r}."
            )
        key, rows = signatures.program_rows(served, arrays)
        _check_rows(len(rows), state)
        answers = await state.run(request, served, key, rows, deadline)
        outputs = {
            name: np.stack([answer[name] for answer in answers])
            for name in known
            if name in requested
        }
    return await body.offload(
        sum(array.nbytes for array in outputs.values()),
        _response,
        served,
        payload.get("id"),
        {name: outputs[name] for name in requested},
        requested,
    )


async def _predict_raw(
    request: Request,
    state: State,
    served: ServedModel,
    arrays: Mapping[str, np.ndarray],
    parameters: dict[str, Any],
    deadline: float,
) -> dict[str, np.ndarray]:
    parameters = options.check(served.model, parameters, state.settings)
    size = body.ALWAYS if served.input_kind.is_parsed else 0
    values = await body.offload(size, signatures.raw_values, served, arrays, state.settings)
    _check_rows(len(values), state)
    check_generated(served.model, values, parameters, state.settings)
    answers = await state.run(
        request, served, (ServedModel.predict, freeze(parameters)), values, deadline
    )
    return await body.offload(body.ALWAYS, signatures.raw_answers, served, answers)


def _program_outputs(served: ServedModel) -> list[str]:
    signature = signatures.program(served)
    return [spec.name for spec in signature.outputs] if signature else []


def _check_rows(count: int, state: State) -> None:
    if count < 1:
        raise invalid("The inputs have no rows.")
    if count > state.settings.max_inputs:
        raise too_large(f"The inputs have {count} rows; {state.settings.max_inputs} at most.")


async def _read(
    request: Request, state: State, served: ServedModel, data: bytes, deadline: float
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The request's JSON and its tensors."""
    length = request.headers.get(JSON_LENGTH_HEADER, str(len(data)))
    if not (length.isascii() and length.isdigit()) or not 0 <= int(length[:20]) <= len(data):
        raise invalid(
            f"{JSON_LENGTH_HEADER} must be a number of bytes, at most the length of the body."
        )
    if int(length) == 0 and JSON_LENGTH_HEADER in request.headers:
        return {}, _single_input(served, data)
    head: bytes = data[: int(length)]
    binary: bytes | memoryview = memoryview(data)[int(length) :]
    if len(head) > body.INLINE:
        binary = bytes(binary)  # for another process
    names = (served.name, str(served.version))
    return await state.parse(request, deadline, _parsed, head, binary, names)


def _parsed(
    head: bytes, binary: bytes | memoryview, names: tuple[str, str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    payload = body.parse_json(head)
    if not isinstance(payload, dict):
        raise invalid("The request must be a JSON object.")
    if unknown := payload.keys() - {"id", "parameters", "inputs", "outputs", *URL_KEYS}:
        raise invalid(f"The request has an unknown key: {min(unknown)[:100]!r}.")
    name, version = names
    if payload.get("model_name", name) != name:
        raise invalid(f"model_name contradicts the URL, which names {name!r}.")
    if payload.get("model_version") not in (None, "", version):  # "" stands for the latest
        raise invalid(_no_version(name, str(payload["model_version"]), version))
    if not isinstance(payload.get("id", ""), str) or not isinstance(
        payload.get("parameters", {}), dict
    ):
        raise invalid("id must be a string, and parameters an object.")
    if not payload.get("id"):
        payload.pop("id", None)
    return payload, tensors.decode(payload.pop("inputs", None), memoryview(binary))


def _single_input(served: ServedModel, data: bytes) -> dict[str, np.ndarray]:
    """The body as the only input, a file or text: Triton's "raw binary request"."""
    names = [
        name for name, (datatype, _) in signatures.raw_inputs(served).items() if datatype == "BYTES"
    ]
    if len(names) != 1 or not data:
        raise invalid(
            f"A body without JSON must be the one file or text that a model takes, and not be empty; "
            f"{served.name} takes {', '.join(signatures.raw_inputs(served))}."
        )
    array = np.empty(1, object)
    array[0] = data
    return {names[0]: array}


def _requested(outputs: Any, known: list[str], as_binary: bool) -> dict[str, bool]:
    """The outputs to send, in order, and whether as binary."""
    if outputs is None or outputs == []:
        return dict.fromkeys(known, as_binary)
    if not isinstance(outputs, list):
        raise invalid("outputs must be an array.")
    requested: dict[str, bool] = {}
    for output in outputs:
        if (
            not isinstance(output, dict)
            or not isinstance(output.get("name"), str)
            or output.keys() - {"name", "parameters"}
        ):
            raise invalid("An output is an object with a name, and maybe parameters.")
        name, parameters = output["name"], output.get("parameters", {})
        if name in requested:
            raise invalid(f"The output {name[:100]!r} is requested twice.")
        if name not in known:
            raise invalid(
                f"There is no output {name[:100]!r} for these inputs; available: "
                f"{', '.join(known)}."
            )
        if not isinstance(parameters, dict):
            raise invalid(f"The parameters of the output {name!r} must be an object.")
        tensors.refuse_unsupported(name, parameters)
        if not isinstance(parameters.get("binary_data", False), bool):
            raise invalid(f"binary_data of the output {name!r} is true or false.")
        requested[name] = parameters.get("binary_data", as_binary)
    return requested


def _response(
    served: ServedModel,
    request_id: str | None,
    outputs: Mapping[str, np.ndarray],
    binary: Mapping[str, bool],
) -> Response:
    described, binary_data = tensors.encode(outputs, binary)
    content: dict[str, Any] = {
        "model_name": served.name,
        "model_version": str(served.version),
        "outputs": described,
    }
    if request_id is not None:
        content["id"] = request_id
    if not binary_data:
        return json_response(content)
    head = msgspec.json.encode(content)
    return Response(
        b"".join([head, *binary_data]),
        headers={JSON_LENGTH_HEADER: str(len(head))},
        media_type="application/octet-stream",
    )
