"""The package openvino sends nothing, and has all that it has otherwise."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("openvino")
PREDICT = """
import sys
import warmstart as ws

assert ws.load("sst2_bert_tiny", engine="openvino")("a moving film").label == "positive"
assert not {"openvino.tools", "openvino_telemetry"} & set(sys.modules)
"""
CONVERT = """
from warmstart.engines.openvino_package import openvino
from openvino import convert_model

assert openvino.convert_model is convert_model
assert not hasattr(openvino, "no_such_name")
import openvino.tools.ovc
"""


def run(code, **environment):
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)


def test_no_telemetry(tmp_path):
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | home
    run(PREDICT, **environment)  # with CI=true, OpenVINO sends nothing by itself
    assert not (tmp_path / "intel").exists()  # the folder of the identifier that it sends


def test_its_converter_is_imported_when_it_is_used():
    run(CONVERT, **{**os.environ, "CI": "true"})
