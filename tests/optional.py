"""What not every machine and not every version of an optional package has."""

from importlib import metadata

import pytest


def require_paged_attention() -> None:
    """Skip where OpenVINO is missing or older than the one whose paged attention is used."""
    pytest.importorskip("openvino")
    version = metadata.version("openvino")
    if tuple(map(int, version.split(".")[:2])) < (2026, 4):
        pytest.skip(f"OpenVINO {version} has another paged attention", allow_module_level=True)


def require_bfloat16() -> None:
    """Skip where OpenVINO is missing or this processor does not compute in bfloat16."""
    pytest.importorskip("openvino")
    from warmstart.engines.openvino import computes_in_bfloat16

    if not computes_in_bfloat16():
        pytest.skip("this processor has no bfloat16")
