"""pyproject.toml declares what the code imports, no more and no less; optional packages are
optional.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import warmstart

SOURCE = Path(warmstart.__file__).parent
ROOT = SOURCE.parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {
    "PIL": "pillow",
    "opentelemetry": "opentelemetry-exporter-otlp-proto-http",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Import name -> distribution, where they differ by more than "-" and "_"."""
PHOTO = ROOT / "examples" / "photos" / "cat.jpg"

BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Block())
import warmstart as ws
from warmstart.errors import MissingPackageError
"""


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """The distributions of the base install, or of the extras, with those of extras that these
    include.
    """
    optional = PROJECT["optional-dependencies"]
    listed = (
        [line for extra in extras for line in optional[extra]]
        if extras
        else PROJECT["dependencies"]
    )
    names: set[str] = set()
    for line in listed:
        match = re.match(r"([\w.-]+)(?:\[([\w,]+)\])?", line)
        assert match, line
        name, included = match.groups()
        names |= declared(*included.split(",")) if name == "warmstart" else {normalized(name)}
    return names


def runtime_imports(tree: ast.AST) -> Iterator[str]:
    """The top-level modules that the code imports, at any depth, except for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statement in node.orelse:
                yield from runtime_imports(statement)
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]
        else:
            yield from runtime_imports(node)


def imported(folder: Path, local: frozenset[str] = frozenset()) -> set[str]:
    """The distributions that the files of a folder import; `local` modules are of the folder
    itself.
    """
    modules = {
        name
        for file in folder.rglob("*.py")
        for name in runtime_imports(ast.parse(file.read_text()))
    }
    modules -= {"warmstart", *sys.stdlib_module_names, *local}
    return {normalized(DISTRIBUTIONS.get(name, name)) for name in modules}


def run_without(packages: set[str], code: str) -> str:
    """The output of code in a process in which the packages cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(packages=packages) + code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_declared_and_imported_packages_agree():
    extras = [name for name in PROJECT["optional-dependencies"] if name != "test"]
    assert imported(SOURCE) == declared() | declared(*extras)


def test_packages_that_tests_import_are_declared():
    tests = ROOT / "tests"
    local = frozenset({"tests", *(file.stem for file in tests.rglob("*.py"))})
    assert imported(tests, local) <= declared() | declared("all", "test")


def test_all_includes_every_extra_but_the_large_ones_and_the_tests():
    left_out = ("all", "int8", "ray", "mlflow", "wandb", "test")
    others = [name for name in PROJECT["optional-dependencies"] if name not in left_out]
    assert declared("all") == declared(*others)


def test_photos_texts_and_records_need_no_optional_package(tmp_path):
    (tmp_path / "photos.csv").write_text(f"path,label\n{PHOTO},tiger cat\n")
    (tmp_path / "texts.jsonl").write_text('{"text": "a warm and funny film"}\n')
    optional = {
        "pandas",
        "matplotlib",
        "tensorflow",
        "keras",
        "scipy",
        "openvino",
        "pyarrow",
        "starlette",
        "ray",
    }
    output = run_without(
        optional,
        f"""
print(ws.load("efficientnet_lite0")({str(PHOTO)!r}).label)
print(ws.load("sst2_bert_tiny")("a warm and funny film").label)
print(ws.load("efficientnet_lite0").evaluate({str(tmp_path / "photos.csv")!r})["top1"])
print(ws.batch("sst2_bert_tiny", {str(tmp_path / "texts.jsonl")!r}, {str(tmp_path / "out")!r}).rows)
""",
    )
    assert output.splitlines() == ["tiger cat", "positive", "1.0", "1"]


def test_a_missing_extra_is_one_sentence_with_the_command(tmp_path):
    (tmp_path / "texts.parquet").write_bytes(b"PAR1")
    output = run_without(
        {"pandas", "matplotlib", "tensorflow", "pyarrow", "ray"},
        f"""
calls = [
    lambda: ws.load("deepar")([1.0, 2.0, 3.0]),
    lambda: ws.finetune("efficientnet_lite0", {str(tmp_path)!r}),
    lambda: ws.batch("sst2_bert_tiny", {str(tmp_path / "texts.parquet")!r}, {str(tmp_path / "out")!r}),
    lambda: ws.batch("sst2_bert_tiny", ["a film"], {str(tmp_path / "out")!r}, on="ray"),
]
for call in calls:
    try:
        call()
    except MissingPackageError as error:
        print(error)
""",
    )
    for line, package, extra in zip(
        output.splitlines(),
        ("pandas", "tensorflow", "pyarrow", "ray"),
        ("series", "tensorflow", "parquet", "ray"),
        strict=True,
    ):
        assert re.fullmatch(
            rf"The package {package} is needed [^.]*(\.parquet)?[^.]*: "
            rf"pip install 'warmstart\[{extra}\]'\.",
            line,
        ), line


def test_a_plot_without_matplotlib_names_the_extra():
    output = run_without(
        {"matplotlib"},
        """
forecast = ws.load("deepar")([float(n % 24) for n in range(200)], horizon=4, samples=10)
try:
    forecast.plot()
except MissingPackageError as error:
    print(error)
""",
    )
    assert (
        output
        == "The package matplotlib is needed to plot forecasts: pip install 'warmstart[plot]'.\n"
    )


def test_missing_packages_are_reported_in_one_place():
    for file in SOURCE.rglob("*.py"):
        code = file.read_text()
        if file.relative_to(SOURCE).as_posix() != "errors.py":
            assert "pip install" not in code, file
        if file.relative_to(SOURCE).as_posix() not in ("errors.py", "hub/sources.py"):
            assert not re.search(r"util\.find_spec|import find_spec|[^.\w]find_spec\(\"", code), (
                file
            )


def release_module():
    path = ROOT / "scripts" / "check_release.py"
    spec = importlib.util.spec_from_file_location("check_release", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


METADATA = """License-Expression: Apache-2.0

# A package, with [a link](https://example.org), [a section](#use) and [a page](docs/page.md)
"""


def test_the_release_check_finds_foreign_files_and_licences(tmp_path):
    wheel = tmp_path / "warmstart-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("warmstart-1.0.dist-info/METADATA", METADATA)
        archive.writestr("warmstart/embedded/a/README.md", "---\nlicense: gpl-3.0\n---\n")
        archive.writestr("warmstart/embedded/b/README.md", "---\nlicense: apache-2.0\n---\n")
        archive.writestr("warmstart/embedded/c/README.md", "# A card without a licence\n")
        archive.writestr("tests/test_a.py", "")
    assert list(release_module().wheel_faults(wheel)) == [
        f"{wheel.name} holds tests/test_a.py, which does not belong there.",
        "The description links to docs/page.md, which the package index cannot open.",
        "warmstart/embedded/a/README.md is gpl-3.0, which the licence 'Apache-2.0' lacks.",
        "warmstart/embedded/c/README.md names no licence.",
    ]


def test_the_declared_licence_names_those_of_the_embedded_models():
    declared = PROJECT["license"].lower().split(" and ")
    cards = list(SOURCE.glob("embedded/*/README.md"))
    assert cards
    for card in cards:
        licence = re.search(r"^license: *(\S+)", card.read_text("utf-8"), re.MULTILINE)
        assert licence, card
        assert licence[1].lower() in declared, card


def test_the_container_has_what_builds_the_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    hook = settings["metadata"]["hooks"]["custom"]["path"]
    assert (ROOT / hook).is_file()
    assert f"COPY {hook} " in (ROOT / "Dockerfile").read_text()
    assert f"!{hook}" in (ROOT / ".dockerignore").read_text().splitlines()
    assert hook.split("/")[0] in settings["build"]["targets"]["sdist"]["include"]
