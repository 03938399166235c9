"""`ws.load`, `ws.backbone` and `ws.list_models`: from a name, folder or source to a model."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart import catalog, hub
from warmstart.catalog import Entry
from warmstart.core import bundle
from warmstart.core.calibration import Request
from warmstart.core.calibration_inputs import AGREEMENT
from warmstart.core.channels import RGB, inflated
from warmstart.core.compiling import build_keras
from warmstart.core.keywords import refuse_unknown
from warmstart.core.listing import Entries
from warmstart.core.load_options import check_load_options
from warmstart.core.model import Model
from warmstart.core.precision import fastest
from warmstart.core.resolver import (
    OWN,
    ModelSource,
    bundle_weights,
    fetch_weights,
    find_folder,
    for_task,
    open_source,
)
from warmstart.core.task import task_class, task_of
from warmstart.core.types import Data
from warmstart.core.weights import Weights
from warmstart.counts import counted
from warmstart.engines import choose
from warmstart.errors import DownloadError, MismatchError, OfflineError, UsageError, documented_in
from warmstart.json_values import is_integer
from warmstart.suggestions import unknown_name

if TYPE_CHECKING:
    import keras


FEW_CLASSES = 5
"""Maximum number of classes that the description of a default model lists."""


@documented_in("weights.md#sources")
def load(
    name: str | PathLike[str],
    *,
    task: str | None = None,
    weights: str | PathLike[str] | None = "pretrained",
    engine: str = "auto",
    precision: str = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: str = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> Model[Any, Any, Any]:
    """Load a pretrained model.

    Args:
        name: a name of the catalogue (`"mobilenet_v2"`), the folder of a bundle or of a repository
            in Hugging Face layout, or its source (`hf://org/name`, `package:NAME/path`,
            `embedded:NAME`).
        task: the task of the model; default: that of its entry or its heads.
        weights: `"pretrained"` (also `"imagenet"`) for those of the catalogue; a path or source
            of a checkpoint; `None` for random initialisation.
        engine: `"auto"`, `"litert"`, `"openvino"`, `"onnxruntime"` or `"keras"`.
        precision: `"float32"`, `"bfloat16"`, `"int8"`, or `"auto"`: the fastest on this machine
            that reaches the requested agreement with float32. This is measured once, with
            `calibration`, before `load` returns; later calls need no `calibration`, also with
            another `agreement` or `engine`.
        calibration: real inputs for `"int8"` and `"auto"`, about 100 to 300, without labels: a
            list, the path of a file of texts or of a table of inputs, or what the model's `stream`
            takes, such as a folder of photos. With them, ranges are calibrated in advance, which is
            faster. Without them, `"int8"` uses the program of the bundle, or the one that was
            calibrated last, or quantises activations at run time.
        agreement: the minimum agreement with float32, 0 to 1: for classifiers the fraction of
            inputs with the same best class; default: 0.99. It is measured on half of the inputs,
            on which ranges are not calibrated; if there are fewer than 40, on all. Layers stay in
            float32 if needed to reach it.
        device: `"auto"`: compiled models on the CPU, `engine="keras"` on the device that TensorFlow
            chooses; `"cpu"`; `"gpu"`: the keras engine on a GPU that TensorFlow finds, or
            `engine="onnxruntime"` on one that it has a provider for.
        revision: branch, tag or commit of an `hf://` source.
        offline: never go online; default: `WARMSTART_OFFLINE` or `HF_HUB_OFFLINE`.
        progress: called during downloads with (name, bytes so far, total or None).

    Returns:
        A model of the class of its task, such as `ImageClassifier`. It is compiled on first use.

    Raises:
        UnknownModelError: no model has that name; the message suggests similar names.
        UsageError: an option is wrong.
        SourceError: the weights cannot be read or downloaded.
        BundleError: the folder is not a complete bundle.

    Example:
        >>> ws.load("efficientnet_lite0")("photos/espresso.jpg").label
        'espresso'
        >>> model = ws.load("sst2_bert_tiny", task="text-classification")  # a TextClassifier to type checkers
        >>> model("a moving film").label
        'positive'
    """
    engine = choose.for_device(engine, device)
    choose.check_options(engine, precision)
    check_load_options(
        task=task,
        weights=weights,
        precision=precision,
        calibration=calibration,
        agreement=agreement,
        revision=revision,
        offline=offline,
        progress=progress,
    )
    least = AGREEMENT if agreement is None else agreement
    request = None if calibration is None else Request(calibration, least)
    if not isinstance(name, str | PathLike):
        raise UsageError(
            f"ws.load takes the name, folder or source of a single model, not {name!r}.",
            section="models.md",
        )
    name = name if isinstance(name, str) else Path(name)
    weights = weights if weights is None or isinstance(weights, str) else Path(weights)
    if engine == "keras":
        from warmstart.engines.keras import use_device

        use_device(device)
    if task is not None:
        task_of(task)
    opened = for_task(
        open_source(
            name, task=task, weights=weights, revision=revision, offline=offline, progress=progress
        ),
        task,
    )
    model = task_class(opened.entry.task)(
        opened.entry,
        opened.weights,
        opened.labels,
        engine=engine,
        precision="float32" if precision == "auto" else precision,
        folder=opened.folder,
    )
    if opened.is_bundle:
        model.check_parts()
    if precision == "auto":
        return fastest(model, request, agreement)[0]
    return model.in_precision(precision, request, agreement)


@documented_in("fine-tuning.md#by-hand")
def backbone(
    name: str | Path,
    *,
    weights: str | Path | None = "pretrained",
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
) -> keras.Model:
    """A pretrained Keras model without its top, for plain Keras code.

    Args:
        name: as for `load`.
        weights: as for `load`; a checkpoint may be with or without a top.
        input_shape: (H, W, 3), H and W at least the entry's `min_size`, or None for any; default:
            that of the entry. For another number of channels, such as (H, W, 1), the kernels of the
            first layer are adapted; see `core.channels.inflated`.
        pooling: `None` returns the feature map (B, h, w, D), `"avg"` or `"max"` a vector (B, D).

    Returns:
        A `keras.Model`; its input is a batch of what `ws.load(name).preprocess(photo)` returns.

    Raises:
        UsageError: the shape is too small, the pooling unknown, or the model is not for photos.
        CheckpointError: the weights do not fit.

    Example:
        >>> base = ws.backbone("efficientnet_lite0", pooling="avg")
        >>> base.output_shape
        (None, 1280)
    """
    if pooling not in (None, "avg", "max"):
        raise UsageError(f"pooling is None, 'avg' or 'max', not {pooling!r}.")
    folder = find_folder(name)
    contents = bundle.read(folder) if folder and bundle.is_bundle(folder) else None
    opened = None if contents else _repository(name, folder, weights)
    entry = contents.entry if contents else opened.entry if opened else catalog.get(str(name))
    if entry.preprocessing is None:
        raise UsageError(
            f"{entry.name} is a model for {entry.task}, and only models for photos have a backbone; "
            "ws.finetune trains models for the other tasks."
        )
    shape = input_shape or (*entry.preprocessing.size, 3)
    if not _is_shape(shape, entry.min_size):
        raise UsageError(
            f"{entry.name} takes input_shape (H, W, channels), H and W of {entry.min_size} or more, "
            f"not {shape}."
        )
    options: dict[str, Any] = {"include_top": False, "input_shape": shape, "pooling": pooling}
    if shape[2] != RGB and weights is not None:
        rgb_model = backbone(name, weights=weights, input_shape=(*shape[:2], RGB), pooling=pooling)
        if any(
            type(one).__name__ == "Normalization" and not one.weights for one in rgb_model.layers
        ):
            raise UsageError(
                f"{entry.name} normalises red, green and blue inside the network, so it takes 3 "
                "channels."
            )
        model = build_keras(entry, Weights.random(), **options)
        _copy_weights(rgb_model, model)
        return model
    own = weights in OWN
    if contents and own:
        filled = bundle_weights(contents)
    elif opened is not None:
        filled = opened.weights
    elif own and "notop" in entry.weights and not _only_with_top(entry):
        filled = fetch_weights(entry.weights["notop"].source, entry)
    else:
        filled = fetch_weights(weights, entry)
    try:
        return build_keras(entry, filled, **options)
    except MismatchError:
        whole = build_keras(
            entry, filled
        )  # the checkpoint has a top; if it does not fit either, this says why
        model = build_keras(entry, Weights.random(), **options)
        _copy_weights(whole, model)
        return model


def _repository(
    name: str | Path, folder: Path | None, weights: str | Path | None
) -> ModelSource | None:
    """The model of a repository in Hugging Face layout, or of the one that its entry names; None for other
    models.
    """
    if folder is None and not any(key.startswith("repo") for key in catalog.get(str(name)).weights):
        return None
    return open_source(name, weights=weights)


@refuse_unknown
@documented_in("models.md")
def list_models(
    pattern: str = "*", *, task: str | None = None, family: str | None = None
) -> Entries:
    """List models of the catalogue.

    Args:
        pattern: a shell pattern of names (`"mobilenet*"`), or prefixes of words in names, titles,
            families and tasks (`"sentiment"`).
        task: only models for this task.
        family: only models of this family.

    Returns:
        The matching entries, in the order of the catalogue: a list that prints as a table.

    Raises:
        UsageError: there is no such task or family.

    Example:
        >>> [entry.name for entry in ws.list_models("mobilenet_v3*")][:2]
        ['mobilenet_v3_small', 'mobilenet_v3_small_0.75']
        >>> len(ws.list_models(task="forecasting"))
        5
    """
    if task is not None:
        task_of(task)
    entries = Entries(catalog.search(pattern, task=task, family=family))
    if family is not None and not entries:
        families = dict.fromkeys(entry.family for entry in catalog.search())
        if family not in families:
            raise UsageError(unknown_name("There is no family", family, families, "There are"))
    return entries


def default_model(
    task: str = "image-classification", *, progress: hub.Progress | None = None, **options: Any
) -> tuple[Model[Any, Any, Any], str]:
    """The default model of a task, and a short description of it.

    Args:
        task: its name.
        progress: called while files are fetched.
        **options: of `load`.

    Raises:
        UsageError: the task has no default model.
    """
    record = task_of(task)
    if not record.default_model:
        raise UsageError(f"{task} needs a model; `warmstart list --task {task}` lists some.")
    try:
        model = load(record.default_model, task=task, progress=progress, **options)
    except (DownloadError, OfflineError) as error:
        raise type(error)(f"{error}{_inside_the_package(task)}") from None
    hint = "choose another with --model"
    if any(file.source.startswith("embedded:") for file in model.entry.weights.values()):
        hint = f"inside the package; {hint}"
    if names := [label.name for label in model.labels]:
        # shows that a photo of anything else gets one of these classes, too
        named = f": {', '.join(names)}" if len(names) <= FEW_CLASSES else ""
        hint = f"{counted(len(names), 'class', 'classes')}{named}; {hint}"
    return model, hint


def _inside_the_package(task: str) -> str:
    """The models of a task that need no network, as a sentence; "" where there are none."""
    entries = [
        f"{entry.name} ({entry.title})"
        for entry in catalog.search(task=task)
        if all(file.source.startswith("embedded:") for file in entry.weights.values())
    ]
    return f" Without a network there is {' or '.join(entries)}." if entries else ""


def _is_shape(shape: Any, least: int) -> bool:
    """Whether this is (H, W, channels), with None for any H or W."""
    return (
        isinstance(shape, tuple | list)
        and len(shape) == 3
        and all(side is None or is_integer(side, least) for side in shape[:2])
        and is_integer(shape[2], 1)
    )


def _only_with_top(entry: Entry) -> bool:
    """Whether only the file with the top is cached; it has all weights, so nothing is downloaded."""
    return hub.is_cached(entry.weights["top"].source) and not hub.is_cached(
        entry.weights["notop"].source
    )


def _copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Fill a network from the same one with another top or another number of channels.

    Layers go by their order: some names are numbered again for each network.
    """
    own, others = ([layer for layer in one.layers if layer.weights] for one in (target, source))
    for layer, other in zip(own, others, strict=False):  # a top comes last
        shapes = [tuple(variable.shape) for variable in layer.weights]
        values = other.get_weights()
        layer.set_weights([inflated(*one) for one in zip(values, shapes, strict=True)])
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
