"""The page in a real browser before a real server, with a model of every task. Skipped where there is no Chromium."""

import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import warmstart as ws
from warmstart.catalog import Entry
from warmstart.tasks.audio_generation import AudioGenerator
from warmstart.tasks.building import Weights

CHROMIUM = os.environ.get("WARMSTART_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
GOLDEN = Path(__file__).parents[2] / "golden"
EMBEDDED = ("cifar10_resnet20", "shakespeare_gpt2", "deepar_hourly")
TEXTS = {"kinds": "distilbert_text_classification", "names": "bert_token_classification", "alike": "bert_base",
         "answers": "distilbert_question_answering", "missing": "distilbert_fill_mask"}
SOUND = Entry(
    name="tiny_wavenet", task="audio-generation", family="wavenet", title="Tiny WaveNet", architecture="wavenet",
    config={"output": "logistics", "mixtures": 2, "stacks": 1, "dilations": [1, 2], "channels": 4, "residual": 4,
            "skip": 4, "classes": [3, 2], "global_channels": 3, "frame_features": 6, "frame_channels": 4,
            "upsampling": [2], "hold": 10},
    weights={}, preprocessing=None, labels="", licence="Apache-2.0", parameters=1, gflops=None, min_size=0, metrics=(),
    paper="", processing={"sample_rate": 4000, "classes": [["zero", "one", "two"], ["ann", "bob"]], "hop": 20,
                          "frames": "position", "harmonics": 2})


class Canned:
    """An engine that always answers the same: what the reference said of one picture."""

    name = "litert"

    def __init__(self, **outputs: np.ndarray):
        self._outputs = outputs

    def run(self, function: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        return self._outputs


def detector() -> Any:
    """D-FINE with the reference's boxes; to build its graph takes longer than all other tests of the page."""
    expected = np.load(GOLDEN / "vision" / "dfine_a" / "expected.npz")
    centre, size = expected["pred_boxes"][:1, :, :2], expected["pred_boxes"][:1, :, 2:]
    model = ws.load(GOLDEN / "vision" / "dfine_a")
    model._engine = Canned(scores=1 / (1 + np.exp(-expected["logits"][:1])),
                           boxes=np.concatenate([centre - size / 2, centre + size / 2], -1))
    return model


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[dict[str, Any]]:
    """Models by name: those inside the package, and tiny ones of the other tasks on the reference engine."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("page-home")))
        warnings.filterwarnings("ignore", ".*SegFormer.*", UserWarning)
        found: dict[str, Any] = {name: ws.load(name) for name in EMBEDDED}
        for name, folder in TEXTS.items():
            task = "text-embedding" if name == "alike" else None
            found[name] = ws.load(GOLDEN / "text" / folder, engine="keras", task=task)
        found["parts"] = ws.load(GOLDEN / "vision" / "segformer_a", engine="keras")
        found["heard"] = ws.load(GOLDEN / "whisper", engine="keras")
        found["said"] = AudioGenerator(SOUND, Weights.random(), (), engine="keras")
        found["things"] = detector()
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
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--autoplay-policy=no-user-gesture-required"])
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

    def expect_refusal(self) -> None:
        """The browser itself writes a line for every status of 400 and more."""
        assert [line for line in self.complaints if line.startswith("Failed to load resource")], self.complaints
        self.complaints = [line for line in self.complaints if not line.startswith("Failed to load resource")]


@pytest.fixture
def tab(browser, request) -> Iterator[Seen]:
    """A fresh tab; options of the context by `@pytest.mark.parametrize("tab", [{…}], indirect=True)`."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **getattr(request, "param", {})})
    context.set_default_timeout(20_000)
    seen = Seen(context.new_page())
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("console", lambda line: line.type in ("error", "warning") and seen.complaints.append(line.text))
    yield seen
    context.close()
    assert not seen.complaints
