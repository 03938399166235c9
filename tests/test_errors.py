"""Errors point to the section of the documentation that explains them."""

import ast
import inspect
import pickle
import re
import traceback
from importlib import metadata
from pathlib import Path

import pytest

import warmstart as ws
from warmstart import errors

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "warmstart"


def sections() -> set[str]:
    """Every section that the source names: a keyword, a class attribute, or an argument."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        if "section" not in text.lower() and "documented_in" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and re.fullmatch(r"[a-z-]+\.md(#[a-z-]+)?", value):
                found.add(value)
    return found


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


def test_every_error_with_a_way_out_of_its_own_has_a_section():
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    named = {one.__name__ for one in classes if getattr(one, "usual_section", "")}
    assert {"OfflineError", "DownloadError", "MissingPackageError", "UnknownModelError"} <= named


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
            "forecasting.md#inputs",
        ),
        (
            lambda folder: raise_error(ws.load("deepar")(folder / "numbers.csv")),
            "forecasting.md#inputs",
        ),
    ],
    ids=["name", "offline", "option", "training option", "columns", "dates", "numbers"],
)
def test_errors_point_to_their_section(tmp_path, act, section):
    (tmp_path / "texts.csv").write_text("text,sentence,label\na,b,positive\nc,d,negative\n")
    (tmp_path / "dates.csv").write_text("date,y\n02/01/2024,1\n04/03/2024,2\n09/07/2024,3\n")
    (tmp_path / "numbers.csv").write_text('date,y\n2024-01-01,"1,234"\n2024-01-02,"2,345"\n')
    with pytest.raises(errors.WarmstartError) as caught:
        act(tmp_path)
    assert caught.value.section == section
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.rstrip().endswith(f"See docs/{section}")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.section, again.__notes__) == (section, [f"See docs/{section}"])


def test_the_first_section_counts():
    with pytest.raises(errors.UsageError) as caught, errors.documented_in("inputs.md"):
        raise errors.UsageError("wrong", section="models.md")
    assert caught.value.section == "models.md"
    assert errors.explained(caught.value) == "wrong\nSee docs/models.md"
    assert errors.explained(errors.UsageError("wrong")) == "wrong"


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
