"""The public names: generated from the table of tasks, lazy, and described by `help`."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import warmstart as ws
from warmstart.core.task import TASKS

ROOT = Path(__file__).parents[1]


def test_the_generated_module_is_current():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_api.py", "--check"], check=False
    )
    assert done.returncode == 0, "run python scripts/make_api.py"


def test_every_public_name_exists():
    for name in ws.__all__:
        assert getattr(ws, name) is not None, name


def test_every_task_brings_its_model_and_result():
    for task in TASKS.values():
        if task.name.startswith("image-brightness"):  # registered by a test
            continue
        model = task.model_class()
        assert getattr(ws, model.__name__) is model
        assert getattr(ws, model.result.__name__) is model.result


def test_signatures_show_defaults():
    parameters = inspect.signature(ws.ImageClassifier.__call__).parameters
    assert parameters["top_k"].default == 5
    assert inspect.signature(ws.load).parameters["engine"].default == "auto"
    assert "Load a pretrained model" in (ws.load.__doc__ or "")
    assert "Fine-tune" in (ws.finetune.__doc__ or "") or "Train a pretrained" in (
        ws.finetune.__doc__ or ""
    )


def test_importing_the_package_is_light():
    code = (
        "import sys, warmstart; heavy = {'numpy', 'tensorflow', 'keras', 'pandas', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_parameters_of_the_public_functions_are_typed():
    tree = ast.parse((ROOT / "src" / "warmstart" / "api.py").read_text("utf-8"))
    untyped = {
        f"{function.name}({parameter.arg}) in line {parameter.lineno}"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for parameter in [*function.args.args, *function.args.kwonlyargs]
        if "Any" in _names_outside_of_models(parameter.annotation)
    }
    assert not untyped


def _names_outside_of_models(annotation: ast.expr | None) -> set[str]:
    """The names in an annotation; those in `Model[Any, Any, Any]`, any model, are left out."""
    assert annotation is not None
    text = ast.unparse(annotation).replace("Model[Any, Any, Any]", "Model")
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
