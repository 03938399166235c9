"""`TASKS`, the one table of tasks.

Every surface is derived from it: Python, the command line, the server, batches, the page. Rows
name classes as "module:Name", so that reading the table imports none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from warmstart.core.task_record import Task as Task
from warmstart.core.task_record import resolve
from warmstart.errors import UsageError
from warmstart.suggestions import unknown_name

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.training.wrap.wrapper import Wrapper


_TASKS: dict[str, Task] = {}
TASKS: Mapping[str, Task] = MappingProxyType(_TASKS)
"""The tasks by name."""


def register(task: Task) -> None:
    """Add a task; from then on every surface has it.

    Raises:
        UsageError: another task has this name.
    """
    if _TASKS.get(task.name, task) != task:
        raise UsageError(f"There is a task {task.name!r} already.")
    _TASKS[task.name] = task


def task_of(name: str) -> Task:
    """The task of a name.

    Raises:
        UsageError: there is no such task.
    """
    if name not in _TASKS:
        raise UsageError(unknown_name("There is no task", name, _TASKS, "There are"))
    return _TASKS[name]


def task_class(name: str) -> type[Model[Any, Any, Any]]:
    """The class of its models; errors are those of `task_of`."""
    return task_of(name).model_class()


def wrapper_class(name: str) -> type[Wrapper[Any]]:
    """What wraps Keras models for a task; without TensorFlow.

    Raises:
        UsageError: there is no such task, or its models are not wrapped.
    """
    wrapper = task_of(name).wrapper
    if wrapper is None:
        names = ", ".join(known for known, task in _TASKS.items() if task.wrapper)
        raise UsageError(f"Models are not wrapped for {name!r}; tasks that are: {names}.")
    cls: type[Wrapper[Any]] = resolve(wrapper)
    return cls


for _task in (
    Task(
        name="image-classification",
        verb="classify",
        summary="Classify photos.",
        usage=("photo.jpg", "photos/ --top-k 3 --csv"),
        model="warmstart.image.classification:ImageClassifier",
        input="warmstart.image.inputs:PHOTO",
        trainer="warmstart.image.train.classification:ImageClassificationTrainer",
        train_options="warmstart.image.train.options:ImageClassificationOptions",
        wrapper="warmstart.image.train.wrap:ImageClassifierWrapper",
        default_model="efficientnet_lite0",
        shard_rows=512,
    ),
    Task(
        name="object-detection",
        verb="detect",
        summary="Find objects in photos.",
        usage=(
            "photo.jpg --draw boxes.png",
            "photos/ --draw drawn/ --json",
            "photo.jpg -m dfine_nano",
        ),
        model="warmstart.image.detection:ObjectDetector",
        input="warmstart.image.inputs:PHOTO",
        console="warmstart.image.console:DetectionConsole",
        trainer="warmstart.image.train.detection:DetectionTrainer",
        train_options="warmstart.image.train.options:DetectionOptions",
        wrapper="warmstart.image.train.wrap_dense:DetectorWrapper",
        default_model="bccd_fcos",
        shard_rows=256,
    ),
    Task(
        name="image-segmentation",
        verb="segment",
        summary="Assign a class to every pixel of photos.",
        usage=("photo.jpg --draw out.png", "photos/ --masks masks/", "photo.jpg -m segformer_b0"),
        model="warmstart.image.segmentation:ImageSegmenter",
        input="warmstart.image.inputs:PHOTO",
        console="warmstart.image.console:SegmentationConsole",
        trainer="warmstart.image.train.segmentation:SegmentationTrainer",
        train_options="warmstart.image.train.options:SegmentationOptions",
        wrapper="warmstart.image.train.wrap_dense:SegmenterWrapper",
        default_model="leaf_deeplabv3",
        shard_rows=256,
    ),
    Task(
        name="text-classification",
        verb="classify",
        summary="Classify texts or pairs of texts.",
        usage=('"what a film"', "reviews.csv --column review -o labelled.csv"),
        model="warmstart.text.classification:TextClassifier",
        input="warmstart.text.inputs:PAIR",
        trainer="warmstart.text.train.classification:TextClassificationTrainer",
        train_options="warmstart.text.train.options:TextClassificationOptions",
        wrapper="warmstart.text.train.wrap:TextClassifierWrapper",
        default_model="sst2_bert_tiny",
        samples=(
            "A warm, funny and honest film, beautifully played.",
            "Two hours that I will not get back.",
            "It has its moments, but not many of them.",
        ),
    ),
    Task(
        name="token-classification",
        verb="tag",
        summary="Find entities in texts.",
        usage=('"Ada in London" -m bert_base_ner', "a.txt -m my-model", "a.txt -m my-model --json"),
        model="warmstart.text.token_classification:TokenClassifier",
        input="warmstart.text.inputs:TEXT",
        trainer="warmstart.text.train.token_classification:TokenClassificationTrainer",
        train_options="warmstart.text.train.options:TokenClassificationOptions",
        samples=(
            "Ada Lovelace met Charles Babbage in London in 1833.",
            "Marie Curie moved from Warsaw to Paris and taught at the Sorbonne.",
        ),
    ),
    Task(
        name="question-answering",
        verb="answer",
        summary="Answer questions from a context.",
        usage=(
            '"Who?" --context page.txt -m my-model',
            "a.txt -m my-model",
            "a.txt -m my-model --csv",
        ),
        model="warmstart.text.question_answering:QuestionAnswerer",
        input="warmstart.text.inputs:QUESTION",
        console="warmstart.text.console:QuestionConsole",
        trainer="warmstart.text.train.question_answering:QuestionAnsweringTrainer",
        train_options="warmstart.text.train.options:QuestionAnsweringOptions",
        samples=(
            {
                "question": "When did the first ship pass?",
                "context": "The Suez Canal in Egypt joins the Mediterranean to the Red Sea. It was dug in ten years, "
                "and the first ship passed through it on 17 November 1869.",
            },
            {
                "question": "What does a compiler do?",
                "context": "A compiler translates the source of a program into the instructions of a machine. "
                "An interpreter, in contrast, executes the program line by line.",
            },
        ),
        sample_options={"top_k": 3},
    ),
    Task(
        name="fill-mask",
        verb="fill-mask",
        summary="Fill the masks of texts.",
        usage=(
            '"Paris is [MASK]." -m bert_base_uncased',
            "a.txt -m my-model",
            "a.txt -m my-model --csv",
        ),
        model="warmstart.text.fill_mask:FillMask",
        input="warmstart.text.inputs:TEXT",
        samples=("Paris is the [MASK] of France.", "The [MASK] barked at the [MASK]."),
        trainer="warmstart.text.train.fill_mask:FillMaskTrainer",
        train_options="warmstart.text.train.options:FillMaskOptions",
    ),
    Task(
        name="text-embedding",
        verb="embed",
        hub_name="feature-extraction",
        summary="Turn texts into vectors.",
        usage=(
            '"a cat" -m all_minilm_l6_v2',
            "a.txt -m my-model --json",
            "a.csv -m my-model -o b.jsonl",
        ),
        model="warmstart.text.embedding:TextEmbedder",
        input="warmstart.text.inputs:TEXT",
        examples="pairs",
        samples=(
            ["A cat sat on the mat.", "There is a cat on the rug."],
            ["A cat sat on the mat.", "Interest rates rose again in spring."],
        ),
        trainer="warmstart.text.train.embedding:EmbeddingTrainer",
        train_options="warmstart.text.train.options:EmbeddingOptions",
        wrapper="warmstart.text.train.wrap:TextEmbedderWrapper",
    ),
    Task(
        name="text-generation",
        verb="generate",
        summary="Continue prompts.",
        usage=('"ROMEO:"', '"Once upon" -m gpt2 --seed 1', "prompts.txt --max-new-tokens 40"),
        model="warmstart.text.generation:TextGenerator",
        input="warmstart.text.inputs:PROMPT",
        console="warmstart.text.console:GenerationConsole",
        trainer="warmstart.text.train.generation:GenerationTrainer",
        train_options="warmstart.text.train.options:GenerationOptions",
        default_model="shakespeare_gpt2",
        shard_rows=64,
        samples=("ROMEO:\n", "KING RICHARD III:\nNow is the", "What light through yonder"),
        sample_options={"max_new_tokens": 120, "temperature": 0.8},
    ),
    Task(
        name="speech-recognition",
        verb="transcribe",
        hub_name="automatic-speech-recognition",
        summary="Transcribe recordings.",
        usage=("talk.mp3", "talk.mp3 --format srt > talk.srt", "recordings/ --language en"),
        model="warmstart.speech.recognition:SpeechRecognizer",
        input="warmstart.speech.inputs:RECORDING",
        console="warmstart.speech.console:TranscriptConsole",
        trainer="warmstart.speech.train.recognition:RecognitionTrainer",
        train_options="warmstart.speech.train.options:RecognitionOptions",
        default_model="whisper_tiny",
        shard_rows=32,
    ),
    Task(
        name="audio-generation",
        verb="synthesize",
        hub_name="text-to-audio",
        summary="Generate sound.",
        usage=("seven -o seven.wav", "one two -o sounds/", "seven --speaker theo --seed 1"),
        model="warmstart.speech.synthesis:AudioGenerator",
        input="warmstart.speech.inputs:UTTERANCE",
        console="warmstart.speech.console:AudioConsole",
        default_model="digits_wavenet",
    ),
    Task(
        name="forecasting",
        verb="forecast",
        hub_name="time-series-forecasting",
        summary="Forecast time series.",
        usage=(
            "sales.csv --horizon 28",
            "a.csv --plot a.png",
            "a.csv -m chronos_bolt_tiny -o b.csv",
        ),
        model="warmstart.series.forecasting:Forecaster",
        input="warmstart.series.inputs:SERIES",
        console="warmstart.series.console:ForecastConsole",
        trainer="warmstart.series.train.forecasting:ForecastingTrainer",
        train_options="warmstart.series.train.options:ForecastingOptions",
        wrapper="warmstart.series.train.wrap:ForecasterWrapper",
        default_model="deepar",
        shard_rows=256,
        examples="windows",
    ),
    Task(
        name="tensors",
        verb="run",
        hub_name=None,
        summary="Run any model on named arrays.",
        usage=("a.npz -m my-model", "houses.csv -m my-model --csv", "a.json -m my-model --json"),
        model="warmstart.tensors.prediction:ArrayModel",
        input="warmstart.tensors.inputs:ARRAYS",
        wrapper="warmstart.tensors.train.wrap:ArrayWrapper",
        examples="pairs",
    ),
):
    _TASKS[_task.name] = _task
