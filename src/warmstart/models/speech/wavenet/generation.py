"""Cached generation with a WaveNet: O(layers) per sample, in one compiled loop.

Source: Paine et al., "Fast Wavenet Generation Algorithm" (2016), arXiv:1611.09482: each layer keeps
the inputs of the last (filter width - 1) * dilation steps. Here they lie in one flat ring buffer
for all layers, of which a step reads its rows with one gather. Random numbers come from outside, so
that every engine gives the same samples.
"""

from typing import Any

from keras import ops

from warmstart.models.speech.wavenet.family import WaveNetConfig
from warmstart.models.speech.wavenet.network import WaveNet

AROUND = 400  # samples of one run of the loop, rounded to whole vectors of local conditioning


def chunk(config: WaveNetConfig) -> int:
    """Samples of one run of the loop."""
    return config.hold * max(AROUND // config.hold, 1)


def ring_rows(config: WaveNetConfig) -> int:
    """Rows of the ring buffer, each `residual` numbers."""
    return (config.filter_width - 1) * sum(config.all_dilations)


def condition(network: WaveNet, classes: Any = None, frames: Any = None) -> Any:
    """The contribution of conditioning to every layer's convolution: classes (1, K), frames (1, F,
    size) -> (N, layers * 2C).

    N is 1 without frames, else the vectors of F frames, of which each holds for `hold` samples.
    """
    globals_ = network.globals_of(classes)
    locals_ = network.locals_of(frames, globals_)
    parts = []
    for unit in network.stack.units:
        added = unit.offset(globals_)  # (1, 2C), or 0.0
        if locals_ is not None:
            added = added + ops.matmul(locals_[0], unit.both("local"))
        parts.append(
            added if hasattr(added, "shape") else ops.zeros((1, 2 * network.config.channels))
        )
    return ops.concatenate(parts, axis=-1)


def generate(
    network: WaveNet,
    added: Any,
    uniform: Any,
    temperature: Any,
    forced: Any,
    ring: Any,
    history: Any,
    position: Any,
) -> dict[str, Any]:
    """The next samples.

    Args:
        network: with its weights.
        added: rows of `condition`: one, or those of these samples; float32 (1 or chunk / hold,
            layers * 2C).
        uniform: random numbers, float32 (chunk, 2), above 0 and below 1.
        temperature: float32 (1,): 1 draws from the distribution; less keeps to what is likely.
        forced: int32 (chunk,): levels that are fixed, or -1 where a sample is to be sampled.
        ring: float32 (ring rows, residual); zeros before the first sample.
        history: int32 (filter_width,): the last levels, the oldest first; -1 where there was none.
        position: int32 (1,): how many samples there were.

    Returns:
        `samples` int32 (chunk,): what was sampled (also where it was forced to something else), and
        `ring`, `history`, `position` for the next call.
    """
    c = network.config
    width, dilations = c.filter_width, c.all_dilations
    steps, twice = chunk(c), 2 * c.channels
    spans = [(width - 1) * d for d in dilations]
    starts = [sum(spans[:i]) for i in range(len(spans))]
    # For each layer the rows of t - (width - 1) d, …, t - d: the oldest first, as the kernel's taps
    # stand.
    back = ops.convert_to_tensor(
        [d * (width - 1 - tap) for d in dilations for tap in range(width - 1)], "int32"
    )
    each_span = ops.convert_to_tensor([s for s in spans for _ in range(width - 1)], "int32")
    each_start = ops.convert_to_tensor([s for s in starts for _ in range(width - 1)], "int32")
    kernels = [
        ops.reshape(ops.concatenate([u.filter_kernel, u.gate_kernel], axis=-1), (-1, twice))
        for u in network.stack.units
    ]
    rows = int(added.shape[0])

    def step(i: Any, samples: Any, ring: Any, history: Any) -> Any:
        t = position[0] + i
        past = ops.take(ring, each_start + ops.mod(t - back, each_span), axis=0)
        mine = ops.take(
            added, ops.floor_divide(i, c.hold) if rows > 1 else ops.zeros_like(i), axis=0
        )
        x = _first(network, history)
        total = None
        for layer, unit in enumerate(network.stack.units):
            taps = ops.reshape(past[layer * (width - 1) : (layer + 1) * (width - 1)], (1, -1))
            y = ops.matmul(ops.concatenate([taps, x], axis=-1), kernels[layer])
            y = y + ops.reshape(mine[layer * twice : (layer + 1) * twice], (1, twice))
            ring = ops.slice_update(ring, (starts[layer] + ops.mod(t, spans[layer]), 0), x)
            x, skip = unit.gated(x, y)
            total = skip if total is None else total + skip
        sampled = draw(c, network.after(total)[0], uniform[i], temperature[0])
        level = ops.where(forced[i] >= 0, forced[i], sampled)
        samples = ops.slice_update(samples, (i,), ops.reshape(sampled, (1,)))
        history = ops.concatenate([history[1:], ops.reshape(level, (1,))], axis=0)
        return i + 1, samples, ring, history

    _, samples, ring, history = ops.while_loop(
        lambda i, *_: i < steps,
        step,
        (ops.convert_to_tensor(0, "int32"), ops.zeros((steps,), "int32"), ring, history),
    )
    return {"samples": samples, "ring": ring, "history": history, "position": position + steps}


def _first(network: WaveNet, history: Any) -> Any:
    """The causal convolution of the last levels: (filter_width,) -> (1, residual)."""
    there = ops.expand_dims(ops.cast(history >= 0, "float32"), -1)
    if network.config.output == "mu_law":
        flat = ops.reshape(network.first, (-1, network.config.residual))
        offsets = ops.arange(network.config.filter_width, dtype="int32") * network.config.levels
        rows = ops.take(flat, offsets + ops.maximum(history, 0), axis=0)
    else:
        rows = ops.expand_dims(network.values_of(history), -1) * network.first[:, 0]
    return ops.sum(rows * there, axis=0, keepdims=True)


def draw(config: WaveNetConfig, outputs: Any, uniform: Any, temperature: Any) -> Any:
    """One level sampled from the distribution that the network predicts.

    Args:
        config: of the network.
        outputs: (outputs,).
        uniform: two random numbers (2,); one is enough for the softmax.
        temperature: a number above 0.

    Returns:
        An int32 scalar, 0..levels - 1.
    """
    weights = outputs if config.output == "mu_law" else outputs[: config.mixtures]
    weights = ops.exp((weights - ops.max(weights)) / temperature)
    sums = ops.cumsum(weights, axis=0)
    index = ops.sum(ops.cast(sums < uniform[0] * sums[-1], "int32"))
    index = ops.minimum(index, int(weights.shape[0]) - 1)
    if config.output == "mu_law":
        return index
    chosen = ops.cast(ops.equal(ops.arange(config.mixtures, dtype="int32"), index), "float32")
    mean = ops.sum(outputs[config.mixtures : 2 * config.mixtures] * chosen)
    scale = (
        ops.exp(ops.maximum(ops.sum(outputs[2 * config.mixtures :] * chosen), -9.0)) * temperature
    )
    value = mean + scale * (ops.log(uniform[1]) - ops.log(1.0 - uniform[1]))
    level = ops.floor((value + 1.0) * (0.5 * (config.levels - 1)) + 0.5)
    return ops.cast(ops.clip(level, 0.0, float(config.levels - 1)), "int32")
