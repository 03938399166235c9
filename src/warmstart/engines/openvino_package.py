"""The package `openvino`, without its tools that convert models.

`import openvino` also imports these tools. This takes as long as all the rest, and sends a report to
Google Analytics. Here they are imported when `openvino.convert_model` is used. Import the package
from here: `from warmstart.engines.openvino_package import openvino`.
"""

from __future__ import annotations

import sys
from typing import Any

TOOLS = "openvino.tools"


def _attribute(name: str) -> Any:
    """An attribute of `openvino` that its tools define."""
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    from openvino.tools.ovc import convert_model

    return convert_model


if "openvino" in sys.modules:
    import openvino
else:
    sys.modules[TOOLS] = None  # type: ignore[assignment]  # importing it raises ImportError
    try:
        import openvino
    finally:
        del sys.modules[TOOLS]
    openvino.__getattr__ = _attribute

__all__ = ["openvino"]
