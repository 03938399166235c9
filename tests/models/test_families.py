"""A family is one folder and one row: nothing about it is anywhere else."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import warmstart
from warmstart import models
from warmstart.errors import UsageError

ROOT = Path(warmstart.__file__).parent
FOLDERS = {path.parent for path in (ROOT / "models").glob("*/*/network.py")}
NOT_MODEL_TYPES = {
    ("text/vocabularies.py", "roberta"): "the type of a tokenizer's post-processor",
}


def folder_of(row: models.Family) -> Path:
    return ROOT.joinpath("models", *row.package.split("."))


def strings(path: Path) -> set[str]:
    """The string constants of a module's code, without docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose
    }


def test_every_family_is_a_folder_and_a_row():
    assert {folder_of(row) for row in models.FAMILIES} == FOLDERS
    assert all((folder / "family.py").is_file() for folder in FOLDERS)
    assert len({row.architecture for row in models.FAMILIES}) == len(models.FAMILIES)
    model_types = [model_type for row in models.FAMILIES for model_type in row.model_types]
    assert len(set(model_types)) == len(model_types)


def test_a_model_type_is_named_by_its_own_family_only():
    elsewhere = []
    for path in sorted(ROOT.rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name == "models/__init__.py":
            continue
        for word in strings(path) & models.MODEL_TYPES.keys():
            row = models.MODEL_TYPES[word]
            if path.parent != folder_of(row) and (name, word) not in NOT_MODEL_TYPES:
                elsewhere.append((name, word))
    assert not elsewhere


def test_families_do_not_import_keras():
    code = (
        "import sys\n"
        "from warmstart import models\n"
        "for row in models.FAMILIES: models.family(row.architecture)\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("row", models.FAMILIES, ids=lambda row: row.architecture)
def test_a_family_that_has_model_types_reads_and_names_arrays(row):
    family = models.family(row.architecture)
    assert hasattr(family, "read") == bool(row.model_types)
    assert hasattr(family, "LAYOUT") >= bool(row.model_types)


@pytest.mark.parametrize("folder", sorted(FOLDERS), ids=lambda folder: folder.name)
def test_networks_cite_their_source(folder):
    text = ast.get_docstring(ast.parse((folder / "network.py").read_text("utf-8"))) or ""
    assert re.search(r"Sources?:|arXiv|keras\.applications", text)


@pytest.mark.parametrize(
    "name", ["", "text.bert", "features", "os", "..catalog", "keras_applications.os"]
)
def test_a_name_from_a_file_imports_nothing_else(name):
    for find in (models.family, models.architecture, models.runner):
        with pytest.raises(UsageError, match="no architecture named"):
            find(name)


def test_runners_are_found_by_name():
    from warmstart.series.patching import ChronosBolt
    from warmstart.speech.ctc import recognizer

    assert models.runner("chronos_bolt") is ChronosBolt
    assert models.runner("wavenet_asr") is models.runner("wavenet_raw") is recognizer
    with pytest.raises(UsageError, match="'bert' has no runner"):
        models.runner("bert")
