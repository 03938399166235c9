"""Ranking models for class folders: order, estimates, what is told of far data and of what fails."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws
from warmstart.catalog import Metric
from warmstart.errors import UsageError
from warmstart.image.train.features import photo_features
from warmstart.image.train.pick import FAR, default_candidates

SHADES = {"dark": (0, 110), "light": (150, 255)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes that any features tell apart, 20 photos each; one file is broken."""
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name, (low, high) in SHADES.items():
        (root / name).mkdir()
        for n in range(20):
            blocks = random.integers(low, high, (4, 4, 3), np.uint8)
            Image.fromarray(blocks).resize((40, 40)).save(root / name / f"{n}.png")
    (root / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return root


def test_one_candidate_end_to_end_without_tensorflow(folder):
    code = (
        "import sys, json, warmstart as ws\n"
        f"ranking = ws.pick(sys.argv[1], candidates=[{str(CIFAR)!r}, 'nonsense'])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "print(json.dumps(ranking.to_dict()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (one,) = told["candidates"]
    assert one["name"] == "cifar10_resnet20"
    assert one["accuracy"] > 0.9
    assert one["milliseconds"] > 0
    assert 0.5 < one["megabytes"] < 0.7
    assert one["input"] == [32, 32]
    assert told["classes"] == ["dark", "light"]
    assert "no model named 'nonsense'" in told["failed"]["nonsense"]
    assert any("broken.png" in warning for warning in told["warnings"])


def test_better_features_come_first_and_are_kept_for_finetune(folder, cifar, monkeypatch):
    worse = ws.load(CIFAR, engine="litert")
    features = photo_features

    def shuffled(model, photos, **options):
        found = features(model, photos, **options)
        if model is not worse:
            return found
        return replace(found, vectors=np.random.default_rng(0).permutation(found.vectors))

    monkeypatch.setattr("warmstart.image.train.pick.photo_features", shuffled)
    ranking = ws.pick(folder, candidates=[worse, cifar])
    assert ranking.best.accuracy > ranking[1].accuracy + 0.2
    assert ranking.best.logme > ranking[1].logme
    assert len(ranking) == 2
    photos = [path for name in SHADES for path in (folder / name).iterdir()]
    assert (
        photo_features(cifar, photos).computed <= 10
    )  # those that were put aside to validate with
    lines = str(ranking).splitlines()
    assert lines[0].startswith("32 photos, 2 classes")
    assert lines[3].startswith("cifar10_resnet20")


def test_confidence_beside_the_published_accuracy_tells_far_data(folder, cifar):
    def familiarity(published):
        model = ws.load(CIFAR, engine="litert")
        model.entry = replace(model.entry, metrics=(Metric("top1", published, "made up", "here"),))
        return ws.pick(folder, candidates=[model])

    dataset = [
        path for name in SHADES for path in (folder / name).iterdir() if path.name != "broken.png"
    ]
    confidence = np.mean([result.score for result in cifar(dataset)])
    near = familiarity(confidence)
    assert near.best.familiarity == pytest.approx(1.0, abs=0.1)
    assert not near.best.far
    assert not any("differs from" in warning for warning in near.warnings)
    far = familiarity(confidence / (0.8 * FAR))
    assert far.best.far
    assert any(
        "differs from the training data of every candidate" in warning for warning in far.warnings
    )
    assert far.best.to_dict()["far"] is True


@pytest.mark.shared
def test_the_statistic_tells_cifar_photos_from_blank_ones(cifar, shared_data):
    """On its own test photos the mean confidence is the published accuracy; on blank pictures it is
    far from it.
    """
    import io
    import zipfile

    with zipfile.ZipFile(shared_data / "cifar10" / "test.zip") as file:
        names = [name for name in file.namelist() if name.endswith((".jpg", ".png"))][::100]
        own = [Image.open(io.BytesIO(file.read(name))).convert("RGB") for name in names]
    blank = [np.full((32, 32, 3), shade, np.uint8) for shade in range(0, 250, 5)]
    published = cifar.entry.metrics[0].value
    assert photo_features(cifar, own).confidence.mean() / published == pytest.approx(1.0, abs=0.07)
    assert photo_features(cifar, blank).confidence.mean() / published < FAR


def test_labels_that_mean_nothing_are_told(folder, cifar):
    random = np.random.default_rng(0)
    photos = [
        path for name in SHADES for path in (folder / name).iterdir() if path.name != "broken.png"
    ]
    pairs = [(path, str(random.integers(2))) for path in photos]
    ranking = ws.pick(pairs, candidates=[cifar])
    assert any(
        "the classes better than always predicting the most frequent" in warning
        for warning in ranking.warnings
    )


def test_several_labels_an_example(folder, cifar, tmp_path):
    rows = ["path,labels"]
    for n, path in enumerate(
        sorted((folder / "dark").glob("?.png")) + sorted((folder / "light").glob("?.png"))
    ):
        rows.append(
            f"{path},{'dark' if path.parent.name == 'dark' else 'light'}{';square' if n % 2 else ''}"
        )
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    ranking = ws.pick(tmp_path / "labels.csv", candidates=[cifar])
    assert ranking.classes == ("dark", "light", "square")
    assert 0.6 < ranking.best.accuracy < 1.0  # dark or light is learned, square cannot be


def test_wrong_questions(folder, cifar, tmp_path):
    with pytest.raises(UsageError, match="not for 'fill-mask'"):
        ws.pick(folder, task="fill-mask")
    with pytest.raises(UsageError, match="There are no candidates"):
        ws.pick(folder, candidates=[])
    with pytest.raises(UsageError, match="No candidate is usable: nonsense: There is no model"):
        ws.pick(folder, candidates=["nonsense"])
    few = [
        (path, path.parent.name)
        for name in SHADES
        for path in sorted((folder / name).glob("?.png"))[:4]
    ]
    with pytest.raises(UsageError, match="training photos; ranking needs 10 or more"):
        ws.pick(few, candidates=[cifar])


def test_default_candidates_are_those_that_are_here():
    assert default_candidates() == ["efficientnet_lite0"]


def test_the_command(run, folder):
    done = run("pick", folder, "-c", CIFAR, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["candidates"][0]["name"] == "cifar10_resnet20"
    done = run("pick", folder, "-c", f"{CIFAR}=absent.h5")
    assert done.code == 2
    assert "absent.h5" in done.err
