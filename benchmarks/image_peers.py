"""The processes that are measured: warmstart, Keras, tf.function, ONNX Runtime, OpenVINO.

Each kind is a function from its job to (what can be timed, what there is to say). All peers of a
model have the same random weights (`ws.load(name, weights=None)` draws the same ones in every
process) and are given the same prepared array, batch 1; each tells how far its probabilities are
from Keras'.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from memory import peak_mb

Job = Mapping[str, Any]
Kind = Callable[[Job], tuple[dict[str, Callable[[], Any]], dict[str, Any]]]


def prepare(job: Job) -> tuple[dict, dict]:
    """Compile, and write what the peers need: the arrays, and Keras' probabilities."""
    folder = Path(job["folder"])
    model = _model(job)
    said: dict[str, Any] = {}
    start = time.perf_counter()
    engine = model.engine
    said["seconds to the first answer"] = time.perf_counter() - start
    said |= {"engine": engine.name, "artifact": str(model.artifact.path)}
    array = _array(job["photo"], model.preprocessing.size)
    prepared = model.preprocess(array)[None]
    np.save(folder / "array.npy", array)
    np.save(folder / "prepared.npy", prepared)
    keras = model.keras
    np.save(folder / "reference.npy", keras.predict(prepared, verbose=0)[0])
    return {}, said


def convert(job: Job) -> tuple[dict, dict]:
    """Write the file `to` (a key of `converters.CONVERTERS`) that some of the peers read."""
    import converters

    converters.bound_memory()
    converters.CONVERTERS[job["to"]](
        _model(job).keras, _load(job, "prepared").shape, Path(job["folder"])
    )
    return {}, {}


def warmstart(job: Job) -> tuple[dict, dict]:
    """`ws.load(name, weights=None)`: the whole call on a uint8 array, and its two halves."""
    model = _model(job)
    array, prepared = _load(job, "array"), _load(job, "prepared")
    engine = model.engine
    output = engine.run("forward", images=prepared)["probabilities"][0]
    return {
        "call": lambda: model(array),
        "engine": lambda: engine.run("forward", images=prepared),
        "preprocessing": lambda: model.preprocess(array),
    }, {"engine": engine.name, **_compared(job, output)}


def keras_predict(job: Job) -> tuple[dict, dict]:
    model, prepared = _model(job).keras, _load(job, "prepared")
    return _single(job, lambda: model.predict(prepared, verbose=0)[0])


def tf_function(job: Job) -> tuple[dict, dict]:
    import tensorflow as tf

    model, prepared = _model(job).keras, _load(job, "prepared")
    spec = [tf.TensorSpec(prepared.shape, "float32")]
    function = tf.function(lambda images: model(images, training=False), input_signature=spec)
    return _single(job, lambda: function(tf.constant(prepared)).numpy()[0])


def onnxruntime(job: Job) -> tuple[dict, dict]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    session = ort.InferenceSession(
        str(Path(job["folder"]) / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    name, prepared = session.get_inputs()[0].name, _load(job, "prepared")
    return _single(job, lambda: session.run(None, {name: prepared})[0][0])


def openvino_tflite(job: Job) -> tuple[dict, dict]:
    """OpenVINO on the very file that warmstart compiled."""
    import openvino

    return _openvino(job, openvino.Core().read_model(job["artifact"]))


def openvino_saved_model(job: Job) -> tuple[dict, dict]:
    import openvino

    return _openvino(job, openvino.convert_model(str(Path(job["folder"]) / "saved_model")))


def _openvino(job: Job, network: Any) -> tuple[dict, dict]:
    import openvino

    prepared = _load(job, "prepared")
    network.reshape(list(prepared.shape))
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": job["threads"],
    }
    compiled = openvino.Core().compile_model(network, "CPU", settings)
    classes = _load(job, "reference").shape[0]
    (port,) = [p for p in compiled.outputs if tuple(p.shape) == (1, classes)][:1]
    request = compiled.create_infer_request()

    def call() -> np.ndarray:
        request.infer([prepared])
        return request.get_tensor(port).data[0]

    return _single(job, call)


def _single(job: Job, call: Callable[[], np.ndarray]) -> tuple[dict, dict]:
    return {"call": call}, _compared(job, call())


def throughput(job: Job) -> tuple[dict, dict]:
    """A folder of photos end to end, the engine alone on the same photos decoded before, and
    decoding alone.
    """
    from concurrent.futures import ThreadPoolExecutor

    model, size = _model(job), job["batch_size"]
    photos = sorted(Path(job["photos"]).iterdir())
    engine = model.engine
    few = [model.preprocess(photo) for photo in photos[: job["distinct"]]]
    batches = [
        np.stack([few[i % len(few)] for i in range(first, min(first + size, len(photos)))])
        for first in range(0, min(len(photos), len(few) * size), size)
    ]
    rounds = -(-len(photos) // size)

    def end_to_end() -> None:
        answered = sum(bool(result) for result in model.stream(job["photos"], batch_size=size))
        if answered != len(photos):
            raise RuntimeError(f"{answered} of {len(photos)} photos were answered")

    def engine_alone() -> None:
        left = len(photos)
        for number in range(rounds):
            batch = batches[number % len(batches)][:left]
            engine.run("forward", images=batch)
            left -= len(batch)

    def decoding() -> None:
        with ThreadPoolExecutor(job["threads"]) as pool:
            for _ in pool.map(model.preprocess, photos):
                pass

    return {"end to end": end_to_end, "engine alone": engine_alone, "decoding alone": decoding}, {
        "engine": engine.name,
        "photos": len(photos),
    }


def modules(job: Job) -> tuple[dict, dict]:
    """Predict, then say which modules of TensorFlow this process has imported."""
    result = _model(job)(job["photo"])
    found = sorted(
        name for name in sys.modules if name.split(".")[0] in ("tensorflow", "keras", "tf_keras")
    )
    return {}, {"imported": found, "answer": str(result[0].label)}


def parity(job: Job) -> tuple[dict, dict]:
    """Engines against `keras.Model.predict` on photos; accuracy where the file names tell the
    classes.
    """
    import warmstart as ws

    photos = sorted(Path(job["photos"]).iterdir())[: job["count"]]
    reference = _model(job)
    arrays = np.stack([reference.preprocess(photo) for photo in photos])
    expected = reference.keras.predict(arrays, batch_size=25, verbose=0)
    said: dict[str, Any] = {"count": len(photos), "engines": {}, "accuracy": {}}
    for name in job["engines"]:
        try:
            model = ws.load(job["model"], **_weights(job), engine=name)
            run = model.engine.run
        except ws.errors.EngineUnavailableError as error:
            said["engines"][name] = {"missing": str(error)}
            continue
        got = np.concatenate(
            [run("forward", images=array[None])["probabilities"] for array in arrays]
        )
        said["engines"][name] = {
            "difference": float(np.abs(got - expected).max()),
            "same top-1": int((got.argmax(1) == expected.argmax(1)).sum()),
        }
        if job["labelled"]:
            said["accuracy"][name] = model.evaluate(
                [(photo, photo.name.split("_")[0]) for photo in photos]
            )
    return {}, said


def agreement(job: Job) -> tuple[dict, dict]:
    """A model in int8 beside its float32, on photos; accuracy of both where `truth` says how photos
    are labelled.

    `truth`: `"file"` (the name is id_label.JPEG), `"folder"` (the folder's name is the label), or
        None.
    """
    import warmstart as ws

    photos = sorted(path for path in Path(job["photos"]).rglob("*") if path.is_file())[
        : job["count"]
    ]
    exact = _model(job)
    arrays = [exact.preprocess(photo)[None] for photo in photos]
    want, got = (
        [model.engine.run("forward", images=array) for array in arrays]
        for model in (exact, ws.load(job["model"], **_weights(job), precision="int8"))
    )
    best, best8 = (
        [int(output["probabilities"][0].argmax()) for output in outputs] for outputs in (want, got)
    )
    said: dict[str, Any] = {
        "count": len(photos),
        "classes": len(set(best)),
        "same top-1": sum(a == b for a, b in zip(best, best8, strict=True)),
        "difference": max(
            float(np.abs(a["probabilities"] - b["probabilities"]).max())
            for a, b in zip(want, got, strict=True)
        ),
        "features": float(
            np.median(
                [
                    np.linalg.norm(a["features"] - b["features"]) / np.linalg.norm(a["features"])
                    for a, b in zip(want, got, strict=True)
                ]
            )
        ),
    }
    if job["truth"]:
        index = {key: label.index for label in exact.labels for key in (label.id, label.name)}
        truth = [
            index[p.parent.name if job["truth"] == "folder" else p.name.split("_")[0]]
            for p in photos
        ]
        said["accuracy"] = [float(np.mean(np.equal(found, truth))) for found in (best, best8)]
    return {}, said


KINDS: dict[str, Kind] = {
    f.__name__: f
    for f in (
        prepare,
        convert,
        warmstart,
        keras_predict,
        tf_function,
        onnxruntime,
        openvino_tflite,
        openvino_saved_model,
        throughput,
        modules,
        parity,
        agreement,
    )
}


def _weights(job: Job) -> dict[str, Any]:
    return {} if job.get("weights") == "pretrained" else {"weights": job.get("weights")}


def _model(job: Job) -> Any:
    import warmstart as ws

    return ws.load(
        job["model"],
        **_weights(job),
        engine=job.get("engine", "auto"),
        precision=job.get("precision", "float32"),
    )


def _load(job: Job, name: str) -> np.ndarray:
    return np.load(Path(job["folder"]) / f"{name}.npy", allow_pickle=False)


def _compared(job: Job, probabilities: np.ndarray) -> dict[str, float]:
    return {"difference": float(np.abs(probabilities - _load(job, "reference")).max())}


def _array(photo: str, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    with Image.open(photo) as image:
        return np.asarray(image.convert("RGB").resize(size[::-1], Image.Resampling.BICUBIC))


def serve(kinds: Mapping[str, Kind]) -> int:
    """Read the job, say when ready, answer requests to time something, until the input ends."""
    warnings.simplefilter("ignore")
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not come between our lines

    def say(message: Mapping[str, Any]) -> None:
        print(json.dumps(message), file=lines, flush=True)

    try:
        job = json.loads(sys.stdin.readline())
        timed, info = kinds[job["kind"]](job)
        say(info)
        for line in sys.stdin:
            request = json.loads(line)
            if "memory" in request:
                say({"mb": peak_mb()})
                continue
            call = timed[request["time"]]
            if request["warm"]:
                call()
            milliseconds = []
            for _ in range(request["calls"]):
                start = time.perf_counter()
                call()
                milliseconds.append((time.perf_counter() - start) * 1e3)
            say({"ms": milliseconds})
    except Exception as error:
        import traceback

        traceback.print_exc()
        say({"error": f"{type(error).__name__}: {error}"[:1000]})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(serve(KINDS))
