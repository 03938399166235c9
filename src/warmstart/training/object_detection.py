"""Fine-tuning a detector: FCOS on a classification backbone, or one that was fine-tuned before, on labelled boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Label, Metric
from warmstart.errors import UsageError
from warmstart.inputs.annotations.boxes import BoxData, read_boxes
from warmstart.models import architecture
from warmstart.tasks.base import Model
from warmstart.tasks.boxes import choose
from warmstart.tasks.coco_metrics import CocoEvaluation, Found, Truth
from warmstart.training import fcos_targets, open_base, result
from warmstart.training.dense import Predictor, base_of, compiled, fresh, learning, said, sized, split, told_size
from warmstart.training.detection_report import report
from warmstart.training.fit import fit, seeded
from warmstart.training.labelled import BoxBatches
from warmstart.training.run import open_run
from warmstart.training.schedules import warmup_cosine
from warmstart.training.views import Variation

SUPPRESSION = 0.6
CONSIDERED = 0.05  # least score that counts while measuring; as COCO's evaluations of one-stage detectors do
SOURCE = "measured when it was fine-tuned"


def finetune(base: str | Path | Model, data: Any, *, validation: Any = None, epochs: int = 40, freeze: str = "none",
             optimizer: Any = None, augment: Variation | bool = True, seed: int = 0, output: str | Path | None = None,
             callbacks: Sequence[Any] = (), labels: Sequence[str] | None = None, image_size: Any = None,
             batch_size: int = 8, learning_rate: float = 2e-3, patience: int | None = None, width: int = 64,
             depth: int = 2, verbose: bool = True, **options: Any) -> Model:
    """Fine-tune a detector; see `warmstart.finetune` for what all tasks share.

    Args:
        base: a classifier whose network becomes the backbone, or a detector that was fine-tuned before.
        data: labelled photos as `read_boxes` takes them.
        validation: such data, or the share of `data` that is kept for it (default 0.15).
        epochs: at most.
        freeze: `"none"`, or `"backbone"`: only pyramid and head learn. BatchNormalization of a pretrained backbone
            stays as it is either way.
        optimizer: as `keras.Model.compile` takes it; default: AdamW with a warm-up and a cosine.
        augment: True, False, or a `Variation`.
        labels: the classes in order; default: those of the data.
        image_size: (height, width) of the network's input, multiples of 32; default: 384 on the shorter side.
        patience: stop after so many epochs without a better AP50.
        width, depth: of pyramid and head, of a new detector.
        verbose: whether counts, faults of the data and results are told on standard error.

    Raises:
        UsageError: the data or an option cannot be used.
        TrainingError: training cannot go on.
    """
    if options:
        raise UsageError(f"Fine-tuning a detector takes no option {next(iter(options))!r}.")
    model = open_base(base)
    training, others = split(read_boxes(data, labels), validation, seed, lambda more, known: read_boxes(more, known))
    config, begins = _config(model, training, image_size, width, depth)
    vary = Variation() if augment is True else augment or None
    settings = {"task": "object-detection", "base": model.name, "weights": model.weights.digest, "config": config,
                "data": [_digest(training), _digest(others)], "classes": training.labels, "epochs": epochs,
                "freeze": freeze, "optimizer": optimizer, "augment": vary, "seed": seed, "batch_size": batch_size,
                "learning_rate": learning_rate, "patience": patience}
    with open_run(output, settings) as run:
        if run.finished:
            said(verbose, [f"{run.folder} is finished; nothing was trained."])
            from warmstart.tasks.load import load

            return load(run.folder)
        said(verbose, _lines(training, others))
        with seeded(seed):
            network = architecture("fcos").build(config)
        begins(network)
        learning(network, freeze, pretrained=model.weights.path is not None)
        size, rules = told_size(config), _rules(model, config)
        flat = keras.Model(network.input, keras.ops.concatenate(
            [network.output[key] for key in ("logits", "distances", "quality")], axis=-1), name="training")
        batches = BoxBatches(training, rules, batch_size, seed, vary, fcos_targets.Targets(size))
        rate = warmup_cosine(learning_rate, epochs * len(batches), warmup=0.05)
        flat.compile(optimizer or keras.optimizers.AdamW(rate, weight_decay=1e-3),
                     loss=fcos_targets.Loss(len(training.labels), size))
        held = BoxBatches(others, rules, batch_size, seed, None, None)

        call = predictor(network)

        def measure() -> Mapping[str, float]:
            figures = evaluated(call, held)
            return {key: figures[key] for key in ("ap", "ap50")}

        fitted = fit(flat, batches, epochs=epochs, measure=measure, monitor="val_ap50", patience=patience,
                     clip_norm=10.0, callbacks=callbacks, run=run)
        figures = evaluated(call, held)
        entry = _entry(model, config, network, rules, figures, training, others)
        said(verbose, [f"AP50 {figures['ap50']:.3f}, AP {figures['ap']:.3f} on {len(others.photos)} photos; "
                       "compiling and checking the result"])
        page = report(entry, call, held, fitted, figures, training, others)
        return result.finish(run, network, entry, [Label(i, n, n) for i, n in enumerate(training.labels)],
                             fits={"network": fitted}, report=page,
                             told={"figures": {k: v for k, v in figures.items() if k != "per_class"},
                                   "problems": [*training.problems, *others.problems]})


def _config(model: Model, data: BoxData, image_size: Any, width: int, depth: int) -> tuple[dict[str, Any], Any]:
    """The network's config, and what fills it from the base."""
    if model.entry.architecture == "fcos":
        config = {**model.entry.to_dict()["config"], "classes": len(data.labels)}
    elif model.entry.task == "object-detection":
        raise UsageError(f"{model.name} cannot be fine-tuned here; begin with a classifier such as "
                         "mobilenet_v2, whose network becomes the backbone.")
    else:
        config = {"base": base_of(model), "classes": len(data.labels), "width": width, "depth": depth}
    size = image_size if image_size is not None else config.get("input_size")
    config["input_size"] = sized(size, [photo.size for photo in data.photos])
    return config, fresh(model, config)


def _rules(model: Model, config: Mapping[str, Any]) -> Any:
    assert model.entry.preprocessing is not None
    return replace(model.entry.preprocessing, size=told_size(config), resize="squash", interpolation="bilinear",
                   crop_ratio=0.875)


def _entry(model: Model, config: Mapping[str, Any], network: keras.Model, rules: Any, figures: Mapping[str, Any],
           training: BoxData, others: BoxData) -> Entry:
    where = f"{len(others.photos)} validation photos"
    name = model.name if model.name.endswith("_fcos") else f"{model.name}_fcos"
    return replace(
        model.entry, name=name, task="object-detection", family="fcos", title=f"FCOS on {model.entry.title}",
        architecture="fcos", config=dict(config), weights={}, preprocessing=rules, labels="", gflops=None, aliases=(),
        parameters=network.count_params(), processing={"suppression": SUPPRESSION, "threshold": 0.4},
        metrics=tuple(Metric(key, round(figures[key], 4), where, SOURCE) for key in ("ap50", "ap")))


def predictor(network: keras.Model) -> Predictor:
    """The network for predicting, traced once: batches of pictures to `scores` and `boxes`."""
    return compiled(keras.Model(network.input, architecture("fcos").detections(network)))


def evaluated(call: Predictor, held: BoxBatches) -> dict[str, Any]:
    """COCO's figures on photos, in the pixels of the photos."""
    evaluation = CocoEvaluation(len(held.data.labels))
    for photo, found in predicted(call, held):
        evaluation.add(Truth(photo.boxes, photo.labels, photo.crowd, photo.area), found)
    return evaluation.result()


def predicted(call: Predictor, held: BoxBatches) -> Iterator[tuple[Any, Found]]:
    """(photo, what the network finds in it), photo by photo."""
    for start in range(0, len(held.data.photos), held.batch_size):
        photos = held.data.photos[start : start + held.batch_size]
        answer = call(np.stack([held.plain(photo) for photo in photos]))
        for photo, boxes, scores in zip(photos, np.asarray(answer["boxes"]), np.asarray(answer["scores"]), strict=True):
            sides = np.clip(boxes, 0, 1) * np.array(photo.size * 2)
            place, kind, score = choose(sides, scores, CONSIDERED, 100, SUPPRESSION)
            yield photo, Found(sides[place], kind, score)


def _digest(data: BoxData) -> str:
    from hashlib import sha256

    told = sha256()
    for photo in data.photos:
        told.update(f"{photo.name} {photo.size}".encode())
        for array in (photo.boxes, photo.labels):
            told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()


def _lines(training: BoxData, others: BoxData) -> list[str]:
    lines = [f"{name}: {len(data.photos)} photos, " + ", ".join(f"{n} {label}" for label, n in data.counts().items())
             for name, data in (("training", training), ("validation", others))]
    return lines + [f"left out or changed: {problem}" for problem in (*training.problems, *others.problems)][:20]
