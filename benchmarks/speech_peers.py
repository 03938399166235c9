"""The processes that `speech.py` measures: WaveNets that hear and speak, and a plain cached loop in
TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from image_peers import Job, serve

RATE = 16_000
CONFIG = {
    "output": "mu_law",
    "levels": 256,
    "stacks": 5,
    "dilations": [2**n for n in range(10)],
    "filter_width": 2,
    "channels": 32,
    "residual": 32,
    "skip": 512,
}
AT_ONCE = 50  # samples of one call of the plain loop


def _uniform(count: int) -> np.ndarray:
    """The random numbers of so many samples, the same in every process: float32 (count, 2)."""
    return np.random.default_rng(0).uniform(0.001, 0.999, (count, 2)).astype(np.float32)


def _drawn(probabilities: np.ndarray, uniform: float) -> int:
    sums = np.cumsum(probabilities)
    return int(min((sums < uniform * sums[-1]).sum(), len(sums) - 1))


def tensorflow(job: Job) -> tuple[dict, dict]:
    """Fast WaveNet as one writes it down: a variable for each layer's past, one `tf.function` call
    per sample.

    Writes the bundle of random weights for the other process, and says the first samples: of this
    loop, and of the uncached network, which is run on everything so far for each sample.
    """
    import tensorflow as tf

    from warmstart.catalog import Entry
    from warmstart.core.compiling import Weights
    from warmstart.speech.synthesis import AudioGenerator

    entry = Entry(
        name="wavenet_16khz",
        task="audio-generation",
        family="wavenet",
        title="WaveNet, 50 layers",
        architecture="wavenet",
        config=CONFIG,
        weights={},
        preprocessing=None,
        labels="",
        licence="Apache-2.0",
        parameters=1,
        gflops=None,
        min_size=0,
        metrics=(),
        paper="",
        processing={"sample_rate": RATE},
    )
    generator = AudioGenerator(entry, Weights.random(), ())
    generator.save(job["folder"])
    model = generator.keras
    network = model.get_layer("wavenet")
    units = network.stack.units
    pasts = [tf.Variable(tf.zeros((unit.dilation, CONFIG["residual"]))) for unit in units]

    @tf.function
    def step(newest: Any, before: Any, t: Any) -> Any:
        """The distribution of the sample after these two; -1: there was none."""
        rows = [
            tf.where(level >= 0, tf.gather(network.first[tap], tf.maximum(level, 0)), 0.0)
            for tap, level in enumerate((before, newest))
        ]
        x, total = tf.reshape(rows[0] + rows[1], (1, -1)), 0.0
        for unit, past in zip(units, pasts, strict=True):
            place = t % unit.dilation
            old = tf.expand_dims(past[place], 0)
            past.scatter_nd_update([[place]], x)
            filters = old @ unit.filter_kernel[0] + x @ unit.filter_kernel[1] + unit.filter_bias
            gates = old @ unit.gate_kernel[0] + x @ unit.gate_kernel[1] + unit.gate_bias
            z = tf.tanh(filters) * tf.sigmoid(gates)
            total += z @ unit.skip_kernel + unit.skip_bias
            if not unit.last:
                x += z @ unit.residual_kernel + unit.residual_bias
        hidden = tf.nn.relu(tf.nn.relu(total) @ network.post1.kernel + network.post1.bias)
        return tf.nn.softmax(hidden @ network.post2.kernel + network.post2.bias)[0]

    def loop(count: int, uniform: np.ndarray) -> list[int]:
        for past in pasts:
            past.assign(tf.zeros_like(past))
        said = [-1, -1]
        for t in range(count):
            newest, before = tf.constant(said[-1]), tf.constant(said[-2])
            said.append(_drawn(step(newest, before, tf.constant(t)).numpy(), uniform[t, 0]))
        return said[2:]

    count = job["compared"]
    cached, uncached = loop(count, _uniform(count)), []
    forward = tf.function(lambda samples, t: tf.nn.softmax(model({"samples": samples})[0, t]))
    for t in range(count):
        samples = tf.constant([[*uncached, *[0] * (count - t)]])  # what comes later changes nothing
        uncached.append(_drawn(forward(samples, tf.constant(t)).numpy(), _uniform(count)[t, 0]))
    numbers = _uniform(AT_ONCE)
    return (
        {"samples": lambda: loop(AT_ONCE, numbers)},
        {"cached": cached, "uncached": uncached, "tensorflow": tf.__version__},
    )


def generator(job: Job) -> tuple[dict, dict]:
    """The same network in the compiled loop."""
    import warmstart as ws

    model = ws.load(job["folder"], engine="litert")
    loop = model.engine.signatures["generate"]
    chunk = next(int(spec.shape[0]) for spec in loop.inputs if spec.name == "uniform")
    state = {spec.name: np.zeros([int(n) for n in spec.shape], spec.dtype) for spec in loop.inputs}
    state |= {
        "added": model.engine.run("condition", nothing=np.zeros(1, np.float32))["added"],
        "temperature": np.ones(1, np.float32),
        "forced": np.full(chunk, -1, np.int32),
    }

    def run(count: int) -> list[int]:
        uniform = _uniform(-(-count // chunk) * chunk)
        now, said = {**state, "history": np.full_like(state["history"], -1)}, []
        for start in range(0, count, chunk):
            out = model.engine.run("generate", **{**now, "uniform": uniform[start : start + chunk]})
            said += out["samples"].tolist()
            now |= {name: out[name] for name in ("ring", "history", "position")}
        return said[:count]

    return {"samples": lambda: run(chunk)}, {"said": run(job["compared"]), "chunk": chunk}


def recogniser(job: Job) -> tuple[dict, dict]:
    """`digits_wavenet_asr` on one minute of digits."""
    import warmstart as ws

    model, samples = ws.load("digits_wavenet_asr"), np.load(job["minute"])
    said = model((samples, 8000))
    return (
        {
            "minute": lambda: model((samples, 8000)),
            "best path": lambda: model((samples, 8000), vocabulary=False),
        },
        {"words": len(said.words), "engine": model.engine.name, "seconds": len(samples) / 8000},
    )


def digits(job: Job) -> tuple[dict, dict]:
    """`digits_wavenet` saying one digit of half a second."""
    import warmstart as ws

    model = ws.load(job["digits"])
    return {"digit": lambda: model("seven", seconds=0.5)}, {}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(
        serve(
            {
                "tensorflow": tensorflow,
                "generator": generator,
                "recogniser": recogniser,
                "digits": digits,
            }
        )
    )
