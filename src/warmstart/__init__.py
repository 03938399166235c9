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
    from warmstart.core.loading import backbone as backbone
    from warmstart.core.loading import list_models as list_models
    from warmstart.core.loading import load as load
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

_HOMES = {
    "Audio": "speech.results.audio",
    "BatchResult": "bulk.batch",
    "AudioGenerator": "speech.synthesis",
    "Box": "image.results.detections",
    "Classification": "core.results",
    "Detections": "image.results.detections",
    "Entry": "catalog",
    "FilledMask": "text.results",
    "Answer": "text.results",
    "Entities": "text.results",
    "Entity": "text.results",
    "Embedding": "text.results",
    "FillMask": "text.fill_mask",
    "QuestionAnswerer": "text.question_answering",
    "TokenClassifier": "text.token_classification",
    "TextEmbedder": "text.embedding",
    "TextClassifier": "text.classification",
    "Failed": "core.results",
    "Forecast": "series.results",
    "Forecaster": "series.forecasting",
    "Generation": "text.results",
    "ImageClassifier": "image.classification",
    "ImageSegmenter": "image.segmentation",
    "Model": "core.model",
    "ObjectDetector": "image.detection",
    "Prediction": "core.results",
    "Segmentation": "image.results.segmentation",
    "TextGenerator": "text.generation",
    "TextScore": "text.results",
    "Segment": "speech.results.transcript",
    "SpeechRecognizer": "speech.recognition",
    "Transcript": "speech.results.transcript",
    "Word": "speech.results.transcript",
    "backbone": "core.loading",
    "batch": "bulk.batch",
    "errors": "errors",
    "finetune": "training",
    "list_models": "core.loading",
    "load": "core.loading",
    "pick": "image.train.pick",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'warmstart' has no attribute {name!r}")
    module = import_module(f"warmstart.{_HOMES[name]}")
    return module if name == "errors" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
