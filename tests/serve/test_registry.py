"""A served model under load is two: side by side, each with half of the processors."""

import threading

import numpy as np
import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.serve.registry import ServedModel, halves
from warmstart.serve.settings import Settings
from warmstart.serve.signatures import forward


@pytest.fixture
def served():
    found = ServedModel("net", ws.load(CIFAR, engine="litert"), Settings())
    yield found
    found.batcher.close()
    assert found.batcher.join(20)


def test_two_photos_at_once_meet_two_engines(served, monkeypatch):
    if len(served._halves) < 2:
        pytest.skip("this machine has one processor")
    used, both = [], threading.Barrier(2, timeout=20)
    for place, half in enumerate(served._halves):
        run = half.engine.run

        def held(function, place=place, run=run, **arrays):
            used.append(place)
            both.wait()  # nobody goes on before the other is there
            return run(function, **arrays)

        monkeypatch.setattr(half.engine, "run", held)
    monkeypatch.setattr(
        type(served.batcher), "running", 2
    )  # as it is a moment after the first was taken
    row = {"images": np.zeros((32, 32, 3), np.float32)}
    futures = [served.batcher.submit((forward, batch), [row])[0] for batch in ("one", "another")]
    first, second = (future.result(20).value for future in futures)
    assert sorted(used) == [0, 1]
    whole = served.model.engine.run("forward", images=row["images"][None])
    for answer in (first, second):
        np.testing.assert_allclose(answer["probabilities"], whole["probabilities"][0], atol=1e-6)


def test_a_lone_photo_has_all_processors(served):
    assert served.current_model is served.model


@pytest.mark.parametrize("name", ["shakespeare_gpt2", "deepar"])
def test_what_goes_one_at_a_time_is_not_halved(name):
    model = ws.load(name, engine="litert")
    assert halves(model) == (model,)
