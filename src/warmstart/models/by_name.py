"""Loading for networks whose checkpoints name the arrays as the network does."""

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from warmstart.checkpoints import Checkpoint


def load(model: keras.Model, checkpoint: "Checkpoint", config: Any) -> None:
    """Fill the model from a checkpoint, whose arrays have the names of its variables: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    from warmstart.checkpoints import assign

    assign(model, checkpoint)
