"""A small training run, for this process and for one that is disturbed: disk full after the second
epoch, killed in the fourth. `python small_run.py OUTPUT` is the disturbed one."""

import os
import resource
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

from warmstart.errors import TrainingError
from warmstart.training.batches import ArrayBatches
from warmstart.training.fit import fit, seeded
from warmstart.training.run import open_run
from warmstart.training.schedules import warmup_cosine

# as in conftest.py: optimised graphs round in another way
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
x = np.random.default_rng(1).normal(size=(90, 6)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0).astype("int64")


def train(output, **options):
    with seeded(7):
        net = keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.Dense(16, "relu"),
                keras.layers.Dropout(0.3),
                keras.layers.BatchNormalization(),
                keras.layers.Dense(2, "softmax"),
            ]
        )
    net.compile(
        keras.optimizers.Adam(warmup_cosine(0.05, 48)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    data, others = (
        ArrayBatches(x[:60], y[:60], batch_size=8),
        ArrayBatches(x[60:], y[60:], shuffle=False),
    )
    with open_run(output, {"seed": 7}) as run:
        told = fit(
            net, data, epochs=6, validation=others, monitor="val_accuracy", run=run, **options
        )
    history = [
        {key: value for key, value in record.items() if key != "seconds"} for record in told.history
    ]
    return {
        "history": history,
        "best": told.best,
        "weights": [float(np.abs(w).sum()) for w in net.get_weights()],
    }


class Disturb(keras.callbacks.Callback):
    def __init__(self, full: bool):
        super().__init__()
        self.full = full

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if epoch == 2 and self.full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (3, 4):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(
        signal.SIGXFSZ, signal.SIG_IGN
    )  # writing beyond the limit is an OSError then, as on a full disk
    try:
        train(sys.argv[1], callbacks=[Disturb(full=True)])
    except TrainingError as error:
        print(error, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    train(sys.argv[1], callbacks=[Disturb(full=False)])
