"""Adapters find the base that they were trained on."""

import json

import numpy as np
import pytest

import warmstart as ws
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.core import adapters
from warmstart.errors import ChecksumError

NAME = "sst2_bert_tiny"


def adapter(folder, digest):
    """An adapter of one layer of the embedded text classifier."""
    config = {
        "peft_type": "LORA",
        "r": 1,
        "lora_alpha": 2,
        "base_model_name_or_path": NAME,
        adapters.DIGEST: digest,
    }
    (folder / adapters.CONFIG).write_text(json.dumps(config))
    with open_checkpoint(ws.load(NAME).weights.path) as base:
        name = next(name for name in base.names() if name.endswith("query.weight"))
        rows, columns = base.shape(name)
        before = base.read(name)
    module = name.removesuffix(".weight")
    path = folder / adapters.ADAPTER
    save_safetensors(
        path,
        {
            f"base_model.model.{module}.lora_A.weight": np.ones((1, columns), np.float32),
            f"base_model.model.{module}.lora_B.weight": np.ones((rows, 1), np.float32),
        },
    )
    return path, name, before


@pytest.mark.parametrize(
    "digest", [list(adapters.FORMER_DIGESTS)[-1], ws.load(NAME).weights.digest]
)
def test_the_base_is_found_by_its_digest_now_and_in_version_0_1(digest, tmp_path):
    path, name, before = adapter(tmp_path, digest)
    with adapters.open_merged(path) as merged:
        bare = next(known for known in merged.names() if name.endswith(known))
        np.testing.assert_allclose(merged.read(bare), before.astype(np.float32) + 2, rtol=1e-6)


def test_another_base_is_refused(tmp_path):
    path, _, _ = adapter(tmp_path, "0" * 64)
    with pytest.raises(ChecksumError, match="is an adapter of the weights with sha256 000"):
        adapters.open_merged(path)


def test_former_digests_lead_to_the_models_of_the_package():
    now = {ws.load(name).weights.digest for name in ("sst2_bert_tiny", "shakespeare_gpt2")}
    assert set(adapters.FORMER_DIGESTS.values()) == now
