"""WaveNet: what it sees, what it gives, cached generation equal to the plain one, public names."""

import numpy as np
import pytest

from warmstart.errors import MismatchError, UsageError

pytestmark = pytest.mark.tensorflow
TINY = {"dilations": (1, 2, 4), "stacks": 1, "channels": 6, "residual": 5, "skip": 7, "levels": 16}
CONDITIONED = {
    **TINY,
    "output": "logistics",
    "mixtures": 3,
    "classes": (3, 2),
    "global_channels": 4,
    "frame_features": 2,
    "frame_channels": 5,
    "upsampling": (2,),
    "hold": 4,
}


@pytest.fixture(scope="module")
def plain():
    import keras

    from warmstart.models.speech.wavenet import network as wavenet

    keras.utils.set_random_seed(0)  # with some weights a change is too small to be seen
    return wavenet.build(TINY)


@pytest.fixture(scope="module")
def conditioned():
    from warmstart.models.speech.wavenet import network as wavenet

    return wavenet.build(CONDITIONED)


def levels(count, seed=0, batch=1):
    return np.random.default_rng(seed).integers(0, 16, (batch, count), np.int32)


def test_the_receptive_field_is_what_the_config_says(plain):
    from warmstart.models.speech.wavenet import network as wavenet

    field = wavenet.WaveNetConfig.of(TINY).receptive_field
    assert field == 9  # 1 + (1 + 2 + 4) steps of the stack, and one more of the first convolution
    samples = levels(20)
    before = np.array(plain({"samples": samples}))
    changed = samples.copy()
    changed[0, 5] = (changed[0, 5] + 8) % 16
    moved = np.abs(np.array(plain({"samples": changed})) - before).max(-1)[0] > 1e-6
    assert np.flatnonzero(moved).tolist() == list(
        range(6, 6 + field)
    )  # never the sample itself, nor what is before


def test_published_sizes():
    from warmstart.models.speech.wavenet import network as wavenet

    config = {"stacks": 5, "dilations": tuple(2**i for i in range(10)), "skip": 512}
    assert wavenet.WaveNetConfig.of(config).receptive_field == 5 * 1023 + 2


def test_conditioning_reaches_its_samples_only(conditioned):
    inputs = {
        "samples": levels(32, batch=2),
        "classes": np.int32([[0, 1], [2, 0]]),
        "frames": np.random.default_rng(1).normal(size=(2, 4, 2)).astype(np.float32),
    }
    before = np.array(conditioned(inputs))
    assert before.shape == (2, 32, 9)
    other = np.array(conditioned({**inputs, "classes": np.int32([[1, 1], [2, 0]])}))
    assert np.abs(other[0] - before[0]).max() > 1e-4
    np.testing.assert_allclose(other[1], before[1], atol=1e-6)


def test_the_mixture_is_a_distribution():
    from warmstart.models.speech.wavenet.network import mixture_loss

    parameters = np.random.default_rng(0).normal(size=(1, 1, 9)).astype(np.float32)
    every = np.arange(16, dtype=np.int32)[None]
    total = np.exp(-np.array(mixture_loss(16, 3, every, np.repeat(parameters, 16, 1)))).sum()
    assert total == pytest.approx(1.0, abs=1e-4)


def uncached(model, config, steps, uniform, temperature, **given):
    """One forward pass over everything so far for each sample."""
    from warmstart.models.speech.wavenet import generation as wavenet_generation
    from warmstart.models.speech.wavenet import network as wavenet

    c, made = wavenet.WaveNetConfig.of(config), []
    for t in range(steps):
        samples = np.array([[*made, *[0] * (steps - t)]], np.int32)  # later samples change nothing
        outputs = np.array(model({"samples": samples, **given}))[0, t]
        made.append(int(wavenet_generation.draw(c, outputs, uniform[t], temperature)))
    return made


@pytest.mark.parametrize("which", ["plain", "conditioned", "wide"])
def test_cached_generation_gives_the_same_samples(which, request, monkeypatch):
    from warmstart.models.speech.wavenet import generation
    from warmstart.models.speech.wavenet import network as wavenet

    monkeypatch.setattr(generation, "AROUND", 16)
    config = {
        "plain": TINY,
        "conditioned": CONDITIONED,
        "wide": {**TINY, "filter_width": 3, "use_bias": False},
    }[which]
    model = request.getfixturevalue(which) if which != "wide" else wavenet.build(config)
    network, c = model.get_layer("wavenet"), wavenet.WaveNetConfig.of(config)
    for weight in network.weights:  # biases are zeros at first, which would hide mistakes with them
        weight.assign(np.random.default_rng(len(weight.path)).normal(0, 0.4, weight.shape))
    given = {}
    if c.classes:
        given = {
            "classes": np.int32([[2, 1]]),
            "frames": np.float32(np.random.default_rng(3).normal(size=(1, 4, 2))),
        }
    chunk, runs = generation.chunk(c), 2
    uniform = np.random.default_rng(7).uniform(0.01, 0.99, (runs * chunk, 2)).astype(np.float32)
    added = np.array(generation.condition(network, given.get("classes"), given.get("frames")))
    state = {
        "ring": np.zeros((generation.ring_rows(c), c.residual), np.float32),
        "position": np.zeros(1, np.int32),
        "history": np.full(c.filter_width, -1, np.int32),
    }
    found = []
    for run in range(runs):
        rows = chunk // c.hold
        own = added[run * rows : (run + 1) * rows] if c.frame_features else added
        out = generation.generate(
            network,
            own,
            uniform[run * chunk : (run + 1) * chunk],
            np.float32([0.8]),
            np.full(chunk, -1, np.int32),
            **state,
        )
        found += np.array(out.pop("samples")).tolist()
        state = out
    assert found == uncached(model, config, runs * chunk, uniform, 0.8, **given)
    assert len(set(found)) > 3


def test_forced_levels_are_what_the_rest_is_conditioned_on(plain, monkeypatch):
    from warmstart.models.speech.wavenet import generation
    from warmstart.models.speech.wavenet import network as wavenet

    monkeypatch.setattr(generation, "AROUND", 16)
    network, c = plain.get_layer("wavenet"), wavenet.WaveNetConfig.of(TINY)
    forced = levels(16, 5)[0]
    uniform = np.full((16, 2), 0.5, np.float32)
    out = generation.generate(
        network,
        generation.condition(network),
        uniform,
        np.float32([1.0]),
        forced,
        np.zeros((generation.ring_rows(c), 5), np.float32),
        np.full(2, -1, np.int32),
        np.zeros(1, np.int32),
    )
    logits = np.array(plain({"samples": forced[None]}))[0]
    want = [int(generation.draw(c, row, np.float32([0.5, 0.5]), 1.0)) for row in logits]
    assert np.array(out["samples"]).tolist() == want
    assert np.array(out["history"]).tolist() == forced[-2:].tolist()


def public_arrays(model, config):
    """The arrays of a model as the public TensorFlow implementation names and shapes them, with its
    leftovers.
    """
    from warmstart.checkpoints.naming import model_arrays

    parts = {
        "filter_kernel": "filter",
        "gate_kernel": "gate",
        "residual_kernel": "dense",
        "skip_kernel": "skip",
        "filter_bias": "Variable",
        "gate_bias": "Variable_1",
        "residual_bias": "Variable_2",
        "skip_bias": "Variable_3",
        "filter_global": "gc_filter",
        "gate_global": "gc_gate",
    }
    others = {
        "causal_kernel": "causal_layer/filter",
        "embedding0/embeddings": "embeddings/gc_embedding",
        "post1/kernel": "postprocessing/postprocess1",
        "post2/kernel": "postprocessing/postprocess2",
        "post1/bias": "postprocessing/Variable",
        "post2/bias": "postprocessing/Variable_1",
    }
    arrays = {}
    for name, array in model_arrays(model).items():
        inner = name.removeprefix("wavenet/")
        layer, _, part = inner.removeprefix("stack/").partition("/")
        public = others[inner] if inner in others else f"dilated_stack/{layer}/{parts[part]}"
        flat = array.ndim == 2 and "embedding" not in public
        arrays[f"wavenet/{public}:0"] = array[None] if flat else array
        arrays[f"wavenet/{public}/Adam:0"] = array
    last = f"wavenet/dilated_stack/layer{len(config['dilations']) - 1}"
    arrays[f"{last}/dense:0"] = np.ones((1, config["channels"], config["residual"]), np.float32)
    arrays[f"{last}/Variable_2:0"] = np.ones(config["residual"], np.float32)
    return arrays


def test_the_public_layout_fills_the_model(tmp_path):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.checkpoints.safetensors import save_safetensors
    from warmstart.models.speech.wavenet import network as wavenet

    config = {**TINY, "classes": (3,), "global_channels": 4}
    model, again = wavenet.build(config), wavenet.build(config)
    arrays = public_arrays(model, config)
    np.savez(tmp_path / "model.npz", **arrays)
    save_safetensors(tmp_path / "model.safetensors", arrays)
    inputs = {"samples": levels(12), "classes": np.int32([[1]])}
    for name in ("model.npz", "model.safetensors"):
        for weight in again.weights:
            weight.assign(np.zeros(weight.shape))
        with open_checkpoint(tmp_path / name) as checkpoint:
            wavenet.load(again, checkpoint, config)
        np.testing.assert_allclose(again(inputs), model(inputs), atol=1e-6)
    del arrays["wavenet/dilated_stack/layer1/gate:0"]
    np.savez(tmp_path / "less.npz", **arrays)
    with (
        open_checkpoint(tmp_path / "less.npz") as checkpoint,
        pytest.raises(MismatchError, match="layer1"),
    ):
        wavenet.load(again, checkpoint, config)


def test_the_recognizer_sees_both_sides_as_far_as_it_says():
    from warmstart.models.speech.wavenet_asr import network as wavenet_asr

    config = {
        "features": 3,
        "symbols": 4,
        "channels": 6,
        "blocks": 1,
        "dilations": (1, 2),
        "filter_width": 3,
        "batch_norm": False,
    }
    field = wavenet_asr.WaveNetASRConfig.of(config).receptive_field
    assert field == 7
    model = wavenet_asr.build(config)
    frames = np.random.default_rng(0).normal(size=(1, 21, 3)).astype(np.float32)
    changed = frames.copy()
    changed[0, 10] += 1
    moved = np.abs(np.array(model(changed)) - np.array(model(frames))).max(-1)[0] > 1e-7
    assert np.flatnonzero(moved).tolist() == list(range(10 - field // 2, 11 + field // 2))
    assert wavenet_asr.WaveNetASRConfig.of({}).receptive_field == 559
    assert wavenet_asr.build({}).count_params() == 3_733_405


def test_ctc_is_the_sum_over_all_alignments():
    from itertools import product

    from warmstart.models.speech.ctc import ctc_loss

    logits = np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)

    def collapsed(path):
        return [s for i, s in enumerate(path) if s and (i == 0 or s != path[i - 1])]

    total = sum(
        np.prod([p[t, s] for t, s in enumerate(path)])
        for path in product(range(3), repeat=4)
        if collapsed(path) == [2, 2]
    )
    found = np.array(ctc_loss(np.int32([[2, 2, 0]]), logits))
    assert found.shape == (1,)
    assert found[0] == pytest.approx(-np.log(total), rel=1e-4)


@pytest.mark.parametrize(
    ("family", "config", "words"),
    [
        ("wavenet", {"colour": 1}, "colour"),
        ("wavenet", {"output": "softmax"}, "output"),
        ("wavenet", {"classes": (2,)}, "global_channels"),
        ("wavenet", {"dilations": (0,)}, "dilation"),
        ("wavenet_asr", {"filter_width": 4}, "odd"),
        ("wavenet_asr", {"channels": 10**9}, "size"),
        ("wavenet_asr", {"depth": 3}, "depth"),
    ],
)
def test_impossible_configs_are_refused(family, config, words):
    from warmstart import models

    with pytest.raises(UsageError, match=words):
        models.architecture(family).build(config)


RAW = {
    "symbols": 4,
    "pooling": 8,
    "frame_layers": 1,
    "stacks": 1,
    "dilations": [1, 2, 4],
    "channels": 6,
    "residual": 5,
    "skip": 7,
}


def test_the_raw_recognizer_learns_frames_and_samples_together():
    import keras

    from warmstart.models.speech.wavenet_raw import network as wavenet_raw
    from warmstart.training.adamw import AdamW  # Keras' own takes seconds to trace

    keras.utils.set_random_seed(0)
    model = wavenet_raw.build(RAW)
    random = np.random.default_rng(0)
    classes = np.repeat(
        random.integers(1, 4, (8, 5)), 4, axis=1
    )  # of each frame; a class is a level and its double
    samples = np.repeat(classes, 8, axis=1) * 40 * (1 + np.arange(160) % 2)
    features = samples.reshape(8, 20, 8).astype(np.float32)
    for frames, targets in (("classes", classes), ("ctc", classes[:, ::4])):
        network, losses = wavenet_raw.joint(model, frames=frames)
        network.compile(AdamW(1e-2, weight_decay=0.0), losses, jit_compile=False)
        wants = {"logits": targets, "next": samples}
        history = network.fit(features, wants, epochs=25, batch_size=8, verbose=0).history
        assert history["logits_loss"][-1] < 0.6 * history["logits_loss"][0]
        if frames == "classes":
            assert history["next_loss"][-1] < 0.6 * history["next_loss"][0]
    with pytest.raises(UsageError, match="frames is"):
        wavenet_raw.joint(model, frames="words")


def test_the_raw_recognizer_reaches_as_far_as_its_context():
    from warmstart.models.speech.wavenet_raw import network as wavenet_raw
    from warmstart.models.speech.wavenet_raw.family import context

    model = wavenet_raw.build(RAW)
    features = np.random.default_rng(1).integers(0, 256, (1, 12, 8)).astype(np.float32)
    before = np.array(model(features))
    features[0, 6] = 255 - features[0, 6]
    changed = np.flatnonzero(np.abs(np.array(model(features)) - before).max(-1)[0] > 1e-7)
    reach = context(RAW)
    assert reach == 3
    assert changed.min() == 6 - 1
    assert changed.max() == 6 + reach
