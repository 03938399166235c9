"""The house stands: imports point downwards, heavy packages stay where they belong, files stay
small.
"""

import ast
from pathlib import Path

import pytest

import warmstart

ROOT = Path(warmstart.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
FLOORS = [
    ("errors", "json_values", "lazy", "log", "suggestions", "version"),
    ("checkpoints", "hub", "catalog"),
    ("engines", "models"),
    ("core",),
    ("bulk",),
    ("training",),
    ("image", "text", "speech", "series", "tensors"),
    ("serve",),
    ("cli",),
]
LATE = {"warmstart.core.loaded_model": {"warmstart.core.loading"}}
"""`Model.load` opens a model: imported when it is called."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = {"tensorflow", "keras"}


class _WithoutTypeChecking(ast.NodeTransformer):
    def visit_If(self, node: ast.If):
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def _imports(text: str) -> set[str]:
    """Every module that the code imports, at whatever depth, except for type checkers only."""
    found: set[str] = set()
    for node in ast.walk(_WithoutTypeChecking().visit(ast.parse(text))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(ROOT)))
def file(request) -> Path:
    return request.param


def test_imports_point_downwards(file):
    room = file.relative_to(ROOT).parts[0].removesuffix(".py")
    if room not in FLOOR:  # __init__ and __main__ stand above all
        return
    for name in _imports(file.read_text()):
        if name.startswith("warmstart."):
            target = name.split(".")[1]
            assert target == room or FLOOR.get(target, 99) < FLOOR[room], f"{file} imports {name}"


def test_no_files_import_each_other_in_a_circle():
    names = {
        ".".join(("warmstart", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in FILES
    }
    targets = {}
    for name, path in names.items():
        found: set[str] = set()
        for node in ast.walk(_WithoutTypeChecking().visit(ast.parse(path.read_text()))):
            if isinstance(node, ast.ImportFrom):
                found |= {
                    whole if (whole := f"{node.module}.{alias.name}") in names else str(node.module)
                    for alias in node.names
                }
        targets[name] = found & names.keys() - {name} - LATE.get(name, set())
    while free := {name for name, found in targets.items() if not found & targets.keys()}:
        targets = {name: found for name, found in targets.items() if name not in free}
    while free := targets.keys() - set().union(
        *targets.values()
    ):  # they import a circle, but are in none
        targets = {name: found for name, found in targets.items() if name not in free}
    assert not targets


def test_one_version():
    assert (
        f'\nversion = "{warmstart.__version__}"\n'
        in (ROOT.parents[1] / "pyproject.toml").read_text()
    )


def test_tensorflow_stays_where_it_belongs(file):
    parts = file.relative_to(ROOT)
    names = ("keras", "compile", "export", "quantizer")
    engines = [f"engines/{name}.py" for name in names]
    allowed = (
        parts.parts[0] in ("models", "training") or "train" in parts.parts or str(parts) in engines
    )
    assert allowed or not {name.split(".")[0] for name in _imports(file.read_text())} & HEAVY


def test_files_stay_small(file):
    assert len(file.read_text().splitlines()) <= 350 or file.name == "api.py"  # which is generated


OWN_PICKLES = {("import pickle", "parser.py"), ("pickle.load", "parser.py")}
"""Calls between the server and the process that it started to parse; nothing from outside."""


def test_no_pickles_and_no_code_from_files(file):
    text = file.read_text()
    for word in (
        "import pickle",
        "pickle.load",
        "eval(",
        "exec(",
        "torch.load",
        "allow_pickle=True",
        "os.system(",
    ):
        assert word not in text or (word, file.name) in OWN_PICKLES
