"""What the list of models says of a model."""

import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.serve import card


@pytest.mark.parametrize(
    ("name", "has_photos"),
    [("efficientnet_lite0", True), (CIFAR, True), ("bccd_fcos", False), ("leaf_deeplabv3", False)],
)
def test_examples_suit_the_model(name, has_photos):
    model = ws.load(name)
    assert bool(card.examples(model, model.input_kind)) == has_photos


def test_how_a_program_loads_the_model(client):
    models = {one["id"]: one for one in client.get("/v1/models").json["data"]}
    assert models["shakespeare_gpt2"]["source"] == "shakespeare_gpt2"
    assert models["cifar10_resnet20"]["source"] == "path/of/cifar10_resnet20"
    assert models["shakespeare_gpt2"]["context"] == 256


def test_the_memory_of_weights_of_8_bits():
    from warmstart.serve.app import create_app

    app = create_app({"lite": ws.load("efficientnet_lite0", engine="litert")})
    state = app.state.warmstart
    about = card.description(state.registry["lite"], state.settings)
    state.registry.close(5)
    assert 4e6 < about["bytes"] < 8e6  # and not four bytes for each of 4.7 million numbers
