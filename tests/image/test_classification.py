"""From photos to answers, with the model inside the package."""

import io
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import warmstart as ws
from warmstart.core.results import Classification, Failed
from warmstart.errors import InputError, UsageError

PHOTO = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 256, 3))


def probabilities(result):
    return {p.index: p.score for p in result}


def test_one_photo_gives_one_result(model, photos):
    result = model(photos / "photo0.png")
    assert isinstance(result, Classification)
    assert result.input.endswith("photo0.png")
    assert result.model == "cifar10_resnet20"
    assert len(result) == 5
    assert [p.score for p in result] == sorted((p.score for p in result), reverse=True)


def test_all_classes_add_up_to_one(model):
    scores = probabilities(model(PHOTO, top_k=1000))
    assert sorted(scores) == list(range(10))
    assert sum(scores.values()) == pytest.approx(1, abs=1e-5)


def test_every_way_to_name_a_photo_gives_the_same_answer(model, photos):
    path = photos / "photo1.png"
    picture = Image.open(path)
    ways = [
        path,
        str(path),
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
        picture,
        np.asarray(picture),
    ]
    answers = [probabilities(model(way, top_k=10)) for way in ways]
    answers.append(
        probabilities(model(np.asarray(picture) / np.float32(255), top_k=10, value_range="0..1"))
    )
    for answer in answers:
        assert answer == pytest.approx(answers[0], abs=1e-6)


@pytest.mark.parametrize("scaling", ["tf", "torch", "caffe", "raw"])
def test_an_array_of_the_networks_size_is_prepared_as_a_file_of_it_is(model, monkeypatch, scaling):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    rules = replace(model.preprocessing, scaling=scaling, mean=None, std=None)
    monkeypatch.setattr(model, "entry", replace(model.entry, preprocessing=rules))
    before = pixels.copy()
    np.testing.assert_array_equal(model.preprocess(pixels), model.preprocess(file.getvalue()))
    np.testing.assert_array_equal(pixels, before)
    strided = np.repeat(pixels, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(model.preprocess(strided), model.preprocess(pixels))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8])
def test_batches_answer_as_single_photos_do(model, photos, batch_size):
    paths = sorted(photos.iterdir())
    alone = [probabilities(model(path, top_k=10)) for path in paths]
    together = model(paths, top_k=10, batch_size=batch_size)
    assert isinstance(together, list)
    assert [r.input for r in together] == [str(p) for p in paths]
    for one, other in zip(alone, together, strict=True):
        assert probabilities(other) == pytest.approx(one, abs=1e-5)


def test_folders_globs_and_generators_stream(model, photos):
    for inputs in (photos, f"{photos}/*.png", (p for p in sorted(photos.iterdir()))):
        results = model.stream(inputs)
        assert not isinstance(results, list)
        assert [r.input.rsplit("/", 1)[-1] for r in results] == [f"photo{n}.png" for n in range(5)]


@pytest.mark.parametrize("inputs", ["{}", "{}/*.png", "iterator", "tuple", "batch", None, 3, {}])
def test_a_call_refuses_what_stands_for_many_photos(model, photos, inputs):
    values = {"iterator": iter([PHOTO]), "tuple": (PHOTO, PHOTO), "batch": np.stack([PHOTO, PHOTO])}
    advice = {"iterator": "stream", "tuple": r"list\(x\)", "batch": r"list\(x\)"}
    if isinstance(inputs, str):
        value, message = values.get(inputs, inputs.format(photos)), advice.get(inputs, "stream")
    else:
        value, message = inputs, "cannot take"
    with pytest.raises(UsageError, match=message):
        model(value)


def test_a_folder_in_a_list_fails_at_its_index(model, photos):
    first, folder, last = model([photos / "photo0.png", photos, PHOTO])
    assert first
    assert last
    assert isinstance(folder, Failed)
    assert "stream" in str(folder.error)


def test_a_generator_is_read_as_its_answers_are_taken(model):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield PHOTO

    before = set(threading.enumerate())
    results = model.stream(endless(), batch_size=2)
    for _ in range(3):
        assert next(results).label
    results.close()
    assert len(taken) < 40
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("warmstart"):
            thread.join(10)
            assert not thread.is_alive()


def test_one_bad_photo_does_not_stop_the_others(model, photos):
    (photos / "photo2.png").write_bytes(b"not a photo")
    results = model(sorted(photos.iterdir()), batch_size=2)
    assert [isinstance(r, Failed) for r in results] == [False, False, True, False, False]
    assert not results[2]
    assert not hasattr(results[2], "label")
    assert "photo2.png" in str(results[2].error)
    with pytest.raises(InputError, match=r"photo2\.png"):
        model(photos / "photo2.png")


def test_features(model, photos):
    paths = sorted(photos.iterdir())
    one, many = model.features(paths[0]), model.features(paths)
    assert one.shape == (64,)
    assert one.dtype == np.float32
    assert many.shape == (5, 64)
    np.testing.assert_allclose(many[0], one, atol=1e-4)
    np.testing.assert_allclose(np.stack(list(model.stream_features(photos))), many, atol=1e-4)
    assert model.features([]).shape == (0, 64)
    (photos / "bad.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"bad\.png"):
        model.features([paths[0], photos / "bad.png"])


def test_evaluate(model, photos):
    paths = sorted(photos.iterdir())
    truth = [model(path).label for path in paths]
    seen = []
    metrics = model.evaluate(
        zip(paths, truth, strict=True), progress=lambda *told: seen.append(told)
    )
    assert (metrics["top1"], metrics["top5"], metrics["count"], metrics["errors"]) == (
        1.0,
        1.0,
        5,
        [],
    )
    assert metrics["macro_f1"] == 1.0
    assert metrics["mistakes"] == metrics["confusions"] == []
    assert seen == [("cifar10_resnet20", n, 5) for n in range(1, 6)]
    worst = [model(path, top_k=10)[9].index for path in paths]
    (photos / "photo0.png").write_bytes(b"x")
    metrics = model.evaluate(zip(paths, worst, strict=True))
    assert (metrics["top1"], metrics["top5"], metrics["count"]) == (0.0, 0.0, 4)
    assert len(metrics["errors"]) == 1
    assert "photo0.png" in metrics["errors"][0]
    assert model.evaluate([(paths[1], str(worst[1]))])["count"] == 1
    with pytest.raises(UsageError, match="no class 'unicorn'"):
        model.evaluate([(paths[1], "unicorn")])


def test_a_folder_or_pattern_is_not_a_labelled_photo(model, photos):
    path = photos / "photo0.png"
    label = model(path).label
    (photos / "single").mkdir()
    path.rename(photos / "single" / path.name)
    rest = photos / "photo1.png"
    for name in (photos / "single", photos / "single" / "*.png", photos / "photo*.png"):
        metrics = model.evaluate([(str(name), label), (str(rest), model(rest).label)])
        assert (metrics["top1"], metrics["count"]) == (1.0, 1)
        (error,) = metrics["errors"]
        assert error.startswith(f"{name}: ")


def test_evaluate_on_class_folders(model, photos):
    for path in sorted(photos.iterdir()):
        target = photos / model(path).label
        target.mkdir(exist_ok=True)
        path.rename(target / path.name)
    assert model.evaluate(photos)["top1"] == 1.0
    with pytest.raises(UsageError, match="does not exist"):
        model.evaluate(photos / "nowhere")


def test_evaluate_on_parts_and_on_arrays(model, photos, tmp_path):
    """Of a folder with parts the one to test counts; floats of arrays have one range."""
    paths = sorted(photos.iterdir())[:3]
    names = [model(path).label for path in paths]
    for part, count in (("train", 1), ("val", 2), ("test", 3)):
        for path, name in list(zip(paths, names, strict=True))[:count]:
            folder = tmp_path / "parts" / part / name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / f"{part}-{path.name}")
    figures = model.evaluate(tmp_path / "parts")
    assert (figures["count"], figures["top1"]) == (3, 1.0)
    size = model.preprocessing.size[::-1]
    x = np.stack([np.asarray(Image.open(path).convert("RGB").resize(size)) for path in paths])
    y = np.array([model(picture)[0].index for picture in x])
    for pictures in (x, x / 255, x / np.float32(127.5) - 1):
        figures = model.evaluate((pictures, y))
        assert (figures["count"], figures["top1"], figures["errors"]) == (3, 1.0, [])


def test_evaluate_on_a_table_names_what_is_confused(model, photos):
    paths = sorted(photos.iterdir())
    answers = [model(path) for path in paths]
    wrong = model.labels[(answers[0][0].index + 1) % 10].name
    labels = [wrong, *(answer.label for answer in answers[1:])]
    table = photos.parent / "truth.csv"
    table.write_text(
        "path,label\n"
        + "".join(f"{path},{label}\n" for path, label in zip(paths, labels, strict=True))
    )
    metrics = model.evaluate(table)
    assert metrics["top1"] == 0.8
    assert metrics["confusions"] == [{"truth": wrong, "answer": answers[0].label, "count": 1}]
    (mistake,) = metrics["mistakes"]
    assert mistake["input"] == str(paths[0])
    assert model.evaluate(pd.read_csv(table)) == metrics
    assert mistake["score"] == pytest.approx(answers[0].score, abs=1e-5)
    with pytest.raises(UsageError, match="does not exist"):
        model.evaluate(table.with_name("nothing.csv"))


def test_wrong_options(model):
    with pytest.raises(UsageError, match="top_k"):
        model(PHOTO, top_k=0)
    with pytest.raises(UsageError, match="batch_size"):
        model([PHOTO], batch_size=0)
    with pytest.raises(UsageError, match="'topk'"):
        model(PHOTO, topk=3)


def test_results_do_not_depend_on_the_thread(model, photos):
    want = probabilities(model(photos / "photo0.png"))
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(probabilities(model(photos / "photo0.png"))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [want] * 6


def test_repr_names_model_and_engine(model):
    assert repr(model) == "<ImageClassifier cifar10_resnet20, float32, engine auto>"
    model(PHOTO)
    assert "engine litert" in repr(model)


def test_lists_are_public():
    assert "efficientnet_lite0" in [entry.name for entry in ws.list_models("efficientnet_l*")]


def test_a_stream_searches_the_folders_of_a_list(tmp_path):
    model = ws.load("efficientnet_lite0")
    (tmp_path / "folder").mkdir()
    for name in ("folder/a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    inputs = [str(tmp_path / "folder"), str(tmp_path / "b.png")]
    assert [Path(result.input).name for result in model.stream(inputs)] == ["a.png", "b.png"]
    failed, _ = model(inputs)
    assert str(failed).startswith(f"{inputs[0]} may hold several photos; iterate over model.stream")
