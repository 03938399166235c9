"""Ask a running server with KServe's own client, `InferenceRESTClient`, JSON and binary.

    pip install kserve
    warmstart serve cifar10_resnet20 &
    python scripts/check_kserve_client.py http://127.0.0.1:8000

KServe's dependencies do not go together with those of the tests, so this needs an environment of its own.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

MODEL = "cifar10_resnet20"
PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "cat.jpg"


async def check(address: str) -> None:
    """All calls of the client that this server offers; an assertion fails where an answer is wrong."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    assert await client.is_server_live(address)
    assert await client.is_server_ready(address)
    assert await client.is_model_ready(address, MODEL)
    pixels = np.full((2, 32, 32, 3), 0.5, np.float32)
    answers = {}
    for binary in (False, True):
        tensor = InferInput("images", list(pixels.shape), "FP32")
        tensor.set_data_from_numpy(pixels, binary_data=binary)
        asked = InferRequest(MODEL, [tensor], request_id="1")
        answer = await client.infer(address, asked, model_name=MODEL)
        answers[binary] = {output.name: output.as_numpy() for output in answer.outputs}
        assert answers[binary]["probabilities"].shape == (2, 10)
    np.testing.assert_allclose(answers[False]["probabilities"], answers[True]["probabilities"], atol=1e-6)
    photo = InferInput("image", [1], "BYTES")
    photo.set_data_from_numpy(np.array([PHOTO.read_bytes()], object), binary_data=True)
    answer = await client.infer(address, InferRequest(MODEL, [photo], parameters={"top_k": 1}), model_name=MODEL)
    labels = next(output for output in answer.outputs if output.name == "label").as_numpy()
    assert list(labels) in ([b"cat"], ["cat"]), labels
    print("all calls of KServe's client are answered as they should")


if __name__ == "__main__":
    asyncio.run(check(sys.argv[1]))
