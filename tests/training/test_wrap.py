"""`ws.wrap`: models as users write them, wrapped, saved, and used where there is no TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import warmstart as ws
from warmstart.errors import CompileError, UsageError

pytestmark = pytest.mark.tensorflow
SENTENCES = ["A wonderful film, really!", "terrible; boring & LONG", "the film's plot\tis good ÄÖ"]


def cnn():
    return keras.Sequential(
        [
            keras.Input((32, 24, 3)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip("horizontal"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ],
        name="cnn",
    )


def two_inputs():
    tags = keras.Input((4,), name="tags")
    words = keras.Input((6,), dtype="int32", name="words")
    mean = layers.GlobalAveragePooling1D()(layers.Embedding(9, 3)(words))
    x = layers.Concatenate()([tags, mean])
    outputs = {"priority": layers.Dense(1)(x), "department": layers.Dense(4)(x * 2.0)}
    return keras.Model([tags, words], outputs, name="tickets")


def lstm():
    vectorize = layers.TextVectorization(max_tokens=40, output_sequence_length=8)
    vectorize.adapt(SENTENCES)
    text = keras.Input((1,), dtype="string")
    x = layers.Embedding(40, 4)(vectorize(text))
    x = layers.LSTM(4)(x)
    return keras.Model(text, layers.Dense(1, activation="sigmoid")(x), name="reviews")


def unet():
    image = keras.Input((16, 16, 3), name="image")
    down = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.SeparableConv2D(4, 3, padding="same")(layers.BatchNormalization()(down))
    x = layers.MaxPooling2D(2)(layers.Conv2DTranspose(4, 3, padding="same")(x))
    # after two of these, LiteRT needs the number of rows
    x = layers.add([layers.UpSampling2D(2)(x), down])
    x = layers.UpSampling2D(2)(layers.Conv2D(4, 3, padding="same")(x))
    model = keras.Model(
        image, layers.Conv2D(2, 3, padding="same", activation="softmax", name="mask")(x)
    )
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=False))
    return model


def mlp():
    table = keras.Input((5,), name="row")
    x = layers.Normalization(mean=[1.0, 2, 3, 4, 5], variance=[1.0, 4, 9, 1, 1])(table)
    x = layers.Dense(8, activation="gelu")(x)
    return keras.Model(table, layers.Dense(1, name="price")(x), name="houses")


def predicted(model, arrays):
    """The outputs of one input by Keras, by name."""
    batch = {name: value[None] for name, value in arrays.items()}
    (only,) = batch.values() if len(batch) == 1 else [batch]
    outputs = model.predict(only, verbose=0)
    outputs = outputs if isinstance(outputs, dict) else {model.output_names[0]: outputs}
    return {name: value[0] for name, value in outputs.items()}


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory):
    """name -> (Keras model, wrapped model); each bundle lies in a folder of its name."""
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("wrapped")
    options = {
        "cnn": (cnn(), {"task": "image-classification", "labels": ["cat", "dog", "cow"]}),
        "tickets": (two_inputs(), {"task": "tensors"}),
        "reviews": (lstm(), {"task": "text-classification", "labels": ["bad", "good"]}),
        "unet": (unet(), {"task": "tensors"}),
        "houses": (mlp(), {"task": "tensors"}),
    }
    return {
        name: (model, ws.wrap(model, output=folder / name, **own))
        for name, (model, own) in options.items()
    }


ARRAYS = {
    "tickets": {
        "tags": np.linspace(-1, 1, 4, dtype=np.float32),
        "words": np.arange(6, dtype=np.int32),
    },
    "unet": {"image": np.random.default_rng(0).random((16, 16, 3), np.float32)},
    "houses": {"row": np.array([1.5, 2, -3, 4, 0], np.float32)},
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_give_what_keras_gives(wrapped, name):
    model, own = wrapped[name]
    result = own(ARRAYS[name])
    expected = predicted(model, ARRAYS[name])
    assert dict(result).keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(result[key], value, atol=1e-5)


def test_photos_give_what_keras_gives(wrapped):
    model, own = wrapped["cnn"]
    photos = list(np.random.default_rng(0).integers(0, 256, (3, 32, 24, 3), np.uint8))
    expected = model.predict(np.array(photos, np.float32), verbose=0)
    for result, row in zip(own(photos, top_k=3), expected, strict=True):
        scores = {one.label: one.score for one in result}
        assert scores == pytest.approx(dict(zip(["cat", "dog", "cow"], row, strict=True)), abs=1e-5)
    assert own.preprocessing.scaling == "raw"
    assert own.features(photos).shape == (3, 4)


def test_texts_give_what_keras_gives(wrapped):
    import tensorflow as tf

    model, own = wrapped["reviews"]
    texts = [*SENTENCES, "Unknown words of a very long film indeed", "İ x"]
    expected = model.predict(tf.constant([[text] for text in texts]), verbose=0)[:, 0]
    scores = [{one.label: one.score for one in result} for result in own(texts)]
    assert [score["good"] for score in scores] == pytest.approx(expected.tolist(), abs=1e-5)


USE = """
import io, json, sys, urllib.request
import numpy as np
from PIL import Image
import warmstart as ws
from warmstart.serve.app import create_app
from warmstart.serve.server import BackgroundServer

folder, inputs = sys.argv[1], json.loads(sys.argv[2])
models = {name: ws.load(f"{folder}/{name}") for name in inputs}
answers, served = {}, {}
with BackgroundServer(create_app(models)) as address:
    for name, value in inputs.items():
        body, content_type = json.dumps({"inputs": [value]}).encode(), "application/json"
        if models[name].task == "image-classification":
            value, file = np.array(value, np.uint8), io.BytesIO()
            Image.fromarray(value).save(file, "png")
            body, content_type = file.getvalue(), "image/png"
        answers[name] = models[name](value).to_dict()
        headers = {"Content-Type": content_type}
        request = urllib.request.Request(f"{address}/v1/predict/{name}", body, headers)
        answer = json.load(urllib.request.urlopen(request))
        (served[name],) = answer.get("results", [answer])
assert not {"tensorflow", "keras"} & sys.modules.keys()
print(json.dumps([answers, served]))
"""


def test_bundles_are_used_and_served_without_tensorflow(wrapped):
    folder = wrapped["cnn"][1].folder.parent
    inputs = {name: {k: v.tolist() for k, v in one.items()} for name, one in ARRAYS.items()}
    inputs |= {"reviews": SENTENCES[0], "cnn": np.zeros((32, 24, 3), np.uint8).tolist()}
    command = [sys.executable, "-c", USE, str(folder), json.dumps(inputs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers, served = json.loads(done.stdout)
    assert answers.keys() == wrapped.keys()
    for name, answer in answers.items():
        assert {**served[name], "input": answer["input"]} == answer
    assert answers["reviews"] == wrapped["reviews"][1](SENTENCES[0]).to_dict()
    assert answers["unet"] == wrapped["unet"][1](ARRAYS["unet"]).to_dict()


def test_the_keras_model_comes_back(wrapped):
    model, own = wrapped["tickets"]
    batch = {name: value[None] for name, value in ARRAYS["tickets"].items()}
    again = ws.load(own.folder).keras.predict(batch, verbose=0)
    np.testing.assert_array_equal(again["priority"], model.predict(batch, verbose=0)["priority"])
    model, own = wrapped["unet"]  # compiled with a loss of its own
    assert ws.load(own.folder).keras.count_params() == model.count_params()


def test_code_is_not_kept(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Lambda(lambda x: x / 255),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="with_code",
    )
    with pytest.raises(UsageError, match="scaling of pixels is unknown"):
        ws.wrap(model, task="image-classification")
    own = ws.wrap(model, task="image-classification", scaling="0..255", output=tmp_path / "a")
    photo = np.full((8, 8, 3), 200, np.uint8)
    expected = float(model.predict(photo[None].astype(np.float32), verbose=0)[0, 0])
    assert {one.index: one.score for one in own(photo)}[1] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(
        UsageError, match=r"lambda.* is of the class Lambda, which is not one of Keras' own"
    ):
        own.keras  # noqa: B018
    again = ws.load(own.save(tmp_path / "b"))
    assert again(photo).predictions == own(photo).predictions
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"scaling": "0..1"}, "scaled twice"),
        ({}, {"labels": ["a", "b"]}, "labels names 2 classes, but the model has 3"),
        ({}, {"labels": ["a", "b", "a"]}, "names the class 'a' twice"),
        ({}, {"activation": "softmax"}, "would apply a second one"),
        ({}, {"size": 100}, "not size=100"),
        ({}, {"multi_label": True}, "the classes exclude each other"),
        ({"activation": None}, {}, "may be logits or probabilities"),
        ({"units": 1}, {}, "only with a sigmoid"),
        ({}, {"features": "nothing"}, "no layer 'nothing'"),
        ({}, {"task": "fill-mask"}, "not wrapped for 'fill-mask'"),
        ({}, {"task": "text-classification"}, "takes token ids"),
        ({}, {"name": "Bad Name"}, "lower snake case"),
        ({}, {"colour": 1}, "has no option 'colour'"),
    ],
)
def test_what_is_unclear_is_refused(change, options, message):
    model = cnn()
    if change:
        last = {"units": 3, "activation": "softmax", **change}
        model = keras.Sequential([*model.layers[:-1], layers.Dense(**last)])
        model.build((None, 32, 24, 3))
    with pytest.raises(UsageError, match=message):
        ws.wrap(model, **{"task": "image-classification", **options})


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves so
def test_models_that_are_none(tmp_path):
    class Own(keras.Model):
        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x), layers.Dense(1)])
    model.save(tmp_path / "a.keras")
    (tmp_path / "b.onnx").touch()
    for model, message in [
        (Own(), "subclassed model"),
        (keras.Sequential([layers.Dense(2)]), "is not built"),
        (tmp_path / "a.keras", "is of the class Lambda.* load it with keras.saving.load_model"),
        (tmp_path / "b.onnx", "cannot be read as ONNX"),
        (tmp_path, "no saved_model.pb"),
        (tmp_path / "c.keras", "does not exist"),
        (3, "not an object of type int"),
    ]:
        with pytest.raises(UsageError, match=message):
            ws.wrap(model, task="tensors")


def test_what_cannot_be_compiled_says_why():
    image = keras.Input((None, None, 3))
    x = layers.UpSampling2D(2)(layers.Conv2D(2, 3, strides=2, padding="same")(image))
    model = keras.Model(image, layers.Conv2D(2, 3, padding="same")(x))
    with pytest.raises(CompileError, match=r"Conv2D for these shapes.* once the open sides"):
        ws.wrap(model, task="tensors")


def test_a_wrapped_model_is_a_base(wrapped, tmp_path):
    from PIL import Image

    photos = []
    for index, label in enumerate(["red", "blue"] * 4):
        array = np.zeros((40, 40, 3), np.uint8)
        array[..., 0 if label == "red" else 2] = 120 + 10 * index
        Image.fromarray(array).save(tmp_path / f"{index}.png")
        photos.append((str(tmp_path / f"{index}.png"), label))
    base = wrapped["cnn"][1]
    tuned = ws.finetune(
        base, photos, epochs=1, head_epochs=30, views=1, freeze="backbone", verbose=False
    )
    assert [result.label for result in tuned([path for path, _ in photos])] == [
        label for _, label in photos
    ]
    assert ws.backbone(str(base.folder), pooling="avg").output.shape == (None, 4)
