"""`warmstart finetune`: labelled data becomes a model of your own."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

HOW, OTHERS = "How", "Other options"


def finetune(
    data: Annotated[str, typer.Argument(help="A folder of class folders (or of train, val and test that are), or a "
                                             "CSV, TSV, JSONL or Parquet file of paths and labels; boxes as VOC, "
                                             "COCO, YOLO or CSV; masks as folders or COCO; texts and labels in a TSV, "
                                             "CSV or JSONL file, CoNLL, SQuAD JSON, or plain text; series; "
                                             "recordings and their texts as a folder, CSV or JSONL file.")],
    model: Annotated[str, typer.Option("--model", "-m", help="What to start from: a name from `warmstart list`, or a "
                                                             "folder; deepar: a forecaster from scratch.")],
    output: Annotated[str, typer.Option("--output", "-o", help="A new folder for the model and its report; run again "
                                                               "with the same one, it resumes.")],
    weights: Annotated[str, typer.Option(help="A checkpoint to start from, not the published weights.")] = "pretrained",
    task: Annotated[str | None, typer.Option(help="What the result does, where the model does something else.")] = None,
    validation: Annotated[str | None, typer.Option(help="Data to validate with, or the share of DATA that is kept for "
                                                        "it.", rich_help_panel=HOW)] = None,
    epochs: Annotated[int | None, typer.Option(help="How often all of the data is seen, at most.",
                                               rich_help_panel=HOW)] = None,
    freeze: Annotated[str | None, typer.Option(help="What of the base stays as it is: backbone (train the head only), "
                                                    "none, a number of its first layers, or a layer's name; stem "
                                                    "where boxes or masks are learned.",
                                               rich_help_panel=HOW)] = None,
    lora: Annotated[int | None, typer.Option(help="Texts: train a low-rank adapter of this rank and the head; the base "
                                                  "stays as it is.", rich_help_panel=HOW)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest learning rate.",
                                                        rich_help_panel=HOW)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Training examples per step.",
                                                   rich_help_panel=HOW)] = None,
    horizon: Annotated[int | None, typer.Option(help="Series: steps to forecast.", rich_help_panel=HOW)] = None,
    augment: Annotated[bool | None, typer.Option("--augment/--no-augment", help="Whether training data is varied.",
                                                 rich_help_panel=HOW)] = None,
    class_weight: Annotated[str | None, typer.Option(help="balanced: classes count alike, however many examples they "
                                                          "have.", rich_help_panel=HOW)] = None,
    label_column: Annotated[str | None, typer.Option(help="Of a table of labels, where it is not found by itself.",
                                                     rich_help_panel=HOW)] = None,
    features_on: Annotated[str | None, typer.Option(help="local or ray: where the frozen base's features of photos are "
                                                    "computed; default: local.", rich_help_panel=HOW)] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.", rich_help_panel=HOW)] = 0,
    others: Annotated[list[str] | None, typer.Option("--set", help="Any other option of the task, such as "
                                                                   "--set label_smoothing=0.2 or "
                                                                   "image_size=[320,416]; may be repeated.",
                                                     rich_help_panel=OTHERS)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with the figures.")] = False,
) -> None:
    """Fine-tune a pretrained model on your own data.

    The output folder is a model like any other: predict with it, evaluate it, serve it. Its report.html shows how
    good it is. Killed at any moment and run again with the same options, training goes on from its last checkpoint.
    """
    from warmstart.cli.opening import open_model
    from warmstart.training import SCRATCH
    from warmstart.training import finetune as train

    options: dict[str, Any] = {
        "validation": _number_or_text(validation), "epochs": epochs, "freeze": _number_or_text(freeze),
        "augment": augment, "class_weight": class_weight, "label_column": label_column,
        "lora": lora, "learning_rate": learning_rate, "batch_size": batch_size, "horizon": horizon,
        "features_on": features_on,
    }
    base: Any = model
    if model in SCRATCH:
        task = SCRATCH[model]
    elif task is None or weights != "pretrained":
        base, _ = open_model(model, weights=weights)
    options |= _settings(others or [])
    result = train(base, data, task=task, output=output, seed=seed,
                   **{name: value for name, value in options.items() if value is not None})
    if as_json:
        metrics = {metric.name: metric.value for metric in result.entry.metrics}
        print(json.dumps({"model": result.name, "folder": output, "task": result.entry.task, "metrics": metrics}))
    else:
        print(f"warmstart predict PHOTO --model {output}" if result.entry.preprocessing else output)


def _number_or_text(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _settings(settings: list[str]) -> dict[str, Any]:
    """Options of the task by name."""
    from warmstart.errors import UsageError

    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: options are set as NAME=VALUE.")
        values[name] = _number_or_text(value)
    return values
