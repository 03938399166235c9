"""Vision Transformers (ViT, DeiT, DINOv2): sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from warmstart.errors import UsageError
from warmstart.models.configs import Config

VIT = (
    "Dosovitskiy et al.: An Image is Worth 16x16 Words: Transformers for Image Recognition at "
    "Scale, 2020, arXiv:2010.11929"
)
DEIT = (
    "Touvron et al.: Training data-efficient image transformers & distillation through attention, "
    "2020, arXiv:2012.12877"
)
DEIT3 = "Touvron, Cord, Jégou: DeiT III: Revenge of the ViT, 2022, arXiv:2204.07118"
DINOV2 = (
    "Oquab et al.: DINOv2: Learning Robust Visual Features without Supervision, 2023, "
    "arXiv:2304.07193"
)
REGISTERS = "Darcet et al.: Vision Transformers Need Registers, 2023, arXiv:2309.16588"
POOLS = ("token", "tokens", "avg", "token_avg")
POSITIONS = ("all", "class", "none")
MLPS = ("mlp", "swiglu")
ACTIVATIONS = ("gelu", "gelu_tanh", "quick_gelu", "relu", "silu")


@dataclass(frozen=True)
class ViTConfig(Config):
    """Sizes and options of one network.

    Attributes:
        input_size: (height, width) in pixels, multiples of `patch`.
        patch: side of a patch in pixels.
        width, depth, heads, hidden: of the tokens, number of blocks, heads of an attention, and
            width inside the feed-forward part.
        classes: outputs; 0: no head.
        class_token, distillation_token: whether there is one.
        registers: further tokens that see the patches and are not used.
        positions: which tokens before the patches have a position embedding: "all", "class"
            (the class token only) or "none".
        pool: what the head takes: "token", the class token; "tokens", that and the distillation
            token, each with a head of its own, whose logits are averaged; "avg", the mean of the
            patches; "token_avg", the class token and that mean together.
        norm: whether the tokens are normalised after the last block.
        pool_norm: whether the head's input is normalised after pooling.
        norm_before: whether the tokens are normalised before the first block.
        layer_scale: whether the output of each part of a block is scaled.
        query_bias, patch_bias: whether these have a bias.
        mlp: "mlp" or "swiglu", of the feed-forward part.
        activation: of the feed-forward part.
        epsilon: of the normalisations.
        antialias: whether position embeddings are averaged if they are resized to a smaller
            grid.
    """

    input_size: tuple[int, int] = (224, 224)
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072
    classes: int = 1000
    class_token: bool = True
    distillation_token: bool = False
    registers: int = 0
    positions: str = "all"
    pool: str = "token"
    norm: bool = True
    pool_norm: bool = False
    norm_before: bool = False
    layer_scale: bool = False
    query_bias: bool = True
    patch_bias: bool = True
    mlp: str = "mlp"
    activation: str = "gelu"
    epsilon: float = 1e-6
    antialias: bool = True

    def check(self) -> None:
        for key, allowed in (
            ("pool", POOLS),
            ("positions", POSITIONS),
            ("mlp", MLPS),
            ("activation", ACTIVATIONS),
        ):
            if getattr(self, key) not in allowed:
                raise UsageError(
                    f"vit: {key} must be one of {', '.join(allowed)}, not {getattr(self, key)!r}"
                )
        if self.width % self.heads:
            raise UsageError(f"vit: width {self.width} must be divisible by heads {self.heads}")
        if self.pool.startswith("token") and not self.class_token:
            raise UsageError(f"vit: the pool {self.pool!r} needs a class token")
        if self.pool == "tokens" and not self.distillation_token:
            raise UsageError("vit: the pool 'tokens' needs a distillation token")
        rows, columns = self.grid
        if rows < 1 or columns < 1 or any(side % self.patch for side in self.input_size):
            raise UsageError(
                f"vit: the height and width {self.input_size} must be multiples of {self.patch}"
            )
        if rows != columns and math.isqrt(rows * columns) ** 2 == rows * columns:
            raise UsageError(
                f"vit: a grid of {rows} x {columns} patches cannot be distinguished from a "
                "square one in a weight file; choose another size"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Patches of an image: (rows, columns)."""
        return self.input_size[0] // self.patch, self.input_size[1] // self.patch

    @property
    def prefix(self) -> int:
        """Tokens before those of the patches."""
        return int(self.class_token) + int(self.distillation_token) + self.registers

    @property
    def embedded_prefix(self) -> int:
        """The prefix tokens that have a position embedding."""
        return {"all": self.prefix, "class": 1, "none": 0}[self.positions]

    @property
    def features(self) -> int:
        """The width of the head's input."""
        return self.width * (2 if self.pool in ("tokens", "token_avg") else 1)

    def parameters(self) -> int:
        c = self
        inner = c.hidden * (2 if c.mlp == "swiglu" else 1)
        block = 4 * c.width + 4 * c.width * c.width + c.width + 3 * c.width * c.query_bias
        block += (
            c.width * inner + inner + c.hidden * c.width + c.width + 2 * c.width * c.layer_scale
        )
        norms = c.norm + c.norm_before
        tokens = c.prefix + c.embedded_prefix + c.grid[0] * c.grid[1]
        return (
            c.depth * block
            + c.width * (3 * c.patch * c.patch + c.patch_bias + tokens + 2 * norms)
            + 2 * c.features * c.pool_norm
            + (c.width if c.pool == "tokens" else c.features)
            * c.classes
            * (1 + (c.pool == "tokens"))
            + c.classes * (1 + (c.pool == "tokens"))
        )
