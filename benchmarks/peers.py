"""Create the Python environments of the peers, one for each file in `peers/`.

    python benchmarks/peers.py .venv-peers              # those that are missing or not current
    python benchmarks/peers.py .venv-peers timm pytorch

An environment is the folder FOLDER/NAME. One that cannot be created does not stop the others; the
exit status is then 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

LISTS = Path(__file__).with_name("peers")
NAMES = tuple(sorted(path.stem for path in LISTS.glob("*.txt")))
STAMP = "installed.txt"


def python_of(folder: Path, name: str) -> Path:
    """The Python of an environment."""
    return folder / name / "bin" / "python"


def is_current(folder: Path, name: str) -> bool:
    """Whether the packages of a list are installed."""
    stamp = folder / name / STAMP
    return stamp.is_file() and stamp.read_bytes() == _list(name).read_bytes()


def create(folder: Path, name: str) -> None:
    """Create an environment and install its packages.

    Raises:
        subprocess.CalledProcessError: pip could not install them.
    """
    venv.create(folder / name, clear=True, with_pip=True)
    quiet = ("--quiet", "--disable-pip-version-check", "--no-compile")
    packages = ("-r", str(_list(name)))
    command = [str(python_of(folder, name)), "-m", "pip", "install", *quiet, *packages]
    subprocess.run(command, check=True)
    (folder / name / STAMP).write_bytes(_list(name).read_bytes())


def _list(name: str) -> Path:
    return LISTS / f"{name}.txt"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the environments are")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - set(NAMES):
        parser.error(
            f"there is no environment {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}"
        )
    failed = []
    for name in options.names or NAMES:
        if is_current(options.folder, name):
            continue
        print(f"  … {options.folder / name}", file=sys.stderr, flush=True)
        try:
            create(options.folder, name)
        except subprocess.CalledProcessError as error:
            failed.append(name)
            print(f"{name}: pip ended with code {error.returncode}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
