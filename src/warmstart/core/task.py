"""`Task`, the record of what a model does, and `TASKS`, the one table of them.

Every surface is derived from it: Python, the command line, the server, batches, the page. Rows
name classes as "module:Name", so that reading the table imports none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from warmstart.core.reference import resolve
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.core.console import Console
    from warmstart.core.input_kind import InputKind
    from warmstart.core.model import Model
    from warmstart.training.options import TrainOptions
    from warmstart.training.trainer import Trainer
    from warmstart.training.wrap.wrapper import Wrapper


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a model does.

    Attributes:
        name: such as "image-classification".
        verb: of the command line, such as "classify".
        summary: one sentence for `--help`.
        usage: arguments of example commands, for `--help`.
        model: the class of its models; as an object, or as "module:Name".
        input: the kind of input, an `InputKind` object.
        console: how the command line shows its results.
        trainer, train_options: what fine-tunes its models, and its options; None: nothing does.
        wrapper: what makes one of its models of a Keras model; None: nothing does.
        default_model: answers where none is named; "" where one must be.
        shard_rows: inputs per file of a batch run; a kill costs that much work.
        examples: what `evaluate` counts, in the plural; "" means the inputs.
        samples: inputs to try, as JSON values; the page of the server offers them.
        sample_options: options to try them with.
        hub_name: what the Hugging Face hub calls it; "": the same; None: it has no such task.
    """

    name: str
    verb: str
    summary: str
    model: str | type[Model[Any, Any, Any]]
    input: str | InputKind
    usage: tuple[str, ...] = ()
    console: str | type[Console] = "warmstart.core.console:Console"
    trainer: str | type[Trainer[Any]] | None = None
    train_options: str | type[TrainOptions] | None = None
    wrapper: str | type[Wrapper[Any]] | None = None
    default_model: str = ""
    shard_rows: int = 1024
    examples: str = ""
    samples: tuple[Any, ...] = field(default=(), hash=False)
    hub_name: str | None = ""
    sample_options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def title(self) -> str:
        """The name as a heading: "Image classification"."""
        return self.name.replace("-", " ").capitalize()

    def model_class(self) -> type[Model[Any, Any, Any]]:
        found: type[Model[Any, Any, Any]] = resolve(self.model)
        return found

    def input_kind(self) -> InputKind:
        found: InputKind = resolve(self.input)
        return found

    def trainer_class(self) -> type[Trainer[Any]]:
        """Imports TensorFlow.

        Raises:
            UsageError: the task has no fine-tuning.
        """
        from warmstart.engines.noise import quiet_import

        self.train_options_class()
        with quiet_import():
            found: type[Trainer[Any]] = resolve(self.trainer)
        return found

    def train_options_class(self) -> type[TrainOptions]:
        """The options of fine-tuning; without TensorFlow.

        Raises:
            UsageError: the task has no fine-tuning.
        """
        if self.trainer is None:
            raise UsageError(
                f"There is no fine-tuning for {self.name!r}; `ws.load(…).keras` is a Keras model to train yourself."
            )
        found: type[TrainOptions] = resolve(self.train_options)
        return found

    def wrapper_class(self) -> type[Wrapper[Any]]:
        """What wraps Keras models for the task, else a `UsageError`; without TensorFlow."""
        if self.wrapper is None:
            names = ", ".join(name for name, task in _TASKS.items() if task.wrapper)
            raise UsageError(f"Models are not wrapped for {self.name!r}; tasks that are: {names}.")
        wrapper: type[Wrapper[Any]] = resolve(self.wrapper)
        return wrapper

    def console_class(self) -> type[Console]:
        found: type[Console] = resolve(self.console)
        return found


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
        raise UsageError(f"There is no task {name!r}; there are: {', '.join(_TASKS)}.")
    return _TASKS[name]


def task_class(name: str) -> type[Model[Any, Any, Any]]:
    """The class of its models; errors are those of `task_of`."""
    return task_of(name).model_class()


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
        usage=('"Who?" --context page.txt -m my-model', "a.txt -m my-model", "a.txt -m my-model --csv"),
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
        usage=('"Paris is [MASK]." -m bert_base_uncased', "a.txt -m my-model", "a.txt -m my-model --csv"),
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
