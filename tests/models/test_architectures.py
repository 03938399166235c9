"""The registry of architectures, and the architecture of the embedded model."""

import subprocess
import sys

import numpy as np
import pytest

from warmstart import models
from warmstart.errors import UsageError


def test_the_registry_does_not_import_keras():
    code = "import sys, warmstart.models; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_architectures_have_build_and_load(name):
    module = models.architecture(name)
    assert callable(module.build)
    assert callable(module.load)


@pytest.mark.tensorflow
def test_cifar_resnet_from_a_config(tmp_path):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.checkpoints.naming import model_arrays
    from warmstart.checkpoints.safetensors import save_safetensors

    module = models.architecture("cifar_resnet")
    model = module.build({"depth": 20})
    trainable = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    # He et al. count 0.27 M; parameter-free shortcuts, so exactly convolutions, scales and shifts,
    # and the dense layer
    assert trainable == 269_722
    assert model.output.shape == (None, 10)
    assert module.build({"depth": 8}, classes=3, input_shape=(16, 16, 3)).output.shape == (None, 3)
    assert module.build({"depth": 8}, include_top=False).output.shape == (None, 8, 8, 64)
    save_safetensors(tmp_path / "model.safetensors", model_arrays(model))
    again = module.build({"depth": 20})
    with open_checkpoint(tmp_path / "model.safetensors") as checkpoint:
        module.load(again, checkpoint, {"depth": 20})
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(again(x), model(x))


@pytest.mark.tensorflow
def test_cifar_resnet_refuses_unknown_keys():
    with pytest.raises(UsageError, match="width"):
        models.architecture("cifar_resnet").build({"width": 3})
