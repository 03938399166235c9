"""A model that travels to a worker."""

from __future__ import annotations

import warmstart as ws
from warmstart.bulk.shipping import pack, unpack


def test_workers_of_a_machine_share_one_copy_of_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv("WARMSTART_HOME", str(tmp_path))
    model = ws.load("sst2_bert_tiny")
    shipped = pack(model, "auto")
    first, second = unpack(shipped), unpack(shipped)
    assert first.folder == second.folder
    assert [path.name for path in (tmp_path / "shipped").iterdir()] == [first.folder.name]
    assert first("a warm film") == second("a warm film") == model("a warm film")
