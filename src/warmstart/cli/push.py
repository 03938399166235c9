"""`warmstart push`: the folder of a model to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

import click

from warmstart.cli.help import Argument, Command, Option


@click.command(
    "push",
    cls=Command,
    examples=(
        "warmstart push flowers-model my-name/flowers",
        "warmstart push flowers-model my-org/flowers --private",
        'warmstart push flowers-model my-org/flowers --message "More photos"',
    ),
    params=[
        Argument(["folder"], help="Folder of a model, as written by finetune, wrap or save."),
        Argument(["name"], metavar="ORG/NAME", help="Repository, created if it does not exist."),
        Option(
            ["--private/--public"],
            default=None,
            is_flag=True,
            help="Visibility of a new repository. Default: the setting of the account.",
        ),
        Option(["--message"], default="", help="Commit message."),
    ],
)
def command(folder: str, name: str, private: bool | None, message: str) -> None:
    """Upload a model to the Hugging Face hub, with its card.

    It needs a token with the scope `write`: run `hf auth login`, or set HF_TOKEN.
    """
    from warmstart.core.publishing import push
    from warmstart.core.terminal import say

    address = push(Path(folder).expanduser(), name, private=private, message=message)
    say(f"ws.load('hf://{name.removeprefix('hf://')}') opens it.")
    print(address)
