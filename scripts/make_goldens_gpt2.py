"""Write tests/golden/gpt2/: tiny random GPT-2 checkpoints as transformers saves them, and what it
answers.

    pip install torch transformers
    python scripts/make_goldens_gpt2.py tests/golden/gpt2
    python scripts/make_goldens_gpt2.py tests/golden/gpt2 --settings    only gpt2_settings.json

Each folder is a repository in Hugging Face layout with `expected.npz` beside it. All share one
tokenizer, a byte-level BPE learned from the sentences below.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel

END = "<|endoftext|>"
PROMPTS = (
    "The cat sat on the mat.",
    "a",
    "To be, or not to be: that is the question",
    "Ünïcode 😀 too",
)
LAST = 302  # the token that ends texts; the sentences give no more
TINY = {
    "vocab_size": LAST + 1,
    "n_positions": 64,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "initializer_range": 0.3,
    "bos_token_id": LAST,
    "eos_token_id": LAST,
}
VARIANTS = {  # name -> (class, options of the config)
    "plain": (GPT2LMHeadModel, {}),
    "odd": (
        GPT2LMHeadModel,
        {
            "n_inner": 48,
            "activation_function": "gelu",
            "layer_norm_epsilon": 1e-3,
            "scale_attn_weights": False,
            "scale_attn_by_inverse_layer_idx": True,
            "reorder_and_upcast_attn": True,
            "tie_word_embeddings": False,
        },
    ),
    "bare": (GPT2LMHeadModel, {"activation_function": "relu"}),
    "classifier": (
        GPT2ForSequenceClassification,
        {
            "num_labels": 3,
            "pad_token_id": LAST,
            "activation_function": "silu",
            "id2label": {0: "no", 1: "maybe", 2: "yes"},
            "label2id": {"no": 0, "maybe": 1, "yes": 2},
        },
    ),
}


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        PROMPTS,
        trainers.BpeTrainer(
            vocab_size=LAST,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    made.add_special_tokens([END])
    assert made.token_to_id(END) == LAST
    return made


def generated(model, words: Tokenizer) -> dict[str, np.ndarray]:
    """What `generate` writes after each prompt; rows are filled up with -1."""
    arrays = {}
    ways = {
        "greedy": {"max_new_tokens": 24},
        "penalised": {"max_new_tokens": 24, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        "beams": {
            "max_new_tokens": 12,
            "num_beams": 3,
            "length_penalty": 1.0,
            "early_stopping": False,
        },
        "beams_penalised": {
            "max_new_tokens": 12,
            "num_beams": 4,
            "repetition_penalty": 1.2,
            "no_repeat_ngram_size": 2,
        },
    }
    for name, options in ways.items():
        rows = np.full((len(PROMPTS), options["max_new_tokens"]), -1)
        for row, prompt in zip(rows, PROMPTS, strict=True):
            ids = torch.tensor([words.encode(prompt).ids])
            new = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                pad_token_id=LAST,
                **options,
            )[0, ids.shape[1] :]
            row[: len(new)] = new
        arrays[name] = rows
    return arrays


def settings(target: Path) -> None:
    """What `generate` writes under settings of `generation_config.json` and its own options."""
    words = Tokenizer.from_file(str(target / "plain" / "tokenizer.json"))
    model = GPT2LMHeadModel.from_pretrained(target / "plain").eval()

    def ids(word: str) -> list[list[int]]:
        return [words.encode(spelling).ids for spelling in dict.fromkeys((word, f" {word}"))]

    def answer(prompt: str, options: dict) -> list[list[int]]:
        tokens = torch.tensor([words.encode(prompt).ids])
        rows = model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            pad_token_id=LAST,
            **{"do_sample": False, **options},
        )
        return [row[tokens.shape[1] :].tolist() for row in rows]

    greedy = [answer(prompt, {"max_new_tokens": 12})[0] for prompt in PROMPTS]
    ends = [greedy[0][4], greedy[2][3]]
    bad = [words.decode([row[2]]) for row in greedy[:2]]
    config = {
        "ends": {"eos_token_id": ends},
        "ends_beams": {"eos_token_id": ends, "num_beams": 3},
        "suppressed": {"suppress_tokens": greedy[0][1:3], "begin_suppress_tokens": [greedy[1][0]]},
        "penalised": {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2},
        "total": {"max_length": 16},
        "least": {"eos_token_id": ends, "min_new_tokens": 9},
        "beams": {"num_beams": 4, "length_penalty": 2.0, "eos_token_id": ends},
    }
    options = {
        "least": ({"min_new_tokens": 9}, {"eos_token_id": ends}),
        "least_beams": ({"min_new_tokens": 6, "num_beams": 3}, {"eos_token_id": ends}),
        "long": ({"num_beams": 4, "length_penalty": 3.0}, {"eos_token_id": ends}),
        "short": ({"num_beams": 4, "length_penalty": -3.0}, {"eos_token_id": ends}),
        "several": ({"num_beams": 4, "num_return_sequences": 3}, {"eos_token_id": ends}),
        "bad_words": ({"bad_words_ids": [row for word in bad for row in ids(word)]}, {}),
        "bad_words_beams": (
            {"bad_words_ids": [row for word in bad for row in ids(word)], "num_beams": 3},
            {},
        ),
        "bias": (
            {"sequence_bias": [[row, 4.0] for word in bad for row in ids(word)]},
            {},
        ),
    }
    found = {"bad": bad, "config": {}, "options": {}}
    for name, keys in config.items():
        length = {} if "max_length" in keys else {"max_new_tokens": 12}
        rows = [answer(prompt, {**keys, **length}) for prompt in PROMPTS]
        found["config"][name] = {"keys": {**keys, **length}, "tokens": rows}
    for name, (asked, keys) in options.items():
        rows = [answer(prompt, {"max_new_tokens": 12, **asked, **keys}) for prompt in PROMPTS]
        found["options"][name] = {"options": asked, "keys": keys, "tokens": rows}
    (target.parent / "gpt2_settings.json").write_text(json.dumps(found) + "\n")


def filtered() -> dict[str, np.ndarray]:
    """Random scores, and what transformers' processors make of them."""
    from transformers import (
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    scores = torch.randn(6, 50) * 3
    arrays = {"scores": scores.numpy()}
    ways = {
        "top_k": [TopKLogitsWarper(7)],
        "top_p": [TopPLogitsWarper(0.8)],
        "min_p": [MinPLogitsWarper(0.1)],
        "all": [
            TemperatureLogitsWarper(0.7),
            TopKLogitsWarper(20),
            TopPLogitsWarper(0.9),
            MinPLogitsWarper(0.02),
        ],
    }
    for name, processors in ways.items():
        result = scores
        for processor in processors:
            result = processor(None, result)
        arrays[f"cut_{name}"] = result.numpy()
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--settings", action="store_true")
    chosen = parser.parse_args()
    target = chosen.target
    if chosen.settings:
        settings(target)
        return
    shutil.rmtree(target, ignore_errors=True)
    words = tokenizer()
    for number, (name, (kind, options)) in enumerate(VARIANTS.items()):
        torch.manual_seed(number)
        model = kind(GPT2Config(**TINY, **options)).eval()
        with torch.no_grad():  # biases and scales that are not 0 and 1, so that a mix-up shows
            for _, value in model.named_parameters():
                if value.ndim == 1:
                    value.add_(0.2 * torch.randn_like(value))
        folder = target / name
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        words.save(str(folder / "tokenizer.json"), pretty=False)
        (folder / "tokenizer_config.json").write_text(
            json.dumps(
                {"bos_token": END, "eos_token": END, "unk_token": END, "model_max_length": 64}
            )
        )
        random = np.random.default_rng(number)
        ids = random.integers(0, LAST, (3, 20))
        mask = np.ones_like(ids)
        mask[1, 13:] = mask[2, 5:] = 0
        ids[mask == 0] = LAST
        with torch.no_grad():
            answer = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask))
            arrays = {"ids": ids, "mask": mask, "logits": answer.logits.numpy()}
            if name == "plain":
                arrays |= generated(model, words) | filtered()
        np.savez_compressed(folder / "expected.npz", **arrays)
        if (
            name == "bare"
        ):  # as the first published files are: no prefix, and the causal masks as arrays
            old = load_file(folder / "model.safetensors")
            new = {key.removeprefix("transformer."): value.half() for key, value in old.items()}
            for layer in range(TINY["n_layer"]):
                new[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 64, 64, dtype=torch.uint8).tril()
                new[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
            save_file(new, folder / "model.safetensors")
            halved = kind(GPT2Config(**TINY, **options)).eval()
            halved.load_state_dict(
                {key: value.half().float() for key, value in model.state_dict().items()}
            )
            with torch.no_grad():
                arrays["logits"] = halved(
                    torch.tensor(ids), attention_mask=torch.tensor(mask)
                ).logits.numpy()
            np.savez_compressed(folder / "expected.npz", **arrays)
    (target / "made_with.json").write_text(
        json.dumps({"transformers": transformers.__version__, "torch": torch.__version__}) + "\n"
    )


if __name__ == "__main__":
    main()
