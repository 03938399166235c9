"""`warmstart export`: a model in the format of other tools."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="A name from `warmstart list`, a bundle's folder, or hf://org/name.")],
    path: Annotated[str, typer.Argument(help="What to write; nothing is overwritten.")],
    format: Annotated[str | None, typer.Option("--format", "-f", help="saved_model, litert, onnx, openvino or keras. "
                      "Default: what the suffix says (.tflite, .onnx, .keras), else saved_model.")] = None,
    weights: Annotated[str, typer.Option(help="A checkpoint to use instead of the published weights.")] = "pretrained",
    precision: Annotated[str, typer.Option(help="float32; int8 for litert.")] = "float32",
) -> None:
    """Write a model for TensorFlow Serving, LiteRT, ONNX Runtime, OpenVINO or Keras.

    The file is compared with the model before it is there; beside it, a JSON file says how inputs are made.
    """
    from warmstart.cli.opening import compiling, open_model
    from warmstart.core.exporting import note_of

    opened, _ = open_model(model, weights=weights, precision=precision)
    with compiling(opened):
        opened.artifact  # noqa: B018 (compile now, with its progress shown)
    with compiling(opened, "Exporting"):
        written = opened.export(path, format)
    note = note_of(written)
    told = json.loads(note.read_text("utf-8"))
    files = [written] if written.is_file() else [file for file in written.rglob("*") if file.is_file()]
    print(f"{written}: {told['format']}, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB")
    print(f"  largest difference from the model: {told['largest_difference']:.1g}; preprocessing and labels: {note}")
