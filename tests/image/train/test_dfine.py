"""Fine-tuning D-FINE: losses against transformers' (tests/golden/vision, made by
scripts/make_goldens_vision.py), gradients against differences, and a run from data to predictions.
"""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
from PIL import Image

import warmstart as ws
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.image.train.matching import UNMATCHED, costs, match
from warmstart.models import repository

GOLDEN = Path(__file__).parents[2] / "golden" / "vision"
RULES = "preprocessor_config.json"
NAMES = {
    "classes": "loss_vfl",
    "sides": "loss_bbox",
    "overlap": "loss_giou",
    "offsets": "loss_fgl",
    "distilled": "loss_ddf",
}


def test_matching_is_the_cheapest_of_all():
    """Against every assignment of 3 boxes to 5 queries; padding is not matched."""
    random = np.random.default_rng(0)
    logits, boxes = random.normal(size=(2, 1, 5, 4)), random.uniform(0.1, 0.9, (2, 1, 5, 4))
    truth = np.full((2, 4, 5), -1.0)
    truth[0, 1:] = np.concatenate([[[0], [3], [2]], random.uniform(0.1, 0.9, (3, 4))], axis=1)
    queries = match(logits, boxes, truth)
    assert (queries[1] == UNMATCHED).all()
    assert queries[0, 0, 0] == UNMATCHED
    cost = costs(logits[0, 0], boxes[0, 0], truth[0, 1:, 0].astype(int), truth[0, 1:, 1:])
    best = min(itertools.permutations(range(5), 3), key=lambda some: cost[some, range(3)].sum())
    assert queries[0, 0, 1:].tolist() == list(best)
    few = match(logits[:, :, :2], boxes[:, :, :2], truth)
    assert sorted(few[0, 0].tolist()) == [UNMATCHED, UNMATCHED, 0, 1]  # more boxes than queries


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["dfine_a", "dfine_b"])
def test_losses_equal_the_reference(name):
    from warmstart.image.train.dfine_loss import WEIGHTS, DFineLoss, concatenate_stages
    from warmstart.models.image.dfine import network

    entry, _ = repository.read(GOLDEN / name)
    _, training = network.build_training(entry.config)
    with open_checkpoint(GOLDEN / name / "model.safetensors") as checkpoint:
        network.load(training, checkpoint, entry.config)
    images = np.load(GOLDEN / name / "expected.npz")["images"].astype(np.float32)
    expected = np.load(GOLDEN / name / "losses.npz")
    loss = DFineLoss(entry.config["classes"], entry.config)
    stages = training(images)
    last, total, compared = loss.layers + 1, 0.0, {"truth", "loss_ddf"}
    for number, losses in enumerate(loss.parts(expected["truth"], stages)):
        suffix = "" if number == last else f"_aux_{number}"
        for key, value in losses.items():
            value = WEIGHTS[key] * float(value)
            total += value
            compared.add(NAMES[key] + suffix)
            reference = expected[NAMES[key] + suffix]
            assert value == pytest.approx(reference, rel=2e-4, abs=2e-5), (number, key)
    assert compared == set(expected.files)  # the last layer learns nothing from itself
    whole = loss(expected["truth"], concatenate_stages(stages))
    assert float(whole) == pytest.approx(total, rel=1e-5)


@pytest.mark.tensorflow
def test_gradients_of_deformable_sampling_equal_differences():
    import tensorflow as tf

    from warmstart.models.image.dfine.decoder import DeformableSampling

    random = np.random.default_rng(0)
    shapes, points, heads = [(5, 4), (3, 2)], [2, 1], 2
    layer = DeformableSampling(shapes, points, heads)
    arrays = {
        "memory": random.normal(size=(2, 26, 6)),
        "locations": random.uniform(-0.1, 1.1, (2, 3, heads, 3, 2)),
        "weights": random.uniform(0, 1, (2, 3, heads, 3)),
    }
    inputs = [tf.constant(array.astype(np.float32)) for array in arrays.values()]
    weight = random.normal(size=(2, 3, 6)).astype(np.float32)

    def value(inputs):
        return tf.reduce_sum(layer(inputs) * weight)

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        result = value(inputs)
    gradients = tape.gradient(result, inputs)
    step = 1e-3
    for number, gradient in enumerate(gradients):
        direction = random.normal(size=inputs[number].shape).astype(np.float32)
        moved = [
            float(value([*inputs[:number], inputs[number] + h * direction, *inputs[number + 1 :]]))
            for h in (step, -step)
        ]
        slope = (moved[0] - moved[1]) / (2 * step)
        assert slope == pytest.approx(float(np.sum(gradient * direction)), rel=2e-2), number
        assert abs(slope) > 0.1


@pytest.mark.tensorflow
def test_queries_inside_an_ignored_box_are_not_background():
    from warmstart.image.train.dfine_loss import IGNORED, DFineLoss, DFineTargets

    config = {"decoder_layers": 1, "max_num_bins": 8, "reg_scale": 4.0, "up": 0.5}
    boxes = np.array([[8, 8, 24, 24], [40, 8, 60, 28]], np.float32)
    targets = DFineTargets((32, 64), 3)
    counted, ignored = (targets(boxes, np.array([0, label]))[None] for label in (1, IGNORED))
    np.testing.assert_allclose(counted[0, 0], [0, 0.25, 0.5, 0.25, 0.5])
    assert counted[0, 2, 0] < 0
    queries = np.concatenate([counted[:, :2, 1:]], axis=1)
    logits = np.full((1, 2, 2), 3.0, np.float32)
    stage = {"logits": logits, "boxes": queries}
    losses = [
        float(DFineLoss(2, config).parts(truth, [stage])[0]["classes"])
        for truth in (counted, ignored, counted[:, [0, 2, 2]])
    ]
    assert losses[1] < losses[2]  # the second query is background there


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Six pictures with a bright square, as a list of photos with boxes."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    rows = []
    for number in range(6):
        array = random.integers(90, 130, (64, 64, 3)).astype(np.uint8)
        x, y = (int(side) for side in random.integers(2, 30, 2))
        array[y : y + 30, x : x + 30] = 250
        Image.fromarray(array).save(folder / f"{number}.png")
        rows.append((folder / f"{number}.png", [("thing 1", x, y, x + 30, y + 30)]))
    return rows


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A repository of a D-FINE with few layers and random numbers, for three classes."""
    import keras

    from warmstart.models.image.dfine import network

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("base")
    config = json.loads((GOLDEN / "dfine_a" / "config.json").read_text())
    config["decoder_layers"] = 2
    config["backbone_config"] |= {"stage_num_blocks": [1] * 4, "stage_numb_of_layers": [1] * 4}
    (folder / "config.json").write_text(json.dumps(config))
    copyfile(GOLDEN / "dfine_a" / RULES, folder / RULES)
    entry, _ = repository.read(folder)
    arrays = network.arrays(network.build(entry.config), entry.config)
    save_safetensors(folder / "model.safetensors", arrays)
    return ws.load(folder)


@pytest.mark.tensorflow
@pytest.mark.timeout(900)
def test_a_dfine_from_data_to_predictions(base, pictures, tmp_path):
    """Trained, reloaded, compiled, measured; normalisation stays as it was."""
    model = ws.finetune(
        base,
        pictures,
        task="object-detection",
        validation=0.34,
        epochs=6,
        batch_size=2,
        learning_rate=3e-3,
        augment=False,
        output=tmp_path / "out",
        verbose=False,
    )
    assert isinstance(model, ws.ObjectDetector)
    assert [label.name for label in model.labels] == ["thing 1"]
    assert model.entry.architecture == "dfine"
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    losses = [epoch["loss"] for epoch in record["history"]]
    assert min(losses[3:]) < losses[0]
    assert model.evaluate(pictures)["count"] == 6
    again = ws.load(tmp_path / "out")(pictures[0][0], threshold=0.0)
    assert [box.to_dict() for box in again] == [
        box.to_dict() for box in model(pictures[0][0], threshold=0.0)
    ]
    moving = {
        name: array
        for name, array in repository_arrays(model).items()
        if name.endswith(("running_mean", "running_var"))
    }
    before = repository_arrays(base)
    assert moving
    assert all((array == before[name]).all() for name, array in moving.items())


@pytest.mark.tensorflow
def test_heads_start_from_the_classes_that_the_base_knows(base, pictures, capsys):
    """Every layer's head has the base's numbers for "thing 1", and new ones for another class."""
    from warmstart.image.train.dfine import DFineTrainer
    from warmstart.image.train.options import DetectionOptions

    options = DetectionOptions(
        labels=["new", "thing 1"], validation=0.34, verbose=True, freeze="backbone"
    )
    trainer = DFineTrainer(base, options)
    trainer.open()
    trainer.read(pictures)
    network = trainer.build()
    known = repository_arrays(base)["model.decoder.class_embed.1.weight"]
    for model in (network, trainer.training_network):
        for layer in model.layers:
            if layer.name.startswith("model.decoder.class_embed"):
                kernel = layer.kernel.numpy()
                np.testing.assert_array_equal(kernel[:, 1], known[1])
                assert not (kernel[:, 0] == known[0]).any()
    names = [layer.name for layer in trainer.training_network.layers]
    assert {"model.decoder.class_embed.0", "model.decoder.class_embed.1"} <= set(names)
    trainer.network = network
    trainer.freeze()
    trained = {layer.name for layer in trainer.training_network.layers if layer.trainable_weights}
    assert not any(name.startswith("model.backbone") for name in trained)
    assert "model.decoder.layers.0.fc1" in trained
    crowded = [
        replace(photo, boxes=np.tile(photo.boxes, (50, 1))) for photo in trainer.training.photos
    ]
    assert trainer.targets(replace(trainer.training, photos=crowded)).max_boxes == 12
    assert "50 boxes, but the network detects at most 12" in capsys.readouterr().err


def repository_arrays(model):
    from warmstart.models import architecture

    return architecture("dfine").arrays(model.keras, model.entry.config)
