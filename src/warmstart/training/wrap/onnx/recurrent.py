"""LSTM, GRU and RNN layers of ONNX.

Sources: the definitions of https://onnx.ai/onnx/operators/; Hochreiter, Schmidhuber, "Long
Short-Term Memory" (1997); Cho et al., arXiv:1406.1078.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from warmstart.errors import UsageError
from warmstart.training.wrap.onnx.evaluator import Operation, handles

States = tuple[Any, ...]
Step = Callable[[Any, States], States]
"""(a projected input (B, gates * size), states (B, size)) -> the next states, the output first."""
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ACTIVATIONS = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}
"""The activations of one direction if the attribute `activations` is missing."""
FUNCTIONS = {"sigmoid": tf.sigmoid, "tanh": tf.tanh, "relu": tf.nn.relu}
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
"""Whether each direction starts with the last step."""
W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES = range(1, 8)
"""Indices of the inputs of an operator."""


@handles(*GATES)
def recurrent(op: Operation) -> Any:
    """(all outputs (T, directions, B, size), the last states (directions, B, size))."""
    _check(op)
    x = op[0]
    is_batch_first = bool(op.get("layout", 0))
    if is_batch_first:
        x = tf.transpose(x, (1, 0, 2))
    reverses = DIRECTIONS[op.get("direction", "forward")]
    results = [_direction(op, x, index, back) for index, back in enumerate(reverses)]
    outputs = tf.stack([sequence for sequence, _ in results], axis=1)
    states = [tf.stack(parts, axis=0) for parts in zip(*(last for _, last in results), strict=True)]
    if is_batch_first:
        outputs = tf.transpose(outputs, (2, 0, 1, 3))
        states = [tf.transpose(state, (1, 0, 2)) for state in states]
    return [outputs, *states]


def _check(op: Operation) -> None:
    """Refuse what is not implemented.

    Raises:
        UsageError: the operator has an option that is not supported.
    """
    name = op.operator
    if op.optional(LENGTHS) is not None:
        raise UsageError(
            f"The ONNX operator {name} with lengths of sequences is not supported; export the model "
            "for inputs without padding."
        )
    if name == "LSTM" and op.optional(PEEPHOLES) is not None:
        raise UsageError("The ONNX operator LSTM with peepholes is not supported.")
    if op.get("clip") or op.get("input_forget"):
        raise UsageError(f"The ONNX operator {name} with clip or input_forget is not supported.")
    unknown = {own.lower() for own in op.get("activations", ())} - FUNCTIONS.keys()
    if unknown:
        raise UsageError(
            f"The ONNX operator {name} with the activation {min(unknown)} is not supported."
        )


def _direction(op: Operation, x: Any, index: int, is_reverse: bool) -> tuple[Any, States]:
    """One direction: (outputs (T, B, size), the last states (B, size)) from x (T, B, inputs)."""
    size, gates = int(op.get("hidden_size")), GATES[op.operator]
    kernel = tf.transpose(tf.convert_to_tensor(op[W])[index])
    recurrence = tf.transpose(tf.convert_to_tensor(op[R])[index])
    both = op.optional(B)
    own = tf.zeros(2 * gates * size, x.dtype) if both is None else tf.convert_to_tensor(both)[index]
    bias, recurrent_bias = own[: gates * size], own[gates * size :]
    step = STEPS[op.operator](op, index, recurrence, recurrent_bias)
    empty = tf.zeros((tf.shape(x)[1], size), x.dtype)
    slots = (INITIAL_H, INITIAL_C) if op.operator == "LSTM" else (INITIAL_H,)
    initial = [_initial(op, slot, index, empty) for slot in slots]
    projected = tf.tensordot(x, kernel, 1) + bias  # (T, B, gates * size): all steps at once
    if is_reverse:
        projected = tf.reverse(projected, (0,))
    sequence, last = _over_time(step, projected, tuple(initial))
    return (tf.reverse(sequence, (0,)) if is_reverse else sequence), last


def _initial(op: Operation, slot: int, index: int, empty: Any) -> Any:
    value = op.optional(slot)
    if value is None:
        return empty
    if op.get("layout", 0):
        value = tf.transpose(value, (1, 0, 2))
    return tf.broadcast_to(tf.convert_to_tensor(value)[index], tf.shape(empty))


def _over_time(step: Step, projected: Any, initial: States) -> tuple[Any, States]:
    """(the first state after each step, all states after the last)."""
    steps = tf.shape(projected)[0]
    outputs = tf.TensorArray(projected.dtype, steps, element_shape=initial[0].shape)

    def body(index: Any, outputs: Any, *states: Any) -> tuple[Any, ...]:
        following = step(projected[index], states)
        return index + 1, outputs.write(index, following[0]), *following

    _, outputs, *last = tf.while_loop(
        lambda index, *_: index < steps, body, (tf.constant(0), outputs, *initial)
    )
    return outputs.stack(), tuple(last)


def _functions(op: Operation, index: int) -> Sequence[Callable[[Any], Any]]:
    """The activations of one direction."""
    defaults = ACTIVATIONS[op.operator]
    names = [name.lower() for name in op.get("activations", ())]
    own = names[index * len(defaults) : (index + 1) * len(defaults)] or [
        name.lower() for name in defaults
    ]
    return [FUNCTIONS[name] for name in own]


def _lstm(op: Operation, index: int, recurrence: Any, bias: Any) -> Step:
    gate, candidate, output = _functions(op, index)

    def step(x: Any, states: States) -> States:
        hidden, cell = states
        i, o, f, c = tf.split(x + tf.matmul(hidden, recurrence) + bias, 4, axis=1)
        cell = gate(f) * cell + gate(i) * candidate(c)
        return gate(o) * output(cell), cell

    return step


def _gru(op: Operation, index: int, recurrence: Any, bias: Any) -> Step:
    gate, candidate = _functions(op, index)
    size = int(op.get("hidden_size"))
    resets_after = bool(op.get("linear_before_reset", 0))

    def step(x: Any, states: States) -> States:
        (hidden,) = states
        update, reset = tf.split(
            gate(
                x[:, : 2 * size] + tf.matmul(hidden, recurrence[:, : 2 * size]) + bias[: 2 * size]
            ),
            2,
            axis=1,
        )
        if resets_after:
            inner = tf.matmul(hidden, recurrence[:, 2 * size :]) + bias[2 * size :]
            inner = reset * inner
        else:
            inner = tf.matmul(reset * hidden, recurrence[:, 2 * size :]) + bias[2 * size :]
        new = candidate(x[:, 2 * size :] + inner)
        return ((1 - update) * new + update * hidden,)

    return step


def _rnn(op: Operation, index: int, recurrence: Any, bias: Any) -> Step:
    (activation,) = _functions(op, index)

    def step(x: Any, states: States) -> States:
        return (activation(x + tf.matmul(states[0], recurrence) + bias),)

    return step


STEPS: dict[str, Callable[[Operation, int, Any, Any], Step]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN": _rnn,
}
