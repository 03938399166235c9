"""What the product does, as plain data: through its public names, its command line and HTTP only.

Names of modules, private attributes and messages are about to change; results, columns, schemas and
options are not.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import inspect
import io
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import warmstart as ws
from warmstart.cli import main

from .cases import BUNDLE_FOLDER, BUNDLES, CASES, HERE, ROOT, Case

RECORDED = HERE / "recorded"
SOME = 8
"""So many numbers of an array are compared, from its first to its last, and its shape and norm."""


def load(case: Case) -> Any:
    """The model of a case, on the engine that every machine has."""
    return ws.load(case.model, task=case.task, engine="litert")


def error(call: Callable[[], Any]) -> dict[str, str]:
    """The class of the error that a call raises, and its message."""
    try:
        call()
    except ws.errors.WarmstartError as raised:
        return {"type": type(raised).__name__, "error": str(raised)}
    return {"type": "none", "error": ""}


def plain(value: Any) -> Any:
    """As JSON holds it: no tuples, no numpy, paths without what is of this machine."""
    if isinstance(value, Mapping):
        return {
            str(name): len(one) if name == "audio_wav" else plain(one)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray):
        places = np.linspace(0, value.size - 1, SOME).astype(int)
        return plain(
            {
                "shape": value.shape,
                "dtype": str(value.dtype),
                "some": value.ravel()[places].tolist(),
                "norm": np.linalg.norm(value.ravel()),
            }
        )
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, str | Path):
        return str(value).replace(str(ROOT), "<root>")
    return value


def result(answer: Any) -> Any:
    """A result's dictionary, and of results that are arrays some of their numbers."""
    if isinstance(answer, list):
        return [result(one) for one in answer]
    if not answer:
        return {**answer.to_dict(), "type": type(answer.error).__name__}
    more = {}
    if isinstance(answer, ws.Audio):
        more["samples"] = answer.samples
    if isinstance(answer, ws.Segmentation):
        more["labels_map"] = answer.labels_map[::10, ::10].astype(int).tolist()
    if isinstance(answer, ws.Forecast) and answer.samples is not None:
        more["samples"] = np.asarray(answer.samples)
    return {**answer.to_dict(), **more}


def results(case: Case) -> Any:
    """All that a model answers in Python."""
    model = load(case)
    forms = {
        name: make for name, make in case.single.items() if name not in case.input_for.values()
    }
    first = next(iter(forms.values()))
    chosen = []
    for given in case.options:
        form = next(
            (case.single[case.input_for[name]] for name in given if name in case.input_for), first
        )
        chosen.append({"options": given, "result": result(model(form(), **given))})
    unusable = next(place for place, one in enumerate(model(case.several())) if not one)
    return plain(
        {
            "class": type(model).__name__,
            "task": model.task,
            "name": model.name,
            "labels": [[label.index, label.id, label.name] for label in model.labels[:20]],
            "single": {name: result(model(make())) for name, make in forms.items()},
            "several": result(model(case.several())),
            "none": result(model([])),
            "options": chosen,
            "unusable": error(lambda: model(case.several()[unusable])),
            "no such option": error(lambda: model(first(), nonsense=1)),
            "features": features(model, first()),
            "evaluate": model.evaluate(case.labelled()) if case.labelled() is not None else None,
        }
    )


def features(model: Any, value: Any) -> Any:
    """Features of one input, or the error of a model that has none."""
    try:
        return model.features(value)
    except ws.errors.UsageError as raised:
        return {"type": type(raised).__name__, "error": str(raised)}


def bundle(name: str) -> Any:
    """What a bundle of version 0.1 is and answers; needs TensorFlow where the bundle is too large
    for an artifact.
    """
    folder, (inputs, options) = BUNDLE_FOLDER / name, BUNDLES[name]
    model = ws.load(folder, engine="litert" if (folder / "artifacts").exists() else "keras")
    return plain(
        {
            "class": type(model).__name__,
            "task": model.task,
            "name": model.name,
            "labels": [[label.index, label.id, label.name] for label in model.labels],
            "history": [
                {key: value for key, value in epoch.items() if key != "seconds"}
                for epoch in model.history
            ],
            "metrics": [[metric.name, metric.value] for metric in model.entry.metrics],
            "report": model.report().name if model.history else None,
            "results": result(model(inputs(), **options)),
            "features": model.features(inputs()[0]),
        }
    )


def merged() -> Any:
    """The adapter once more, merged with its base by Keras: its artifact does not need the base.
    Needs TensorFlow.
    """
    name = "text-classification-lora"
    return plain(result(ws.load(BUNDLE_FOLDER / name, engine="keras")(BUNDLES[name][0]())))


def batch(case: Case, folder: Path) -> Any:
    """The names of files and fields that a batch writes."""
    import pyarrow.parquet

    if case.task == "audio-generation":
        return plain(error(lambda: ws.batch(load(case), case.batch(), folder / "none")))
    model = load(case)
    done = ws.batch(model, case.batch(), folder / "jsonl", on="local")
    ws.batch(model, case.batch(), folder / "parquet", on="local", format="parquet")
    schema = pyarrow.parquet.read_schema(next((folder / "parquet").glob("part-*.parquet")))
    rows = list(done.results())
    assert rows == [
        json.loads(line)
        for path in sorted((folder / "jsonl").glob("part-*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    return plain(
        {
            "files": sorted(
                str(path.relative_to(folder))
                for path in folder.rglob("*")
                if path.is_file() and not path.name.startswith(".")
            ),
            "keys": shape(rows[0]),
            "rows": [[row["row"], row["source"], row["input"]] for row in rows],
            "failures": [
                {
                    "row": one["row"],
                    "input": one["source"],
                    "error": one["error"],
                    "keys": sorted(one),
                }
                for one in done.failures()
            ],
            "counts": {
                name: value
                for name, value in done.to_dict().items()
                if name not in ("seconds", "folder")
            },
            "schema": [[field.name, str(field.type)] for field in schema],
        }
    )


def shape(value: Any) -> Any:
    """Names and types of a JSON value; of a list those of its first element."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


class Printed(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def command(*arguments: str, folder: Path) -> Printed:
    """`warmstart …` in a folder; in this process, which saves half a second."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["warmstart", *arguments]),
        mock.patch.dict(os.environ, COLUMNS="200", WARMSTART_OFFLINE="1"),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Printed(code, out.getvalue(), err.getvalue())


def predict_command(case: Case, folder: Path) -> Any:
    """What `warmstart predict` prints as JSON and as CSV; numbers of CSV as numbers."""
    whole = ("predict", "--model", str(case.model), "--task", case.task, "--engine", "litert")
    printed = command(*whole, "--json", *case.arguments, folder=folder)
    table = command(*whole, "--csv", *case.arguments, folder=folder)
    assert "Traceback" not in printed.err + table.err, printed.err + table.err
    return plain(
        {
            "code": printed.code,
            "json": [json.loads(line) for line in printed.out.splitlines()],
            "csv code": table.code,
            "csv": [[number(cell) for cell in row] for row in csv.reader(io.StringIO(table.out))],
        }
    )


def number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def commands() -> dict[str, list[str]]:
    """Every command, and the names of its options as its help lists them; those of `predict` for
    each task, too.
    """
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, ...]] = [
        (),
        *(("predict", "--task", case.task) for case in CASES.values()),
    ]
    while waiting:
        path = waiting.pop()
        text = command(*path, "--help-all", folder=ROOT).out
        heads = re.findall(
            r"^  (-[\w-].*?)(?:  |$)", text.partition("\nExamples:")[0], re.MULTILINE
        )
        found[" ".join(path)] = sorted(
            {name for head in heads for name in re.findall(r"(?<!\w)--?[\w-]+", head)}
        )
        if " COMMAND " in text.partition("\n")[0]:
            names = re.findall(r"^  ([a-z][\w-]*)  ", text, re.MULTILINE)
            waiting += [(*path, name) for name in names]
    return dict(sorted(found.items()))


def api() -> dict[str, Any]:
    """The public names, and the parameters of what is called most."""
    found: dict[str, Any] = {"__all__": sorted(ws.__all__)}
    for name in ("load", "backbone", "list_models", "finetune", "pick", "batch"):
        found[name] = parameters(getattr(ws, name))
    classes = {type(load(case)) for case in CASES.values()}
    for each in sorted(classes, key=lambda one: one.__name__):
        for method in ("__call__", "features", "evaluate"):
            found[f"{each.__name__}.{method}"] = parameters(getattr(each, method))
    entry = importlib.metadata.entry_points(group="console_scripts", name="warmstart")
    found["console script"] = [one.value for one in entry]
    return found


def parameters(function: Callable[..., Any]) -> list[list[str]]:
    """Name, kind and default of each parameter."""
    return [
        [one.name, one.kind.name.lower(), "" if one.default is one.empty else repr(one.default)]
        for one in inspect.signature(function).parameters.values()
        if one.name != "self"
    ]


def serve_arguments() -> Sequence[str]:
    """Of `warmstart serve`: every case's model under the case's name."""
    return [f"{name}={case.model}" for name, case in CASES.items()]


def http(ask: Callable[[str, Any], tuple[int, Any]]) -> dict[str, Any]:
    """What a server with all models says: its OpenAPI document, and of each model metadata and
    answers.

    Args:
        ask: (path, JSON body or None) -> (status, JSON).
    """
    found: dict[str, Any] = {"openapi": ask("/openapi.json", None)[1]}
    for name, case in CASES.items():
        status, answer = ask(f"/v1/predict/{name}", case.request)
        found[name] = {
            "metadata": ask(f"/v2/models/{name}", None)[1],
            "status": status,
            "answer": answer,
        }
    return {name: plain(one) for name, one in found.items()}
