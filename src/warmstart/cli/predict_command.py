"""`warmstart predict`: inputs in, answers out, as a table, JSON lines or CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from warmstart.tasks.results import Classification, Failed


def predict(
    inputs: Annotated[list[str], typer.Argument(help="Photos: files, folders, globs, URLs; `-` reads paths from "
                                                     "standard input, one a line.", show_default=False)],
    model: Annotated[str | None, typer.Option("--model", "-m", help="A name from `warmstart list`, a bundle's folder, "
                                              "or hf://org/name. Default: MobileNetV2 where its weights can be had, "
                                              "else the model inside the package.")] = None,
    weights: Annotated[str, typer.Option(help="A checkpoint to use instead of the published weights.")] = "pretrained",
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="Classes per photo.")] = 5,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Photos per call of the engine.")] = None,
    engine: Annotated[str, typer.Option(help="auto, litert, openvino or keras.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or int8.")] = "float32",
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="input,rank,index,id,label,score,error")] = False,
) -> None:
    """Say what is in photos.

    Unusable inputs do not stop the others: they are listed at the end, and the exit code is 1.
    """
    from warmstart.cli.opening import compiling, open_model, say
    from warmstart.errors import UsageError
    from warmstart.tasks.results import Failed

    if as_json and as_csv:
        raise UsageError("Choose one of --json and --csv.")
    choices = {"weights": weights, "engine": engine, "precision": precision}
    if model is None and choices != {"weights": "pretrained", "engine": "auto", "precision": "float32"}:
        raise UsageError("--weights, --engine and --precision belong to a model: name it with --model.")
    opened, why = open_model(model, offline=offline or None, **(choices if model else {}))
    photos = _expanded(inputs)
    with compiling(opened):
        opened.engine  # noqa: B018 (compiles now, with its progress shown, not in the middle of the table)
    if not (as_json or as_csv) or model is None:
        say(f"Model: {opened.name}{f' ({why})' if why else ''}")
    failed: list[Failed] = []
    answered = 0
    results: Iterable[Classification | Failed] = opened(photos, top_k=top_k, batch_size=batch_size)
    write = _write_json if as_json else _write_csv if as_csv else _write_table
    for result in write(results):
        if isinstance(result, Failed):
            failed.append(result)
        else:
            answered += 1
    if failed:
        say(f"\n{len(failed)} of {len(failed) + answered} could not be read:")
        for failure in failed:
            say(f"  {failure.error}")
        raise typer.Exit(1)


def _expanded(inputs: list[str]) -> Iterator[str]:
    for text in inputs:
        if text == "-":
            yield from (line.rstrip("\n") for line in sys.stdin if line.strip())
        else:
            yield text


def _write_json(results: Iterable[Any]) -> Iterator[Any]:
    for result in results:
        print(json.dumps(result.to_dict(), ensure_ascii=False), flush=True)
        yield result


def _write_csv(results: Iterable[Any]) -> Iterator[Any]:
    import csv

    from warmstart.tasks.results import Failed

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["input", "rank", "index", "id", "label", "score", "error"])
    for result in results:
        if isinstance(result, Failed):
            writer.writerow([result.input, "", "", "", "", "", str(result.error)])
        else:
            for rank, p in enumerate(result, 1):
                writer.writerow([result.input, rank, p.index, p.id, p.label, f"{p.score:.6f}", ""])
        yield result


def _write_table(results: Iterable[Any]) -> Iterator[Any]:
    """Blocks of lines, each written as soon as its answer is there, so that a long folder streams."""
    from warmstart.tasks.results import Failed

    for result in results:
        if not isinstance(result, Failed):
            width = max(len(p.label) for p in result)
            print(result.input)
            for p in result:
                print(f"  {p.label:<{width}}  {p.score:6.1%}  {_bar(p.score)}")
            print(flush=True)
        yield result


def _bar(score: float, cells: int = 24) -> str:
    """A bar of eighths of a cell, as far as the output's encoding has them."""
    eighths = round(score * cells * 8)
    bar = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
    try:
        bar.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * (eighths // 8)
    return bar
