"""Train the embedded model `shakespeare_gpt2` and write its bundle and model card.

    python scripts/train_embedded_shakespeare.py tinyshakespeare.txt --work work/shakespeare

The bundle lies in `work/shakespeare/bundle` afterwards; the package ships a copy of it in
src/warmstart/embedded/shakespeare_gpt2.

The recipe: a byte-level BPE of 768 tokens learned on the first 90 % of the text; a GPT-2 of 4
layers and width 128 trained on random windows of 256 tokens of that part, 8 a step, with Muon
(AdamW for embeddings, biases and normalisations), a short warm-up, a constant learning rate and a
linear decay to zero over the last half of the steps. The run is resumable: started again with the
same `--work`, it goes on after the last finished hundred steps. The last 10 % of the text are never
trained on, and no setting is chosen by them.

Needs `warmstart[tensorflow]`; `KERAS_BACKEND=jax` works too.
"""

import argparse
import json
import shutil
from pathlib import Path

import keras
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import warmstart as ws
from resumable import finished_epochs, keepers
from warmstart.catalog import Entry, Metric, WeightFile
from warmstart.core import bundle
from warmstart.engines.compile import compile_program
from warmstart.engines.store import Artifact
from warmstart.models.text.gpt2 import family
from warmstart.models.text.gpt2 import network as gpt2
from warmstart.models.text.gpt2.family import PAPER
from warmstart.text.generation import TextGenerator

CONFIG = {
    "vocab_size": 768,
    "n_positions": 256,
    "n_embd": 128,
    "n_layer": 4,
    "n_head": 4,
    "embd_pdrop": 0.05,
    "resid_pdrop": 0.05,
    "attn_pdrop": 0.0,
}
BATCH, STEPS_AN_EPOCH = 8, 100
HELD_OUT = 0.1


def split(path: Path) -> tuple[str, str]:
    """The text to train on, and the last tenth of its characters."""
    text = path.read_text("utf-8")
    cut = len(text) - round(HELD_OUT * len(text))
    return text[:cut], text[cut:]


def learn_tokenizer(text: str, path: Path) -> Tokenizer:
    """A byte-level BPE, as GPT-2's, of `vocab_size` tokens; any text can be written with it."""
    if not path.exists():
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.train_from_iterator(
            [text],
            trainers.BpeTrainer(
                vocab_size=CONFIG["vocab_size"],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            ),
        )
        tokenizer.save(str(path))
    return Tokenizer.from_file(str(path))


class Windows(keras.utils.PyDataset):
    """Random windows of the tokens and what follows each token; the same epoch gives the same in
    any run.
    """

    def __init__(self, tokens: np.ndarray, seed: int, first_epoch: int):
        super().__init__()
        self.tokens, self.seed, self.epoch = tokens, seed, first_epoch

    def on_epoch_end(self):
        self.epoch += 1

    def __len__(self):
        return STEPS_AN_EPOCH

    def __getitem__(self, index):
        random = np.random.default_rng((self.seed, self.epoch, index))
        length = CONFIG["n_positions"]
        starts = random.integers(0, len(self.tokens) - length, BATCH)
        windows = self.tokens[starts[:, None] + np.arange(length + 1)]
        return windows[:, :-1], windows[:, 1:]


class Trapezoid(keras.optimizers.schedules.LearningRateSchedule):
    """Up to the peak over 100 steps, constant, and down to zero over the last half of all steps."""

    def __init__(self, peak: float, steps: int):
        self.peak, self.steps = peak, steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        return self.peak * keras.ops.minimum(
            1.0,
            keras.ops.minimum(
                (step + 1) / 100, keras.ops.maximum(0.0, 2 * (self.steps - step) / self.steps)
            ),
        )

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


def train(tokens: np.ndarray, work: Path, *, steps: int, peak: float, seed: int) -> keras.Model:
    """Train from the last finished epoch on; returns the language model."""
    keras.utils.set_random_seed(seed)
    model = gpt2.build(CONFIG)
    ids = keras.Input((None,), dtype="int32")
    trained = keras.Model(ids, model({"input_ids": ids})["logits"])
    optimizer = keras.optimizers.Muon(
        Trapezoid(peak, steps), weight_decay=0.1, adam_weight_decay=0.1, clipnorm=1.0
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    trained.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
    )
    trained.fit(
        Windows(tokens, seed, finished_epochs(work)),
        epochs=steps // STEPS_AN_EPOCH,
        verbose=2,
        callbacks=keepers(work),
    )
    model.save_weights(work / "trained.weights.h5")
    return model


def half(model: keras.Model) -> None:
    """Round all numbers to float16, in which the bundle holds them."""
    model.set_weights(
        [weight.astype(np.float16).astype(np.float32) for weight in model.get_weights()]
    )


def entry_of(parameters: int, nats: float, characters: int) -> Entry:
    return Entry(
        name="shakespeare_gpt2",
        task="text-generation",
        family="gpt2",
        title="GPT-2 of 0.9 M for Shakespeare",
        architecture="gpt2",
        config=CONFIG,
        preprocessing=None,
        labels="",
        licence="Apache-2.0",
        weights={
            "top": WeightFile(f"embedded:shakespeare_gpt2/{bundle.IN_PROGRAM}", layout="tflite")
        },
        parameters=parameters,
        gflops=None,
        min_size=0,
        paper=PAPER,
        metrics=(
            Metric(
                "nats_per_character",
                round(nats, 4),
                f"the last {characters:,} characters of tinyshakespeare",
                "scripts/train_embedded_shakespeare.py",
            ),
        ),
        processing={"longest": CONFIG["n_positions"], "end": []},
    )


CARD = """---
license: apache-2.0
library_name: warmstart
pipeline_tag: text-generation
---

# {title}

A small language model that ships with warmstart. It continues texts in the style of Shakespeare's plays. It is a
demonstration: it knows nothing else, and its texts make little sense.

| | |
|---|---|
| architecture | GPT-2, {layers} layers of width {width}, {heads} heads; {parameters:,} parameters |
| context | {context} tokens |
| tokens | byte-level BPE of {vocabulary}, learned on the training part |
| trained on | the first {trained_on:,} characters of tinyshakespeare (public domain) |
| recipe | {steps} steps of {batch} windows of {context} tokens, Muon, peak learning rate {peak}; seed {seed} |
| precision | all numbers stored as float16 |

| measured on | nats per character |
|---|---|
| the last {count:,} characters, the compiled program with LiteRT | **{nats:.4f}** |

This is the sum of the negative log-probabilities of their {tokens:,} tokens, divided by the number of characters; each
token is predicted from the 128 to 255 tokens before it ({perplexity:.2f} perplexity per token). These characters were
not used for training or for choosing settings.

A sample (`model("ROMEO:", seed=1, temperature=0.8, max_new_tokens=120)`):

```text
{sample}
```

This card was written by `scripts/train_embedded_shakespeare.py`.
"""


def export(model: keras.Model, held_out: str, trained_on: int, options: argparse.Namespace) -> None:
    """Round, compile, measure on the held-out text, and write the bundle with its card."""
    half(model)
    folders = {name: options.work / name for name in ("unmeasured", "bundle")}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
    named = {name: array.astype(np.float16) for name, array in gpt2.arrays(model, CONFIG).items()}
    entry = entry_of(model.count_params(), 0.0, len(held_out))
    config = (json.dumps(family.write(entry), indent=2) + "\n").encode()
    files = {"tokenizer.json": options.work / "tokenizer.json", "config.json": config}
    program = TextGenerator.program(entry, model)
    probe = bundle.write(
        folders["unmeasured"],
        entry,
        named,
        (),
        lambda folder: compile_program(program, folder, "float16", print),
        precision="float16",
        files=files,
    )
    compiled = ws.load(probe, engine="litert")
    score = compiled.score(held_out)
    print(f"{score.nats_per_character:.4f} nats per character, perplexity {score.perplexity:.2f}")
    entry = entry_of(model.count_params(), score.nats_per_character, len(held_out))
    card = CARD.format(
        title=entry.title,
        layers=CONFIG["n_layer"],
        width=CONFIG["n_embd"],
        heads=CONFIG["n_head"],
        context=CONFIG["n_positions"],
        parameters=entry.parameters,
        vocabulary=CONFIG["vocab_size"],
        trained_on=trained_on,
        steps=options.steps,
        batch=BATCH,
        peak=options.peak,
        seed=options.seed,
        count=len(held_out),
        nats=score.nats_per_character,
        tokens=len(score.tokens),
        perplexity=score.perplexity,
        sample=compiled("ROMEO:", seed=1, temperature=0.8, max_new_tokens=120),
    )
    bundle.write(
        folders["bundle"],
        entry,
        named,
        (),
        Artifact.load(probe / "artifacts" / "float32").copy_to,
        precision="float16",
        card=card,
        files=files,
        weights=bundle.IN_PROGRAM,
    )
    shutil.rmtree(probe)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("text", type=Path, help="tinyshakespeare: 1,115,394 characters")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for checkpoints and the results"
    )
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--peak", type=float, default=3e-3, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    text, held_out = split(options.text)
    tokenizer = learn_tokenizer(text, options.work / "tokenizer.json")
    finished = options.work / "trained.weights.h5"
    if finished.exists():
        model = gpt2.build(CONFIG)
        model.load_weights(finished)
    else:
        tokens = np.array(tokenizer.encode(text).ids, np.int32)
        print(
            f"{len(text):,} characters, {len(tokens):,} tokens to train on; {len(held_out):,} characters held out"
        )
        model = train(
            tokens, options.work, steps=options.steps, peak=options.peak, seed=options.seed
        )
    export(model, held_out, len(text), options)


if __name__ == "__main__":
    main()
