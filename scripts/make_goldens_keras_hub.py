"""Write tiny random presets with KerasHub, with its outputs, to tests/golden/keras_hub/.

    pip install keras-hub tensorflow
    python scripts/make_goldens_keras_hub.py [NAME ...]

The test suite does not need keras-hub; this script does. Running it again gives the same numbers.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import h5py
import keras
import keras_hub
import numpy as np

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "keras_hub"
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "film",
    "the",
    "was",
    "good",
    "##s",
    ".",
]
TEXTS = ["The films was good.", "a film"]
SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
MAKERS: dict[str, Callable[[], Any]] = {}
LETTERS = {letter: index for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz.")}


def maker(function: Callable[[], Any]) -> Callable[[], Any]:
    MAKERS[function.__name__] = function
    return function


def byte_pairs(special: list[str]) -> tuple[dict[str, int], list[str]]:
    """A vocabulary of letters, a space and two merges."""
    tokens = [*special, *LETTERS, "Ġ", "Ġf", "Ġfi"]
    return {token: index for index, token in enumerate(tokens)}, ["Ġ f", "Ġf i"]


@maker
def bert() -> Any:
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(WORDS), max_sequence_length=32, **SIZES
    )
    tokenizer = keras_hub.models.BertTokenizer(vocabulary=WORDS, lowercase=True)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=12)
    return keras_hub.models.BertTextClassifier(backbone, 3, preprocessor)


@maker
def distilbert() -> Any:
    backbone = keras_hub.models.DistilBertBackbone(
        vocabulary_size=len(WORDS), max_sequence_length=32, **SIZES
    )
    tokenizer = keras_hub.models.DistilBertTokenizer(vocabulary=WORDS, lowercase=True)
    preprocessor = keras_hub.models.DistilBertTextClassifierPreprocessor(
        tokenizer, sequence_length=12
    )
    return keras_hub.models.DistilBertTextClassifier(backbone, 3, preprocessor)


@maker
def roberta() -> Any:
    vocabulary, merges = byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    backbone = keras_hub.models.RobertaBackbone(
        vocabulary_size=len(vocabulary), max_sequence_length=32, **SIZES
    )
    tokenizer = keras_hub.models.RobertaTokenizer(vocabulary=vocabulary, merges=merges)
    preprocessor = keras_hub.models.RobertaTextClassifierPreprocessor(tokenizer, sequence_length=24)
    return keras_hub.models.RobertaTextClassifier(backbone, 3, preprocessor)


@maker
def gpt2() -> Any:
    vocabulary, merges = byte_pairs(["<|endoftext|>"])
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=len(vocabulary), max_sequence_length=32, **SIZES
    )
    tokenizer = keras_hub.models.GPT2Tokenizer(vocabulary=vocabulary, merges=merges)
    preprocessor = keras_hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=24)
    return keras_hub.models.GPT2CausalLM(backbone, preprocessor)


@maker
def whisper() -> Any:
    """A backbone with a window of one second, its tokenizer and its converter."""
    vocabulary, merges = byte_pairs([])
    names = ["endoftext", "startoftranscript", "en", "de", "translate", "transcribe"]
    first = len(vocabulary)
    special = {f"<|{name}|>": first + number for number, name in enumerate(names)}
    special["<|notimestamps|>"] = first + len(names) + 3
    languages = {name: special.pop(name) for name in ("<|en|>", "<|de|>")}
    model = keras_hub.models.WhisperBackbone(
        vocabulary_size=special["<|notimestamps|>"] + 1 + 51,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_encoder_sequence_length=100,
        max_decoder_sequence_length=32,
    )
    model.tokenizer = keras_hub.models.WhisperTokenizer(
        vocabulary=vocabulary, merges=merges, special_tokens=special, language_tokens=languages
    )
    model.converter = keras_hub.layers.WhisperAudioConverter(max_audio_length=1)
    return model


def resnet_backbone(block: str, image_shape: tuple[int | None, int | None, int]) -> Any:
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 16],
        stackwise_num_blocks=[1, 2],
        stackwise_num_strides=[1, 2],
        block_type=block,
        image_shape=image_shape,
    )


def resnet(block: str) -> Any:
    backbone = resnet_backbone(block, (None, None, 3))
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(32, 32),
        scale=[1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)],
        offset=[-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
    )
    preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(converter)
    return keras_hub.models.ResNetImageClassifier(backbone, 3, preprocessor)


MAKERS["resnet_basic"] = lambda: resnet("basic_block")
MAKERS["resnet_bottleneck"] = lambda: resnet("bottleneck_block")


@maker
def efficientnet() -> Any:
    backbone = keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[0.25] * 3,
        stackwise_depth_coefficients=[1.1] * 3,
        stackwise_kernel_sizes=[3, 5, 3],
        stackwise_num_repeats=[1, 2, 1],
        stackwise_input_filters=[32, 16, 24],
        stackwise_output_filters=[16, 24, 40],
        stackwise_expansion_ratios=[1, 6, 6],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25, 0],
        stackwise_strides=[1, 2, 2],
        stackwise_block_types=["v1"] * 3,
    )
    converter = keras_hub.layers.EfficientNetImageConverter(
        image_size=(32, 48), scale=1 / 127.5, offset=-1.0, interpolation="bicubic"
    )
    preprocessor = keras_hub.models.EfficientNetImageClassifierPreprocessor(converter)
    return keras_hub.models.EfficientNetImageClassifier(backbone, 3, preprocessor)


def mobilenet(stride: int) -> Any:
    """With stride 1 the first block has a residual, with stride 2 squeeze-and-excitation."""
    backbone = keras_hub.models.MobileNetBackbone(
        stackwise_expansion=[[40, 56], [64]],
        stackwise_num_blocks=[2, 1],
        stackwise_num_filters=[[24, 24], [40]],
        stackwise_kernel_size=[[3, 3], [5]],
        stackwise_num_strides=[[2, 1], [2]],
        stackwise_se_ratio=[[None, 0.25], [0.25]],
        stackwise_activation=[["relu", "relu"], ["hard_swish"]],
        stackwise_padding=[[1, 1], [2]],
        output_num_filters=64,
        depthwise_filters=16 if stride == 1 else 8,
        depthwise_stride=stride,
        depthwise_residual=stride == 1,
        last_layer_filter=48,
        squeeze_and_excite=None if stride == 1 else 0.5,
    )
    converter = keras_hub.layers.MobileNetImageConverter(image_size=(32, 48), scale=1 / 255)
    preprocessor = keras_hub.models.MobileNetImageClassifierPreprocessor(converter)
    return keras_hub.models.MobileNetImageClassifier(
        backbone, 3, num_features=32, preprocessor=preprocessor
    )


MAKERS["mobilenet_large"] = lambda: mobilenet(1)
MAKERS["mobilenet_small"] = lambda: mobilenet(2)


@maker
def segformer() -> Any:
    encoder = keras_hub.models.MiTBackbone(
        layerwise_depths=[1, 2],
        num_layers=2,
        layerwise_num_heads=[1, 2],
        layerwise_sr_ratios=[2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2],
        image_shape=(32, 32, 3),
        hidden_dims=[8, 12],
    )
    backbone = keras_hub.models.SegFormerBackbone(encoder, projection_filters=16)
    converter = keras_hub.layers.SegFormerImageConverter(
        image_size=(32, 32), crop_to_aspect_ratio=False, scale=1 / 255
    )
    preprocessor = keras_hub.models.SegFormerImageSegmenterPreprocessor(converter)
    return keras_hub.models.SegFormerImageSegmenter(backbone, 3, preprocessor)


def deeplab(block: str, **levels: Any) -> Any:
    """The maps of the first stage, and of a second that is half as large."""
    encoder = resnet_backbone(block, (32, 48, 3))
    backbone = keras_hub.models.DeepLabV3Backbone(
        encoder, upsampling_size=2, dilation_rates=[1, 3], image_shape=(32, 48, 3), **levels
    )
    converter = keras_hub.layers.DeepLabV3ImageConverter(
        image_size=(32, 48), crop_to_aspect_ratio=False, scale=1 / 255
    )
    preprocessor = keras_hub.models.DeepLabV3ImageSegmenterPreprocessor(converter)
    return keras_hub.models.DeepLabV3ImageSegmenter(backbone, 3, preprocessor=preprocessor)


MAKERS["deeplab_plus"] = lambda: deeplab(
    "bottleneck_block",
    spatial_pyramid_pooling_key="P3",
    low_level_feature_key="P2",
    projection_filters=8,
)
MAKERS["deeplab_first_stage"] = lambda: deeplab("basic_block", spatial_pyramid_pooling_key="P2")


def shake(model: Any, *, signs: bool = False) -> None:
    """Random numbers everywhere: fresh models have zeros where errors of loading would hide.

    Args:
        model: to be filled.
        signs: whether the numbers of a kernel differ by their signs only; it compresses well.
    """
    random = np.random.default_rng(0)
    for variable in model.weights:
        if not variable.dtype.startswith("float"):
            continue
        noise = random.normal(size=variable.shape)
        if "moving_variance" in variable.path:
            values = 1 + 0.2 * np.abs(noise)
        elif len(variable.shape) == 1:
            values = 0.1 * noise + (1.0 if variable.path.endswith("gamma") else 0.0)
        else:
            values = (np.sign(noise) if signs else noise) / max(
                np.prod(variable.shape[:-1]), 1
            ) ** 0.5
        variable.assign(values.astype(np.float16).astype(np.float32))


def compress(path: Path) -> None:
    """Store the arrays of an HDF5 file compressed."""
    with h5py.File(path) as source, h5py.File(path.with_suffix(".tmp"), "w") as target:
        arrays: dict[str, Any] = {}
        source.visititems(lambda name, each: arrays.update({name: each}))
        for name, each in arrays.items():
            if isinstance(each, h5py.Dataset):
                packed = {"compression": "gzip", "shuffle": True, "chunks": each.shape}
                options = packed if each.size > 1000 else {}
                target.create_dataset(name, data=each[()], **options)
    path.with_suffix(".tmp").replace(path)


def write(name: str) -> None:
    """One preset, and `expected.npz` with inputs and outputs of KerasHub."""
    keras.utils.set_random_seed(0)
    model = MAKERS[name]()
    is_wide = name.startswith("deeplab")
    shake(model, signs=is_wide)
    folder = GOLDEN / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_to_preset(str(folder))
    if name == "whisper":
        model.tokenizer.save_to_preset(str(folder))
        model.converter.save_to_preset(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    if is_wide:
        for path in folder.glob("*.h5"):
            compress(path)
    if name == "segformer":
        photos = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
        head = keras.Model(model.inputs, model.get_layer(index=-2).output)
        arrays = {"images": photos, "maps": np.asarray(head(photos, training=False))}
    elif is_wide:
        photos = np.random.default_rng(1).normal(size=(2, 32, 48, 3)).astype(np.float32)
        arrays = {"images": photos, "maps": np.asarray(model(photos, training=False))}
    elif name == "whisper":
        time = np.arange(16_000) / 16_000
        audio = np.sin(2 * np.pi * (300 + 400 * time) * time).astype(np.float32)
        features = np.asarray(model.converter(audio))[None]
        tokens = np.random.default_rng(1).integers(0, model.vocabulary_size, (1, 7))
        outputs = model(
            {
                "encoder_features": features,
                "decoder_token_ids": tokens,
                "decoder_padding_mask": np.ones_like(tokens),
            },
            training=False,
        )
        logits = model.token_embedding(outputs["decoder_sequence_output"], reverse=True)
        arrays = {
            "features": features,
            "tokens": tokens,
            "encoded": np.asarray(outputs["encoder_sequence_output"]),
            "logits": np.asarray(logits),
            "text": np.asarray(model.tokenizer("a film.")),
        }
    elif hasattr(model.preprocessor, "image_converter"):
        size = model.preprocessor.image_converter.image_size
        photos = np.random.default_rng(1).normal(size=(2, *size, 3)).astype(np.float32)
        features = model.backbone.predict(photos, verbose=0).mean((1, 2))
        logits = np.asarray(model(photos, training=False))  # `predict` would preprocess them
        arrays = {"images": photos, "logits": logits, "features": features}
    else:
        tokens = model.preprocessor(TEXTS)
        tokens = tokens[0] if isinstance(tokens, tuple) else tokens
        tokens = {key: np.asarray(value) for key, value in tokens.items()}
        preprocessor, model.preprocessor = model.preprocessor, None
        arrays = {**tokens, "logits": np.asarray(model(tokens, training=False))}
        model.preprocessor = preprocessor
    np.savez(folder / "expected.npz", **arrays)
    (folder / "made_with.json").write_text(
        json.dumps({"keras_hub": keras_hub.__version__, "keras": keras.__version__}) + "\n"
    )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(name, f"{size:,} bytes")


if __name__ == "__main__":
    for each in sys.argv[1:] or MAKERS:
        write(each)
