"""docs/moving-in.md: the lines of Keras run, and give what ours give with the same weights."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import warmstart as ws

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # of Keras
]
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "moving-in.md"
NAME = "mobilenet_0.25_224"


def pairs() -> list[tuple[str, str]]:
    """(lines of Keras, our lines), in order."""
    text = PAGE.read_text("utf-8").partition("## tf.keras.applications")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return list(zip(blocks[::2], blocks[1::2], strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos of the network's own size, which both sides leave as they are, and weights."""
    import keras

    folder = tmp_path_factory.mktemp("moving")
    for name, photo in (("cat", "cat"), ("dog", "espresso")):
        with Image.open(ROOT / "examples" / "photos" / f"{photo}.jpg") as image:
            image.convert("RGB").resize((224, 224)).save(folder / f"{name}.jpg", quality=95)
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(alpha=0.25, weights=None)
    head = network.get_layer("conv_preds")  # whose random weights would give all classes alike
    kernel, bias = head.get_weights()
    head.set_weights([kernel * 100, np.random.default_rng(0).normal(size=bias.shape)])
    network.save_weights(folder / "top.weights.h5")
    keras.Model(network.inputs, network.layers[-6].output).save_weights(folder / "base.weights.h5")
    return folder


def run(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The names that lines define, where the published weights are those of the folder."""
    weights = folder / ("base" if "include_top=False" in code else "top")
    code = code.replace('weights="imagenet"', f'weights="{weights}.weights.h5"')
    code = code.replace(f'ws.load("{NAME}"', f'ws.load("{NAME}", weights="top.weights.h5"')
    code = code.replace(f'ws.backbone("{NAME}"', f'ws.backbone("{NAME}", weights="top.weights.h5"')
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    return names


def test_the_page_has_three_pairs():
    assert len(pairs()) == 3


def test_classes(folder, monkeypatch, capsys):
    from keras.src.applications import imagenet_utils

    theirs, ours = pairs()[0]
    labels = {
        str(n): [one.id, one.name] for n, one in enumerate(ws.load(NAME, weights=None).labels)
    }
    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", labels)  # Keras would fetch it
    first = run(theirs, folder, monkeypatch)
    second = run(ours, folder, monkeypatch)
    best = np.argsort(-first["scores"][0])[:3]
    assert [p.index for p in second["model"]("cat.jpg", top_k=3)] == best.tolist()
    _, shown_by_keras, shown = capsys.readouterr().out.rsplit("\n", 3)[:3]
    name = labels[str(best[0])][1]
    assert name in shown_by_keras
    assert shown.startswith(name)


def test_features(folder, monkeypatch):
    theirs, ours = (run(code, folder, monkeypatch)["features"] for code in pairs()[1])
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_base(folder, monkeypatch):
    theirs, ours = (run(code, folder, monkeypatch) for code in pairs()[2])
    photo = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    assert ours["network"].output_shape == theirs["network"].output_shape
    np.testing.assert_allclose(ours["base"](photo), theirs["base"](photo), atol=1e-5)
