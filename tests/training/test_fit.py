"""The loop: same seed, same result; resumed as if nothing had happened; the best epoch is what
remains.
"""

import importlib
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from warmstart.errors import UsageError

pytestmark = pytest.mark.tensorflow


def test_a_full_disk_and_a_kill_change_nothing(tmp_path, monkeypatch):
    """Both are survived by the last checkpoint; the run that resumes ends with the numbers of an
    undisturbed one.
    """
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    small_run = importlib.import_module("small_run")
    output, state = tmp_path / "out", tmp_path / "out" / "training" / "fit.json"
    disturbed = subprocess.run(
        [sys.executable, small_run.__file__, str(output)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert disturbed.returncode == -signal.SIGKILL, disturbed.stderr[-2000:]
    assert "cannot be written" in disturbed.stdout
    assert "run the same command again to resume" in disturbed.stdout
    assert json.loads(state.read_text())["epoch"] == 3
    assert small_run.train(output) == small_run.train(tmp_path / "other")


def net(rate: float = 0.01):
    import keras

    from warmstart.training.fit import seeded

    with seeded(3):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def data(n: int = 40, **options):
    from warmstart.training.batches import ArrayBatches

    x = np.random.default_rng(0).normal(size=(n, 4)).astype("float32")
    return ArrayBatches(x, (x[:, 0] > 0).astype("int64"), **options)


def test_the_best_epoch_remains_and_patience_ends_it():
    from warmstart.training.fit import fit

    model, values = net(), iter([0.3, 0.9, 0.5, 0.6, 0.7])
    seen = []

    def measure():
        seen.append(model.get_weights()[0].copy())
        return {"score_accuracy": next(values)}

    told = fit(model, data(), epochs=5, measure=measure, monitor="val_score_accuracy", patience=2)
    assert told.best == 2
    assert told.stopped == "no better epoch"
    assert len(told.history) == 4
    assert told.metrics["val_score_accuracy"] == 0.9
    np.testing.assert_array_equal(model.get_weights()[0], seen[1])


def test_never_worse_than_the_start():
    from warmstart.training.fit import fit

    model = net(rate=100.0)  # jumps away from wherever it is
    x = data().x
    model.set_weights([np.array([[-5.0, 5.0]] + [[0.0, 0.0]] * 3), np.zeros(2)])
    before = model.predict(x, verbose=0)
    flipped = data()
    flipped.y = 1 - flipped.y
    told = fit(
        model,
        flipped,
        epochs=2,
        validation=data(shuffle=False),
        monitor="val_accuracy",
        keep_start=True,
    )
    assert told.best == 0
    assert told.metrics["val_accuracy"] == 1.0
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


@pytest.mark.parametrize(("scores", "share"), [
    ([0.5, 0.4, 0.3, 0.8, 0.7], 0.75),  # better than both
    ([0.5, 0.9, 0.3, 0.8, 0.7], None),
])  # fmt: skip
def test_the_average_of_the_weights_before_and_after(scores, share):
    from warmstart.training.fit import fit

    model, values, seen = net(), iter(scores), []

    def measure():
        seen.append(model.get_weights()[0].copy())
        return {"score_accuracy": next(values)}

    fitted = fit(
        model,
        data(),
        epochs=1,
        measure=measure,
        monitor="val_score_accuracy",
        keep_start=True,
        averages=(0.25, 0.75, 0.5),
    )
    before, after, *averages = seen
    for average, record in zip(averages, fitted.averages, strict=True):
        expected = before + record["share"] * (after - before)
        np.testing.assert_allclose(average, expected, rtol=1e-6)
    best = averages[1] if share else after
    assert fitted.share == share
    assert fitted.metrics["val_score_accuracy"] == max(scores)
    np.testing.assert_array_equal(model.get_weights()[0], best)


def test_a_resumed_run_averages_the_same_weights(tmp_path):
    """Whether it ended before the averages were measured, or after one of them was chosen."""
    from warmstart.training.fit import fit
    from warmstart.training.run import open_run

    class Stopped(Exception):
        """As a kill would."""

    def trained(folder, scores):
        values = iter(scores)

        def measure():
            score = next(values)
            if score is None:
                raise Stopped
            return {"score_accuracy": score}

        model = net()
        with open_run(folder, {}) as run:
            fitted = fit(
                model,
                data(),
                epochs=2,
                measure=measure,
                monitor="val_score_accuracy",
                keep_start=True,
                averages=(0.5,),
                run=run,
            )
        return fitted.best, fitted.share, model.get_weights()[0].tolist()

    expected = trained(tmp_path / "whole", [0.5, 0.6, 0.4, 0.9])
    assert expected[:2] == (1, 0.5)
    with pytest.raises(Stopped):
        trained(tmp_path / "cut", [0.5, 0.6, 0.4, None])
    assert trained(tmp_path / "cut", [0.9]) == expected
    assert trained(tmp_path / "cut", []) == expected


@pytest.mark.parametrize(
    ("losses", "best"),
    [([0.5, 0.3, 0.4, 0.6], 2), ([0.5, 0.4, 0.3, 0.3], 3), ([0.2, 0.3, 0.4, 0.5], 1)],
)
def test_among_equal_epochs_the_lowest_loss_decides_and_then_the_earliest(losses, best, tmp_path):
    """Also where the run was stopped after its second epoch."""
    from warmstart.training.fit import fit
    from warmstart.training.run import open_run

    class Stopped(Exception):
        """As a kill would."""

    def trained(folder, values):
        def measure():
            if not values:
                raise Stopped
            return {"accuracy": 0.9, "loss": values.pop(0)}

        with open_run(folder, {}) as run:
            return fit(net(), data(), epochs=4, measure=measure, monitor="val_accuracy", run=run)

    fitted = trained(tmp_path / "whole", [*losses])
    with pytest.raises(Stopped):
        trained(tmp_path / "cut", losses[:2])
    assert trained(tmp_path / "cut", losses[2:]).best == fitted.best == best
    assert fitted.metrics["val_loss"] == min(losses)


def test_where_the_metric_is_undefined_the_loss_decides(capsys):
    from warmstart.training.fit import fit
    from warmstart.training.progress import Terminal

    losses = iter([0.5, 0.2, 0.4])
    told = fit(
        net(),
        data(),
        epochs=3,
        measure=lambda: {"ap": np.nan, "loss": next(losses)},
        monitor="val_ap",
        terminal=Terminal(verbose=True),
    )
    assert told.best == 2
    assert (
        capsys.readouterr().err.count(
            "ap is undefined on the validation data; the best epoch is selected by the loss"
        )
        == 1
    )
    values = iter([np.nan, 0.1, np.nan])  # a value is better than none
    told = fit(net(), data(), epochs=3, measure=lambda: {"ap": next(values)}, monitor="val_ap")
    assert told.best == 2


def test_a_loss_that_is_not_finite_is_an_error():
    from warmstart.errors import TrainingError
    from warmstart.training.fit import fit

    bad = data()
    bad.x = bad.x * np.nan
    with pytest.raises(TrainingError, match="not finite in the first epoch"):
        fit(net(), bad, epochs=2)


def test_an_unknown_metric_is_named():
    from warmstart.errors import UsageError
    from warmstart.training.fit import fit

    with pytest.raises(UsageError, match=r"'val_f7'.*val_accuracy"):
        fit(net(), data(), epochs=1, validation=data(shuffle=False), monitor="val_f7")


def test_gradients_are_clipped_unless_the_optimizer_does_it():
    import keras

    from warmstart.training.fit import fit

    model = net(rate=1.0)
    before = [w.copy() for w in model.get_weights()]
    one = data(batch_size=40)
    one.x = one.x * 100
    fit(model, one, epochs=1, clip_norm=0.01)
    moved = np.sqrt(
        sum(((a - b) ** 2).sum() for a, b in zip(before, model.get_weights(), strict=True))
    )
    assert moved == pytest.approx(0.01, rel=1e-3)
    own = net()
    own.compile(keras.optimizers.SGD(0.1, clipvalue=3.0), "sparse_categorical_crossentropy")
    fit(own, data(), epochs=1, clip_norm=0.01)
    assert own.optimizer.global_clipnorm is None


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # Keras' own scheduler, numpy 2
def test_callbacks_of_keras_work():
    import keras

    from warmstart.training.fit import fit

    model, rates = net(), []
    slower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    told = fit(
        model,
        data(),
        epochs=2,
        callbacks=[
            slower,
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(epoch)),
        ],
    )
    assert rates == [0, 1]
    assert [record["learning_rate"] for record in told.history] == pytest.approx([0.005, 0.0025])
    assert told.best == 2  # no validation: the last epoch


def test_every_example_once_an_epoch_in_even_batches():
    batches = data(41, batch_size=8)
    for epoch in (0, 1):
        parts = [batches.batch(epoch, index)[0] for index in range(len(batches))]
        assert {len(part) for part in parts} == {6, 7}
        np.testing.assert_array_equal(np.sort(np.concatenate(parts), 0), np.sort(batches.x, 0))
    assert not np.array_equal(batches.batch(0, 0)[0], batches.batch(1, 0)[0])
    np.testing.assert_array_equal(batches.batch(1, 2)[0], batches.batch(1, 2)[0])


@pytest.mark.parametrize("weight", [-1, math.inf, math.nan, "x", None, True])
def test_weights_of_classes_are_numbers(weight):
    from warmstart.training.options import ClassWeightOptions

    with pytest.raises(UsageError, match="class_weight of 'a' must be a finite number, 0 or more"):
        ClassWeightOptions(class_weight={"a": weight})


def test_weights_are_not_all_zero():
    from warmstart.training.batches import example_weights

    labels = np.array([0, 0, 1])
    assert example_weights({"b": 0}, labels, ["a", "b"]).tolist() == [1.5, 1.5, 0]
    with pytest.raises(UsageError, match="class_weight is 0 for all 3 training examples"):
        example_weights({"a": 0, "b": 0}, labels, ["a", "b"])


def test_class_weights_even_out():
    from warmstart.training.batches import class_weights

    labels = np.array([0] * 6 + [1] * 2)
    weights = class_weights(labels, 3)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["warmup_cosine", "warmup_linear"])
def test_schedules_rise_and_fall(kind):
    from warmstart.training import schedules

    schedule = getattr(schedules, kind)(0.4, 100, warmup=0.1, final=0.25)
    rates = [float(schedule(step)) for step in (0, 5, 10, 55, 100, 200)]
    middle = 0.25  # both are half way between 0.4 and 0.1 there
    assert rates == pytest.approx([0, 0.2, 0.4, middle, 0.1, 0.1], abs=1e-5)
    flat = getattr(schedules, kind)(0.4, 10, warmup=0.0)
    assert float(flat(0)) == pytest.approx(0.4)


@pytest.mark.parametrize(("metric", "up"), [
    ("val_accuracy", True), ("val_ap", True), ("val_ap50", True), ("val_ap_small", True), ("val_ar100", True),
    ("map", True), ("val_miou", True), ("mape", False), ("val_loss", False), ("mae", False), ("val_top_loss", False),
])  # fmt: skip
def test_which_way_a_metric_goes(metric, up):
    from warmstart.training.checkpointing import higher_is_better

    assert higher_is_better(metric) is up


@pytest.mark.parametrize(
    ("scores", "best"), [([0.9, 0.9, 0.9], 1), ([0.9, 0.8, 0.7], 0), ([0.9, 0.8, 0.9], 2)]
)
def test_an_epoch_as_good_as_the_start_may_count_as_better(scores, best):
    from warmstart.training.fit import fit

    def fitted(**options):
        values, losses = iter(scores), iter([0.1, 0.3, 0.4])

        def measure():
            return {"accuracy": next(values), "loss": next(losses)}

        options |= {"measure": measure, "monitor": "val_accuracy", "keep_start": True}
        return fit(net(), data(), epochs=2, **options).best

    assert fitted(prefer_trained=True) == best
    assert fitted() == 0
