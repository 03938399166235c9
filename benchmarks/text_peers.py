"""The processes that `text.py` measures: texts to logits or vectors, by warmstart and by
transformers on PyTorch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from image_peers import KINDS, Job, serve

HEADS = {
    "base": "BertModel",
    "fill-mask": "BertForMaskedLM",
    "text-classification": "BertForSequenceClassification",
    "token-classification": "BertForTokenClassification",
    "question-answering": "BertForQuestionAnswering",
}
TINY = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}


def text_transformers(job: Job) -> tuple[dict, dict]:
    """A BERT with random weights, written into `folder` with its logits of the texts."""
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    labels = 2 if job["head"] == "question-answering" else 3  # the two ends of a span
    config = transformers.BertConfig(num_labels=labels, **(TINY if job["size"] == "tiny" else {}))
    model = getattr(transformers, HEADS[job["head"]])(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(
                    0, 0.05
                )  # as they are made, they are 0 and a lost one would not show
    folder = Path(job["folder"])
    model.save_pretrained(folder)
    tokenizer = transformers.BertTokenizerFast(job["vocabulary"], do_lower_case=True)
    tokenizer.save_pretrained(folder)
    texts = job["texts"]

    @torch.inference_mode()
    def many(some: list[str] = texts) -> Any:
        return model(
            **tokenizer(some, padding=True, truncation=True, max_length=512, return_tensors="pt")
        )

    ids = torch.randint(1000, 30000, (1, 128))

    @torch.inference_mode()
    def one() -> Any:
        return model(input_ids=ids)

    for name, some in (("padded", texts[:8]), ("alone", texts[:1])):
        outputs = {key: value.numpy() for key, value in many(some).items()}
        np.savez(folder / f"{name}.npz", **outputs)
    np.save(folder / "ids.npy", ids.numpy().astype(np.int32))
    return {"one": one, "many": many}, {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
    }


def text_warmstart(job: Job) -> tuple[dict, dict]:
    """The same checkpoint; `difference` is the largest of logits or hidden states, at tokens that
    are not padding.
    """
    import warmstart as ws

    folder, texts = Path(job["folder"]), job["texts"]
    model = ws.load(folder, precision=job["precision"], engine=job.get("engine", "auto"))
    engine = model.engine
    compared: dict[str, float] = {}
    for name, some in (("padded", texts[:8]), ("alone", texts[:1])):
        compared[name] = _difference(
            model,
            [model.tokenizer.encode(text, limit=model.max_length) for text in some],
            folder / f"{name}.npz",
        )
    ids = np.load(folder / "ids.npy")
    given = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    return {"one": lambda: engine.run("forward", **given), "many": lambda: model(texts)}, {
        "engine": engine.name,
        "difference": compared,
    }


def _difference(model: Any, encoded: list[Any], file: Path) -> float:
    """Against what the reference wrote; of outputs with one row a token, those of padding are left
    out.
    """
    batch = model.batch([model.row(sequence) for sequence in encoded])
    if model.task == "text-embedding":
        found = {key: np.asarray(value) for key, value in model.keras(batch).items()}
    else:
        found = model.engine.run("forward", **batch)
    kept = batch["attention_mask"].astype(bool)
    worst = 0.0
    with np.load(file) as want:
        for name in want.files:
            rows = kept if want[name].shape[:2] == kept.shape else slice(None)
            worst = max(worst, float(np.abs(found[name][rows] - want[name][rows]).max()))
    return worst


def minilm_transformers(job: Job) -> tuple[dict, dict]:
    """Vectors of the texts by the published recipe: mean of the tokens, length 1."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tokenizer, model = (
        AutoTokenizer.from_pretrained(job["minilm"]),
        AutoModel.from_pretrained(job["minilm"]).eval(),
    )
    vectors = []
    with torch.inference_mode():
        for text in job["texts"]:
            states = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=256))[
                0
            ][0].mean(0)
            vectors.append((states / states.norm()).numpy())
    np.save(Path(job["folder"]) / "vectors.npy", np.stack(vectors))
    return {}, {}


def minilm_warmstart(job: Job) -> tuple[dict, dict]:
    """The cosine of each text's vector with that of the reference."""
    import warmstart as ws

    ours = np.stack([result.vector for result in ws.load("all_minilm_l6_v2")(job["texts"])])
    theirs = np.load(Path(job["folder"]) / "vectors.npy")
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return {}, {"lowest": float(cosine.min())}


def agreement(job: Job) -> tuple[dict, dict]:
    """The share of texts that get the same label in int8 and in float32."""
    import warmstart as ws

    labels = [
        [result.label for result in ws.load(job["folder"], precision=precision)(job["texts"])]
        for precision in ("float32", "int8")
    ]
    return {}, {"same": float(np.mean([a == b for a, b in zip(*labels, strict=True)]))}


if __name__ == "__main__":
    KINDS.update(
        {
            f.__name__: f
            for f in (
                text_transformers,
                text_warmstart,
                minilm_transformers,
                minilm_warmstart,
                agreement,
            )
        }
    )
    sys.exit(serve(KINDS))
