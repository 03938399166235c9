"""The public names with their types. Written by scripts/make_api.py; do not edit."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, overload

if TYPE_CHECKING:
    from warmstart import hub
    from warmstart.bulk.batch import BatchResult as BatchResult
    from warmstart.bulk.batch import batch as batch
    from warmstart.catalog import Entry as Entry
    from warmstart.core.loading import backbone as backbone
    from warmstart.core.loading import list_models as list_models
    from warmstart.core.model import Model as Model
    from warmstart.core.results import Classification as Classification
    from warmstart.core.results import Failed as Failed
    from warmstart.core.results import Prediction as Prediction
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
    from warmstart.text.results import TextScore as TextScore
    from warmstart.text.token_classification import TokenClassifier as TokenClassifier
    from warmstart.training import finetune as finetune

MODULES = {
    "Answer": "warmstart.text.results",
    "Audio": "warmstart.speech.results.audio",
    "AudioGenerator": "warmstart.speech.synthesis",
    "BatchResult": "warmstart.bulk.batch",
    "Box": "warmstart.image.results.detections",
    "Classification": "warmstart.core.results",
    "Detections": "warmstart.image.results.detections",
    "Embedding": "warmstart.text.results",
    "Entities": "warmstart.text.results",
    "Entity": "warmstart.text.results",
    "Entry": "warmstart.catalog",
    "Failed": "warmstart.core.results",
    "FillMask": "warmstart.text.fill_mask",
    "FilledMask": "warmstart.text.results",
    "Forecast": "warmstart.series.results",
    "Forecaster": "warmstart.series.forecasting",
    "Generation": "warmstart.text.results",
    "ImageClassifier": "warmstart.image.classification",
    "ImageSegmenter": "warmstart.image.segmentation",
    "Model": "warmstart.core.model",
    "ObjectDetector": "warmstart.image.detection",
    "Prediction": "warmstart.core.results",
    "QuestionAnswerer": "warmstart.text.question_answering",
    "Segment": "warmstart.speech.results.transcript",
    "Segmentation": "warmstart.image.results.segmentation",
    "SpeechRecognizer": "warmstart.speech.recognition",
    "TextClassifier": "warmstart.text.classification",
    "TextEmbedder": "warmstart.text.embedding",
    "TextGenerator": "warmstart.text.generation",
    "TextScore": "warmstart.text.results",
    "TokenClassifier": "warmstart.text.token_classification",
    "Transcript": "warmstart.speech.results.transcript",
    "Word": "warmstart.speech.results.transcript",
    "backbone": "warmstart.core.loading",
    "batch": "warmstart.bulk.batch",
    "finetune": "warmstart.training",
    "list_models": "warmstart.core.loading",
    "pick": "warmstart.image.train.pick",
}
"""Where each name is defined; it is imported when it is first used."""

__all__ = [
    "Answer",
    "Audio",
    "AudioGenerator",
    "BatchResult",
    "Box",
    "Classification",
    "Detections",
    "Embedding",
    "Entities",
    "Entity",
    "Entry",
    "Failed",
    "FillMask",
    "FilledMask",
    "Forecast",
    "Forecaster",
    "Generation",
    "ImageClassifier",
    "ImageSegmenter",
    "Model",
    "ObjectDetector",
    "Prediction",
    "QuestionAnswerer",
    "Segment",
    "Segmentation",
    "SpeechRecognizer",
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
]

Name: TypeAlias = Union[str, "PathLike[str]"]


@overload
def load(
    name: Name,
    *,
    task: Literal["image-classification"],
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
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
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> Forecaster: ...
@overload
def load(
    name: Name,
    *,
    task: str | None = None,
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> Model[Any, Any, Any]: ...
def load(
    name: Name,
    *,
    task: str | None = None,
    weights: str | PathLike[str] | None = "pretrained",
    engine: Literal["auto", "litert", "openvino", "keras"] = "auto",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
    revision: str | None = None,
    offline: bool | None = None,
    progress: hub.Progress | None = None,
) -> Model[Any, Any, Any]:
    """Open a pretrained model.

    Args:
        name: a name of the catalogue (`"mobilenet_v2"`), the folder of a bundle or of a repository in
            Hugging Face layout, or a source of one (`hf://org/name`, `package:NAME/path`, `embedded:NAME`).
        task: what it must be able to do; default: what its entry or its heads say.
        weights: `"pretrained"` (also `"imagenet"`): the entry's own; a path or source of a checkpoint;
            `None`: random initialisation.
        engine: `"auto"`, `"litert"`, `"openvino"` or `"keras"`.
        precision: `"float32"`, `"bfloat16"` or `"int8"`.
        revision: of an `hf://` source.
        offline: never go online; default: `WARMSTART_OFFLINE` or `HF_HUB_OFFLINE`.
        progress: called while files are fetched with (name, bytes so far, total or None).

    Returns:
        The model of its task's class, for images `ImageClassifier`. It is compiled on first use.

    Raises:
        UnknownModelError: no such name; the message suggests near ones.
        UsageError: an option is wrong.
        SourceError: the weights could not be had.
        BundleError: the folder is not a whole bundle.
    """
    from warmstart.core.loading import load as load_model

    return load_model(
        name,
        task=task,
        weights=weights,
        engine=engine,
        precision=precision,
        revision=revision,
        offline=offline,
        progress=progress,
    )
