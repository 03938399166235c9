"""GPT-2 small, random weights: greedy tokens after one prompt and after eight, against transformers,
KerasHub, CTranslate2 and OpenVINO GenAI.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/peers.py .venv-peers
    python benchmarks/generation.py --tokenizer gpt2/tokenizer.json --peers .venv-peers

All choose the likeliest token, from token ids to token ids, and are measured in turns. Parts: 1 one
prompt, 2 eight prompts, 3 memory, 4 the same tokens as transformers after each of `--prompts`
prompts. A peer that is not installed is left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import results
from figures import Figure
from generation_peers import COUNTS
from measure import usable_cpus
from peers import python_of
from race import Race, memory, speeds
from results import Session
from workers import Worker

SCRIPT = Path(__file__).with_name("generation_peers.py")
PRECISIONS = ("float32", "bfloat16", "int8")
BARS: Mapping[str, Mapping[str, float]] = {
    "float32": {"transformers": 1.6, "KerasHub": 1.6},
    "bfloat16": {},
    "int8": {"transformers": 3.5},
}
PROMPT = 16


def measure(options: argparse.Namespace, session: Session) -> list[Figure]:
    folder = session.scratch / "gpt2"
    folder.mkdir()
    job = {
        "folder": str(folder),
        "tokenizer": str(options.tokenizer),
        "tokens": options.tokens,
        "prompt": PROMPT,
        "prompts": options.prompts,
        "long": options.long,
    }

    def worker(kind: str, environment_of: str | None = None, **more: Any) -> Any:
        python = str(python_of(options.peers, environment_of)) if environment_of else sys.executable
        return lambda: Worker(SCRIPT, session.environment, python=python, kind=kind, **job, **more)

    with ExitStack() as stack:
        race = Race(stack)
        race.add("transformers", worker("transformers", "pytorch"))  # writes the weights
        for precision in PRECISIONS:
            more = {"precision": precision}
            tools = {"warmstart": worker("warmstart", **more)}
            if precision != "bfloat16":  # it computes in it on GPUs only
                tools["CTranslate2"] = worker("ctranslate2", "ctranslate2", **more)
            tools["OpenVINO GenAI"] = worker("openvino_genai", "openvino-genai", **more)
            for tool, start in tools.items():
                race.add(f"{tool}, {precision}", start, converts=True)
        if not options.no_keras_hub:
            race.add("KerasHub", worker("keras_hub"))
        figures = list(_speed(race, options)) + list(_memory(race))
        info = {name: each.info for name, each in race.workers.items()}
    if options.prompts:
        figures.append(_same_tokens(info["warmstart, float32"], options))
    for each in info.values():
        session.versions.update(each["versions"])
    return figures


def _precisions(race: Race) -> list[str]:
    """The precisions that this processor computes in."""
    return [each for each in PRECISIONS if f"warmstart, {each}" in race.workers]


def _tools(race: Race, precision: str) -> list[str]:
    """The tools that are compared in a precision, ours first; some have float32 only."""
    others = tuple(f", {each}" for each in PRECISIONS if each != precision)
    names = [name for name in race.workers if not name.endswith(others)]
    return sorted(names, key=lambda name: not name.startswith("warmstart"))


def _speed(race: Race, options: argparse.Namespace) -> Sequence[Figure]:
    figures = []
    for part, (what, count) in enumerate(COUNTS.items(), 1):
        times = race.times(what, options.rounds)
        for precision in _precisions(race):
            tools = [name for name in _tools(race, precision) if name in times]
            prompts = "" if count == 1 else f"{count} prompts, "
            engine = race.workers[tools[0]].info["engine"]
            figures += speeds(
                part,
                f"{prompts}{options.tokens} tokens, {precision}",
                {name: times[name] for name in tools},
                count * options.tokens,
                bars=BARS[precision],
                note=f"{engine}, {usable_cpus()} threads; {options.rounds} rounds{race.left_out}",
            )
    return figures


def _memory(race: Race) -> Sequence[Figure]:
    return [
        memory(3, f"GPT-2 small, {precision}", race, _tools(race, precision))
        for precision in _precisions(race)
    ]


def _same_tokens(info: dict[str, Any], options: argparse.Namespace) -> Figure:
    gaps = ""
    if info["gaps"]:
        gaps = f"; where they part, the two logits differ by {max(info['gaps']):.1e} at most"
    return Figure(
        4,
        f"prompts after which all {options.long} greedy tokens are those of transformers",
        info["same"] / options.prompts,
        "share",
        bar=1.0,
        at_least=True,
        note=f"{info['same']} of {options.prompts}{gaps}",
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tokenizer", type=Path, required=True, help="the tokenizer.json of GPT-2")
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-peers"), help="the environments of peers.py"
    )
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--prompts", type=int, default=0, help="compare so many texts token by token"
    )
    parser.add_argument("--long", type=int, default=200, help="tokens of each of these texts")
    parser.add_argument("--no-keras-hub", action="store_true", help="leave this peer out")
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)
    results.run("generation", options, partial(measure, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
