"""Fine-tuning a segmenter: DeepLabV3+ on a classification backbone, or a segmenter of the catalogue, on masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from warmstart.catalog import Entry, Label, Metric
from warmstart.errors import UsageError
from warmstart.inputs import image
from warmstart.inputs.annotations.masks import NOT_COUNTED, MaskData, read_masks
from warmstart.models import architecture
from warmstart.tasks.base import Model
from warmstart.tasks.label_maps import label_map
from warmstart.tasks.photos import Frame
from warmstart.tasks.segmentation_metrics import Confusion
from warmstart.tasks.segmentation_result import Segmentation
from warmstart.training import charts, open_base, result
from warmstart.training.dense import Predictor, base_of, compiled, fresh, learning, said, sized, split, told_size
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.labelled import MaskBatches
from warmstart.training.report import Report, beside, command_line, pictures, table, text
from warmstart.training.run import open_run
from warmstart.training.schedules import warmup_cosine
from warmstart.training.views import Variation

SOURCE = "measured when it was fine-tuned"
SHOWN = 6
OWN = ("segformer", "deeplabv3_mobilenet_v2", "deeplabv3")
"""Architectures of segmenters that are trained further; classifiers become the backbone of a `deeplabv3`."""


def finetune(base: str | Path | Model, data: Any, *, validation: Any = None, epochs: int = 40, freeze: str = "none",
             optimizer: Any = None, augment: Variation | bool = True, seed: int = 0, output: str | Path | None = None,
             callbacks: Sequence[Any] = (), labels: Sequence[str] | None = None,
             colours: Mapping[str, tuple[int, int, int]] | None = None, image_size: Any = None, batch_size: int = 8,
             learning_rate: float = 1e-3, patience: int | None = None, width: int = 96, verbose: bool = True,
             **options: Any) -> Model:
    """Fine-tune a segmenter; see `warmstart.finetune` for what all tasks share.

    Args:
        base: a classifier whose network becomes the backbone, or a segmenter.
        data: photos with masks as `read_masks` takes them.
        validation: such data, or the share of `data` that is kept for it (default 0.15).
        epochs: at most.
        freeze: `"none"`, or `"backbone"`: only pyramid and decoder learn. BatchNormalization of a pretrained backbone
            stays as it is either way.
        optimizer: as `keras.Model.compile` takes it; default: AdamW with a warm-up and a cosine.
        augment: True, False, or a `Variation`.
        labels, colours: as for `read_masks`.
        image_size: (height, width) of the network's input, multiples of 32; default: 384 on the shorter side.
        patience: stop after so many epochs without a better mean IoU.
        width: of the pyramid and decoder of a new segmenter.
        verbose: whether counts, faults of the data and results are told on standard error.

    Raises:
        UsageError: the data or an option cannot be used.
        TrainingError: training cannot go on.
    """
    if options:
        raise UsageError(f"Fine-tuning a segmenter takes no option {next(iter(options))!r}.")
    model = open_base(base)
    training, others = split(read_masks(data, labels, colours), validation, seed,
                             lambda more, known: read_masks(more, known, colours))
    module, config, fill = _config(model, training, image_size, width)
    vary = Variation(mosaic=0.0) if augment is True else augment or None
    settings = {"task": "image-segmentation", "base": model.name, "weights": model.weights.digest, "config": config,
                "data": [_digest(training), _digest(others)], "classes": training.labels, "epochs": epochs,
                "freeze": freeze, "optimizer": optimizer, "augment": vary, "seed": seed, "batch_size": batch_size,
                "learning_rate": learning_rate, "patience": patience}
    with open_run(output, settings) as run:
        if run.finished:
            said(verbose, [f"{run.folder} is finished; nothing was trained."])
            from warmstart.tasks.load import load

            return load(run.folder)
        said(verbose, [f"training: {len(training.photos)} photos, validation: {len(others.photos)}; classes: "
                       f"{', '.join(training.labels)}",
                       *(f"left out: {problem}" for problem in (*training.problems, *others.problems)[:20])])
        with seeded(seed):
            network = architecture(module).build(config)
        fill(network)
        learning(network, freeze, pretrained=model.weights.path is not None)
        assert model.entry.preprocessing is not None
        rules = replace(model.entry.preprocessing, size=told_size(config), resize="squash", interpolation="bilinear",
                        crop_ratio=0.875)
        batches = MaskBatches(training, rules, batch_size, seed, vary)
        rate = warmup_cosine(learning_rate, epochs * len(batches), warmup=0.05)
        network.compile(optimizer or keras.optimizers.AdamW(rate, weight_decay=1e-3),
                        loss=Loss(len(training.labels)))
        held = MaskBatches(others, rules, batch_size, seed, None)
        call = compiled(network)
        fitted = fit(network, batches, epochs=epochs, measure=lambda: _figures(call, held),
                     monitor="val_miou", patience=patience, clip_norm=5.0, callbacks=callbacks, run=run)
        figures = measured(call, held)
        entry = _entry(model, module, config, network, rules, figures, others)
        said(verbose, [f"mean IoU {figures['miou']:.3f} on {len(others.photos)} photos; compiling and checking the "
                       "result"])
        return result.finish(run, network, entry, [Label(i, n, n) for i, n in enumerate(training.labels)],
                             fits={"network": fitted}, report=_report(entry, call, held, fitted, figures, training),
                             told={"figures": {**figures, "iou": figures["iou"].tolist(),
                                               "dice": figures["dice"].tolist()},
                                   "problems": [*training.problems, *others.problems]})


def _config(model: Model, data: MaskData, image_size: Any,
            width: int) -> tuple[str, dict[str, Any], Callable[[keras.Model], None]]:
    """Architecture and config of the network, and what fills it from the base."""
    if model.entry.task == "image-segmentation" and model.entry.architecture in OWN:
        module, config = model.entry.architecture, dict(model.entry.to_dict()["config"])
        size = image_size or config["input_size"]
    else:
        module, config, size = "deeplabv3", {"base": base_of(model), "width": width}, image_size
    config["input_size"] = sized(size, [image.size(photo.photo, name=photo.name) for photo in data.photos[:50]])
    config["classes"] = len(data.labels)
    return module, config, fresh(model, config)


@keras.saving.register_keras_serializable("warmstart")
class Loss(keras.losses.Loss):
    """Cross entropy plus soft Dice (Milletari et al. 2016, arXiv:1606.04797), at the masks' size; one number a batch.

    Takes class indices (B, H, W), `NOT_COUNTED` for pixels that do not count, and logits (B, h, w, classes).
    """

    def __init__(self, classes: int, name: str = "segmentation"):
        super().__init__(name=name, reduction="sum")
        self.classes = classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        height, width = y_true.shape[1:3]
        logits = ops.image.resize(y_pred, (height, width), interpolation="bilinear")
        kind = ops.cast(y_true, "int32")
        counted = ops.cast(kind != NOT_COUNTED, "float32")
        wanted = ops.one_hot(ops.where(kind == NOT_COUNTED, -1, kind), self.classes)
        entropy = -ops.sum(wanted * ops.log_softmax(logits), axis=-1)
        entropy = ops.sum(entropy * counted) / ops.maximum(ops.sum(counted), 1.0)
        chance = ops.softmax(logits) * counted[..., None]
        shared, both = ops.sum(chance * wanted, axis=(0, 1, 2)), ops.sum(chance + wanted, axis=(0, 1, 2))
        dice = ops.mean(1 - (2 * shared + 1) / (both + 1))
        return entropy + dice


def _figures(call: Predictor, held: MaskBatches) -> dict[str, float]:
    figures = measured(call, held)
    return {key: figures[key] for key in ("miou", "pixel_accuracy")}


def measured(call: Predictor, held: MaskBatches) -> dict[str, Any]:
    """The overlap with the masks, in the pixels of the photos."""
    confusion = Confusion(len(held.data.labels))
    for photo, told in predicted(call, held):
        confusion.add(held.mask(photo), told)
    return confusion.result()


def predicted(call: Predictor, held: MaskBatches) -> Iterator[tuple[Any, np.ndarray]]:
    """(photo, class of every pixel), photo by photo."""
    for start in range(0, len(held.data.photos), held.batch_size):
        photos = held.data.photos[start : start + held.batch_size]
        answer = np.asarray(call(np.stack([held.plain(photo) for photo in photos])))
        for photo, logits in zip(photos, answer, strict=True):
            height, width = held.mask(photo).shape
            yield photo, label_map(logits, Frame.of((width, height), held.rules))


def _entry(model: Model, module: str, config: Mapping[str, Any], network: keras.Model, rules: Any,
           figures: Mapping[str, Any], others: MaskData) -> Entry:
    where = f"{len(others.photos)} validation photos"
    ending = "_finetuned" if module == model.entry.architecture else "_deeplabv3"
    name = model.name if model.name.endswith(ending) else model.name + ending
    title = f"{'' if ending == '_finetuned' else 'DeepLabV3+ on '}{model.entry.title}"
    return replace(
        model.entry, name=name, task="image-segmentation", family="deeplabv3" if module == "deeplabv3" else
        model.entry.family, title=title, architecture=module, config=dict(config), weights={}, preprocessing=rules,
        labels="", gflops=None, aliases=(), parameters=network.count_params(), processing={},
        metrics=tuple(Metric(key, round(figures[key], 4), where, SOURCE) for key in ("miou", "pixel_accuracy")))


def _digest(data: MaskData) -> str:
    told = sha256()
    for photo in data.photos:
        told.update(photo.name.encode())
        told.update(photo.mask().tobytes())
    return told.hexdigest()


def _report(entry: Entry, call: Predictor, held: MaskBatches, fitted: Fitted, figures: Mapping[str, Any],
            training: MaskData) -> str:
    """The HTML page."""
    labels = training.labels
    page = Report(entry.title, f"{len(labels)} classes: {', '.join(labels)}")
    page.tiles([(f"{figures['miou']:.3f}", "mean IoU"), (f"{figures['mean_dice']:.3f}", "mean Dice"),
                (f"{figures['pixel_accuracy']:.1%}", "of the pixels right")])
    page.section("Data", text(f"{len(training.photos)} photos to learn from, {len(held.data.photos)} to measure on."),
                 *(text(problem, warning=True) for problem in (*training.problems, *held.data.problems)[:30]))
    page.section("Curves", beside(
        charts.lines({"training": [(r["epoch"], r["loss"]) for r in fitted.history if "loss" in r]}, x="epoch",
                     y="loss", mark=fitted.best),
        charts.lines({"mean IoU": [(r["epoch"], r["val_miou"]) for r in fitted.history if "val_miou" in r]}, x="epoch",
                     y="validation", mark=fitted.best)))
    rows = [[name, f"{figures['iou'][i]:.3f}", f"{figures['dice'][i]:.3f}"] for i, name in enumerate(labels)]
    page.section("Per class", table(("class", "IoU", "Dice"), rows))
    page.section("Photos", text("Validation photos with the most wrong pixels: the mask, then what the model says."),
                 pictures(list(_drawn(entry, call, held))))
    return page.render(command_line(f"ws.finetune(…, task={entry.task!r})"))


def _drawn(entry: Entry, call: Predictor, held: MaskBatches) -> Iterator[tuple[Any, str]]:
    names = tuple(Label(i, n, n) for i, n in enumerate(held.data.labels))
    judged = []
    for photo, told in predicted(call, held):
        mask = held.mask(photo)
        judged.append((float(((mask != told) & (mask != NOT_COUNTED)).mean()), photo, mask, told))
        judged = sorted(judged, key=lambda row: -row[0])[:SHOWN]
    for wrong, photo, mask, told in judged:
        for values, what in ((mask, "mask"), (told, f"{wrong:.1%} wrong")):
            read = partial(image.decode, photo.photo, name=photo.name)
            drawn = Segmentation(photo.name, entry.name, values, names, read).overlay()
            drawn.thumbnail((480, 480))
            yield drawn, f"{photo.name.rsplit('/', 1)[-1]}: {what}"
