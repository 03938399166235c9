"""Part 9: waiting times of a new user: the first answer with an empty cache, and compiling a
network whose architecture was compiled before.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from figures import Figure, compared
from settings import Settings, log

MODEL = "mobilenet_v2"
OURS = """
import time
start = time.perf_counter()
import sys
import warmstart as ws
model = ws.load({model!r}, weights={weights!r})
model({photo!r})
print(time.perf_counter() - start, flush=True)
"""
KERAS = """
import time
start = time.perf_counter()
import os
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras, numpy as np
model = keras.applications.MobileNetV2(weights={weights!r})
photo = keras.utils.img_to_array(keras.utils.load_img({photo!r}, target_size=(224, 224)))
model.predict(keras.applications.mobilenet_v2.preprocess_input(photo[None]), verbose=0)
print(time.perf_counter() - start, flush=True)
"""
WEIGHTS = """
import sys, numpy as np
from pathlib import Path
import warmstart as ws
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.models import architecture, arrays
model = ws.load({model!r}, weights=None)
network = model.keras
for number in range(3):
    random = np.random.default_rng(number)
    for layer in network.layers:
        values = layer.get_weights()
        if "batch" in type(layer).__name__.lower():
            layer.set_weights([random.uniform(0.8, 1.2, v.shape) for v in values])
        else:
            layer.set_weights([v + random.normal(0, 0.003, v.shape) for v in values])
    named = arrays(architecture(model.entry.architecture), network, model.entry.config)
    save_safetensors(Path({folder!r}) / f"{{number}}.safetensors", named)
"""
COMPILES = """
import time
import tensorflow, keras
import warmstart as ws
for number in range(3):
    model = ws.load({model!r}, weights={folder!r} + f"/{{number}}.safetensors")
    start = time.perf_counter()
    model.artifact
    print(time.perf_counter() - start, flush=True)
"""


def first_use(settings: Settings) -> Iterator[Figure]:
    """Whole processes until their first answer, in turns; then compiling three times."""
    values: dict[str, list[float]] = {"warmstart": [], "Keras": []}
    about = {"model": MODEL, "weights": None, "photo": str(settings.photo)}
    for number in range(settings.processes + 1):
        log(f"first answers, round {number} of {settings.processes}")
        for name, script in (("warmstart", OURS), ("Keras", KERAS)):
            with tempfile.TemporaryDirectory(dir=settings.scratch) as home:
                first = seconds_of(script.format(**about), settings.environment, home)[0]
            if number:
                values[name].append(first)
    ours, theirs = (statistics.median(each) for each in values.values())
    yield compared(
        9,
        f"first answer of {MODEL} in an empty cache, against `keras.Model.predict`'s first",
        values,
        "Keras",
        values_unit="s",
        bar=1.15,
        note=f"{ours:.2f} and {theirs:.2f} s from `import` to the answer; medians of "
        f"{settings.processes}; random weights",
    )
    with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
        about = {"model": MODEL, "folder": folder}
        log(f"compiling {MODEL} with three sets of weights")
        seconds_of(WEIGHTS.format(**about), settings.environment, folder)
        first, *again = seconds_of(COMPILES.format(**about), settings.environment, folder)
    yield Figure(
        9,
        f"compiling {MODEL} where it was compiled with other weights, TensorFlow being imported",
        statistics.median(again),
        "s",
        bar=3.0,
        note=f"the first took {first:.1f} s; verified against Keras each time",
    )


def seconds_of(script: str, environment: Mapping[str, str], home: str) -> list[float]:
    """The numbers printed by a script that runs with its own cache folder."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "WARMSTART_HOME": str(Path(home)), "WARMSTART_FIRST_CALL": "keras"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return [float(line) for line in done.stdout.split()]
