"""`Model.export`: writes the model's program in another format, after comparing it with the model.

An export does not describe how its inputs are made and what its outputs mean. That is written to
`model.json` in its folder, or to `<name of the file>.json` next to its file.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from warmstart.atomic import scratch_folder
from warmstart.core.compiling import job_of, run_process
from warmstart.engines.export import FORMATS
from warmstart.errors import CacheError, UsageError, documented_in, require
from warmstart.suggestions import unknown_name

if TYPE_CHECKING:
    from warmstart.catalog import Entry, Label
    from warmstart.core.calibration import Request
    from warmstart.core.weights import Weights
    from warmstart.engines.base import TensorSpec
    from warmstart.engines.calibration import Calibration
    from warmstart.engines.store import Artifact

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", "keras": ".keras"}
NOTE, FOLDER_NOTE = ".json", "model.json"
NEEDS = {"onnx": ("tf2onnx", "onnx", "onnxruntime"), "openvino": ("openvino",)}


class Exported(Protocol):
    """The properties of the model that an export needs."""

    entry: Entry
    labels: tuple[Label, ...]
    weights: Weights
    output_notes: ClassVar[Mapping[str, str]]
    precision: str
    on_stage: Callable[[str], None]
    _calibration: Request | None

    @property
    def name(self) -> str: ...

    @property
    def artifact(self) -> Artifact: ...

    def in_precision(self, precision: str) -> Exported: ...


@documented_in("export.md")
def export(
    model: Exported, path: str | Path, format: str | None = None, *, integer_io: bool = False
) -> Path:
    """Write a model as another format; arguments and errors are those of `Model.export`."""
    path = Path(path).expanduser()
    format = checked_format(path, format)
    if model.precision == "int8" and format != "litert":
        raise UsageError(
            f"An int8 program can be exported as litert only; for {format} load {model.name} in float32."
        )
    calibration = _calibration(model, format) if integer_io else None
    _require_packages(format)
    artifact = model.in_precision("float32").artifact if calibration else model.artifact
    if format == "litert" and artifact.path.suffix != ".tflite":
        raise UsageError(
            "The int8 program of NNCF runs on OpenVINO only, and the agreement of LiteRT's with "
            "float32 was too low; request less agreement, or export in float32."
        )
    is_file = format in SUFFIXES and not (format == "onnx" and len(artifact.signatures) > 1)
    if is_file and path.suffix != SUFFIXES[format]:
        raise UsageError(
            f"An export as {format} is one file; call it {path.name}{SUFFIXES[format]}."
        )
    note = path.with_name(path.name + NOTE) if is_file else path / FOLDER_NOTE
    _require_new(note)
    try:
        with scratch_folder(path.parent, ".exporting-") as temporary:
            exported = temporary / path.name
            record = write(model, format, exported, calibration)
            facts = describe(model, artifact, format, record)
            written = exported.parent / note.name if is_file else exported / note.name
            written.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
            if is_file:
                os.replace(written, note)
            os.replace(exported, path)
    except OSError as error:
        raise CacheError(
            f"{path} cannot be written ({error.strerror or error}); free some space, or choose another path."
        ) from error
    return path


def write(
    model: Exported, format: str, path: Path, calibration: Calibration | None = None
) -> Mapping[str, Any]:
    """Write the program of a model in another format, in a separate process, without the note on
    inputs and outputs.

    Returns:
        The measurements: `difference`, the largest from the outputs of the model, and the others
        that `describe` takes.

    Raises:
        CompileError: the format cannot hold the program, or the result differs from it.
        MissingPackageError: a package that writes the format is not installed.
    """
    _require_packages(format)
    exact = model if calibration is None else model.in_precision("float32")
    job = job_of(model.entry, model.weights) | {
        "format": format,
        "path": str(path),
        "artifact": str(exact.artifact.folder.absolute()),
    }
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        if calibration is not None:
            job["calibration"] = calibration.save(Path(folder) / "inputs.npz")
        return run_process(job, f"Exporting {model.name}", model.on_stage)


def _require_packages(format: str) -> None:
    """Check that the packages that write a format are installed.

    Raises:
        MissingPackageError: one is not.
    """
    if packages := NEEDS.get(format):
        require(*packages, extra=format, purpose=f"to export as {format}")
    if format in ("saved_model", "onnx", "keras"):
        require("tensorflow", extra="tensorflow", purpose=f"to export as {format}")


def note_of(exported: Path) -> Path:
    """The JSON file that belongs to an export."""
    return exported / FOLDER_NOTE if exported.is_dir() else exported.with_name(exported.name + NOTE)


def _calibration(model: Exported, format: str) -> Calibration:
    """The calibration for an integer-only export.

    Raises:
        UsageError: the model was loaded without one, or the format does not support it.
    """
    if format != "litert" or model.precision != "int8" or model._calibration is None:
        raise UsageError(
            "integer_io needs the format litert, and a model loaded with precision='int8' and "
            "calibration=DATA."
        )
    return model._calibration.calibration(cast("Any", model))


def _tensor(spec: TensorSpec, scales: Mapping[str, tuple[float, int]]) -> dict[str, Any]:
    """An input or output as JSON values; `scales` contains the quantised ones."""
    described: dict[str, Any] = {
        "name": spec.name,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
    }
    if spec.name in scales:
        scale, zero_point = scales[spec.name]
        described |= {"dtype": "int8", "scale": scale, "zero_point": zero_point}
    return described


def describe(
    model: Exported, artifact: Artifact, format: str, record: Mapping[str, Any]
) -> dict[str, Any]:
    """The description that is written next to an export: its functions, how inputs are made, and
    what outputs mean. `record` is the record of the export job.
    """
    entry, meaning = model.entry.to_dict(), dict(model.output_notes)
    functions = {
        name: {
            side: [_tensor(spec, record.get("scales", {})) for spec in specs]
            for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs))
        }
        for name, signature in artifact.signatures.items()
    }
    return {
        "model": model.name,
        "task": model.entry.task,
        "format": format,
        "precision": "int8, integers only" if "scales" in record else artifact.precision,
        **_agreement(artifact, record),
        **({"functions": functions, "outputs": meaning} if format != "keras" else {}),
        "largest_difference": record["difference"],
        **record.get("saved_model", {}),
        **{key: entry[key] for key in ("preprocessing", "processing") if entry.get(key)},
        "labels": [label.name for label in model.labels],
        "licence": model.entry.licence,
    }


def _agreement(artifact: Artifact, record: Mapping[str, Any]) -> dict[str, Any]:
    if "agreement" in record:
        return {"agreement": record["agreement"]}
    calibrated = artifact.calibration
    return {} if calibrated is None else {"agreement": calibrated.agreement["litert"]}


def checked_format(path: str | Path, format: str | None) -> str:
    """The format of an export; default: that of the suffix of its path.

    Raises:
        UsageError: there is no such format, or the path exists already.
    """
    path = Path(path).expanduser()
    format = format or _format_of(path)
    if format not in FORMATS:
        raise UsageError(unknown_name("There is no format", format, FORMATS, "There are"))
    _require_new(path)
    return format


def _require_new(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} already exists; choose a new path; nothing was overwritten.")


def _format_of(path: Path) -> str:
    """The format for the suffix of a path.

    Raises:
        UsageError: no format has this suffix.
    """
    if not re.fullmatch(r"\.[A-Za-z]\w*", path.suffix):
        return "saved_model"
    for format, suffix in SUFFIXES.items():
        if suffix == path.suffix:
            return format
    known = ", ".join(SUFFIXES.values())
    raise UsageError(
        f"{path}: unknown suffix {path.suffix}; use {known}, no suffix for a folder, or name a "
        "format, such as format='onnx'."
    )


def next_step(format: str, path: Path) -> str:
    """How an export of a format is opened, in code or on a shell."""
    name = path.stem
    steps = {
        "saved_model": f"docker run -p 8501:8501 -v {path.resolve()}:/models/{name}/1 "
        f"-e MODEL_NAME={name} tensorflow/serving",
        "litert": f'ai_edge_litert.interpreter.Interpreter("{path}")',
        "onnx": f'onnxruntime.InferenceSession("{path}")',
        "openvino": f'openvino.Core().compile_model("{next(path.glob("*.xml"), path)}")',
        "keras": f'keras.models.load_model("{path}")',
    }
    return steps[format]
