"""What the page tells of a model, and under which rules browsers show the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warmstart.core.model import Model

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
                               "media-src blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
                               "frame-ancestors 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Only files of this server are loaded and run; what people choose is shown from memory (`blob:`)."""
WIDTHS = {"float32": 4, "bfloat16": 2, "int8": 1}


def card(model: Model[Any, Any, Any]) -> dict[str, Any]:
    """The facts of a model's card, as JSON values; `bytes` is what its numbers take in memory."""
    entry = model.entry
    return {"licence": entry.licence, "parameters": entry.parameters,
            "bytes": entry.parameters * WIDTHS[model.precision], "engine": model.engine.name,
            "precision": model.precision, "architecture": entry.architecture,
            "context": entry.processing.get("longest"), "paper": entry.paper,
            "metrics": [{"name": one.name, "value": one.value, "dataset": one.dataset, "source": one.source}
                        for one in entry.metrics]}
