"""The README as the package's description: the package index knows no relative links.

A metadata hook of hatchling, named in pyproject.toml. Where `[project.urls]` has the address of the
source (`Source`), links and pictures become absolute, at the tag of the version. Where it has none,
links become plain text and pictures are left out, so that nothing in the description is dead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|#")


def for_index(text: str, urls: Mapping[str, str], version: str) -> str:
    """The text of a README without relative links.

    Args:
        text: in Markdown.
        urls: `[project.urls]` of pyproject.toml.
        version: whose files are linked, as the tag `v1.2.3`.
    """
    source = urls.get("Source", "").rstrip("/")

    def replaced(link: re.Match[str]) -> str:
        is_image, label, target = link["image"], link["text"], link["target"]
        if ABSOLUTE.match(target):
            return link[0]
        if not source:
            return "" if is_image else label
        view = "raw" if is_image else "blob"
        return f"{is_image}[{label}]({source}/{view}/v{version}/{target})"

    parts = re.split(r"(^```.*?^```$|`[^`\n]+`)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(
        part if number % 2 else LINK.sub(replaced, part) for number, part in enumerate(parts)
    )


def get_metadata_hook() -> type[Any]:
    """The hook; hatchling is there only while a distribution is built."""
    from hatchling.metadata.plugin.interface import MetadataHookInterface

    class ReadmeHook(MetadataHookInterface):  # type: ignore[misc]
        def update(self, metadata: dict[str, Any]) -> None:
            text = (Path(self.root) / "README.md").read_text("utf-8")
            described = for_index(text, metadata.get("urls", {}), metadata["version"])
            metadata["readme"] = {"content-type": "text/markdown", "text": described}

    return ReadmeHook
