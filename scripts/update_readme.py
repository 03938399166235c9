"""Run the demo and put its output into README.md, between `<!-- demo -->` and `<!-- /demo -->`.

    python scripts/update_readme.py

It runs as on a fresh machine: with an empty cache, offline, with the model inside the package.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = ["classify", "examples/photos", "--top-k", "3"]


def demo() -> str:
    """What the command prints, on both streams, as the terminal shows it."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "WARMSTART_HOME": home,
            "WARMSTART_OFFLINE": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        done = subprocess.run(
            [sys.executable, "-m", "warmstart", *COMMAND],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
    return done.stdout.strip()


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = (
        f"<!-- demo -->\n```console\n$ warmstart {' '.join(COMMAND)}\n{demo()}\n```\n<!-- /demo -->"
    )
    updated, count = re.subn(
        r"<!-- demo -->.*?<!-- /demo -->", lambda _: block, text, flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"README.md has {count} demo blocks where one was expected.")
    readme.write_text(updated, encoding="utf-8")
    print(block)


if __name__ == "__main__":
    main()
