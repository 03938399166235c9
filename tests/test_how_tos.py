"""The blocks of Python and of the shell on the how-to guides run, but for those listed with a reason."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.how_to_files import MADE, REAL, ROOT, every_page
from tests.how_to_shell import Shell, commands, reading_only
from tests.hub import local_hub
from tests.photos import CIFAR

import warmstart as ws
from warmstart import training
from warmstart.serve import server

BLOCK = re.compile(r"^```(python|console|pycon)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
GOLDEN = ROOT / "tests" / "golden"
STAND_INS = {
    "mobilenet_v2": str(CIFAR),
    "mobilenet_0.25_224": str(CIFAR),
    "whisper_tiny": "digits_wavenet_asr",
    "gpt2": str(GOLDEN / "gpt2" / "plain"),
    "hf://openai-community/gpt2": "shakespeare_gpt2",
    "roberta_base_squad2": "qa-model",
    "all_minilm_l6_v2": "sentence-model",
    "chronos_bolt_small": str(GOLDEN / "chronos_bolt"),
    "dfine_nano": str(GOLDEN / "vision" / "dfine_a"),
}
"""What a block names -> what is there without a network, of the same task."""
STAND_INS_OF = {
    "detection": {"mobilenet_0.25_224": "bccd_fcos"},
    "engines": {"efficientnet_lite0": str(CIFAR)},
    "errors": {"mobilenet_v2": "mobilenet_v2"},
    "export": {"efficientnet_lite0": str(CIFAR)},
    "fine-tuning": {"whisper_base": str(GOLDEN / "whisper")},
    "generation": {"my-model": "shakespeare_gpt2"},
    "hub": {"hf://keras/bert_base_en_uncased": "preset-model"},
    "preprocessing": {"mobilenet_0.25_224": "efficientnet_lite0", "mobilenet_v2": "mobilenet_v2"},
    "quickstart": {"mobilenet_v2": "efficientnet_lite0"},
    "segmentation": {"mobilenet_0.25_224": "leaf_deeplabv3"},
    "serving": {
        "mobilenet_v2": f"mobilenet_v2={CIFAR}",
        "all_minilm_l6_v2": "all_minilm_l6_v2=sentence-model",
        "whisper_tiny": "whisper_tiny=digits_wavenet_asr",
        "path/of/bundle": str(CIFAR),
    },
    "speech": {"whisper_base": "digits_wavenet_asr"},
    "text": {
        "hf://cross-encoder/nli-distilroberta-base": "nli-model",
        "bert_base_ner": str(GOLDEN / "text" / "bert_token_classification"),
        "distilbert_base_uncased": str(GOLDEN / "text" / "distilbert_base"),
        "roberta_base": str(GOLDEN / "text" / "roberta_base"),
        "bert_base_uncased": str(GOLDEN / "text" / "bert_fill_mask"),
    },
    "weights": {
        "bert_base_uncased": str(GOLDEN / "text" / "bert_fill_mask"),
        "mobilenet_v2_0.35_224": str(CIFAR),
        "hf://timm/resnet50.a1_in1k": str(GOLDEN / "classifiers" / "timm_resnet18"),
        "hf://timm/vit_small_patch14_dinov2.lvd142m": str(GOLDEN / "classifiers" / "timm_dinov2"),
    },
    "whisper": dict.fromkeys(("whisper_tiny", "whisper_base"), str(GOLDEN / "whisper")),
}
TRAINED = {
    "bccd_fcos": "bccd_fcos",
    STAND_INS["dfine_nano"]: "bccd_fcos",
    "leaf_deeplabv3": "leaf_deeplabv3",
}
"""Base -> the model that stands for what it is trained to."""
CLUSTER = "needs a cluster"
TOOL = "needs a tool that is not in the environment of the tests"
MACHINE = "depends on the processor or on a GPU"
SHOWN = "shows what appears while something else happens"
NOT_RUN = {
    "batch": {"s3://bucket": CLUSTER, "^C": SHOWN},
    "engines": {"--device gpu": MACHINE, "bfloat16 --check": MACHINE, ">>> model": SHOWN},
    "export": {"localhost:8501": TOOL},
    "fine-tuning": {"--on ray": CLUSTER},
    "inputs": {"polars": TOOL},
    "serving": {"from kserve": TOOL, "docker": TOOL, "ray[serve]": CLUSTER, "--trace": TOOL},
    "wrap": {"with-lambda": SHOWN},
}
"""Page -> what only a block with this text needs -> why it is not run."""
MOST_NOT_RUN = 14
"""Lower it when a block runs; never raise it."""
ELSEWHERE = (
    "api",
    "benchmarks",
    "cli",
    "comparison",
    "models",
    "moving-in",
    "reliability",
    "tasks",
)
"""Reference pages, and pages with tests of their own: test_moving_in, test_new_task, test_comparison."""
WITHOUT_TENSORFLOW = {
    "batch",
    "errors",
    "inputs",
    "page",
    "preprocessing",
    "quickstart",
    "results",
    "speech",
}


def marks_of(page: Path) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.shared] if page.stem in REAL else []
    return marks if page.stem in WITHOUT_TENSORFLOW else [*marks, pytest.mark.tensorflow]


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, code) of the blocks that do more than install something."""
    found = BLOCK.findall(page.read_text("utf-8"))
    return [(language, code) for language, code in found if language != "console" or commands(code)]


def is_run(page: Path, code: str) -> bool:
    return not any(text in code for text in NOT_RUN.get(page.stem, {}))


PAGES = [
    page
    for page in sorted((ROOT / "docs").glob("*.md"))
    if page.stem not in ELSEWHERE and blocks(page)
]


def small(finetune: Any) -> Any:
    """Fine-tuning for one short epoch. Detectors and segmenters take too long: their options are checked,
    their data is read, and the result is the embedded one.
    """

    def call(base: str, data: object, **options: Any) -> Any:
        options["epochs"] = min(options.get("epochs", 1), 1)
        if isinstance(options.get("freeze"), int):
            options["freeze"] = 10
        if base == "deepar":
            options["batches_per_epoch"] = 5
        if base not in TRAINED:
            return finetune(base, data, **options)
        with reading_only(), pytest.raises(SystemExit):
            finetune(base, data, **options)
        return ws.load(TRAINED[base])

    return call


class Reader:
    """Runs the blocks of a page one after another, as a reader would."""

    def __init__(self, page: Path, capsys: pytest.CaptureFixture[str], addresses: dict[str, str]):
        self.addresses = addresses
        self.page = page
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.names["microphone"] = np.array_split(np.zeros(8000, np.float32), 4)
        self.stand_ins = STAND_INS | STAND_INS_OF.get(page.stem, {})
        self.shell = Shell(capsys, self.renamed)

    def renamed(self, word: str) -> str:
        """A word of a command, with the stand-in for what it names."""
        for address, real in self.addresses.items():
            word = word.replace(address, real)
        name, sign, value = word.partition("=")
        if sign and value in self.stand_ins:
            return f"{name}={self.stand_ins[value]}"
        return self.stand_ins.get(word, word)

    def run(self) -> None:
        for language, code in blocks(self.page):
            if is_run(self.page, code):
                self.run_block(language, code)

    def run_block(self, language: str, code: str) -> None:
        name = f"{self.page.name}: {code.splitlines()[0]}"
        if language == "console":
            self.shell.run(code, name)
            return
        code = code.replace("agreement=0.99", "agreement=0.9")
        if self.page.stem != "serving":  # its server has the names of the page
            pattern = "|".join(f'"{re.escape(one)}"' for one in self.stand_ins)
            code = re.sub(pattern, lambda match: f'"{self.stand_ins[match[0][1:-1]]}"', code)
        for address, real in self.addresses.items():
            code = code.replace(address, real)
        exec(compile(code, name, "exec"), self.names)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder, with the files that the pages name."""
    every_page(tmp_path)
    monkeypatch.setenv("WARMSTART_OFFLINE", "1")
    monkeypatch.setattr(training, "finetune", small(training.finetune))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """`warmstart serve` starts its server in a thread, and returns; the address is that of the pages."""
    with contextlib.ExitStack() as stack:
        addresses: dict[str, str] = {}

        def start(app: Any, *arguments: object) -> None:
            address = stack.enter_context(server.BackgroundServer(app))
            addresses["localhost:8000"] = address.removeprefix("http://")

        monkeypatch.setattr(server, "run", start)
        yield addresses


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with local_hub.running(monkeypatch) as state:
        state.name = "my-name/flowers"
        monkeypatch.setenv("HF_TOKEN", "hf_of_the_reader")
        monkeypatch.delenv("WARMSTART_OFFLINE")
        yield


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of httpx
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of Keras, writing HDF5
@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem, marks=marks_of(page)) for page in PAGES]
)
def test_the_blocks_of_a_page_run(page, folder, served, request, capsys):
    if page.stem in REAL:
        REAL[page.stem](folder, request.getfixturevalue("shared_data"))
    elif page.stem in MADE:
        MADE[page.stem](folder)
    if page.stem == "hub":
        request.getfixturevalue("hub")
    Reader(page, capsys, served).run()


def test_the_number_of_blocks_that_are_not_run_only_shrinks():
    left_out = [code for page in PAGES for _, code in blocks(page) if not is_run(page, code)]
    assert len(left_out) == MOST_NOT_RUN
    texts = {(page, text) for page, reasons in NOT_RUN.items() for text in reasons}
    used = {(p.stem, t) for p in PAGES for t in NOT_RUN.get(p.stem, {}) if t in p.read_text()}
    assert texts == used
