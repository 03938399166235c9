"""SegFormer: a hierarchical transformer without positional embeddings, and a decoder of linear layers.

Source: Xie, Wang, Yu, Anandkumar, Alvarez, Luo, "SegFormer: Simple and Efficient Design for Semantic Segmentation
with Transformers" (2021), arXiv:2105.15203, section 3 and table 6; the checkpoint layout is that of transformers'
SegformerForSemanticSegmentation.

| size | depths     | widths            | decoder | parameters (150 classes) |
|------|------------|-------------------|--------:|-------------------------:|
| b0   | 2 2 2 2    | 32 64 160 256     |     256 |                3,752,694 |
| b1   | 2 2 2 2    | 64 128 320 512    |     256 |               13,715,798 |
| b2   | 3 4 6 3    | 64 128 320 512    |     768 |               27,461,974 |
| b3   | 3 4 18 3   | 64 128 320 512    |     768 |               47,337,814 |
| b4   | 3 8 27 3   | 64 128 320 512    |     768 |               64,108,374 |
| b5   | 3 6 40 3   | 64 128 320 512    |     768 |               84,708,694 |
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import keras
from keras import layers, ops

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill, patterns_of_absent
from warmstart.models.image.builder import image_builder
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.convolution import padded
from warmstart.models.image.segformer import family, presets
from warmstart.models.image.segformer.family import SegformerConfig
from warmstart.models.image.segformer.presets import GELU_TANH

NORM_EPSILON = (
    1e-5  # of the reference's layers; the `layer_norm_eps` of its config is not used there
)
ENCODER, HEAD = "segformer.encoder", "decode_head"


@image_builder("segformer", SegformerConfig.of, known_size=True)
def build(images: Any, c: SegformerConfig, include_top: bool, pooling: str | None) -> Any:
    """Build the network.

    Args:
        config: its sizes.
        include_top: whether the decoder is part of it.
        input_shape: (H, W, 3), known numbers; default: the config's.
        pooling: without the top: `None` (the last map (B, H/32, W/32, C)), `"avg"` or `"max"`.
        classes: outputs; default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), standardised as ImageNet's, to logits (B, H/4,
        W/4, classes), or to features.

    Raises:
        UsageError: the config is not possible, or the height or width is unknown.
    """
    x, maps = images, []
    for stage in range(len(c.depths)):
        x = _stage(x, c, stage)
        maps.append(x)
    return _decode_head(maps, c) if include_top else pooled_top(x, pooling)


def _linear(x: Any, width: int, name: str) -> Any:
    return layers.Dense(width, name=name)(x)


def _norm(x: Any, name: str, epsilon: float = NORM_EPSILON) -> Any:
    return layers.LayerNormalization(epsilon=epsilon, name=name)(x)


def _stage(x: Any, c: SegformerConfig, stage: int) -> Any:
    """(B, H, W, C) -> (B, H / stride, W / stride, hidden size)."""
    width, patch = c.hidden_sizes[stage], c.patch_sizes[stage]
    name = f"{ENCODER}.patch_embeddings.{stage}"
    x = layers.Conv2D(width, patch, c.strides[stage], name=f"{name}.proj")(
        padded(x, (patch // 2, patch // 2))
    )
    x = _norm(x, f"{name}.layer_norm")
    for block in range(c.depths[stage]):
        name = f"{ENCODER}.block.{stage}.{block}"
        y = _norm(x, f"{name}.layer_norm_1", c.block_epsilon)
        x = layers.Add()([x, _attention(y, c, stage, f"{name}.attention")])
        y = _norm(x, f"{name}.layer_norm_2", c.block_epsilon)
        x = layers.Add()([x, _mix_ffn(y, c, stage, f"{name}.mlp")])
    return _norm(x, f"{ENCODER}.layer_norm.{stage}")


def _attention(x: Any, c: SegformerConfig, stage: int, name: str) -> Any:
    """Self-attention whose keys and values come from a map `sr_ratio` times smaller; x: (B, H, W,
    C).
    """
    _, height, width, channels = x.shape
    heads, ratio = c.num_attention_heads[stage], c.sr_ratios[stage]
    size = channels // heads

    def split(t: Any, length: int) -> Any:  # (B, length, C) -> (B, heads, length, size)
        return ops.transpose(ops.reshape(t, (-1, length, heads, size)), (0, 2, 1, 3))

    source, length = x, height * width
    if ratio > 1:
        source = layers.Conv2D(channels, ratio, ratio, name=f"{name}.self.sr")(x)
        source = _norm(source, f"{name}.self.layer_norm")
        length = source.shape[1] * source.shape[2]
    query = split(_linear(x, channels, f"{name}.self.query") * size**-0.5, height * width)
    key = split(_linear(source, channels, f"{name}.self.key"), length)
    value = split(_linear(source, channels, f"{name}.self.value"), length)
    weights = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))))
    mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))  # (B, HW, heads, size)
    return _linear(
        ops.reshape(mixed, (-1, height, width, channels)), channels, f"{name}.output.dense"
    )


def _mix_ffn(x: Any, c: SegformerConfig, stage: int, name: str) -> Any:
    """Two linear layers with a depthwise 3x3 convolution between, which encodes positions by its
    zero padding.
    """
    channels = x.shape[-1]
    y = _linear(x, channels * c.mlp_ratios[stage], f"{name}.dense1")
    y = layers.DepthwiseConv2D(3, padding="same", name=f"{name}.dwconv.dwconv")(y)
    if c.hidden_act.startswith("gelu"):
        y = keras.activations.gelu(y, approximate=c.hidden_act == GELU_TANH)
    else:
        y = layers.Activation(c.hidden_act)(y)
    return _linear(y, channels, f"{name}.dense2")


def _decode_head(maps: list[Any], c: SegformerConfig) -> Any:
    """All maps to one width and to the size of the first; a 1x1 convolution fuses them."""
    height, width = maps[0].shape[1:3]
    levels = []
    for stage, x in enumerate(maps):
        x = _linear(x, c.decoder_hidden_size, f"{HEAD}.linear_c.{stage}.proj")
        levels.append(
            ops.image.resize(x, (height, width), interpolation="bilinear") if stage else x
        )
    x = ops.concatenate(levels[::-1], axis=-1)
    x = layers.Conv2D(c.decoder_hidden_size, 1, use_bias=False, name=f"{HEAD}.linear_fuse")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{HEAD}.batch_norm")(x)
    x = layers.Dropout(c.dropout, seed=0)(layers.ReLU()(x))
    return layers.Conv2D(c.classes, 1, dtype="float32", name=f"{HEAD}.classifier")(x)


def feature_map(model: keras.Model) -> keras.KerasTensor:
    """The last map of the encoder, (B, H/32, W/32, C)."""
    stages = [layer for layer in model.layers if layer.name.startswith(f"{ENCODER}.layer_norm.")]
    return stages[-1].output


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint in Hugging Face layout, or from a preset of KerasHub: all of
    it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    depths = SegformerConfig.of(config).depths
    layout = replace(family.LAYOUT, keras_hub=partial(presets.arrays, depths=depths))
    fill(model, checkpoint, layout, ignore=patterns_of_absent(model, HEAD))


arrays = arrays_of(family.LAYOUT)
"""The weights in Hugging Face layout, as transformers reads them."""
