"""The processes that `generation.py` measures: a prompt to greedy tokens, by warmstart,
transformers and KerasHub.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from image_peers import Job, serve

VOCABULARY = 50257


def prompts(job: Job) -> list[list[int]]:
    """Random tokens, the same in every process: (prompts, tokens of each)."""
    random = np.random.default_rng(0)
    return random.integers(0, VOCABULARY - 1, (job["prompts"], job["prompt"])).tolist()


def transformers(job: Job) -> tuple[dict, dict]:
    """GPT2LMHeadModel; writes its random weights into `folder`."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, __version__

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    model.save_pretrained(job["folder"])
    folder = Path(job["folder"])
    shutil.copyfile(job["tokenizer"], folder / "tokenizer.json")

    @torch.inference_mode()
    def write(prompt: list[int], count: int) -> Any:
        ids = torch.tensor([prompt])
        return model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            pad_token_id=VOCABULARY - 1,
        )[0, len(prompt) :].tolist()

    if job["prompts"]:
        tokens = [write(prompt, job["long"]) for prompt in prompts(job)]
        (folder / "tokens.json").write_text(json.dumps(tokens))
    first = prompts({**job, "prompts": 1})[0]
    return {"call": lambda: write(first, job["tokens"])}, {
        "torch": torch.__version__,
        "transformers": __version__,
        "threads": torch.get_num_threads(),
    }


def warmstart(job: Job) -> tuple[dict, dict]:
    """`ws.load(folder)` of the weights that transformers wrote."""
    import warmstart as ws
    from warmstart.text.decoding.decoder import Decoder

    model = ws.load(job["folder"], precision=job["precision"])
    engine = model.engine

    def write(prompt: list[int], count: int) -> list[int]:
        """What `TextGenerator` does between the tokenizer's two turns; its log-probabilities
        included.
        """
        decoder = Decoder(engine, model.max_length)
        logits, tokens = decoder.start([prompt]), []
        while True:
            tokens.append(int(logits[0].argmax()))
            moved = logits[0] - logits[0].max()
            np.log(np.exp(moved).sum())
            if len(tokens) == count:
                return tokens
            logits = decoder.step(tokens[-1:])

    said: dict[str, Any] = {"engine": engine.name}
    wanted = Path(job["folder"]) / "tokens.json"
    if job["prompts"] and job["precision"] == "float32":
        pairs = list(zip(prompts(job), json.loads(wanted.read_text()), strict=True))
        parted = [
            (prompt, want, got)
            for prompt, want in pairs
            if (got := write(prompt, job["long"])) != want
        ]
        said |= {
            "same": len(pairs) - len(parted),
            "gaps": [_gap(engine, model.max_length, *part) for part in parted],
        }
    first = prompts({**job, "prompts": 1})[0]
    return {"call": lambda: write(first, job["tokens"])}, said


def _gap(engine: Any, longest: int, prompt: list[int], want: list[int], got: list[int]) -> float:
    """Where two texts part, how far the logits of the two tokens are from each other."""
    from warmstart.text.decoding.decoder import Decoder

    place = next(n for n, (a, b) in enumerate(zip(want, got, strict=True)) if a != b)
    logits = Decoder(engine, longest).start([[*prompt, *want[:place]]])[0]
    return float(abs(logits[want[place]] - logits[got[place]]))


def keras_hub(job: Job) -> tuple[dict, dict]:
    """GPT2CausalLM of the same size with random weights of its own, compiled as its guide says."""
    import keras_hub
    from keras_hub.models import GPT2Backbone, GPT2CausalLM

    backbone = GPT2Backbone(
        vocabulary_size=VOCABULARY,
        num_layers=12,
        num_heads=12,
        hidden_dim=768,
        intermediate_dim=3072,
        max_sequence_length=1024,
    )
    model = GPT2CausalLM(backbone=backbone, preprocessor=None)
    model.compile(sampler="greedy")
    ids = np.zeros((1, job["prompt"] + job["tokens"]), np.int32)
    mask = np.zeros_like(ids)
    ids[0, : job["prompt"]], mask[0, : job["prompt"]] = prompts({**job, "prompts": 1})[0], 1
    return {
        "call": lambda: model.generate(
            {"token_ids": ids, "padding_mask": mask}, stop_token_ids=None
        )
    }, {"keras_hub": keras_hub.__version__}


KINDS = {"transformers": transformers, "warmstart": warmstart, "keras_hub": keras_hub}

if __name__ == "__main__":
    sys.exit(serve(KINDS))
