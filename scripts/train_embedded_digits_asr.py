"""Train the embedded recogniser `digits_wavenet_asr` and write its bundle and model card.

    python scripts/train_embedded_digits_asr.py fsdd --work work/digits_asr

`fsdd` is the folder `recordings` of the Free Spoken Digit Dataset. The bundle lies in
`work/digits_asr/bundle` afterwards; the package ships a copy of it in
src/warmstart/embedded/digits_wavenet_asr.

The recipe: examples of 1, 2 and 4 seconds, of which each holds up to seven digits that are drawn
anew for every batch: one recording after the other with random pauses, speed, level, spectral tilt
and noise; SpecAugment (Park et al. 2019) on the log-mel energies; CTC, and beside it the cross
entropy of each frame with the character that is spoken there if all characters of a word take the
same time, without which CTC needs thousands of steps until it finds where the characters are; AdamW
with the learning rate rising linearly over the first tenth of the steps and falling linearly to
zero. The run is resumable: started again with the same `--work`, it goes on after the last finished
epoch. The test recordings are looked at once, after the last epoch.

`--leave-out NAME` trains without this speaker and measures on all of that speaker's recordings.
Started with the work folders of such runs (`--left-out FOLDER ...`), the card reports them.

Needs `warmstart[tensorflow]`.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

from digits_asr_export import ALPHABET, CONFIG, STEPS, export
from digits_audio import RATE, Clip, Spans, read_clips, split, spoken
from resumable import Triangle, finished_epochs, keepers
from warmstart.models.speech.ctc import ctc_loss
from warmstart.models.speech.wavenet_asr import network as wavenet_asr
from warmstart.speech.spectrum import Features
from warmstart.speech.train.batches import masked

FEATURES = {
    "sample_rate": RATE,
    "kind": "mfcc",
    "n_fft": 256,
    "hop": 100,
    "mels": 40,
    "coefficients": 20,
}
SHAPES = ((32, 1.0), (16, 2.0), (32, 1.0), (8, 4.0))  # (examples, seconds) of a batch, in turn


def statistics(clips: list[Clip]) -> dict[str, list[float]]:
    """Mean and standard deviation of the MFCCs over all frames of the recordings."""
    features = Features(**FEATURES)
    frames = np.concatenate([features(clip.samples) for clip in clips])
    return {
        "mean": frames.mean(0).astype(float).round(3).tolist(),
        "std": frames.std(0).astype(float).round(3).tolist(),
    }


class Batches(keras.utils.PyDataset):
    """Batches drawn anew for every step; the same step gives the same batch in any run."""

    def __init__(self, clips: list[Clip], features: Features, seed: int, first_epoch: int):
        super().__init__()
        self.by_speaker: dict[str, list[Clip]] = {}
        for clip in clips:
            self.by_speaker.setdefault(clip.speaker, []).append(clip)
        self.features, self.seed, self.epoch = features, seed, first_epoch
        self.log_mel = Features(**{**FEATURES, "kind": "log_mel"})

    def on_epoch_end(self):
        self.epoch += 1

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        count, seconds = SHAPES[index % len(SHAPES)]
        random = np.random.default_rng((self.seed, self.epoch, index))
        made = [spoken(random, self.by_speaker, seconds) for _ in range(count)]
        x = np.stack(
            [self.features.of_log_mel(masked(random, self.log_mel(samples))) for samples, _ in made]
        )
        y = np.zeros((count, int(seconds * 30)), np.int32)
        for row, (_, spans) in zip(y, made, strict=True):
            text = (
                " ".join(word for _, _, word in spans) or " "
            )  # of silence; the loss takes no empty texts
            row[: len(text)] = [1 + ALPHABET.index(c) for c in text]
        frames = np.stack([frame_labels(spans, x.shape[1]) for _, spans in made])
        return x, np.concatenate([y, frames], axis=1)


def frame_labels(spans: Spans, count: int) -> np.ndarray:
    """The symbol of each frame where all characters of a word take the same time: int32 (count,)."""
    labels = np.zeros(count, np.int32)
    ends = 0
    for n, (start, end, word) in enumerate(spans):
        first, last = -(-start // FEATURES["hop"]), end // FEATURES["hop"]
        edges = np.linspace(first, last, len(word) + 1).round().astype(int)
        for i, character in enumerate(word):
            again = i > 0 and character == word[i - 1]  # a blank tells the two apart
            labels[edges[i] + again : edges[i + 1]] = 1 + ALPHABET.index(character)
        if n:
            middle = (ends + first) // 2
            labels[max(middle - 1, 0) : middle + 1] = 1 + ALPHABET.index(" ")
        ends = last
    return labels


def loss(y_true, y_pred):
    """CTC of the text, which comes first in `y_true`, and a tenth of the frames' cross entropy;
    (B,) in nats.
    """
    frames = keras.ops.shape(y_pred)[1]
    entropy = keras.losses.sparse_categorical_crossentropy(
        y_true[:, -frames:], y_pred, from_logits=True
    )
    return ctc_loss(y_true[:, :-frames], y_pred) + 0.1 * keras.ops.sum(entropy, axis=1)


def train(clips: list[Clip], options: argparse.Namespace) -> None:
    keras.utils.set_random_seed(options.seed)
    moments = options.work / "features.json"
    if not moments.exists():
        moments.write_text(json.dumps({**FEATURES, **statistics(clips)}))
    features = Features.of(json.loads(moments.read_text()))
    model = wavenet_asr.build(CONFIG)
    steps = options.epochs * STEPS
    optimizer = keras.optimizers.AdamW(
        Triangle(options.peak, steps // 10, steps), weight_decay=1e-3, clipnorm=1.0
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(optimizer, loss, jit_compile=False)
    first_epoch = finished_epochs(options.work)
    model.fit(
        Batches(clips, features, options.seed, first_epoch),
        epochs=options.epochs,
        verbose=2,
        callbacks=keepers(options.work),
    )
    model.save_weights(options.work / "trained.weights.h5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, help="folder of the 3,000 recordings")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for checkpoints and the results"
    )
    parser.add_argument("--epochs", type=int, default=60, help=f"of {STEPS} steps")
    parser.add_argument("--peak", type=float, default=2e-3, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--left-out", type=Path, nargs="*", default=[], help="work folders of runs with --leave-out"
    )
    parser.add_argument(
        "--leave-out",
        metavar="SPEAKER",
        help="train without this speaker, measure on all of theirs",
    )
    options = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    clips = read_clips(options.recordings)
    training, _ = split(clips)
    if options.leave_out:
        training = [clip for clip in training if clip.speaker != options.leave_out]
    if not (options.work / "trained.weights.h5").exists():
        train(training, options)
    export(clips, options)


if __name__ == "__main__":
    main()
