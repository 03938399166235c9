"""`warmstart predict`: inputs in, answers out, for a person, as JSON lines or as CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from warmstart.cli.consoles import Console
    from warmstart.core.results import Failed

COMMON = ("inputs", "model", "task", "weights", "engine", "precision", "offline", "as_json", "as_csv", "on", "shards",
          "column", "shard_rows", "workers", "cpus", "address")
"""Options of every task; what is left goes to the task's console."""
TABLES = (".csv", ".tsv", ".parquet", ".pq", ".csv.gz")
FORECASTER = "deepar_hourly"
"""Answers tables of series where no model is named."""
RECOGNISER = "whisper_tiny"
"""Answers recordings where no model is named."""
IMAGES = "Photos"
BOXES = "Detection and segmentation"
WRITING = "Generated text"
TEXTS = "Texts"
SERIES = "Time series"
SPEECH = "Speech"
SOUND = "Generated sound"
MANY = "Many inputs into a folder, on this machine or on Ray"


def predict(
    inputs: Annotated[list[str], typer.Argument(help="Photos: files, folders, globs, URLs. Texts: as they are, or "
                                                     ".txt files of lines. `-` reads standard input, one a line.",
                                                show_default=False)],
    model: Annotated[str | None, typer.Option("--model", "-m", help="A name from `warmstart list`, a bundle's folder, "
                                              "or hf://org/name. Default: MobileNetV2 where its weights can be had, "
                                              "else the model inside the package; for tables deepar_hourly, for "
                                              "recordings whisper_tiny.")] = None,
    task: Annotated[str | None, typer.Option(help="What the model shall do, where it can do several things.")] = None,
    weights: Annotated[str, typer.Option(help="A checkpoint to use instead of the published weights.")] = "pretrained",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Inputs per call of the engine.")] = None,
    engine: Annotated[str, typer.Option(help="auto, litert, openvino or keras.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or int8.")] = "float32",
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table with a header, one or more lines an input.")] = False,
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, help="Classes per photo; default: 5. Tokens "
                                              "to draw among.", rich_help_panel=IMAGES)] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Least score of a box, 0 to 1.",
                                                    rich_help_panel=BOXES)] = None,
    draw: Annotated[str | None, typer.Option(help="Draw the answer: a picture file for one photo, a folder for many.",
                                             rich_help_panel=BOXES)] = None,
    masks: Annotated[str | None, typer.Option(help="A folder for the label maps, as PNG with a palette.",
                                              rich_help_panel=BOXES)] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens to write at most; default: 100.",
                                                       rich_help_panel=WRITING)] = None,
    temperature: Annotated[float | None, typer.Option(help="0 takes the likeliest token; 1 draws as the model says.",
                                                      rich_help_panel=WRITING)] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw among tokens of this probability together.",
                                                rich_help_panel=WRITING)] = None,
    min_p: Annotated[float | None, typer.Option(help="Draw among tokens at least this probable, relative to the best.",
                                                rich_help_panel=WRITING)] = None,
    repetition_penalty: Annotated[float | None, typer.Option(help="Above 1: use the same tokens less.",
                                                             rich_help_panel=WRITING)] = None,
    no_repeat_ngram_size: Annotated[int | None, typer.Option(help="No series of so many tokens twice.",
                                                             rich_help_panel=WRITING)] = None,
    num_beams: Annotated[int | None, typer.Option(help="Search for the likeliest text with so many candidates.",
                                                  rich_help_panel=WRITING)] = None,
    stop: Annotated[list[str] | None, typer.Option(help="Text that ends the text; may be given several times.",
                                                   rich_help_panel=WRITING)] = None,
    seed: Annotated[int | None, typer.Option(help="Of the drawing, of texts and futures.",
                                             rich_help_panel=WRITING)] = None,
    overflow: Annotated[str | None, typer.Option(help="When the context is full: error or slide.",
                                                 rich_help_panel=WRITING)] = None,
    aggregation: Annotated[str | None, typer.Option(help="How tokens become entities: none, simple, first or max; "
                                                    "default: simple.", rich_help_panel=TEXTS)] = None,
    context: Annotated[str | None, typer.Option(help="The text, or a .txt file with the text, in which questions find "
                                                "their answers.", rich_help_panel=TEXTS)] = None,
    no_answer: Annotated[bool | None, typer.Option("--no-answer", help="A question may have no answer in the context.",
                                                   rich_help_panel=TEXTS)] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Steps to forecast; default: those the model was trained "
                                                "for.", rich_help_panel=SERIES)] = None,
    quantiles: Annotated[str | None, typer.Option(help="Levels to show, with commas; default: 0.1,0.25,0.5,0.75,0.9.",
                                                  rich_help_panel=SERIES)] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Futures drawn per series; default: 100.",
                                                rich_help_panel=SERIES)] = None,
    freq: Annotated[str | None, typer.Option(help="Frequency (h, D, W-MON, MS, …) where timestamps do not tell it.",
                                             rich_help_panel=SERIES)] = None,
    target: Annotated[str | None, typer.Option(help="Column of the values.", rich_help_panel=SERIES)] = None,
    item: Annotated[str | None, typer.Option(help="Column of the series' names.", rich_help_panel=SERIES)] = None,
    timestamp: Annotated[str | None, typer.Option(help="Column of the timestamps.", rich_help_panel=SERIES)] = None,
    duplicates: Annotated[str | None, typer.Option(help="Of two rows at one time: error, first, last, sum or mean.",
                                                   rich_help_panel=SERIES)] = None,
    plot: Annotated[str | None, typer.Option(help="Draw the first forecasts into this PNG, SVG or PDF file.",
                                             rich_help_panel=SERIES)] = None,
    format: Annotated[str | None, typer.Option(help="Write transcripts as txt, srt, vtt or json, and nothing else.",
                                               rich_help_panel=SPEECH)] = None,
    language: Annotated[str | None, typer.Option(help="What is spoken, such as en; default: found out.",
                                                 rich_help_panel=SPEECH)] = None,
    translate: Annotated[bool | None, typer.Option("--translate", help="Translate to English.",
                                                   rich_help_panel=SPEECH)] = None,
    words: Annotated[bool | None, typer.Option("--words", help="Find out when each word was said.",
                                               rich_help_panel=SPEECH)] = None,
    initial_prompt: Annotated[str | None, typer.Option(help="Text that could stand before: names, spelling, style.",
                                                       rich_help_panel=SPEECH)] = None,
    beam: Annotated[int | None, typer.Option(help="CTC: texts that the search follows at a time; 1: the best path.",
                                             rich_help_panel=SPEECH)] = None,
    vocabulary: Annotated[str | None, typer.Option(help="CTC: a file of the words that may be said, one a line; own: "
                                                        "the model's list; any: all that can be spelt.",
                                                   rich_help_panel=SPEECH)] = None,
    language_model: Annotated[str | None, typer.Option(help="CTC: an n-gram model as an ARPA file.",
                                                       rich_help_panel=SPEECH)] = None,
    speaker: Annotated[str | None, typer.Option(help="Who speaks: a name or number that the model knows.",
                                                rich_help_panel=SOUND)] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of each word.", rich_help_panel=SOUND)] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Where results go that are files: a CSV file for "
                                               "all forecasts; a .wav, .flac, .ogg or .mp3 file for one sound, a "
                                               "folder for many (default: the current folder); with --on a folder "
                                               "for everything.")] = None,
    on: Annotated[str | None, typer.Option(help="local or ray: write the answers of any number of inputs into the "
                                           "folder --output. Interrupted, the same command goes on. INPUTS may be "
                                           "tables then: .jsonl, .csv, .parquet, .txt; and URLs such as s3://….",
                                           rich_help_panel=MANY)] = None,
    shards: Annotated[str | None, typer.Option(help="Write jsonl or parquet files; default: jsonl.",
                                               rich_help_panel=MANY)] = None,
    column: Annotated[list[str] | None, typer.Option(help="Of tables: the column with the text, or with the path of "
                                                     "the photo or recording; twice for pairs of texts. Default: "
                                                     "text, path, ….", rich_help_panel=MANY)] = None,
    shard_rows: Annotated[int | None, typer.Option(min=1, help="Inputs per file of answers; default: by the task, "
                                                   "32 to 1024.", rich_help_panel=MANY)] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes on Ray; default: one for each processor.",
                                                rich_help_panel=MANY)] = None,
    cpus: Annotated[float | None, typer.Option(min=0.1, help="Processors for each process on Ray; default: 1.",
                                               rich_help_panel=MANY)] = None,
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster; default: RAY_ADDRESS, else the one that runs "
                                                "here, else a new one.", rich_help_panel=MANY)] = None,
) -> None:
    """Answer inputs with a model: photos, texts, recordings, tables of series.

    Unusable inputs do not stop the others: they are listed at the end, and the exit code is 1.
    """
    arguments = {**locals()}
    given = {name: value for name, value in arguments.items() if name not in COMMON and value not in (None, [])}
    choices = {"weights": weights, "engine": engine, "precision": precision}
    many = {"on": on, "format": shards, "column": column, "shard_rows": shard_rows, "workers": workers, "cpus": cpus,
            "address": address}
    if many := {name: value for name, value in many.items() if value not in (None, [])}:
        from warmstart.cli.batch import run

        run(list(_expanded(inputs)), model, task, choices, offline, as_json, as_csv, many, given)
        return
    _predict(inputs, model, task, choices, offline, as_json, as_csv, given)


def _predict(inputs: list[str], name: str | None, task: str | None, choices: dict[str, str], offline: bool,
             as_json: bool, as_csv: bool, given: dict[str, Any]) -> None:
    from warmstart.cli.consoles import console_of
    from warmstart.cli.opening import compiling, open_model, say
    from warmstart.core.results import Failed
    from warmstart.errors import UsageError

    if as_json and as_csv:
        raise UsageError("Choose one of --json and --csv.")
    if name is None and choices != {"weights": "pretrained", "engine": "auto", "precision": "float32"}:
        raise UsageError("--weights, --engine and --precision belong to a model: name it with --model.")
    series = name is None and task in (None, "forecasting") and (
        "horizon" in given or all(text.lower().endswith(TABLES) for text in inputs))
    sounds = name is None and not series and task in (None, "speech-recognition") and _are_sounds(inputs)
    default = FORECASTER if series else RECOGNISER if sounds else None
    if default:
        task = "forecasting" if series else "speech-recognition"
    model, why = open_model(default or name, offline=offline or None,
                            **({**choices, "task": task} if name or default else {}))
    if default:
        why = f"{'hourly series, inside the package' if series else 'speech'}; name another with --model"
    console = console_of(model.entry.task)
    for option in given.keys() - console.options:
        raise UsageError(f"{model.name} does {model.entry.task}, which has no option --{option.replace('_', '-')}.")
    with compiling(model):
        model.engine  # noqa: B018 (compiles now, with its progress shown, not in the middle of the table)
    if not (as_json or as_csv) or name is None:
        say(f"Model: {model.name}{f' ({why})' if why else ''}")
    failed: list[Failed] = []
    answered = 0
    if as_json or as_csv:
        answers = console.answers(model, _expanded(inputs), **given)
        results = (_write_json if as_json else _write_csv)(console, answers)
    else:
        results = console.shown(model, _expanded(inputs), **given)
    for result in results:
        if isinstance(result, Failed):
            failed.append(result)
        else:
            answered += 1
    if failed:
        say(f"\n{len(failed)} of {len(failed) + answered} could not be read:")
        for failure in failed:
            say(f"  {failure.error}")
        raise typer.Exit(1)


def _are_sounds(inputs: list[str]) -> bool:
    from pathlib import PurePath

    from warmstart.speech.audio import SUFFIXES

    return bool(inputs) and all(PurePath(text).suffix.lower() in SUFFIXES for text in inputs)


def _expanded(inputs: list[str]) -> Iterator[str]:
    for text in inputs:
        if text == "-":
            yield from (line.rstrip("\n") for line in sys.stdin if line.strip())
        else:
            yield text


def _write_json(console: Console, results: Iterable[Any]) -> Iterator[Any]:
    for result in results:
        print(json.dumps(result.to_dict(), ensure_ascii=False), flush=True)
        yield result


def _write_csv(console: Console, results: Iterable[Any]) -> Iterator[Any]:
    import csv

    from warmstart.core.results import Failed

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(console.columns)
    for result in results:
        if isinstance(result, Failed):
            writer.writerow([result.input, *[""] * (len(console.columns) - 2), str(result.error)])
        else:
            writer.writerows(console.rows(result))
        yield result
