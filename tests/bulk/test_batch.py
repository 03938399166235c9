"""The contract of a batch on one machine: which files, which rows, what happens when it is
disturbed.
"""

import errno
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws
from warmstart.bulk import listing, writing
from warmstart.bulk.plan import Shard, make_plan
from warmstart.bulk.rows import RowReader, rows_of
from warmstart.catalog import Label
from warmstart.errors import BatchError, InputError, UsageError


def test_results_are_those_of_the_model_in_order(photos, model, expected, look):
    found = [
        json.loads(line)
        for path in sorted(expected.glob("part-*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    told = list(model.stream(photos, top_k=2))
    assert [{**result.to_dict()} for result in told if result] == [
        {key: value for key, value in row.items() if key not in ("row", "source")} for row in found
    ]
    assert all(row["source"] == row["input"] for row in found)
    assert sorted(look.rows(expected)) == list(range(241))
    assert len(list(expected.glob("part-*.jsonl"))) == 25
    (dead,) = expected.glob("_failed/*.jsonl")
    letter = json.loads(dead.read_text())
    assert letter["source"].endswith("img100x.jpg")
    assert "is not a JPEG" in letter["error"]
    assert told[letter["row"]].input == letter["source"]
    assert json.loads((expected / "_summary.json").read_text()) == {"rows": 241, "failed": 1}


def test_a_finished_run_is_left_as_it_is(photos, model, expected, tmp_path):
    folder = shutil.copytree(expected, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    done = ws.batch(model, photos, folder, top_k=2)  # rows of a shard are those the run began with
    assert (done.rows, done.failed, done.before) == (241, 1, 241)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("part-*")} == before
    assert len(list(done.results())) == 240
    assert [letter["row"] for letter in done.failures()] == [row["row"] for row in done.failures()]


def test_killed_again_and_again_every_row_is_there_once(photos, expected, tmp_path, started, look):
    output, kills = tmp_path / "run", 0
    for least in (1, 9, 17):
        process = started(
            model=str(CIFAR), engine="litert", inputs=photos, output=output, shard_rows=10, top_k=2
        )
        while look.shards(output) < least and process.poll() is None:
            time.sleep(0.002)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 2
    (output / ".part-00024.jsonl.0123.part").write_text(
        '{"row": 240'
    )  # what a kill in the middle of writing leaves
    process = started(
        model=str(CIFAR), engine="litert", inputs=photos, output=output, shard_rows=10, top_k=2
    )
    told, errors = process.communicate()
    assert process.returncode == 0, errors
    assert json.loads(told)["before"] > 0
    assert look.content(output) == look.content(expected)
    assert sorted(look.rows(output)) == list(range(241))


def test_killed_between_dead_letters_and_results(photos, model, expected, tmp_path, look):
    folder = shutil.copytree(expected, tmp_path / "run")
    (dead,) = (folder / "_failed").iterdir()
    (folder / dead.name).unlink()
    (folder / "part-00000.jsonl").unlink()
    (folder / "_failed" / "part-00000.jsonl").write_text(
        '{"row": 3}\n'
    )  # it had failed then, and does not now
    done = ws.batch(model, photos, folder, top_k=2)
    assert done.before == 221
    assert look.content(folder) == look.content(expected)


def test_other_settings_or_inputs_are_refused(photos, model, expected, tmp_path, look):
    folder = shutil.copytree(expected, tmp_path / "run")
    (folder / "part-00003.jsonl").unlink()
    before = look.content(folder)
    for change, words in (
        ({"top_k": 3}, "top_k (before: 2, now: 3)"),
        ({"shard_rows": 20}, "shard_rows (before: 10, now: 20)"),
        ({"inputs": photos / "a"}, "before: 241 rows, now: 80"),
        ({"format": "parquet"}, "format"),
        ({"model": "shakespeare_gpt2", "inputs": ["a"], "top_k": 2}, "task"),
        ({"inputs": [*sorted(map(str, photos.glob("*/*")))]}, "not the same ones"),
        ({"engine": "keras"}, "engine"),
    ):
        given = {"model": str(CIFAR), "inputs": photos, "top_k": 2, "engine": "litert", **change}
        with pytest.raises(UsageError) as told:
            ws.batch(given.pop("model"), given.pop("inputs"), folder, **given)
        assert words in str(told.value)
        assert "output folder" in str(told.value)
    assert look.content(folder) == before


def test_what_cannot_be_run_is_said_at_once(photos, model, tmp_path):
    output = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for words, given in (
        ("contains no photo", {"inputs": tmp_path / "empty"}),
        ("has no batch run", {"output": tmp_path / "full"}),
        ("is a file", {"output": tmp_path / "full" / "thesis.txt"}),
        ("has no option 'topk'", {"topk": 3}),
        ("top_k must be 1", {"top_k": 0}),
        ("'local' or 'ray'", {"on": "spark"}),
        ("is for on='ray'", {"workers": 2}),
        ("jsonl or parquet", {"format": "csv"}),
        ("shard_rows must be", {"shard_rows": 0}),
        ("not an object of type ndarray", {"inputs": np.zeros((2, 8, 8, 3), np.uint8)}),
        ("not an object of type Image", {"inputs": [Image.new("RGB", (8, 8))]}),
        ("no rows", {"inputs": []}),
        ("web address", {"output": "https://example.org/out"}),
        ("does not exist", {"inputs": "nowhere.jsonl"}),
    ):
        with pytest.raises(UsageError) as told:
            ws.batch(model, **{"inputs": photos, "output": output, **given})
        assert words in str(told.value), told.value
    assert not output.exists()
    with pytest.raises(UsageError, match="files of their own"):
        ws.batch(ws.load("digits_wavenet"), ["seven"], output)


def test_a_full_disk_keeps_what_is_done(photos, model, expected, tmp_path, monkeypatch, look):
    output, written = tmp_path / "run", []

    def full(self, target):
        if target.name.startswith("part-") and len(written) == 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(target)
        return rename(self, target)

    rename = Path.replace
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BatchError, match=r"No space left on device.*run the same call again"):
        ws.batch(model, photos, output, shard_rows=10, top_k=2)
    assert look.shards(output) == 6  # and the manifest
    assert not list(output.rglob("*.part"))
    monkeypatch.undo()
    ws.batch(model, photos, output, top_k=2)
    assert look.content(output) == look.content(expected)


def test_a_folder_that_cannot_be_written(photos, model, tmp_path, monkeypatch):
    def refused(*args, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "makedirs", refused)  # as root, no mode of a folder refuses anything
    with pytest.raises(BatchError, match=r"cannot be written .Permission denied"):
        ws.batch(model, photos, tmp_path / "run")


def test_two_processes_do_not_write_into_one_folder(photos, model, tmp_path):
    from filelock import FileLock

    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"), pytest.raises(BatchError, match="Another process"):
        ws.batch(model, photos, tmp_path / "run")


def test_ten_thousand_files_are_planned_fast(model, tmp_path):
    for number in range(10_000):
        (tmp_path / f"{number}.jpg").touch()
    begun = time.process_time()
    plan = make_plan(listing.list_rows(tmp_path, RowReader(model)), 512)
    assert time.process_time() - begun < 2
    assert plan.rows == 10_000
    assert [len(shard) for shard in plan.shards] == [512] * 19 + [272]
    assert plan.shards[1].parts[0].values[0].endswith("/512.jpg")
    assert make_plan(listing.list_rows(tmp_path, RowReader(model)), 7).digest == plan.digest
    (tmp_path / "3.jpg").unlink()
    assert make_plan(listing.list_rows(tmp_path, RowReader(model)), 512).digest != plan.digest


def test_one_row_that_breaks_a_batch_does_not_take_the_others_along(
    photos, expected, tmp_path, monkeypatch, look
):
    model = ws.load(CIFAR, engine="litert")
    run = model.engine.run
    poison = model.preprocess(photos / "c" / "img101.png")

    def breaking(function, *, images):
        if any(np.array_equal(image, poison) for image in images):
            raise RuntimeError("out of luck")
        return run(function, images=images)

    monkeypatch.setattr(model.engine, "run", breaking)
    done = ws.batch(model, photos, tmp_path / "run", shard_rows=50, top_k=2)
    failed = {Path(letter["source"]).name: letter["error"] for letter in done.failures()}
    assert failed.keys() == {"img100x.jpg", "img101.png"}
    assert "RuntimeError: out of luck" in failed["img101.png"]
    assert sorted(look.rows(tmp_path / "run")) == list(range(241))
    monkeypatch.setattr(model.engine, "run", lambda *a, **b: 1 / 0)
    with pytest.raises(
        ZeroDivisionError
    ):  # the model itself is broken: nothing is gained by a million dead letters
        ws.batch(model, photos, tmp_path / "other", shard_rows=50)


def test_parquet_has_one_schema(photos, model, expected, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    done = ws.batch(
        model,
        [*sorted(photos.glob("a/*"))[:15], "missing.jpg"],
        tmp_path / "run",
        shard_rows=5,
        format="parquet",
    )
    files = sorted((tmp_path / "run").glob("part-*.parquet"))
    assert [parquet.read_metadata(path).num_rows for path in files] == [5, 5, 5, 0]
    assert len({str(parquet.read_schema(path)) for path in files}) == 1
    table = parquet.read_table(
        tmp_path / "run"
    )  # a reader of whole folders meets neither manifest nor dead letters
    assert table.column("row").to_pylist() == list(range(15))
    assert list(done.results()) == table.to_pylist()
    assert [f["source"] for f in done.failures()] == ["missing.jpg"]


def test_without_pyarrow_jsonl_works_and_parquet_says_what_to_do(
    photos, model, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'warmstart\[parquet\]'"):
        ws.batch(model, photos, tmp_path / "run", format="parquet")
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"pip install 'warmstart\[parquet\]'"):
        ws.batch(model, tmp_path / "x.parquet", tmp_path / "run")
    assert ws.batch(model, photos / "a", tmp_path / "run").rows == 80


def test_a_store_of_fsspec_is_read_and_written(photos, model, expected, tmp_path, look):
    done = ws.batch(model, f"file://{photos}", f"file://{tmp_path}/run", shard_rows=10, top_k=2)
    assert (done.rows, done.failed) == (241, 1)
    found = {row["source"] for row in done.results()}
    assert f"file://{photos}/a/img0.png" in found
    for path in (tmp_path / "run").glob("part-0000?.jsonl"):
        path.unlink()
    assert ws.batch(model, f"file://{photos}", f"file://{tmp_path}/run", top_k=2).before == 141
    assert sorted(look.rows(tmp_path / "run")) == list(range(241))
    with pytest.raises(UsageError, match="nosuch"):
        ws.batch(model, "nosuch://bucket/photos", tmp_path / "other")


@pytest.mark.parametrize(
    ("task", "result"),
    [
        (
            "object-detection",
            lambda: ws.Detections("a", "m", (4, 3), (ws.Box("x", 0, 0.5, 0, 0, 1, 1),), None),
        ),
        (
            "image-segmentation",
            lambda: ws.Segmentation("a", "m", np.zeros((2, 2), int), (Label(0, "x", "x"),), None),
        ),
        (
            "token-classification",
            lambda: ws.Entities("a", "m", (ws.Entity("PER", "Ann", 0, 3, 0.5),)),
        ),
        (
            "question-answering",
            lambda: ws.Answer("a", "m", "x", 0, 1, 0.5, (ws.Answer("a", "m", "y", 2, 3, 0.1),)),
        ),
        ("fill-mask", lambda: ws.FilledMask("a", "m", ((ws.Prediction(1, "x", "x", 0.5),),), "x")),
        ("text-embedding", lambda: ws.Embedding("a", "m", np.ones(3, np.float32))),
        ("text-generation", lambda: ws.Generation("a", "m", "x", (1,), (-0.5,), "stop")),
        (
            "speech-recognition",
            lambda: ws.Transcript(
                "a",
                "m",
                "x",
                words=(ws.Word("x", 0, 1, 0.5),),
                segments=(ws.Segment("x", 0, 1, 0.5, 0.1), ws.Segment("y", 1, 2, 1)),
            ),
        ),
    ],
)
def test_results_of_every_task_fit_into_parquet(task, result):
    parquet = pytest.importorskip("pyarrow.parquet")
    import io

    told = {"row": 0, "source": "s", **result().to_dict()}
    absent = [name for name in writing.schema(task).names if name not in told]  # optional fields
    assert [name for name in writing.schema(task).names if name not in absent] == list(told)
    (back,) = parquet.read_table(io.BytesIO(writing.encode([told], task, "parquet"))).to_pylist()
    assert all(back.pop(name) is None for name in absent)
    assert _bare(back) == json.loads(json.dumps(told))
    assert writing.encode([], task, "parquet")


def _bare(value):
    """Without the fields that a result leaves out where it has nothing to say."""
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items() if inner is not None}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


def test_shards_travel_as_text(model, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    (shard,) = make_plan(listing.list_rows([odd, "b.jpg"], RowReader(model)), 5).shards
    assert Shard.from_json(shard.to_json()) == shard
    first, second = rows_of(shard, RowReader(model))
    assert (first.value, first.source) == (odd, os.fspath(tmp_path) + "/caf\\udce9.jpg")
    assert not isinstance(second.value, InputError)


def test_another_column_is_named_as_the_option(tmp_path):
    table = tmp_path / "reviews.csv"
    table.write_text("review,text\ngood,bad\n")
    ws.batch("sst2_bert_tiny", table, tmp_path / "run")
    with pytest.raises(
        UsageError, match=r"inputs: column \(before: its default, now: \['review'\]\)"
    ):
        ws.batch("sst2_bert_tiny", table, tmp_path / "run", column="review")


def test_a_text_that_is_the_name_of_a_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "a.txt").write_text("good\nbad\n")
    for texts in (["reviews", "a film"], ["a film", "reviews"], iter(["a film", "reviews"])):
        with pytest.raises(
            UsageError, match=r"'reviews' may be a text, and is a folder; pass \./rev"
        ):
            ws.batch("sst2_bert_tiny", texts, "refused")
    assert ws.batch("sst2_bert_tiny", ["./reviews", "a film"], "both").rows == 3
    assert ws.batch("sst2_bert_tiny", ["reviews"], "folder").rows == 2
    assert ws.batch("sst2_bert_tiny", "reviews", "folder").rows == 2


@pytest.mark.parametrize("output", [None, 5])
def test_the_output_is_a_path(output):
    with pytest.raises(UsageError, match="output must be a path or URL of a folder, not"):
        ws.batch("sst2_bert_tiny", ["a"], output)
