"""The generator of digits inside the package: small, without TensorFlow, and understood by the
recogniser beside it.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


@pytest.fixture(scope="module")
def model():
    return ws.load("digits_wavenet")


def test_it_is_small_and_speaks_without_tensorflow(tmp_path):
    folder = Path(ws.__file__).parent / "embedded" / "digits_wavenet"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 4e6
    code = (
        "import sys, warmstart as ws\n"
        "ws.load('digits_wavenet')('7', speaker='theo', seconds=0.2).save(sys.argv[1])\n"
        "assert not {'tensorflow', 'keras', 'pandas', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "7.wav"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "7.wav").stat().st_size == 44 + 2 * 1600


def test_what_it_says_is_understood(model):
    """As often as its card says, less what chance makes of thirty; one drawn at random would be
    right in three.
    """
    heard = ws.load("digits_wavenet_asr")
    right = [
        heard((model(n % 10, seed=20_000 + n).samples, model.sample_rate)).text == WORDS[n % 10]
        for n in range(30)
    ]
    (said,) = (metric.value for metric in model.entry.metrics)
    assert sum(right) / 30 > said - 0.2
    assert said > 0.5


def test_speakers_differ_and_seeds_repeat(model):
    assert model.classes == (WORDS, SPEAKERS)
    asked = {"seconds": 0.25, "seed": 4}
    said = {speaker: model("three", speaker=speaker, **asked).samples for speaker in SPEAKERS}
    np.testing.assert_array_equal(model(3, speaker=0, **asked).samples, said["george"])
    for other in SPEAKERS[1:]:
        assert (said[other] != said["george"]).any()
    for samples in said.values():
        assert samples.dtype == np.float32
        assert 0.02 < np.abs(samples).max() <= 1.0


def test_the_command_writes_a_file_and_says_where(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("predict", "--model", "digits_wavenet", "7", "--seed", 1, "--json")
    assert done.code == 0, done.err
    (file,) = tmp_path.iterdir()
    assert file.name in json.dumps(json.loads(done.out))
    assert file.suffix == ".wav"
