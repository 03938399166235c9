"""The command line: `warmstart predict | list | info | pull | compile | finetune | evaluate | cache`.

Exit codes: 0 all well; 1 some inputs or files failed, the others are answered; 2 nothing was tried:
wrong names, options or environment. Results go to standard output, everything else to
standard error.
"""

from __future__ import annotations

import os
import sys

from warmstart.errors import WarmstartError


def main() -> None:
    """Run the command line and exit."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from warmstart.cli.app import app

    try:
        app(prog_name="warmstart")
    except WarmstartError as error:
        print(f"warmstart: {error}", file=sys.stderr)
        sys.exit(2)
    except (SystemExit, KeyboardInterrupt) as ended:
        if _came_from(ended, KeyboardInterrupt):
            print("warmstart: interrupted", file=sys.stderr)
            sys.exit(130)
        if _came_from(ended, BrokenPipeError):  # the reader (`head`, a closed pager) has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(0)
        raise


def _came_from(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether `error`, or what it was raised in answer to, is of this kind; Typer wraps both in exits."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None
