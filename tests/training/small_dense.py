"""A small fine-tuning of a segmenter, for this process and for one that is killed in the second epoch.

`python small_dense.py DATA OUTPUT` is the killed one.
"""

import os
import signal
import sys
from unittest import mock

import keras
import numpy as np

import warmstart as ws


class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            os.kill(os.getpid(), signal.SIGKILL)


def train(data, output, **options):
    """The epochs and the last figures; the bundle is left out."""
    told = {}

    def finish(run, network, entry, labels, *, fits, **others):
        told.update(history=fits["network"].history, best=fits["network"].best, figures=others["told"]["figures"],
                    weights=[float(np.abs(w).sum()) for w in network.get_weights()])

    with mock.patch("warmstart.training.result.finish", finish):
        ws.finetune(ws.load("mobilenet_0.25_128", weights=None), data, task="image-segmentation", validation=0.2,
                    epochs=3, image_size=(64, 64), batch_size=4, width=8, labels=["ground", "dark", "bright"],
                    output=output, verbose=False, **options)
    told["history"] = [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in told["history"]]
    return told


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2], callbacks=[Kill()])
