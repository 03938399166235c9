"""The page in a real browser before a real server, with a model of every task. Skipped where there is no Chromium."""

import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import warmstart as ws
from warmstart.catalog import Entry
from warmstart.core.weights import Weights
from warmstart.engines.base import Engine, Signature, TensorSpec
from warmstart.speech.recognition import SpeechRecognizer
from warmstart.speech.synthesis import AudioGenerator

CHROMIUM = os.environ.get("WARMSTART_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
GOLDEN = Path(__file__).parents[2] / "golden"
EMBEDDED = ("efficientnet_lite0", "shakespeare_gpt2", "deepar_hourly")
TOKENS = ("batch", "tokens")
TEXTS = {  # name -> folder of a checkpoint, outputs of its program
    "kinds": ("distilbert_text_classification", {"logits": ("batch", 3)}),
    "names": ("bert_token_classification", {"logits": (*TOKENS, 5)}),
    "answers": ("distilbert_question_answering", {"start_logits": TOKENS, "end_logits": TOKENS}),
    "missing": ("distilbert_fill_mask", {"logits": (*TOKENS, 60)}),
    "alike": ("bert_base", {"features": ("batch", 24)}),
}
SOUND = Entry(
    name="tiny_wavenet", task="audio-generation", family="wavenet", title="Tiny WaveNet", architecture="wavenet",
    config={"output": "logistics", "mixtures": 2, "stacks": 1, "dilations": [1, 2], "channels": 4, "residual": 4,
            "skip": 4, "classes": [3, 2], "global_channels": 3, "frame_features": 6, "frame_channels": 4,
            "upsampling": [2], "hold": 10},
    weights={}, preprocessing=None, labels="", licence="Apache-2.0", parameters=1, gflops=None, min_size=0, metrics=(),
    paper="", processing={"sample_rate": 4000, "classes": [["zero", "one", "two"], ["ann", "bob"]], "hop": 20,
                          "frames": "position", "harmonics": 2})


HEARD = Entry(
    name="tiny_asr", task="speech-recognition", family="wavenet_asr", title="Tiny recogniser",
    architecture="wavenet_asr", config={"blocks": 1, "dilations": [1, 2]}, weights={}, preprocessing=None, labels="",
    licence="Apache-2.0", parameters=1, gflops=None, min_size=0, metrics=(), paper="",
    processing={"alphabet": " ab", "language": "en", "features": {
        "sample_rate": 8000, "n_fft": 256, "hop": 80, "mels": 20, "coefficients": 8}})


class Invented(Engine):
    """An engine without a network: what it answers depends on what it is given, has the right shapes, and is told at
    once. What people type is encoded, what comes out is decoded, as with any other engine; that networks are right is
    the business of other tests, which have the time to build them.

    Args:
        functions: name -> shapes of its inputs and of its outputs; dimensions with names are those of the inputs.
    """

    name = "litert"

    def __init__(self, **functions: tuple[dict[str, tuple], dict[str, tuple]]):
        def specs(shapes: dict[str, tuple]) -> tuple[TensorSpec, ...]:
            return tuple(TensorSpec(name, "float32", shape) for name, shape in shapes.items())

        super().__init__({name: Signature(specs(given), specs(told)) for name, (given, told) in functions.items()})

    def run(self, function: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        return self._run(function, arrays)

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        first = next(iter(arrays.values()))
        mask = arrays.get("attention_mask", np.ones_like(first))
        seeds = [int(np.abs(row * kept).sum()) for row, kept in zip(first, mask, strict=True)]
        found = {}
        for spec in self.signatures[function].outputs:
            shape = tuple({"tokens": first.shape[-1], "frames": first.shape[1]}.get(str(d), d) for d in spec.shape[1:])
            found[spec.name] = np.stack([3 * np.random.default_rng(seed).standard_normal(shape) for seed in seeds])
        return found


class Said(Invented):
    """Of a maker of sound: noise, as long as it is asked for."""

    def __init__(self):
        super().__init__(generate=({"added": (4, 8), "uniform": (400, 2), "ring": (3, 4), "history": (2,)}, {}))

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if function == "condition":
            return {"added": np.zeros((len(arrays["frames"][0]), 8), np.float32)}
        kept = {name: arrays[name] for name in ("ring", "history", "position")}
        return {"samples": (255 * arrays["uniform"][:, 0]).astype(np.int32), **kept}


class Heard(Invented):
    """Of a recogniser: "ab ba", over and over, in the alphabet " ab"."""

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        count = arrays["features"].shape[1]
        symbols = np.resize(np.repeat([2, 0, 3, 1, 3, 0, 2, 1], 4), count)
        return {"log_probs": np.log(0.9 * np.eye(4)[symbols] + 0.025)[None]}


def boxes() -> Invented:
    """D-FINE's answer to one picture, as the reference has it."""
    expected = np.load(GOLDEN / "vision" / "dfine_a" / "expected.npz")
    centre, size = expected["pred_boxes"][:1, :, :2], expected["pred_boxes"][:1, :, 2:]
    told = {"scores": 1 / (1 + np.exp(-expected["logits"][:1])),
            "boxes": np.concatenate([centre - size / 2, centre + size / 2], -1)}
    engine = Invented()
    engine._run = lambda function, arrays: told  # type: ignore[method-assign]
    return engine


def slowed(model: Any) -> Any:
    """A text generator that leaves time to be stopped, on any machine."""
    written = model._written

    def slowly(texts: Any) -> Iterator[None]:
        for _ in written(texts):
            time.sleep(0.05)
            yield

    model._written = slowly
    return model


def with_engine(model: Any, engine: Engine) -> Any:
    model._engine = engine
    return model


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[dict[str, Any]]:
    """Models by name: those inside the package, and one of every other task on an invented engine."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("page-home")))
        warnings.filterwarnings("ignore", ".*SegFormer.*", UserWarning)
        found: dict[str, Any] = {name: ws.load(name, engine="litert") for name in EMBEDDED}
        for name, (folder, outputs) in TEXTS.items():
            task = "text-embedding" if name == "alike" else None
            engine = Invented(forward=({"input_ids": TOKENS}, outputs))
            found[name] = with_engine(ws.load(GOLDEN / "text" / folder, task=task), engine)
        found["slow"] = slowed(ws.load("shakespeare_gpt2", engine="litert"))
        photos, parts = {"images": ("batch", 8, 8, 3)}, {"logits": ("batch", 8, 8, 5)}
        found["parts"] = with_engine(ws.load(GOLDEN / "vision" / "segformer_a"), Invented(forward=(photos, parts)))
        found["things"] = with_engine(ws.load(GOLDEN / "vision" / "dfine_a"), boxes())
        found["heard"] = with_engine(SpeechRecognizer(HEARD, Weights.random(), ()), Heard())
        found["said"] = with_engine(AudioGenerator(SOUND, Weights.random(), ()), Said())
        yield found


@pytest.fixture(scope="session")
def address(served) -> Iterator[str]:
    pytest.importorskip("starlette")
    from warmstart.serve.app import create_app
    from warmstart.serve.running import Background

    with Background(create_app(served)) as where:
        yield where


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("there is no Chromium (WARMSTART_CHROMIUM)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[
            "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
        yield browser
        browser.close()


@dataclass
class Seen:
    """A tab, and what the browser complained of; a test that expects a complaint takes it out of `complaints`."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str, model: str = "") -> Any:
        self.page.goto(f"{address}/#{model}")
        self.page.wait_for_selector("h1")
        return self.page

    def until(self, condition: str, *given: Any) -> None:
        """Wait for a condition; the browser's own waiting evaluates strings, which the page's rules forbid."""
        end = time.monotonic() + 60
        while not self.page.evaluate(condition, *given):
            assert time.monotonic() < end, condition
            self.page.wait_for_timeout(50)

    def expect_refusal(self) -> None:
        """The browser itself writes a line for every status of 400 and more."""
        assert [line for line in self.complaints if line.startswith("Failed to load resource")], self.complaints
        self.complaints = [line for line in self.complaints if not line.startswith("Failed to load resource")]


@pytest.fixture
def tab(browser, request) -> Iterator[Seen]:
    """A fresh tab; options of the context by `@pytest.mark.parametrize("tab", [{…}], indirect=True)`."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **getattr(request, "param", {})})
    context.set_default_timeout(60_000)  # a busy machine is slow, not wrong
    seen = Seen(context.new_page())
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("console", lambda line: line.type in ("error", "warning") and seen.complaints.append(line.text))
    yield seen
    context.close()
    assert not seen.complaints
