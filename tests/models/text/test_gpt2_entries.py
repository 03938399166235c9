"""The catalogue's GPT-2s: the published sizes are those of the network that is built."""

import pytest

from warmstart import catalog
from warmstart.models.text.gpt2.family import parameters

PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2_medium": 354_823_168,
    "gpt2_large": 774_030_080,
    "gpt2_xl": 1_557_611_200,
    "distilgpt2": 81_912_576,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters(name):
    entry = catalog.get(name)
    assert (
        entry.parameters
        == parameters({"vocab_size": 50257, "n_positions": 1024, **entry.config})
        == PUBLISHED[name]
    )
    assert (entry.task, entry.weights["repo"].layout) == ("text-generation", "huggingface")
    assert entry.metrics[0].name == "perplexity"
