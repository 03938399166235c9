"""Ask a running server with KServe's own client, `InferenceRESTClient`, JSON and binary.

    pip install kserve
    warmstart serve efficientnet_lite0 &
    python scripts/check_kserve_client.py http://127.0.0.1:8000

KServe's dependencies do not go together with those of the tests, so this needs an environment of
its own.
"""

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from httpx import HTTPStatusError
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

MODEL = "efficientnet_lite0"
PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "cat.jpg"


async def check(address: str) -> None:
    """All calls of the client that this server offers; an assertion fails where an answer is wrong."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    assert await client.is_server_live(address)
    assert await client.is_server_ready(address)
    assert await client.is_model_ready(address, MODEL)
    pixels = np.full((2, 224, 224, 3), 0.5, np.float32)
    answers = {}
    for binary in (False, True):
        tensor = InferInput("images", list(pixels.shape), "FP32")
        tensor.set_data_from_numpy(pixels, binary_data=binary)
        wanted = [
            RequestedOutput(name, {"binary_data": binary}) for name in ("probabilities", "features")
        ]
        asked = InferRequest(
            MODEL, [tensor], request_id="1", request_outputs=wanted, model_version="1"
        )
        answer = await client.infer(address, asked, model_name=MODEL)
        assert (answer.id, answer.model_name) == ("1", MODEL)
        answers[binary] = {output.name: output.as_numpy() for output in answer.outputs}
        assert answers[binary]["probabilities"].shape == (2, 1000)
    for name in ("probabilities", "features"):
        np.testing.assert_allclose(answers[False][name], answers[True][name], atol=1e-6)
    photo = InferInput("image", [1], "BYTES")
    photo.set_data_from_numpy(np.array([PHOTO.read_bytes()], object), binary_data=True)
    answer = await client.infer(
        address, InferRequest(MODEL, [photo], parameters={"top_k": 1}), model_name=MODEL
    )
    labels = next(output for output in answer.outputs if output.name == "label").as_numpy()
    assert list(labels) in ([b"tiger cat"], ["tiger cat"]), labels
    wrong = InferInput("images", [1, 224, 224], "FP32")
    wrong.set_data_from_numpy(pixels[0, ..., 0][None])
    status = 200
    try:
        await client.infer(address, InferRequest(MODEL, [wrong]), model_name=MODEL)
    except HTTPStatusError as error:
        status = error.response.status_code
    assert status == 400, status
    await client.close()
    print(f"kserve {version('kserve')}: all calls of its client are answered as they should")


if __name__ == "__main__":
    asyncio.run(check(sys.argv[1]))
