"""Presets of KerasHub give KerasHub's numbers, with its tokens, saved again as bundles too."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import BundleError, UsageError
from warmstart.models import repository
from warmstart.speech.whisper.tokens import WhisperTokens
from warmstart.text.tokenizer import Tokenizer

GOLDEN = Path(__file__).parents[1] / "golden" / "keras_hub"
NAMES = sorted(path.name for path in GOLDEN.iterdir())
TEXTS = ("The films was good.", "a film")
PHOTOS = ("efficientnet", "mobilenet", "resnet")
TASKS = {
    "deeplab": "image-segmentation",
    "gpt2": "text-generation",
    "segformer": "image-segmentation",
    "whisper": "speech-recognition",
    **dict.fromkeys(PHOTOS, "image-classification"),
}


def changed(folder, name, file, change):
    """A copy of a preset in which a JSON file has other values."""
    folder = folder / name
    shutil.copytree(GOLDEN / name, folder)
    content = json.loads((folder / file).read_text())
    for key, value in change.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    (folder / file).write_text(json.dumps(content))
    return folder


def expected(name):
    with np.load(GOLDEN / name / "expected.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", NAMES)
def test_equal_to_keras_hub(name):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.models import architecture

    entry, labels = repository.read(GOLDEN / name)
    assert entry.task == TASKS.get(name.partition("_")[0], "text-classification")
    arrays = expected(name)
    module = architecture(entry.architecture)
    model = module.build(entry.config)
    with open_checkpoint(GOLDEN / name) as checkpoint:
        module.load(model, checkpoint, entry.config)
    if name != "segformer":
        assert model.count_params() == entry.parameters
    if "maps" in arrays:
        from keras import ops

        maps = model(arrays["images"], training=False)
        if maps.shape != arrays["maps"].shape:
            maps = ops.image.resize(maps, arrays["maps"].shape[1:3], interpolation="bilinear")
        np.testing.assert_allclose(maps, arrays["maps"], atol=1e-4, rtol=0)
        return
    if name == "whisper":
        features = arrays["features"].transpose(0, 2, 1)
        tokens = arrays["tokens"].astype(np.int32)
        outputs = model({"input_features": features, "decoder_input_ids": tokens})
        encoded = np.asarray(outputs["encoder_last_hidden_state"])
        np.testing.assert_allclose(encoded, arrays["encoded"], atol=1e-4, rtol=0)
        np.testing.assert_allclose(outputs["logits"], arrays["logits"], atol=1e-4, rtol=0)
        return
    if "images" in arrays:
        from warmstart.models.image.outputs import classifier_outputs

        outputs = classifier_outputs(model)([arrays["images"]])
        shifted = np.exp(arrays["logits"] - arrays["logits"].max(-1, keepdims=True))
        scores = shifted / shifted.sum(-1, keepdims=True)
        np.testing.assert_allclose(outputs["probabilities"], scores, atol=1e-4, rtol=0)
        if not name.startswith("mobilenet"):  # its features are those that its head takes
            np.testing.assert_allclose(outputs["features"], arrays["features"], atol=1e-4, rtol=0)
        assert [label.name for label in labels] == ["LABEL_0", "LABEL_1", "LABEL_2"]
        return
    inputs = {"input_ids": arrays["token_ids"], "attention_mask": arrays["padding_mask"]}
    inputs = {key: np.asarray(value, np.int32) for key, value in inputs.items()}
    if name == "gpt2":
        actual = np.asarray(model(inputs)["logits"])
        mask = arrays["padding_mask"].astype(bool)
        np.testing.assert_allclose(actual[mask], arrays["logits"][mask], atol=1e-4, rtol=0)
        return
    if "segment_ids" in arrays:
        inputs["token_type_ids"] = np.asarray(arrays["segment_ids"], np.int32)
    actual = np.asarray(model(inputs)["logits"])
    np.testing.assert_allclose(actual, arrays["logits"], atol=1e-4, rtol=0)


def test_parameters_of_the_published_deeplab():
    from warmstart.models.image.deeplabv3_resnet.family import DeepLabConfig

    sizes = {"depths": [3, 4, 6, 3], "widths": [64, 128, 256, 512]}
    backbone = {**sizes, "channels": [256, 512, 1024, 2048], "stem": [64]}
    # "deeplab_v3_plus_resnet50_pascalvoc" has 39,190,656 without its head
    config = DeepLabConfig.of({"backbone": backbone, "classes": 21})
    assert config.parameters() == 39_190_656 + 256 * 21


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2", "roberta"])
def test_tokens_are_those_of_keras_hub(name):
    tokenizer = Tokenizer.open(GOLDEN / name)
    arrays = expected(name)
    for text, ids, mask in zip(TEXTS, arrays["token_ids"], arrays["padding_mask"], strict=True):
        own = tokenizer.encode(text).ids.tolist()
        if name == "gpt2":  # a text for training ends with the token between texts, too
            own = [*own, 0]
        assert own == ids[mask.astype(bool)].tolist()


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["deeplab_first_stage", "deeplab_plus"])
def test_deeplab_saved_and_without_its_head(name, tmp_path):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.checkpoints.safetensors import save_safetensors
    from warmstart.models import architecture

    entry, _ = repository.read(GOLDEN / name)
    module, images = architecture(entry.architecture), expected(name)["images"]
    first, again = (module.build(entry.config) for _ in range(2))
    with open_checkpoint(GOLDEN / name) as checkpoint:
        module.load(first, checkpoint, entry.config)
    save_safetensors(tmp_path / "model.safetensors", module.arrays(first, entry.config))
    base = module.build(entry.config, include_top=False, pooling="avg")
    with open_checkpoint(tmp_path / "model.safetensors") as checkpoint:
        module.load(again, checkpoint, entry.config)
        module.load(base, checkpoint, entry.config)
    np.testing.assert_array_equal(again(images), first(images))
    assert base(images).shape == (2, module.feature_map(first).shape[-1])


@pytest.mark.tensorflow
def test_a_preset_is_used_saved_and_used_again(tmp_path):
    model = ws.load(GOLDEN / "bert")
    first = model(list(TEXTS))
    arrays = expected("bert")
    shifted = np.exp(arrays["logits"] - arrays["logits"].max(-1, keepdims=True))
    for result, scores in zip(first, shifted / shifted.sum(-1, keepdims=True), strict=True):
        by_index = {one.index: one.score for one in result}
        assert [by_index[index] for index in range(3)] == pytest.approx(scores, abs=1e-4)
    again = ws.load(model.save(tmp_path / "own"))(list(TEXTS))
    assert [one.predictions for one in again] == [one.predictions for one in first]
    other = tmp_path / "other"
    shutil.copytree(GOLDEN / "bert", other)
    head = (GOLDEN / "distilbert" / "task.weights.h5").read_bytes()
    (other / "task.weights.h5").write_bytes(head)
    assert ws.load(other).weights.digest != model.weights.digest


def recording():
    time = np.arange(16_000) / 16_000
    return np.sin(2 * np.pi * (300 + 400 * time) * time).astype(np.float32)


@pytest.mark.tensorflow
def test_whisper_is_used_saved_and_used_again(tmp_path):
    model, arrays = ws.load(GOLDEN / "whisper"), expected("whisper")
    features = model.features(recording(), sample_rate=16_000)
    np.testing.assert_allclose(features, arrays["encoded"][0].mean(0), atol=1e-4, rtol=0)
    first = model(recording(), sample_rate=16_000, language="de")
    again = ws.load(model.save(tmp_path / "own"))
    assert again(recording(), sample_rate=16_000, language="de") == first
    config = json.loads((tmp_path / "own" / "config.json").read_text())
    assert (config["model_type"], config["max_source_positions"]) == ("whisper", 50)


def test_tokens_of_whisper():
    tokens = WhisperTokens.open(GOLDEN / "whisper", 91)
    config = json.loads((GOLDEN / "whisper" / "tokenizer.json").read_text())["config"]
    assert tokens.encode("a film.") == expected("whisper")["text"].tolist()
    assert tokens.languages == {
        name.strip("<|>"): n for name, n in config["language_tokens"].items()
    }
    assert tokens.no_timestamps == config["special_tokens"]["<|notimestamps|>"]
    assert tokens.previous == tokens.no_timestamps - 2
    assert tokens.tokenizer.id_to_token(tokens.first_time + 50) == "<|1.00|>"


def test_english_whisper(tmp_path):
    change = {"config": {"language_tokens": None}}
    folder = changed(tmp_path, "whisper", "tokenizer.json", change)
    assert repository.read(folder)[0].processing["multilingual"] is False
    own = WhisperTokens.open(folder, 91, multilingual=False)
    assert own.languages == {}
    assert own.special() == WhisperTokens.open(GOLDEN / "whisper", 91).special()


def test_gpt2_preprocessor(tmp_path):
    entry, _ = repository.read(GOLDEN / "gpt2")
    assert entry.processing["generation"] == {"max_length": 24}
    change = {"config": {"add_start_token": False, "sequence_length": 32}}
    folder = changed(tmp_path, "gpt2", "preprocessor.json", change)
    assert "generation" not in repository.read(folder)[0].processing
    (start, *rest), own = (
        Tokenizer.open(one).encode("a film").ids.tolist() for one in (GOLDEN / "gpt2", folder)
    )
    assert (start, rest) == (0, own)
    (folder / "preprocessor.json").unlink()
    assert Tokenizer.open(folder).encode("a film").ids.tolist() == [0, *own]


def test_photos_of_a_preset():
    rules = repository.read(GOLDEN / "resnet_basic")[0].preprocessing
    assert (rules.size, rules.scaling, rules.resize) == ((32, 32), "torch", "crop")
    rules = repository.read(GOLDEN / "efficientnet")[0].preprocessing
    assert (rules.size, rules.scaling, rules.interpolation) == ((32, 48), "tf", "bicubic")
    rules = repository.read(GOLDEN / "segformer")[0].preprocessing
    assert (rules.size, rules.resize, rules.std) == ((32, 32), "squash", (1.0, 1.0, 1.0))


def test_text_preprocessor():
    assert repository.read(GOLDEN / "bert")[0].processing["max_length"] == 12
    assert repository.read(GOLDEN / "roberta")[0].processing["max_length"] == 24


def test_tokenizer_options_that_are_not_supported(tmp_path):
    change = {"config": {"add_prefix_space": True}}
    folder = changed(tmp_path, "roberta", "tokenizer.json", change)
    with pytest.raises(UsageError, match="add_prefix_space=True"):
        Tokenizer.open(folder)


def test_image_converter_without_preprocessor(tmp_path):
    folder = tmp_path / "preset"
    shutil.copytree(GOLDEN / "efficientnet", folder)
    (folder / "preprocessor.json").unlink()
    own, whole = (repository.read(path)[0] for path in (folder, GOLDEN / "efficientnet"))
    assert own.preprocessing == whole.preprocessing


@pytest.mark.parametrize(
    ("name", "file", "change", "error", "message"),
    [
        (
            "bert",
            "config.json",
            {"registered_name": "keras_hub>T5Backbone"},
            UsageError,
            "T5Backbone",
        ),
        ("bert", "config.json", {"config": None}, BundleError, "no config for its backbone"),
        ("bert", "task.json", {"config": {"num_classes": 0}}, BundleError, "num_classes is 0"),
        (
            "bert",
            "preprocessor.json",
            {"config": {"truncate": "waterfall"}},
            UsageError,
            "waterfall",
        ),
        ("bert", "config.json", {"config": {"num_layers": -1}}, BundleError, "must be a size"),
        (
            "resnet_basic",
            "config.json",
            {"config": {"use_pre_activation": True}},
            UsageError,
            "use_pre",
        ),
        (
            "resnet_basic",
            "config.json",
            {"config": {"input_conv_kernel_sizes": [3]}},
            UsageError,
            "input_conv_kernel_sizes",
        ),
        ("resnet_basic", "task.json", {"config": {"pooling": "max"}}, UsageError, "pooling 'max'"),
        ("bert", "task.json", {"config": {"activation": "sigmoid"}}, UsageError, "activation"),
        (
            "efficientnet",
            "config.json",
            {"config": {"stackwise_block_types": ["v1", "fused", "v1"]}},
            UsageError,
            "block_types 'fused'",
        ),
        ("efficientnet", "config.json", {"config": {"activation": "relu6"}}, UsageError, "relu6"),
        (
            "efficientnet",
            "config.json",
            {"config": {"stackwise_strides": [1, 2]}},
            UsageError,
            "stackwise_strides must have one value per stage",
        ),
        (
            "mobilenet_small",
            "config.json",
            {"config": {"depthwise_residual": True}},
            UsageError,
            "depthwise_residual",
        ),
        (
            "mobilenet_small",
            "config.json",
            {"config": {"input_activation": "relu6"}},
            UsageError,
            "input_activation 'relu6'",
        ),
        (
            "segformer",
            "config.json",
            {"config": {"image_encoder": {"class_name": "ViTBackbone"}}},
            UsageError,
            "ViTBackbone",
        ),
        ("segformer", "task.json", {"class_name": "Other"}, UsageError, "no supported head"),
        (
            "deeplab_plus",
            "config.json",
            {"config": {"image_encoder": {"class_name": "MiTBackbone"}}},
            UsageError,
            "only ResNetBackbone",
        ),
        (
            "deeplab_plus",
            "config.json",
            {"config": {"upsampling_size": 4}},
            UsageError,
            "upsampling_size 4 does not bring",
        ),
        (
            "deeplab_plus",
            "config.json",
            {"config": {"low_level_feature_key": "P4"}},
            UsageError,
            "must be one of P2, P3, not 'P4'",
        ),
        (
            "deeplab_plus",
            "preprocessor.json",
            {"config": {"image_converter": {"config": {"image_size": [36, 48]}}}},
            UsageError,
            "must be multiples of 8, not 36 and 48",
        ),
        (
            "whisper",
            "audio_converter.json",
            {"config": {"stride": 80}},
            UsageError,
            "stride 80",
        ),
        (
            "whisper",
            "audio_converter.json",
            {"config": {"max_audio_length": 30}},
            UsageError,
            "max_audio_length 30",
        ),
        (
            "whisper",
            "tokenizer.json",
            {"config": {"language_tokens": {"<|en|>": "1"}}},
            BundleError,
            "language_tokens must map each token to a number",
        ),
        (
            "mobilenet_small",
            "preprocessor.json",
            {"config": {"image_converter": {"config": {"interpolation": "lanczos5"}}}},
            UsageError,
            "lanczos5",
        ),
        (
            "mobilenet_small",
            "preprocessor.json",
            {"config": {"image_converter": {"config": {"rotation": 90}}}},
            UsageError,
            "rotation",
        ),
    ],
)
def test_what_is_not_supported(tmp_path, name, file, change, error, message):
    folder = changed(tmp_path, name, file, change)
    with pytest.raises(error, match=message):
        repository.read(folder)
