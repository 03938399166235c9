"""Write tests/golden/text: tiny checkpoints with random weights, and what PyTorch and transformers
make of them.

    pip install -r scripts/requirements.txt
    python scripts/make_goldens_text.py             all of them
    python scripts/make_goldens_text.py settings    what settings of the same checkpoints change

Each folder is a repository as the hub has them. `expected.npz` holds inputs and outputs of the
model, `answers.json` those of the reference's pipelines on texts. Weights are drawn wide, so that a
wrong activation, mask or position shows. The test suite needs neither PyTorch nor transformers.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder, SentenceTransformer

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "text"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *LETTERS,
    *(f"##{c}" for c in LETTERS),
    ".",
    ",",
    "?",
    "'",
    "the",
    "film",
    "is",
    "good",
    "bad",
    "ann",
    "##a",
    "bob",
    "paris",
    "lives",
    "in",
    "new",
    "york",
    "works",
    "who",
]
WORDS = list(dict.fromkeys(WORDS))
TEXTS = [
    "the film is good",
    "a bad film, isn't it?",
    "Anna lives in New York.",
    "who works in paris ? bob works in paris",
]
HEADS = {
    "base": "Model",
    "fill-mask": "ForMaskedLM",
    "text-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
}
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
}
DISTIL = {"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40, "max_position_embeddings": 64}


def vocabulary(folder: Path, family: str) -> int:
    """The tokenizer's files; returns how many tokens there are."""
    if family == "roberta":
        tokens = [
            "<s>",
            "<pad>",
            "</s>",
            "<unk>",
            *map(chr, range(33, 127)),
            "Ġ",
            "in",
            "Ġin",
            "th",
            "the",
            "Ġthe",
            "<mask>",
        ]
        merges = ["i n", "Ġ in", "t h", "th e", "Ġ the"]
        tokens = list(dict.fromkeys(tokens))
        (folder / "vocab.json").write_text(
            json.dumps({token: n for n, token in enumerate(tokens)}) + "\n"
        )
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
        (folder / "tokenizer_config.json").write_text(
            '{"model_max_length": 88, "tokenizer_class": "RobertaTokenizer"}\n'
        )
        return len(tokens)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(
        '{"do_lower_case": true, "model_max_length": 64, "tokenizer_class": "BertTokenizer"}\n'
    )
    return len(WORDS)


def build(folder: Path, family: str, head: str, **options: object) -> torch.nn.Module:
    """A model with random weights, saved."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    size = vocabulary(folder, family)
    names = {"bert": "Bert", "distilbert": "DistilBert", "roberta": "Roberta"}
    labels = {
        "token-classification": TAGS,
        "text-classification": ["NEGATIVE", "NEUTRAL", "POSITIVE"],
    }.get(head)
    options = {**(DISTIL if family == "distilbert" else SIZES), "vocab_size": size, **options}
    if family == "roberta":
        options = {
            **options,
            "type_vocab_size": 1,
            "max_position_embeddings": 90,
            "pad_token_id": 1,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "layer_norm_eps": 1e-5,
        }
    if labels and "id2label" not in options:
        options["id2label"] = dict(enumerate(labels))
    config = getattr(transformers, f"{names[family]}Config")(**options)
    config._attn_implementation = "eager"
    torch.manual_seed(hash_of(folder.name))
    model = getattr(transformers, f"{names[family]}{HEADS[head]}")(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            wide = 0.25 if parameter.dim() > 1 else 0.3
            parameter.normal_(1.0 if "norm.weight" in name.lower() else 0.0, wide)
    model.save_pretrained(folder)
    return model


def hash_of(name: str) -> int:
    return sum(ord(c) * 31**n for n, c in enumerate(name)) % 2**31


def expect(folder: Path, model: torch.nn.Module) -> None:
    """Run the model on three rows of ids, padded and unpadded, and keep everything."""
    config = model.config
    random = np.random.default_rng(7)
    ids = random.integers(5, config.vocab_size, (3, 11)).astype(np.int32)
    mask = np.ones_like(ids)
    types = np.zeros_like(ids)
    if getattr(config, "type_vocab_size", 0) > 1:
        types[:, 6:] = 1
    for row, length in ((1, 7), (2, 3)):
        ids[row, length:], mask[row, length:], types[row, length:] = config.pad_token_id, 0, 0
    found = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    has_types = config.model_type != "distilbert"
    for name, rows, columns in (
        ("padded", slice(0, 3), slice(0, 11)),
        ("alone", slice(2, 3), slice(0, 3)),
    ):
        given = {
            "input_ids": torch.tensor(ids[rows, columns]).long(),
            "attention_mask": torch.tensor(mask[rows, columns]).long(),
        }
        if has_types:
            given["token_type_ids"] = torch.tensor(types[rows, columns]).long()
        with torch.no_grad():
            for key, value in model(**given).items():
                if value is not None:
                    found[f"{name}/{key}"] = value.numpy()
    np.savez_compressed(folder / "expected.npz", **found)


def rewrite(folder: Path, change) -> None:
    """Change the names or numbers of a saved checkpoint."""
    path = folder / "model.safetensors"
    save_file(
        {k: v.contiguous() for k, v in change(load_file(path)).items()},
        path,
        metadata={"format": "pt"},
    )


def old_names(arrays: dict) -> dict:
    """As conversions of the first TensorFlow release have them: gamma and beta, buffers, both
    copies of the decoder.
    """
    out = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in arrays.items()
    }
    out["bert.embeddings.position_ids"] = torch.arange(64)[None]
    out["cls.predictions.decoder.weight"] = out["bert.embeddings.word_embeddings.weight"].clone()
    out["cls.predictions.decoder.bias"] = out["cls.predictions.bias"].clone()
    out["cls.seq_relationship.weight"] = torch.zeros(2, 24)
    out["cls.seq_relationship.bias"] = torch.zeros(2)
    out["bert.pooler.dense.weight"] = torch.zeros(24, 24)
    out["bert.pooler.dense.bias"] = torch.zeros(24)
    return out


def shards(folder: Path) -> None:
    """Two files and an index."""
    path = folder / "model.safetensors"
    arrays = load_file(path)
    path.unlink()
    places = {}
    for number in range(2):
        name = f"model-0000{number + 1}-of-00002.safetensors"
        part = dict(list(arrays.items())[number::2])
        save_file(part, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps(
            {
                "metadata": {"total_size": sum(v.numel() * 4 for v in arrays.values())},
                "weight_map": places,
            }
        )
    )


def stored_as(model: torch.nn.Module, folder: Path, dtype: torch.dtype) -> torch.nn.Module:
    """Numbers kept in half the bits; the model that is run has the rounded ones, as float32."""
    rewrite(folder, lambda arrays: {name: value.to(dtype) for name, value in arrays.items()})
    return model.to(dtype).float()


def layouts() -> None:
    """Variants of one checkpoint: how it is stored, and what its config says."""
    for name, act in (("tanh_gelu", "gelu_new"), ("relu", "relu"), ("silu", "silu")):
        model = build(
            GOLDEN / f"bert_{name}",
            "bert",
            "base",
            hidden_act=act,
            num_hidden_layers=1,
            layer_norm_eps=1e-3,
        )
        expect(GOLDEN / f"bert_{name}", model)
    folder = GOLDEN / "bert_old_names"
    expect(folder, build(folder, "bert", "fill-mask"))
    rewrite(folder, old_names)
    folder = GOLDEN / "bert_untied"
    expect(
        folder, build(folder, "bert", "fill-mask", tie_word_embeddings=False, num_hidden_layers=1)
    )
    folder = GOLDEN / "bert_sharded"
    expect(folder, build(folder, "bert", "base", num_hidden_layers=1))
    shards(folder)
    folder = GOLDEN / "bert_without_pooler"
    expect(folder, build(folder, "bert", "base", num_hidden_layers=1))
    rewrite(folder, lambda arrays: {f"bert.{k}": v for k, v in arrays.items() if "pooler" not in k})
    for name, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16)):
        folder = GOLDEN / f"bert_{name}"
        expect(folder, stored_as(build(folder, "bert", "base", num_hidden_layers=1), folder, dtype))


def pipelines() -> None:
    """What the reference's pipelines answer on texts, through the same folders."""
    for folder in sorted(GOLDEN.iterdir()):
        head = folder.name.partition("_")[2].replace("_", "-")
        if head not in HEADS or head == "base":
            continue
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = getattr(transformers, f"AutoModel{HEADS[head]}").from_pretrained(
            folder, attn_implementation="eager"
        )
        answers = ANSWERS[head](model.eval(), tokenizer)
        (folder / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")


def pipe(task: str, model, tokenizer, **options):
    return transformers.pipeline(task, model=model, tokenizer=tokenizer, device="cpu", **options)


def classify(model, tokenizer) -> dict:
    single = pipe("text-classification", model, tokenizer, top_k=None)
    sigmoid = pipe("text-classification", model, tokenizer, top_k=None, function_to_apply="sigmoid")
    pairs = [{"text": TEXTS[0], "text_pair": TEXTS[1]}]
    return {
        "texts": TEXTS,
        "single": single(TEXTS),
        "multi": sigmoid(TEXTS),
        "pairs": pairs,
        "paired": single(pairs),
    }


def tag(model, tokenizer) -> dict:
    found = {"texts": TEXTS}
    for way in ("none", "simple", "first", "max"):
        entities = pipe("token-classification", model, tokenizer, aggregation_strategy=way)(TEXTS)
        found[way] = [[{**e, "score": float(e["score"])} for e in one] for one in entities]
    return found


def fill(model, tokenizer) -> dict:
    mask = tokenizer.mask_token
    # transformers 5 forgets that RoBERTa's mask takes the space before it, unless there is a
    # tokenizer.json.
    space = "" if mask == "<mask>" else " "
    texts = [f"the film is{space}{mask}", f"{mask} lives in{space}{mask} ."]
    return {"texts": texts, "filled": pipe("fill-mask", model, tokenizer, top_k=4)(texts)}


def encode_pair(model, tokenizer) -> dict:
    """Start and end logits of a question and a context; transformers 5 has no pipeline for
    questions.
    """
    given = tokenizer(
        "who works in paris ?", "bob works in paris . anna lives in new york .", return_tensors="pt"
    )
    with torch.no_grad():
        out = model(**given)
    return {
        "ids": given["input_ids"][0].tolist(),
        "start": out.start_logits[0].tolist(),
        "end": out.end_logits[0].tolist(),
    }


ANSWERS = {
    "text-classification": classify,
    "token-classification": tag,
    "fill-mask": fill,
    "question-answering": encode_pair,
}


SETTINGS = GOLDEN.parent / "text_settings.json"
LONG = "the film is good ann bob the film is bad"
POOLINGS = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
NLI = ["contradiction", "neutral", "entailment"]
CANDIDATES = ["film", "new york", "paris"]


def changed(folder: str, **files: dict) -> Path:
    """A copy of a golden checkpoint, with some keys of its JSON files set (`name={key: value}`)."""
    target = Path(tempfile.mkdtemp()) / folder
    shutil.copytree(GOLDEN / folder, target)
    for name, keys in files.items():
        path = target / f"{name}.json"
        old = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**old, **keys}))
    return target


def tokenizers() -> list[dict]:
    """Ids under settings of `tokenizer_config.json`, with `vocab.txt` and with `tokenizer.json`."""
    cases = []
    for folder, config in (
        ("bert_base", {"truncation_side": "left", "model_max_length": 6}),
        ("bert_base", {"truncation_side": "right", "model_max_length": 6}),
        ("bert_base", {"do_lower_case": False}),
        ("bert_base", {"do_lower_case": False, "strip_accents": True}),
        ("roberta_base", {"add_prefix_space": True}),
        ("roberta_base", {"add_prefix_space": False}),
        ("roberta_base", {"truncation_side": "left", "model_max_length": 7}),
    ):
        texts = [LONG, "in The film É the"]
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            changed(folder, tokenizer_config=config)
        )
        ids = [tokenizer(text, truncation=True)["input_ids"] for text in texts]
        pair = tokenizer(texts[0], "in new york bob", truncation=True)["input_ids"]
        cases.append({"folder": folder, "config": config, "texts": texts, "ids": ids, "pair": pair})
    return cases


def sentence_folder(folder: str, pooling: list[str], dense: str, normalize: bool) -> Path:
    """A repository of sentence-transformers, as its version 5 writes them."""
    prompts = {"query": "the ", "passage": ""}
    target = changed(
        folder, config_sentence_transformers={"prompts": prompts, "default_prompt_name": None}
    )
    modules = ["Transformer", "Pooling", *["Dense"] * bool(dense), *["Normalize"] * normalize]
    listed = [
        {
            "idx": n,
            "name": str(n),
            "path": f"{n}_{name}" if n else "",
            "type": f"sentence_transformers.models.{name}",
        }
        for n, name in enumerate(modules)
    ]
    (target / "modules.json").write_text(json.dumps(listed))
    (target / "sentence_bert_config.json").write_text(
        '{"max_seq_length": 64, "do_lower_case": false}'
    )
    for entry in listed[1:]:
        (target / entry["path"]).mkdir()
    keys = {
        "cls": "cls_token",
        "max": "max_tokens",
        "mean": "mean_tokens",
        "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
        "weightedmean": "weightedmean_tokens",
        "lasttoken": "lasttoken",
    }
    config = {f"pooling_mode_{key}": mode in pooling for mode, key in keys.items()}
    (target / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 24, **config})
    )
    if dense:
        width = 24 * len(pooling)
        (target / "2_Dense" / "config.json").write_text(
            json.dumps(
                {
                    "in_features": width,
                    "out_features": 5,
                    "bias": True,
                    "activation_function": f"torch.nn.modules.{dense}",
                }
            )
        )
        kernel = torch.sin(torch.arange(5.0 * width)).reshape(5, width) / 4  # as the test makes it
        save_file(
            {"linear.weight": kernel, "linear.bias": torch.arange(5.0) / 10},
            target / "2_Dense" / "model.safetensors",
        )
    return target


def sentences() -> list[dict]:
    """Vectors of sentence-transformers for each way of pooling."""
    cases = []
    ways = [([mode], "", False) for mode in POOLINGS]
    ways += [
        (["cls", "max", "mean"], "", True),
        (["mean"], "activation.Tanh", True),
        (["mean"], "linear.Identity", False),
        (["lasttoken"], "activation.GELU", False),
    ]
    for folder in ("bert_base", "roberta_base"):
        for pooling, dense, normalize in ways:
            model = SentenceTransformer(
                str(sentence_folder(folder, pooling, dense, normalize)), device="cpu"
            )
            case = {"folder": folder, "pooling": pooling, "dense": dense, "normalize": normalize}
            vectors = {
                "plain": model.encode(TEXTS).tolist(),
                "query": model.encode(TEXTS[:2], prompt_name="query").tolist(),
            }
            cases.append({**case, **vectors})
    return cases


def cross_encoders() -> list[dict]:
    """Scores of pairs by cross-encoders with one class."""
    one = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "num_labels": 1}
    names = {
        "Identity": {
            "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}
        },
        "old": {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
        "none": {},
    }
    cases = []
    for config in names.values():
        target = changed("bert_text_classification", config={**one, **config})
        path = target / "model.safetensors"
        arrays = load_file(path)
        for name in ("classifier.weight", "classifier.bias"):
            arrays[name] = arrays[name][:1].clone()
        save_file(arrays, path, metadata={"format": "pt"})
        model = CrossEncoder(str(target), device="cpu")
        pairs = [[TEXTS[0], TEXTS[1]], [TEXTS[2], TEXTS[0]]]
        cases.append({"config": {**one, **config}, "pairs": pairs,
                      "scores": model.predict(pairs).tolist()})  # fmt: skip
    return cases


def zero_shot() -> dict:
    """Classes without training, by a model of entailment."""
    target = changed(
        "bert_text_classification",
        config={
            "id2label": {str(n): name for n, name in enumerate(NLI)},
            "label2id": {name: n for n, name in enumerate(NLI)},
        },
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(target)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(target)
    classify = pipe("zero-shot-classification", model.eval(), tokenizer)
    ways = {
        "single": {},
        "multi": {"multi_label": True},
        "template": {"hypothesis_template": "the film is {}."},
    }
    answers = {
        name: classify(TEXTS, candidate_labels=CANDIDATES, **options)
        for name, options in ways.items()
    }
    return {"labels": CANDIDATES, "texts": TEXTS, "ways": ways, "answers": answers}


def targets() -> list[dict]:
    """Masks filled by one of some words."""
    cases = []
    for folder in ("bert_fill_mask", "roberta_fill_mask"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(GOLDEN / folder)
        model = transformers.AutoModelForMaskedLM.from_pretrained(GOLDEN / folder)
        mask = tokenizer.mask_token
        text = f"the film is{'' if mask == '<mask>' else ' '}{mask}"
        words = ["good", "bad", "film"] if folder.startswith("bert") else [" in", " the", "th"]
        filled = pipe("fill-mask", model.eval(), tokenizer)(text, targets=words, top_k=3)
        cases.append({"folder": folder, "text": text, "targets": words, "filled": filled})
    return cases


def settings() -> None:
    found = {
        "tokenizers": tokenizers(),
        "sentences": sentences(),
        "cross_encoders": cross_encoders(),
        "zero_shot": zero_shot(),
        "targets": targets(),
    }
    SETTINGS.write_text(json.dumps(found) + "\n")
    print(SETTINGS, SETTINGS.stat().st_size, "bytes")


def main() -> None:
    torch.use_deterministic_algorithms(True)
    if sys.argv[1:] == ["settings"]:
        settings()
        return
    for family in ("bert", "distilbert", "roberta"):
        for head in HEADS:
            folder = GOLDEN / f"{family}_{head.replace('-', '_')}"
            expect(folder, build(folder, family, head))
    layouts()
    pipelines()
    settings()
    total = sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file())
    print(
        f"{len(list(GOLDEN.iterdir()))} folders, {total / 1e6:.2f} MB, transformers {transformers.__version__}"
    )


if __name__ == "__main__":
    main()
