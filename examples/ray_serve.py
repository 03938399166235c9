"""A model on Ray Serve: replicas on a cluster, requests that come together answered in one batch.

    pip install 'warmstart' 'ray[serve]'
    serve run examples.ray_serve:app        (or WARMSTART_MODEL=flowers-model serve run …)
    curl --data-binary @examples/photos/cat.jpg http://127.0.0.1:8000/

The replicas run the compiled program: they import no TensorFlow, if it was compiled on the machine
or the model is a folder that `model.save` wrote.
"""

import asyncio
import os
from typing import Any

from ray import serve
from starlette.requests import Request

import warmstart as ws


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 1})
class Classifier:
    """An image classifier; one photo a request, as the bytes of a JPEG or PNG file."""

    def __init__(self, model: str):
        self.model = ws.load(model)

    async def __call__(self, request: Request) -> dict[str, Any]:
        result: dict[str, Any] = await self.classify(await request.body())
        return result

    @serve.batch(max_batch_size=16, batch_wait_timeout_s=0.005)
    async def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        # `stream` keeps going after an unusable photo, whose result is a `Failed`
        results = await asyncio.to_thread(lambda: list(self.model.stream(iter(photos))))
        return [result.to_dict() for result in results]


app = Classifier.bind(os.environ.get("WARMSTART_MODEL", "efficientnet_lite0"))
