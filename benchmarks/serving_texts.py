"""Generated texts over HTTP, for `serving.py`: GPT-2 small with random weights and int8 kernels, 16
clients against one call with 16 prompts.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from processes import running

from figures import Figure
from settings import log

CLIENTS, TOKENS, PROMPT = 16, 64, 16
BYTES = 256
HEADS = {"Content-Type": "application/json"}


def gpt2_folder(folder: Path, layers: int = 12) -> Path:
    """A repository in Hugging Face layout: GPT-2 small, whose tokenizer knows bytes and fillers."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    from warmstart.checkpoints.safetensors import save_safetensors
    from warmstart.models.text.gpt2.family import GPT2Config

    config = GPT2Config(n_layer=layers)
    random, width = np.random.default_rng(0), config.n_embd
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (config.vocab_size, width),
        "wpe.weight": (config.n_positions, width),
        "ln_f.weight": (width,),
        "ln_f.bias": (width,),
    }
    for index in range(layers):
        for name, shape in (
            ("ln_1", (width,)),
            ("attn.c_attn", (width, 3 * width)),
            ("attn.c_proj", (width, width)),
            ("ln_2", (width,)),
            ("mlp.c_fc", (width, 4 * width)),
            ("mlp.c_proj", (4 * width, width)),
        ):
            shapes[f"h.{index}.{name}.weight"] = shape
            shapes[f"h.{index}.{name}.bias"] = shape[-1:]
    arrays = {
        name: np.ones(shape, np.float32)
        if ".ln_" in f".{name}" and name.endswith("weight")
        else random.normal(0, 0.02, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    folder.mkdir(parents=True)
    save_safetensors(folder / "model.safetensors", arrays)
    described = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
    sizes = {
        name: getattr(config, name)
        for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
    }
    (folder / "config.json").write_text(json.dumps({**described, **sizes}))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fillers = [f"filler{number}" for number in range(config.vocab_size - len(alphabet))]
    vocabulary = {token: index for index, token in enumerate([*alphabet, *fillers])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def prompts(count: int) -> list[str]:
    """Texts of `PROMPT` tokens, the same in every run."""
    random = np.random.default_rng(1)
    return ["".join(map(chr, random.integers(97, 123, PROMPT))) for _ in range(count)]


class Client:
    """A client with a persistent connection."""

    def __init__(self, address: str, name: str):
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=600)
        self._name = name

    def write(self, prompt: str, *, stream: bool = False) -> tuple[int, float]:
        """Generate a text; (its tokens, seconds until its first piece)."""
        ask = {"model": self._name, "prompt": prompt, "max_tokens": TOKENS, "temperature": 0}
        start = time.perf_counter()
        body = json.dumps({**ask, "stream": stream})
        self._connection.request("POST", "/v1/completions", body, HEADS)
        answer = self._connection.getresponse()
        first = answer.readline() if stream else b""
        seconds = time.perf_counter() - start
        rest = answer.read()
        if answer.status != 200:
            raise RuntimeError((first + rest).decode(errors="replace")[:500])
        tokens = TOKENS if stream else json.loads(rest)["usage"]["completion_tokens"]
        return tokens, seconds


def texts(options: argparse.Namespace) -> list[Figure]:
    """16 clients, in turns with the model in this process; then the time to the first token."""
    import warmstart as ws

    with tempfile.TemporaryDirectory() as scratch:
        folder = gpt2_folder(Path(scratch) / "gpt2")
        log("compiling GPT-2 small for int8")
        model: Any = ws.load(folder, precision="int8", engine="litert")
        selected_prompts = prompts(CLIENTS)
        call = {"max_new_tokens": TOKENS, "temperature": 0, "batch_size": CLIENTS}
        model(selected_prompts, **call)
        with running(
            f"gpt2={folder}", "--precision", "int8", "--no-access-log", "--watch", "0"
        ) as server:
            clients = [Client(server.address, "gpt2") for _ in range(CLIENTS)]
            with ThreadPoolExecutor(CLIENTS) as pool:

                def together() -> float:
                    start = time.perf_counter()
                    tokens = sum(
                        count
                        for count, _ in pool.map(
                            lambda pair: pair[0].write(pair[1]),
                            zip(clients, selected_prompts, strict=True),
                        )
                    )
                    return tokens / (time.perf_counter() - start)

                def in_one_call() -> float:
                    start = time.perf_counter()
                    tokens = sum(len(result.tokens) for result in model(selected_prompts, **call))
                    return tokens / (time.perf_counter() - start)

                together()
                rounds = [(together(), in_one_call()) for _ in range(options.rounds)]
            lone = sorted(clients[0].write(selected_prompts[0], stream=True)[1] for _ in range(10))
            rate, firsts = steady(clients, selected_prompts, max(8 * options.seconds, 30.0))
    http_rate, own_rate = (statistics.median(rates[n] for rates in rounds) for n in (0, 1))
    p95 = firsts[int(0.95 * (len(firsts) - 1))]
    median = statistics.median(lone)
    return [
        Figure(
            6,
            f"{CLIENTS} clients, {TOKENS} tokens each from GPT-2 small, int8: tokens a second against "
            f"one call with {CLIENTS} prompts",
            statistics.median(one / other for one, other in rounds),
            bar=0.8,
            at_least=True,
            note=f"prompts of {PROMPT} tokens, all at once; {options.rounds} rounds in turns; "
            "clients on the same cores",
            values={"over HTTP": http_rate, "in one call": own_rate},
            values_unit="per second",
        ),
        Figure(
            6,
            "the same while each client asks again as soon as it is answered",
            rate / own_rate,
            bar=0.8,
            at_least=True,
            note="texts come and go at any step",
            values={"over HTTP": rate, "in one call": own_rate},
            values_unit="per second",
        ),
        Figure(
            6,
            "time to the first token there, p95, against one client alone",
            p95 / median,
            bar=2.0,
            note=f"{len(firsts)} texts, without the first of each client",
            values={
                f"p95 of {CLIENTS} clients": p95 * 1e3,
                "their median": statistics.median(firsts) * 1e3,
                "one client alone": median * 1e3,
            },
        ),
    ]


def steady(
    clients: list[Client], selected_prompts: list[str], seconds: float
) -> tuple[float, list[float]]:
    """Clients that start one after the other and send requests continuously: tokens per second, and
    the seconds to the first token, in ascending order, without the first text of each client.
    """
    firsts: list[float] = []
    done: list[tuple[float, int]] = []
    lock, start = threading.Lock(), time.perf_counter()
    end = start + seconds

    def run(number: int) -> None:
        time.sleep(number * 0.15)
        is_first = True
        while time.perf_counter() < end:
            tokens, first = clients[number].write(selected_prompts[number], stream=True)
            with lock:
                done.append((time.perf_counter(), tokens))
                if not is_first:
                    firsts.append(first)
            is_first = False

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    warm = start + seconds / 4  # until then not all clients have begun
    counted = sum(tokens for moment, tokens in done if warm <= moment < end)
    return counted / (end - warm), sorted(firsts)
