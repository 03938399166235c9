"""Train the embedded generator `digits_wavenet` and write its bundle and model card.

    python scripts/train_embedded_digits_wavenet.py fsdd --work work/digits_wavenet

`fsdd` is the folder `recordings` of the Free Spoken Digit Dataset. The bundle lies in
`work/digits_wavenet/bundle` afterwards; the package ships a copy of it in
src/warmstart/embedded/digits_wavenet.

The network gets the digit and the speaker (global conditioning) and, 80 times a second, how far the
word has come and how long it will be (local conditioning; van den Oord et al. 2016, section 3.2,
condition on durations too).

1. The part that makes local conditioning of these, a few small convolutions, is taught to predict
    the log-mel spectrum
   of the recording, by regression: a minute's work, after which it says what sounds where.
2. The whole network is trained on whole recordings, silence at their ends cut off: the likelihood
    of each 8-bit mu-law sample given those before it, under a mixture of five logistics (which
    learns faster than a softmax: neighbouring levels are alike from the start). Adam with the
    learning rate rising linearly over the first twentieth of the steps and falling linearly to
    zero.

The run is resumable: started again with the same `--work`, it goes on after the last finished
epoch.

Needs `warmstart[tensorflow]`.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from digits_audio import RATE, SPEAKERS, Clip, read_clips, split
from digits_wavenet_export import CONFIG, COUNT, HARMONICS, HOP, STEPS, export
from resumable import Triangle, finished_epochs, keepers
from warmstart.models.speech.wavenet import network as wavenet
from warmstart.speech import mu_law
from warmstart.speech.spectrum import Features
from warmstart.speech.wavenet_sampler import position_frames
from warmstart.training.memory import RetainMemory

LENGTHS = (2400, 4000, 6400)  # samples that batches are filled up to; what is longer is cut
BATCH_SAMPLES = 16_000
POSITION = {"sample_rate": RATE, "harmonics": HARMONICS}
SPECTRUM = Features(
    sample_rate=RATE, kind="log_mel", n_fft=256, hop=CONFIG["hold"], mels=24, log="ln"
)
FIRST_STEPS = 3000  # of teaching the spectrum
SILENCE = 10 ** (-32 / 20)  # of the peak: what is below at the ends is cut off


def trimmed(clip: Clip) -> Clip:
    """Without the silence at its ends, its peak at half of full scale."""
    samples = clip.samples * (0.5 / max(np.abs(clip.samples).max(), 1e-3))
    loud = np.flatnonzero(np.abs(samples) > 0.5 * SILENCE)
    return replace(clip, samples=samples[max(loud[0] - HOP, 0) : loud[-1] + HOP])


def conditioned(clip: Clip) -> np.ndarray:
    return position_frames(len(clip.samples), HOP, POSITION)


class Teacher(keras.Model):
    """The network's local conditioning with a head that predicts the spectrum."""

    def __init__(self, network: wavenet.WaveNet):
        super().__init__()
        self.network, self.head = network, keras.layers.Dense(SPECTRUM.mels)

    def call(self, given):
        return self.head(
            self.network.locals_of(given["frames"], self.network.globals_of(given["classes"]))
        )


class Spectra(keras.utils.PyDataset):
    """Batches of recordings: what the network is told of each, and its spectrum; what is past the
    end weighs 0.
    """

    def __init__(self, clips: list[Clip], seed: int, steps: int, size: int = 16):
        super().__init__()
        self.seed, self.steps, self.size = seed, steps, size
        self.told = [
            (conditioned(clip), (clip.digit, SPEAKERS.index(clip.speaker))) for clip in clips
        ]
        spectra = [SPECTRUM(clip.samples) for clip in clips]
        joined = np.concatenate(spectra)
        self.spectra = [(each - joined.mean(0)) / joined.std(0) for each in spectra]

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        chosen = np.random.default_rng((self.seed, index)).integers(0, len(self.told), self.size)
        longest = LENGTHS[-1] // HOP
        ratio = HOP // SPECTRUM.hop
        frames = np.zeros((self.size, longest, 2 * HARMONICS + 2), np.float32)
        wanted = np.zeros((self.size, longest * ratio, SPECTRUM.mels), np.float32)
        weight = np.zeros(wanted.shape[:2], np.float32)
        for i, place in enumerate(chosen):
            told, spectrum = self.told[place][0][:longest], self.spectra[place][: longest * ratio]
            frames[i, : len(told)], wanted[i, : len(spectrum)], weight[i, : len(spectrum)] = (
                told,
                spectrum,
                1.0,
            )
        return (
            {
                "frames": frames,
                "classes": np.array([self.told[place][1] for place in chosen], np.int32),
            },
            wanted,
            weight / weight.mean(),
        )


class Batches(keras.utils.PyDataset):
    """Recordings of similar length, drawn anew for every step; the same step gives the same batch
    in any run.
    """

    def __init__(self, clips: list[Clip], seed: int, first_epoch: int):
        super().__init__()
        self.seed, self.epoch = seed, first_epoch
        ready = [(mu_law.encode(clip.samples), clip) for clip in clips]
        self.groups: list[list[tuple[np.ndarray, Clip]]] = [[] for _ in LENGTHS]
        for levels, clip in ready:
            place = next((i for i, n in enumerate(LENGTHS) if len(levels) <= n), len(LENGTHS) - 1)
            self.groups[place].append((levels, clip))
        sizes = np.array([sum(min(len(x), LENGTHS[-1]) for x, _ in group) for group in self.groups])
        self.shares = sizes / sizes.sum()

    def on_epoch_end(self):
        self.epoch += 1

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        random = np.random.default_rng((self.seed, self.epoch, index))
        # The first two batches have different lengths, from which Keras learns that they vary.
        place = index % 2 if index < 2 else random.choice(len(LENGTHS), p=self.shares)
        group, length = self.groups[place], LENGTHS[place]
        count = BATCH_SAMPLES // length + (index == 0)
        samples = np.full((count, length), 128, np.int32)
        frames = np.zeros((count, length // HOP, 2 * HARMONICS + 2), np.float32)
        classes, mask = np.zeros((count, 2), np.int32), np.zeros((count, length), np.float32)
        for i in range(count):
            levels, clip = group[random.integers(len(group))]
            own = min(len(levels), length)
            position = conditioned(clip)[: length // HOP]
            samples[i, :own], mask[i, :own], frames[i, : len(position)] = (
                levels[:own],
                1.0,
                position,
            )
            classes[i] = clip.digit, SPEAKERS.index(clip.speaker)
        return (
            {"samples": samples, "classes": classes, "frames": frames},
            samples,
            mask / mask.mean(),
        )


def train(clips: list[Clip], options: argparse.Namespace) -> None:
    keras.utils.set_random_seed(options.seed)
    model = wavenet.build(CONFIG)
    first_epoch, steps = finished_epochs(options.work), options.epochs * STEPS
    if not first_epoch:
        teacher = Teacher(model.get_layer("wavenet"))
        teacher.compile(
            keras.optimizers.Adam(Triangle(3e-3, FIRST_STEPS // 10, FIRST_STEPS)),
            "mse",
            jit_compile=False,
        )
        teacher.fit(
            Spectra(clips, options.seed, FIRST_STEPS), verbose=2, callbacks=[RetainMemory()]
        )
    model.compile(
        keras.optimizers.Adam(Triangle(options.peak, steps // 20, steps), clipnorm=1.0),
        lambda y, parameters: wavenet.mixture_loss(256, CONFIG["mixtures"], y, parameters),
        jit_compile=False,
    )
    model.fit(
        Batches(clips, options.seed, first_epoch),
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
    parser.add_argument("--epochs", type=int, default=30, help=f"of {STEPS} steps")
    parser.add_argument("--peak", type=float, default=2e-3, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--recogniser", default="digits_wavenet_asr", help="what measures the generated digits"
    )
    parser.add_argument("--count", type=int, default=COUNT, help="digits that are measured")
    parser.add_argument(
        "--tried", type=int, default=120, help="digits for the choice among temperatures"
    )
    parser.add_argument(
        "--weights", type=Path, help="export these, not the trained ones of the work folder"
    )
    options = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    options.batch_samples = BATCH_SAMPLES
    training, test = split(read_clips(options.recordings))
    training = [trimmed(clip) for clip in training]
    if not options.weights and not (options.work / "trained.weights.h5").exists():
        train(training, options)
    export(training, test, options)


if __name__ == "__main__":
    main()
