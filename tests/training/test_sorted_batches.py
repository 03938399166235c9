"""Batches of varying length, as Keras sees them."""

import keras
import numpy as np
import pytest

from warmstart.speech.spectrum import Features
from warmstart.speech.train.batches import Clip, SpeechBatches
from warmstart.training.fit import fit
from warmstart.training.sorted_batches import SortedBatches


class Lengths(SortedBatches):
    """x (B, L) of ones, y (B,); the longest text of a batch gives L."""

    seen: list[tuple[int, int, int]]

    def padded(self, epoch, index, more):
        places = self.indices(epoch, index)
        length = int(self.lengths[places].max()) + more
        self.seen = [*getattr(self, "seen", []), (epoch, index, more)]
        return np.ones((len(places), length), np.float32), np.ones(len(places), np.float32)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_two_batches_may_have_one_length(workers):
    """Keras would take their length for that of all."""
    data = Lengths([4, 4, 4, 4, 4, 4, 9, 9], batch_size=2, shuffle=False)
    held = Lengths([3, 3, 3, 3, 5], batch_size=2, shuffle=False)
    model = keras.Sequential(
        [
            keras.Input((None,)),
            keras.layers.Reshape((-1, 1)),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    fitted = fit(model, data, epochs=2, validation=held, keep_start=True, workers=workers)
    assert len(fitted.history) == 3
    for batches in (data, held):  # what Keras trains on and measures is never the longer one
        longer = [call for call in batches.seen if call[2]]
        assert longer
        assert all(index == 0 for _, index, _ in longer)
        assert len(longer) <= 2
    whole = [
        {index for other, index, _ in data.seen if other == epoch}
        for epoch in {call[0] for call in data.seen}
    ]
    assert whole.count({0, 1, 2, 3}) == 2


def test_the_only_batch_of_recordings_is_as_long_in_every_epoch():
    """Though they are heard at another speed in each."""
    random = np.random.default_rng(0)
    clips = [
        Clip(
            (random.normal(0, 0.1, count).astype(np.float32), 8000),
            "",
            "a",
            np.array([1], np.int32),
            count,
            "",
        )
        for count in (9000, 13000, 24000)
    ]
    features = Features(sample_rate=8000, kind="mfcc", n_fft=256, hop=100, mels=40, coefficients=20)
    data = SpeechBatches(clips, features, 0.1, batch_size=4, augment=True)
    shapes = {tuple(part.shape for part in data.batch(epoch, 0)) for epoch in range(20)}
    assert len(shapes) == 1


def test_things_of_similar_length_go_together():
    lengths = np.random.default_rng(0).integers(1, 100, 640)
    data = Lengths(lengths, batch_size=8, seed=3)
    spread = [np.ptp(lengths[data.indices(0, index)]) for index in range(len(data))]
    assert np.mean(spread) < 6
    assert sorted(np.concatenate([data.indices(1, index) for index in range(len(data))])) == list(
        range(640)
    )
    assert any((data.indices(0, 0) != data.indices(1, 0)).tolist())
