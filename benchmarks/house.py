"""The size of the package, the number of files that a call passes, and the time of a rebuild.

    python benchmarks/house.py size                      code tokens, long lines, the longest file
    python benchmarks/house.py steps                     from file to file, for four calls
    python benchmarks/house.py pairs --against CHECKOUT  each process in turns with another version

A step is a call from one file of the package into another; each pair of files counts once. Those
that are only made while modules are imported, by decorators and comprehensions, are also counted by
themselves. `pairs` runs both versions in turns in fresh processes and prints the median ratio with an interval of 95 %
by the bootstrap. CHECKOUT is a clone of the other version; both run in this environment.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tokenize
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "warmstart"
PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
ANONYMOUS = ("<lambda>", "<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")
PORT = 8377


def size() -> None:
    """Print the size of the package."""
    tokens = long_lines = 0
    lengths = {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        docstrings = set(_docstrings(ast.parse(text)))
        tokens += sum(
            token.type not in NOT_CODE
            and not (token.type == tokenize.STRING and token.start in docstrings)
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
        )
        lines = text.splitlines()
        long_lines += sum(len(line) > 100 for line in lines)
        if path.name != "api.py":  # generated
            lengths[path] = len(lines)
    longest = max(lengths, key=lambda path: lengths[path])
    print(f"code tokens (no comments, no docstrings): {tokens:,}")
    print(f"lines over 100 characters: {long_lines:,} of {sum(lengths.values()):,}")
    print(f"longest file: {longest.relative_to(PACKAGE)}, {lengths[longest]} lines")


def _docstrings(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """The positions of docstrings, and of other strings that are statements."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for item in body if isinstance(body, list) else ():
            if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
                yield item.lineno, item.col_offset


class Steps:
    """Counts the steps between files of the package while it is active, in all threads."""

    def __init__(self) -> None:
        self.steps: set[tuple[str, str]] = set()
        self.calls: set[tuple[str, str]] = set()
        self.functions: set[tuple[str, str]] = set()

    def __enter__(self) -> Steps:
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def clear(self) -> None:
        self.steps.clear()
        self.calls.clear()
        self.functions.clear()

    def report(self, name: str) -> None:
        files = {file for file, _ in self.functions}
        print(
            f"{name}: {len(self.steps)} steps between {len(files)} files, "
            f"{len(self.steps - self.calls)} of them while modules are imported; "
            f"{len(self.functions)} functions",
            flush=True,
        )

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call" or (file := _file(frame)) is None:
            return
        if frame.f_code.co_name not in ANONYMOUS:
            self.functions.add((file, frame.f_code.co_qualname))
        caller = frame.f_back
        is_import = False
        while caller is not None and _file(caller) is None:
            is_import |= caller.f_code.co_name == "<module>"
            caller = caller.f_back
        if caller is not None and (source := _file(caller)) not in (None, file):
            assert source is not None
            self.steps.add((source, file))
            if not is_import:
                self.calls.add((source, file))


def _file(frame: FrameType) -> str | None:
    """The file of a function of the package; None for others, and for the code of modules."""
    code = frame.f_code
    if not code.co_filename.startswith(f"{PACKAGE}{os.sep}") or not code.co_flags & 1:
        return None
    return code.co_filename[len(str(PACKAGE)) + 1 :]


def steps(name: str) -> None:
    """Count the steps of one call in this process, which must have counted nothing before."""
    import warmstart as ws
    from warmstart.cli import main

    with Steps() as counted:
        if name == "photo":
            sys.argv = ["warmstart", "predict", str(PHOTO), "--top-k", "3", "--offline"]
            with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
                main()
        elif name == "text":
            ws.load(PACKAGE / "embedded" / "sst2_bert_tiny")("a warm and moving film")
        elif name == "finetune":
            with tempfile.TemporaryDirectory() as folder:
                data = _photos(Path(folder) / "data")
                with contextlib.redirect_stderr(io.StringIO()):
                    ws.finetune("default", data, epochs=1, output=Path(folder) / "out")
        else:
            threading.Thread(target=_ask_server, args=(counted,), daemon=True).start()
            sys.argv = ["warmstart", "serve", "sst2_bert_tiny", "--port", str(PORT)]
            main()
    counted.report(name)


def _photos(folder: Path, count: int = 12) -> Path:
    """A folder of two classes, with crops of two photos."""
    from PIL import Image

    for name in ("cat", "espresso"):
        (folder / name).mkdir(parents=True)
        with Image.open(PHOTO.with_name(f"{name}.jpg")) as photo:
            for index in range(count):
                box = (index, index, photo.width - index, photo.height - index)
                photo.crop(box).save(folder / name / f"{index}.jpg")
    return folder


def _ask_server(counted: Steps) -> None:
    for _ in range(300):
        time.sleep(0.1)
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v2/health/ready").read()
            break
    time.sleep(0.5)
    counted.clear()
    _post(PORT)
    time.sleep(0.3)
    counted.report("http")
    os._exit(0)


def _post(port: int) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/predict/sst2_bert_tiny",
        data=b'{"inputs": "a warm film"}',
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).read()


# Two versions in turns. What follows runs in either of them, so it uses what both have.

SAVED = """
import sys
import warmstart as ws

for name, folder in zip(("cifar10_resnet20", "deepar_hourly"), sys.argv[1:]):
    ws.load(name).save(folder)
"""
CALLS = """
import json, statistics, sys, time
import numpy as np
import warmstart as ws

def milliseconds(call, count):
    call(), call()
    values = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        values.append(1e3 * (time.perf_counter() - start))
    return statistics.median(values)

photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
series = (np.sin(np.arange(200) / 4) + 2).tolist()
text, generator, classifier, forecaster = (
    ws.load(name, engine="litert")
    for name in ("sst2_bert_tiny", "shakespeare_gpt2", sys.argv[1], sys.argv[2])
)
print(json.dumps({
    "one text": milliseconds(lambda: text("a warm and moving film"), 100),
    "64 tokens of GPT-2": milliseconds(
        lambda: generator("ROMEO:", max_new_tokens=64, temperature=0), 6),
    "one photo of 32x32": milliseconds(lambda: classifier(photo), 100),
    "one forecast": milliseconds(lambda: forecaster(series), 5),
}))
"""
TRAINING = """
import sys, time
import numpy as np
import warmstart as ws

base = ws.load(sys.argv[1])
start = time.perf_counter()
ws.finetune(base, sys.argv[2], epochs=1, output=sys.argv[3], seed=0)
print(time.perf_counter() - start)
"""


def _python(checkout: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "WARMSTART_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, cwd="/"
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr[-2000:]}")
    return done.stdout


def _measured(
    checkout: Path, classifier: Path, forecaster: Path, training: Path | None
) -> dict[str, float]:
    """Milliseconds of each kind of work in one version."""
    start = time.perf_counter()
    _python(checkout, "-m", "warmstart", "predict", "a warm film", "--model", "sst2_bert_tiny")
    values = {"first answer, as a process": 1e3 * (time.perf_counter() - start)}
    values |= json.loads(_python(checkout, "-c", CALLS, str(classifier), str(forecaster)))
    values["one text over HTTP"] = _served(checkout)
    if training:
        with tempfile.TemporaryDirectory() as folder:
            output = _python(
                checkout, "-c", TRAINING, str(classifier), str(training), f"{folder}/out"
            )
        values["fine-tuning, one epoch"] = 1e3 * float(output.split()[-1])
    return values


def _served(checkout: Path) -> float:
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "WARMSTART_OFFLINE": "1"}
    command = [sys.executable, "-m", "warmstart", "serve", "sst2_bert_tiny", "--port", str(PORT)]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, cwd="/")
    try:
        for _ in range(300):
            time.sleep(0.1)
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v2/health/ready").read()
                break
        values = []
        for _ in range(60):
            start = time.perf_counter()
            _post(PORT)
            values.append(1e3 * (time.perf_counter() - start))
        return statistics.median(values[10:])
    finally:
        server.terminate()
        server.wait()


def pairs(other: Path, count: int, training: bool) -> None:
    """Print the ratios of this version to another one."""
    with tempfile.TemporaryDirectory() as folder:
        data = _photos(Path(folder) / "data") if training else None
        # The other version writes them: both can read these, and the package has others now.
        bundles = (Path(folder) / "classifier", Path(folder) / "forecaster")
        _python(other, "-c", SAVED, *map(str, bundles))
        rounds: list[dict[Path, dict[str, float]]] = []
        for number in range(count):
            order = (ROOT, other) if number % 2 else (other, ROOT)
            rounds.append({side: _measured(side, *bundles, data) for side in order})
            print(f"pair {number + 1} of {count}", file=sys.stderr)
    for name in rounds[0][ROOT]:
        ratios = [times[ROOT][name] / times[other][name] for times in rounds]
        low, high = _interval(ratios)
        ours, theirs = (
            statistics.median(times[side][name] for times in rounds) for side in (ROOT, other)
        )
        print(
            f"{name}: {statistics.median(ratios):.3f} ({low:.3f} to {high:.3f}); "
            f"{ours:.2f} and {theirs:.2f} ms, {count} pairs"
        )


def _interval(ratios: list[float], samples: int = 4000) -> tuple[float, float]:
    """An interval of 95 % of the median, by the bootstrap."""
    random.seed(0)
    medians = sorted(
        statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(samples)
    )
    return medians[int(0.025 * samples)], medians[int(0.975 * samples)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=["size", "steps", "pairs"])
    parser.add_argument("name", nargs="?", choices=["photo", "text", "http", "finetune"])
    parser.add_argument("--against", type=Path, help="a clone of the version to compare with")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--training", action="store_true", help="compare a short fine-tuning too")
    arguments = parser.parse_args()
    if arguments.part == "steps" and arguments.name is None:
        for name in ("photo", "text", "http", "finetune"):
            subprocess.run([sys.executable, __file__, "steps", name], check=False)
    elif arguments.part == "steps":
        steps(arguments.name)
    elif arguments.part == "pairs":
        if arguments.against is None:
            parser.error("pairs needs --against CHECKOUT")
        pairs(arguments.against.resolve(), arguments.pairs, arguments.training)
    else:
        size()


if __name__ == "__main__":
    main()
