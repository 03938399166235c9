"""Reuse the graph of a compiled program for other weights of the same network.

Conversion takes most of the time of compiling, and two networks of one architecture and config give
programs that differ only in their constants. So each constant of a program is matched with what a
converter derives from the network's arrays:

    constant = array, with its axes in another order
    constant = array * scale            of a normalisation, along one axis, or of a scalar of the config
    constant = array * scale + shift    of a normalisation: a bias
    constant = scale, constant = shift  of a normalisation

where a normalisation has scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale. If
every array of the network is matched, and every constant in one way only, the constants can be
replaced by those of other arrays. The outputs are then compared with those of Keras, as for any
program.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDING = 2e-6
"""Tolerance of a match, relative to the largest absolute value of the constant."""
MAX_SIZE = 50_000_000
"""Numbers of a network; larger ones are not matched."""
PROBED = 16
"""Numbers of a constant to compare before comparing all of them."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Norm:
    """A normalisation layer: the indices of its arrays; None for one that it does not have."""

    gamma: int | None
    beta: int | None
    mean: int
    variance: int
    epsilon: float


@dataclass(frozen=True)
class Network:
    """The arrays, normalisations and scalars of a program.

    Attributes:
        arrays: of the network, in its own order; those that are not float32 are never in a program.
        norms: its normalisations.
        scalars: values of its config that may be constants of a program.
    """

    arrays: Sequence[NDArray[Any]]
    norms: Sequence[Norm] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(array.size for array in self.arrays)

    def scale(self, name: int | str) -> Array:
        """The scale of a normalisation, (C,), or a scalar of the config; `"1/name"` is its
        reciprocal.
        """
        if isinstance(name, str):
            value = self.scalars[name.removeprefix("1/")]
            return np.array([1 / value if name.startswith("1/") else value], np.float32)
        return self._scales[name]

    def shift(self, name: int) -> Array:
        """The shift of a normalisation, (C,)."""
        return self._shifts[name]

    @cached_property
    def _scales(self) -> list[Array]:
        scales = []
        for norm in self.norms:
            gamma = 1.0 if norm.gamma is None else self.arrays[norm.gamma].astype(np.float64)
            scale = gamma / np.sqrt(self.arrays[norm.variance].astype(np.float64) + norm.epsilon)
            scales.append(np.asarray(scale, np.float32))
        return scales

    @cached_property
    def _shifts(self) -> list[Array]:
        shifts = []
        for norm, scale in zip(self.norms, self._scales, strict=True):
            mean = self.arrays[norm.mean].astype(np.float64)
            beta = 0.0 if norm.beta is None else self.arrays[norm.beta].astype(np.float64)
            shifts.append(np.asarray(beta - mean * scale.astype(np.float64), np.float32))
        return shifts


@dataclass(frozen=True)
class Formula:
    """How to compute a constant of a program from the arrays of the network.

    Attributes:
        offset: of its bytes in the program.
        shape: of the constant.
        array: index of the array; None if the constant is only a scale or a shift.
        axes: permutation of the array's axes.
        scale: the normalisation or scalar whose scale it is multiplied by; None: not scaled.
        axis: the axis of the constant that the scale applies to.
        is_shifted: whether the shift of the normalisation is added.
    """

    offset: int
    shape: tuple[int, ...]
    array: int | None = None
    axes: tuple[int, ...] = ()
    scale: int | str | None = None
    axis: int = 0
    is_shifted: bool = False

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Formula:
        return cls(**{**data, "shape": tuple(data["shape"]), "axes": tuple(data["axes"])})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def value(self, network: Network) -> Array:
        """The constant of a network."""
        value: NDArray[Any] = np.full(self.shape, float(not self.is_shifted), np.float32)
        if self.array is not None:
            value = network.arrays[self.array].transpose(self.axes).reshape(self.shape)
        if self.scale is not None:
            value = value * _along(network.scale(self.scale), self.axis, len(self.shape))
        if self.is_shifted:
            assert isinstance(self.scale, int)
            value = value + network.shift(self.scale).reshape(self.shape)
        return np.ascontiguousarray(value, np.float32)

    def used(self, network: Network) -> Iterator[int | str]:
        """The arrays and scalars that it is derived from."""
        if self.array is not None:
            yield self.array
        if isinstance(self.scale, str):
            yield self.scale.removeprefix("1/")
        elif self.scale is not None:
            norm = network.norms[self.scale]
            if self.is_shifted:
                yield from (index for index in (norm.beta, norm.mean) if index is not None)
            if self.array is not None or not self.is_shifted:
                yield from (index for index in (norm.gamma, norm.variance) if index is not None)


def formulas(
    program: bytes, constants: Mapping[str, NDArray[Any]], network: Network
) -> list[Formula] | None:
    """Match the constants of a program with the network's arrays.

    Args:
        program: the file.
        constants: its constant tensors, by name.
        network: the network that it was converted from.

    Returns:
        A formula for each constant that is derived from arrays; None if an array has no match, or a
        constant has more than one.
    """
    if network.size > MAX_SIZE:
        return None
    matched: list[Formula] = []
    for constant in constants.values():
        if constant.dtype != np.float32 or not constant.size:
            continue
        matches = list(itertools.islice(_matches(constant, network), 2))
        if not matches:
            continue
        data = np.ascontiguousarray(constant).tobytes()
        offset = program.find(data)
        if len(matches) > 1 or offset < 0 or program.find(data, offset + 1) >= 0:
            return None
        matched.append(replace(matches[0], offset=offset))
    used = {name for formula in matched for name in formula.used(network)}
    needed: set[int | str] = set(network.scalars)
    needed |= {n for n, array in enumerate(network.arrays) if array.dtype == np.float32}
    return matched if needed <= used else None


def filled(program: bytes, formulas: Sequence[Formula], network: Network) -> bytes:
    """The program with the constants of another network."""
    content = bytearray(program)
    for formula in formulas:
        data = formula.value(network).tobytes()
        content[formula.offset : formula.offset + len(data)] = data
    return bytes(content)


def _matches(constant: Array, network: Network) -> Iterator[Formula]:
    """All formulas that give a constant."""
    shape, flat = constant.shape, constant.reshape(-1)
    probed = np.unique(np.linspace(0, constant.size - 1, PROBED).astype(int))
    limit = ROUNDING * max(float(np.abs(flat).max()), 1e-30)

    def probably(values: NDArray[Any]) -> NDArray[np.intp]:
        """The rows of values, (formulas, probed numbers), that fit."""
        return np.flatnonzero(np.abs(values - flat[probed]).max(axis=-1) <= limit)

    def fits(formula: Formula) -> bool:
        return bool(np.abs(formula.value(network).reshape(-1) - flat).max() <= limit)

    scales = list(_scales(shape, network))
    factors, shifts = _probed_scales(scales, shape, probed, network)
    for array, axes, turned in _turned(constant, network):
        plain = Formula(0, shape, array, axes)
        values = turned[probed]
        scaled = values * factors
        candidates = [
            *(plain for _ in probably(values[np.newaxis])),
            *(replace(plain, scale=scales[n][0], axis=scales[n][1]) for n in probably(scaled)),
            *(
                replace(plain, scale=scales[n][0], axis=scales[n][1], is_shifted=True)
                for n in probably(scaled + shifts)
            ),
        ]
        yield from filter(fits, candidates)
    if constant.size in shape:
        first = shape.index(constant.size)
        for is_shifted, vectors in enumerate((factors, shifts)):
            for scale, axis in (scales[n] for n in probably(vectors)):
                vector = Formula(0, shape, None, (), scale, axis, bool(is_shifted))
                if isinstance(scale, int) and axis == first and fits(vector):
                    yield vector


def _probed_scales(
    scales: Sequence[tuple[int | str, int]],
    shape: tuple[int, ...],
    probed: NDArray[np.intp],
    network: Network,
) -> tuple[Array, Array]:
    """The scales and shifts of the probed numbers of a constant, (scales, probed numbers); shifts are
    NaN where the constant is not a vector of the normalisation.
    """
    coordinates = np.unravel_index(probed, shape or (1,))
    factors = np.empty((len(scales), len(probed)), np.float32)
    shifts = np.full_like(factors, np.nan)
    for row, (name, axis) in enumerate(scales):
        scale = network.scale(name)
        factors[row] = scale[coordinates[axis]] if len(scale) > 1 else scale
        if isinstance(name, int) and len(scale) == math.prod(shape):
            shifts[row] = network.shift(name)[probed]
    return factors, shifts


def _turned(
    constant: Array, network: Network
) -> Iterator[tuple[int, tuple[int, ...], NDArray[Any]]]:
    """(index, permutation of the axes, flat values) of arrays with the shape of a constant,
    ignoring axes of length 1.
    """
    shape = _long(constant.shape)
    for index, array in enumerate(network.arrays):
        if array.size != constant.size or array.dtype != np.float32:
            continue
        if sorted(_long(array.shape)) != sorted(shape):
            continue
        seen: set[tuple[int, ...]] = set()
        for axes in itertools.permutations(range(array.ndim)):
            long_axes = tuple(axis for axis in axes if array.shape[axis] != 1)
            turned = array.transpose(axes)
            if _long(turned.shape) == shape and long_axes not in seen:
                seen.add(long_axes)
                yield index, axes, turned.reshape(-1)


def _scales(shape: tuple[int, ...], network: Network) -> Iterator[tuple[int | str, int]]:
    """The scales that fit a constant of this shape, each with its axis."""
    for name in network.scalars:
        yield name, 0
        yield f"1/{name}", 0
    for index, norm in enumerate(network.norms):
        channels = network.arrays[norm.mean].size
        for axis, side in enumerate(shape):
            if side == channels:
                yield index, axis


def _along(scale: Array, axis: int, axes: int) -> Array:
    """A scale, reshaped to multiply an array with `axes` axes along one of them."""
    return (
        scale if len(scale) == 1 else scale.reshape([-1 if n == axis else 1 for n in range(axes)])
    )


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes of length 1."""
    return tuple(side for side in shape if side != 1)
