"""The language model inside the package: small, without TensorFlow, as good on unseen text as its
card says.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import warmstart as ws


def test_it_is_small_and_writes_without_tensorflow():
    folder = Path(ws.__file__).parent / "embedded" / "shakespeare_gpt2"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 4e6
    code = (
        "import sys, warmstart as ws\n"
        "model = ws.load('shakespeare_gpt2')\n"
        "texts = [model('ROMEO:', max_new_tokens=20, seed=seed).text for seed in (1, 1, 2)]\n"
        "assert texts[0] == texts[1] != texts[2] and all(texts), texts\n"
        "assert not {'tensorflow', 'keras', 'pandas', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.shared
def test_text_it_has_never_seen_is_as_likely_as_the_card_says(shared_data):
    text = (shared_data / "text" / "tinyshakespeare.txt").read_text("utf-8")
    piece = text[-4000:]
    score = ws.load("shakespeare_gpt2").score(piece)
    assert -sum(score.logprobs) / len(piece) < 1.8
