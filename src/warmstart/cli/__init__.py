"""The command line.

Use a model: `warmstart classify | detect | segment | transcribe | synthesize | generate | answer |
tag | fill-mask | embed | forecast`, a verb for each task, `predict` for any model, `search`. Train:
`finetune | pick | evaluate`. Deploy: `serve | export | wrap | compile | push`. Models and cache: `list |
info | pull | cache`.

Exit codes: 0 success; 1 some inputs or files failed, and the others were processed; 2 nothing was
processed, because of a wrong name, option or environment; 130 interrupted. Results go to standard
output, everything else to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from warmstart.cli import streams


def main() -> None:
    """Run the command line and exit."""
    streams.prepare()
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head` or a pager, has exited
        streams.abandon()
        code = 0
    except OSError as error:
        if error.errno not in streams.UNWRITABLE or error.filename is not None:
            raise
        streams.abandon()
        print(f"warmstart: The output cannot be written: {error.strerror}.", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("warmstart: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def _run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    import click

    from warmstart.cli.app import app
    from warmstart.cli.completion import VARIABLE, print_completions
    from warmstart.core.terminal import set_quiet
    from warmstart.errors import WarmstartError, explained

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # only TensorFlow's errors
    _print_plain_warnings()
    set_quiet(False)
    if instruction := os.environ.get(VARIABLE):
        return print_completions(app, instruction)
    try:
        with app.make_context("warmstart", list(arguments)) as context:
            app.invoke(context)
    except click.exceptions.Exit as exit_request:
        return exit_request.exit_code
    except click.ClickException as error:
        message = error.format_message()
        context_of = getattr(error, "ctx", None)
        hint = f" See `{context_of.command_path} --help`." if context_of else ""
        print(f"warmstart: {message}{hint}", file=sys.stderr)
        return 2
    except WarmstartError as error:
        error.point_to(app.section_of(next(iter(arguments), "")))
        print(f"warmstart: {explained(error)}", file=sys.stderr)
        return 2
    return 0


def _print_plain_warnings() -> None:
    """Print warnings of this package as a sentence, without a file and line of its source."""
    import warnings

    default = warnings.showwarning

    def show(message: Any, category: type[Warning], *where: Any, **options: Any) -> None:
        if category.__module__.partition(".")[0] == "warmstart":
            print(f"warning: {message}", file=sys.stderr, flush=True)
        else:
            default(message, category, *where, **options)

    warnings.showwarning = show
