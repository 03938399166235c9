"""The weights of the encoders of BERT's family, between Keras and the reference's checkpoints.

The modules of the networks have `load, arrays = weights_of(family, name)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from warmstart.checkpoints.layout import fill, layout_arrays
from warmstart.models.text.encoder_config import EncoderConfig, decoder_aliases

if TYPE_CHECKING:
    import keras
    import numpy as np

    from warmstart.checkpoints.base import Checkpoint

Config = EncoderConfig | Mapping[str, Any]
Load = Callable[["keras.Model", "Checkpoint", Config], None]
Arrays = Callable[["keras.Model", Config], "dict[str, np.ndarray]"]


def weights_of(family: ModuleType, name: str) -> tuple[Load, Arrays]:
    """The functions `load` and `arrays` of a family's network; see `warmstart.models`.

    Args:
        family: the family's module, with `LAYOUT` and `HEADS`, and `DECODER` if the decoder has
            aliases.
        name: of the architecture, for messages.
    """

    def load(model: keras.Model, checkpoint: Checkpoint, config: Config) -> None:
        """Fill the model from a checkpoint with the reference's names: all of it, or an error.

        Raises:
            MismatchError: the arrays do not fit the model.
        """
        c = EncoderConfig.of(config, name)
        rules = tuple((f"^{re.escape(alias)}$", own) for alias, own in aliases(c).items())
        layout = family.LAYOUT.with_aliases(rules)
        fill(model, checkpoint, layout, head=c.head, heads=family.HEADS)

    def arrays(model: keras.Model, config: Config) -> dict[str, np.ndarray]:
        """The weights under the reference's names; with the prefix if the model has a head."""
        c = EncoderConfig.of(config, name)
        result = layout_arrays(model, family.LAYOUT, prefixed=c.head != "base")
        if not c.tie_word_embeddings:
            result |= {alias: result[own] for alias, own in aliases(c).items() if own in result}
        return result

    def aliases(config: EncoderConfig) -> dict[str, str]:
        module = getattr(family, "DECODER", None)
        return decoder_aliases(module, config) if module else {}

    return load, arrays
