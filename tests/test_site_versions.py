"""scripts/list_versions.py: the switch between the versions of the site."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "list_versions.py"


def test_versions_are_listed_with_their_pages_and_the_newest_first(tmp_path):
    for version in ("0.9.0", "0.10.0rc1", "0.10.0"):
        for page in ("index.html", "tutorials/detect.html"):
            (tmp_path / version / page).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / version / page).write_text("")
    (tmp_path / "0.10.0" / "new.html").write_text("")
    (tmp_path / "notes").mkdir()
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "versions of the site: 0.10.0, 0.10.0rc1, 0.9.0\n"
    script = (tmp_path / "versions.js").read_text("utf-8")
    pages = json.loads(script.removeprefix("window.versions = ").removesuffix(";\n"))
    assert list(pages) == ["0.10.0", "0.10.0rc1", "0.9.0"]
    assert pages["0.10.0"] == ["index.html", "new.html", "tutorials/detect.html"]
    assert '<a href="0.9.0/index.html">' in (tmp_path / "index.html").read_text("utf-8")
