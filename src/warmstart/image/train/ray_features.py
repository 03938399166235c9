"""Features of photos, computed by the actors of a Ray cluster; see `bulk.cluster`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.bulk import cluster, shipping
from warmstart.core import inputs
from warmstart.errors import InputError
from warmstart.image.decoder import ValueRange
from warmstart.image.train.feature_extractor import Transform, Work, computed_rows

PHOTOS_PER_CALL = 64
"""Photos per call of an actor."""


class FeatureWorker:
    """The class of the actors; the arguments are the model and everything else that decides a
    vector.
    """

    def __init__(
        self,
        shipped: Any,
        views: list[str],
        transform: Transform | None,
        value_range: ValueRange | None,
        model_key: str,
        here: str,
        threads: int,
    ):
        import ray

        cluster.prepare_process(threads, here)
        model: Any = shipping.unpack(ray.get(shipped[0]))
        self.work = Work(model, views, transform, value_range, model_key)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        listed = [
            inputs.Item(str(name), bytes(data) or str(path))
            for name, path, data in zip(batch["name"], batch["path"], batch["data"], strict=True)
        ]
        result: dict[str, list[Any]] = {
            "index": [int(index) for index in batch["index"]],
            "keys": [],
            "vectors": [],
            "error": [],
        }
        for rows in computed_rows(self.work, listed, {}):
            vectors, error = ({}, str(rows)) if isinstance(rows, InputError) else (rows, "")
            result["keys"].append(b"".join(vectors))
            result["vectors"].append(
                b"".join(vector.astype("<f4").tobytes() for vector in vectors.values())
            )
            result["error"].append(error)
        return result


def compute(
    work: Work, listed: Sequence[inputs.Item]
) -> Generator[tuple[int, dict[bytes, np.ndarray] | InputError]]:
    """(index in `listed`, vectors by key or the error), in the order of completion.

    Args:
        work: of the model.
        listed: with paths, URLs or bytes as values; all their views are computed.

    Raises:
        BatchError: Ray cannot be reached, or failed.
    """
    shipped = shipping.pack(work.model, work.model.engine.name)
    rows = [
        {
            "index": index,
            "name": item.name,
            "path": "" if isinstance(item.value, bytes) else os.fsdecode(item.value),
            "data": item.value if isinstance(item.value, bytes) else b"",
        }
        for index, item in enumerate(listed)
    ]

    def arguments(reference: Any, threads: int) -> tuple[Any, ...]:
        return (
            reference,
            work.views,
            work.transform,
            work.value_range,
            work.model_key,
            os.getcwd(),
            threads,
        )

    with cluster.ray_cluster(None, shipped.size):
        results = cluster.map_rows(
            rows,
            FeatureWorker,
            arguments,
            shipped,
            workers=None,
            worker={},
            per_call=PHOTOS_PER_CALL,
        )
        with contextlib.closing(results):
            for result in results:
                columns = (result[name] for name in ("index", "keys", "vectors", "error"))
                for index, keys, vectors, error in zip(*columns, strict=True):
                    if error:
                        yield int(index), InputError(str(error), listed[int(index)].name)
                        continue
                    arrays = (
                        np.frombuffer(bytes(vectors), "<f4")
                        .astype(np.float32)
                        .reshape(-1, work.width)
                    )
                    names = [bytes(keys)[start : start + 20] for start in range(0, len(keys), 20)]
                    yield int(index), dict(zip(names, arrays, strict=True))
