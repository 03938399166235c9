"""A small fine-tuning of a segmenter, and what a kill in its second epoch leaves behind."""

import shutil
from unittest import mock

import keras
import numpy as np

import warmstart as ws


class Copy(keras.callbacks.Callback):
    """Copies the folder of the run in the middle of the second epoch."""

    def __init__(self, run, stopped):
        super().__init__()
        self.run, self.stopped = run, stopped

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            shutil.copytree(self.run, self.stopped)


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
