"""What commands write to standard error: less with -q, more with -v, and progress."""

from __future__ import annotations

import logging

import pytest

from warmstart.core import progress

CAT = "examples/photos/cat.jpg"
EMBEDDED = ("classify", CAT, "--model", "efficientnet_lite0")


@pytest.fixture(autouse=True)
def no_handlers():
    yield
    logging.getLogger("warmstart").handlers = []
    logging.getLogger("warmstart").setLevel(logging.NOTSET)


def test_quiet_leaves_results_and_errors(run):
    assert run(*EMBEDDED).err == "Model: efficientnet_lite0\n"
    done = run(*EMBEDDED, "-q")
    assert "tiger cat" in done.out
    assert done.err == ""
    done = run(*EMBEDDED, "nowhere.jpg", "--quiet")
    assert done.code == 1
    assert "nowhere.jpg: there is no such file" in done.err
    assert run(*EMBEDDED).err  # the next command is not quiet


def test_quiet_leaves_out_what_was_written(run, tmp_path):
    table = tmp_path / "a.csv"
    table.write_text("text\ngood\n")
    command = ("classify", table, "--model", "sst2_bert_tiny", "-o", tmp_path / "b.csv")
    assert "written: " in run(*command).err
    assert run(*command, "--overwrite", "-q").err == ""


def test_verbose_shows_the_log(run):
    assert "efficientnet_lite0: runs on " in run(*EMBEDDED, "-v").err


@pytest.mark.parametrize("command", ["classify", "finetune", "list", "cache ls", "export", "pull"])
def test_every_command_takes_them(run, command):
    for flag in ("-q", "-v", "--quiet", "--verbose"):
        assert run(*command.split(), flag, "--help").code == 0


def test_progress_is_drawn_where_results_go_elsewhere(run, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    monkeypatch.setattr("warmstart.cli.progress.is_shown", lambda: True)
    monkeypatch.setattr("warmstart.cli.predict.is_shown", lambda: True)
    done = run("classify", CAT, "examples/photos", "--model", "efficientnet_lite0", "--csv")
    assert "of 4 photos" in done.err
    assert len(done.out.splitlines()) == 1 + 4 * 5
    assert "of 4" not in done.out
