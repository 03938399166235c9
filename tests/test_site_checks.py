"""scripts/check_site.py notices what it looks for."""

import importlib.util
import os
import shutil
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
GOOD = """<!doctype html><html lang="en"><meta name="color-scheme" content="light dark">
<title>good</title><style>p { color: #595959; background: #fff }</style>
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
    api = pytest.importorskip("playwright.sync_api")
    for number, fault in enumerate(BAD.values()):
        (site / f"bad{number}.html").write_text(GOOD.replace("</html>", f"{fault}</html>"))
    with api.sync_playwright() as driver, check_site.served(site) as address:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page()
        assert list(check_site.findings(page, f"{address}/good.html", "good")) == []
        for number, kind in enumerate(BAD):
            name = f"bad{number}.html"
            found = list(check_site.findings(page, f"{address}/{name}", name))
            assert found, kind
            assert all(kind in one for one in found), found
        assert list(check_site.unreached(page, f"{address}/good.html", "input[name=q]")) == []
        assert list(check_site.unreached(page, f"{address}/good.html", "input[name=r]", 5)) != []
        browser.close()
