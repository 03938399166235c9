"""Write tests/golden/speech_features.npz: features of a short recording as librosa computes them.

pip install librosa
python scripts/make_goldens_speech.py
"""

from pathlib import Path

import librosa
import numpy as np

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "speech_features.npz"


def main() -> None:
    random = np.random.default_rng(0)
    time = np.arange(4000) / 8000
    samples = (
        0.3 * np.sin(2 * np.pi * (200 + 900 * time) * time) + random.normal(0, 0.01, 4000)
    ).astype(np.float32)
    power = librosa.feature.melspectrogram(y=samples, sr=8000, n_fft=256, hop_length=100, n_mels=40)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=None), n_mfcc=20)
    htk = librosa.feature.melspectrogram(
        y=samples,
        sr=16000,
        n_fft=400,
        hop_length=160,
        n_mels=80,
        fmin=20,
        fmax=7600,
        htk=True,
        norm=None,
    )
    reflected = librosa.feature.melspectrogram(
        y=samples, sr=16000, n_fft=400, hop_length=160, n_mels=80, pad_mode="reflect"
    )
    np.savez_compressed(
        GOLDEN,
        samples=samples,
        mfcc=mfcc.T,
        htk=np.log(np.maximum(htk, 1e-10)).T,
        reflected=np.log10(np.maximum(reflected, 1e-10)).T,
    )


if __name__ == "__main__":
    main()
