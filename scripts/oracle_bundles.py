"""The inputs and the bundles of tests/oracles, made with version 0.1: a tiny model of every task,
learned from nothing.

Run by `python scripts/record_oracles.py --bundles`. Bundles of 0.1 must stay readable, so they are
never made anew by a
later version: this file says how they came about, and belongs to the commit that made them.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import warmstart as ws

ROOT = Path(__file__).parents[1]
ORACLES = ROOT / "tests" / "oracles"
DATA, BUNDLES = ORACLES / "data", ORACLES / "bundles"
GOLDEN = ROOT / "tests" / "golden"
RATE = 8000
ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-1.0\t<s>\t-0.3
-1.0\t</s>
-0.6\tthree\t-0.3
-0.6\tseven\t-0.3
-0.6\tone\t-0.3

\\2-grams:
-0.3\t<s> three
-0.3\tthree seven
-0.3\tseven </s>

\\end\\
"""


def make_data() -> None:
    """Photos, recordings and series, a broken file of each, and labelled questions."""
    import pandas as pd
    import soundfile
    from PIL import Image

    DATA.mkdir(parents=True, exist_ok=True)
    photos = ROOT / "examples" / "photos"
    Image.open(photos / "cat.jpg").convert("RGB").resize((160, 120)).save(
        DATA / "cat.jpg", quality=90
    )
    Image.open(photos / "rocket.jpg").convert("RGB").resize((64, 80)).save(DATA / "rocket.png")
    for name in ("images", "masks"):
        (DATA / "segmentation" / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(DATA / "cat.jpg", DATA / "segmentation" / "images" / "cat.jpg")
    mask = np.zeros((120, 160), np.uint8)
    mask[20:90, 30:120] = 2
    Image.fromarray(mask).save(DATA / "segmentation" / "masks" / "cat.png")
    (DATA / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    (DATA / "broken.wav").write_bytes(b"RIFF no sound")
    (DATA / "broken.csv").write_text("a,b\n1,x\n")
    (DATA / "digits.arpa").write_text(ARPA)
    said = ws.load("digits_wavenet", engine="litert")("three seven", speaker="theo", seed=20_003)
    said.save(DATA / "three_seven.wav")
    soundfile.write(DATA / "tones.wav", spoken(np.random.default_rng(7), "ab"), RATE)
    noise, hours = np.random.default_rng(5), np.arange(72)
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "timestamp": pd.date_range("2024-01-01", periods=72, freq="h"),
                    "item_id": name,
                    "target": np.round(
                        level * (3 + np.sin(hours / 24 * 2 * np.pi))
                        + noise.normal(0, 0.1 * level, 72),
                        4,
                    ),
                }
            )
            for name, level in (("a", 1.0), ("b", 10.0))
        ]
    )
    table.to_csv(DATA / "hourly.csv", index=False)
    (DATA / "squad.json").write_text(json.dumps({"data": [{"paragraphs": squad()[:2]}]}))


def spoken(noise: np.random.Generator, text: str) -> np.ndarray:
    """ "a" is a low tone, "b" a high one: float32 (N,)."""
    parts = [np.zeros(400)]
    for character in text:
        t = np.arange(int(RATE * noise.uniform(0.08, 0.12))) / RATE
        tone = np.sin(2 * np.pi * {"a": 500.0, "b": 1500.0}[character] * t)
        parts += [noise.uniform(0.1, 0.5) * tone * np.hanning(len(t)), np.zeros(160)]
    return np.concatenate([*parts, np.zeros(400)]).astype(np.float32)


def stripes(folder: Path) -> Path:
    """Class folders of stripes across and stripes down."""
    from PIL import Image

    noise = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :40]
    for name, lines in (("across", rows), ("down", columns)):
        (folder / name).mkdir(parents=True)
        for n in range(12):
            width, shift = noise.integers(4, 8), noise.integers(0, 8)
            grey = 255.0 * ((lines + shift) // width % 2) * 0.6 + noise.normal(50, 25, (40, 40))
            Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB").save(
                folder / name / f"{n}.png"
            )
    return folder


def squares(folder: Path) -> list[tuple[Path, list[tuple[Any, ...]]]]:
    """Pictures of a bright or a dark square, as boxes, and as masks in the folder."""
    from PIL import Image

    noise, rows = np.random.default_rng(0), []
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for n in range(10):
        array = noise.integers(90, 130, (96, 96, 3)).astype(np.uint8)
        mask = np.zeros((96, 96), np.uint8)
        x, y = map(int, noise.integers(4, 50, 2))
        array[y : y + 36, x : x + 36] = 250 if n % 2 else 5
        mask[y : y + 36, x : x + 36] = 1 + n % 2
        Image.fromarray(array).save(folder / "images" / f"{n}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{n}.png")
        rows.append(
            (
                folder / "images" / f"{n}.png",
                [("bright" if n % 2 else "dark", x, y, x + 36, y + 36)],
            )
        )
    return rows


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    return [
        (f"the film {draw.choice(['ann', 'bob'])} is {word}", label)
        for word, label in (draw.choice([("good", "pos"), ("bad", "neg")]) for _ in range(count))
    ]


def people() -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [
        ((name, "lives", "in", *place), ("B-PER", "O", "O", "B-LOC", *["I-LOC"] * (len(place) - 1)))
        for name in ("ann", "bob", "bobby", "annx")
        for place in (("paris",), ("new", "york"), ("new", "paris"))
    ]


def squad() -> list[dict[str, Any]]:
    return [
        {
            "context": f"{name} lives in {place} . the film is good .",
            "qas": [{"question": "who lives ?", "answers": [{"text": name, "answer_start": 0}]}],
        }
        for name in ("ann", "bob", "york", "film")
        for place in ("paris", "new york", "york")
    ]


def make_bundles(only: list[str]) -> None:
    """Train or save all bundles, or those named."""
    with tempfile.TemporaryDirectory() as temporary:
        for name, make in MAKERS.items():
            if only and name not in only:
                continue
            target = BUNDLES / name
            shutil.rmtree(target, ignore_errors=True)
            work = Path(temporary) / name
            work.mkdir()
            make(work, target)
            finish(target)
            print(name, sum(p.stat().st_size for p in target.rglob("*") if p.is_file()), flush=True)


def finish(bundle: Path) -> None:
    """Make a bundle small, and independent of this machine."""
    shutil.rmtree(bundle / "training", ignore_errors=True)  # checkpoints
    if (report := bundle / "report.html").exists():  # its pictures would be most of the bundle
        report.write_text("<!doctype html><title>Report</title>\n")
        record(bundle, report)
    weights = bundle / "model.safetensors"
    if weights.exists() and weights.stat().st_size > 500_000:  # Keras runs these in the tests
        shutil.rmtree(bundle / "artifacts")
    if (adapter := bundle / "adapter_config.json").exists():
        base = Path(json.loads(adapter.read_text())["base_model_name_or_path"])
        edit(
            adapter,
            base_model_name_or_path=str(base.relative_to(ROOT) if base.is_absolute() else base),
        )
        record(bundle, adapter)


def record(bundle: Path, file: Path) -> None:
    """Put the new sha256 of one of its files into the manifest."""
    manifest = bundle / "warmstart.json"
    hashes = json.loads(manifest.read_text())["sha256"]
    edit(manifest, sha256={**hashes, file.name: hashlib.sha256(file.read_bytes()).hexdigest()})


def edit(path: Path, **fields: Any) -> None:
    path.write_text(
        json.dumps({**json.loads(path.read_text()), **fields}, indent=1, ensure_ascii=False) + "\n"
    )


def _image_classification(work: Path, target: Path) -> None:
    ws.finetune(
        "tests/data/cifar10_resnet20",
        stripes(work / "data"),
        epochs=1,
        validation=0.25,
        seed=3,
        output=target,
    )


def _base(work: Path) -> Any:
    """A backbone whose weights are random, but from a file, as pretrained ones are."""
    path = work / "base.weights.h5"
    ws.load("mobilenet_0.25_128", weights=None).keras.save_weights(path)
    return ws.load("mobilenet_0.25_128", weights=path)


def _detection(work: Path, target: Path) -> None:
    ws.finetune(
        _base(work),
        squares(work / "data"),
        task="object-detection",
        epochs=2,
        validation=0.2,
        batch_size=4,
        image_size=(96, 96),
        width=16,
        depth=1,
        output=target,
    )


def _segmentation(work: Path, target: Path) -> None:
    squares(work / "data")
    ws.finetune(
        _base(work),
        work / "data",
        task="image-segmentation",
        epochs=2,
        validation=0.2,
        batch_size=4,
        image_size=(96, 96),
        width=16,
        labels=["ground", "dark", "bright"],
        output=target,
    )


def _text_classification(work: Path, target: Path, **options: Any) -> None:
    # relative, so that the adapter finds its base from the repository's root
    base = "tests/golden/text/bert_fill_mask"
    ws.finetune(
        base,
        reviews(96, 0),
        task="text-classification",
        epochs=3,
        batch_size=8,
        learning_rate=1e-2,
        seed=0,
        validation=reviews(20, 1),
        output=target,
        **options,
    )


def _lora(work: Path, target: Path) -> None:
    _text_classification(work, target, lora=2)


def _entities(work: Path, target: Path) -> None:
    ws.finetune(
        GOLDEN / "text" / "bert_fill_mask",
        people() * 4,
        task="token-classification",
        epochs=6,
        batch_size=4,
        learning_rate=1e-2,
        validation=people()[:6],
        seed=0,
        output=target,
    )


def _questions(work: Path, target: Path) -> None:
    file = work / "squad.json"
    file.write_text(json.dumps({"data": [{"paragraphs": squad() * 4}]}))
    ws.finetune(
        GOLDEN / "text" / "distilbert_base",
        file,
        task="question-answering",
        epochs=6,
        batch_size=8,
        learning_rate=1e-2,
        validation=0.2,
        seed=0,
        output=target,
    )


def _writing(work: Path, target: Path) -> None:
    file = work / "text.txt"
    file.write_text("The cat sat on the mat. To be, or not to be: that is the question.\n" * 60)
    ws.finetune(
        GOLDEN / "gpt2" / "plain",
        file,
        task="text-generation",
        epochs=2,
        context=32,
        batch_size=4,
        learning_rate=1e-2,
        seed=1,
        output=target,
    )


def _forecasting(work: Path, target: Path) -> None:
    ws.finetune(
        "deepar",
        DATA / "hourly.csv",
        horizon=6,
        context=12,
        epochs=2,
        batches_per_epoch=10,
        hidden=8,
        layers=1,
        output=target,
    )


def _speech(work: Path, target: Path) -> None:
    """From scratch, with the package's own parts: there is no recognizer small enough to begin
    with.
    """
    from warmstart.tasks.weights import Weights

    from warmstart.catalog import Entry

    config = {
        "features": 10,
        "symbols": 3,
        "channels": 24,
        "blocks": 1,
        "dilations": [1, 2],
        "filter_width": 3,
    }
    rules = {
        "sample_rate": RATE,
        "n_fft": 256,
        "hop": 160,
        "mels": 20,
        "coefficients": 10,
        "mean": [-200.0] + [0.0] * 9,
        "std": [100.0] + [30.0] * 9,
    }
    entry = Entry(
        name="tones",
        task="speech-recognition",
        family="wavenet",
        title="Tones",
        architecture="wavenet_asr",
        config=config,
        weights={},
        preprocessing=None,
        labels="",
        licence="Apache-2.0",
        parameters=1,
        gflops=None,
        min_size=0,
        metrics=(),
        paper="",
        processing={"features": rules, "alphabet": " a", "padding": 0.1, "language": "en"},
    )
    base = ws.SpeechRecognizer(entry, Weights.random(), (), engine="keras")
    noise = np.random.default_rng(0)
    data = [((spoken(noise, text), RATE), text) for text in ("a", "b", "ab", "ba") * 10]
    ws.finetune(
        base,
        data,
        epochs=20,
        learning_rate=1e-2,
        batch_size=4,
        seed=3,
        validation=0.2,
        output=target,
    )


def _saved(*parts: str, **options: Any) -> Any:
    def make(work: Path, target: Path) -> None:
        ws.load(GOLDEN.joinpath(*parts), **options).save(target)

    return make


MAKERS = {
    "text-classification": _text_classification,
    "text-classification-lora": _lora,
    "token-classification": _entities,
    "question-answering": _questions,
    "text-generation": _writing,
    "fill-mask": _saved("text", "bert_fill_mask"),
    "text-embedding": _saved("text", "bert_base", task="text-embedding"),
    "forecasting": _forecasting,
    "forecasting-chronos": _saved("chronos_bolt"),
    "speech-recognition-whisper": _saved("whisper"),
    "speech-recognition": _speech,
    "image-classification": _image_classification,
    "object-detection": _detection,
    "image-segmentation": _segmentation,
}
