"""The processes that `scaling.py` measures: photos to classes and sentences to vectors, by
warmstart and others. What is timed is called `batch N`, `length N` or `inputs N`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from image_peers import Job, serve

Run = Callable[[Any], Any]


def _calls(job: Job, whole: Run, network: Run | None = None, **more: str) -> tuple[dict, dict]:
    """The calls of a tool.

    Args:
        whole: from inputs (paths of photos, or sentences) to results.
        network: from an array of photos, (N, 224, 224, 3), to results; None for texts.
        **more: versions of packages.
    """
    calls: dict[str, Any] = {}
    inputs = job["inputs"]
    for count in job["counts"]:
        several = [inputs[number % len(inputs)] for number in range(count)]
        calls[f"inputs {count}"] = partial(whole, several)
    for size in job["batches"]:
        if network is None:
            calls[f"batch {size}"] = partial(whole, [_sentence(job["tokens"])] * size)
        else:
            photos = np.random.default_rng(0).uniform(-1, 1, (size, 224, 224, 3))
            calls[f"batch {size}"] = partial(network, photos.astype(np.float32))
    for length in job["lengths"]:
        calls[f"length {length}"] = partial(whole, [_sentence(length)])
    return calls, {"calls": list(calls), "versions": more}


def _sentence(tokens: int) -> str:
    """A text of so many tokens, the two special ones included."""
    return " ".join(["time"] * (tokens - 2))


def photos_warmstart(job: Job) -> tuple[dict, dict]:
    import warmstart as ws

    model = ws.load("mobilenet_v2", weights=None)
    engine = model.engine
    return _calls(job, lambda paths: model(paths), lambda x: engine.run("forward", images=x))


def photos_keras(job: Job) -> tuple[dict, dict]:
    """`keras.applications`, as its documentation says."""
    import keras

    model = keras.applications.MobileNetV2(weights=None)
    prepare = keras.applications.mobilenet_v2.preprocess_input

    def whole(paths: Sequence[str]) -> Any:
        images = [keras.utils.load_img(path, target_size=(224, 224)) for path in paths]
        photos = prepare(np.stack([keras.utils.img_to_array(image) for image in images]))
        return model.predict(photos, batch_size=32, verbose=0)

    return _calls(job, whole, lambda x: model.predict(x, batch_size=len(x), verbose=0))


def photos_timm(job: Job) -> tuple[dict, dict]:
    """MobileNetV2 of timm on PyTorch, with its own preprocessing."""
    import timm
    import torch
    from PIL import Image

    torch.set_num_threads(_threads())
    model = timm.create_model("mobilenetv2_100", pretrained=False).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))

    @torch.inference_mode()
    def whole(paths: Sequence[str]) -> Any:
        results = []
        for start in range(0, len(paths), 32):
            photos = [transform(Image.open(p).convert("RGB")) for p in paths[start : start + 32]]
            results.append(model(torch.stack(photos)).softmax(-1))
        return results

    @torch.inference_mode()
    def network(photos: np.ndarray) -> Any:
        return model(torch.from_numpy(photos).permute(0, 3, 1, 2)).softmax(-1)

    return _calls(job, whole, network, timm=timm.__version__, torch=torch.__version__)


def photos_onnxruntime(job: Job) -> tuple[dict, dict]:
    """warmstart's network as an ONNX file; photos are prepared with Pillow, one by one."""
    session = _session(Path(job["folder"]) / "mobilenet.onnx")
    name = session.get_inputs()[0].name

    def network(photos: np.ndarray) -> Any:
        return session.run(None, {name: photos})

    return _calls(job, partial(_in_batches, network), network)


def photos_openvino(job: Job) -> tuple[dict, dict]:
    """OpenVINO on the same file, in float32, for all batch sizes."""
    import openvino

    compiled = openvino.Core().compile_model(
        openvino.Core().read_model(str(Path(job["folder"]) / "mobilenet.onnx")),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": _threads(),
        },
    )

    def network(photos: np.ndarray) -> Any:
        return compiled([photos])[0]

    return _calls(job, partial(_in_batches, network), network)


def _in_batches(network: Run, paths: Sequence[str]) -> Any:
    """Photos to results with a network that has no pipeline of its own."""
    from PIL import Image

    results = []
    for start in range(0, len(paths), 32):
        photos = [
            np.asarray(Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))
            for path in paths[start : start + 32]
        ]
        results.append(network(np.stack(photos).astype(np.float32) / 127.5 - 1))
    return results


def photos_prepare(job: Job) -> tuple[dict, dict]:
    """Compile, and write the ONNX file."""
    import warmstart as ws

    model = ws.load("mobilenet_v2", weights=None)
    model.export(Path(job["folder"]) / "mobilenet.onnx")
    return {}, {"engine": model.engine.name}


def sentences_warmstart(job: Job) -> tuple[dict, dict]:
    import warmstart as ws

    model = ws.load("all_minilm_l6_v2")
    return _sentence_calls(job, lambda texts: np.stack([result.vector for result in model(texts)]))


def _sentence_calls(job: Job, whole: Run, **more: str) -> tuple[dict, dict]:
    """`_calls`, and the vector of the first sentence."""
    calls, info = _calls(job, whole, **more)
    return calls, {**info, "vector": whole(job["inputs"][:1])[0].tolist()}


def sentences_prepare(job: Job) -> tuple[dict, dict]:
    """Compile."""
    import warmstart as ws

    model = ws.load("all_minilm_l6_v2")
    return {}, {"engine": model.engine.name, "minilm": str(model.folder)}


def sentence_transformers(job: Job) -> tuple[dict, dict]:
    import sentence_transformers
    import torch

    torch.set_num_threads(_threads())
    model = sentence_transformers.SentenceTransformer(job["minilm"], device="cpu")
    return _sentence_calls(
        job,
        lambda texts: model.encode(texts, batch_size=32),
        **{"sentence-transformers": sentence_transformers.__version__, "torch": torch.__version__},
    )


def sentences_export(job: Job) -> tuple[dict, dict]:
    """Write the network of sentence-transformers as an ONNX file."""
    import torch
    from transformers import AutoModel

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = AutoModel.from_pretrained(job["minilm"], attn_implementation="eager")

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.bert(input_ids=input_ids, attention_mask=attention_mask)[0]

    ids = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "texts", 1: "tokens"}
    names = ["input_ids", "attention_mask"]
    torch.onnx.export(
        States().eval(),
        (ids, ids),
        str(Path(job["folder"]) / "minilm.onnx"),
        input_names=names,
        output_names=["states"],
        dynamic_axes=dict.fromkeys([*names, "states"], axes),
        dynamo=False,
    )
    return {}, {}


def sentences_onnxruntime(job: Job) -> tuple[dict, dict]:
    """The network of sentence-transformers in ONNX Runtime; sentences are sorted by length."""
    import onnxruntime
    from tokenizers import Tokenizer

    session = _session(Path(job["folder"]) / "minilm.onnx")
    tokenizer = Tokenizer.from_file(str(Path(job["minilm"]) / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def whole(texts: Sequence[str]) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(texts), 32):
            rows = order[start : start + 32]
            encoded = tokenizer.encode_batch([texts[index] for index in rows])
            mask = np.array([encoding.attention_mask for encoding in encoded], np.int64)
            ids = np.array([encoding.ids for encoding in encoded], np.int64)
            (states,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
            means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            vectors[rows] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors

    return _sentence_calls(job, whole, onnxruntime=onnxruntime.__version__)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _threads() -> int:
    return len(os.sched_getaffinity(0))


def on_cores(kind: Callable[[Job], Any]) -> Callable[[Job], Any]:
    """The kind on the first `cores` of the usable cores; 0: on all."""

    def limited(job: Job) -> Any:
        if job["cores"]:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["cores"]])
        return kind(job)

    return limited


KINDS = {
    kind.__name__: on_cores(kind)
    for kind in (
        photos_prepare,
        photos_warmstart,
        photos_keras,
        photos_timm,
        photos_onnxruntime,
        photos_openvino,
        sentences_prepare,
        sentences_warmstart,
        sentences_export,
        sentences_onnxruntime,
        sentence_transformers,
    )
}

if __name__ == "__main__":
    sys.exit(serve(KINDS))
