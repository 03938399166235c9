"""Check the lines of other libraries in docs/moving-in.md, in an environment that has the library.

    python scripts/check_moving_in.py transformers timm torchvision gluonts chronos faster_whisper ultralytics
    python scripts/check_moving_in.py keras_hub
    python scripts/check_moving_in.py tensorflow_hub

Needs no network: models are the tiny checkpoints of tests/golden, or have random weights. A library
that is not installed is named and left out. What is shown is whether each line runs, and what comes
of it; exits with 1 where one fails. It does not import warmstart, so any environment will do.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
Check = tuple[str, Callable[[], Any]]


def of_transformers() -> Iterator[Check]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    def tiny(head: str) -> str:
        return str(GOLDEN / "text" / f"bert_{head}")

    yield (
        'pipeline("text-classification", model=name)',
        lambda: pipeline("text-classification", model=tiny("text_classification"))("a film"),
    )
    yield (
        'pipeline("ner", model=name, aggregation_strategy="simple")',
        lambda: pipeline("ner", model=tiny("token_classification"), aggregation_strategy="simple")(
            "Ann lives in Rome"
        ),
    )
    yield (
        'pipeline("fill-mask")("Paris is in [MASK].")',
        lambda: pipeline("fill-mask", model=tiny("fill_mask"))("paris is in [MASK] .")[0],
    )

    def logits() -> Any:
        name = tiny("text_classification")
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForSequenceClassification.from_pretrained(name)
        return model(**tokenizer("a film", return_tensors="pt")).logits

    yield "AutoTokenizer, AutoModel…, model(**tokenizer(text)).logits", logits

    def generated() -> Any:
        from transformers import GPT2Config, GPT2LMHeadModel

        model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2))
        import torch

        inputs = {"input_ids": torch.tensor([[1, 2, 3]])}
        return model.generate(**inputs, max_new_tokens=5, do_sample=True, top_p=0.9).shape

    yield "model.generate(**inputs, max_new_tokens=50, do_sample=True, top_p=0.9)", generated

    def names() -> Any:
        from transformers import TextIteratorStreamer, Trainer, TrainingArguments

        return TextIteratorStreamer, Trainer, TrainingArguments

    yield "TextIteratorStreamer, Trainer, TrainingArguments", names


def of_timm() -> Iterator[Check]:
    import timm
    from PIL import Image
    from timm.data import create_transform, resolve_model_data_config

    def best() -> Any:
        model = timm.create_model("convnext_atto", pretrained=False).eval()
        transform = create_transform(**resolve_model_data_config(model), is_training=False)
        photo = Image.open(PHOTO).convert("RGB")
        return model(transform(photo).unsqueeze(0)).softmax(-1).topk(5).indices

    yield "timm.create_model(…).eval(), create_transform, softmax(-1).topk(5)", best
    yield (
        "timm.create_model(name, num_classes=0)",
        lambda: timm.create_model("convnext_atto", pretrained=False, num_classes=0).num_features,
    )
    yield (
        "timm.create_model(name, num_classes=5)",
        lambda: timm.create_model("convnext_atto", pretrained=False, num_classes=5).num_classes,
    )


def of_torchvision() -> Iterator[Check]:
    from torchvision.models import ResNet50_Weights, resnet50

    yield 'weights="IMAGENET1K_V2"', lambda: ResNet50_Weights["IMAGENET1K_V2"].transforms()
    yield "torchvision.models.resnet50", lambda: len(resnet50(weights=None).state_dict())


def of_gluonts() -> Iterator[Check]:
    import numpy as np
    import pandas as pd
    from gluonts.dataset.pandas import PandasDataset

    hours = pd.date_range("2024-01-01", periods=48, freq="h")
    table = pd.DataFrame({"item_id": "a", "time": hours, "y": np.arange(48.0)})
    yield (
        'PandasDataset.from_long_dataframe(df, item_id="item_id", target="y")',
        lambda: len(
            list(
                PandasDataset.from_long_dataframe(
                    table, item_id="item_id", target="y", timestamp="time"
                )
            )
        ),
    )

    def estimator() -> Any:
        from gluonts.torch import DeepAREstimator

        return DeepAREstimator(freq="h", prediction_length=24)

    yield 'DeepAREstimator(freq="h", prediction_length=24)', estimator


def of_chronos() -> Iterator[Check]:
    import inspect

    from chronos import ChronosBoltPipeline

    yield (
        "ChronosBoltPipeline.from_pretrained(…).predict_quantiles(…, prediction_length=24)",
        lambda: inspect.signature(ChronosBoltPipeline.predict_quantiles).bind(
            None, [1.0], prediction_length=24
        ),
    )


def of_keras_hub() -> Iterator[Check]:
    import keras_hub
    import numpy as np

    def preset(name: str) -> str:
        return str(GOLDEN / "keras_hub" / name)

    photos = np.zeros((2, 32, 32, 3), np.float32)
    yield (
        'ImageClassifier.from_preset("resnet_50_imagenet")',
        lambda: keras_hub.models.ImageClassifier.from_preset(preset("resnet_basic")).predict(
            photos, verbose=0
        ),
    )

    def trained() -> Any:
        model = keras_hub.models.BertTextClassifier.from_preset(preset("bert"), num_classes=2)
        model.compile(
            optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model.fit(["good", "bad"], np.array([1, 0]), verbose=0).history

    yield 'BertTextClassifier.from_preset("bert_base_en", num_classes=2), compile, fit', trained
    yield (
        'GPT2CausalLM.from_preset("gpt2_base_en").generate(prompt, max_length=64)',
        lambda: keras_hub.models.GPT2CausalLM.from_preset(preset("gpt2")).generate(
            "a", max_length=16
        ),
    )


def of_tensorflow_hub() -> Iterator[Check]:
    import tempfile

    import tensorflow as tf
    import tensorflow_hub as hub

    class Doubled(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.factor = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None, 3])])
        def __call__(self, values: Any) -> Any:
            return values * self.factor

    def called() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(Doubled(), folder)
            return hub.KerasLayer(folder, trainable=True)(tf.ones((1, 3))).numpy()

    yield "hub.KerasLayer(url, trainable=True)", called


def of_ultralytics() -> Iterator[Check]:
    import tempfile

    from ultralytics import YOLO

    model = YOLO("yolo11n.yaml")
    result = model(str(PHOTO), conf=0.0001, verbose=False)[0]
    boxes = result.boxes
    yield 'YOLO("yolo11n.pt")("street.jpg")[0].plot()', lambda: result.plot().shape
    yield "result.boxes.xyxy, .conf, .cls", lambda: (boxes.xyxy.shape, boxes.conf.shape)
    yield "result.to_df()", result.to_df

    def crops() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            result.save_crop(folder)
            return sum(1 for path in Path(folder).rglob("*.jpg"))

    yield "result.save_crop(…)", crops

    def trained() -> Any:
        import numpy as np
        from PIL import Image

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "images").mkdir()
            (folder / "labels").mkdir()
            for index in range(4):
                pixels = np.full((64, 64, 3), 60 * index, np.uint8)
                Image.fromarray(pixels).save(folder / "images" / f"{index}.png")
                (folder / "labels" / f"{index}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
            data = folder / "data.yaml"
            data.write_text(f"path: {folder}\ntrain: images\nval: images\nnames:\n  0: square\n")
            options = {"imgsz": 64, "plots": False, "verbose": False, "workers": 0}
            return model.train(data=str(data), epochs=1, project=name, **options).results_dict

    yield 'model.train(data="data.yaml", epochs=40)', trained


def of_faster_whisper() -> Iterator[Check]:
    import inspect

    from faster_whisper import WhisperModel

    yield (
        'WhisperModel("base", compute_type="int8")',
        lambda: inspect.signature(WhisperModel).bind("base", compute_type="int8"),
    )
    yield (
        'model.transcribe("talk.mp3", word_timestamps=True)',
        lambda: inspect.signature(WhisperModel.transcribe).bind(
            None, "talk.mp3", word_timestamps=True
        ),
    )


CHECKS: dict[str, Callable[[], Iterator[Check]]] = {
    "transformers": of_transformers,
    "timm": of_timm,
    "torchvision": of_torchvision,
    "gluonts": of_gluonts,
    "chronos": of_chronos,
    "faster_whisper": of_faster_whisper,
    "keras_hub": of_keras_hub,
    "tensorflow_hub": of_tensorflow_hub,
    "ultralytics": of_ultralytics,
}


def main(names: list[str]) -> int:
    failed = 0
    for name in names or [*CHECKS]:
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed, left out")
            continue
        for line, check in CHECKS[name]():
            try:
                print(f"{name}: {line}\n    {check()!s:.100}")
            except Exception:
                failed += 1
                print(f"{name}: {line} FAILED\n{traceback.format_exc()}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
