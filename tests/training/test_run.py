"""The output folder: nothing is overwritten, one process at a time."""

import numpy as np
import pytest

import warmstart as ws
from warmstart.core.output_files import whole_folder
from warmstart.errors import BundleError, TrainingError, UsageError
from warmstart.training.run import open_run, plain


def bundle(folder):
    folder.mkdir()
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "x").write_text("1")
    (folder / "warmstart.json").write_text("{}")


def test_life_of_a_folder(tmp_path):
    output = tmp_path / "a" / "out"
    with open_run(output, {"seed": 1}) as run:
        assert (run.resumed, run.finished) == (False, False)
        run.write("state", {"epoch": 1})
        run.save_arrays("x.safetensors", {"x": np.arange(3)})
        (run.state / ".y.part").write_text("of a killed process")
    with open_run(output, {"seed": 1}) as run:
        assert run.resumed
        assert run.read("state") == {"epoch": 1}
        np.testing.assert_array_equal(run.load_arrays("x.safetensors")["x"], np.arange(3))
        assert not (run.state / ".y.part").exists()
        (output / "artifacts").mkdir()  # as if killed while the parts were moved
        run.finish(bundle)
    with open_run(output, {"seed": 1}) as run:
        assert run.finished
    assert sorted(p.name for p in output.iterdir()) == ["artifacts", "training", "warmstart.json"]
    assert not list(output.glob("training/*.safetensors"))


def test_other_settings_and_foreign_folders_are_refused(tmp_path):
    with open_run(tmp_path / "out", {"seed": 1, "epochs": 3}) as run:
        run.write("state", {})
    with (
        pytest.raises(UsageError, match="seed: 1, now 2"),
        open_run(tmp_path / "out", {"seed": 2, "epochs": 3}),
    ):
        pass
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("!")
    with pytest.raises(UsageError, match="not empty"), open_run(tmp_path / "mine", {}):
        pass


def test_an_unfinished_run_is_no_model(tmp_path):
    with open_run(tmp_path / "out", {"seed": 1}) as run:
        run.write("state", {"epoch": 1})
    with pytest.raises(UsageError, match=r"has not finished.*`warmstart finetune`.*resumes it"):
        ws.load(tmp_path / "out")


def test_one_process_at_a_time(tmp_path):
    with open_run(tmp_path / "out", {}), pytest.raises(TrainingError, match="Another process"):
        with open_run(tmp_path / "out", {}):
            pass


@pytest.mark.parametrize("in_bundle", [False, True])
def test_a_failed_bundle_leaves_the_run_as_it_was(tmp_path, in_bundle):
    def fails(folder):
        if not in_bundle:
            folder.mkdir()
            raise OSError(28, "No space left on device")
        with whole_folder(folder, BundleError):
            raise OSError(28, "No space left on device")

    with open_run(tmp_path / "out", {}) as run:
        run.save_arrays("x.safetensors", {"x": np.arange(3)})
        with pytest.raises(TrainingError, match="No space left"):
            run.finish(fails)
        assert not run.finished
        assert (run.state / "x.safetensors").exists()
        run.finish(bundle)
        assert run.finished


def test_without_an_output_folder_a_temporary_one():
    with open_run(None, {}) as run:
        assert not run.resumable
        assert run.finish(bundle).is_dir()


def test_plain_values_are_the_same_in_every_process():
    def loss(): ...

    assert plain({"a": (1, np.float32(2)), "f": loss, "x": np.zeros(2)}) == {
        "a": [1, 2.0],
        "f": f"{__name__}.test_plain_values_are_the_same_in_every_process.<locals>.loss",
        "x": plain(np.zeros(2)),
    }
    assert plain(np.zeros(2)) != plain(np.ones(2))
