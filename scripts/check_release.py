"""Check the distributions of a release, as `make release` does after it has built them.

python scripts/check_release.py dist

The wheel must hold the package, its licences and nothing else, and stay within its size; the
licences of the embedded models must be part of the declared licence; installed in an environment of
its own, without any extra, it must print what the README's first screen shows.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_MODELS = 20_000_000
"""Bytes of all embedded models in the wheel."""
FORBIDDEN = re.compile(r"(^|/)(tests?|__pycache__|\.[^/]+|shared)(/|$)|\.pyc$")
RELATIVE = re.compile(r"\]\((?!https?://|#)([^)\s]+)\)")
SOURCES = ("src/warmstart/__init__.py", "tests/conftest.py", "docs/index.md", "LICENSE")


def main(folder: Path) -> list[str]:
    """The faults of the distributions in a folder, one sentence each."""
    wheels, archives = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        return [f"{folder} must hold one wheel and one source archive."]
    faults = [*wheel_faults(wheels[0]), *archive_faults(archives[0])]
    return faults or list(first_screen_faults(wheels[0]))


def wheel_faults(wheel: Path) -> Iterator[str]:
    """What is wrong with the contents, the licence or the size of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
        for entry in entries:
            if FORBIDDEN.search(entry.filename):
                yield f"{wheel.name} holds {entry.filename}, which does not belong there."
        models = sum(
            e.compress_size for e in entries if e.filename.startswith("warmstart/embedded")
        )
        print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, embedded models {models:,}")
        if models > MAX_MODELS:
            yield f"The embedded models take {models:,} bytes; at most {MAX_MODELS:,} are allowed."
        metadata = next(e for e in entries if e.filename.endswith(".dist-info/METADATA"))
        described = Parser().parsestr(archive.read(metadata).decode())
        for link in RELATIVE.findall(str(described.get_payload())):
            yield f"The description links to {link}, which the package index cannot open."
        declared = described["License-Expression"] or ""
        for entry in entries:
            if not re.fullmatch(r"warmstart/embedded/[^/]+/README\.md", entry.filename):
                continue
            licence = re.search(r"^license: *(\S+)", archive.read(entry).decode(), re.MULTILINE)
            if licence is None:
                yield f"{entry.filename} names no licence."
            elif licence[1].lower() not in declared.lower().split(" and "):
                yield f"{entry.filename} is {licence[1]}, which the licence {declared!r} lacks."


def archive_faults(archive: Path) -> Iterator[str]:
    """What a source archive lacks."""
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for name in SOURCES:
        if name not in names:
            yield f"{archive.name} lacks {name}."


def first_screen_faults(wheel: Path) -> Iterator[str]:
    """Whether the installed wheel prints what the README shows."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        binaries = Path(folder) / "bin"
        subprocess.run([binaries / "pip", "install", "--quiet", wheel], check=True)
        for command, expected in first_screen():
            done = subprocess.run(
                [binaries / "warmstart", *command.split()[1:]],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            print(f"$ {command}\n{done.stdout}", end="")
            if done.returncode or not set(expected).issubset(done.stdout.splitlines()):
                yield f"{command!r} ended with {done.returncode} and printed other lines than the README."


def first_screen() -> Iterator[tuple[str, list[str]]]:
    """The first command of the README with the lines that it prints."""
    text = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"```console\n\$ (warmstart [^\n]*)\n(.*?)```", text, re.DOTALL)
    if block is None:
        sys.exit("README.md shows no command with its output.")
    yield block[1], [line for line in block[2].splitlines() if line.strip()]


if __name__ == "__main__":
    found = main(Path(sys.argv[1]))
    print("\n".join(found) or "The distributions are complete.")
    sys.exit(bool(found))
