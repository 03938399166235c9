"""The processes that `generation.py` measures: prompts to greedy tokens, by warmstart,
transformers, KerasHub, CTranslate2 and OpenVINO GenAI.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from image_peers import Job, serve

VOCABULARY = 50257
ONE, MANY = "one prompt", "eight prompts"
COUNTS = {ONE: 1, MANY: 8}


def prompts(count: int, length: int) -> list[list[int]]:
    """Random tokens, the same in every process: (count, length)."""
    random = np.random.default_rng(0)
    return random.integers(0, VOCABULARY - 1, (count, length)).tolist()


def _calls(job: Job, write: Any, names: Sequence[str] = tuple(COUNTS)) -> dict[str, Any]:
    """What is timed: `write(prompts, number of new tokens)`."""
    return {
        name: partial(write, prompts(COUNTS[name], job["prompt"]), job["tokens"]) for name in names
    }


def _threads() -> int:
    return len(os.sched_getaffinity(0))


def transformers(job: Job) -> tuple[dict, dict]:
    """GPT2LMHeadModel; writes its random weights into `folder`."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, __version__

    torch.set_num_threads(_threads())
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    model.save_pretrained(job["folder"])
    folder = Path(job["folder"])
    tokenizer = json.loads(Path(job["tokenizer"]).read_text("utf-8"))
    tokenizer["added_tokens"] = [
        token for token in tokenizer["added_tokens"] if token["id"] < VOCABULARY
    ]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")

    @torch.inference_mode()
    def write(texts: list[list[int]], count: int) -> list[list[int]]:
        ids = torch.tensor(texts)
        tokens = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            pad_token_id=VOCABULARY - 1,
        )
        return tokens[:, ids.shape[1] :].tolist()

    if job["prompts"]:
        texts = prompts(job["prompts"], job["prompt"])
        tokens = [write([text], job["long"])[0] for text in texts]
        (folder / "tokens.json").write_text(json.dumps(tokens))
    calls = _calls(job, write)
    return calls, {
        "calls": list(calls),
        "versions": {"torch": torch.__version__, "transformers": __version__},
    }


def warmstart(job: Job) -> tuple[dict, dict]:
    """`ws.load(folder)` of the weights that transformers wrote."""
    import warmstart as ws
    from warmstart.text.decoding.decoders import open_decoder

    model = ws.load(job["folder"], precision=job["precision"])
    engine = model.engine

    def write(texts: list[list[int]], count: int) -> list[list[int]]:
        """What `TextGenerator` does between the tokenizer's two turns; its log-probabilities
        included.
        """
        decoder = open_decoder(engine, model.max_length)
        logits, steps = decoder.start(texts), []
        while True:
            steps.append(logits.argmax(axis=-1).tolist())
            moved = logits - logits.max(axis=-1, keepdims=True)
            np.log(np.exp(moved).sum(axis=-1))
            if len(steps) == count:
                return [list(tokens) for tokens in zip(*steps, strict=True)]
            logits = decoder.step(steps[-1])

    calls = _calls(job, write)
    info: dict[str, Any] = {"engine": engine.name, "calls": list(calls), "versions": {}}
    expected = Path(job["folder"]) / "tokens.json"
    if job["prompts"] and job["precision"] == "float32":
        texts = prompts(job["prompts"], job["prompt"])
        pairs = list(zip(texts, json.loads(expected.read_text()), strict=True))
        parted = [
            (prompt, theirs, ours)
            for prompt, theirs in pairs
            if (ours := write([prompt], job["long"])[0]) != theirs
        ]
        info |= {
            "same": len(pairs) - len(parted),
            "gaps": [_gap(engine, model.max_length, *part) for part in parted],
        }
    return calls, info


def _gap(engine: Any, longest: int, prompt: list[int], theirs: list[int], ours: list[int]) -> float:
    """Where two texts part, how far the logits of the two tokens are from each other."""
    from warmstart.text.decoding.decoders import open_decoder

    index = next(n for n, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b)
    logits = open_decoder(engine, longest).start([[*prompt, *theirs[:index]]])[0]
    return float(abs(logits[theirs[index]] - logits[ours[index]]))


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

    def write(texts: list[list[int]], count: int) -> Any:
        ids = np.zeros((len(texts), job["prompt"] + count), np.int32)
        mask = np.zeros_like(ids)
        ids[:, : job["prompt"]], mask[:, : job["prompt"]] = texts, 1
        return model.generate({"token_ids": ids, "padding_mask": mask}, stop_token_ids=None)

    calls = _calls(job, write, [ONE])
    return calls, {"calls": list(calls), "versions": {"keras-hub": keras_hub.__version__}}


def ctranslate2(job: Job) -> tuple[dict, dict]:
    """The weights that transformers wrote, in CTranslate2's format."""
    import ctranslate2
    from tokenizers import Tokenizer

    folder = Path(job["folder"])
    if not (converted := folder.with_name("gpt2-ctranslate2")).is_dir():
        from ctranslate2.converters import TransformersConverter

        TransformersConverter(str(folder)).convert(str(converted))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    generator = ctranslate2.Generator(
        str(converted), compute_type=job["precision"], intra_threads=_threads()
    )

    def write(texts: list[list[int]], count: int) -> list[list[int]]:
        results = generator.generate_batch(
            [[tokenizer.id_to_token(token) for token in text] for text in texts],
            min_length=count,
            max_length=count,
            sampling_topk=1,
            include_prompt_in_result=False,
        )
        return _whole([result.sequences_ids[0] for result in results], count)

    calls = _calls(job, write)
    return calls, {"calls": list(calls), "versions": {"ctranslate2": ctranslate2.__version__}}


def openvino_genai(job: Job) -> tuple[dict, dict]:
    """The same weights, converted by optimum-intel; in int8 with OpenVINO's defaults, which compute
    in bfloat16 where the processor does.
    """
    import openvino
    import openvino_genai

    is_int8 = job["precision"] == "int8"
    folder = Path(job["folder"])
    converted = folder.with_name("gpt2-openvino-int8" if is_int8 else "gpt2-openvino")
    if not converted.is_dir():
        from optimum.intel import OVModelForCausalLM

        model = OVModelForCausalLM.from_pretrained(
            folder, export=True, compile=False, load_in_8bit=is_int8
        )
        model.save_pretrained(converted)
    hint = {"float32": "f32", "bfloat16": "bf16"}.get(job["precision"])
    hints = {"INFERENCE_PRECISION_HINT": hint} if hint else {}
    pipeline = openvino_genai.LLMPipeline(str(converted), "CPU", **hints)

    def write(texts: list[list[int]], count: int) -> list[list[int]]:
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = count
        config.ignore_eos, config.do_sample = True, False
        ids = np.asarray(texts, np.int64)
        inputs = openvino_genai.TokenizedInputs(
            openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids))
        )
        return _whole(pipeline.generate(inputs, config).tokens, count)

    calls = _calls(job, write)
    version = openvino_genai.__version__.partition("-")[0]
    return calls, {"calls": list(calls), "versions": {"openvino-genai": version}}


def _whole(texts: list[list[int]], count: int) -> list[list[int]]:
    """The texts, which must have `count` tokens each."""
    if any(len(text) != count for text in texts):
        raise RuntimeError(f"texts of {[len(text) for text in texts]} tokens instead of {count}")
    return texts


KINDS = {
    "transformers": transformers,
    "warmstart": warmstart,
    "keras_hub": keras_hub,
    "ctranslate2": ctranslate2,
    "openvino_genai": openvino_genai,
}

if __name__ == "__main__":
    sys.exit(serve(KINDS))
