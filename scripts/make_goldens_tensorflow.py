"""Write checkpoints as TensorFlow wrote them, of the arrays of other goldens, to
tests/golden/tensorflow/.

    pip install tensorflow tf-keras transformers==4.46.3
    python scripts/make_goldens_tensorflow.py

`NAME.h5` is what transformers 4 writes as `tf_model.h5`; the test suite compares it with the
safetensors file that it was made from. `bert.ckpt` and `gpt2.ckpt` have the names of Google's and
OpenAI's releases, and random numbers. Running it again gives the same arrays.
"""

import os
import shutil
import tempfile
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import transformers

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
OUT = GOLDEN / "tensorflow"
MODELS = {
    "text/bert_text_classification": "TFBertForSequenceClassification",
    "text/bert_fill_mask": "TFBertForMaskedLM",
    "text/distilbert_question_answering": "TFDistilBertForQuestionAnswering",
    "text/roberta_token_classification": "TFRobertaForTokenClassification",
    "gpt2/classifier": "TFGPT2ForSequenceClassification",
    "classifiers/vit": "TFViTForImageClassification",
    "whisper": "TFWhisperForConditionalGeneration",
}


def write_h5(golden: str, name: str) -> None:
    model = getattr(transformers, name).from_pretrained(GOLDEN / golden, use_safetensors=True)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder, safe_serialization=False)
        shutil.copy(Path(folder) / "tf_model.h5", OUT / f"{golden.replace('/', '_')}.h5")


def write_bundle(name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    random = np.random.default_rng(0)
    arrays = {key: random.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}
    arrays |= {"global_step": np.int64(7), "text": np.bytes_(b"a text")}
    tf.raw_ops.SaveV2(
        prefix=str(OUT / name),
        tensor_names=list(arrays),
        shape_and_slices=[""] * len(arrays),
        tensors=[tf.constant(value) for value in arrays.values()],
    )
    np.savez_compressed(OUT / f"{name}.npz", **{k: v for k, v in arrays.items() if k != "text"})


def bert(width: int = 8, hidden: int = 12, words: int = 20) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "bert/embeddings/word_embeddings": (words, width),
        "bert/embeddings/position_embeddings": (16, width),
        "bert/embeddings/token_type_embeddings": (2, width),
        "bert/pooler/dense/kernel": (width, width),
        "bert/pooler/dense/bias": (width,),
        "cls/predictions/output_bias": (words,),
        "cls/predictions/transform/dense/kernel": (width, width),
        "cls/predictions/transform/dense/bias": (width,),
        "cls/seq_relationship/output_weights": (2, width),
        "cls/seq_relationship/output_bias": (2,),
        "bert/pooler/dense/kernel/adam_m": (width, width),
    }
    norms = ["bert/embeddings", "cls/predictions/transform"]
    for layer in range(2):
        at = f"bert/encoder/layer_{layer}"
        norms += [f"{at}/attention/output", f"{at}/output"]
        for part, inner, outer in (
            ("attention/self/query", width, width),
            ("attention/self/key", width, width),
            ("attention/self/value", width, width),
            ("attention/output/dense", width, width),
            ("intermediate/dense", width, hidden),
            ("output/dense", hidden, width),
        ):
            shapes |= {f"{at}/{part}/kernel": (inner, outer), f"{at}/{part}/bias": (outer,)}
    return shapes | {f"{n}/LayerNorm/{v}": (width,) for n in norms for v in ("gamma", "beta")}


def gpt2(width: int = 8, words: int = 20) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model/wte": (words, width), "model/wpe": (16, width)}
    norms = ["model/ln_f"]
    for layer in range(2):
        at = f"model/h{layer}"
        norms += [f"{at}/ln_1", f"{at}/ln_2"]
        for part, inner, outer in (
            ("attn/c_attn", width, 3 * width),
            ("attn/c_proj", width, width),
            ("mlp/c_fc", width, 4 * width),
            ("mlp/c_proj", 4 * width, width),
        ):
            shapes |= {f"{at}/{part}/w": (1, inner, outer), f"{at}/{part}/b": (outer,)}
    return shapes | {f"{name}/{v}": (width,) for name in norms for v in ("g", "b")}


def main() -> None:
    OUT.mkdir(exist_ok=True)
    write_bundle("bert.ckpt", bert())
    write_bundle("gpt2.ckpt", gpt2())
    for golden, name in MODELS.items():
        write_h5(golden, name)
    for path in sorted(OUT.iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
