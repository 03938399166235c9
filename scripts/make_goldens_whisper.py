"""Write tests/golden/whisper/: a tiny Whisper with random weights in the public layout, and what
transformers computes.

    python scripts/make_goldens_whisper.py

Needs torch and transformers (scripts/requirements.txt); the tests need neither. The network has a
window of 3 s instead of 30, so that a recording of several windows stays small. The tokenizer is
trained here, on a few lines.
"""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    GenerationMixin,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

FOLDER = Path(__file__).parents[1] / "tests" / "golden" / "whisper"
LANGUAGES = ("en", "de", "fr", "es")
RATE = 16_000
WINDOW = 3  # seconds
LINES = [
    "And so, my fellow Americans: ask not what your country can do for you, ask what you can do for your country.",
    "The quick brown fox jumps over the lazy dog; the lazy dog sleeps on, and on, and on.",
    "Grüße aus München, garçon! 1, 2, 3, 10, 20, 30 … 100 %.",
]


def recording(seconds: float) -> np.ndarray:
    """Sweeps, pauses and clicks: float32 (N,), the same on every machine; the tests make it by the
    same formula.
    """
    t = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * (200 + 900 * (t % 1.7)) * t) * (np.sin(2 * np.pi * 0.6 * t) > -0.3)
    return (0.4 * tone + 0.1 * np.sin(2 * np.pi * 3000 * t * (1 + t / 50))).astype(np.float32)


def tokenizer() -> Tokenizer:
    """Byte-level BPE with Whisper's special tokens after its vocabulary, in their order."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(LINES, trainer)
    names = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in LANGUAGES),
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    made.add_tokens(
        [AddedToken(f"<|{n * 0.02:.2f}|>", normalized=False) for n in range(50 * WINDOW + 1)]
    )
    return made


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    words = tokenizer()
    words.save(str(FOLDER / "tokenizer.json"), pretty=False)
    number = words.token_to_id
    config = WhisperConfig(
        vocab_size=words.get_vocab_size(),
        num_mel_bins=80,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_source_positions=50 * WINDOW,
        max_target_positions=64,
        init_std=0.4,
        dropout=0.0,
        decoder_start_token_id=number("<|startoftranscript|>"),
        eos_token_id=number("<|endoftext|>"),
        pad_token_id=number("<|endoftext|>"),
        bos_token_id=number("<|endoftext|>"),
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    torch.manual_seed(7)
    model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, array in model.named_parameters():
            if name.endswith(".bias") or "layer_norm" in name:
                array.add_(
                    0.2 * torch.randn_like(array)
                )  # else all ones and zeros, which would hide a mistake
        model.model.decoder.embed_positions.weight.mul_(2)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=config.decoder_start_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        bos_token_id=config.bos_token_id,
        # White space alone would be a blank segment, which openai/whisper drops and transformers
        # keeps.
        suppress_tokens=[
            1,
            2,
            7,
            8,
            9,
            10,
            *(number(chr(256 + byte)) for byte in b"\t\n\v\f\r\x1c\x1d\x1e\x1f "),
            *range(number("<|translate|>"), number("<|notimestamps|>")),
        ],
        begin_suppress_tokens=[number("Ġ"), number("<|endoftext|>")],
        no_timestamps_token_id=number("<|notimestamps|>"),
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": number(f"<|{code}|>") for code in LANGUAGES},
        task_to_id={task: number(f"<|{task}|>") for task in ("transcribe", "translate")},
        prev_sot_token_id=number("<|startofprev|>"),
        max_initial_timestamp_index=50,
        max_length=64,
        alignment_heads=[[0, 1], [1, 0], [1, 3]],
        return_timestamps=False,
    )
    model.save_pretrained(FOLDER)
    extractor = WhisperFeatureExtractor(chunk_length=WINDOW)
    extractor.save_pretrained(FOLDER)

    expected: dict[str, np.ndarray] = {}
    short, long = recording(2.5), recording(10.3)
    features = extractor(short, sampling_rate=RATE, return_tensors="pt").input_features
    tokens = torch.tensor(
        [
            [number(t) for t in ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|0.00|>")]
            + words.encode(" ask what you can do for your country").ids
        ]
    )
    with torch.no_grad():
        outputs = model(input_features=features, decoder_input_ids=tokens)
        expected |= {
            "features": features[0].numpy(),
            "tokens": tokens[0].numpy(),
            "logits": outputs.logits[0].numpy(),
            "encoded": outputs.encoder_last_hidden_state[0].numpy(),
        }
        expected["language"] = model.detect_language(features).numpy()
        common = {"do_sample": False, "num_beams": 1, "max_new_tokens": 32}

        def greedy(*prompt: int) -> np.ndarray:
            """One window, without Whisper's own loop over windows."""
            begun = torch.tensor(
                [
                    [
                        *prompt,
                        *map(
                            number,
                            (
                                "<|startoftranscript|>",
                                "<|en|>",
                                "<|transcribe|>",
                                "<|notimestamps|>",
                            ),
                        ),
                    ]
                ]
            )
            answer = GenerationMixin.generate(model, features, decoder_input_ids=begun, **common)
            return answer[0, begun.shape[1] :].numpy()

        expected["plain"] = greedy()
        expected["prompted"] = greedy(number("<|startofprev|>"), *words.encode(" ask not").ids)
        common["language"] = "en"
        expected["timed"] = model.generate(
            features, task="translate", return_timestamps=True, **common
        )[0].numpy()
        whole = extractor(
            long,
            sampling_rate=RATE,
            return_tensors="pt",
            truncation=False,
            padding="longest",
            return_attention_mask=True,
        )
        expected["long_features"] = whole.input_features[0].numpy()[:, ::7]
        for name, previous in (("long", False), ("long_previous", True)):
            answer = model.generate(
                whole.input_features,
                attention_mask=whole.attention_mask,
                return_timestamps=True,
                condition_on_prev_tokens=previous,
                return_segments=True,
                temperature=0.0,
                task="transcribe",
                **common,
            )
            segments = answer["segments"][0]
            expected[f"{name}_times"] = np.array(
                [[float(s["start"]), float(s["end"])] for s in segments]
            )
            expected[f"{name}_tokens"] = np.concatenate([s["tokens"].numpy() for s in segments])
    for bins in (80, 128):
        full = WhisperFeatureExtractor(feature_size=bins)
        expected[f"mel_{bins}"] = full(recording(12.0), sampling_rate=RATE)["input_features"][0][
            :, 3:1300:97
        ]
    np.savez_compressed(FOLDER / "expected.npz", **expected)
    for name, array in expected.items():
        print(
            name,
            array.shape,
            array.reshape(-1)[:60] if array.dtype.kind == "i" or "times" in name else "",
        )
    print(json.dumps({path.name: path.stat().st_size for path in FOLDER.iterdir()}))


if __name__ == "__main__":
    main()
