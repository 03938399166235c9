"""Names of WaveNet checkpoints: our own, and those of the public TensorFlow implementation.

Source of the names: the variables that github.com/ibab/tensorflow-wavenet makes (`wavenet/model.py`), given as
`.npz` or safetensors with or without ":0". Of its kernels the 1x1 convolutions are (1, in, out).

| public | here |
|---|---|
| wavenet/causal_layer/filter | causal_kernel |
| wavenet/dilated_stack/layerN/filter, gate | stack/layerN/filter_kernel, gate_kernel |
| …/dense, skip | …/residual_kernel, skip_kernel |
| …/Variable, Variable_1, Variable_2, Variable_3 | …/filter_bias, gate_bias, residual_bias, skip_bias |
| …/gc_filter, gc_gate | …/filter_global, gate_global |
| wavenet/postprocessing/postprocess1, Variable | post1/kernel, post1/bias |
| wavenet/postprocessing/postprocess2, Variable_1 | post2/kernel, post2/bias |
| wavenet/embeddings/gc_embedding | embedding0/embeddings |

(Its biases have no names of their own in the graph. The keys of its dictionary of variables are understood too:
filter_bias, gate_bias, dense_bias, skip_bias, gc_filtweights, gc_gateweights, postprocess1_bias, postprocess2_bias.)
The last layer's `dense`, which nothing uses, is left out, and so are the averages and moments of its optimizer.
"""

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

    from warmstart.checkpoints import Checkpoint

PUBLIC = "wavenet/causal_layer/filter"
PARTS = {
    "filter": "filter_kernel", "gate": "gate_kernel", "dense": "residual_kernel", "skip": "skip_kernel",
    "filter_bias": "filter_bias", "gate_bias": "gate_bias", "dense_bias": "residual_bias", "skip_bias": "skip_bias",
    "Variable": "filter_bias", "Variable_1": "gate_bias", "Variable_2": "residual_bias", "Variable_3": "skip_bias",
    "slip_bias": "skip_bias", "gc_filter": "filter_global", "gc_gate": "gate_global",
    "gc_filtweights": "filter_global", "gc_gateweights": "gate_global",
}  # fmt: skip
FIXED = {
    "causal_layer/filter": "wavenet/causal_kernel", "embeddings/gc_embedding": "wavenet/embedding0/embeddings",
    "postprocessing/postprocess1": "wavenet/post1/kernel", "postprocessing/postprocess2": "wavenet/post2/kernel",
    "postprocessing/Variable": "wavenet/post1/bias", "postprocessing/Variable_1": "wavenet/post2/bias",
    "postprocessing/postprocess1_bias": "wavenet/post1/bias", "postprocessing/postprocess2_bias": "wavenet/post2/bias",
}  # fmt: skip
LAYER = re.compile(r"dilated_stack/layer([0-9]+)/(\w+)")
OPTIMIZER = re.compile(
    r".*/(Adam(_1)?|Momentum|RMSProp(_1)?|ExponentialMovingAverage)(:0)?|.*beta[12]_power.*|.*_step.*")


def renamed(name: str) -> str:
    """Our name of a public one; other names stay."""
    plain = name.removesuffix(":0").removeprefix("wavenet/")
    if plain in FIXED:
        return FIXED[plain]
    match = LAYER.fullmatch(plain)
    return f"wavenet/stack/layer{match[1]}/{PARTS[match[2]]}" if match and match[2] in PARTS else name


def fill(model: "keras.Model", checkpoint: "Checkpoint", layers: int) -> None:
    """Fill a model of so many layers from a checkpoint with our names or the public ones.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    from warmstart.checkpoints import assign

    names = checkpoint.names()
    if PUBLIC not in {name.removesuffix(":0") for name in names}:
        assign(model, checkpoint)
        return
    last = f"wavenet/stack/layer{layers - 1}/residual_"
    unused = [name for name in names if OPTIMIZER.fullmatch(name) or renamed(name).startswith(last)]
    assign(model, checkpoint, rename=renamed, transform=without_leading_one, ignore=unused)


def without_leading_one(name: str, array: np.ndarray) -> np.ndarray:
    """The public layout has 1x1 convolutions as (1, in, out); `name` is the variable's."""
    flat = name.endswith(("residual_kernel", "skip_kernel", "_global", "post1/kernel", "post2/kernel"))
    return array[0] if flat and array.ndim == 3 and array.shape[0] == 1 else array
