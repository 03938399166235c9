"""Show that transformers loads what warmstart saves, and computes the same.

    python scripts/check_saved_text.py write FOLDER     # needs warmstart[tensorflow]
    python scripts/check_saved_text.py check FOLDER     # needs scripts/requirements.txt; may be another Python

The tiny checkpoints of tests/golden (BERT with every head, DistilBERT, RoBERTa, GPT-2) and a classifier that was
fine-tuned with LoRA are loaded, saved as bundles, and opened with transformers' Auto classes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
TEXT = [
    "bert_base",
    "bert_untied",
    "bert_without_pooler",
    *(
        f"{family}_{head}"
        for family in ("bert", "distilbert", "roberta")
        for head in (
            "fill_mask",
            "text_classification",
            "token_classification",
            "question_answering",
        )
    ),
]
WORDS = "the film is good"
AUTO = {
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForTokenClassification": "AutoModelForTokenClassification",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "LMHeadModel": "AutoModelForCausalLM",
}
TOLERANCE = 1e-4


def write(target: Path) -> None:
    import warmstart as ws

    bases = {name: GOLDEN / "text" / name for name in TEXT} | {"gpt2": GOLDEN / "gpt2" / "plain"}
    for name, folder in bases.items():
        keep(ws.load(folder), target / name)
    reviews = [
        (f"{name} is {word}", word)
        for word in ("good", "bad")
        for name in ("ann", "bob", "the film")
    ] * 4
    tuned = ws.finetune(
        bases["bert_fill_mask"],
        reviews,
        task="text-classification",
        epochs=2,
        batch_size=8,
        lora=2,
        learning_rate=1e-2,
    )
    keep(tuned, target / "lora_merged")


def keep(model, folder: Path) -> None:
    """Save a model, and beside it what its Keras model makes of some tokens."""
    model.save(folder)
    ids = model.tokenizer.encode(WORDS).ids[None]
    outputs = {name: np.asarray(value) for name, value in model.keras({"input_ids": ids}).items()}
    kept = {
        name: value
        for name, value in outputs.items()
        if not isinstance(value, dict) and value.dtype != object
    }
    np.savez(folder.parent / f"{folder.name}.npz", input_ids=ids, **kept)
    print("written", folder.name, flush=True)


def check(source: Path) -> None:
    import torch
    import transformers

    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        made = json.loads((folder / "config.json").read_text())["architectures"][0]
        auto = getattr(
            transformers,
            next((name for end, name in AUTO.items() if made.endswith(end)), "AutoModel"),
        )
        model, told = auto.from_pretrained(folder, output_loading_info=True)
        missing = [name for name in told["missing_keys"] if "pooler" not in name]
        assert not missing, f"{folder.name}: {missing}"
        assert not told["unexpected_keys"], f"{folder.name}: {told['unexpected_keys']}"
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        with np.load(source / f"{folder.name}.npz") as ours:
            assert tokenizer(WORDS)["input_ids"] == ours["input_ids"][0].tolist(), folder.name
            with torch.inference_mode():
                theirs = model.eval()(torch.tensor(ours["input_ids"].astype(np.int64)))
            names = [name for name in ours.files if name in theirs and name != "past_key_values"]
            assert names, folder.name
            worst = max(float(np.abs(theirs[name].numpy() - ours[name]).max()) for name in names)
        assert worst <= TOLERANCE, f"{folder.name}: {worst}"
        print(f"{folder.name:32} {type(model).__name__:34} {', '.join(names)}: {worst:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=("write", "check"))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    {"write": write, "check": check}[options.what](options.folder)
