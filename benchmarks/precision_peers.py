"""The processes that `precisions.py` measures: image classifiers and BERT base in a precision, by
warmstart and others, from arrays to arrays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from image_peers import Job, _load, _model, prepare, serve

BERT_CALLS = ("1 x 128 tokens", "8 x 128 tokens")
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""OpenVINO's precision of what is not quantised."""
TIMM = {
    "mobilenet_v2": "mobilenetv2_100",
    "resnet50": "resnet50",
    "efficientnet_b0": "efficientnet_b0",
}


AGREEMENT = 0.9
"""What warmstart is asked for; NNCF with its defaults reaches about as much."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.05, "int8": 0.5}
"""How far probabilities and logits may be from those of the reference: further is another network."""


def _timed(
    calls: dict[str, Callable[[], Any]], largest: float = 0.0, **versions: str
) -> tuple[dict, dict]:
    return calls, {"calls": list(calls), "difference": largest, "versions": versions}


def _difference(job: Job, outputs: Any, expected: str) -> float:
    """The largest difference from the array `expected`.

    Raises:
        RuntimeError: this tool computes something else.
    """
    largest = float(np.abs(np.asarray(outputs, np.float32) - _load(job, expected)).max())
    if not largest <= TOLERANCE[job["precision"]]:
        raise RuntimeError(f"left out: its outputs differ by {largest:.1e}")
    return largest


def _photo(job: Job, call: Callable[[], Any], **versions: str) -> tuple[dict, dict]:
    """A call that returns probabilities, (1, classes)."""
    return _timed({"call": call}, _difference(job, call()[0], "reference"), **versions)


def photo_warmstart(job: Job) -> tuple[dict, dict]:
    """The engine of `ws.load(name)`."""
    model, prepared = _model(job), _load(job, "prepared")
    engine = model.engine
    return _photo(job, lambda: engine.run("forward", images=prepared)["probabilities"])


def photo_calibrated(job: Job) -> tuple[dict, dict]:
    """Compile warmstart's calibrated int8."""
    import warmstart as ws

    model = ws.load(
        job["model"],
        weights=job["weights"],
        precision="int8",
        calibration=job["photos"],
        agreement=AGREEMENT,
    )
    return {}, {"engine": model.engine.name}


def photo_openvino(job: Job) -> tuple[dict, dict]:
    """OpenVINO on the file that warmstart compiled in float32, or on the one that NNCF quantised."""
    import openvino

    core, prepared = openvino.Core(), _load(job, "prepared")
    quantized = Path(job["folder"]) / "nncf.xml"
    path = quantized if job["precision"] == "int8" else Path(job["artifact"])
    network = core.read_model(str(path))
    network.reshape(list(prepared.shape))
    width = len(_load(job, "reference"))
    output = next(n for n, port in enumerate(network.outputs) if port.shape[1] == width)
    return _photo(job, _openvino(core, network, job, [prepared], output))


def _openvino(core: Any, network: Any, job: Job, inputs: Any, output: int = 0) -> Callable[[], Any]:
    settings = {
        "INFERENCE_PRECISION_HINT": HINTS[job["precision"]],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": job["threads"],
    }
    request = core.compile_model(network, "CPU", settings).create_infer_request()

    def call() -> np.ndarray:
        request.infer(inputs)
        outputs: np.ndarray = request.get_output_tensor(output).data
        return outputs

    return call


def photo_nncf(job: Job) -> tuple[dict, dict]:
    """NNCF with its defaults, calibrated on the photos."""
    import nncf
    import openvino

    from warmstart.engines.nncf import float_network

    photos = list(_photos(job))
    network = nncf.quantize(float_network(Path(job["artifact"])), nncf.Dataset(photos))
    openvino.save_model(network, str(Path(job["folder"]) / "nncf.xml"), compress_to_fp16=False)
    return {}, {}


def photo_onnx(job: Job) -> tuple[dict, dict]:
    """tf2onnx."""
    import converters

    converters.bound_memory()
    shape = _load(job, "prepared").shape
    converters.CONVERTERS["ONNX"](
        _model({**job, "precision": "float32"}).keras, shape, Path(job["folder"])
    )
    return {}, {}


def photo_onnx_int8(job: Job) -> tuple[dict, dict]:
    """ONNX Runtime's static quantisation of the float32 file, per channel, calibrated on the photos."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Photos(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._photos = _photos(job)

        def get_next(self) -> dict[str, np.ndarray] | None:
            photo = next(self._photos, None)
            return None if photo is None else {"images": photo}

    folder = Path(job["folder"])
    prepared = str(folder / "model-prepared.onnx")
    quant_pre_process(str(folder / "model.onnx"), prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        str(folder / "model-int8.onnx"),
        Photos(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        weight_type=quantization.QuantType.QInt8,
        activation_type=quantization.QuantType.QUInt8,
    )
    return {}, {}


def photo_onnxruntime(job: Job) -> tuple[dict, dict]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    name = "model-int8.onnx" if job["precision"] == "int8" else "model.onnx"
    session = onnxruntime.InferenceSession(
        str(Path(job["folder"]) / name), options, providers=["CPUExecutionProvider"]
    )
    prepared = _load(job, "prepared")
    return _photo(job, lambda: session.run(None, {"images": prepared})[0])


def photo_xla(job: Job) -> tuple[dict, dict]:
    """The Keras model in a `tf.function` that XLA compiles."""
    import tensorflow as tf

    model, prepared = _model(job).keras, _load(job, "prepared")
    function = tf.function(lambda images: model(images, training=False), jit_compile=True)
    photo = tf.constant(prepared)
    return _photo(job, lambda: function(photo).numpy())


def photo_torch(job: Job) -> tuple[dict, dict]:
    """The same architecture of timm, with random weights of its own."""
    import timm
    import torch

    torch.set_num_threads(job["threads"])
    dtype = getattr(torch, job["precision"])
    model = timm.create_model(TIMM[job["model"]], pretrained=False).eval()
    model = torch.compile(model.to(dtype, memory_format=torch.channels_last))
    photo = torch.from_numpy(_load(job, "prepared")).permute(0, 3, 1, 2).to(dtype)
    photo = photo.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def call() -> Any:
        return model(photo).softmax(-1)

    call()  # compiles
    return _timed({"call": call}, timm=timm.__version__, torch=torch.__version__)


def _photos(job: Job) -> Iterator[np.ndarray]:
    """The photos as the network takes them, (1, H, W, 3)."""
    model = _model({**job, "precision": "float32"})
    for path in job["photos"]:
        yield model.preprocess(path)[None]


def bert_weights(job: Job) -> tuple[dict, dict]:
    """Write a BERT base with random weights, its tokenizer, and token ids."""
    import torch
    import transformers

    torch.manual_seed(0)
    folder = Path(job["folder"])
    config = transformers.BertConfig(
        num_labels=2,
        num_hidden_layers=job["layers"],
        position_embedding_type="absolute",  # for CTranslate2
    )
    model = transformers.BertForSequenceClassification(config).eval()
    model.save_pretrained(folder)
    transformers.BertTokenizerFast(job["vocabulary"], do_lower_case=True).save_pretrained(folder)
    random = np.random.default_rng(0)
    ids = random.integers(1000, 30000, (8, 128))
    np.save(folder / "ids.npy", ids)
    with torch.inference_mode():
        np.save(folder / "logits.npy", model(torch.from_numpy(ids)).logits.numpy())
    return {}, {}


def bert_warmstart(job: Job) -> tuple[dict, dict]:
    import warmstart as ws

    engine = ws.load(job["folder"], precision=job["precision"]).engine

    def call(rows: dict[str, np.ndarray]) -> Callable[[], Any]:
        return lambda: engine.run("forward", **rows)["logits"]

    return _bert(job, call, np.int32)


def bert_calibrated(job: Job) -> tuple[dict, dict]:
    """Compile warmstart's calibrated int8."""
    import warmstart as ws

    model = ws.load(job["folder"], precision="int8", calibration=job["texts"])
    return {}, {"engine": model.engine.name}


def bert_export(job: Job) -> tuple[dict, dict]:
    """The network as optimum-intel converts it."""
    from optimum.intel import OVModelForSequenceClassification

    model = OVModelForSequenceClassification.from_pretrained(
        job["folder"], export=True, compile=False, load_in_8bit=False
    )
    model.save_pretrained(Path(job["folder"]) / "openvino")
    return {}, {}


def bert_nncf(job: Job) -> tuple[dict, dict]:
    """NNCF with its defaults for transformers, calibrated on the sentences."""
    import nncf
    import openvino
    from transformers import AutoTokenizer

    folder = Path(job["folder"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    samples = [dict(tokenizer(text, return_tensors="np")) for text in job["texts"]]
    network = openvino.Core().read_model(str(folder / "openvino" / "openvino_model.xml"))
    network = nncf.quantize(network, nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER)
    openvino.save_model(network, str(folder / "nncf.xml"), compress_to_fp16=False)
    return {}, {}


def bert_openvino(job: Job) -> tuple[dict, dict]:
    """OpenVINO on what optimum-intel converted or NNCF quantised, compiled for each shape."""
    import openvino

    core, folder = openvino.Core(), Path(job["folder"])
    path = folder / "openvino" / "openvino_model.xml"
    path = folder / "nncf.xml" if job["precision"] == "int8" else path

    def call(rows: dict[str, np.ndarray]) -> Callable[[], Any]:
        network = core.read_model(str(path))
        shape = list(rows["input_ids"].shape)
        names = [port.get_any_name() for port in network.inputs]
        network.reshape(dict.fromkeys(names, shape))
        return _openvino(core, network, job, {name: rows[name] for name in names})

    return _bert(job, call, np.int64)


def bert_ctranslate2(job: Job) -> tuple[dict, dict]:
    """The encoder without the head, in CTranslate2's format."""
    import ctranslate2

    folder = Path(job["folder"])
    converted = folder / "ctranslate2"
    if not converted.is_dir():
        from ctranslate2.converters import TransformersConverter

        TransformersConverter(str(folder)).convert(str(converted))
    encoder = ctranslate2.Encoder(
        str(converted), compute_type=job["precision"], intra_threads=job["threads"]
    )

    def call(rows: dict[str, np.ndarray]) -> Callable[[], Any]:
        ids = rows["input_ids"].tolist()
        return lambda: np.array(encoder.forward_batch(ids).pooler_output)

    return _bert(job, call, np.int64, logits=None, ctranslate2=ctranslate2.__version__)


def bert_torch(job: Job) -> tuple[dict, dict]:
    """transformers on PyTorch, compiled if the job says so."""
    import torch
    import transformers

    torch.set_num_threads(job["threads"])
    dtype = getattr(torch, job["precision"])
    model: Any = transformers.BertForSequenceClassification.from_pretrained(
        job["folder"], dtype=dtype
    ).eval()
    if job.get("compile"):
        model = torch.compile(model)

    def call(rows: dict[str, np.ndarray]) -> Callable[[], Any]:
        tensors = {name: torch.from_numpy(array) for name, array in rows.items()}

        @torch.inference_mode()
        def run() -> Any:
            return model(**tensors).logits

        return run

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return _bert(job, call, np.int64, logits=lambda outputs: outputs.float().numpy(), **versions)


def _bert(
    job: Job,
    call: Callable[[dict[str, np.ndarray]], Callable[[], Any]],
    dtype: Any,
    *,
    logits: Callable[[Any], Any] | None = np.asarray,
    **more: str,
) -> tuple[dict, dict]:
    """The calls of a tool.

    Args:
        job: of the process.
        call: makes a call from arrays, (rows, tokens) each.
        dtype: of these arrays.
        logits: from the outputs of a call; None: it returns none, and is not compared.
        **more: versions of packages.
    """
    ids = np.load(Path(job["folder"]) / "ids.npy").astype(dtype)
    calls = {}
    for name, count in zip(BERT_CALLS, (1, 8), strict=True):
        some = np.ascontiguousarray(ids[:count])
        calls[name] = call(
            {
                "input_ids": some,
                "attention_mask": np.ones_like(some),
                "token_type_ids": np.zeros_like(some),
            }
        )
    outputs = [run() for run in calls.values()][-1]  # compiles
    largest = 0.0 if logits is None else _difference(job, logits(outputs), "logits")
    return _timed(calls, largest, **more)


KINDS = {
    kind.__name__: kind
    for kind in (
        prepare,
        photo_warmstart,
        photo_calibrated,
        photo_openvino,
        photo_nncf,
        photo_onnx,
        photo_onnx_int8,
        photo_onnxruntime,
        photo_xla,
        photo_torch,
        bert_weights,
        bert_warmstart,
        bert_calibrated,
        bert_export,
        bert_nncf,
        bert_openvino,
        bert_ctranslate2,
        bert_torch,
    )
}

if __name__ == "__main__":
    sys.exit(serve(KINDS))
