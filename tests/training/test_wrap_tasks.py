"""`ws.wrap` for maps, boxes, vectors and forecasts: the form of the outputs is stated, not guessed."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import warmstart as ws
from warmstart.errors import InputError, UsageError

pytestmark = pytest.mark.tensorflow
PHOTO = np.random.default_rng(0).integers(0, 256, (16, 12, 3), np.uint8)


def mapped(channels, activation=None, order=None):
    image = keras.Input((16, 12, 3))
    x = layers.Conv2D(channels, 3, padding="same", activation=activation)(image)
    if order:
        x = layers.Permute(order)(x)
    return keras.Model(image, x, name="net")


def of_three(scores):
    """The index of the largest of three scores; LiteRT lacks an operation of Keras' argmax."""
    first, second, third = (scores[..., index] for index in range(3))
    last = ops.cast(third > ops.maximum(first, second), "int32")
    return ops.maximum(2 * last, ops.cast(second > first, "int32"))


def predicted(model, photo=PHOTO):
    return np.asarray(model(photo[None].astype(np.float32)))[0]


@pytest.mark.parametrize("form", ["last", "first", "indices", "one"])
def test_segmentation(form, tmp_path):
    keras.utils.set_random_seed(0)
    labels = ["road", "sky", "tree"]
    file = tmp_path / "labels.txt"
    file.write_text("\n".join(labels))
    if form == "one":
        model = mapped(1, "sigmoid")
        expected = (predicted(model)[..., 0] > 0.5).astype(int)
        labels = None
    else:
        model = mapped(3, None, (3, 1, 2) if form == "first" else None)
        scores = predicted(model)
        expected = scores.argmax(0 if form == "first" else -1)
        if form == "indices":
            model = keras.Model(model.input, of_three(model.output))
    names = file if form in ("first", "indices") else labels
    own = ws.wrap(model, task="image-segmentation", labels=names, scaling="0..255")
    result = own(PHOTO)
    np.testing.assert_array_equal(result.labels_map, expected)
    names = {label.name for label in own.labels}
    assert names == (set(labels) if labels else {"background", "object"})


BOXES = np.array([[2, 4, 6, 8], [0, 0, 12, 16], [2, 4, 6, 9]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.1]], np.float32)


def constant(*arrays, dtype="float32", names=()):
    """A model that gives the same for every photo; as a dict, if the outputs have names."""
    image = keras.Input((16, 12, 3))
    zero = ops.mean(image, axis=(1, 2, 3), keepdims=True) * 0.0
    outputs = [zero[..., 0] + ops.convert_to_tensor(array[None], dtype) for array in arrays]
    return keras.Model(image, dict(zip(names, outputs, strict=True)) if names else outputs)


def converted(boxes, form, units):
    left, top, right, bottom = boxes.T
    numbers = {
        "xyxy": (left, top, right, bottom),
        "yxyx": (top, left, bottom, right),
        "xywh": (left, top, right - left, bottom - top),
        "cxcywh": ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top),
    }[form]
    horizontal, vertical = (12, 16) if units == "fractions" else (1, 1)
    scale = [horizontal, vertical, horizontal, vertical]
    if form == "yxyx":
        scale = [vertical, horizontal, vertical, horizontal]
    return np.stack(numbers, -1) / np.array(scale, np.float32)


@pytest.mark.parametrize(
    ("form", "units", "layout"),
    [
        ("xyxy", "pixels", "two"),
        ("yxyx", "fractions", "as many classes as numbers"),
        ("xywh", "pixels", "rows"),
        ("cxcywh", "fractions", "columns"),
        ("cxcywh", "pixels", "objectness"),
    ],
)
def test_detection(form, units, layout):
    boxes = converted(BOXES, form, units)
    options = {"labels": ["cat", "dog"], "boxes": form, "units": units, "iou_threshold": 0.5}
    scores = SCORES
    if layout in ("two", "as many classes as numbers"):
        scores = np.concatenate([np.full((3, 1), 0.3, np.float32), SCORES], -1)
        options["background"] = "first"
        names = ()
        if layout != "two":
            scores = np.concatenate([scores, np.zeros((3, 1), np.float32)], -1)
            options["labels"] = ["cat", "dog", "cow"]
            names = ("scores", "boxes")
        model = constant(scores, boxes, names=names)
    else:
        extra = [np.full((3, 1), 0.5, np.float32)] if layout == "objectness" else []
        table = np.concatenate([boxes, *extra, scores], -1)
        model = constant(table.T if layout == "columns" else table)
    own = ws.wrap(model, task="object-detection", scaling="0..255", **options)
    factor = 0.5 if layout == "objectness" else 1.0
    found = own(PHOTO, threshold=0.3)
    assert [box.label for box in found] == ["cat", "dog"]  # the third overlaps the first
    assert [box.score for box in found] == pytest.approx([0.9 * factor, 0.8 * factor], abs=1e-5)
    actual = [[box.xmin, box.ymin, box.xmax, box.ymax] for box in found]
    np.testing.assert_allclose(actual, BOXES[:2], atol=1e-4)


FORM = {"boxes": "xyxy", "units": "pixels"}


@pytest.mark.parametrize(
    ("model", "task", "options", "message"),
    [
        (lambda: constant(SCORES, BOXES), "object-detection", {}, "format of the boxes is unknown"),
        (
            lambda: constant(BOXES),
            "object-detection",
            FORM | {"labels": ["a"] * 9},
            "has the 4 numbers",
        ),
        (lambda: constant(BOXES), "object-detection", FORM, "labels must name the classes"),
        (lambda: constant(BOXES, BOXES), "object-detection", FORM, "call one of them 'box'"),
        (
            lambda: constant(np.zeros((6, 6))),
            "object-detection",
            FORM | {"labels": ["a", "b"]},
            "Either axis of the output",
        ),
        (lambda: mapped(2), "object-detection", FORM, "boxes \\(None, N, 4\\) and scores"),
        (lambda: mapped(1), "image-segmentation", {}, "a logit or a probability"),
        (lambda: constant(BOXES), "image-segmentation", {}, "one output: scores"),
        (lambda: mapped(1), "forecasting", {}, "takes one window of one series"),
    ],
)
def test_what_is_unclear_is_refused(model, task, options, message):
    scaling = {} if task == "forecasting" else {"scaling": "0..255"}
    with pytest.raises(UsageError, match=message):
        ws.wrap(model(), task=task, **scaling, **options)


def lightness(image):
    """1 where pixels of 0..1 are between 0.47 and 0.6, else 0; all other scalings are outside."""
    mean = ops.mean(image, axis=-1, keepdims=True)
    return ops.sigmoid(1000 * (mean - 0.47)) * ops.sigmoid(1000 * (0.6 - mean))


def light_or_dark(task):
    """A model that is right with pixels of 0..1 only, the options of wrapping it, and photos."""
    image = keras.Input((16, 12, 3))
    light, dark = np.full((16, 12, 3), 140, np.uint8), np.full((16, 12, 3), 100, np.uint8)
    labels = {"labels": ["dark", "light"]}
    if task == "object-detection":
        score = ops.mean(lightness(image), axis=(1, 2))[:, None]
        box = score * ops.convert_to_tensor([[[0.0, 0, 12, 16]]])
        model = keras.Model(image, [box, ops.concatenate([0 * score, score], -1)])
        return model, labels | FORM, [(light, [("light", 0, 0, 12, 16)])]
    scores = ops.concatenate([1 - lightness(image), lightness(image)], -1)
    if task == "image-segmentation":
        both = np.where(np.arange(12)[:, None] < 6, dark, light)
        mask = np.tile((np.arange(12) >= 6).astype(np.uint8), (16, 1))
        return keras.Model(image, scores), labels, [(both, mask)]
    model = keras.Model(image, ops.mean(scores, axis=(1, 2)))
    return model, labels | {"activation": "none"}, [(light, "light"), (dark, "dark")]


@pytest.mark.parametrize("task", ["image-classification", "image-segmentation", "object-detection"])
def test_check_shows_which_scaling_fits(task, capsys):
    model, options, photos = light_or_dark(task)
    ws.wrap(model, task=task, scaling="-1..1", check=photos, **options)
    title, *lines, warning = capsys.readouterr().err.splitlines()[-7:]
    assert title.endswith(" by scaling:")
    values = {name: float(value.rstrip("%")) for name, value, *_ in map(str.split, lines)}
    assert max(values, key=values.get) == "0..1"
    assert values["0..1"] > 99
    assert [line.split()[0] for line in lines if line.endswith("(selected)")] == ["-1..1"]
    assert warning == "Warning: scaling='0..1' gives a better result on these photos."


def test_a_model_of_features():
    model = keras.Sequential(
        [keras.Input((16, 12, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
    )
    own = ws.wrap(model, task="image-classification", embedding=True, scaling="0..255")
    np.testing.assert_allclose(own.features(PHOTO), predicted(model), rtol=1e-4, atol=1e-4)
    with pytest.raises(UsageError, match="trained without classes"):
        own(PHOTO)


@pytest.mark.parametrize("pooling", [None, "mean", "max", "cls"])
def test_text_embedding(pooling, tmp_path):
    keras.utils.set_random_seed(0)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nfilm\ngood\n[MASK]\n")
    ids = keras.Input((None,), dtype="int32", name="input_ids")
    mask = keras.Input((None,), dtype="int32", name="attention_mask")
    x = layers.Embedding(8, 5)(ids)
    x = layers.Dense(5, activation="tanh")(x) * ops.expand_dims(ops.cast(mask, "float32"), -1)
    if pooling is None:
        x = ops.sum(x, axis=1)
    model = keras.Model([ids, mask], x, name="texts")
    ws.wrap(
        model,
        task="text-embedding",
        tokenizer=tmp_path,
        pooling=pooling,
        normalize=True,
        output=tmp_path / "own",
    )
    tokens = np.array([[2, 4, 6, 5, 3]])
    states = np.asarray(model([tokens, np.ones_like(tokens)]))[0]
    pools = {"mean": states.mean(0), "max": states.max(0), "cls": states[0], None: states}
    vector = pools[pooling]
    expected = vector / np.linalg.norm(vector)
    first, second = ws.load(tmp_path / "own")(["a good film", "film"])
    np.testing.assert_allclose(first.vector, expected, atol=1e-5)
    assert second.vector.shape == (5,)
    if pooling is None:
        with pytest.raises(UsageError, match="leave pooling out"):
            ws.wrap(model, task="text-embedding", tokenizer=tmp_path, pooling="mean")
    else:
        with pytest.raises(UsageError, match="pooling='mean', 'cls' or 'max'"):
            ws.wrap(model, task="text-embedding", tokenizer=tmp_path)


SERIES = np.array([3.0, 5, 4, 6, 5, 7, 6, 8, 7, 9])


@pytest.mark.parametrize("scaling", ["none", "standard", "mean", "10,2"])
def test_forecasting(scaling, tmp_path):
    pytest.importorskip("pandas")
    keras.utils.set_random_seed(0)
    window = keras.Input((6, 1))
    x = layers.Dense(8, activation="tanh")(layers.Flatten()(window))
    model = keras.Model(window, layers.Dense(3)(x), name="demand")
    own = ws.wrap(model, task="forecasting", scaling=scaling, output=tmp_path / "own")

    def expected(past):
        mean, scale = {
            "none": (0.0, 1.0),
            "standard": (past.mean(), past.std()),
            "mean": (0.0, np.abs(past).mean()),
            "10,2": (10.0, 2.0),
        }[scaling]
        scaled = ((past - mean) / scale).astype(np.float32)
        return np.asarray(model(scaled[None, :, None]))[0] * scale + mean

    first = expected(SERIES[-6:])
    second = expected(np.concatenate([SERIES, first])[-6:])
    own = ws.load(tmp_path / "own")
    forecast = own(SERIES)
    assert "80 %" not in str(forecast)  # it has no interval
    assert forecast.horizon == 3
    np.testing.assert_allclose(forecast.quantile(0.5), first, rtol=1e-4)
    longer = own(SERIES, horizon=5)
    np.testing.assert_allclose(longer.quantile(0.9), np.concatenate([first, second])[:5], rtol=1e-3)
    assert any("are based on forecasts" in note for note in longer.notes)
    with pytest.raises(InputError, match="has 4 steps, but demand needs 6"):
        own(SERIES[:4])
    gap = SERIES.copy()
    gap[-3] = np.nan
    filled = SERIES[-6:].copy()
    filled[3] = (SERIES[-4] + SERIES[-2]) / 2
    np.testing.assert_allclose(own(gap).quantile(0.5), expected(filled), rtol=1e-3)


def test_forecasting_quantiles():
    pytest.importorskip("pandas")
    window = keras.Input((None,))
    spread = ops.mean(window, axis=1, keepdims=True) + ops.convert_to_tensor([[-1.0, 0.0, 2.0]])
    model = keras.Model(window, ops.repeat(spread[:, None], 4, axis=1))
    levels = (0.1, 0.5, 0.9)
    own = ws.wrap(model, task="forecasting", scaling="none", quantiles=levels, context=5)
    forecast = own(SERIES)
    mean = SERIES[-5:].mean()
    assert [forecast.quantile(level)[0] for level in levels] == pytest.approx(
        [mean - 1, mean, mean + 2], rel=1e-4
    )
    for options, message in [
        ({"context": 5, "quantiles": levels}, "scaling of windows is unknown"),
        ({"scaling": "none", "context": 5}, "\\(None, horizon, levels\\) with quantiles"),
        ({"scaling": "none", "quantiles": levels}, "pass one, such as context=96"),
        ({"scaling": "none", "quantiles": (0.9, 0.5, 0.1), "context": 5}, "ascending order"),
    ]:
        with pytest.raises(UsageError, match=message):
            ws.wrap(model, task="forecasting", **options)
