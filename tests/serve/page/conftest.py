"""The page in a real browser before a real server, with a model of every task. Skipped where there
is no Chromium.
"""

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

CHROMIUM = (
    os.environ.get("WARMSTART_CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
)
GOLDEN = Path(__file__).parents[2] / "golden"
EMBEDDED = ("efficientnet_lite0", "shakespeare_gpt2", "deepar")
TOKENS = ("batch", "tokens")
TEXTS = {  # name -> folder of a checkpoint, outputs of its program
    "classes": ("distilbert_text_classification", {"logits": ("batch", 3)}),
    "entities": ("bert_token_classification", {"logits": (*TOKENS, 5)}),
    "answers": ("distilbert_question_answering", {"start_logits": TOKENS, "end_logits": TOKENS}),
    "masks": ("distilbert_fill_mask", {"logits": (*TOKENS, 60)}),
    "similar": ("bert_base", {"features": ("batch", 24)}),
}
SYNTHESIZER = Entry(
    name="tiny_wavenet",
    task="audio-generation",
    family="wavenet",
    title="Tiny WaveNet",
    architecture="wavenet",
    config={
        "output": "logistics",
        "mixtures": 2,
        "stacks": 1,
        "dilations": [1, 2],
        "channels": 4,
        "residual": 4,
        "skip": 4,
        "classes": [3, 2],
        "global_channels": 3,
        "frame_features": 6,
        "frame_channels": 4,
        "upsampling": [2],
        "hold": 10,
    },
    weights={},
    preprocessing=None,
    labels="",
    licence="Apache-2.0",
    parameters=1,
    gflops=None,
    min_size=0,
    metrics=(),
    paper="",
    processing={
        "sample_rate": 4000,
        "classes": [["zero", "one", "two"], ["ann", "bob"]],
        "hop": 20,
        "frames": "position",
        "harmonics": 2,
    },
)
RECOGNIZER = Entry(
    name="tiny_asr",
    task="speech-recognition",
    family="wavenet_asr",
    title="Tiny recogniser",
    architecture="wavenet_asr",
    config={"blocks": 1, "dilations": [1, 2]},
    weights={},
    preprocessing=None,
    labels="",
    licence="Apache-2.0",
    parameters=1,
    gflops=None,
    min_size=0,
    metrics=(),
    paper="",
    processing={
        "alphabet": " ab",
        "language": "en",
        "features": {"sample_rate": 8000, "n_fft": 256, "hop": 80, "mels": 20, "coefficients": 8},
    },
)


class RandomEngine(Engine):
    """An engine without a network: random outputs of the right shapes, seeded by the inputs.

    Inputs are encoded and outputs decoded as with any other engine; other tests check the networks.

    Args:
        functions: name -> shapes of its inputs and of its outputs; dimensions with names are those
            of the inputs.
    """

    name = "litert"

    def __init__(self, **functions: tuple[dict[str, tuple], dict[str, tuple]]):
        def specs(shapes: dict[str, tuple]) -> tuple[TensorSpec, ...]:
            return tuple(TensorSpec(name, "float32", shape) for name, shape in shapes.items())

        super().__init__(
            {
                name: Signature(specs(inputs), specs(outputs))
                for name, (inputs, outputs) in functions.items()
            }
        )

    def run(self, function: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        return self._run(function, arrays)

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        first = next(iter(arrays.values()))
        mask = arrays.get("attention_mask", np.ones_like(first))
        seeds = [int(np.abs(row * rows).sum()) for row, rows in zip(first, mask, strict=True)]
        outputs = {}
        for spec in self.signatures[function].outputs:
            shape = tuple(
                {"tokens": first.shape[-1], "frames": first.shape[1]}.get(str(d), d)
                for d in spec.shape[1:]
            )
            outputs[spec.name] = np.stack(
                [3 * np.random.default_rng(seed).standard_normal(shape) for seed in seeds]
            )
        return outputs


class SynthesisEngine(RandomEngine):
    """Noise, of any length."""

    def __init__(self):
        super().__init__(
            generate=({"added": (4, 8), "uniform": (400, 2), "ring": (3, 4), "history": (2,)}, {})
        )

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if function == "condition":
            return {"added": np.zeros((len(arrays["frames"][0]), 8), np.float32)}
        state = {name: arrays[name] for name in ("ring", "history", "position")}
        return {"samples": (255 * arrays["uniform"][:, 0]).astype(np.int32), **state}


class RecognitionEngine(RandomEngine):
    """The text "ab ba", over and over, in the alphabet " ab"."""

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        count = arrays["features"].shape[1]
        symbols = np.resize(np.repeat([2, 0, 3, 1, 3, 0, 2, 1], 4), count)
        return {"log_probs": np.log(0.9 * np.eye(4)[symbols] + 0.025)[None]}


def boxes() -> RandomEngine:
    """D-FINE's outputs for one photo, of the reference."""
    expected = np.load(GOLDEN / "vision" / "dfine_a" / "expected.npz")
    centre, size = expected["pred_boxes"][:1, :, :2], expected["pred_boxes"][:1, :, 2:]
    outputs = {
        "scores": 1 / (1 + np.exp(-expected["logits"][:1])),
        "boxes": np.concatenate([centre - size / 2, centre + size / 2], -1),
    }
    engine = RandomEngine(forward=({"images": ("batch", 32, 32, 3)}, {}))
    engine._run = lambda function, arrays: outputs  # type: ignore[method-assign]
    return engine


def slowed(model: Any) -> Any:
    """A text generator that leaves time to be stopped, on any machine."""
    step_batch = model.step_batch

    def slow_batch() -> Any:
        batch = step_batch()
        step = batch.step

        def slow_step() -> Any:
            time.sleep(0.05)
            return step()

        batch.step = slow_step
        return batch

    model.step_batch = slow_batch
    return model


def with_engine(model: Any, engine: Engine) -> Any:
    model._engine = engine
    return model


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[dict[str, Any]]:
    """Models by name: those inside the package, and one of every other task on a random engine."""
    from tests.new_task_bundle import brightness_bundle

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("page-home")))
        warnings.filterwarnings("ignore", ".*SegFormer.*", UserWarning)
        models: dict[str, Any] = {name: ws.load(name, engine="litert") for name in EMBEDDED}
        for name, (folder, outputs) in TEXTS.items():
            task = "text-embedding" if name == "similar" else None
            engine = RandomEngine(forward=({"input_ids": TOKENS}, outputs))
            models[name] = with_engine(ws.load(GOLDEN / "text" / folder, task=task), engine)
        models["slow"] = slowed(ws.load("shakespeare_gpt2", engine="litert"))
        photos, outputs = {"images": ("batch", 8, 8, 3)}, {"logits": ("batch", 8, 8, 5)}
        segmenter = ws.load(GOLDEN / "vision" / "segformer_a")
        models["segments"] = with_engine(segmenter, RandomEngine(forward=(photos, outputs)))
        models["objects"] = with_engine(ws.load(GOLDEN / "vision" / "dfine_a"), boxes())
        models["recognizer"] = with_engine(
            SpeechRecognizer(RECOGNIZER, Weights.random(), ()), RecognitionEngine()
        )
        models["meter"] = ws.load(brightness_bundle(tmp_path_factory.mktemp("models") / "meter"))
        models["synthesizer"] = with_engine(
            AudioGenerator(SYNTHESIZER, Weights.random(), ()), SynthesisEngine()
        )
        yield models


@pytest.fixture(scope="session")
def address(served) -> Iterator[str]:
    pytest.importorskip("starlette")
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    with BackgroundServer(create_app(served)) as base:
        yield base


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("there is no Chromium (WARMSTART_CHROMIUM)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--disable-gpu",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield browser
        browser.close()


@dataclass
class Tab:
    """A tab, and the errors of its console; a test that expects one removes it from `complaints`."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str, model: str = "") -> Any:
        self.page.goto(f"{address}/#{model}")
        self.page.wait_for_selector("h1")
        return self.page

    def until(self, condition: str, *arguments: Any) -> None:
        """Wait for a condition; the browser's own waiting evaluates strings, which the page's rules
        forbid.
        """
        end = time.monotonic() + 60
        while not self.page.evaluate(condition, *arguments):
            assert time.monotonic() < end, condition
            self.page.wait_for_timeout(50)

    def expect_refusal(self) -> None:
        """The browser itself writes a line for every status of 400 and more."""
        assert [line for line in self.complaints if line.startswith("Failed to load resource")], (
            self.complaints
        )
        self.complaints = [
            line for line in self.complaints if not line.startswith("Failed to load resource")
        ]


@pytest.fixture
def tab(browser, request) -> Iterator[Tab]:
    """A fresh tab; options of the context by `@pytest.mark.parametrize("tab", [{…}],
    indirect=True)`.
    """
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}, **getattr(request, "param", {})}
    )
    context.set_default_timeout(60_000)  # a busy machine is slow, not wrong
    tab = Tab(context.new_page())
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on(
        "console",
        lambda line: line.type in ("error", "warning") and tab.complaints.append(line.text),
    )
    yield tab
    context.close()
    assert not tab.complaints
