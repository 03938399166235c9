"""WaveNet as a generator, and the names of the public TensorFlow implementation's checkpoints.

Source of the names: the variables that github.com/ibab/tensorflow-wavenet makes
(`wavenet/model.py`), as `.npz` or safetensors with or without ":0". Of its kernels the 1x1
convolutions are (1, in, out).

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

(Its biases have no names of their own in the graph. The keys of its dictionary of variables are
understood too: filter_bias, gate_bias, dense_bias, skip_bias, gc_filtweights, gc_gateweights,
postprocess1_bias, postprocess2_bias.) The last layer's `dense`, which nothing uses, is left out,
and so are the averages and moments of its optimizer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from warmstart.checkpoints.layout import Layout
from warmstart.errors import UsageError
from warmstart.models.configs import Config
from warmstart.models.speech.receptive_field import receptive_field

PUBLIC = "wavenet/causal_layer/filter"
"""An array that only the public layout has."""
VARIABLES = {
    "filter": "filter_kernel",
    "gate": "gate_kernel",
    "dense": "residual_kernel",
    "skip": "skip_kernel",
    "(?:filter_bias|Variable)": "filter_bias",
    "(?:gate_bias|Variable_1)": "gate_bias",
    "(?:dense_bias|Variable_2)": "residual_bias",
    "(?:skip_bias|slip_bias|Variable_3)": "skip_bias",
    "(?:gc_filter|gc_filtweights)": "filter_global",
    "(?:gc_gate|gc_gateweights)": "gate_global",
}
"""Variables of a layer of the stack: pattern of the public name -> ours."""
OTHERS = {
    "causal_layer.filter": "causal_kernel",
    "embeddings.gc_embedding": "embedding0.embeddings",
    "postprocessing.postprocess1": "post1.kernel",
    "postprocessing.postprocess2": "post2.kernel",
    "postprocessing.(?:Variable|postprocess1_bias)": "post1.bias",
    "postprocessing.(?:Variable_1|postprocess2_bias)": "post2.bias",
}
LAYOUT = Layout(
    variables={},
    aliases=(
        (":0$", ""),
        ("/", "."),
        *(
            (rf"^wavenet\.dilated_stack\.layer(\d+)\.{name}$", rf"wavenet.stack.layer\1.{own}")
            for name, own in VARIABLES.items()
        ),
        *((rf"^wavenet\.{name}$", f"wavenet.{own}") for name, own in OTHERS.items()),
    ),
    transposed=(),
    squeezed=("*residual_kernel", "*skip_kernel", "*_global", "*post1/kernel", "*post2/kernel"),
    optional=(
        "wavenet.stack.layer*.residual_*",  # of the last layer
        "*.Adam",
        "*.Adam_1",
        "*.Momentum",
        "*.RMSProp",
        "*.RMSProp_1",
        "*.ExponentialMovingAverage",
        "*beta[12]_power*",
        "*_step*",
    ),
)


@dataclass(frozen=True)
class WaveNetConfig(Config):
    """Sizes of one network.

    Attributes:
        output: "mu_law": `levels` classes; "logistics": a mixture of `mixtures` discretised
            logistics.
        levels: of a sample: 256 for 8-bit mu-law, 65,536 for 16-bit logistics.
        mixtures: components of the mixture.
        stacks, dilations: the layers are `stacks` times `dilations`.
        filter_width: of every convolution over time.
        channels, residual, skip: of the gated units, the residual branch and the skips.
        use_bias: of the convolutions in the stack and after it.
        classes: how many there are of each thing that can be asked for, such as (10 digits, 6
            speakers).
        global_channels: of the embedding of the classes.
        frame_features: numbers a frame for local conditioning, such as 80 mel energies; 0: none.
        frame_channels: of the frame network.
        upsampling: the strides of its transposed convolutions.
        hold: samples that share one vector of the upsampled frames.
    """

    output: str = "mu_law"
    levels: int = 256
    mixtures: int = 10
    stacks: int = 2
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    filter_width: int = 2
    channels: int = 32
    residual: int = 32
    skip: int = 64
    use_bias: bool = True
    classes: tuple[int, ...] = ()
    global_channels: int = 0
    frame_features: int = 0
    frame_channels: int = 64
    upsampling: tuple[int, ...] = ()
    hold: int = 1

    @property
    def all_dilations(self) -> tuple[int, ...]:
        return tuple(self.dilations) * self.stacks

    @property
    def receptive_field(self) -> int:
        """Past samples that the distribution of one sample depends on."""
        return receptive_field(self.filter_width, self.all_dilations) + self.filter_width - 1

    @property
    def frame_hop(self) -> int:
        """Samples of one frame."""
        return self.hold * math.prod(self.upsampling)

    @property
    def outputs(self) -> int:
        return self.levels if self.output == "mu_law" else 3 * self.mixtures

    def check(self) -> None:
        sizes = (
            self.stacks,
            self.channels,
            self.residual,
            self.skip,
            self.mixtures,
            self.frame_channels,
            self.hold,
            *self.dilations,
            *self.classes,
            *self.upsampling,
        )
        if not self.dilations or any(not isinstance(n, int) or not 1 <= n <= 65536 for n in sizes):
            raise UsageError("wavenet: every size and dilation must be a whole number of 1 or more")
        if self.output not in ("mu_law", "logistics"):
            raise UsageError(
                f"wavenet: output must be 'mu_law' or 'logistics', not {self.output!r}"
            )
        if not 2 <= self.filter_width <= 64 or not 2 <= self.levels <= 65536:
            raise UsageError("wavenet: filter_width must be 2 to 64, levels 2 to 65,536")
        if self.classes and self.global_channels < 1:
            raise UsageError("wavenet: classes need global_channels of 1 or more")
