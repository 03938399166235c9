"""The processes that `whisper.py` measures: a recording to 100 tokens, by warmstart and by
transformers.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from image_peers import Job, serve

END, START, ENGLISH, TRANSLATE, TRANSCRIBE, LM, PREVIOUS, NO_SPEECH, NO_TIMES = (
    50257,
    50258,
    50259,
    50358,
    50359,
    50360,
    50361,
    50362,
    50363,
)


def _samples(job: Job) -> np.ndarray:
    """30 seconds of noise that swells: float32, the same in every process."""
    samples = np.random.default_rng(0).normal(size=30 * 16000) * np.abs(
        np.sin(np.arange(30 * 16000) / 9000)
    )
    return (0.1 * samples).astype(np.float32)


def transformers(job: Job) -> tuple[dict, dict]:
    """WhisperForConditionalGeneration of Whisper-tiny's size; writes its random weights into
    `folder`.
    """
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=384,
        encoder_layers=4,
        decoder_layers=4,
        encoder_attention_heads=6,
        decoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_ffn_dim=1536,
        init_std=0.06,
    )
    model = WhisperForConditionalGeneration(config).eval()
    model.generation_config = GenerationConfig(
        decoder_start_token_id=START,
        eos_token_id=END,
        pad_token_id=END,
        is_multilingual=True,
        max_length=448,
        lang_to_id={"<|en|>": ENGLISH},
        task_to_id={"transcribe": TRANSCRIBE},
        no_timestamps_token_id=NO_TIMES,
        suppress_tokens=[END, START, TRANSLATE, TRANSCRIBE, LM, PREVIOUS, NO_SPEECH, NO_TIMES],
    )
    model.save_pretrained(job["folder"])
    extractor, samples = WhisperFeatureExtractor(), _samples(job)
    generate = partial(
        model.generate,
        language="en",
        task="transcribe",
        max_new_tokens=job["tokens"],
        do_sample=False,
        num_beams=1,
    )

    @torch.inference_mode()
    def call() -> Any:
        return generate(extractor(samples, sampling_rate=16000, return_tensors="pt").input_features)

    features = extractor(samples, sampling_rate=16000, return_tensors="pt").input_features

    @torch.inference_mode()
    def encode() -> Any:
        return model.model.encoder(features)

    tokens = call()[0].tolist()[-job["tokens"] :]
    (Path(job["folder"]) / "tokens.json").write_text(json.dumps(tokens))
    return {"call": call, "encode": encode}, {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def warmstart(job: Job) -> tuple[dict, dict]:
    """The same weights, recording and tokens in the compiled program."""
    import warmstart as ws
    from warmstart.speech.mel_windows import Windows
    from warmstart.speech.whisper.program import WhisperDecoder
    from warmstart.speech.whisper.rules import Rules, choose
    from warmstart.speech.whisper.tokens import WhisperTokens

    model = ws.load(job["folder"])
    special = WhisperTokens(
        None,
        END,
        START,
        {"en": ENGLISH},
        TRANSLATE,
        TRANSCRIBE,
        PREVIOUS,
        NO_SPEECH,
        NO_TIMES,
        (LM,),
    )
    rules = Rules(special, {"suppress": [END]}, timestamps=False)
    decoder, samples, random = (
        WhisperDecoder(model.engine, model.entry),
        _samples(job),
        np.random.default_rng(0),
    )

    def features() -> np.ndarray:
        return Windows(lambda: [samples], 80).at(0)

    def call() -> list[int]:
        decoder.hear(features())
        logits = decoder.start([START, ENGLISH, TRANSCRIBE, NO_TIMES])[1]
        said: list[int] = []
        while True:
            rules.apply(logits, said)
            said.append(choose(logits, 0.0, random)[0])
            if len(said) == job["tokens"]:
                return said
            logits = decoder.step(said[-1])

    heard = features()
    same = call() == json.loads((Path(job["folder"]) / "tokens.json").read_text())
    timed = {"call": call, "features": features, "encode": lambda: decoder.hear(heard)}
    return timed, {"same tokens": same, "engine": model.engine.name}


if __name__ == "__main__":
    sys.exit(serve({"transformers": transformers, "warmstart": warmstart}))
