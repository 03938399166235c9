"""Train src/warmstart/embedded/sst2_bert_tiny: a small BERT that tells good from bad reviews.

    python scripts/train_embedded_sst2.py ../shared/data/text/sst2 --work sst2-run

It starts from all-MiniLM-L6-v2's word vectors (Apache-2.0), reduced to 128 numbers by their principal components, for
the pieces of words that the training sentences are made of; the rest starts from random numbers. The best epoch is
chosen on a tenth of the training sentences; dev.tsv is looked at once, at the end, for the card. Killed and called
again with the same folder, it goes on after the last whole epoch.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import warmstart as ws
from warmstart import bundle
from warmstart.catalog import Metric
from warmstart.catalog.huggingface import bert
from warmstart.checkpoints import open_checkpoint, save_safetensors
from warmstart.engines import store
from warmstart.inputs.text import Tokenizer
from warmstart.inputs.text_data import examples
from warmstart.tasks.building import build_keras, run_job

NAME = "sst2_bert_tiny"
EMBEDDED = Path(__file__).parents[1] / "src" / "warmstart" / "embedded"
SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256,
         "max_position_embeddings": 128, "type_vocab_size": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.3,
         "attention_probs_dropout_prob": 0.1, "classifier_dropout": 0.3, "model_type": "bert",
         "architectures": ["BertModel"]}


def start(train: Path, folder: Path) -> None:
    """A repository with the small vocabulary and reduced word vectors; everything else is random, seed 0."""
    minilm = ws.load("all_minilm_l6_v2")
    tokenizer = Tokenizer.open(minilm._folder)
    used = {int(number) for one in examples(train) for number in tokenizer.encode(str(one.text)).ids}
    words = [tokenizer.token(number) for number in range(tokenizer.size)]
    special = {number for number, word in enumerate(words) if word in tokenizer.special.values()}
    single = {number for number, word in enumerate(words) if len(word.removeprefix("##")) == 1 and word.isascii()}
    kept = sorted(used | special | single)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words[number] for number in kept) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "model_max_length": 128}\n')
    (folder / "config.json").write_text(json.dumps({**SIZES, "vocab_size": len(kept)}))
    with open_checkpoint(minilm._folder) as checkpoint:
        name = next(name for name in checkpoint.names() if name.endswith("word_embeddings.weight"))
        vectors = checkpoint.read(name)
    vectors = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(vectors[kept], full_matrices=False)
    reduced = vectors[kept] @ axes[:SIZES["hidden_size"]].T
    config = {"model_type": "bert", **SIZES, "vocab_size": len(kept)}
    entry, _ = bert.entry(config, folder, "text-embedding")
    from warmstart.models import bert as architecture
    from warmstart.tasks.building import Weights

    network = build_keras(entry, Weights.random())
    arrays = architecture.arrays(network, entry.config)
    arrays["embeddings.word_embeddings.weight"] = (reduced * 0.05 / reduced.std()).astype(np.float32)
    save_safetensors(folder / "model.safetensors", arrays)


def halved(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value.astype(np.float16) for name, value in arrays.items()}


def ship(model: Any, dev: Path, epochs: int) -> None:
    """Round to float16, compile, measure on dev.tsv, write the bundle with its card."""
    from warmstart.models import architecture, arrays
    from warmstart.tasks.building import Weights
    from warmstart.tasks.text_classification import TextClassifier

    entry = replace(model.entry, name=NAME, family="sst2_bert", title="BERT tiny, SST-2", licence="Apache-2.0",
                    labels="sst2", aliases=(), metrics=())
    rounded = halved(dict(arrays(architecture(entry.architecture), model.keras, entry.config)))
    path = model._folder / "rounded.safetensors"
    save_safetensors(path, rounded)
    weights = Weights.of(path, published=True)
    judge = TextClassifier(entry, weights, model.labels, folder=model._folder, engine="keras")
    figures = judge.evaluate(dev)
    source = "scripts/train_embedded_sst2.py"
    entry = replace(entry, metrics=(
        Metric("accuracy", figures["accuracy"], f"SST-2 dev, {figures['count']} sentences", source),
        Metric("f1", figures["f1"], f"SST-2 dev, {figures['count']} sentences", source)))
    card = bundle.model_card(entry, model.labels).replace('("photo.jpg")', '("what a film")')
    card = card.replace("path/of/this/folder", NAME) + (
        f"\nTrained by `{source}` on the training sentences of SST-2 (Socher et al., 2013), {epochs} epochs, starting "
        "from the word vectors of all-MiniLM-L6-v2. The figures are those of the float16 weights in this folder, on "
        "sentences that were not looked at in training.\n")
    final = TextClassifier(entry, weights, model.labels, folder=model._folder, engine="keras")
    target = EMBEDDED / NAME
    shutil.rmtree(target, ignore_errors=True)

    def fill(folder: Path) -> Any:
        return run_job(entry, weights, "float16", folder, print)

    bundle.write(target, entry, rounded, model.labels, fill, precision="float16", card=card, files=final.files())
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {size / 1e6:.2f} MB, accuracy {figures['accuracy']:.4f} on {dev.name}, "
          f"sha256 {store.sha256_file(target / 'model.safetensors')[:12]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of train.tsv and dev.tsv")
    parser.add_argument("--work", type=Path, required=True, help="where the run lies, and goes on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    base = options.work / "base"
    if not (base / "model.safetensors").exists():
        start(options.data / "train.tsv", base)
    model = ws.finetune(base, options.data / "train.tsv", task="text-classification", epochs=options.epochs,
                        batch_size=32, learning_rate=options.rate, seed=options.seed, validation=0.1,
                        names={"0": "negative", "1": "positive"}, output=options.work / "run", weight_decay=0.05)
    for record in model.history:
        print({key: round(value, 4) if isinstance(value, float) else value for key, value in record.items()})
    ship(model, options.data / "dev.tsv", options.epochs)


if __name__ == "__main__":
    main()
