"""Segmentation and detection from photos of every kind to answers in their pixels; tiny models,
compiled once.
"""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import warmstart as ws
from warmstart.core.results import Failed
from warmstart.errors import InputError, UsageError

GOLDEN = Path(__file__).parents[1] / "golden" / "vision"
pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:.*SegFormer.*:UserWarning"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One cache for the module: each model is compiled once."""
    return tmp_path_factory.mktemp("vision-home")


@pytest.fixture(autouse=True)
def _same_home(home, monkeypatch):
    monkeypatch.setenv("WARMSTART_HOME", str(home))


@pytest.fixture
def segmenter():
    return ws.load(GOLDEN / "segformer_b", engine="litert")


@pytest.fixture
def detector():
    return ws.load(GOLDEN / "dfine_a", engine="litert")


def picture(width=90, height=40, seed=0):
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def turned(photo, orientation):
    """The photo as a camera held the wrong way stores it: pixels turned, and a note which way is
    up.
    """
    back = {
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    photo.transpose(back).save(file, "PNG", exif=exif)
    return file.getvalue()


def test_the_compiled_segmenter_equals_the_reference(segmenter):
    expected = np.load(GOLDEN / "segformer_b" / "expected.npz")
    got = segmenter.engine.run("forward", images=expected["images"].astype(np.float32))
    np.testing.assert_allclose(got["logits"], expected["logits"], atol=1e-4)


def test_the_compiled_detector_equals_the_reference(detector):
    expected = np.load(GOLDEN / "dfine_a" / "expected.npz")
    got = detector.engine.run("forward", images=expected["images"].astype(np.float32))
    scores = 1 / (1 + np.exp(-expected["logits"]))
    centre, size = expected["pred_boxes"][..., :2], expected["pred_boxes"][..., 2:]
    want = np.concatenate([scores, centre - size / 2, centre + size / 2], -1)
    have = np.concatenate([got["scores"], got["boxes"]], -1)
    for one, other in zip(want, have, strict=True):  # the rows come in another order
        order, place = (np.lexsort(rows.round(3).T) for rows in (one, other))
        np.testing.assert_allclose(one[order], other[place], atol=1e-4)


def test_a_label_for_every_pixel(segmenter):
    result = segmenter(picture())
    assert result.labels_map.shape == (40, 90)
    assert sum(area.pixels for area in result.areas) == 40 * 90
    assert [area.pixels for area in result.areas] == sorted(
        (a.pixels for a in result.areas), reverse=True
    )
    best = result.areas[0]
    assert result.mask(best.label).sum() == result.mask(best.index).sum() == best.pixels
    assert (np.asarray(result.indexed()) == result.labels_map).all()
    assert result.overlay().size == (90, 40)
    assert result.overlay(0).tobytes() == picture().tobytes()
    assert json.loads(json.dumps(result.to_dict()))["size"] == [90, 40]
    with pytest.raises(UsageError, match="no class 'unicorn'"):
        result.mask("unicorn")


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_turned_photos_are_answered_upright(segmenter, detector, orientation):
    file = turned(picture(), orientation)
    np.testing.assert_array_equal(segmenter(file).labels_map, segmenter(picture()).labels_map)
    assert segmenter(file).overlay().size == (90, 40)
    one, other = (detector(photo, threshold=0) for photo in (file, picture()))
    assert one.size == (90, 40)
    assert [box.to_dict() for box in one] == [box.to_dict() for box in other]


def test_large_jpegs_are_unpacked_smaller_and_answered_in_full(segmenter, tmp_path):
    path = tmp_path / "large.jpg"
    picture(1600, 1200).save(path)
    result = segmenter(path)
    assert result.labels_map.shape == (1200, 1600)
    assert result.overlay().size == (1600, 1200)


def test_odd_sizes(segmenter, detector):
    for width, height in ((1, 1), (20_000, 30), (3000, 500)):
        photo = picture(width, height)
        assert segmenter(photo).labels_map.shape == (height, width)
        found = detector(photo, threshold=0)
        assert found.size == (width, height)
        for box in found:
            assert 0 <= box.xmin < box.xmax <= width
            assert 0 <= box.ymin < box.ymax <= height
        assert found.draw().size == (width, height)


def test_a_photo_that_was_replaced_is_not_drawn_on(detector, tmp_path):
    path = tmp_path / "photo.png"
    picture(60, 50).save(path)
    found = detector(path, threshold=0)
    assert found.draw().size == (60, 50)
    picture(50, 60).save(path)
    with pytest.raises(
        InputError, match=r"photo\.png: the photo had 60x50 pixels .* now has 50x60"
    ):
        found.draw()


def test_boxes(detector):
    found = detector(picture(), threshold=0.0)
    assert len(found) == 36  # 12 queries, 3 classes
    assert [box.score for box in found] == sorted((box.score for box in found), reverse=True)
    limit = found[10].score
    assert [b.to_dict() for b in detector(picture(), threshold=limit)] == [
        b.to_dict() for b in found[:11]
    ]
    assert len(detector(picture(), threshold=0, max_boxes=5)) == 5
    nothing = detector(picture(), threshold=1)
    assert len(nothing) == 0
    assert nothing
    assert str(nothing) == "nothing"
    assert nothing.draw().tobytes() == picture().tobytes()
    assert nothing.to_dict()["boxes"] == []
    assert sum(found.counts().values()) == 36


def test_batches_hold_their_order_and_their_failures(segmenter, detector, tmp_path):
    paths = []
    for n in range(5):
        picture(30 + 7 * n, 40, n).save(tmp_path / f"p{n}.png")
        paths.append(tmp_path / f"p{n}.png")
    (tmp_path / "p2.png").write_bytes(b"nothing")
    for model, shape in (
        (segmenter, lambda r: r.labels_map.shape[1]),
        (detector, lambda r: r.size[0]),
    ):
        results = model(paths, batch_size=2)
        assert [isinstance(r, Failed) for r in results] == [False, False, True, False, False]
        assert [shape(r) for r in results if r] == [30, 37, 51, 58]
        assert [r.input for r in model.stream(tmp_path)] == [str(path) for path in paths]
        with pytest.raises(InputError, match=r"p2\.png"):
            model(paths[2])
    alone = segmenter(paths[4]).labels_map
    np.testing.assert_array_equal(segmenter(paths)[4].labels_map, alone)


def test_features(segmenter, detector):
    assert segmenter.features(picture()).shape == (32,)
    assert detector.features([picture(), picture(seed=2)]).shape == (2, 48)
    assert segmenter.features([]).shape == (0, 32)


def test_results_can_be_drawn_after_a_stream_is_gone(detector):
    file = io.BytesIO()
    picture().save(file, "PNG")
    file.seek(0)
    found = detector(file, threshold=0)
    file.close()
    assert found.draw().size == (90, 40)


def test_evaluating_segmentation(segmenter):
    photos = [picture(seed=n) for n in range(3)]
    right = [(photo, segmenter(photo).labels_map) for photo in photos]
    seen = []
    figures = segmenter.evaluate(right, progress=lambda *told: seen.append(told))
    assert (figures["miou"], figures["pixel_accuracy"], figures["count"]) == (1, 1, 3)
    assert set(figures["iou"]) == {f"thing {n}" for n in range(5)}
    assert [done for _, done, _ in seen] == [1, 2, 3]
    wrong = [(photo, (mask + 1) % 5) for photo, mask in right]
    assert segmenter.evaluate(wrong)["pixel_accuracy"] == 0
    figures = segmenter.evaluate([*right, (photos[0], np.zeros((3, 3), np.uint8))])
    assert (figures["count"], len(figures["errors"])) == (3, 1)


def test_evaluating_detection(detector):
    photos = [picture(seed=n) for n in range(3)]
    truth = [
        (photo, [(b.label, b.xmin, b.ymin, b.xmax, b.ymax) for b in detector(photo, threshold=0)])
        for photo in photos
    ]
    figures = detector.evaluate(truth)
    assert figures["ap50"] > 0.99
    assert set(figures["per_class"]) == {"thing 0", "thing 1", "thing 2"}
    figures = detector.evaluate([(photos[0], [("thing 0", 0, 0, 1, 1), ("thing 1", 0, 0, 5, 5)])])
    assert figures["ap50"] < 0.5
    with pytest.raises(UsageError, match=r"unknown classes: 'ghost' \(1\)"):
        detector.evaluate([(photos[0], [("thing 0", 0, 0, 1, 1), ("ghost", 0, 0, 5, 5)])])


def test_wrong_options(segmenter, detector):
    for call, words in (
        (lambda: detector(picture(), threshold=2), "threshold"),
        (lambda: detector(picture(), max_boxes=0), "max_boxes"),
        (lambda: detector(picture(), top_k=3), "no option 'top_k'"),
        (lambda: segmenter(picture(), batch_size=0), "batch_size"),
        (lambda: segmenter(picture(), threshold=0.5), "no option 'threshold'"),
    ):
        with pytest.raises(UsageError, match=words):
            call()


def test_saved_and_loaded(segmenter, tmp_path):
    folder = segmenter.save(tmp_path / "saved")
    code = (
        f"import sys, warmstart as ws\nfound = ws.load({str(folder)!r})({str(tmp_path / 'a.png')!r})\n"
        "print(found.to_dict()['areas'])\n"
        "heavy = {'tensorflow', 'keras', 'pandas'} & set(sys.modules)\nassert not heavy, heavy"
    )
    picture().save(tmp_path / "a.png")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(segmenter(picture()).to_dict()["areas"])


def test_the_command_line(run, tmp_path):
    for n in range(2):
        picture(seed=n).save(tmp_path / f"p{n}.png")

    done = run(
        "predict",
        tmp_path / "p0.png",
        tmp_path / "p1.png",
        tmp_path / "absent.png",
        "--model",
        GOLDEN / "segformer_b",
        "--masks",
        tmp_path / "masks",
        "--draw",
        tmp_path / "drawn",
        "--json",
    )
    assert done.code == 1
    assert "Licence:" in done.err
    assert "not for commercial use" in done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    keys = {"input", "model", "size", "areas", "drawing", "mask"}
    assert [set(line) for line in lines[:2]] == [keys] * 2
    assert lines[1]["drawing"] == str(tmp_path / "drawn" / "p1.png")
    assert lines[1]["mask"] == str(tmp_path / "masks" / "p1.png")
    with Image.open(tmp_path / "masks" / "p1.png") as mask:
        assert (mask.mode, mask.size) == ("P", (90, 40))
        counts = np.bincount(np.asarray(mask).ravel(), minlength=5)
    assert {a["index"]: a["pixels"] for a in lines[1]["areas"]} == {
        i: n for i, n in enumerate(counts) if n
    }
    with Image.open(tmp_path / "drawn" / "p0.png") as drawn:
        assert drawn.size == (90, 40)
    done = run(
        "predict",
        tmp_path / "p0.png",
        tmp_path / "p1.png",
        "--model",
        GOLDEN / "dfine_a",
        "--draw",
        tmp_path / "one.png",
        "--threshold",
        0.2,
        "--csv",
    )
    assert done.code == 2
    assert "is one file" in done.err
    assert not (tmp_path / "one.png").exists()
    assert not done.out
    done = run("predict", tmp_path / "p0.png", "--model", GOLDEN / "dfine_a", "--top-k", 3)
    assert done.code == 2
    assert "no option --top-k" in done.err
