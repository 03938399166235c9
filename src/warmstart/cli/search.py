"""`warmstart search`: the texts or photos of a corpus that are most similar to a query."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from warmstart.cli.completion import model_names
from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import engine_option, json_option, weights_option
from warmstart.core.reading import check_exists
from warmstart.core.records.suffixes import names_table
from warmstart.core.task import TASKS
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.core.search import Index


@click.command(
    "search",
    cls=Command,
    examples=(
        "warmstart search photos/ cat.jpg",
        'warmstart search notes.txt "who pays?" --model all_minilm_l6_v2',
        'warmstart search qa.csv "who pays?" --column question --model all_minilm_l6_v2',
        "warmstart search photos/ cat.jpg --output photos-index",
    ),
    params=[
        Argument(
            ["corpus"],
            help="A folder of photos, a .txt file with one text per line, a folder of such files, a table "
            "of texts or paths, or a saved index.",
        ),
        Argument(["queries"], nargs=-1, required=True, help="Texts, or photos."),
        Option(
            ["--model", "-m"],
            shell_complete=model_names,
            help="A name from `warmstart list`, a bundle's folder, or hf://org/name. Default: that "
            "of the index; for photos the default image classifier.",
        ),
        Option(
            ["--column"],
            help=(
                "Column of the texts or paths in a table. Default: recognised by its name or "
                "content."
            ),
        ),
        Option(
            ["--top-k", "-k"],
            type=click.IntRange(min=1),
            default=5,
            help="Number of matches for each query, best first.",
        ),
        Option(["--output", "-o"], help="New folder to save the index in, for further searches."),
        weights_option(),
        engine_option(),
        json_option("Print one JSON object per query."),
    ],
)
def command(
    corpus: str,
    queries: tuple[str, ...],
    model: str | None,
    column: str | None,
    top_k: int,
    output: str | None,
    weights: str,
    engine: str,
    as_json: bool,
) -> None:
    """Find the texts or photos most similar to a query, by the cosine similarity of their features."""
    from warmstart.cli.models import open_engine
    from warmstart.core.output_files import check_new_folder
    from warmstart.core.search import Index, is_index
    from warmstart.core.terminal import print_error, say
    from warmstart.counts import counted

    if column is not None and not names_table(corpus):
        raise UsageError(f"--column names a column of a table, and {corpus} is not a table.")
    if output is not None:
        check_new_folder(Path(output))
    saved = Index.load(corpus) if is_index(Path(corpus)) else None
    opened = _opened(corpus, queries[0], model, saved, weights=weights, engine=engine)
    open_engine(opened)
    index = saved or opened.index(_inputs(opened, corpus, column))
    input_kind = opened.input_kind
    count = counted(len(index), input_kind.noun, input_kind.plural)
    say(f"Model: {opened.name}; searching {count}")
    for error in index.errors:
        print_error(f"  left out: {error}")
    if output is not None:
        say(f"written: {index.save(output)}")
    inputs = [item.value for item in input_kind.stream(input_kind.from_arguments(queries))]
    for matches in opened.search(inputs, index, top_k):
        print(json.dumps(matches.to_dict(), ensure_ascii=False) if as_json else matches.show())


def _opened(
    corpus: str, query: str, name: str | None, index: Index | None, **options: Any
) -> Model[Any, Any, Any]:
    from warmstart.cli.models import open_default, open_model

    if name is None and index is None:
        photos = [task for task in TASKS.values() if ".jpg" in task.input_kind().suffixes]
        is_photo = Path(query).suffix.lower() in photos[0].input_kind().suffixes
        if (_texts(corpus) or names_table(corpus)) and not is_photo:
            raise UsageError(
                "Searching texts needs a --model, such as all_minilm_l6_v2; `warmstart list` lists "
                "others."
            )
        task = next(task.name for task in photos if task.default_model)
        return open_default(task, **options)[0]
    return open_model(name or (index.model if index else ""), **options)


def _texts(corpus: str) -> list[Path]:
    """The .txt files that a corpus names."""
    path = Path(corpus)
    if path.is_dir():
        return sorted(path.rglob("*.txt"))
    return [path] if path.suffix.lower() == ".txt" else []


def _inputs(model: Model[Any, Any, Any], corpus: str, column: str | None) -> Any:
    from warmstart.core.table_rows import table_inputs

    input_kind = model.input_kind
    if names_table(corpus):
        columns = () if column is None else (column,)
        return table_inputs(model, corpus, columns, option="--column")
    if input_kind.suffixes:
        return corpus
    if not (files := _texts(corpus)):
        check_exists(corpus)
        raise UsageError(
            f"{corpus} contains no .txt file; {model.name} searches {input_kind.plural}, one per line, or in a "
            "column of a table."
        )
    return chain.from_iterable(map(input_kind.stream, files))
