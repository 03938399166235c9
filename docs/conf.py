"""Sphinx settings of the site: `make docs` builds it, and fails on any warning."""

from __future__ import annotations

import importlib.util
import re
import sys
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from docutils.nodes import Text
from sphinx.addnodes import desc_annotation, desc_signature
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
exclude_patterns = ["conf.py", "_static", "_templates", "images/*.md", "pictures/*.md"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_mock_imports = ["tensorflow", "keras"]
autodoc_type_aliases = {"JSON": "JSON"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Class attributes", "params_style")]
default_role = "code"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"warmstart {release}"
html_copy_source = False

WITH_ANY = re.compile(r"\b(Model|NDArray|np\.integer|pd\.Series|pd\.Index)\[Any(?:, Any)*\]")
"""Any model, any array: the name alone says it."""


def setup(app: Any) -> None:
    """Write the executed notebook as a page of its own; show signatures as `help` does."""
    app.connect("build-finished", _write_notebook)
    app.connect("autodoc-process-signature", _plain_signature)
    app.connect("object-description-transform", _plain_type_of_property)
    analyze = ModuleAnalyzer.analyze

    def with_fewer_overloads(analyzer: ModuleAnalyzer) -> None:
        analyze(analyzer)
        analyzer.overloads = {
            name: [_short(signature) for signature in signatures]
            for name, signatures in analyzer.overloads.items()
            if "." in name  # functions: `load` has one for each task
        }

    ModuleAnalyzer.analyze = with_fewer_overloads  # type: ignore[method-assign]


def _short(signature: Signature) -> Signature:
    """The overload of a call, whose options are in the table below it."""
    if "options" not in signature.parameters:
        return signature
    options = Parameter("options", Parameter.VAR_KEYWORD)
    parameters = [one for one in signature.parameters.values() if one.name != "options"]
    return signature.replace(parameters=[*parameters, options])


def _plain_signature(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str, str | None] | None:
    if signature is None:
        return None
    return _plain(signature), _plain(returns) if returns else returns


def _plain_type_of_property(app: Any, domain: str, what: str, content: Any) -> None:
    """The type of a property, which no event of autodoc passes."""
    if what != "property":
        return
    for signature in content.parent.findall(desc_signature):
        for shown in signature.findall(desc_annotation):
            if (text := shown.astext()).startswith(":"):
                shown.children = []
                shown += Text(": " + _plain(text.removeprefix(":").strip()))


def _plain(types: str) -> str:
    """Types as a reader writes them: no modules, `NDArray`, and no `Annotated`, which is for the wire."""
    types = re.sub(r"~[\w.~]*\.|TypeAliasForwardRef\('(\w+)'\)", r"\1", types)
    types = _without_annotated(types)
    types = re.sub(
        r"ndarray\[tuple\[Any, \.\.\.\], dtype\[([\w.]+(?:\[Any\])?)\]\]", r"NDArray[\1]", types
    )
    return WITH_ANY.sub(r"\1", types)


def _without_annotated(types: str) -> str:
    """`Annotated[int, Option("…")]` becomes `int`: the page has a table of the options."""
    start = "Annotated["
    while start in types:
        before, _, after = types.partition(start)
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
        types = before + after[:comma] + after[end + 1 :]
    return types


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
