"""Every task once, as a person uses it, and the messages of errors."""

import io
import re
import wave

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
HOSTILE = '<img src=x> & "b"'


def png(width=90, height=60) -> bytes:
    blocks = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def wav(seconds=1.0, rate=16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(
            (3000 * np.sin(np.arange(int(seconds * rate)) / 9)).astype("<i2").tobytes()
        )
    return file.getvalue()


def choose(page, name, media, data):
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": media, "buffer": data}
    )


def field(page, label, exact=False):
    """A field of the form; the list of models has words like these too."""
    return page.locator("form").get_by_label(label, exact=exact)


def headline(page) -> str:
    return page.locator(".result-head h2").inner_text()


def status(page) -> str:
    return page.locator("#status").inner_text()


def test_an_example_photo_becomes_bars_and_code(tab, address):
    page = tab.open(address, "efficientnet_lite0")
    assert page.locator("h1").inner_text() == "EfficientNet-Lite0"
    assert {"Apache-2.0", "LiteRT", "1,000"} <= set(page.locator(".facts dd").all_inner_texts())
    field(page, "Number of classes in a result").fill("3")
    page.get_by_role("button", name="cat").click()
    assert re.fullmatch(r"tiger cat, \d\d\.\d\s%", headline(page))
    assert page.locator(".bars li").count() == 3
    assert status(page).startswith("tiger cat, ")
    code = page.get_by_role("tabpanel")
    assert "-F file=@cat.jpg" in code.inner_text()
    assert "top_k=3" in code.inner_text()
    page.get_by_role("tab", name="Python, without a server").click()
    assert 'ws.load("efficientnet_lite0")' in page.get_by_role("tabpanel").inner_text()


def test_boxes_lie_where_the_model_finds_them(tab, address, served):
    page = tab.open(address, "objects")
    field(page, "Lowest score of a box").fill("0.3")
    choose(page, "photo.png", "image/png", png())
    page.wait_for_selector(".stage .box")
    boxes = list(served["objects"](Image.open(io.BytesIO(png())), threshold=0.3))
    assert page.locator(".listing li").count() == len(boxes) > 0
    stage, drawn = (
        page.locator(".stage").bounding_box(),
        page.locator(".stage .box").last.bounding_box(),
    )
    best = boxes[0]  # the best is drawn last, on top
    assert drawn["x"] - stage["x"] == pytest.approx(best.xmin / 90 * stage["width"], abs=2)
    assert drawn["width"] == pytest.approx(best.width / 90 * stage["width"], abs=5)
    assert drawn["height"] == pytest.approx(best.height / 60 * stage["height"], abs=5)


def test_a_tap_highlights_a_box_of_a_photo_that_browsers_cannot_show(tab, address):
    from playwright.sync_api import expect

    page = tab.open(address, "objects")
    field(page, "Lowest score of a box").fill("0.3")
    file = io.BytesIO()
    Image.open(io.BytesIO(png())).save(file, "TIFF")
    choose(page, "photo.tif", "image/tiff", file.getvalue())
    page.wait_for_selector(".stage .box")
    expect(page.locator(".stage img")).to_have_js_property("naturalWidth", 90)
    assert page.locator(".input img:not(.chip img)").count() == 0  # the result shows the photo
    assert page.locator(".box.picked-out").count() == 0
    page.locator(".listing li").last.click()
    page.mouse.move(0, 0)
    assert page.locator(".box.picked-out").count() == 1


def test_masks_are_drawn_and_can_be_hidden(tab, address, served):
    page = tab.open(address, "segments")
    choose(page, "photo.png", "image/png", png())
    page.wait_for_selector(".tag.floating")
    painted = """() => { const shown = document.querySelector('.stage canvas');
        const copy = new OffscreenCanvas(shown.width, shown.height).getContext('2d', { willReadFrequently: true });
        copy.drawImage(shown, 0, 0);
        const { data } = copy.getImageData(0, 0, shown.width, shown.height);
        return data.filter((value, index) => index % 4 === 3 && value > 0).length; }"""
    largest = served["segments"](Image.open(io.BytesIO(png()))).areas[0].pixels
    assert page.evaluate(painted) == 90 * 60
    page.locator(".listing input").first.uncheck()
    assert page.evaluate(painted) == 90 * 60 - largest


def test_a_text_becomes_classes(tab, address):
    page = tab.open(address, "classes")
    field(page, "Text", exact=True).fill("a good film")
    page.get_by_role("button", name="Classify").click()
    assert "%" in headline(page)
    assert page.locator(".bars li").count() == 3


def test_entities_are_marked_where_they_stand(tab, address, served):
    page = tab.open(address, "entities")
    text = f"😀 Ada met Bob in Paris. {HOSTILE}"
    field(page, "Text").fill(text)
    page.get_by_role("button", name="Tag").click()
    page.wait_for_selector(".reading")
    marked = [mark.inner_text() for mark in page.locator("mark.entity").all()]
    found = served["entities"](text)
    assert len(marked) == len(found) > 0
    for shown, entity in zip(marked, found, strict=True):
        assert shown.startswith(entity.text)
        assert entity.label in shown
    assert page.locator(".output img").count() == 0  # the text is text


def test_an_answer_is_marked_in_its_context(tab, address, served):
    page = tab.open(address, "answers")
    context = f"😀 Ann moved to Paris. {HOSTILE}"
    field(page, "Question").fill("Where does Ann live?")
    field(page, "Context").fill(context)
    page.get_by_role("button", name="Answer", exact=True).click()
    assert (
        page.locator("mark.answer").inner_text()
        == served["answers"](("Where does Ann live?", context)).text
    )
    assert HOSTILE in page.locator(".output .reading").inner_text()
    assert page.locator(".output img").count() == 0


def test_masks_of_a_text_are_filled(tab, address):
    page = tab.open(address, "masks")
    field(page, "Text").fill("the [MASK] is a [MASK]")
    page.get_by_role("button", name="Fill mask").click()
    page.wait_for_selector(".result-head")
    assert page.locator(".bars").count() == 2
    assert "[MASK]" not in page.locator(".output .reading").inner_text()


def test_texts_are_compared(tab, address, served):
    page = tab.open(address, "similar")
    field(page, "Text 1").fill("good")
    field(page, "Text 2").fill("bad film")
    page.get_by_role("button", name="Add a text").click()
    field(page, "Text 3").fill("good")
    page.get_by_role("button", name="Embed").click()
    assert headline(page) == "Most similar: texts 1 and 3, 1.000"
    a, b = (one.vector for one in served["similar"](["good", "bad film"]))
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert f"{cosine:.3f}" in page.locator(".alike").inner_text()


def test_a_text_is_generated_and_repeats_with_its_seed(tab, address):
    page = tab.open(address, "shakespeare_gpt2")
    field(page, "Maximum number of tokens to generate").fill("12")
    page.get_by_text("More options").click()
    field(page, "Random seed").fill("3")
    field(page, "Prompt").fill("ROMEO:\n")
    written = []
    for _ in range(2):
        page.get_by_role("button", name="Generate").click()
        page.wait_for_selector(".story:not([aria-busy])")
        page.get_by_text("Finished: the token limit was reached").first.wait_for()
        written.append(page.locator(".story .written").inner_text())
    assert written[0] == written[1] != ""
    assert '"seed":3' in page.get_by_role("tabpanel").inner_text()


def test_a_text_can_be_stopped(tab, address):
    page = tab.open(address, "slow")
    field(page, "Maximum number of tokens to generate").fill("200")
    page.get_by_role("button", name="ROMEO:").click()
    tab.until("document.querySelector('.written')?.textContent.length > 20")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").first.wait_for()
    length = len(page.locator(".written").inner_text())
    page.wait_for_timeout(200)
    assert len(page.locator(".written").inner_text()) == length
    assert (
        page.evaluate("document.activeElement.textContent") == "Generate"
    )  # the focus is not lost with the button


def test_a_recording_becomes_a_transcript(tab, address):
    page = tab.open(address, "recognizer")
    choose(page, "talk.wav", "audio/wav", wav())
    page.wait_for_selector(".result-head")
    assert page.locator(".output audio").count() == 1
    assert "1.0 s of sound" in page.locator(".output").inner_text()


def test_the_microphone_is_recorded(tab, address):
    """Chromium's fake one, which beeps."""
    page = tab.open(address, "recognizer")
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_role("button", name=re.compile(r"Stop recording \((?!0:00)")).click()
    page.wait_for_selector(".result-head")
    seconds = float(re.search(r"(\d+\.\d) s of sound", page.locator(".output").inner_text())[1])
    assert 0.5 < seconds < 60
    assert (
        "ab ba" in page.locator(".words").inner_text()
    )  # the text of this recognizer for any sound
    assert "-F file=@recording.wav" in page.get_by_role("tabpanel").inner_text()


def test_sound_is_generated_and_played(tab, address):
    page = tab.open(address, "synthesizer")
    assert "zero, one, two" in page.locator("form").inner_text()
    field(page, "Utterance").fill("one")
    field(page, "Duration of each word in seconds").fill("0.3")
    field(page, "Name or number of a speaker").select_option("bob")
    page.get_by_role("button", name="Synthesize").click()
    assert headline(page) == "0.30 s of sound"
    page.wait_for_selector(".waveform path")
    tab.until("document.querySelector('.output audio').duration > 0.2")


def test_a_table_becomes_a_chart(tab, address):
    page = tab.open(address, "deepar")
    field(page, "Number of steps to forecast").fill("24")
    field(page, "Number of sample paths per series").fill("20")
    page.get_by_role("button", name="two series").click()
    assert headline(page) == "24 steps of 2 series"
    assert page.locator(".chart path").count() == 5  # intervals, observed, last season, median
    chart = page.get_by_role("slider", name="Forecast of north")
    chart.focus()
    first = chart.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowRight")
    assert chart.get_attribute("aria-valuenow") == "2"
    assert chart.get_attribute("aria-valuetext") != first
    page.get_by_label("Series", exact=True).select_option("south")
    page.get_by_role("slider", name="Forecast of south").wait_for()
    page.get_by_text("All numbers").click()
    assert page.locator(".output tbody tr").count() == 24


def test_a_task_of_a_user_needs_nothing_of_the_page(tab, address, served):
    """Form and result come from `GET /v1/models`: the page has never heard of the task."""
    page = tab.open(address, "meter")
    assert page.locator(".lead").inner_text().startswith("Measure how bright photos are.")
    assert page.get_by_role("region", name="Image brightness").get_by_role("link").count() == 1
    bands = field(page, "Bands of equal height")
    assert (bands.input_value(), bands.get_attribute("min"), bands.get_attribute("max")) == (
        "2",
        "1",
        "16",
    )
    bands.fill("4")
    choose(page, "photo.png", "image/png", png())
    page.wait_for_selector(".result-head")
    bands.fill("3")
    page.get_by_role("button", name="Brightness").click()
    tab.until("document.querySelectorAll('.output tbody tr').length === 3")
    result = served["meter"](Image.open(io.BytesIO(png())), bands=3)
    assert headline(page) == status(page)
    assert float(headline(page).removeprefix("Mean ")) == pytest.approx(result.mean, abs=0.01)
    assert page.locator(".output thead th").all_inner_texts() == ["Top", "Brightness"]
    assert "bands=3" in page.get_by_role("tabpanel").inner_text()
    bands.fill("17")
    page.get_by_role("button", name="Brightness").click()
    assert "Bands of equal height" in page.get_by_role("alert").inner_text()


def test_a_text_pair_is_classified(tab, address, served):
    page = tab.open(address, "classes")
    field(page, "Text", exact=True).fill("a good film")
    page.get_by_text("Text pair").first.click()
    field(page, "Text pair").fill("it is good")
    page.get_by_role("button", name="Classify").click()
    assert headline(page).startswith(served["classes"](("a good film", "it is good")).label)


def test_options_that_cannot_be_streamed(tab, address, served):
    page = tab.open(address, "shakespeare_gpt2")
    field(page, "Maximum number of tokens to generate").fill("8")
    field(page, "Sampling temperature").fill("")
    page.get_by_text("More options").click()
    field(page, "Num beams").fill("2")
    field(page, "Prompt").fill("ROMEO:")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_selector(".result-head")
    expected = served["shakespeare_gpt2"]("ROMEO:", max_new_tokens=8, num_beams=2).text
    assert page.locator(".story .written").text_content() == expected


@pytest.mark.parametrize(
    ("model", "fill", "button", "words"),
    [
        ("classes", {}, "Classify", "There is no text yet"),
        ("similar", {"Text 1": "one"}, "Embed", "At least two texts are needed"),
        (
            "shakespeare_gpt2",
            {"Prompt": "ROMEO:", "Maximum number of tokens to generate": "0"},
            "Generate",
            "Maximum number of tokens to generate",
        ),
        ("efficientnet_lite0", {}, "Classify", "There is no photo yet"),
    ],
)
def test_a_missing_input_is_an_error(tab, address, model, fill, button, words):
    page = tab.open(address, model)
    for label, text in fill.items():
        field(page, label).fill(text)
    page.get_by_role("button", name=button).click()
    assert words in page.get_by_role("alert").inner_text()


def test_wrong_files_are_named(tab, address, tmp_path):
    page = tab.open(address, "efficientnet_lite0")
    choose(page, "letter.txt", "text/plain", b"dear madam")
    assert "letter.txt is not a photo" in page.get_by_role("alert").inner_text()
    choose(page, "letter.png", "image/png", b"dear madam")  # the server looks inside
    page.get_by_text("letter.png:").wait_for()
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(65 * 2**20)
    page.locator("input[type=file]").set_input_files(large)
    page.get_by_text("the server takes up to 67 MB").wait_for()
    tab.expect_refusal()  # last: the browser may write its line later than the page


def test_a_broken_table_is_explained(tab, address):
    page = tab.open(address, "deepar")
    field(page, "Series, as CSV").fill('timestamp,load\n2024-01-01,"1\n')
    page.get_by_role("button", name="Forecast").click()
    assert "CSV" in page.get_by_role("alert").inner_text()
    tab.expect_refusal()


def test_an_upload_can_be_cancelled_and_a_lost_server_is_an_error(tab, address):
    page = tab.open(address, "efficientnet_lite0")
    requests = []
    page.route("**/v1/predict/*", lambda route: requests.append(route))
    page.get_by_role("button", name="cat").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").wait_for()
    page.unroute("**/v1/predict/*")
    page.route("**/v1/predict/*", lambda route: route.abort())
    page.get_by_role("button", name="Classify").click()
    assert "cannot be reached" in page.get_by_role("alert").inner_text()
    tab.expect_refusal()


def test_an_unknown_model_and_a_token(tab, served):
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer
    from warmstart.serve.settings import Settings

    small = {"efficientnet_lite0": served["efficientnet_lite0"]}
    with BackgroundServer(create_app(small, Settings(token="open sesame"))) as address:
        page = tab.open(address)
        page.get_by_label("Token").fill("open sesame")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="rocket").click()
        assert "%" in headline(page)
        assert "Bearer $TOKEN" in page.get_by_role("tabpanel").inner_text()
        assert "sesame" not in page.locator("body").inner_text()
        tab.expect_refusal()
        page.goto(f"{address}/#nothing")
        assert "no model nothing" in page.get_by_role("alert").inner_text()
        assert page.get_by_role("link", name="EfficientNet-Lite0").is_visible()
