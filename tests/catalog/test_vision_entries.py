"""The catalogue's segmenters and detectors against the networks and readers they name."""

from pathlib import Path

import pytest

from warmstart import catalog
from warmstart.models import repository

GOLDEN = Path(__file__).parents[1] / "golden" / "vision"
ENTRIES = [e for e in catalog.search() if e.task in ("object-detection", "image-segmentation")]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_entries_hold_together(entry):
    assert entry.preprocessing.resize in ("squash", "pad"), (
        "a crop would leave the sides without an answer"
    )
    assert len(catalog.labels(entry.labels)) == entry.config["classes"]
    assert tuple(entry.config["input_size"]) == entry.preprocessing.size
    assert entry.metrics
    assert all(0 < metric.value < 1 and metric.source for metric in entry.metrics)


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("dfine_nano", "dfine_a"),
        ("segformer_b0", "segformer_a"),
        ("deeplabv3_mobilenet_v2", "deeplabv3_a"),
    ],
)
def test_configs_have_the_keys_that_repositories_give(name, golden):
    read, _ = repository.read(GOLDEN / golden)
    entry = catalog.get(name)
    assert entry.architecture == read.architecture
    assert set(entry.config) <= set(read.config)
    if name == "dfine_nano":
        assert set(read.config) - set(entry.config) == {"eval_size"}
        assert set(read.config["backbone_config"]) == set(entry.config["backbone_config"])


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["segformer_b0"])
def test_parameters(name):
    from warmstart.models import architecture

    entry = catalog.get(name)
    assert architecture(entry.architecture).build(entry.config).count_params() == entry.parameters


def test_random_weights_need_no_network(monkeypatch):
    import warmstart as ws

    monkeypatch.setenv("WARMSTART_OFFLINE", "1")
    assert len(ws.load("dfine_nano", weights=None).labels) == 80
    with pytest.warns(UserWarning, match="not for commercial use"):
        assert ws.load("segformer_b0", weights=None).weights.path is None
    with (
        pytest.warns(UserWarning, match="not for commercial use"),
        pytest.raises(ws.errors.OfflineError),
    ):
        ws.load("segformer_b1")
