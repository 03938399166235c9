"""For everybody: keyboard, screen reader, light and dark, narrow windows; and no script but the
page's own runs.
"""

import re
from pathlib import Path

import pytest

import warmstart

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
PAGE = Path(warmstart.__file__).parent / "serve" / "page"
TEXT_PAIRS = [
    ("ink", "page"),
    ("ink", "surface"),
    ("ink", "sunken"),
    ("ink", "tint"),
    ("ink", "mark"),
    ("soft", "page"),
    ("soft", "surface"),
    ("soft", "sunken"),
    ("soft", "tint"),
    ("accent", "surface"),
    ("on-accent", "accent"),
    ("bad", "bad-tint"),
    ("bad", "surface"),
]
SHAPE_PAIRS = [
    ("edge", "surface"),
    ("edge", "page"),
    ("focus", "surface"),
    ("focus", "page"),
    ("accent", "sunken"),
    ("chart", "surface"),
    ("focus", "sunken"),
]
NAMELESS = """() => [...document.querySelectorAll(
    'button, input, select, textarea, a, audio, [role=slider], img, progress')]
  .filter((node) => node.checkVisibility() || node.type === 'file')
  .filter((node) => node.tagName === 'IMG' ? !node.hasAttribute('alt') : !(
    node.getAttribute('aria-label') || [...(node.labels ?? [])].some((label) => label.textContent.trim())
    || (['BUTTON', 'A'].includes(node.tagName) && node.textContent.trim())))
  .map((node) => node.outerHTML.slice(0, 200))"""


def palettes() -> dict[str, dict[str, str]]:
    """The colours of style.css: light ones, and those that dark ones replace."""
    css = (PAGE / "style.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\n\s*\}", css, re.DOTALL)
    )
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    """Source: WCAG 2.2, success criterion 1.4.3."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme):
    colours = palettes()[scheme]
    for pairs, least in ((TEXT_PAIRS, 4.5), (SHAPE_PAIRS, 3.0)):
        for front, back in pairs:
            assert contrast(colours[front], colours[back]) >= least, (front, back)


@pytest.mark.parametrize(
    ("tab", "scheme"), [({"color_scheme": s}, s) for s in ("light", "dark")], indirect=["tab"]
)
def test_the_page_follows_the_colour_scheme(tab, address, scheme):
    page = tab.open(address, "classes")
    shown = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    colour = palettes()[scheme]["page"]
    assert shown == f"rgb({', '.join(str(int(colour[n : n + 2], 16)) for n in (1, 3, 5))})"


def test_everything_has_a_name(tab, address, served):
    page = tab.open(address)
    for name in served:
        page.goto(f"{address}/#{name}")
        tab.until("name => document.querySelector('.lead code')?.textContent === name", name)
        assert page.evaluate(NAMELESS) == []
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
        assert len(ids) == len(set(ids))
        levels = page.evaluate(
            "[...document.querySelectorAll('main :is(h1, h2, h3)')].map((node) => node.tagName)"
        )
        assert levels.count("H1") == 1
    assert page.evaluate("document.documentElement.lang") == "en"


def test_by_keyboard_alone(tab, address):
    page = tab.open(address, "classes")
    focused = "document.activeElement"
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.textContent") == "Skip to the model"
    page.keyboard.press("Enter")
    assert page.evaluate(f"{focused}.id") == "main"
    while page.evaluate(f"{focused}.tagName") != "TEXTAREA":
        page.keyboard.press("Tab")
    page.keyboard.type("a good film")
    assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".result-head")
    status = page.locator("#status")
    assert status.get_attribute("aria-live") == "polite"
    assert "%" in status.inner_text()
    while page.evaluate(f"{focused}.getAttribute('role')") != "tab":
        page.keyboard.press("Tab")
        assert page.evaluate(f"{focused}.tagName") != "BODY"
    page.keyboard.press("ArrowRight")
    assert "import requests" in page.get_by_role("tabpanel").inner_text()


@pytest.mark.parametrize("tab", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_narrow_windows(tab, address, served):
    page = tab.open(address)
    for name in served:
        page.get_by_label("Model", exact=True).select_option(name)
        tab.until("name => document.querySelector('.lead code')?.textContent === name", name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    page.get_by_label("Model", exact=True).select_option("efficientnet_lite0")
    page.get_by_role("button", name="cat").click()
    page.wait_for_selector(".result-head")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    tab.until("document.querySelector('.output').getBoundingClientRect().top < innerHeight - 140")


def test_nothing_foreign_runs(tab, address):
    answer = tab.page.request.get(address)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = tab.open(address, "classes")
    hosts = page.evaluate(
        "performance.getEntriesByType('resource').map((entry) => new URL(entry.name).origin)"
    )
    assert set(hosts) == {address}
    blocked = page.evaluate("""() => {
        try { document.body.innerHTML = '<b>x</b>'; return false; } catch { return true; } }""")
    assert blocked  # no string becomes HTML, not even by mistake
    assert len(tab.complaints) == 1
    tab.complaints.clear()


def test_the_source_has_no_way_for_data_into_html():
    for path in [*PAGE.glob("js/*.js"), PAGE / "index.html"]:
        text = path.read_text("utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text
        ), path
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
        assert len(text.splitlines()) <= 350
    assert not re.search(
        r"<script(?![^>]*\bsrc=)|\bon\w+=|style=", (PAGE / "index.html").read_text("utf-8")
    )
