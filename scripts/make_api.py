"""Write src/warmstart/api.py: the public names with their types, derived from the table of tasks.

python scripts/make_api.py            # writes the file
python scripts/make_api.py --check    # exits with 1 where it is not current
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from warmstart.core.load_options import LoadOptions
from warmstart.core.loading import load
from warmstart.core.options import fields_of
from warmstart.core.task import TASKS, wrapper_class
from warmstart.training import finetune
from warmstart.training import types as training_types
from warmstart.training.options import TrainOptions
from warmstart.training.wrap import wrap

TARGET = Path(__file__).parents[1] / "src" / "warmstart" / "api.py"
OTHERS = {
    "BatchResult": "warmstart.bulk.batch",
    "Entries": "warmstart.core.listing",
    "Entry": "warmstart.catalog",
    "Evaluation": "warmstart.core.evaluation",
    "Failed": "warmstart.core.results",
    "Index": "warmstart.core.search",
    "Matches": "warmstart.core.search",
    "Model": "warmstart.core.model",
    "Prediction": "warmstart.core.results",
    "ResultStream": "warmstart.core.result_collections",
    "Results": "warmstart.core.result_collections",
    "Box": "warmstart.image.results.detections",
    "Entity": "warmstart.text.results",
    "Segment": "warmstart.speech.results.transcript",
    "TextScore": "warmstart.text.results",
    "Word": "warmstart.speech.results.transcript",
    "backbone": "warmstart.core.loading",
    "batch": "warmstart.bulk.batch",
    "list_models": "warmstart.core.loading",
    "pick": "warmstart.image.train.pick",
    "to_frame": "warmstart.core.result_collections",
}
"""Public names that no task brings."""
OPTION_TYPES = sorted(
    name
    for name, value in vars(training_types).items()
    if value is object  # Keras is imported by type checkers only
)


def names() -> dict[str, str]:
    """Every public name but `load` with its module."""
    found = dict(OTHERS)
    for task in TASKS.values():
        model = task.model_class()
        for public in (model, model.result):
            found[public.__name__] = public.__module__
    return dict(sorted(found.items()))


def keywords() -> str:
    """The keywords of `load` besides `task`, with their defaults."""
    parameters = inspect.signature(load).parameters
    types = LoadOptions.__annotations__
    lines = []
    for name, parameter in parameters.items():
        if name in types:
            annotation = getattr(types[name], "__forward_arg__", types[name])
            default = repr(parameter.default).replace("'", '"')
            lines.append(f"    {name}: {annotation} = {default},".replace("'", '"'))
    return "\n".join(lines)


def _import_order(line: str) -> tuple[str, bool, str]:
    """Modules, then classes before functions, as the linter sorts imports."""
    module, _, name = line.partition(" import ")
    return module, name[0].islower(), name.lower()


def training_keywords(options: type) -> str:
    """The fields of an options class of fine-tuning as keywords, with their types and defaults."""
    annotations: dict[str, str] = {}
    for base in reversed(options.__mro__):
        annotations |= inspect.get_annotations(base)
    lines = []
    for name, field in fields_of(options).items():
        annotated = ast.parse(annotations[name], mode="eval").body
        assert isinstance(annotated, ast.Subscript)
        assert isinstance(annotated.slice, ast.Tuple)
        hint = ast.unparse(annotated.slice.elts[0]).replace("'", '"')
        default = "" if field.default is MISSING else " = " + repr(field.default).replace("'", '"')
        lines.append(f"    {name}: {hint}{default},")
    return "\n".join(lines)


def source() -> str:
    """The text of the module."""
    homes = names()
    by_module = sorted(homes.items(), key=lambda item: (item[1], item[0]))
    lines = [f"    from {module} import {name} as {name}" for name, module in by_module]
    imports = "\n".join(
        sorted([*lines, "    from warmstart.core.types import Data"], key=_import_order)
    )
    modules = "\n".join(f'    "{name}": "{module}",' for name, module in homes.items())
    public = "\n".join(f'    "{name}",' for name in sorted([*homes, "finetune", "load", "wrap"]))
    overloads = "".join(
        f"""@overload
def load(
    name: Name,
    *,
    task: Literal["{task.name}"],
{keywords()}
) -> {task.model_class().__name__}: ...
"""
        for task in TASKS.values()
    )
    trainings = "".join(
        f"""@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: Literal["{task.name}"],
{training_keywords(task.train_options_class())}
) -> {task.model_class().__name__}: ...
"""
        for task in TASKS.values()
        if task.trainer
    )
    wrappings = "".join(
        f"""@overload
def wrap(
    model: KerasSource,
    *,
    task: Literal["{task.name}"],
{training_keywords(wrapper_class(task.name).options_class)}
) -> {task.model_class().__name__}: ...
"""
        for task in TASKS.values()
        if task.wrapper
    )
    every = trainings + wrappings + training_keywords(TrainOptions)
    option_types = "\n".join(
        f"        {name}," for name in OPTION_TYPES if re.search(rf"\b{name}\b", every)
    )
    return f'''"""The public names with their types. Written by scripts/make_api.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, overload

from warmstart.core.keywords import refuse_unknown

if TYPE_CHECKING:
    from warmstart import hub
{imports}
    from warmstart.training.types import (
{option_types}
    )

MODULES = {{
{modules}
}}
"""Public name -> the module that defines it; imported when the name is first used."""

__all__ = [
{public}
]

Name: TypeAlias = Union[str, "PathLike[str]"]


{overloads}@overload
def load(
    name: Name,
    *,
    task: str | None = None,
{keywords()}
) -> Model[Any, Any, Any]: ...
@refuse_unknown
def load(
    name: Name,
    *,
    task: str | None = None,
{keywords()}
) -> Model[Any, Any, Any]:
{docstring(load)}
    from warmstart.core.loading import load as load_model

    return load_model(
        name,
        task=task,
        weights=weights,
        engine=engine,
        precision=precision,
        calibration=calibration,
        agreement=agreement,
        device=device,
        revision=revision,
        offline=offline,
        progress=progress,
    )


{trainings}@overload
def finetune(
    base: Name | Model[Any, Any, Any],
    data: Data,
    *,
    task: str,
{training_keywords(TrainOptions)}
) -> Model[Any, Any, Any]: ...
@overload
def finetune(
    base: Name | Model[Any, Any, Any], data: Data, *, task: None = None, **options: object
) -> Model[Any, Any, Any]: ...
def finetune(
    base: Name | Model[Any, Any, Any], data: Data, *, task: str | None = None, **options: object
) -> Model[Any, Any, Any]:
{docstring(finetune)}
    from warmstart.training import finetune as train

    return train(base, data, task=task, **options)


{wrappings}@overload
def wrap(model: KerasSource, *, task: str, **options: object) -> Model[Any, Any, Any]: ...
def wrap(model: KerasSource, *, task: str, **options: object) -> Model[Any, Any, Any]:
{docstring(wrap)}
    from warmstart.training.wrap import wrap as wrap_model

    return wrap_model(model, task=task, **options)
'''


def docstring(function: Callable[..., Any]) -> str:
    """The docstring of a function, as the body of another."""
    lines = (inspect.getdoc(function) or "").splitlines()
    body = "\n".join(f"    {line}".rstrip() for line in lines[1:])
    return f'    """{lines[0]}\n{body}\n    """'


if __name__ == "__main__":
    text = source()
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text("utf-8") != text)
    TARGET.write_text(text, "utf-8")
