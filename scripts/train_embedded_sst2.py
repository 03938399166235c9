"""Train src/warmstart/embedded/sst2_bert_tiny: a small BERT that tells good from bad reviews.

    python scripts/train_embedded_sst2.py ../shared/data/text/sst2 --work sst2-run

There are only 6,920 training sentences, too few for a BERT from scratch, so a larger one teaches it (Hinton, Vinyals,
Dean, "Distilling the Knowledge in a Neural Network" (2015); Jiao et al., "TinyBERT" (2019)):

1. the teacher: all-MiniLM-L6-v2 (Apache-2.0), fine-tuned on the training sentences with `ws.finetune`;
2. texts: the sentences, and phrases cut from them, these with the teacher's opinion;
3. the vocabulary: the pieces of words that the sentences are made of, and the most frequent others; each starts from
   what the teacher makes of it alone and from its word vector in MiniLM, reduced by their principal components;
4. the student learns the labels of the sentences and the teacher's opinions of the phrases.

dev.tsv is measured at the end, for the card. Every stage lies in the folder `--work` and is not repeated when called
again; training goes on after the last whole epoch.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import warmstart as ws
from warmstart import bundle
from warmstart.catalog import Label, Metric, WeightFile
from warmstart.catalog.huggingface import bert
from warmstart.checkpoints import open_checkpoint, save_safetensors
from warmstart.engines import store
from warmstart.inputs.text_data import examples
from warmstart.models import architecture, arrays
from warmstart.tasks.building import build_keras, run_job
from warmstart.tasks.text import softmax
from warmstart.tasks.text_classification import TextClassifier
from warmstart.tasks.weights import Weights
from warmstart.training import text_job
from warmstart.training.run import open_run
from warmstart.training.text_batches import TextBatches

NAME = "sst2_bert_tiny"
SOURCE = "scripts/train_embedded_sst2.py"
EMBEDDED = Path(__file__).parents[1] / "src" / "warmstart" / "embedded"
LABELS = (Label(0, "0", "negative"), Label(1, "1", "positive"))
LONGEST = 128
SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 384,
         "max_position_embeddings": LONGEST, "type_vocab_size": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
         "attention_probs_dropout_prob": 0.1, "classifier_dropout": 0.1, "model_type": "bert",
         "architectures": ["BertModel"]}
VOCABULARY = 14_000
PHRASES, LONGEST_PHRASE = 3, 10  # made from each sentence; words
SMOOTHED = 0.1  # of a label's probability goes to the other one
WIDTH_OF_TYPICAL = 0.05  # the deviation of the word vectors that training starts from


def teach(train: Path, folder: Path, seed: int) -> Any:
    """MiniLM, fine-tuned on the sentences; what lies in the folder already is taken."""
    if (folder / "config.json").exists():
        return ws.load(folder, engine="keras")
    return ws.finetune("all_minilm_l6_v2", train, task="text-classification", validation=None, epochs=3, batch_size=32,
                       learning_rate=1e-4, seed=seed, names={label.id: label.name for label in LABELS}, output=folder)


def phrases(sentences: Sequence[str], random: np.random.Generator) -> Iterator[str]:
    """Parts of the sentences."""
    for sentence in sentences:
        words = sentence.split()
        for _ in range(PHRASES):
            length = int(random.integers(min(2, len(words)), min(len(words), LONGEST_PHRASE) + 1))
            start = int(random.integers(len(words) - length + 1))
            yield " ".join(words[start:start + length])


def opinions(teacher: Any, texts: Sequence[str], file: Path) -> np.ndarray:
    """The teacher's logits (N, 2) of texts, kept in a file."""
    if not file.exists():
        rows = teacher.run([teacher.encode(text) for text in texts])
        np.save(file, np.stack([row["logits"] for row in rows]))
    return np.load(file)


def start(teacher: Any, sentences: Sequence[str], folder: Path) -> None:
    """A repository with the small vocabulary and word vectors to start from; everything else is random, seed 0."""
    tokenizer = teacher.tokenizer
    words = [tokenizer.token(number) for number in range(tokenizer.size)]
    used = {int(number) for text in sentences for number in tokenizer.encode(text).ids}
    special = {number for number, word in enumerate(words) if word in tokenizer.special.values()}
    plain = [number for number, word in enumerate(words) if word.removeprefix("##").isascii()
             and (word.removeprefix("##").isalpha() or len(word.removeprefix("##")) == 1)]
    single = {number for number in plain if len(words[number].removeprefix("##")) == 1}
    kept = used | special | single
    kept |= set([number for number in plain if number not in kept][:max(0, VOCABULARY - len(kept))])  # frequent first
    order = np.array(sorted(kept))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words[number] for number in order) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "model_max_length": LONGEST}))
    (folder / "config.json").write_text(json.dumps({**SIZES, "vocab_size": len(order)}))
    config = {**SIZES, "vocab_size": len(order)}
    entry, _ = bert.entry(config, folder, "text-embedding")
    found = arrays(architecture("bert"), build_keras(entry, Weights.random()), entry.config)
    found["embeddings.word_embeddings.weight"] = word_vectors(teacher, order)
    save_safetensors(folder / "model.safetensors", found)


def word_vectors(teacher: Any, order: np.ndarray) -> np.ndarray:
    """float32 (pieces, width): what the teacher makes of each piece alone, beside its word vector in MiniLM."""
    alone = []
    cls, sep = (teacher.tokenizer.special_id(kind) for kind in ("cls", "sep"))
    for begin in range(0, len(order), 64):
        ids = np.array([[cls, number, sep] for number in order[begin:begin + 64]], np.int32)
        alone.append(teacher.engine.run("forward", input_ids=ids, attention_mask=np.ones_like(ids),
                                        token_type_ids=np.zeros_like(ids))["features"])
    with open_checkpoint(ws.load("all_minilm_l6_v2")._folder) as checkpoint:
        vectors = checkpoint.read("embeddings.word_embeddings.weight")[order]
    both = np.concatenate([centred(np.concatenate(alone)), 0.5 * centred(vectors)], axis=1)
    _, _, axes = np.linalg.svd(both, full_matrices=False)
    reduced = both @ axes[:SIZES["hidden_size"]].T
    return (reduced * WIDTH_OF_TYPICAL / reduced.std()).astype(np.float32)


def centred(vectors: np.ndarray) -> np.ndarray:
    centre = vectors - vectors.mean(axis=0)
    return centre / centre.std()


def learn(base: Path, texts: Sequence[str], targets: np.ndarray, work: Path,
          options: argparse.Namespace) -> tuple[TextClassifier, Any]:
    """The student: a classifier that is ready for `ship`."""
    opened = text_job.open_encoder(base)
    settings = text_job.Settings(options.epochs, 64, options.rate, weight_decay=0.05, seed=options.seed)
    with open_run(work / "student", {"epochs": options.epochs, "rate": options.rate, "seed": options.seed}) as run:
        entry, network = text_job.headed(opened, "text-classification", labels=LABELS, seed=options.seed,
                                         processing={"problem": "single"})
        judge = TextClassifier(entry, opened.weights, LABELS, engine="keras", folder=base)
        batches = TextBatches([judge.encode(text) for text in texts], lambda places, _: {"logits": targets[places]},
                              text_job.padder(entry), batch_size=64, seed=options.seed)
        loss = {"logits": keras.losses.CategoricalCrossentropy(from_logits=True)}
        lesson = text_job.Lesson(batches, loss, None, "val_loss", tuple)
        fitted = text_job.fit_lesson(run, network, entry, lesson, settings)
    for record in fitted.history:
        print({key: round(value, 4) for key, value in record.items()})
    return judge, network


def ship(judge: TextClassifier, network: Any, teacher: Any, dev: Path, work: Path, count: int, epochs: int) -> None:
    """Round to float16, compile, measure on dev.tsv, write the bundle with its card."""
    entry = replace(judge.entry, name=NAME, family="bert", title="BERT tiny, SST-2", licence="Apache-2.0",
                    labels="sst2", aliases=(), metrics=(),
                    weights={"top": WeightFile(f"embedded:{NAME}/model.safetensors", layout="safetensors")})
    found = arrays(architecture(entry.architecture), network, entry.config)
    rounded = {name: value.astype(np.float16) for name, value in found.items()}
    path = work / "rounded.safetensors"
    save_safetensors(path, rounded)
    weights = Weights.of(path, published=True)
    final = TextClassifier(entry, weights, LABELS, folder=judge._folder, engine="keras")
    figures, taught = final.evaluate(dev), teacher.evaluate(dev)
    dataset = f"SST-2 dev, {figures['count']} sentences"
    entry = replace(entry, metrics=tuple(Metric(name, round(figures[name], 4), dataset, SOURCE)
                                         for name in ("accuracy", "f1")))
    card = bundle.model_card(entry, LABELS).replace('("photo.jpg")', '("what a film")')
    card = card.replace("path/of/this/folder", NAME) + (
        f"\nTrained by `{SOURCE}` on the 6,920 training sentences of SST-2 (Socher et al., 2013) and {count:,} phrases "
        f"cut from them, {epochs} epochs, by distillation: the teacher is all-MiniLM-L6-v2 (Apache-2.0), fine-tuned on "
        f"the same sentences, which reaches {taught['accuracy']:.4f} on the same dev sentences. The word vectors start "
        "from the teacher's and MiniLM's, reduced to their principal components. The figures are those of the float16 "
        "weights in this folder; no dev sentence was trained on.\n")
    final = TextClassifier(entry, weights, LABELS, folder=judge._folder, engine="keras")
    target = EMBEDDED / NAME
    shutil.rmtree(target, ignore_errors=True)

    def fill(folder: Path) -> Any:
        return run_job(entry, weights, "float16", folder, print)

    bundle.write(target, entry, rounded, LABELS, fill, precision="float16", card=card, files=final.files())
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {size / 1e6:.2f} MB, accuracy {figures['accuracy']:.4f} on {dev.name}, teacher "
          f"{taught['accuracy']:.4f}, sha256 {store.sha256_file(target / 'model.safetensors')[:12]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of train.tsv and dev.tsv")
    parser.add_argument("--work", type=Path, required=True, help="where the stages lie, and go on")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train = options.data / "train.tsv"
    known = examples(train)
    sentences = [str(one.text) for one in known]
    teacher = teach(train, options.work / "teacher", options.seed)
    cut = list(dict.fromkeys(phrases(sentences, np.random.default_rng(0))))
    said = softmax(opinions(teacher, cut, options.work / "opinions.npy")).astype(np.float32)
    truth = np.eye(len(LABELS), dtype=np.float32)[[int(one.labels[0]) for one in known]]
    truth = truth * (1 - 2 * SMOOTHED) + SMOOTHED
    base = options.work / "base"
    if not (base / "model.safetensors").exists():
        start(teacher, sentences, base)
    judge, network = learn(base, [*sentences, *cut], np.concatenate([truth, said]), options.work, options)
    ship(judge, network, teacher, options.data / "dev.tsv", options.work, len(cut), options.epochs)


if __name__ == "__main__":
    main()
