"""Names of classes on pictures: readable in any script that a font has, never as empty boxes."""

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from warmstart.image.results import lettering
from warmstart.image.results.detections import Box, Detections


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Fonts are looked up anew, before and after."""

    def clear():
        for function in (lettering.font_files, lettering._font_with, lettering._has):
            function.cache_clear()

    clear()
    monkeypatch.setattr(lettering, "_reported", set())
    yield
    clear()


def drawn(name, index=7):
    photo = Image.new("RGB", (800, 600))
    box = Box(name, index, 0.5, 10, 100, 700, 500)
    detections = Detections("a.jpg", "m", photo.size, (box,), photo.copy)
    return np.asarray(detections.draw())


def test_names_in_other_scripts_are_drawn_with_fonts_that_have_them(capsys):
    """DejaVu Sans, of the system or of matplotlib, has these; Pillow's own font has none of them."""
    pictures = [drawn(name) for name in ("Éclair", "Ёжик", "κύβος", "Ελιά", "hedgehog")]
    assert len({picture.tobytes() for picture in pictures}) == 5
    assert capsys.readouterr().err == ""
    pen = ImageDraw.Draw(Image.new("L", (9, 9)))
    one, two = (lettering.text_of(name, " 50%", "class 7", 20) for name in ("ЖЖЖ", "ЩЩЩ"))
    assert one.box(pen) != two.box(pen)  # boxes for glyphs that lack would be of one size
    runs = lettering.text_of("Ёж\na", " 50%", "class 7", 20).runs
    assert [run for run, _ in runs] == ["Ёж a", " 50%"]


def test_without_a_font_a_name_is_replaced_and_reported_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(importlib.metadata.Distribution, "discover", lambda **_: iter(()))
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "damaged.ttf").write_bytes(b"no font")
    assert (drawn("猫") == drawn("犬")).all()
    assert (drawn("猫") == drawn("class 7")).all()
    assert (drawn("猫", index=8) != drawn("猫")).any()
    assert (drawn("Éclair") == drawn("Eclair")).all()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "No font on this computer has all characters of '猫', which is drawn as 'class 7'",
        "No font on this computer has all characters of '犬', which is drawn as 'class 7'",
        "No font on this computer has all characters of 'Éclair', which is drawn as 'Eclair'",
    ]


@pytest.mark.parametrize("name", ["红细胞", "कोशिका", "เซลล์", "세포", "🩸"])
def test_a_font_of_placeholders_draws_no_names(name, monkeypatch, capsys):
    """matplotlib brings Last Resort, which has a box for every character."""
    fonts = importlib.metadata.distribution("matplotlib").locate_file(
        "matplotlib/mpl-data/fonts/ttf"
    )
    monkeypatch.setattr(lettering, "_folders", lambda: iter([Path(str(fonts))]))
    assert any("LastResort" in file for file in lettering.font_files())
    assert (drawn(name) == drawn("class 7")).all()
    assert f"all characters of {name!r}, which is drawn as 'class 7'" in capsys.readouterr().err
