"""Sampling from WaveNet in chunks: each sample depends on all samples before it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.engines.base import Engine, TensorSpec
from warmstart.speech import mu_law

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

EDGE = 1e-6
"""The minimum distance of random numbers from 0 and 1, whose logarithms would be infinite."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """One stretch of sound to generate.

    Attributes:
        classes: an index for each set of classes; empty if the model has none.
        frames: what it is conditioned on, float32 (F, size), or None.
        count: samples.
    """

    classes: list[int]
    frames: NDArray[np.float32] | None
    count: int


def generate(
    engine: Engine, entry: Entry, stretch: Stretch, temperature: float, random: np.random.Generator
) -> Generator[None, None, NDArray[np.float32]]:
    """The samples of one stretch, float32 (count,); yields between chunks."""
    loop = engine.signatures["generate"]
    shapes = {spec.name: tuple(map(int, spec.shape)) for spec in loop.inputs}
    chunk, width = shapes["uniform"][0], shapes["history"][0]
    runs = -(-stretch.count // chunk)
    uniform = random.random((runs * chunk, 2), np.float32).clip(EDGE, 1 - EDGE)
    state: dict[str, NDArray[Any]] = {
        "ring": np.zeros(shapes["ring"], np.float32),
        "history": np.full(width, -1, np.int32),
        "position": np.zeros(1, np.int32),
    }
    fixed: dict[str, NDArray[Any]] = {
        "temperature": np.array([temperature], np.float32),
        "forced": np.full(chunk, -1, np.int32),
    }
    added = _conditioning(engine, stretch)
    rows = shapes["added"][0]
    if rows > 1:
        added = np.pad(added, ((0, max(runs * rows - len(added), 0)), (0, 0)), mode="edge")
    chunks = []
    for run in range(runs):
        if run:
            yield
        outputs = engine.run(
            "generate",
            added=added[run * rows : (run + 1) * rows] if rows > 1 else added,
            uniform=uniform[run * chunk : (run + 1) * chunk],
            **fixed,
            **state,
        )
        chunks.append(outputs["samples"])
        state = {name: outputs[name] for name in state}
    return _samples(entry, np.concatenate(chunks)[: stretch.count])


def _conditioning(engine: Engine, stretch: Stretch) -> NDArray[np.float32]:
    inputs: dict[str, NDArray[Any]] = {}
    if stretch.classes:
        inputs["classes"] = np.array([stretch.classes], np.int32)
    if stretch.frames is not None:
        inputs["frames"] = stretch.frames[None]
    if not inputs:
        inputs["nothing"] = np.zeros(1, np.float32)
    added: NDArray[np.float32] = engine.run("condition", **inputs)["added"]
    return added


def _samples(entry: Entry, levels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Quantized samples as floats, -1 to 1."""
    count = int(entry.config.get("levels", 256))
    if entry.processing.get("companding", "mu_law") == "mu_law":
        samples: NDArray[np.float32] = mu_law.decode(levels, count)
        return samples
    return (2.0 * levels / (count - 1) - 1.0).astype(np.float32)


def wavenet_program(entry: Entry, model: keras.Model) -> Program:
    """`condition` and `generate` of `models.wavenet_generation`."""
    from warmstart.engines.keras import Function, Program
    from warmstart.models.speech.wavenet import generation
    from warmstart.models.speech.wavenet.family import WaveNetConfig

    c = WaveNetConfig.of(entry.config)
    network = model.get_layer("wavenet")
    inputs = []
    if c.classes:
        inputs.append(TensorSpec("classes", "int32", (1, len(c.classes)), 0, min(c.classes) - 1))
    if c.frame_features:
        inputs.append(TensorSpec("frames", "float32", (1, "frames", c.frame_features), -1.0, 1.0))

    def condition(*arrays: Any) -> dict[str, Any]:
        arrays_by_name = {spec.name: array for spec, array in zip(inputs, arrays, strict=False)}
        added = generation.condition(
            network, arrays_by_name.get("classes"), arrays_by_name.get("frames")
        )
        return {"added": added if inputs else added + 0.0 * arrays[0]}

    chunk, width = generation.chunk(c), 2 * c.channels * len(c.all_dilations)
    loop = (
        TensorSpec(
            "added", "float32", (chunk // c.hold if c.frame_features else 1, width), -0.1, 0.1
        ),
        TensorSpec("uniform", "float32", (chunk, 2), 0.01, 0.99),
        TensorSpec("temperature", "float32", (1,), 0.5, 1.0),
        # Probe inputs force every level, so that a sample between two levels does not affect
        # those after it.
        TensorSpec("forced", "int32", (chunk,), 0, c.levels - 1),
        TensorSpec("ring", "float32", (generation.ring_rows(c), c.residual), -0.1, 0.1),
        TensorSpec("history", "int32", (c.filter_width,), 0, c.levels - 1),
        TensorSpec("position", "int32", (1,), 0, 1000),
    )
    nothing = (TensorSpec("nothing", "float32", (1,)),)
    return Program(
        {
            "condition": Function(condition, tuple(inputs) or nothing),
            "generate": Function(lambda *arrays: generation.generate(network, *arrays), loop),
        },
        model,
    )


def position_frames(samples: int, hop: int, rules: Mapping[str, Any]) -> NDArray[np.float32]:
    """The conditioning features of each frame of a word with this number of samples.

    Returns:
        float32 (frames, 2 * harmonics + 2): the position in the word, 0 to 1, its sines and
        cosines, and the logarithm of the word's length in units of 0.4 s.
    """
    count = -(-samples // hop)
    position = (np.arange(count)[:, None] + 0.5) / count
    k = np.pi * np.arange(1, int(rules.get("harmonics", 6)) + 1)
    length = np.full((count, 1), np.log(samples / float(rules["sample_rate"]) / 0.4))
    columns = [position, np.sin(k * position), np.cos(k * position), length]
    return np.concatenate(columns, axis=1).astype(np.float32)
