"""Settings of a checkpoint's files are honoured as the reference does, or refused by name."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import warmstart as ws
from warmstart.core.inputs import Prepared
from warmstart.core.model import drive
from warmstart.errors import BundleError, UsageError
from warmstart.text.tokenizer import Tokenizer, TruncationWarning

GOLDEN = Path(__file__).parents[1] / "golden" / "text"
REFERENCE = json.loads((GOLDEN.parent / "text_settings.json").read_text())
TEXTS = [
    "the film is good",
    "a bad film, isn't it?",
    "Anna lives in New York.",
    "who works in paris ? bob works in paris",
]
MODES = {
    "cls": "cls_token",
    "max": "max_tokens",
    "mean": "mean_tokens",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean": "weightedmean_tokens",
    "lasttoken": "lasttoken",
}


def changed(folder: str, target: Path, **files) -> Path:
    """A copy of a golden checkpoint, with some keys of its JSON files set (`name={key: value}`)."""
    shutil.copytree(GOLDEN / folder, target)
    for name, keys in files.items():
        path = target / f"{name}.json"
        old = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**old, **keys}))
    return target


@pytest.mark.parametrize(
    "case", REFERENCE["tokenizers"], ids=lambda case: json.dumps(case["config"])
)
@pytest.mark.parametrize("whole", [False, True], ids=["parts", "tokenizer.json"])
def test_tokenizers(tmp_path, case, whole):
    folder = changed(case["folder"], tmp_path / "a", tokenizer_config=case["config"])
    if whole:  # of the checkpoint as it was: the config wins
        plain = Tokenizer.open(GOLDEN / case["folder"])
        (folder / "tokenizer.json").write_bytes(plain.files()["tokenizer.json"])
    tokenizer = Tokenizer.open(folder)
    limit = case["config"].get("model_max_length")
    inputs = [(case["texts"][0],), (case["texts"][1],), (case["texts"][0], "in new york bob")]
    encoded = []
    for texts in inputs:
        with pytest.warns(TruncationWarning) if limit and not encoded else contextlib.nullcontext():
            encoded.append(tokenizer.encode(*texts, limit=limit or 64).ids.tolist())
    assert encoded == [*case["ids"], case["pair"]]


def test_a_side_that_there_is_not_is_refused(tmp_path):
    folder = changed("bert_base", tmp_path / "a", tokenizer_config={"truncation_side": "middle"})
    with pytest.raises(BundleError, match="truncation_side must be left or right, not 'middle'"):
        Tokenizer.open(folder)


def sentence_folder(target: Path, case: dict) -> Path:
    """A repository as `scripts/make_goldens_text.py` has made it for the reference."""
    prompts = {"prompts": {"query": "the ", "passage": ""}, "default_prompt_name": None}
    changed(case["folder"], target, config_sentence_transformers=prompts)
    names = ["Pooling", *["Dense"] * bool(case["dense"]), *["Normalize"] * case["normalize"]]
    paths = {"Transformer": "", **{name: f"{n}_{name}" for n, name in enumerate(names, 1)}}
    listed = [
        {"path": path, "type": f"sentence_transformers.models.{name}"}
        for name, path in paths.items()
    ]
    (target / "modules.json").write_text(json.dumps(listed))
    for name in names:
        (target / paths[name]).mkdir()
    modes = {f"pooling_mode_{key}": mode in case["pooling"] for mode, key in MODES.items()}
    (target / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    if case["dense"]:
        activation = {"activation_function": f"torch.nn.modules.{case['dense']}"}
        (target / "2_Dense" / "config.json").write_text(json.dumps(activation))
        kernel = np.sin(np.arange(5 * 24, dtype=np.float32)).reshape(5, 24) / 4
        bias = np.arange(5, dtype=np.float32) / 10
        arrays = {"linear.weight": kernel, "linear.bias": bias}
        save_file(arrays, target / "2_Dense" / "model.safetensors")
    return target


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "case",
    [case for case in REFERENCE["sentences"] if case["folder"] == "bert_base"]
    + [case for case in REFERENCE["sentences"] if case["pooling"] == ["lasttoken"]][-2:],
    ids=lambda case: "-".join([*case["pooling"], case["dense"], str(case["normalize"])]),
)
def test_sentence_transformers(tmp_path, case):
    model = ws.load(sentence_folder(tmp_path / "a", case), engine="keras")
    vectors = model.features(TEXTS)
    np.testing.assert_allclose(vectors, case["plain"], atol=1e-4)
    assert vectors.shape == (4, model.feature_size)
    np.testing.assert_allclose([r.vector for r in model(TEXTS)], vectors, atol=1e-6)
    query = model.features(TEXTS[:2], prompt_name="query")
    np.testing.assert_allclose(query, case["query"], atol=1e-4)
    np.testing.assert_allclose(model.features(TEXTS[:2], prompt="the "), query, atol=1e-6)


@pytest.mark.tensorflow
def test_prompts_and_modules_are_saved(tmp_path):
    case = next(case for case in REFERENCE["sentences"] if case["dense"].endswith("Tanh"))
    folder = sentence_folder(tmp_path / "a", case)
    prompts = {"prompts": {"query": "the ", "passage": ""}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    model = ws.load(folder, engine="keras")
    assert model.prompts == {"query": "the ", "passage": ""}
    saved = ws.load(model.save(tmp_path / "saved"), engine="litert")
    np.testing.assert_allclose(saved.features(TEXTS[:2]), case["query"], atol=1e-4)
    np.testing.assert_allclose(
        saved.features(TEXTS, prompt_name="passage"), case["plain"], atol=1e-4
    )
    assert (tmp_path / "saved" / "1_Pooling" / "config.json").is_file()
    with pytest.raises(UsageError, match="has no prompt 'title'; it has: query, passage"):
        saved("x", prompt_name="title")
    with pytest.raises(UsageError, match="exclude each other"):
        saved("x", prompt_name="query", prompt="a")
    with pytest.raises(UsageError, match="Dense modules"):
        saved.export(tmp_path / "a.onnx")
    (tmp_path / "saved" / "2_Dense" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(BundleError, match="is not the file that was saved"):
        ws.load(tmp_path / "saved")


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "median"}, "pooling by median"),
        ("1_Pooling/config.json", {"pooling_mode_x": True}, "pooling by pooling_mode_x"),
        ("1_Pooling/config.json", {"include_prompt": False}, "include_prompt=false"),
        ("2_Dense/config.json", {"activation_function": "torch.nn.Softmax"}, "Softmax"),
        ("2_Dense/config.json", {"use_residual": True}, "use_residual=True"),
        ("modules.json", [{"path": "", "type": "x.WeightedLayerPooling"}], "WeightedLayerPooling"),
        ("modules.json", [{"path": "../x", "type": "x.Pooling"}], "not one of the repository"),
        ("config_sentence_transformers.json", {"default_prompt_name": "x"}, "no prompt 'x'"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(tmp_path, file, content, error):
    case = next(case for case in REFERENCE["sentences"] if case["dense"])
    folder = sentence_folder(tmp_path / "a", case)
    (folder / file).write_text(json.dumps(content))
    with pytest.raises((UsageError, BundleError), match=error):
        ws.load(folder)


@pytest.mark.tensorflow
def test_every_encoder_embeds(tmp_path):
    """A repository with a head, and a bundle, by the mean of their tokens."""
    classifier = ws.load(GOLDEN / "bert_text_classification", engine="litert")
    bundle = classifier.save(tmp_path / "bundle")
    expected = classifier.features(TEXTS)
    for source, engine in ((bundle, "litert"), (bundle, "keras"), (classifier.folder, "keras")):
        model = ws.load(source, task="text-embedding", engine=engine)
        np.testing.assert_allclose(model.features(TEXTS), expected, atol=1e-5)
        assert model.labels == ()
    assert ws.load("sst2_bert_tiny", task="text-embedding").task == "text-embedding"
    saved = model.save(tmp_path / "embedder")
    assert json.loads((saved / "config.json").read_text())["architectures"] == ["BertModel"]
    assert "classifier.weight" not in load_file(saved / "model.safetensors")
    with pytest.raises(UsageError, match="is a model for text-classification, not fill-mask"):
        ws.load(bundle, task="fill-mask")


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", REFERENCE["cross_encoders"], ids=lambda case: str(case["config"]))
def test_cross_encoders(tmp_path, case):
    folder = changed("bert_text_classification", tmp_path / "a", config=case["config"])
    arrays = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        arrays[name] = arrays[name][:1].copy()
    save_file(arrays, folder / "model.safetensors")
    model = ws.load(folder, engine="keras")
    results = model([tuple(pair) for pair in case["pairs"]])
    assert [result.score for result in results] == pytest.approx(case["scores"], abs=1e-5)
    config = json.loads((folder / "config.json").read_text())
    activation = {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}
    (folder / "config.json").write_text(json.dumps({**config, **activation}))
    with pytest.raises(UsageError, match="activation 'Tanh'"):
        ws.load(folder)


@pytest.mark.tensorflow
@pytest.mark.parametrize("engine", ["keras", "litert"])
def test_gpt2_classifies(tmp_path, engine):
    expected = np.load(GOLDEN.parent / "gpt2" / "classifier" / "expected.npz")
    model = ws.load(GOLDEN.parent / "gpt2" / "classifier", engine=engine)
    rows = [
        {"input_ids": ids[mask > 0], "attention_mask": mask[mask > 0]}
        for ids, mask in zip(expected["ids"].astype(np.int32), expected["mask"], strict=True)
    ]
    inputs = [Prepared(str(n), [row]) for n, row in enumerate(rows)]
    outputs = drive(model.compute(inputs, model.options(batch_size=2)))
    logits = np.stack([output[0]["logits"] for output in outputs])
    np.testing.assert_allclose(logits, expected["logits"], atol=1e-4)
    result = model("The cat sat on the mat.")
    assert [label.name for label in model.labels] == ["no", "maybe", "yes"]
    assert sum(p.score for p in result) == pytest.approx(1, abs=1e-5)
    assert model.features(TEXTS).shape == (4, 32)
    if engine == "litert":
        saved = ws.load(model.save(tmp_path / "saved"))
        assert saved("The cat sat on the mat.").label == result.label
        config = json.loads((tmp_path / "saved" / "config.json").read_text())
        assert config["architectures"] == ["GPT2ForSequenceClassification"]


@pytest.fixture(scope="module")
def entailment(tmp_path_factory):
    names = ["contradiction", "neutral", "entailment"]
    config = {
        "id2label": dict(enumerate(names)),
        "label2id": {name: n for n, name in enumerate(names)},
    }
    target = tmp_path_factory.mktemp("nli") / "a"
    return ws.load(changed("bert_text_classification", target, config=config), engine="keras")


@pytest.mark.tensorflow
@pytest.mark.parametrize("way", REFERENCE["zero_shot"]["ways"])
def test_zero_shot(entailment, way):
    case = REFERENCE["zero_shot"]
    options = {"candidate_labels": case["labels"], **case["ways"][way]}
    for result, answer in zip(
        entailment(case["texts"], **options), case["answers"][way], strict=True
    ):
        assert [p.label for p in result] == answer["labels"]
        assert [p.score for p in result] == pytest.approx(answer["scores"], abs=1e-5)
        assert case["labels"][result[0].index] == result.label


@pytest.mark.tensorflow
def test_zero_shot_needs_a_model_of_entailment(entailment):
    with pytest.raises(UsageError, match=r"must have \{\} where the class comes"):
        entailment("a film", candidate_labels=["film"], hypothesis_template="a film")
    with pytest.raises(ws.errors.InputError, match="for single texts"):
        entailment(("a", "b"), candidate_labels=["film"])
    plain = ws.load("sst2_bert_tiny")
    with pytest.raises(UsageError, match="has no option 'candidate_labels'") as refused:
        plain("a film", candidate_labels=["film"])
    assert str(refused.value).count("progress") == 1


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", REFERENCE["targets"], ids=lambda case: case["folder"])
def test_masks_are_filled_by_targets(case):
    model = ws.load(GOLDEN / case["folder"], engine="keras")
    result = model(case["text"], targets=case["targets"], top_k=3)
    assert [(p.index, p.score) for p in result] == [
        (filled["token"], pytest.approx(filled["score"], abs=1e-5)) for filled in case["filled"]
    ]
    with pytest.raises(UsageError, match="is not a single token of"):
        model(case["text"], targets=["unknowable"])
