"""List the versions of the built site, for its first page and for the version menu of each page.

    python scripts/list_versions.py site

Each folder of `site` with an `index.html` is a version. `site/versions.js` names their pages, so that
the menu leads to the same page of another version, also if the site is opened from files.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>warmstart: versions of the documentation</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 18px/1.6 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}
a {{ color: light-dark(#0a4bff, #9db7ff) }}
</style>
</head>
<body>
<h1>warmstart</h1>
<p>The documentation of each version, the newest first:</p>
<ul>
{links}
</ul>
</body>
</html>
"""


def release_order(version: str) -> tuple[list[int], bool, str]:
    """A key that sorts versions: numbers by value, a prerelease below its release."""
    numbers, rest = re.match(r"v?([\d.]*)(.*)", version).groups()  # type: ignore[union-attr]
    return [int(one) for one in numbers.split(".") if one], not rest, rest


def write_versions(site: Path) -> list[str]:
    """Write `versions.js` and `index.html` into `site`; returns the versions, newest first."""
    folders = [path.parent for path in site.glob("*/index.html")]
    folders.sort(key=lambda folder: release_order(folder.name), reverse=True)
    pages = {
        folder.name: sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
        for folder in folders
    }
    (site / "versions.js").write_text(f"window.versions = {json.dumps(pages)};\n", "utf-8")
    links = [f'<li><a href="{name}/index.html">{name}</a></li>' for name in pages]
    (site / "index.html").write_text(PAGE.format(links="\n".join(links)), "utf-8")
    return list(pages)


if __name__ == "__main__":
    print("versions of the site:", ", ".join(write_versions(Path(sys.argv[1]))))
