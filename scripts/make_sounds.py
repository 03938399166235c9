"""Make the sound and the picture of docs/speech.md: the ten digits, said by the generator inside
the package.

    python scripts/make_sounds.py

Writes docs/sounds/digits.flac and docs/images/digits.webp. Needs `warmstart[plot]`.
"""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

import warmstart as ws
from warmstart.speech.spectrum import Features

mpl.use("agg")
ROOT = Path(__file__).parents[1]
SEED = 1


def main() -> None:
    from matplotlib import pyplot

    model = ws.load("digits_wavenet")
    sound = model(" ".join(model.classes[0]), speaker="george", seed=SEED)
    (ROOT / "docs" / "sounds").mkdir(exist_ok=True)
    print(sound.save(ROOT / "docs" / "sounds" / "digits.flac"))
    heard = ws.load("digits_wavenet_asr")((sound.samples, sound.sample_rate))
    print(heard.text)
    rules = Features(sample_rate=sound.sample_rate, kind="log_mel", n_fft=256, hop=40, mels=64)
    frames = rules(sound.samples)
    figure, axes = pyplot.subplots(figsize=(10, 2.6), layout="constrained")
    axes.imshow(
        np.clip(frames.T, -60, 0),
        aspect="auto",
        origin="lower",
        cmap="magma",
        extent=(0, sound.seconds, 0, sound.sample_rate / 2000),
    )
    for word in heard.words:
        axes.text((word.start + word.end) / 2, 3.6, word.text, color="white", ha="center", size=10)
    axes.set(xlabel="seconds", yticks=(), ylabel="mel bands")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    Image.open(buffer).convert("RGB").save(ROOT / "docs" / "images" / "digits.webp", quality=80)


if __name__ == "__main__":
    main()
