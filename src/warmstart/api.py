"""The public names with their types. Written by scripts/make_api.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, overload

from warmstart.core.keywords import refuse_unknown

if TYPE_CHECKING:
    from warmstart import hub
    from warmstart.bulk.batch import BatchResult as BatchResult
    from warmstart.bulk.batch import batch as batch
    from warmstart.catalog import Entry as Entry
    from warmstart.core.evaluation import Evaluation as Evaluation
    from warmstart.core.listing import Entries as Entries
    from warmstart.core.loading import backbone as backbone
    from warmstart.core.loading import list_models as list_models
    from warmstart.core.model import Model as Model
    from warmstart.core.result_collections import Results as Results
    from warmstart.core.result_collections import ResultStream as ResultStream
    from warmstart.core.result_collections import to_frame as to_frame
    from warmstart.core.results import Classification as Classification
    from warmstart.core.results import Failed as Failed
    from warmstart.core.results import Prediction as Prediction
    from warmstart.core.search import Index as Index
    from warmstart.core.search import Matches as Matches
    from warmstart.core.types import Data
    from warmstart.image.classification import ImageClassifier as ImageClassifier
    from warmstart.image.detection import ObjectDetector as ObjectDetector
    from warmstart.image.results.detections import Box as Box
    from warmstart.image.results.detections import Detections as Detections
    from warmstart.image.results.segmentation import Segmentation as Segmentation
    from warmstart.image.segmentation import ImageSegmenter as ImageSegmenter
    from warmstart.image.train.pick import pick as pick
    from warmstart.series.forecasting import Forecaster as Forecaster
    from warmstart.series.results import Forecast as Forecast
    from warmstart.speech.recognition import SpeechRecognizer as SpeechRecognizer
    from warmstart.speech.results.audio import Audio as Audio
    from warmstart.speech.results.transcript import Segment as Segment
    from warmstart.speech.results.transcript import Transcript as Transcript
    from warmstart.speech.results.transcript import Word as Word
    from warmstart.speech.synthesis import AudioGenerator as AudioGenerator
    from warmstart.tensors.prediction import ArrayModel as ArrayModel
    from warmstart.tensors.results import Arrays as Arrays
    from warmstart.text.classification import TextClassifier as TextClassifier
    from warmstart.text.embedding import TextEmbedder as TextEmbedder
    from warmstart.text.fill_mask import FillMask as FillMask
    from warmstart.text.generation import TextGenerator as TextGenerator
    from warmstart.text.question_answering import QuestionAnswerer as QuestionAnswerer
    from warmstart.text.results import Answer as Answer
    from warmstart.text.results import Embedding as Embedding
    from warmstart.text.results import Entities as Entities
    from warmstart.text.results import Entity as Entity
    from warmstart.text.results import FilledMask as FilledMask
    from warmstart.text.results import Generation as Generation
    from warmstart.text.results import TextClassification as TextClassification
    from warmstart.text.results import TextScore as TextScore
    from warmstart.text.token_classification import TokenClassifier as TokenClassifier
    from warmstart.training.types import (
        Augment,
        Callback,
        ClassNames,
        ClassWeight,
        Examples,
        Head,
        ImageSize,
        KerasSource,
        Loss,
        Metric,
        Optimizer,
        PhotoRules,
        TextSplitter,
        Validation,
    )

MODULES = {
    "Answer": "warmstart.text.results",
    "ArrayModel": "warmstart.tensors.prediction",
    "Arrays": "warmstart.tensors.results",
    "Audio": "warmstart.speech.results.audio",
    "AudioGenerator": "warmstart.speech.synthesis",
    "BatchResult": "warmstart.bulk.batch",
    "Box": "warmstart.image.results.detections",
    "Classification": "warmstart.core.results",
    "Detections": "warmstart.image.results.detections",
    "Embedding": "warmstart.text.results",
    "Entities": "warmstart.text.results",
    "Entity": "warmstart.text.results",
    "Entries": "warmstart.core.listing",
    "Entry": "warmstart.catalog",
    "Evaluation": "warmstart.core.evaluation",
    "Failed": "warmstart.core.results",
    "FillMask": "warmstart.text.fill_mask",
    "FilledMask": "warmstart.text.results",
    "Forecast": "warmstart.series.results",
    "Forecaster": "warmstart.series.forecasting",
    "Generation": "warmstart.text.results",
    "ImageClassifier": "warmstart.image.classification",
    "ImageSegmenter": "warmstart.image.segmentation",
    "Index": "warmstart.core.search",
    "Matches": "warmstart.core.search",
    "Model": "warmstart.core.model",
    "ObjectDetector": "warmstart.image.detection",
    "Prediction": "warmstart.core.results",
    "QuestionAnswerer": "warmstart.text.question_answering",
    "ResultStream": "warmstart.core.result_collections",
    "Results": "warmstart.core.result_collections",
    "Segment": "warmstart.speech.results.transcript",
    "Segmentation": "warmstart.image.results.segmentation",
    "SpeechRecognizer": "warmstart.speech.recognition",
    "TextClassification": "warmstart.text.results",
    "TextClassifier": "warmstart.text.classification",
    "TextEmbedder": "warmstart.text.embedding",
    "TextGenerator": "warmstart.text.generation",
    "TextScore": "warmstart.text.results",
    "TokenClassifier": "warmstart.text.token_classification",
    "Transcript": "warmstart.speech.results.transcript",
    "Word": "warmstart.speech.results.transcript",
    "backbone": "warmstart.core.loading",
    "batch": "warmstart.bulk.batch",
    "list_models": "warmstart.core.loading",
    "pick": "warmstart.image.train.pick",
    "to_frame": "warmstart.core.result_collections",
}
"""Public name -> the module that defines it; imported when the name is first used."""

__all__ = [
    "Answer",
    "ArrayModel",
    "Arrays",
    "Audio",
    "AudioGenerator",
    "BatchResult",
    "Box",
    "Classification",
    "Detections",
    "Embedding",
    "Entities",
    "Entity",
    "Entries",
    "Entry",
    "Evaluation",
    "Failed",
    "FillMask",
    "FilledMask",
    "Forecast",
    "Forecaster",
    "Generation",
    "ImageClassifier",
    "ImageSegmenter",
    "Index",
    "Matches",
    "Model",
    "ObjectDetector",
    "Prediction",
    "QuestionAnswerer",
    "ResultStream",
    "Results",
    "Segment",
    "Segmentation",
    "SpeechRecognizer",
    "TextClassification",
    "TextClassifier",
    "TextEmbedder",
    "TextGenerator",
    "TextScore",
    "TokenClassifier",
    "Transcript",
    "Word",
    "backbone",
    "batch",
    "finetune",
    "list_models",
    "load",
    "pick",
    "to_frame",
    "wrap",
]

Name: TypeAlias = Union[str, "PathLike[str]"]


@overload
def load(
    name: Name,
    *,
    task: Literal["image-classification"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> ImageClassifier: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["object-detection"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> ObjectDetector: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["image-segmentation"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> ImageSegmenter: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["text-classification"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> TextClassifier: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["token-classification"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> TokenClassifier: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["question-answering"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> QuestionAnswerer: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["fill-mask"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> FillMask: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["text-embedding"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> TextEmbedder: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["text-generation"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> TextGenerator: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["speech-recognition"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> SpeechRecognizer: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["audio-generation"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> AudioGenerator: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["forecasting"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> Forecaster: ...
@overload
def load(
    name: Name,
    *,
    task: Literal["tensors"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> ArrayModel: ...
@overload
def load(
    name: Name,
    *,
    task: str | None = None,
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> Model[Any, Any, Any]: ...
@refuse_unknown
def load(
    name: Name,
    *,
    task: str | None = None,
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "onnxruntime", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8", "auto"] = "float32",
    calibration: Data | None = None,
    agreement: float | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
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
    from warmstart.core.loading import load as load_model

    return load_model(
        name,
        task=task,
        weights=weights,
        engine=engine,
        precision=precision,
        calibration=calibration,
        agreement=agreement,
        device=device,
        revision=revision,
        offline=offline,
        progress=progress,
    )


@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["image-classification"],
    epochs: int = 10,
    learning_rate: float | None = None,
    batch_size: int = 16,
    validation: Validation = "auto",
    patience: int | None = 6,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    on: Literal["local", "ray"] = "local",
    address: str | None = None,
    workers: int | None = None,
    cpus: int | None = None,
    loss: Loss = None,
    metrics: Sequence[Metric] = (),
    class_weight: ClassWeight = None,
    augment: Augment = True,
    freeze: int | str = "none",
    encoding: str | None = None,
    delimiter: str | None = None,
    class_names: Sequence[str] | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    label_column: str | None = None,
    path_column: str | None = None,
    image_size: ImageSize = None,
    head: Head = None,
    multi_label: bool | None = None,
    features_on: Literal["local", "ray"] = "local",
    views: int = 4,
    head_epochs: int = 30,
    head_rate: float = 0.001,
    average: bool = False,
    warmup: float = 0.1,
    label_smoothing: float = 0.1,
    weight_decay: float = 0.0001,
    clip_norm: float = 1.0,
    monitor: str = "val_accuracy",
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32",
) -> ImageClassifier: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["object-detection"],
    epochs: int = 40,
    learning_rate: float | None = None,
    batch_size: int = 8,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    augment: Augment = True,
    freeze: int | str = "none",
    labels: Sequence[str] | None = None,
    image_size: ImageSize = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    label_column: str | None = None,
    path_column: str | None = None,
    box_format: Literal["xyxy", "xywh", "cxcywh"] | None = None,
    width: int = 64,
    depth: int = 2,
) -> ObjectDetector: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["image-segmentation"],
    epochs: int = 40,
    learning_rate: float | None = None,
    batch_size: int = 8,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    augment: Augment = True,
    freeze: int | str = "none",
    labels: Sequence[str] | None = None,
    image_size: ImageSize = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    path_column: str | None = None,
    mask_column: str | None = None,
    width: int = 96,
    colours: Mapping[str, tuple[int, int, int]] | None = None,
) -> ImageSegmenter: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["text-classification"],
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int = 16,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    on: Literal["local", "ray"] = "local",
    address: str | None = None,
    workers: int | None = None,
    cpus: int | None = None,
    loss: Loss = None,
    metrics: Sequence[Metric] = (),
    class_weight: ClassWeight = None,
    freeze: int | str = "none",
    max_length: int | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    lora: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    class_names: Sequence[str] | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    label_column: str | None = None,
    text_column: str | None = None,
    pair_column: str | None = None,
    problem: Literal["single", "multi", "regression"] | None = None,
    names: Mapping[str, str] | None = None,
    adversarial: float = 0.0,
    refit: int | None = None,
) -> TextClassifier: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["token-classification"],
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int = 16,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    freeze: int | str = "none",
    max_length: int | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    lora: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    label_column: str | None = None,
    text_column: str | None = None,
) -> TokenClassifier: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["question-answering"],
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int = 16,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    freeze: int | str = "none",
    max_length: int | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    lora: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    text_column: str | None = None,
    context_column: str | None = None,
    answer_column: str | None = None,
) -> QuestionAnswerer: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["fill-mask"],
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int = 16,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    freeze: int | str = "none",
    max_length: int | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    lora: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    text_column: str | None = None,
    mlm_probability: float = 0.15,
) -> FillMask: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["text-embedding"],
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int = 32,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    freeze: int | str = "none",
    max_length: int | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    lora: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    text_column: str | None = None,
    pair_column: str | None = None,
    negative_column: str | None = None,
    label_column: str | None = None,
    scale: float = 20.0,
) -> TextEmbedder: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["text-generation"],
    epochs: int = 3,
    learning_rate: float | None = None,
    batch_size: int = 8,
    validation: Validation = 0.1,
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    freeze: int | str = "none",
    context: int | None = None,
) -> TextGenerator: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["speech-recognition"],
    epochs: int = 20,
    learning_rate: float | None = None,
    batch_size: int = 8,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    augment: bool = True,
    freeze: int | str = "none",
    encoding: str | None = None,
    delimiter: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    path_column: str | None = None,
    text_column: str | None = None,
    language: str | None = None,
) -> SpeechRecognizer: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["forecasting"],
    epochs: int = 30,
    learning_rate: float | None = None,
    batch_size: int = 32,
    validation: Validation = "auto",
    patience: int | None = 10,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
    batches_per_epoch: int = 50,
    horizon: int | None = None,
    context: int | None = None,
    distribution: Literal["student_t", "gaussian", "negative_binomial"] | None = None,
    hidden: int = 40,
    layers: int = 2,
    dropout: float = 0.1,
    shortcut: bool | None = None,
    scaling: Literal["mean", "robust"] | None = None,
    sampling: float | str = "uniform",
    items: bool | None = None,
    freq: str | None = None,
    target: str | None = None,
    item: str | Sequence[str] | None = None,
    timestamp: str | None = None,
    date_format: str | None = None,
    decimal: Literal[".", ","] | None = None,
    known_covariates: Sequence[str] | None = None,
    static_covariates: Sequence[str] = (),
    holidays: Sequence[object] | None = None,
    duplicates: str = "error",
) -> Forecaster: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: str,
    epochs: int = 10,
    learning_rate: float | None = None,
    batch_size: int = 16,
    validation: Validation = "auto",
    patience: int | None = None,
    optimizer: Optimizer = None,
    callbacks: Sequence[Callback] = (),
    track: Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]] = (),
    seed: int = 0,
    output: str | Path | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    name: str | None = None,
    verbose: bool = True,
) -> Model[Any, Any, Any]: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any], data: Data, *, task: None = None, **options: object
) -> Model[Any, Any, Any]: ...
def finetune(
    base: Name | Model[Any, Any, Any], data: Data, *, task: str | None = None, **options: object
) -> Model[Any, Any, Any]:
    """Fine-tune a pretrained model on your own labelled data.

    Args:
        base: a name, folder or source as for `ws.load`, or a loaded model; `"deepar"` trains a
            forecaster from scratch; `"default"` is the default model of the task (of image
            classification if no task is named).
        data: the training data; for images a folder of class folders, a CSV, TSV, Parquet or JSONL
            file of paths and labels, a list of (photo, label) pairs, or a `tf.data.Dataset`.
        task: the task to train for; default: that of the base.
        **options: those of the task's options class (see `core.task.Task.train_options`). All
            tasks share `epochs`, `learning_rate`, `batch_size`, `validation`, `patience`,
            `optimizer`, `callbacks`, `seed`, `output`, `name` and `verbose`; some also have
            `freeze`, `augment`, `class_weight`, `loss` and `metrics`.

    Returns:
        A model of the class of the task, loaded from the bundle; `.history` has the epochs,
        `.report()` returns the path of the report.

    Raises:
        UsageError: an option is wrong, the data cannot be used, or the output folder contains
            something else.
        TrainingError: training cannot continue; the last checkpoint stays in `output`.
        MissingPackageError: TensorFlow is not installed.

    Example:
        >>> model = ws.finetune("default", "classes", epochs=0, views=1, output="my-model", verbose=False)
        >>> [label.name for label in model.labels]
        ['cat', 'espresso']
        >>> ws.load("my-model")("photos/cat.jpg").label
        'cat'
        >>> [epoch["fit"] for epoch in model.history], model.report().name
        (['head'], 'report.html')
    """
    from warmstart.training import finetune as train

    return train(base, data, task=task, **options)


@overload
def wrap(
    model: KerasSource,
    *,
    task: Literal["image-classification"],
    name: str | None = None,
    output: str | Path | None = None,
    licence: str = "NOASSERTION",
    labels: ClassNames = None,
    activation: str | None = None,
    multi_label: bool | None = None,
    features: str | None = None,
    scaling: Literal["0..255", "0..1", "-1..1", "imagenet", "caffe"] | None = None,
    resize: Literal["squash", "crop", "pad"] = "squash",
    crop_ratio: float = 1.0,
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "area"] = "bilinear",
    size: int | None = None,
    preprocessing: PhotoRules = None,
    check: Examples = None,
    embedding: bool = False,
) -> ImageClassifier: ...
@overload
def wrap(
    model: KerasSource,
    *,
    task: Literal["object-detection"],
    name: str | None = None,
    output: str | Path | None = None,
    licence: str = "NOASSERTION",
    scaling: Literal["0..255", "0..1", "-1..1", "imagenet", "caffe"] | None = None,
    resize: Literal["squash", "crop", "pad"] = "squash",
    crop_ratio: float = 1.0,
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "area"] = "bilinear",
    size: int | None = None,
    preprocessing: PhotoRules = None,
    check: Examples = None,
    labels: ClassNames = None,
    features: str | None = None,
    boxes: Literal["xyxy", "yxyx", "xywh", "cxcywh"] | None = None,
    units: Literal["pixels", "fractions"] | None = None,
    activation: Literal["none", "softmax", "sigmoid"] = "none",
    background: Literal["none", "first", "last"] = "none",
    iou_threshold: float | None = None,
    threshold: float = 0.5,
) -> ObjectDetector: ...
@overload
def wrap(
    model: KerasSource,
    *,
    task: Literal["image-segmentation"],
    name: str | None = None,
    output: str | Path | None = None,
    licence: str = "NOASSERTION",
    scaling: Literal["0..255", "0..1", "-1..1", "imagenet", "caffe"] | None = None,
    resize: Literal["squash", "crop", "pad"] = "squash",
    crop_ratio: float = 1.0,
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "area"] = "bilinear",
    size: int | None = None,
    preprocessing: PhotoRules = None,
    check: Examples = None,
    labels: ClassNames = None,
    features: str | None = None,
    channels: Literal["last", "first"] | None = None,
    activation: Literal["sigmoid", "none"] | None = None,
) -> ImageSegmenter: ...
@overload
def wrap(
    model: KerasSource,
    *,
    task: Literal["text-classification"],
    name: str | None = None,
    output: str | Path | None = None,
    licence: str = "NOASSERTION",
    labels: ClassNames = None,
    activation: str | None = None,
    multi_label: bool | None = None,
    features: str | None = None,
    tokenizer: TextSplitter = None,
    max_length: int | None = None,
) -> TextClassifier: ...
@overload
def wrap(
    model: KerasSource,
    *,
    task: Literal["text-embedding"],
    name: str | None = None,
    output: str | Path | None = None,
    licence: str = "NOASSERTION",
    tokenizer: TextSplitter = None,
    max_length: int | None = None,
    pooling: Literal["mean", "cls", "max"] | None = None,
    normalize: bool = False,
) -> TextEmbedder: ...
@overload
def wrap(
    model: KerasSource,
    *,
    task: Literal["forecasting"],
    name: str | None = None,
    output: str | Path | None = None,
    licence: str = "NOASSERTION",
    scaling: str | None = None,
    quantiles: Sequence[float] = (),
    freq: str = "D",
    context: int | None = None,
) -> Forecaster: ...
@overload
def wrap(
    model: KerasSource,
    *,
    task: Literal["tensors"],
    name: str | None = None,
    output: str | Path | None = None,
    licence: str = "NOASSERTION",
) -> ArrayModel: ...
@overload
def wrap(model: KerasSource, *, task: str, **options: object) -> Model[Any, Any, Any]: ...
def wrap(model: KerasSource, *, task: str, **options: object) -> Model[Any, Any, Any]:
    """Turn your own Keras, ONNX or TensorFlow Lite model into a model of a task.

    The model is compiled, verified against the original, and written as a bundle of weights, labels
    and processing, without code. The result works like any other model: it takes real inputs, and
    can be saved, exported, evaluated, served, and run over many files.

    Args:
        model: a functional or Sequential `keras.Model`; or the path of a `.keras`, `.h5`, `.onnx`
            or `.tflite` file, or of a SavedModel folder.
        task: such as "image-classification"; "tensors" for named arrays in and out.
        **options: those of the task; all tasks share `name`, `output` and `licence`.

    Returns:
        A model of the class of the task, loaded from the bundle.

    Raises:
        UsageError: an option is wrong or missing, or the model does not fit the task.
        CompileError: its operations cannot be compiled, or the program differs from the model.
        MissingPackageError: TensorFlow is not installed.

    Example:
        >>> network = keras.Sequential([keras.Input((2,), name="point"), keras.layers.Dense(1)])
        >>> model = ws.wrap(network, task="tensors", output="line-model")
        >>> list(model({"point": [1.0, 2.0]}).keys())
        ['output']
        >>> model.keras.count_params()
        3
        >>> model.save("line-copy"), model.export("line.tflite")
        (PosixPath('line-copy'), PosixPath('line.tflite'))
    """
    from warmstart.training.wrap import wrap as wrap_model

    return wrap_model(model, task=task, **options)
