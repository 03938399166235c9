"""The package openvino sends nothing."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("openvino")
CODE = """
import sys
import warmstart as ws

assert ws.load("sst2_bert_tiny", engine="openvino")("a moving film").label == "positive"
assert "openvino_telemetry" not in sys.modules
import openvino_telemetry
"""


def test_no_telemetry(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    environment.pop("CI", None)  # where OpenVINO sends nothing by itself
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True, timeout=120)
    assert not (tmp_path / "intel").exists()  # the folder of the identifier that it sends
