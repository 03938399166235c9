"""Write the models, with random weights, that the lines of other tools in docs/comparison.md load.

    TORCH scripts/comparison_models.py FOLDER

Run by scripts/check_comparison.py, in an environment with transformers, ultralytics,
sentence-transformers, openai-whisper, chronos-forecasting, litserve, imageio-ffmpeg and matplotlib.
The models of text and forecasting are the tiny checkpoints of tests/golden.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
SENTIMENT = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
"""The default model of transformers for text classification."""


def write_ultralytics(folder: Path) -> None:
    from ultralytics import YOLO

    for name in ("yolo26n-cls", "yolo26n", "yolo26n-seg"):
        YOLO(f"{name}.yaml").save(folder / f"{name}.pt")


def write_whisper(folder: Path) -> None:
    """A model that transcribes every recording as "zero", from its start to the fifth second."""
    import imageio_ffmpeg
    import torch
    from whisper.model import ModelDimensions, Whisper
    from whisper.tokenizer import get_tokenizer

    sizes = {"n_mels": 80, "n_audio_ctx": 1500, "n_vocab": 51865, "n_text_ctx": 448}
    for part in ("audio", "text"):
        sizes |= {f"n_{part}_state": 64, f"n_{part}_head": 2, f"n_{part}_layer": 1}
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(**sizes))
    for weight in (weight for weight in model.parameters() if weight.ndim > 1):
        torch.nn.init.normal_(weight, std=0.02)
    tokens = get_tokenizer(multilingual=True)
    begin = tokens.timestamp_begin
    answer = [begin, *tokens.encode(" zero"), begin + 250, tokens.eot]
    decoder = model.decoder
    with torch.no_grad():
        for position, token in enumerate(answer, 2):  # behind start, language and task
            decoder.positional_embedding[position, position] = 30
            decoder.token_embedding.weight[token, position] = 10
    torch.save({"dims": sizes, "model_state_dict": model.state_dict()}, folder / "tiny.pt")
    (folder / "bin").mkdir()
    (folder / "bin" / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())


def write_sentence_transformer(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    words = Transformer(str(GOLDEN / "text" / "bert_base"))
    pooling = Pooling(words.get_embedding_dimension())
    SentenceTransformer(modules=[words, pooling]).save(str(folder / "all-MiniLM-L6-v2"))


def main(folder: Path) -> None:
    write_ultralytics(folder)
    write_whisper(folder)
    write_sentence_transformer(folder)
    shutil.copytree(GOLDEN / "text" / "bert_text_classification", folder / SENTIMENT)
    shutil.copytree(GOLDEN / "chronos_bolt", folder / "amazon" / "chronos-bolt-tiny")
    shutil.copytree(GOLDEN / "keras_hub" / "bert", folder / "bert_tiny_en_uncased")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
