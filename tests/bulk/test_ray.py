"""A batch on Ray: the same files as on one machine, whoever dies on the way."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from tests import ray_cluster
from tests.photos import CIFAR

import warmstart as ws
from warmstart.bulk import writing
from warmstart.bulk.cluster import Worker
from warmstart.errors import BatchError, UsageError

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.timeout(600),
    ray_cluster.OWN_WARNINGS,
]
OPTIONS = {"shard_rows": 10, "top_k": 2, "on": "ray", "workers": 2}
ONE = {**OPTIONS, "workers": 1}
"""Half of the time where it does not matter how many there are: a worker takes seconds to start."""


def workers() -> list[int]:
    """The processes of our cluster that answer shards."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes()
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            grandparent = (
                (Path("/proc") / parent / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except (OSError, IndexError):
            continue
        if command.startswith(b"ray::MapWorker") and grandparent == str(os.getpid()):
            found.append(int(process.name))
    return found


def test_the_same_files_as_on_one_machine_though_workers_are_killed(
    cluster, photos, model, expected, tmp_path, look
):
    killed: list[int] = []

    def kill(now):
        living = [pid for pid in workers() if pid not in killed]
        if now.rows and len(killed) < 2 and living:
            os.kill(living[0], signal.SIGKILL)
            killed.append(living[0])

    done = ws.batch(model, photos, tmp_path / "run", progress=kill, **OPTIONS)
    assert len(killed) == 2
    assert (done.rows, done.failed, done.before) == (241, 1, 0)
    assert sorted(look.rows(tmp_path / "run")) == list(range(241))
    assert look.content(tmp_path / "run") == look.content(expected)
    assert ws.batch(model, photos, tmp_path / "run", **OPTIONS).before == 241
    with pytest.raises(UsageError, match=r"top_k \(before: 2, now: 3\)"):
        ws.batch(model, photos, tmp_path / "run", **{**OPTIONS, "top_k": 3})


def test_the_run_is_killed_and_goes_on_elsewhere(
    cluster, photos, model, expected, tmp_path, look, started
):
    output = tmp_path / "run"
    process = started(
        model=str(CIFAR), engine="litert", inputs=photos, output=output, address=cluster, **OPTIONS
    )
    while look.shards(output) < 3 and process.poll() is None:
        time.sleep(0.002)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.wait()
    while workers():  # those of the dead run; they end by themselves
        time.sleep(0.01)
    (output / "_tries" / "part-00003").write_bytes(
        b"."
    )  # by a worker that was killed with the run, perhaps
    (output / "part-00020.jsonl").unlink(
        missing_ok=True
    )  # so that something is left, however fast it was
    done = ws.batch(model, photos, output, top_k=2)  # on this machine alone
    assert done.before >= 20
    assert sorted(look.rows(output)) == list(range(241))
    assert look.content(output) == look.content(expected)


class Deadly(Worker):
    """A worker that one of the shards kills."""

    def _one(self, shard):
        from warmstart.bulk import cluster as here

        here.MAX_DEATHS = 2
        run = here.run_shard

        def dying(model, job, shard):
            if shard.number == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return run(model, job, shard)

        here.run_shard = dying
        try:
            return super()._one(shard)
        finally:
            here.run_shard = run


def test_a_shard_that_kills_its_workers_ends_the_run(cluster, photos, model, tmp_path, monkeypatch):
    monkeypatch.setattr("warmstart.bulk.cluster.Worker", Deadly)
    with pytest.raises(BatchError, match=r"part-00003 \(from row 30 on\) was started 2 times"):
        ws.batch(model, photos / "a", tmp_path / "run", **ONE)


class Starved(Worker):
    """A worker that may take 100 MB more than it has, and needs 1 GB for a shard."""

    def _one(self, shard):
        import resource

        from warmstart.bulk import cluster as here

        run, limits = here.run_shard, resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20, limits[1]))

        def hungry(model, job, shard):
            np.ones(2**27)
            return run(model, job, shard)

        here.run_shard = hungry
        try:
            return super()._one(shard)
        finally:
            here.run_shard = run
            resource.setrlimit(resource.RLIMIT_AS, limits)


def test_a_worker_without_memory_ends_the_run(cluster, photos, model, tmp_path, monkeypatch):
    monkeypatch.setattr("warmstart.bulk.cluster.Worker", Starved)
    with pytest.raises(BatchError, match=r"part-0000\d \(from row \d+ on\) needs more memory than"):
        ws.batch(model, photos / "a", tmp_path / "run", **ONE)
    monkeypatch.undo()
    assert ws.batch(model, photos / "a", tmp_path / "run", **ONE).rows == 80


class Refused(Worker):
    """A worker whose disk is full."""

    def __call__(self, batch):
        import sys

        def refused(*args):
            raise BatchError(
                f"the disk is full; imported: {sorted({'tensorflow', 'keras'} & sys.modules.keys())}"
            )

        writing.write = refused
        return super().__call__(batch)


def test_workers_need_no_tensorflow_and_say_what_is_wrong(
    cluster, photos, model, tmp_path, monkeypatch
):
    monkeypatch.setattr("warmstart.bulk.cluster.Worker", Refused)
    with pytest.raises(BatchError, match=r"the disk is full; imported: \[\]"):
        ws.batch(model, photos / "a", tmp_path / "run", **ONE)
    monkeypatch.undo()
    with pytest.raises(UsageError, match="The options of a Ray worker"):
        ws.batch(model, photos / "a", tmp_path / "out", worker={"cpus": 3}, **ONE)


def test_features_are_those_of_one_machine(cluster, photos, model, tmp_path):
    from warmstart.image.train.augment import Augmentation, ViewTransform
    from warmstart.image.train.feature_cache import FeatureCache
    from warmstart.image.train.features import photo_features

    some = [*sorted(photos.glob("a/*"))[:30], photos / "b" / "img100x.jpg"]
    given = {"views": ["clean", "varied"], "transform": ViewTransform(Augmentation(), (32, 32))}
    cache = FeatureCache(tmp_path / "ray.db")
    there = photo_features(model, some, on="ray", cache=cache, **given)
    here = photo_features(model, some, cache=FeatureCache(tmp_path / "local.db"), **given)
    assert there.computed == here.computed == 60
    assert list(there.failed) == [30]
    assert str(there.failed[30]) == str(here.failed[30])
    np.testing.assert_allclose(there.vectors, here.vectors, atol=1e-5)
    assert (
        photo_features(model, some, cache=cache, **given).computed == 0
    )  # found by the keys of one machine
