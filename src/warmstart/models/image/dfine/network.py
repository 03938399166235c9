"""D-FINE: a detection transformer that refines a distribution over each side of a box; no
suppression is needed.

Source: Peng, Li, Wu, Zhang, Sun, Wu, "D-FINE: Redefine Regression Task in DETRs as Fine-grained
Distribution Refinement" (2024), arXiv:2410.13842; the hybrid encoder is RT-DETR's (Zhao et al.
2023, arXiv:2304.08069). The checkpoint layout is that of transformers' DFineForObjectDetection.
`build` makes the network for predicting; `build_training` adds the heads of the layers before the
last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill
from warmstart.errors import UsageError
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.convolution import convolution
from warmstart.models.image.dfine import family
from warmstart.models.image.dfine.decoder import (
    GatherRows,
    Memory,
    Stage,
    class_head,
    decode,
    mlp,
    norm,
    self_attention,
)
from warmstart.models.image.dfine.hgnet_v2 import backbone

ANCHOR_SIDE, ANCHOR_MARGIN = (
    0.05,
    1e-2,
)  # side of the smallest anchors; how far inside the picture all sides must be
MOST_LAYERS = 64


def build(
    config: Mapping[str, Any],
    *,
    include_top: bool = True,
    input_shape: tuple[int, int, int] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
) -> keras.Model:
    """Build the network.

    Args:
        config: keys of the reference's config that decide the numbers, `classes` and `input_size`
            (H, W).
        include_top: whether the encoder and decoder are part of it.
        input_shape: (H, W, 3), known multiples of 32; default: the config's.
        pooling: without the top: `None` (the backbone's last map (B, H/32, W/32, C)), `"avg"` or
            `"max"`.
        classes: outputs; default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3) in 0..1 to `{"logits": (B, queries, classes), "pred_boxes":
        (B, queries, 4), "anchors": (B, queries)}`: boxes are centre x, centre y, width, height in
        shares of the picture; anchors are the indices on the feature maps that the queries come
        from.

    Raises:
        UsageError: the height or width is unknown, or not a multiple of 32.
    """
    c = dict(config) if classes is None else {**config, "classes": classes}
    shape = input_shape or (*c["input_size"], 3)
    if None in shape or shape[0] % 32 or shape[1] % 32:
        raise UsageError(f"dfine needs a known height and width, multiples of 32, not {shape[:2]}")
    images = keras.Input(shape, name="images")
    maps = _backbone(images, c)
    if not include_top:
        return keras.Model(images, pooled_top(maps[-1], pooling), name="dfine")
    memory = _memory(maps, c)
    queries, references, anchors, _ = _select_queries(memory, c)
    last = decode(queries, references, memory, c)[-1]
    return _network(images, last, anchors)


def build_training(config: Mapping[str, Any]) -> tuple[keras.Model, keras.Model]:
    """The network of `build`, and one that shares its layers and returns what the losses take.

    Returns:
        The network; and a model from the same photos to a list of dicts with the fields of a
        `Stage`: for the queries that the encoder selects, the first boxes, and each layer of the
        decoder.
    """
    c = dict(config)
    images = keras.Input((*c["input_size"], 3), name="images")
    memory = _memory(_backbone(images, c), c)
    queries, references, anchors, selected = _select_queries(memory, c)
    detached = (ops.stop_gradient(queries), ops.stop_gradient(references))
    stages = decode(*detached, memory, c, training=True)
    outputs = [
        {key: value for key, value in vars(stage).items() if value is not None}
        for stage in (selected, *stages)
    ]
    return _network(images, stages[-1], anchors), keras.Model(images, outputs, name="training")


def _network(images: Any, stage: Stage, anchors: Any) -> keras.Model:
    outputs = {"logits": stage.logits, "pred_boxes": stage.boxes, "anchors": anchors}
    return keras.Model(images, outputs, name="dfine")


def _backbone(images: Any, c: Mapping[str, Any]) -> list[Any]:
    maps = backbone(images, c["backbone_config"], "model.backbone.model")
    return [*maps[:-1], layers.Identity(name="backbone_features")(maps[-1])]


def _memory(maps: list[Any], c: Mapping[str, Any]) -> Memory:
    """The maps of the backbone after the hybrid encoder, as the decoder takes them."""
    maps = _hybrid_encoder(
        [
            _projection(x, c["encoder_hidden_dim"], f"model.encoder_input_proj.{level}")
            for level, x in enumerate(maps)
        ],
        c,
    )
    if c["d_model"] != c["decoder_in_channels"][-1]:
        maps = [
            _projection(x, c["d_model"], f"model.decoder_input_proj.{level}")
            for level, x in enumerate(maps)
        ]
    return Memory(
        ops.concatenate(
            [ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3])) for x in maps], axis=1
        ),
        [tuple(x.shape[1:3]) for x in maps],
    )


def _projection(x: Any, width: int, name: str) -> Any:
    x = convolution(x, width, 1, f"{name}.0")
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}.1")(x)


def _conv_norm(
    x: Any,
    c: Mapping[str, Any],
    filters: int | None,
    size: int,
    name: str,
    *,
    stride: int = 1,
    activation: str | None = None,
) -> Any:
    x = convolution(x, filters, size, f"{name}.conv", stride=stride)
    x = layers.BatchNormalization(epsilon=c["batch_norm_eps"], momentum=0.9, name=f"{name}.norm")(x)
    return x if activation is None else layers.Activation(activation)(x)


def _hybrid_encoder(maps: list[Any], c: Mapping[str, Any]) -> list[Any]:
    """Attention on the smallest map; then features go from small maps to large ones, and back."""
    width, name = c["encoder_hidden_dim"], "model.encoder"
    for index, level in enumerate(c["encode_proj_layers"]):
        for layer in range(c["encoder_layers"]):
            maps[level] = _attention_layer(maps[level], c, f"{name}.encoder.{index}.layers.{layer}")
    down = [maps[-1]]  # the finest last
    for step in range(len(maps) - 1):
        down[-1] = _conv_norm(down[-1], c, width, 1, f"{name}.lateral_convs.{step}")
        larger = layers.UpSampling2D(2, interpolation="nearest")(down[-1])
        joined = ops.concatenate([larger, maps[len(maps) - 2 - step]], axis=-1)
        down.append(_aggregation(joined, c, f"{name}.fpn_blocks.{step}"))
    down.reverse()
    up = [down[0]]
    for step in range(len(maps) - 1):
        part = f"{name}.downsample_convs.{step}"
        smaller = _conv_norm(up[-1], c, width, 1, f"{part}.conv1")
        smaller = _conv_norm(smaller, c, None, 3, f"{part}.conv2", stride=2)
        joined = ops.concatenate([smaller, down[step + 1]], axis=-1)
        up.append(_aggregation(joined, c, f"{name}.pan_blocks.{step}"))
    return up


def _attention_layer(x: Any, c: Mapping[str, Any], name: str) -> Any:
    """One transformer layer over all pixels of a map; positions are added to queries and keys."""
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height * width, channels))
    position = None
    if c.get("eval_size") is None:
        position = ops.convert_to_tensor(
            sine_positions(height, width, channels, c["positional_encoding_temperature"])
        )
    y = self_attention(x, position, c["encoder_attention_heads"], f"{name}.self_attn")
    x = norm(layers.Add()([x, y]), c, f"{name}.self_attn_layer_norm")
    y = layers.Dense(c["encoder_ffn_dim"], name=f"{name}.fc1")(x)
    act = c["encoder_activation_function"]
    y = keras.activations.gelu(y, approximate=False) if act == "gelu" else layers.Activation(act)(y)
    y = layers.Dense(channels, name=f"{name}.fc2")(y)
    x = norm(layers.Add()([x, y]), c, f"{name}.final_layer_norm")
    return ops.reshape(x, (-1, height, width, channels))


def sine_positions(height: int, width: int, channels: int, temperature: float) -> np.ndarray:
    """Sines and cosines of row and column, (1, height * width, channels) float32."""
    omega = 1.0 / temperature ** (np.arange(channels // 4) / (channels // 4))
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    waves = [
        function(np.outer(axis.ravel(), omega))
        for axis in (rows, columns)
        for function in (np.sin, np.cos)
    ]
    return np.concatenate(waves, axis=1)[None].astype(np.float32)


def _aggregation(x: Any, c: Mapping[str, Any], name: str) -> Any:
    """RepNCSPELAN4: half of the channels pass two rows of residual blocks, everything is joined."""
    width, act = c["encoder_hidden_dim"], "silu"
    inner = round(c["hidden_expansion"] * width // 2)
    x = _conv_norm(x, c, 2 * width, 1, f"{name}.conv1", activation=act)
    parts = [x[..., :width], x[..., width:]]
    for number in (1, 2):
        y = _csp(parts[-1], c, inner, f"{name}.csp_rep{number}")
        parts.append(_conv_norm(y, c, inner, 3, f"{name}.conv{number + 1}", activation=act))
    return _conv_norm(ops.concatenate(parts, axis=-1), c, width, 1, f"{name}.conv4", activation=act)


def _csp(x: Any, c: Mapping[str, Any], width: int, name: str) -> Any:
    act = c["activation_function"]
    y = _conv_norm(x, c, width, 1, f"{name}.conv1", activation=act)
    for block in range(round(3 * c["depth_mult"])):
        part = f"{name}.bottlenecks.{block}"
        y = layers.Add()(
            [
                _conv_norm(y, c, width, 3, f"{part}.conv1"),
                _conv_norm(y, c, width, 1, f"{part}.conv2"),
            ]
        )
        y = layers.Activation(act)(y)
    return layers.Add()([y, _conv_norm(x, c, width, 1, f"{name}.conv2", activation=act)])


def _select_queries(memory: Memory, c: Mapping[str, Any]) -> tuple[Any, Any, Any, Stage]:
    """Select the pixels of the maps with the best class scores.

    Returns:
        Their features, the logits of a first box for each, their indices, and their scores and
        boxes.
    """
    anchors, valid = _anchors(memory.shapes)
    x = layers.Dense(c["d_model"], name="model.enc_output.0")(
        memory.values * ops.convert_to_tensor(valid)
    )
    x = norm(x, c, "model.enc_output.1")
    head = class_head(c["classes"], "model.enc_score_head")
    scores = ops.max(head(x), axis=-1)
    indices = ops.top_k(scores, min(c["num_queries"], anchors.shape[1]))[1]
    indices = ops.cast(indices, "int32")
    queries = GatherRows()([x, indices])
    anchor = ops.take(ops.convert_to_tensor(anchors[0]), indices, axis=0)
    boxes = mlp(queries, (c["d_model"], c["d_model"], 4), "model.enc_bbox_head", last="zeros")
    boxes = boxes + anchor
    return queries, boxes, indices, Stage(head(queries), ops.sigmoid(boxes))


def _anchors(shapes: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """One square box a pixel of each map, as logits of (x, y, width, height), and which of them
    count.
    """
    boxes = []
    for level, (height, width) in enumerate(shapes):
        y, x = np.meshgrid(
            np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32), indexing="ij"
        )
        centre = np.stack([(x + 0.5) / width, (y + 0.5) / height], -1).reshape(-1, 2)
        boxes.append(np.concatenate([centre, np.full_like(centre, ANCHOR_SIDE * 2.0**level)], -1))
    anchors = np.concatenate(boxes)[None].astype(np.float32)
    valid = ((anchors > ANCHOR_MARGIN) & (anchors < 1 - ANCHOR_MARGIN)).all(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(anchors / (1 - anchors))
    return np.where(valid, logits, np.finfo(np.float32).max).astype(np.float32), np.asarray(
        valid, np.float32
    )


def detections(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Scores (B, queries, classes) 0 to 1, and boxes (B, queries, 4) as xmin, ymin, xmax, ymax in
    shares.

    Queries come in the order of their anchors, not of their first scores: near ties, which engines
    round differently, then do not swap rows.
    """
    logits, boxes, anchors = (model.output[key] for key in ("logits", "pred_boxes", "anchors"))
    order = ops.cast(ops.top_k(-anchors, anchors.shape[1])[1], "int32")
    logits, boxes = GatherRows()([logits, order]), GatherRows()([boxes, order])
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return {
        "scores": ops.sigmoid(logits),
        "boxes": ops.concatenate([centre - half, centre + half], axis=-1),
    }


def feature_map(model: keras.Model) -> keras.KerasTensor:
    """The last map of the backbone, (B, H/32, W/32, C)."""
    return model.get_layer("backbone_features").output


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint in Hugging Face layout: all of it, or an error.

    Files have the heads of the decoder once or twice (`class_embed`, `model.decoder.class_embed`:
    tied). A network for predicting leaves out the heads that only training uses.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    used = config["decoder_layers"]
    later = range(used, MOST_LAYERS)
    unused = [
        f"model.decoder.{part}.{layer}.*"
        for layer in later
        for part in ("layers", "bbox_embed", "class_embed", "lqe_layers")
    ]
    training = [
        f"model.decoder.{head}.{layer}.*"
        for layer in range(used - 1)
        for head in ("class_embed", "lqe_layers")
    ]
    if not isinstance(model.output, dict | list):
        unused += ["model.encoder*", "model.decoder*", "model.enc_*"]
    layout = replace(family.LAYOUT, optional=(*family.LAYOUT.optional, *training))
    fill(model, checkpoint, layout, ignore=unused)


arrays = arrays_of(family.LAYOUT)
"""The weights in Hugging Face layout; without those that only training uses."""
