"""The house stands: imports point downwards, heavy packages stay where they belong, files stay
small.
"""

import ast
from functools import cache
from pathlib import Path

import warmstart

ROOT = Path(warmstart.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
FLOORS = [
    (
        "atomic",
        "counts",
        "digests",
        "errors",
        "json_values",
        "lazy",
        "log",
        "ranking",
        "suggestions",
        "version",
    ),
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


@cache
def _imports(path: Path) -> set[str]:
    """Every module that a file imports, at whatever depth, except for type checkers only."""
    names: set[str] = set()
    for node in ast.walk(_WithoutTypeChecking().visit(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_imports_point_downwards():
    upwards = []
    for path in FILES:
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room not in FLOOR:  # __init__ and __main__ stand above all
            continue
        for name in _imports(path):
            target = name.split(".")[1] if name.startswith("warmstart.") else room
            if target != room and FLOOR.get(target, 99) >= FLOOR[room]:
                upwards.append(f"{path} imports {name}")
    assert upwards == []


def test_no_files_import_each_other_in_a_circle():
    names = {
        ".".join(("warmstart", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in FILES
    }
    targets = {}
    for name, path in names.items():
        modules = {
            imported if imported in names else imported.rpartition(".")[0]
            for imported in _imports(path)
        }
        targets[name] = modules & names.keys() - {name} - LATE.get(name, set())
    while free := {name for name, modules in targets.items() if not modules & targets.keys()}:
        targets = {name: modules for name, modules in targets.items() if name not in free}
    while free := targets.keys() - set().union(
        *targets.values()
    ):  # they import a circle, but are in none
        targets = {name: modules for name, modules in targets.items() if name not in free}
    assert not targets


def test_one_version():
    assert (
        f'\nversion = "{warmstart.__version__}"\n'
        in (ROOT.parents[1] / "pyproject.toml").read_text()
    )


def test_tensorflow_stays_where_it_belongs():
    engines = [f"engines/{name}.py" for name in ("keras", "compile", "export", "quantizer")]
    strays = []
    for path in FILES:
        parts = path.relative_to(ROOT)
        allowed = (
            parts.parts[0] in ("models", "training")
            or "train" in parts.parts
            or str(parts) in engines
        )
        if not allowed and {name.split(".")[0] for name in _imports(path)} & HEAVY:
            strays.append(str(parts))
    assert strays == []


def test_files_stay_small():
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    generated = {"api.py"}
    assert [
        path for path, lines in lengths.items() if lines > 350 and path.name not in generated
    ] == []


OWN_PICKLES = {("import pickle", "parser.py"), ("pickle.load", "parser.py")}
"""Calls between the server and the process that it started to parse; nothing from outside."""
UNSAFE = (
    "import pickle",
    "pickle.load",
    "eval(",
    "exec(",
    "torch.load",
    "allow_pickle=True",
    "os.system(",
)


def test_no_pickles_and_no_code_from_files():
    uses = {
        (word, path.name)
        for path in FILES
        for text in [path.read_text()]
        for word in UNSAFE
        if word in text
    }
    assert uses - OWN_PICKLES == set()
