"""Completion of commands, options and names of models."""

from __future__ import annotations

import pytest


@pytest.fixture
def complete(run, monkeypatch):
    """What bash is offered for the last word of a line."""

    def call(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_WARMSTART_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        done = run()
        assert done.code == 0, done.err
        return [item.partition(",")[2] for item in done.out.split()]

    return call


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("warmstart cla", "classify"),
        ("warmstart cache ", "verify"),
        ("warmstart classify --top", "--top-k"),
        ("warmstart finetune --mo", "--model"),
        ("warmstart classify --model mobilenet_v3_s", "mobilenet_v3_small"),
    ],
)
def test_a_word_is_completed(complete, line, expected):
    assert expected in complete(line)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_file_of_a_shell_is_written(run, tmp_path, monkeypatch, shell):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    for arguments in (("--install-completion", shell), ("--install-completion",)):
        done = run(*arguments)
        assert done.code == 0, done.err
        (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert done.out.startswith(f"written: {path}\n")
        assert f"_WARMSTART_COMPLETE={shell}_complete" in path.read_text()
        path.unlink()


def test_other_shells_are_refused(run, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    done = run("--install-completion")
    assert done.code == 2
    assert "supports bash, zsh, fish" in done.err
