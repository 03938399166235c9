"""Pretrained models for TensorFlow: one call to use a model, one to fine-tune it, one folder to deploy it.

    import warmstart as ws

    ws.load("mobilenet_v2")("cat.jpg", top_k=3)

Importing this package is quick: names are loaded when they are first used, and TensorFlow only where
a Keras model is asked for or a program has to be compiled.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from warmstart.version import __version__

if TYPE_CHECKING:
    from warmstart.bulk.batch import BatchResult as BatchResult
    from warmstart.bulk.batch import batch as batch
    from warmstart.catalog import Entry as Entry
    from warmstart.tasks.audio_generation import AudioGenerator as AudioGenerator
    from warmstart.tasks.base import Model as Model
    from warmstart.tasks.fill_mask import FillMask as FillMask
    from warmstart.tasks.forecasting import Forecaster as Forecaster
    from warmstart.tasks.image_classification import ImageClassifier as ImageClassifier
    from warmstart.tasks.image_segmentation import ImageSegmenter as ImageSegmenter
    from warmstart.tasks.load import backbone as backbone
    from warmstart.tasks.load import list_models as list_models
    from warmstart.tasks.load import load as load
    from warmstart.tasks.object_detection import ObjectDetector as ObjectDetector
    from warmstart.tasks.question_answering import QuestionAnswerer as QuestionAnswerer
    from warmstart.tasks.results import Classification as Classification
    from warmstart.tasks.results import Failed as Failed
    from warmstart.tasks.results import Prediction as Prediction
    from warmstart.tasks.results.detections import Box as Box
    from warmstart.tasks.results.detections import Detections as Detections
    from warmstart.tasks.results.forecast import Forecast as Forecast
    from warmstart.tasks.results.generation import Generation as Generation
    from warmstart.tasks.results.generation import TextScore as TextScore
    from warmstart.tasks.results.segmentation import Segmentation as Segmentation
    from warmstart.tasks.results.sound import Audio as Audio
    from warmstart.tasks.results.texts import Answer as Answer
    from warmstart.tasks.results.texts import Embedding as Embedding
    from warmstart.tasks.results.texts import Entities as Entities
    from warmstart.tasks.results.texts import Entity as Entity
    from warmstart.tasks.results.texts import FilledMask as FilledMask
    from warmstart.tasks.results.transcript import Segment as Segment
    from warmstart.tasks.results.transcript import Transcript as Transcript
    from warmstart.tasks.results.transcript import Word as Word
    from warmstart.tasks.speech_recognition import SpeechRecognizer as SpeechRecognizer
    from warmstart.tasks.text_classification import TextClassifier as TextClassifier
    from warmstart.tasks.text_embedding import TextEmbedder as TextEmbedder
    from warmstart.tasks.text_generation import TextGenerator as TextGenerator
    from warmstart.tasks.token_classification import TokenClassifier as TokenClassifier
    from warmstart.training import finetune as finetune
    from warmstart.training.pick import pick as pick

_HOMES = {
    "Audio": "tasks.results.sound",
    "BatchResult": "bulk.batch",
    "AudioGenerator": "tasks.audio_generation",
    "Box": "tasks.results.detections",
    "Classification": "tasks.results",
    "Detections": "tasks.results.detections",
    "Entry": "catalog",
    "FilledMask": "tasks.results.texts",
    "Answer": "tasks.results.texts",
    "Entities": "tasks.results.texts",
    "Entity": "tasks.results.texts",
    "Embedding": "tasks.results.texts",
    "FillMask": "tasks.fill_mask",
    "QuestionAnswerer": "tasks.question_answering",
    "TokenClassifier": "tasks.token_classification",
    "TextEmbedder": "tasks.text_embedding",
    "TextClassifier": "tasks.text_classification",
    "Failed": "tasks.results",
    "Forecast": "tasks.results.forecast",
    "Forecaster": "tasks.forecasting",
    "Generation": "tasks.results.generation",
    "ImageClassifier": "tasks.image_classification",
    "ImageSegmenter": "tasks.image_segmentation",
    "Model": "tasks.base",
    "ObjectDetector": "tasks.object_detection",
    "Prediction": "tasks.results",
    "Segmentation": "tasks.results.segmentation",
    "TextGenerator": "tasks.text_generation",
    "TextScore": "tasks.results.generation",
    "Segment": "tasks.results.transcript",
    "SpeechRecognizer": "tasks.speech_recognition",
    "Transcript": "tasks.results.transcript",
    "Word": "tasks.results.transcript",
    "backbone": "tasks.load",
    "batch": "bulk.batch",
    "errors": "errors",
    "finetune": "training",
    "list_models": "tasks.load",
    "load": "tasks.load",
    "pick": "training.pick",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'warmstart' has no attribute {name!r}")
    module = import_module(f"warmstart.{_HOMES[name]}")
    return module if name == "errors" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
