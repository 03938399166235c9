"""Parts 3, 4 and 6: one image at a time, against the peers and against the model's own int8."""

from __future__ import annotations

import statistics
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from figures import Figure, compared
from measure import fastest, ratio, turns
from settings import ROOT, Settings, log
from workers import Worker, WorkerError

MODELS = ("resnet50", "mobilenet_v2", "efficientnet_b0", "inception_v3", "vgg16")
AGAINST_PREDICT = {"mobilenet_v2": 0.15}  # others: 0.5
INT8_BARS = {"resnet50": 0.45}  # others inform: depthwise families may be slower
PEERS = {  # title -> (kind of worker, modules it needs, what has to be converted before)
    "Keras predict": ("keras_predict", ("tensorflow",), None),
    "tf.function": ("tf_function", ("tensorflow",), None),
    "ONNX Runtime": ("onnxruntime", ("onnxruntime", "onnx", "tf2onnx"), "ONNX"),
    "OpenVINO (.tflite)": ("openvino_tflite", ("openvino",), None),
    "OpenVINO (SavedModel)": ("openvino_saved_model", ("openvino",), "SavedModel"),
}
SAME = 1e-3  # a peer whose probabilities are further from Keras' computes something else


def latency(settings: Settings, parts: Sequence[int]) -> Iterator[Figure]:
    """Parts 3 and 4, whose figures come from the same rounds."""
    for model in settings.models:
        try:
            yield from _one_model(settings, model, parts)
        except WorkerError as error:  # the other models are measured all the same
            for part in parts:
                yield Figure.of_crash(part, f"one image, {model}", error)


def _one_model(settings: Settings, model: str, parts: Sequence[int]) -> Iterator[Figure]:
    folder = settings.scratch / model
    folder.mkdir(exist_ok=True)
    log(f"{model}: compiling")
    job: dict[str, Any] = {"model": model, "weights": None, "folder": str(folder)}
    with settings.worker("prepare", photo=str(settings.photo), **job) as worker:
        prepared = worker.info
    job["artifact"] = prepared["artifact"]
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        ours = stack.enter_context(settings.worker("warmstart", **job))
        wanted = PEERS if 4 in parts else {"Keras predict": PEERS["Keras predict"]}
        peers: dict[str, Worker] = {}
        for title, (kind, modules, converted) in wanted.items():
            absent = [module for module in modules if find_spec(module) is None]
            if absent:
                missing[title] = f"{absent[0]} is not installed"
                continue
            try:
                if converted is not None:
                    log(f"{model}: converting to {converted}")
                    settings.worker("convert", to=converted, **job).close()
                peers[title] = stack.enter_context(settings.worker(kind, **job))
            except WorkerError as error:
                missing[title] = f"failed ({' '.join(str(error).split())[:200]})"
        for title in [t for t, worker in peers.items() if not worker.info["difference"] <= SAME]:
            missing[title] = (
                f"left out: its probabilities differ by {peers.pop(title).info['difference']:.1e}"
            )
        log(f"{model}: measuring {', '.join(['warmstart', *peers])}")
        timers = {what: ours.timer(what) for what in ("call", "engine", "preprocessing")}
        timers |= {title: worker.timer("call") for title, worker in peers.items()}
        values = turns(timers, settings.rounds, settings.seconds)
        engine = ours.info["engine"]
    for title, why in missing.items():
        log(f"{model}: {title}: {why}")
    yield from _figures(model, values, missing, engine, parts)


def _figures(
    model: str,
    values: Mapping[str, list[float]],
    missing: Mapping[str, str],
    engine: str,
    parts: Sequence[int],
) -> Iterator[Figure]:
    ms = {name: statistics.median(times) for name, times in values.items()}
    own = f"{ms['call']:.2f} ms = {engine} {ms['engine']:.2f} + preprocessing {ms['preprocessing']:.2f}"
    if 3 in parts and "Keras predict" in values:
        yield compared(
            3,
            f"one image, `ws.load({model!r})(array)` against `keras.Model.predict`",
            {"warmstart": values["call"], "Keras": values["Keras predict"]},
            "Keras",
            bar=AGAINST_PREDICT.get(model, 0.5),
            note=f"{own}; Keras {ms['Keras predict']:.1f} ms",
        )
    if 4 in parts:
        others = {
            title: values[title] for title in PEERS if title in values and title != "Keras predict"
        }
        what = f"one image, {model}, against the fastest of the others"
        if not others:
            yield Figure(
                4, what, None, bar=1.05, note="; ".join(f"{t}: {why}" for t, why in missing.items())
            )
            return
        best = fastest(others)
        listed = ", ".join(
            f"{title} {ms[title]:.2f}" for title in sorted(others, key=ms.__getitem__)
        )
        gone = "".join(f"; {title}: {why}" for title, why in missing.items())
        yield compared(
            4,
            what,
            {"warmstart": values["call"], **others},
            best,
            bar=1.05,
            note=f"{own}; ms of the others: {listed}{gone}",
        )
        yield Figure(
            4, f"the engine alone, {model}, against the same", ratio(values["engine"], others[best])
        )


def int8(settings: Settings) -> Iterator[Figure]:
    """Part 6: `precision="int8"` against float32, in turns; and how often the two agree."""
    models = [
        name for name in ("resnet50", "mobilenet_v2", "efficientnet_b0") if name in settings.models
    ]
    for model in models:
        folder = settings.scratch / f"{model}-int8"
        folder.mkdir(exist_ok=True)
        job: dict[str, Any] = {"model": model, "weights": None, "folder": str(folder)}
        log(f"{model}: compiling in float32 and int8")
        settings.worker("prepare", photo=str(settings.photo), **job).close()
        with (
            settings.worker("warmstart", precision="float32", **job) as exact,
            settings.worker("warmstart", precision="int8", **job) as small,
        ):
            log(f"{model}: measuring int8 beside float32")
            timers = {
                f"{name} {what}": worker.timer(what)
                for name, worker in (("float32", exact), ("int8", small))
                for what in ("call", "engine")
            }
            values = turns(timers, settings.rounds, settings.seconds)
            engines = {"float32": exact.info["engine"], "int8": small.info["engine"]}
        ms = {name: statistics.median(times) for name, times in values.items()}
        yield Figure(
            6,
            f'{model}, `precision="int8"` against its float32, one image',
            ratio(values["int8 call"], values["float32 call"]),
            bar=INT8_BARS.get(model),
            note=f"{ms['int8 call']:.2f} ms ({engines['int8']}) against {ms['float32 call']:.2f} ms "
            f"({engines['float32']}); "
            f"engines alone {ratio(values['int8 engine'], values['float32 engine']):.3f}",
        )
        if settings.photos is not None:
            yield _agreement(settings, model, settings.photos, None, None)
    what = "{} (real weights), int8 and float32 name the same best class"
    if settings.photos is not None and settings.weights is not None:
        yield _agreement(
            settings, "mobilenet_0.25_224", settings.photos, str(settings.weights), "file"
        )
    else:
        yield Figure(
            6,
            what.format("mobilenet_0.25_224"),
            None,
            "share",
            note="left out: no --photos, or no --weights",
        )
    if settings.cifar10 is not None:
        folder = settings.scratch / "cifar10"
        unpack(settings.cifar10, folder, settings.tiny)
        yield _agreement(
            settings,
            str(ROOT / "tests" / "data" / "cifar10_resnet20"),
            folder,
            "pretrained",
            "folder",
        )
    else:
        yield Figure(
            6, what.format("cifar10_resnet20"), None, "share", note="left out: no --cifar10"
        )


def unpack(archive: Path, folder: Path, count: int) -> None:
    """`count` pictures of a zip of class folders, as many of each class, as class folders below
    `folder`.
    """
    with zipfile.ZipFile(archive) as pictures:
        classes: dict[str, list[str]] = {}
        for name in sorted(pictures.namelist()):
            if name.endswith((".jpg", ".png")):
                classes.setdefault(Path(name).parent.name, []).append(name)
        for label, names in classes.items():
            (folder / label).mkdir(parents=True, exist_ok=True)
            for name in names[: count // len(classes)]:
                (folder / label / Path(name).name).write_bytes(pictures.read(name))


def _agreement(
    settings: Settings, source: str, photos: Path, weights: str | None, truth: str | None
) -> Figure:
    model = Path(source).name
    log(f"{model}: agreement of int8 with float32")
    with settings.worker(
        "agreement",
        model=source,
        weights=weights,
        photos=str(photos),
        truth=truth,
        count=settings.tiny if truth == "folder" else settings.compared,
    ) as worker:
        said = worker.info
    counted = f"{said['same top-1']:,} of {said['count']:,} photos"
    if not truth:
        return Figure(
            6,
            f"{model} (random weights), difference of int8's features from float32's",
            said["features"],
            "share",
            note=f"norm, median of {said['count']} photos; the same best class on {counted}, but "
            f"random weights name only {said['classes']} of 1,000 classes",
        )
    exact, small = said["accuracy"]
    return Figure(
        6,
        f"{model} (real weights), int8 and float32 name the same best class",
        said["same top-1"] / said["count"],
        "share",
        note=f"{counted}; accuracy {exact:.1%} in float32, {small:.1%} in int8; largest difference of a "
        f"probability {said['difference']:.1e}",
    )
