"""Sphinx settings of the site: `make docs` builds it, and fails on any warning."""

from __future__ import annotations

import importlib.util
import sys
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from sphinx.pycode import ModuleAnalyzer

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from warmstart.version import __version__

project = "warmstart"
author = "The warmstart authors"
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
templates_path = ["_templates"]
exclude_patterns = ["conf.py", "_templates", "images/*.md", "pictures/*.md"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_mock_imports = ["tensorflow", "keras"]
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Class attributes", "params_style")]
default_role = "code"

html_theme = "furo"
html_title = f"warmstart {release}"
html_copy_source = False


def setup(app: Any) -> None:
    """Write the executed notebook as a page of its own; show signatures as `help` does."""
    app.connect("build-finished", _write_notebook)
    app.connect("autodoc-process-signature", _plain_signature)
    analyze = ModuleAnalyzer.analyze

    def with_fewer_overloads(analyzer: ModuleAnalyzer) -> None:
        analyze(analyzer)
        analyzer.overloads = {
            name: [_short(signature) for signature in signatures]
            for name, signatures in analyzer.overloads.items()
            if name.endswith(".__call__")
        }

    ModuleAnalyzer.analyze = with_fewer_overloads  # type: ignore[method-assign]


def _short(signature: Signature) -> Signature:
    """The overload of a call, whose options are in the table below it."""
    options = Parameter("options", Parameter.VAR_KEYWORD)
    parameters = [one for one in signature.parameters.values() if one.name != "options"]
    return signature.replace(parameters=[*parameters, options])


def _plain_signature(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str, Any] | None:
    """`Annotated[int, Option("…")]` becomes `int`: the page has a table of the options."""
    if signature is None:
        return None
    start = "Annotated["
    while start in signature:
        before, _, after = signature.partition(start)
        depth, quote, comma, end = 0, "", 0, 0
        for end, character in enumerate(after):
            if quote:
                quote = "" if character == quote and after[end - 1] != "\\" else quote
            elif character in "'\"":
                quote = character
            elif character in "[(":
                depth += 1
            elif character in ")]" and depth:
                depth -= 1
            elif character == "]":
                break
            elif character == "," and not depth and not comma:
                comma = end
        signature = before + after[:comma] + after[end + 1 :]
    return signature, returns


def _write_notebook(app: Any, error: Exception | None) -> None:
    path = Path(__file__).parents[1] / "scripts" / "run_tutorials.py"
    spec = importlib.util.spec_from_file_location("run_tutorials", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if error is None and app.builder.format == "html":
        page = module.html_page(module.read_results())
        (Path(app.outdir) / "notebook.html").write_text(page, "utf-8")
