"""Sphinx settings of the site: `make docs` builds it, and fails on any warning."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

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
exclude_patterns = ["conf.py", "images/*.md", "pictures/*.md"]
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
    """Write the executed notebook as a page of its own."""
    app.connect("build-finished", _write_notebook)


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
