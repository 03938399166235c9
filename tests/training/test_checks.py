"""Options that cannot work are refused before any data is read."""

import keras
import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.errors import UsageError

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("image-classification", {"optimizer": "adamm"}, "Keras has no optimizer called 'adamm'"),
        ("image-classification", {"optimizer": 3}, "optimizer: 3 is not a Keras optimizer"),
        ("image-classification", {"loss": "mse2"}, "Keras has no loss called 'mse2'"),
        ("image-classification", {"metrics": [3]}, "metrics: 3 is not a Keras metric"),
        ("image-classification", {"callbacks": [print]}, "is not a keras.callbacks.Callback"),
        ("image-classification", {"callbacks": keras.callbacks.History()}, "callbacks must be"),
        ("image-classification", {"augment": "strong"}, "or a function .*, not 'strong'"),
        ("object-detection", {"augment": 0.5}, "or a .*Variation, not 0.5"),
        ("object-detection", {"augment": print}, "or a .*Variation, not "),
        ("image-segmentation", {"freeze": -1}, "freeze is a number of first blocks"),
    ],
)
def test_options_are_checked_first(tmp_path, task, options, words):
    with pytest.raises(UsageError, match=words):
        ws.finetune(CIFAR, tmp_path, task=task, **options)  # an empty folder
