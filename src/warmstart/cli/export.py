"""`warmstart export`: a model in the format of other tools."""

from __future__ import annotations

import json

import click

from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import (
    agreement_option,
    calibration_option,
    column_option,
    weights_option,
)


@click.command(
    "export",
    cls=Command,
    examples=(
        "warmstart export mobilenet_v2 model.tflite",
        "warmstart export ./my-model served --format saved_model",
        "warmstart export ./my-model model.onnx",
        "warmstart export ./mine m.tflite --precision int8 --calibration photos/",
    ),
    params=[
        Argument(
            ["model"], help="A name from `warmstart list`, a bundle's folder, or hf://org/name."
        ),
        Argument(["path"], help="File or folder to write; never overwrites."),
        Option(
            ["--format", "-f"],
            metavar="[saved_model|litert|onnx|openvino|keras]",
            help="Default: by the suffix of PATH (.tflite, .onnx, .keras), else saved_model.",
        ),
        weights_option(),
        Option(
            ["--precision"], default="float32", metavar="[float32|int8]", help="int8 is for litert."
        ),
        calibration_option(),
        agreement_option(),
        column_option(),
        Option(
            ["--integer-io"],
            is_flag=True,
            help=(
                "With --calibration: only int8, including inputs and outputs, for "
                "microcontrollers and accelerators."
            ),
        ),
    ],
)
def command(
    model: str,
    path: str,
    format: str | None,
    weights: str,
    precision: str,
    calibration: str | None,
    agreement: float | None,
    column: tuple[str, ...],
    integer_io: bool,
) -> None:
    """Write a model for TensorFlow Serving, LiteRT, ONNX Runtime, OpenVINO or Keras.

    The file is compared with the model before it appears; a JSON file next to it describes how inputs
    are prepared.
    """
    from warmstart.cli.models import calibration_request, compiling, open_model
    from warmstart.core.exporting import checked_format, next_step, note_of
    from warmstart.core.terminal import say
    from warmstart.errors import UsageError

    checked_format(path, format)
    for option, value in (("calibration", calibration), ("agreement", agreement)):
        if value is not None and precision != "int8":
            raise UsageError(f"--{option} needs --precision int8.")
    if column and calibration is None:
        raise UsageError("--column needs --calibration.")
    opened = open_model(model, weights=weights, precision=precision)
    request = calibration_request(opened, calibration, agreement, column)
    opened = opened.in_precision(precision, request, agreement)
    if not integer_io:
        with compiling(opened):
            opened.artifact  # noqa: B018 (compile now, with its progress shown)
    with compiling(opened, "Exporting"):
        written = opened.export(path, format, integer_io=integer_io)
    note = note_of(written)
    facts = json.loads(note.read_text("utf-8"))
    files = (
        [written] if written.is_file() else [file for file in written.rglob("*") if file.is_file()]
    )
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{written}: {facts['format']}, {size:.1f} MB")
    if "agreement" in facts:
        print(f"  agreement with float32: {facts['agreement']:.1%}")
    print(
        f"  largest difference from the model: {facts['largest_difference']:.1g}; preprocessing "
        f"and labels: {note}"
    )
    say(f"  next: {next_step(facts['format'], written)}")
