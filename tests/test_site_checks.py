"""scripts/check_site.py notices what it looks for."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "check_site.py"
SPEC = importlib.util.spec_from_file_location("check_site", SCRIPT)
assert SPEC
assert SPEC.loader
check_site = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_site)
CHROMIUM = (
    os.environ.get("WARMSTART_CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
)
GOOD = """<!doctype html><html lang="en">
<title>good</title><style>body { color: #111; background: #fff } a { color: #00c } p { color: #595959 }</style>
<p id="use">text</p><img src="p.png" alt=""><a href="good.html#use">link</a>
<label>name <input name="q"></label></html>
"""
BAD = {
    "contrast 1.6": '<p style="color: #ccc; background: #fff">faint</p>',
    "no alternative text": '<img src="p.png">',
    "no name": "<button></button>",
    "Tab does not reach": '<a href="good.html" tabindex="-1">link</a>',
    "scrolls sideways": '<div style="width: 500px">wide</div>',
}


@pytest.fixture
def site(tmp_path):
    (tmp_path / "good.html").write_text(GOOD)
    (tmp_path / "p.png").write_bytes(b"")
    return tmp_path


def test_broken_links_are_noticed(site):
    assert list(check_site.broken_links(site)) == []
    links = (
        '<a href="gone.html">a</a><a href="good.html#gone">b</a><a href="https://a.example">c</a>'
    )
    (site / "bad.html").write_text(links)
    assert list(check_site.broken_links(site)) == [
        "bad.html: gone.html does not exist",
        "bad.html: good.html#gone has no such section",
    ]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_findings_are_noticed(site):
    pytest.importorskip("playwright.sync_api")
    (site / "good.html").rename(site / "index.html")
    text = GOOD.replace("good.html", "index.html")
    (site / "index.html").write_text(text)
    for number, fault in enumerate(BAD.values()):
        bad = text.replace("</html>", f"{fault.replace('good.html', 'index.html')}</html>")
        (site / f"bad{number}.html").write_text(bad)
    lines = checked(site)
    for number, expected in enumerate(BAD):
        of_page = [line for line in lines if line.startswith(f"bad{number}.html")]
        assert of_page, expected
        assert all(expected in line for line in of_page), of_page
    assert all(line.startswith("bad") for line in lines), lines


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_search_field_that_cannot_be_reached(site):
    pytest.importorskip("playwright.sync_api")
    (site / "1.0").mkdir()
    bad = GOOD.replace('name="q"', 'name="q" tabindex="-1"')
    (site / "1.0" / "index.html").write_text(bad)
    assert any("Tab does not reach input[name=q]" in line for line in checked(site))


def checked(site: Path) -> list[str]:
    """The findings of the script, in a process of its own: Playwright runs once in a process."""
    command = [sys.executable, SCRIPT, site, "--no-server", "--chromium", CHROMIUM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout.splitlines()
