"""`warmstart pick`: rank pretrained models for labelled photos before any training."""

from __future__ import annotations

import json

import click

from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import json_option


@click.command(
    "pick",
    cls=Command,
    examples=(
        "warmstart pick flowers/",
        "warmstart pick flowers/ -c mobilenet_v2 -c resnet50",
        "warmstart pick flowers.csv --json",
    ),
    params=[
        Argument(
            ["data"],
            help="A folder of class folders (or of train, val and test with these), or a CSV, TSV, "
            "JSONL "
            "or Parquet file of paths and labels.",
        ),
        Option(
            ["--candidate", "-c", "candidates"],
            multiple=True,
            metavar="NAME[=WEIGHTS]",
            help=(
                "Name or folder of a candidate, optionally with another checkpoint after `=`; "
                "may be repeated. Default: every image classifier whose weights are on this "
                "machine."
            ),
        ),
        Option(
            ["--seed"],
            type=int,
            default=0,
            help="Random seed of the cross-validation folds.",
        ),
        json_option("Print the ranking as a JSON object."),
    ],
)
def command(data: str, candidates: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Rank pretrained models for your own labelled photos, in seconds, before any training.

    Each model's features are computed once and cached for `finetune`; a linear classifier on them is
    cross-validated.
    """
    from warmstart.cli.models import compiling
    from warmstart.cli.progress import counting
    from warmstart.core.terminal import print_error
    from warmstart.image.train.pick import pick

    pairs = [_pair(text) for text in candidates] or None
    with counting("photos") as progress:
        ranking = pick(data, candidates=pairs, seed=seed, progress=progress, compiling=compiling)
    if as_json:
        print(json.dumps(ranking.to_dict(), ensure_ascii=False))
    else:
        print(ranking)
    for name, reason in ranking.failed.items():
        print_error(f"{name}: {reason}")
    if ranking.failed:
        click.get_current_context().exit(1)


def _pair(text: str) -> str | tuple[str, str]:
    name, equals, weights = text.partition("=")
    return (name, weights) if equals else text
