"""The processes that `whisper.py` measures: a recording to its text, by warmstart, transformers and
faster-whisper.
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

RATE = 16_000
SPECIAL = {"end": "<|endoftext|>", "start": "<|startoftranscript|>", "times": "<|notimestamps|>"}


def _samples(job: Job) -> np.ndarray:
    samples: np.ndarray = np.load(Path(job["folder"]) / "samples.npy")
    return samples


def transformers(job: Job) -> tuple[dict, dict]:
    """WhisperForConditionalGeneration with the weights and suppressed tokens of the folder."""
    import torch
    from tokenizers import Tokenizer
    from transformers import (
        GenerationConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        __version__,
    )

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    folder = Path(job["whisper"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    end, start, times = (tokenizer.token_to_id(name) for name in SPECIAL.values())
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    stated = json.loads((folder / "generation_config.json").read_text())
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
        is_multilingual=True,
        max_length=448,
        lang_to_id={"<|en|>": tokenizer.token_to_id("<|en|>")},
        task_to_id={"transcribe": tokenizer.token_to_id("<|transcribe|>")},
        no_timestamps_token_id=times,
        **{key: stated[key] for key in ("suppress_tokens", "begin_suppress_tokens")},
    )
    extractor, samples = WhisperFeatureExtractor(), _samples(job)
    generate = partial(
        model.generate, language="en", task="transcribe", do_sample=False, num_beams=1
    )

    @torch.inference_mode()
    def call() -> Any:
        return generate(extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features)

    tokens = [token for token in call()[0].tolist() if token < end]
    return {"call": call}, {
        "calls": ["call"],
        "versions": {"torch": torch.__version__, "transformers": __version__},
        "tokens": len(tokens),
        "text": tokenizer.decode(tokens).strip(),
    }


def faster_whisper(job: Job) -> tuple[dict, dict]:
    """The same weights in CTranslate2's format; no beams, no voice detection, no second temperature."""
    import faster_whisper

    converted = Path(job["folder"]) / "whisper-ctranslate2"
    if not converted.is_dir():
        from ctranslate2.converters import TransformersConverter

        TransformersConverter(job["whisper"], copy_files=["tokenizer.json"]).convert(str(converted))
    threads = len(os.sched_getaffinity(0))
    model = faster_whisper.WhisperModel(
        str(converted), device="cpu", compute_type=job["precision"], cpu_threads=threads
    )
    samples = _samples(job)

    def call() -> str:
        segments, _ = model.transcribe(
            samples, language="en", beam_size=1, temperature=0.0, without_timestamps=True
        )
        return "".join(segment.text for segment in segments).strip()

    return {"call": call}, {
        "calls": ["call"],
        "versions": {"faster-whisper": faster_whisper.__version__},
        "text": call(),
    }


def warmstart(job: Job) -> tuple[dict, dict]:
    """The same weights and recording in the compiled program."""
    import warmstart as ws
    from warmstart.speech.mel_windows import Windows
    from warmstart.speech.whisper.program import WhisperDecoder

    model = ws.load(job["whisper"], task="speech-recognition", precision=job["precision"])
    samples = _samples(job)
    decoder = WhisperDecoder(model.engine, model.entry)

    def features() -> np.ndarray:
        return Windows(lambda: [samples], 80).at(0)

    def call() -> str:
        options: dict[str, Any] = {"timestamps": False, "temperature": 0.0}
        return model((samples, RATE), language="en", **options).text

    window = features()
    timers = {"call": call, "features": features, "encode": lambda: decoder.encode(window)}
    return timers, {
        "calls": list(timers),
        "versions": {},
        "text": call(),
        "engine": model.engine.name,
    }


if __name__ == "__main__":
    kinds = (transformers, warmstart, faster_whisper)
    sys.exit(serve({kind.__name__: kind for kind in kinds}))
