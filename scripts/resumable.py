"""What the training scripts share: a learning rate that rises and falls, and fits that go on after
a kill.
"""

import json
from pathlib import Path

import keras

from warmstart.training.memory import RetainMemory


@keras.saving.register_keras_serializable("warmstart-scripts")
class Triangle(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from 0 to `peak` in `warm_up` steps, then linear to 0 at `steps`."""

    def __init__(self, peak: float, warm_up: int, steps: int):
        self.peak, self.warm_up, self.steps = peak, warm_up, steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32") + 1.0
        rise, fall = step / self.warm_up, (self.steps - step) / (self.steps - self.warm_up)
        return self.peak * keras.ops.maximum(keras.ops.minimum(rise, fall), 0.0)

    def get_config(self):
        return {"peak": self.peak, "warm_up": self.warm_up, "steps": self.steps}


def finished_epochs(work: Path) -> int:
    """How many epochs earlier runs in this folder have finished."""
    done = work / "epochs.json"
    return json.loads(done.read_text())["finished"] if done.exists() else 0


def keepers(work: Path) -> list[keras.callbacks.Callback]:
    """Callbacks that store model and optimizer, and the number of the epoch with its metrics, after
    each epoch.
    """
    return [
        RetainMemory(),
        keras.callbacks.BackupAndRestore(work / "backup", delete_checkpoint=False),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: (work / "epochs.json").write_text(
                json.dumps(
                    {"finished": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}}
                )
            )
        ),
    ]
