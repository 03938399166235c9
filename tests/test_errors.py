"""Errors point to the section of the documentation that explains them."""

import ast
import inspect
import pickle
import re
import sys
import traceback
from importlib import metadata
from pathlib import Path

import click
import pytest

import warmstart as ws
from warmstart import errors
from warmstart.cli import main
from warmstart.cli.app import app
from warmstart.core.search import Index

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "warmstart"


def sections() -> set[str]:
    """Every section that the source names, and those of the commands."""
    sections = {app.section_of(name) for name in app.list_commands(click.Context(app))}
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if ".md" in text else ():
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and re.fullmatch(r"[a-z-]+\.md(#[a-z-]+)?", value):
                sections.add(value)
    return sections


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def raise_error(results) -> None:
    (failed,) = results
    raise failed.error


@pytest.mark.parametrize("section", sorted(sections()))
def test_sections_exist(section):
    page, _, anchor = section.partition("#")
    text = (ROOT / "docs" / page).read_text("utf-8")
    assert not anchor or anchor in map(slug, re.findall(r"^#+ (.+)$", text, re.MULTILINE))


EXPLAINED = {
    "WarmstartError": "derive from",
    "UsageError": "derive from",
    "UnknownModelError": "models",
    "MissingPackageError": "pip install",
    "SourceError": "hf://",
    "OfflineError": "OfflineError",
    "DownloadError": "retried",
    "ChecksumError": "ChecksumError",
    "CacheError": "WARMSTART_HOME",
    "CheckpointError": "layout",
    "CorruptCheckpointError": "layout",
    "UnsafeCheckpointError": "refused",
    "MismatchError": "MismatchError",
    "InputError": "InputError",
    "TooLargeError": "413",
    "RecordError": "row",
    "EngineError": "engine",
    "EngineUnavailableError": "installed by",
    "CompileError": "CompileError",
    "BundleError": "bundle",
    "CancelledError": "nobody waits",
    "BatchError": "full disk",
    "TrainingError": "full disk",
}
"""What the section that an error points to says about it."""


def text_of(section: str) -> str:
    """A section up to the next heading."""
    page, _, anchor = section.partition("#")
    text = (ROOT / "docs" / page).read_text("utf-8")
    parts = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)[1:]
    texts = {
        slug(heading): content for heading, content in zip(parts[::2], parts[1::2], strict=True)
    }
    return texts[anchor] if anchor else text


@pytest.mark.parametrize(("name", "words"), EXPLAINED.items())
def test_the_section_of_an_error_explains_it(name, words):
    assert words in text_of(getattr(errors, name)("wrong").section)


def test_every_error_has_a_section_that_explains_it():
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert {one.__name__ for one in classes if issubclass(one, errors.WarmstartError)} == {
        *EXPLAINED
    }


def test_every_error_but_the_most_general_has_a_section_of_its_own():
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    public = [one for one in classes if issubclass(one, errors.WarmstartError)]
    sections = {one.__name__: one("wrong").section for one in public}
    general = {name for name, section in sections.items() if section == "errors.md"}
    assert general == {"WarmstartError", "UsageError"}  # what raises them names the section


@pytest.mark.parametrize(
    ("act", "section"),
    [
        (lambda folder: ws.load("mobilenet_v9"), "models.md"),
        (lambda folder: ws.load("mobilenet_v2", offline=True), "weights.md#environment"),
        (
            lambda folder: ws.load("sst2_bert_tiny")("a film", top=1),
            "quickstart.md#from-python",
        ),
        (
            lambda folder: ws.finetune("efficientnet_lite0", folder, epoch=1),
            "fine-tuning.md#options",
        ),
        (
            lambda folder: ws.load("sst2_bert_tiny").evaluate(folder / "texts.csv"),
            "fine-tuning.md#tables",
        ),
        (
            lambda folder: ws.load("deepar")(folder / "dates.csv", horizon=2),
            "forecasting.md#dates-and-numbers",
        ),
        (
            lambda folder: raise_error(ws.load("deepar")(folder / "numbers.csv")),
            "forecasting.md#dates-and-numbers",
        ),
        (
            lambda folder: ws.load("efficientnet_lite0")(("cat.jpg", "dog.jpg")),
            "inputs.md#one-several-a-stream",
        ),
        (
            lambda folder: ws.load("efficientnet_lite0")(folder / "nowhere.jpg"),
            "inputs.md#unusable-inputs",
        ),
        (lambda folder: ws.load(folder / "texts.csv"), "weights.md#sources"),
        (lambda folder: ws.load("deepar", engine="tpu"), "engines.md"),
        (lambda folder: ws.load("deepar", precision="int4"), "engines.md#precisions"),
        (
            lambda folder: ws.load("sst2_bert_tiny", calibration=["a"]),
            "engines.md#calibrated-int8",
        ),
        (lambda folder: ws.load("efficientnet_lite0", precision="auto"), "engines.md#automatic"),
        (lambda folder: ws.load("deepar", task="fill-mask"), "models.md"),
        (lambda folder: ws.load(folder), "bundles.md"),
        (lambda folder: ws.load(f"./{folder.name}-x"), "bundles.md"),
        (lambda folder: Index.load(folder), "text.md#embeddings"),
        (
            lambda folder: raise_error(ws.load("deepar")(folder / "twice.csv")),
            "forecasting.md#timestamps",
        ),
        (lambda folder: ws.load("deepar")(folder / "nowhere.csv"), "forecasting.md#inputs"),
        (lambda folder: ws.finetune("default", folder / "nowhere"), "fine-tuning.md#data"),
        (
            lambda folder: ws.load("bccd_fcos").evaluate(folder / "nowhere"),
            "detection.md#data",
        ),
        (lambda folder: ws.load("deepar").export(folder / "model.xyz"), "export.md"),
        (lambda folder: ws.batch("deepar", folder / "nowhere", folder / "out"), "batch.md"),
        (lambda folder: ws.wrap("nowhere.keras", task="nothing"), "wrap.md"),
    ],
    ids=[
        "name",
        "offline",
        "option",
        "training_option",
        "columns",
        "dates",
        "numbers",
        "several",
        "input",
        "source",
        "engine",
        "precision",
        "calibration",
        "auto",
        "task",
        "folder",
        "no_folder",
        "index",
        "timestamps",
        "no_table",
        "data",
        "boxes",
        "export",
        "batch",
        "wrap",
    ],
)
def test_errors_point_to_their_section(tmp_path, act, section):
    (tmp_path / "texts.csv").write_text("text,sentence,label\na,b,positive\nc,d,negative\n")
    (tmp_path / "dates.csv").write_text("date,y\n02/01/2024,1\n04/03/2024,2\n09/07/2024,3\n")
    (tmp_path / "numbers.csv").write_text('date,y\n2024-01-01,"1,234"\n2024-01-02,"2,345"\n')
    (tmp_path / "twice.csv").write_text("date,y\n2024-01-01,1\n2024-01-01,2\n2024-01-02,3\n")
    with pytest.raises(errors.WarmstartError) as caught:
        act(tmp_path)
    assert caught.value.section == section
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.rstrip().endswith(f"See docs/{section}")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.section, again.__notes__) == (section, [f"See docs/{section}"])


@pytest.mark.parametrize(
    ("error", "section"),
    [
        (errors.UsageError("wrong", section="models.md"), "models.md"),
        (errors.CacheError("wrong"), "weights.md#cache"),
        (errors.InputError("wrong"), "inputs.md#photos"),
    ],
    ids=["its own", "of its class", "of the call"],
)
def test_the_closest_section_counts(error, section):
    with (
        pytest.raises(errors.WarmstartError) as caught,
        errors.documented_in("quickstart.md"),
        errors.documented_in("inputs.md#photos"),
    ):
        raise error
    assert caught.value.section == section
    assert errors.explained(caught.value) == f"wrong\nSee docs/{section}"


@pytest.mark.parametrize(
    ("command", "section"),
    [
        ("evaluate nowhere/ -m efficientnet_lite0", "fine-tuning.md#data"),
        ("export efficientnet_lite0 here/model.xyz", "cli.md#export"),
        ("classify cat.jpg --engine tpu", "engines.md"),
        ("compile nothing --agreement 0.9", "cli.md#compile"),
        ("compile nothing", "models.md"),
        ("pull odd:thing", "cli.md#pull"),
        ("detect cat.jpg --draw cat.txt", "cli.md#detect"),
    ],
)
def test_refusals_on_the_command_line_point_to_their_section(
    tmp_path, monkeypatch, capsys, command, section
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["warmstart", *command.split()])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.splitlines()[-1] == f"See docs/{section}"


def test_the_address_is_that_of_the_published_documentation(monkeypatch):
    class Metadata:
        def get_all(self, name):
            return {
                "Project-URL": [
                    "Source, https://example.org",
                    "Documentation, https://docs.example.org/",
                ]
            }[name]

    monkeypatch.setattr(metadata, "metadata", lambda name: Metadata())
    errors._site.cache_clear()
    try:
        assert (
            errors.address_of("weights.md#cache") == "https://docs.example.org/weights.html#cache"
        )
        assert errors.address_of("models.md") == "https://docs.example.org/models.html"
    finally:
        errors._site.cache_clear()
