"""Run examples/ray_serve.py on Ray Serve, and compare its answers with those of the model.

pip install . 'ray[serve]'
python scripts/check_ray_serve.py
"""

import json
import os
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ray
from ray import serve

import warmstart as ws

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
REQUESTS = 20


def answer(body: bytes) -> dict[str, object]:
    """What the deployment answers to a photo."""
    request = urllib.request.Request("http://127.0.0.1:8000/", body)
    result: dict[str, object] = json.load(urllib.request.urlopen(request))
    return result


def main() -> int:
    sys.path.insert(0, str(ROOT))
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, address="local")
    try:
        from examples.ray_serve import app

        serve.run(app)
        photo = PHOTO.read_bytes()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(answer, [photo] * REQUESTS))
        failed = answer(b"not a photo")
        expected = ws.load("efficientnet_lite0")(photo).to_dict()
        right = sum(answer["predictions"] == expected["predictions"] for answer in answers)
        print(f"{right} of {REQUESTS} answers are those of the model; {failed['error']}")
        return int(right < REQUESTS)
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
