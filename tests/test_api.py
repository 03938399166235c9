"""The public names: generated from the table of tasks, lazy, and described by `help`."""

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
    assert "Open a pretrained model" in (ws.load.__doc__ or "")
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
