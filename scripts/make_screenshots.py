"""Make the pictures of docs/page.md: the page in Chromium, before a server with the models inside
the package.

    python scripts/make_screenshots.py [--chromium PATH]

Needs the extras `serve` and `test`, and Chromium. The fonts are named here, so that the pictures
look the same on machines with other ones; each picture is a WebP of less than 150 kB.
"""

import argparse
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000  # bytes
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  {}
</fontconfig>
"""
REPLACED = {
    "system-ui": "Liberation Sans",
    "sans-serif": "Liberation Sans",
    "DejaVu Sans": "Liberation Sans",
    "ui-monospace": "Liberation Mono",
    "monospace": "Liberation Mono",
}
SHOTS: dict[str, dict[str, Any]] = {
    "page-picture": {"model": "efficientnet_lite0", "example": "cat", "size": (1280, 800)},
    "page-forecast": {
        "model": "deepar",
        "example": "five weeks",
        "size": (1280, 800),
        "scheme": "dark",
    },
    "page-text": {
        "model": "shakespeare_gpt2",
        "example": "ROMEO:",
        "size": (1280, 800),
        "seed": "3",
    },
    "page-narrow": {
        "model": "efficientnet_lite0",
        "example": "cat",
        "size": (390, 844),
        "full": True,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser")
    )
    arguments = parser.parse_args()
    import warmstart as ws
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    IMAGES.mkdir(exist_ok=True)
    models = {name: ws.load(name) for name in ("efficientnet_lite0", "shakespeare_gpt2", "deepar")}
    with tempfile.TemporaryDirectory() as folder, BackgroundServer(create_app(models)) as address:
        os.environ["FONTCONFIG_FILE"] = str(fonts(Path(folder)))
        from playwright.sync_api import sync_playwright

        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=arguments.chromium)
            for name, shot in SHOTS.items():
                path = IMAGES / f"{name}.webp"
                path.write_bytes(webp(photographed(browser, address, **shot)))
                print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")
            browser.close()


def fonts(folder: Path) -> Path:
    """A configuration in which the system's fonts are those of `REPLACED`."""
    rules = "\n  ".join(
        f'<match target="pattern"><test name="family"><string>{old}</string></test>'
        f'<edit name="family" mode="assign" binding="strong"><string>{new}</string></edit></match>'
        for old, new in REPLACED.items()
    )
    path = folder / "fonts.conf"
    path.write_text(FONTS.format(rules), "utf-8")
    return path


def photographed(
    browser: Any,
    address: str,
    *,
    model: str,
    example: str,
    size: tuple[int, int],
    scheme: str = "light",
    seed: str = "",
    full: bool = False,
) -> bytes:
    """A PNG of the page with the result of an example."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        device_scale_factor=1.5,
        reduced_motion="reduce",
    )
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(f"{address}/#{model}")
    if seed:
        page.get_by_text("More options").click()
        page.get_by_label("Random seed").fill(seed)
    page.get_by_role("button", name=example).click()
    page.get_by_role("tablist").wait_for()  # the code appears with the result
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.evaluate(
        "document.querySelectorAll('.took').forEach((node) => node.remove())"
    )  # times differ from run to run
    page.wait_for_timeout(300)
    taken = page.screenshot(full_page=full)
    context.close()
    return taken


def webp(png: bytes) -> bytes:
    """As small as it has to be."""
    from PIL import Image

    for quality in (88, 80, 70, 60):
        file = io.BytesIO()
        Image.open(io.BytesIO(png)).convert("RGB").save(file, "WEBP", quality=quality, method=6)
        if file.tell() <= LARGEST:
            break
    return file.getvalue()


if __name__ == "__main__":
    main()
