"""Train src/warmstart/embedded/sst2_bert_tiny: a small BERT that tells good from bad reviews.

    python scripts/train_embedded_sst2.py ../shared/data/text/sst2 --work sst2-run

There are only 6,920 training sentences, too few for a BERT from scratch, so a larger one teaches it
(Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015); Jiao et al.,
"TinyBERT" (2019)):

1. the teacher: all-MiniLM-L6-v2 (Apache-2.0), fine-tuned on the training sentences with
    `ws.finetune`;
2. texts: the sentences, phrases cut from them, and both with some words exchanged, half of these
    for similar ones (Jiao et al.), half for any, so that the student hears what the teacher makes
    of words that no sentence has;
3. the vocabulary: the pieces of words that the sentences are made of, and the most frequent others;
    each starts from what the teacher makes of it alone and from its word vector in MiniLM, reduced
    by their principal components;
4. the student learns what the teacher makes of every text: its probabilities, and what it says of
    each piece in its last layer, reduced to the principal components (Jiao et al.'s hidden-state
    loss), by a layer that is dropped later.

dev.tsv is measured at the end, for the card. Every stage lies in the folder `--work` and is not
repeated when called again; training goes on after the last whole epoch.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import warmstart as ws
from warmstart.catalog import Label, Metric, WeightFile
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.core import bundle
from warmstart.core.compiling import build_keras, run_job
from warmstart.core.options import make
from warmstart.core.probabilities import softmax
from warmstart.core.weights import Weights
from warmstart.digests import sha256_of
from warmstart.models import architecture, arrays
from warmstart.models.checks import Repository
from warmstart.models.text.bert import family as bert
from warmstart.text.classification import TextClassifier
from warmstart.text.data import examples
from warmstart.text.train.batches import TextBatches, padder
from warmstart.text.train.classification import TextClassificationTrainer
from warmstart.text.train.options import TextClassificationOptions
from warmstart.training.run import open_run
from warmstart.training.sorted_batches import ROUND
from warmstart.training.summary import Summary

NAME = "sst2_bert_tiny"
SOURCE = "scripts/train_embedded_sst2.py"
EMBEDDED = Path(__file__).parents[1] / "src" / "warmstart" / "embedded"
LABELS = (Label(0, "0", "negative"), Label(1, "1", "positive"))
LONGEST = 128
SIZES = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": LONGEST,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "classifier_dropout": 0.1,
    "initializer_range": 0.05,
    "model_type": "bert",
    "architectures": ["BertModel"],
}
VOCABULARY = 13_000
BATCH = 128
LONGEST_PHRASE = 20  # words
EXCHANGED, SIMILAR, COMMON = (
    0.25,
    15,
    20_000,
)  # share of the words; for one of how many; pieces of MiniLM, the first
WIDTH_OF_TYPICAL = 0.05  # the deviation of the word vectors that training starts from


def teach(train: Path, folder: Path, seed: int) -> Any:
    """MiniLM, fine-tuned on the sentences; what lies in the folder already is taken."""
    if (folder / "config.json").exists():
        return ws.load(folder, engine="keras")
    return ws.finetune(
        "all_minilm_l6_v2",
        train,
        task="text-classification",
        validation=None,
        epochs=3,
        batch_size=32,
        learning_rate=1e-4,
        adversarial=1.0,
        seed=seed,
        output=folder,
        names={label.id: label.name for label in LABELS},
    )


def varied(sentences: Sequence[str], count: int) -> list[str]:
    """The sentences, and as many others made of them that there are `count` texts, each once."""
    random, texts = np.random.default_rng(0), dict.fromkeys(sentences)
    words, similar = similar_words(sentences)
    while len(texts) < count:
        told, kind = sentences[random.integers(len(sentences))].split(), random.random()
        if kind < 0.65:
            length = int(random.integers(min(2, len(told)), min(len(told), LONGEST_PHRASE) + 1))
            start = int(random.integers(len(told) - length + 1))
            told = told[start : start + length]
        if kind > 0.35:
            for place, word in enumerate(told):
                if word in similar and random.random() < EXCHANGED:
                    some = similar[word] if random.random() < 0.5 else range(len(words))
                    told[place] = words[some[random.integers(len(some))]]
        texts[" ".join(told)] = None
    return list(texts)


def similar_words(sentences: Sequence[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Common words that are one piece for MiniLM; for each of them in a sentence, the places of the
    nearest ones.
    """
    base = ws.load("all_minilm_l6_v2")
    pieces = [(number, str(base.tokenizer.token(number))) for number in range(COMMON)]
    numbers, words = zip(
        *[(number, piece) for number, piece in pieces if piece.isascii() and piece.isalpha()],
        strict=True,
    )
    vectors = centred(vectors_of(base)[list(numbers)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    places = {word: place for place, word in enumerate(words)}
    said = [word for word in dict.fromkeys(" ".join(sentences).split()) if word in places]
    nearest = np.argsort(-vectors[[places[word] for word in said]] @ vectors.T, axis=1)[
        :, 1 : SIMILAR + 1
    ]
    return list(words), dict(zip(said, nearest, strict=True))


@dataclass(frozen=True)
class Opinions:
    """What the teacher says of texts: probabilities (N, 2), and of all their pieces, one text after
    the other, its last hidden states (pieces, width) in principal components; `starts` has each
    text's first row."""

    probabilities: np.ndarray
    states: np.ndarray
    starts: np.ndarray

    def targets(
        self, places: np.ndarray, length: int, pieces: np.ndarray
    ) -> tuple[dict[str, np.ndarray], ...]:
        """Targets of a batch, and their weights: padding has none, nor have the states of a text
        which the smaller vocabulary cuts into more pieces than the teacher's (`pieces` has how many
        they are)."""
        states = np.zeros((len(places), length, self.states.shape[1]), np.float32)
        there = np.zeros((len(places), length), np.float32)
        for row, place in enumerate(places):
            own = self.states[self.starts[place] : self.starts[place + 1]]
            if len(own) == pieces[place]:
                states[row, : len(own)], there[row, : len(own)] = own, 1
        return (
            {"logits": self.probabilities[places], "states": states},
            {
                "logits": np.ones(len(places), np.float32),
                "states": there * (there.size / max(there.sum(), 1)),
            },
        )


def opinions(teacher: Any, texts: Sequence[str], file: Path) -> Opinions:
    """The teacher's opinions of texts, kept in a file."""
    if not file.exists():
        network = teacher.keras
        both = keras.Model(network.inputs, {**network.output, "states": states_of(network)})
        both.compile(jit_compile=False)  # XLA would compile every length anew
        pad, encoded = padder(teacher.entry.config), [teacher.tokenize(text) for text in texts]
        order = np.argsort([len(one) for one in encoded], kind="stable")

        def ask(places: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
            """Logits, and the hidden states of each text's pieces."""
            some = [encoded[place] for place in places]
            found = both.predict_on_batch(pad(some, -(-max(map(len, some)) // ROUND) * ROUND))
            return found["logits"], [
                row[: len(one)] for row, one in zip(found["states"], some, strict=True)
            ]

        sample = np.concatenate(ask(np.random.default_rng(0).permutation(len(texts))[:1000])[1])
        mean = sample.mean(axis=0)
        axes = principal(sample - mean)
        scale = ((sample - mean) @ axes).std()
        logits, states = np.zeros((len(texts), len(LABELS)), np.float32), [np.zeros(0)] * len(texts)
        for places in np.split(order, range(BATCH, len(texts), BATCH)):
            logits[places], rows = ask(places)
            for place, row in zip(places, rows, strict=True):
                states[place] = ((row - mean) @ axes / scale).astype(np.float16)
        starts = np.cumsum([0, *map(len, encoded)])
        np.savez(file, probabilities=softmax(logits), states=np.concatenate(states), starts=starts)
    with np.load(file) as kept:
        return Opinions(kept["probabilities"].astype(np.float32), kept["states"], kept["starts"])


def states_of(network: keras.Model) -> Any:
    """The hidden states (B, T, D) of the last layer, as part of the network's graph."""
    return network.get_layer("last_hidden_state").output


def start(teacher: Any, sentences: Sequence[str], folder: Path) -> None:
    """A repository with the small vocabulary and word vectors to start from; everything else is
    random, seed 0.
    """
    tokenizer = teacher.tokenizer
    words = [tokenizer.token(number) for number in range(tokenizer.size)]
    used = {int(number) for text in sentences for number in tokenizer.encode(text).ids}
    special = {number for number, word in enumerate(words) if word in tokenizer.special.values()}
    plain = [
        number
        for number, word in enumerate(words)
        if word.removeprefix("##").isascii()
        and (word.removeprefix("##").isalpha() or len(word.removeprefix("##")) == 1)
    ]
    single = {number for number in plain if len(words[number].removeprefix("##")) == 1}
    kept = used | special | single
    kept |= set(
        [number for number in plain if number not in kept][: max(0, VOCABULARY - len(kept))]
    )  # frequent first
    order = np.array(sorted(kept))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words[number] for number in order) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "model_max_length": LONGEST})
    )
    (folder / "config.json").write_text(json.dumps({**SIZES, "vocab_size": len(order)}))
    config = {**SIZES, "vocab_size": len(order)}
    entry, _ = bert.read(Repository(config, folder / "config.json", "text-embedding"))
    found = arrays(architecture("bert"), build_keras(entry, Weights.random()), entry.config)
    found["embeddings.word_embeddings.weight"] = word_vectors(teacher, order)
    save_safetensors(folder / "model.safetensors", found)


def word_vectors(teacher: Any, order: np.ndarray) -> np.ndarray:
    """float32 (pieces, width): what the teacher makes of each piece alone, beside its word vector
    in MiniLM.
    """
    alone = []
    cls, sep = (teacher.tokenizer.special_id(kind) for kind in ("cls", "sep"))
    for begin in range(0, len(order), 64):
        ids = np.array([[cls, number, sep] for number in order[begin : begin + 64]], np.int32)
        alone.append(
            teacher.engine.run(
                "forward",
                input_ids=ids,
                attention_mask=np.ones_like(ids),
                token_type_ids=np.zeros_like(ids),
            )["features"]
        )
    vectors = vectors_of(ws.load("all_minilm_l6_v2"))[order]
    both = np.concatenate([centred(np.concatenate(alone)), 0.5 * centred(vectors)], axis=1)
    reduced = both @ principal(both)
    return (reduced * WIDTH_OF_TYPICAL / reduced.std()).astype(np.float32)


def vectors_of(encoder: Any) -> np.ndarray:
    """Its word vectors (pieces, width)."""
    with open_checkpoint(encoder._folder) as checkpoint:
        return checkpoint.read("embeddings.word_embeddings.weight")


def principal(vectors: np.ndarray) -> np.ndarray:
    """The first principal axes of vectors (N, D) whose mean is 0: (D, the student's width)."""
    _, _, axes = np.linalg.svd(vectors, full_matrices=False)
    return axes[: SIZES["hidden_size"]].T


def centred(vectors: np.ndarray) -> np.ndarray:
    centre = vectors - vectors.mean(axis=0)
    return centre / centre.std()


class Distillation(TextClassificationTrainer):
    """Learns what the teacher says of texts, and its hidden states."""

    texts: Sequence[str]
    teacher: Opinions

    def identity(self) -> dict[str, Any]:
        return {}

    def learner(self) -> keras.Model:
        states = keras.layers.Dense(
            self.teacher.states.shape[1], name="states", kernel_initializer="orthogonal"
        )
        return keras.Model(
            self.network.inputs, {**self.network.output, "states": states(states_of(self.network))}
        )

    def batches(self) -> TextBatches:
        encoded = [self.predictor.tokenize(text) for text in self.texts]
        pieces = np.array([len(one) for one in encoded])
        return self.batched(
            encoded, lambda rows, length: self.teacher.targets(rows, length, pieces), shuffle=True
        )

    def loss(self) -> dict[str, Any]:
        return {"logits": keras.losses.CategoricalCrossentropy(from_logits=True), "states": "mse"}


def learn(
    base: Path, texts: Sequence[str], said: Opinions, work: Path, options: argparse.Namespace
) -> tuple[TextClassifier, Any]:
    """The student: a classifier that is ready for `ship`."""
    chosen = {
        "epochs": options.epochs,
        "batch_size": BATCH,
        "learning_rate": options.rate,
        "weight_decay": 0.05,
        "seed": options.seed,
        "validation": 0,
    }
    trainer = Distillation(base, make(TextClassificationOptions, chosen, NAME))
    trainer.open()
    trainer.texts, trainer.teacher, trainer.labels = texts, said, LABELS
    trainer.train_examples, trainer.validation_examples = [], []
    trainer.problem, trainer.monitor, trainer.processing = (
        "single",
        "val_loss",
        {"problem": "single"},
    )
    trainer.summary = Summary(NAME, "texts", {"train": len(texts)}, {})
    with open_run(
        work / "student", {"epochs": options.epochs, "rate": options.rate, "seed": options.seed}
    ) as run:
        trainer.run = run
        trainer.train()
    return trainer.predictor, trainer.network


def ship(
    judge: TextClassifier,
    network: Any,
    teacher: Any,
    dev: Path,
    work: Path,
    count: int,
    epochs: int,
) -> None:
    """Round to float16, compile, measure on dev.tsv, write the bundle with its card."""
    entry = replace(
        judge.entry,
        name=NAME,
        family="bert",
        title="BERT tiny, SST-2 sentiment",
        licence="Apache-2.0",
        labels="sst2",
        aliases=(),
        metrics=(),
        weights={"top": WeightFile(f"embedded:{NAME}/{bundle.IN_PROGRAM}", layout="tflite")},
    )
    found = arrays(architecture(entry.architecture), network, entry.config)
    rounded = {name: value.astype(np.float16) for name, value in found.items()}
    path = work / "rounded.safetensors"
    save_safetensors(path, rounded)
    weights = Weights.of(path, published=True)
    final = TextClassifier(entry, weights, LABELS, folder=judge._folder, engine="keras")
    figures, taught = final.evaluate(dev), teacher.evaluate(dev)
    dataset = f"SST-2 dev, {figures['count']} sentences"
    entry = replace(
        entry,
        metrics=tuple(
            Metric(name, round(figures[name], 4), dataset, SOURCE) for name in ("accuracy", "f1")
        ),
    )
    card = bundle.model_card(entry, LABELS).replace('("photo.jpg")', '("what a film")')
    card = card.replace("path/of/this/folder", NAME) + (
        f"\nTrained by `{SOURCE}` by distillation on {count:,} texts, the 6,920 training sentences of SST-2 (Socher et "
        f"al., 2013) and others made of them by cutting and by exchanging words, {epochs} epochs. The teacher is "
        "all-MiniLM-L6-v2 (Apache-2.0), fine-tuned on the same sentences, which reaches "
        f"{taught['accuracy']:.4f} on the same dev sentences; the student learns its probabilities and its last hidden "
        "states. The word vectors start from the teacher's and MiniLM's, reduced to their principal components. The "
        "figures are those of the float16 weights in this folder; no dev sentence was trained on.\n"
    )
    final = TextClassifier(entry, weights, LABELS, folder=judge._folder, engine="keras")
    target = EMBEDDED / NAME
    shutil.rmtree(target, ignore_errors=True)

    def fill(folder: Path) -> Any:
        return run_job(entry, weights, "float16", folder, print)

    bundle.write(
        target,
        entry,
        rounded,
        LABELS,
        fill,
        precision="float16",
        card=card,
        files=final.files(),
        weights=bundle.IN_PROGRAM,
    )
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(
        f"{target}: {size / 1e6:.2f} MB, accuracy {figures['accuracy']:.4f} on {dev.name}, teacher "
        f"{taught['accuracy']:.4f}, sha256 {sha256_of(target / bundle.IN_PROGRAM)[:12]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of train.tsv and dev.tsv")
    parser.add_argument("--work", type=Path, required=True, help="where the stages lie, and go on")
    parser.add_argument(
        "--texts", type=int, default=120_000, help="how many texts the student learns from"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train = options.data / "train.tsv"
    sentences = [str(one.text) for one in examples(train)]
    teacher = teach(train, options.work / "teacher", options.seed)
    base = options.work / "base"
    if not (base / "model.safetensors").exists():
        start(teacher, sentences, base)
    texts = varied(sentences, options.texts)
    said = opinions(teacher, texts, options.work / "opinions.npz")
    judge, network = learn(base, texts, said, options.work, options)
    ship(
        judge, network, teacher, options.data / "dev.tsv", options.work, len(texts), options.epochs
    )


if __name__ == "__main__":
    main()
