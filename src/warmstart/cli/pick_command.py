"""`warmstart pick`: which pretrained model suits labelled photos, told before any training."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def pick(
    data: Annotated[str, typer.Argument(help="A folder of class folders (or of train, val and test that are), or a "
                                             "CSV, TSV, JSONL or Parquet file of paths and labels.")],
    candidates: Annotated[list[str] | None, typer.Option("--candidate", "-c", metavar="NAME[=WEIGHTS]", help=(
        "A model's name or folder, with another checkpoint after `=`; may be repeated. Default: every image "
        "classifier whose weights are on this machine."))] = None,
    seed: Annotated[int, typer.Option(help="Of the folds of the cross-validation.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Rank pretrained models for your own labelled photos, in seconds, before any training.

    Each model's features are computed once and kept for `finetune`; a linear classifier on them is cross-validated.
    """
    from warmstart.cli.opening import compiling, say
    from warmstart.cli.progress import progress_bar
    from warmstart.image.train.pick import pick as rank

    given = None if candidates is None else [_pair(text) for text in candidates]
    with progress_bar(unit="photos") as progress:
        ranking = rank(data, candidates=given, seed=seed, progress=progress, compiling=compiling)
    if as_json:
        print(json.dumps(ranking.to_dict(), ensure_ascii=False))
    else:
        print(ranking)
    for name, why in ranking.failed.items():
        say(f"{name}: {why}")
    if ranking.failed:
        raise typer.Exit(1)


def _pair(text: str) -> str | tuple[str, str]:
    name, equals, weights = text.partition("=")
    return (name, weights) if equals else text
