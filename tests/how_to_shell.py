"""Runs a block of shell commands: those of warmstart in this process, all others in a shell.

Trainings read their data, but do not train: that is done by the blocks of Python.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from tests.photos import CIFAR

from warmstart.cli import main


@contextmanager
def reading_only() -> Iterator[None]:
    """Fine-tuning ends with exit code 0 when its options are checked and its data is read; of an image
    classifier, the folder holds one.
    """

    from warmstart.training.trainer import Trainer

    def read(trainer: Any, data: object) -> None:
        trainer.summary = trainer.read(data)
        if trainer.task == "image-classification":
            shutil.copytree(CIFAR, trainer.options.output)
        raise SystemExit(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_fit", read)
        yield


INSTALLS = ("pip ", "python -m venv ", ". .venv")


def commands(block: str) -> list[str]:
    """The command lines; with a prompt on some lines, the others are output."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    chosen = prompted or [line for line in lines if line.strip()]
    return [line for line in chosen if not line.startswith(INSTALLS)]


def exit_codes(block: str) -> set[int]:
    """Those that a block may end with: what `echo $?` shows, 2 where an error is shown."""
    shown = re.findall(r"^\$ echo \$\?\n(\d+)$", block, re.MULTILINE)
    return {int(code) for code in shown} or {2 if re.search("^warmstart: ", block, re.M) else 0}


class Shell:
    """Runs the commands of blocks, one after another, in the current folder."""

    def __init__(self, capsys: pytest.CaptureFixture[str], renamed: Callable[[str], str]):
        self.capsys = capsys
        self.renamed = renamed

    def run(self, block: str, name: str) -> None:
        """Run a block; an unexpected exit code fails the test."""
        for line in commands(block):
            if line == "echo $?":
                continue
            code, errors = self._line(line)
            assert code in exit_codes(block), f"{name}: {line}\nexit code {code}\n{errors}"

    def _line(self, line: str) -> tuple[int, str]:
        line, _, target = line.partition(" > ")
        text, code, errors = "", 0, ""
        for part in line.removesuffix(" &").split(" | "):
            words = shlex.split(part, comments=True)
            variables = []
            while "=" in words[0]:
                variables.append(words.pop(0).split("=", 1))
            if words[0] == "warmstart":
                words = [self.renamed(word) for word in words]
                words += ["--port", "0"] if words[1] == "serve" else []
                code, text, errors = self._warmstart(words, dict(variables), text)
            else:
                command = self.renamed(part.replace("curl ", "curl -f "))
                done = subprocess.run(
                    command, shell=True, input=text, capture_output=True, text=True, check=False
                )
                code, text, errors = done.returncode, done.stdout, done.stderr
        if target:
            with open(target.split()[0], "w", encoding="utf-8") as file:
                file.write(text)
        return code, errors

    def _warmstart(
        self, words: list[str], variables: dict[str, str], text: str
    ) -> tuple[int, str, str]:
        self.capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            for key, value in variables.items():
                patch.setitem(os.environ, key, value)
            patch.setattr(sys, "argv", words)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            trains = words[1] != "finetune" or "--track" in words
            with nullcontext() if trains else reading_only(), pytest.raises(SystemExit) as ended:
                main()
        out, errors = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, errors
