"""Check the built site and the page of the server in Chromium, as a reader with other needs meets them.

    python scripts/check_site.py site [--chromium PATH] [--no-server]

Every page is opened in the light and the dark scheme, on a desktop and on a phone of 360 pixels. What
is reported: text with less contrast than WCAG AA asks for (4.5:1, large text 3:1), pictures without
an alternative text, controls without a name, pages that scroll sideways, links and a search that the
Tab key does not reach, and links to pages or sections that do not exist. Exits with 1 where there is
a finding. Needs the extras `serve` and `test`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlparse

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}
EXAMPLES = {"efficientnet_lite0": "cat", "shakespeare_gpt2": "ROMEO:", "deepar": "five weeks"}
"""Models of the server -> the example that is asked for."""
FINDINGS = r"""
() => {
  const found = [];
  const channel = (value) => {
    value /= 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches &&
    getComputedStyle(document.documentElement).colorScheme.includes("dark");
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const parsed = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const background = (node) => {
    const layers = [];
    for (let one = node; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      if (style.backgroundImage !== "none" && style.backgroundColor === "rgba(0, 0, 0, 0)") return null;
      const colour = parsed(style.backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    const page = dark ? [18, 18, 18] : [255, 255, 255];
    return layers.reverse().reduce((below, layer) => over(layer, below), page);
  };
  const described = (node) =>
    node.tagName.toLowerCase() + (node.id ? "#" + node.id : "") +
    [...node.classList].slice(0, 2).map((name) => "." + name).join("");
  const seen = new Set();
  for (const node of document.body.querySelectorAll("*")) {
    if (!node.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (node.closest("[aria-hidden=true], :disabled, svg, option")) continue;
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own) continue;
    const box = node.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const style = getComputedStyle(node);
    let opacity = 1;
    for (let one = node; one; one = one.parentElement) opacity *= +getComputedStyle(one).opacity;
    const below = background(node);
    if (!below) continue;
    const colour = parsed(style.color);
    const shown = over([...colour.slice(0, 3), colour[3] * opacity], below);
    const [low, high] = [luminance(shown), luminance(below)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) {
      const key = described(node) + shown + below;
      if (!seen.has(key)) {
        seen.add(key);
        const text = node.textContent.trim().slice(0, 30);
        found.push(`contrast ${ratio.toFixed(2)} of ${described(node)} "${text}"`);
      }
    }
  }
  for (const image of document.images)
    if (!image.hasAttribute("alt")) found.push(`no alternative text: ${image.currentSrc.slice(-60)}`);
  for (const node of document.querySelectorAll("a[href], button, input, select, textarea")) {
    if (node.type === "hidden" || !node.checkVisibility()) continue;
    const label = node.labels && [...node.labels].map((one) => one.textContent).join("");
    const image = node.querySelector("img[alt], svg title");
    const name = node.textContent.trim() || node.getAttribute("aria-label") || node.title || label ||
      node.getAttribute("aria-labelledby") || (image && (image.alt || image.textContent)) || node.value;
    if (!name) found.push(`no name: ${described(node)}`);
    if (node.tabIndex < 0 && !node.closest("[role=tablist], [role=listbox], [role=menu]"))
      found.push(`Tab does not reach ${described(node)} "${(name || "").slice(0, 30)}"`);
  }
  return found;
}
"""
SCROLLS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if (tag, name) in (("a", "href"), ("img", "src"), ("link", "href")) and value:
                self.links.append(value)


def broken_links(site: Path) -> Iterator[str]:
    """Links of the pages of a site to pages, files or sections of it that do not exist."""
    pages = {path: Links(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in page.links:
            address = urlparse(urljoin(path.as_uri(), link))
            if address.scheme != "file" or link.startswith("data:"):
                continue
            target = Path(unquote(address.path))
            if not target.exists():
                yield f"{path.relative_to(site)}: {link} does not exist"
            elif (
                address.fragment
                and target in pages
                and unquote(address.fragment) not in pages[target].anchors
            ):
                yield f"{path.relative_to(site)}: {link} has no such section"


def findings(page: Any, address: str, name: str, example: str = "") -> Iterator[str]:
    """What is wrong with a page, in both schemes and on a phone; `example` is a button to press."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(DESKTOP)
        page.goto("about:blank")  # the address of another model of the server is the same page
        page.goto(address)
        if example:
            page.get_by_role("button", name=example).click()
            page.get_by_role("tablist").wait_for()  # it appears with the answer
        yield from (f"{name} ({scheme}): {one}" for one in page.evaluate(FINDINGS))
        page.set_viewport_size(PHONE)
        if (wider := page.evaluate(SCROLLS)) > 0:
            yield f"{name} ({scheme}): scrolls sideways by {wider} pixels at 360"


def unreached(page: Any, address: str, selector: str, limit: int = 60) -> Iterator[str]:
    """Whether the Tab key does not reach a control."""
    page.set_viewport_size(DESKTOP)
    page.goto(address)
    for _ in range(limit):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    yield f"{address}: Tab does not reach {selector}"


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder behind HTTP."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None: ...

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def of_site(browser: Any, site: Path) -> Iterator[str]:
    """Findings of all pages of the site."""
    yield from broken_links(site)
    page = browser.new_page()
    with served(site) as address:
        for path in sorted(site.rglob("*.html")):
            name = str(path.relative_to(site))
            if not name.startswith(("_static", "_modules")):
                yield from findings(page, f"{address}/{name}", name)
        for index in sorted(site.glob("*/index.html")):  # of each version
            name = index.relative_to(site).as_posix()
            yield from unreached(page, f"{address}/{name}", "input[name=q]")
    page.close()


def of_server(browser: Any) -> Iterator[str]:
    """Findings of the page of `warmstart serve`, before and after an answer."""
    import warmstart as ws
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    with BackgroundServer(create_app({name: ws.load(name) for name in EXAMPLES})) as address:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        for name, example in EXAMPLES.items():
            yield from findings(page, f"{address}/#{name}", f"server, {name}", example)
        yield from unreached(page, f"{address}/#deepar", "main button")
        page.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="the folder that `make docs` has built")
    parser.add_argument("--no-server", action="store_true", help="only the site")
    parser.add_argument(
        "--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser")
    )
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=arguments.chromium)
        found = [*of_site(browser, arguments.site.resolve())]
        found += [] if arguments.no_server else of_server(browser)
        browser.close()
    print("\n".join(found) or "No finding.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
