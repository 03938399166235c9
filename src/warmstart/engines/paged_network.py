"""Replace the attention of a program that generates text by OpenVINO's paged attention.

As in Kwon, Li, Zhuang, Sheng, Zheng, Yu, Gonzalez, Zhang, Stoica, "Efficient Memory Management for
Large Language Model Serving with PagedAttention" (2023): the keys and values of a text lie in blocks
of a common cache, and a table names the blocks of each text. So a text attends to its own tokens
only, and the operation writes new keys and values into the cache.

The program is the function `step` (see `models.text.gpt2.network.GPT2.step`). In its graph, each
layer multiplies queries with cached and new keys, and cached and new values with the exponentials
of these scores. It is recognised by the inputs that are the cache; all else stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from warmstart.engines.base import Signature
from warmstart.errors import EngineError

TOKENS = ("ids", "positions", "rows")
"""Inputs that stay: of the new tokens."""
TABLES = ("past_lengths", "begins", "blocks", "block_begins", "longest")
"""Inputs instead of the masks, int32."""
OUTPUTS = ("logits", "states")
"""Outputs that stay."""


class Attention(NamedTuple):
    """The attention of a layer: outputs of nodes, (H, N, D) each."""

    queries: Any
    keys: Any
    values: Any
    mixed: Any


def with_paged_attention(network: Any, step: Signature) -> Any:
    """A network of OpenVINO with paged attention.

    Args:
        network: as OpenVINO reads the program; it is modified.
        step: the signature of its function.

    Returns:
        The network: from `TOKENS`, `TABLES` and `keys_0`, `values_0`, `keys_1`, … to `OUTPUTS`.

    Raises:
        EngineError: the graph is not that of such a program.
        RuntimeError, ImportError: the installed OpenVINO has another paged attention.
    """
    from warmstart.engines.openvino_graph import rewrite
    from warmstart.engines.openvino_package import openvino

    operations = openvino.opset13

    def input_of(name: str, shape: Sequence[Any], dtype: Any) -> Any:
        return _named(operations.parameter(openvino.PartialShape(shape), dtype), name)

    parameters = {name: network.input(spec.tensor).get_node() for name, spec in step.specs.items()}
    ends = {
        spec.name: network.output(spec.tensor).get_node()
        for spec in step.outputs
        if spec.name in OUTPUTS
    }
    tokens = [_named(parameters[name], name) for name in TOKENS]
    tables = {name: input_of(name, [-1], np.int32) for name in TABLES}
    caches: list[Any] = []
    for name in (name for name in step.specs if name.startswith("keys_")):
        layer = name.removeprefix("keys_")
        attention = _attention(parameters[name], parameters[f"values_{layer}"])
        heads, width = (size for _, size in step.specs[name].fixed)
        cache = [
            input_of(f"{part}_{layer}", [-1, heads, -1, width], np.float32)
            for part in ("keys", "values")
        ]
        paged = _paged_attention(attention, cache, tables, heads, width)
        attention.mixed.replace(paged)
        caches += cache
    _without_rounding(network)
    results = []
    for name, end in ends.items():
        results.append(operations.result(end.input_value(0)))
        results[-1].output(0).get_tensor().set_names({name})
    return rewrite(openvino.Model(results, [*tokens, *tables.values(), *caches], "step"))


def _attention(keys: Any, values: Any) -> Attention:
    """The attention of the layer with these inputs.

    Raises:
        EngineError: it is not recognised.
    """
    cached_scores = _consumer(keys.output(0), "MatMul")
    queries = cached_scores.input_value(0)
    new_scores = _other(_consumers(queries, "MatMul"), cached_scores)
    cached_mix = _consumer(values.output(0), "MatMul")
    mix = _consumer(cached_mix.output(0), "Add")
    new_mix = _source(_operand(mix, cached_mix), "MatMul")
    mixed = _consumer(mix.output(0), "Divide")
    return Attention(queries, new_scores.input_value(1), new_mix.input_value(1), mixed.output(0))


def _paged_attention(
    attention: Attention,
    cache: Sequence[Any],
    tables: Mapping[str, Any],
    heads: int,
    width: int,
) -> Any:
    """The same attention over blocks: (H, N, D)."""
    from openvino.op import _PagedAttentionExtension

    from warmstart.engines.openvino_package import openvino

    operations = openvino.opset13

    def constant(value: Any, dtype: Any = np.int32) -> Any:
        return operations.constant(np.asarray(value, dtype))

    def empty(rank: int = 1, dtype: Any = np.int32) -> Any:
        return constant(np.zeros((0,) * rank), dtype)

    order = constant([1, 0, 2])
    queries, keys, values = (
        operations.reshape(operations.transpose(each, order), constant([-1, heads * width]), False)
        for each in attention[:3]
    )
    inputs = [
        *(queries, keys, values, *cache),
        *(tables[name] for name in ("past_lengths", "begins", "blocks", "block_begins")),
        constant(1, np.float32),  # scale: the queries have it
        constant(0),  # sliding window: none
        empty(dtype=np.float32),  # slopes of ALiBi
        operations.reshape(tables["longest"], empty(), False),  # to a scalar
        empty(),  # aggregated scores
        *(empty(), empty(2), empty(2, np.float32)),  # rotation of cached keys
        *(empty(dtype=np.float32), constant(0), constant(0)),  # sparse attention
        empty(4, np.float32),  # sinks
        *(constant(0), empty(), empty(), empty()),  # eviction of blocks
        empty(),  # types of tokens
        *(empty(dtype=np.uint8), empty()),  # bias of queries
    ]
    paged = _PagedAttentionExtension([each.output(0) for each in inputs])
    for part in ("k", "v"):
        paged.get_rt_info()[f"num_{part}_heads"] = str(heads)
        paged.get_rt_info()[f"{part}_head_size"] = str(width)
    split = operations.reshape(paged.output(0), constant([-1, heads, width]), False)
    return operations.transpose(split, order).output(0)


def _without_rounding(network: Any) -> None:
    """Remove the rounding to 8 bits that OpenVINO adds to rows of embeddings of 8 bits."""
    for node in network.get_ops():
        if node.get_type_name() == "FakeQuantize":
            value = node.input_value(0)
            if value.get_node().get_type_name() == "Gather":
                node.output(0).replace(value)


def _consumers(output: Any, operation: str) -> list[Any]:
    """The consumers of an output that are of this operation."""
    nodes = [target.get_node() for target in output.get_target_inputs()]
    return [node for node in nodes if node.get_type_name() == operation]


def _consumer(output: Any, operation: str) -> Any:
    """The only consumer of an output that is of this operation."""
    return _only(_consumers(output, operation))


def _source(output: Any, operation: str) -> Any:
    """The node of an output, which is of this operation."""
    return _only([node for node in [output.get_node()] if node.get_type_name() == operation])


def _other(nodes: Sequence[Any], node: Any) -> Any:
    """The node of two that is not `node`."""
    return _only([each for each in nodes if each.get_name() != node.get_name()])


def _operand(node: Any, first: Any) -> Any:
    """The input of a node of two inputs that does not come from `first`."""
    inputs = node.input_values()
    return _only([each for each in inputs if each.get_node().get_name() != first.get_name()])


def _only(items: Sequence[Any]) -> Any:
    if len(items) != 1:
        raise EngineError("OpenVINO cannot run the graph of this program; use engine='litert'.")
    return items[0]


def _named(node: Any, name: str) -> Any:
    node.output(0).get_tensor().set_names({name})
    return node
