"""Features of photos computed by the actors of a Ray cluster; see `bulk.cluster` for who is sent
what.
"""

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

A_CALL = 64
"""Photos that an actor gets at a time."""


class FeatureWorker:
    """What an actor does; made from the model as it was shipped, and what decides a vector besides
    it.
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

        cluster.settle(threads, here)
        model: Any = shipping.unpack(ray.get(shipped[0]))
        self.work = Work(model, views, transform, value_range, model_key)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        listed = [
            inputs.Item(str(name), bytes(data) or str(path))
            for name, path, data in zip(batch["name"], batch["path"], batch["data"], strict=True)
        ]
        answer: dict[str, list[Any]] = {
            "index": [int(index) for index in batch["index"]],
            "keys": [],
            "vectors": [],
            "error": [],
        }
        for rows in computed_rows(self.work, listed, {}):
            vectors, error = ({}, str(rows)) if isinstance(rows, InputError) else (rows, "")
            answer["keys"].append(b"".join(vectors))
            answer["vectors"].append(
                b"".join(vector.astype("<f4").tobytes() for vector in vectors.values())
            )
            answer["error"].append(error)
        return answer


def compute(
    work: Work, listed: Sequence[inputs.Item]
) -> Generator[tuple[int, dict[bytes, np.ndarray] | InputError]]:
    """(index in `listed`, its vectors by key or what is wrong), in whatever order they are done.

    Args:
        work: of the model.
        listed: whose values are paths, URLs or bytes; all their views are computed.

    Raises:
        BatchError: Ray cannot be reached, or gave up.
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

    with cluster.connected(None, shipped.size):
        answers = cluster.mapped(
            rows, FeatureWorker, arguments, shipped, workers=None, worker={}, per_call=A_CALL
        )
        with contextlib.closing(answers):
            for answer in answers:
                columns = (answer[name] for name in ("index", "keys", "vectors", "error"))
                for index, keys, vectors, error in zip(*columns, strict=True):
                    if error:
                        yield int(index), InputError(str(error), listed[int(index)].name)
                        continue
                    made = (
                        np.frombuffer(bytes(vectors), "<f4")
                        .astype(np.float32)
                        .reshape(-1, work.width)
                    )
                    names = [bytes(keys)[start : start + 20] for start in range(0, len(keys), 20)]
                    yield int(index), dict(zip(names, made, strict=True))
