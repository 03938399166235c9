"""From the log probabilities of characters, frame by frame, to words with times and scores.

Sources: Graves et al. (2006) for CTC and its best path; Hannun et al., "First-Pass Large Vocabulary
Continuous Speech Recognition using Bi-Directional Recurrent DNNs" (2014), arXiv:1408.2873,
algorithm 1, for the prefix beam search with a language model. The blank is symbol 0, symbol i + 1
is character i of the alphabet.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.speech.ctc.language_model import LanguageModel

BLANK = 0
NEVER = -1e30
State = tuple[str, ...]
LEAST = -12.0  # characters less likely than e^-12 in a frame are not followed by the beam search


@dataclass(frozen=True)
class Piece:
    """A decoded word: its text, its first frame, the frame after its last, and the probability of
    its characters.
    """

    text: str
    start: int
    end: int
    score: float


def greedy(log_probs: np.ndarray, alphabet: str) -> list[Piece]:
    """The words of the best path.

    Args:
        log_probs: float32 (T, 1 + len(alphabet)).
        alphabet: with a space in it.

    Returns:
        Words in order; a word's score is the geometric mean of its characters' probabilities.
    """
    best = log_probs.argmax(1)
    symbols, frames = [], []
    previous = BLANK
    for frame, symbol in enumerate(best):
        if symbol not in (BLANK, previous):
            symbols.append(int(symbol))
            frames.append([frame, frame + 1])
        elif symbol != BLANK:
            frames[-1][1] = frame + 1
        previous = symbol
    return _words(log_probs, alphabet, symbols, frames)


def _words(
    log_probs: np.ndarray, alphabet: str, symbols: Sequence[int], frames: Sequence[Sequence[int]]
) -> list[Piece]:
    words: list[Piece] = []
    text = ""
    spans: list[tuple[int, Sequence[int]]] = []

    def flush() -> None:
        nonlocal text, spans
        if text:
            logs = [float(log_probs[a:b, s].max()) for s, (a, b) in spans]
            words.append(
                Piece(text, spans[0][1][0], spans[-1][1][1], math.exp(sum(logs) / len(logs)))
            )
        text, spans = "", []

    for symbol, span in zip(symbols, frames, strict=True):
        if alphabet[symbol - 1] == " ":
            flush()
        else:
            text += alphabet[symbol - 1]
            spans.append((symbol, span))
    flush()
    return words


def align(log_probs: np.ndarray, alphabet: str, text: str) -> list[Piece]:
    """The words of `text` at the frames where they are most likely (Viterbi); empty if they do
    not fit.
    """
    symbols = [1 + alphabet.index(c) for c in text]
    states = [BLANK]
    for symbol in symbols:
        states += [symbol, BLANK]
    if not symbols or len(log_probs) < len(symbols):
        return []
    emitted = log_probs[:, states]  # (T, S)
    skips = np.array([i >= 2 and s != BLANK and s != states[i - 2] for i, s in enumerate(states)])
    score = np.full(len(states), NEVER)
    score[:2] = emitted[0, :2]
    steps = np.zeros((len(log_probs), len(states)), np.int8)
    for t in range(1, len(log_probs)):
        previous = np.concatenate([[NEVER], score[:-1]])
        skipped = np.where(
            skips, np.concatenate([[NEVER, NEVER], score[:-2]])[: len(states)], NEVER
        )
        scores = np.stack([score, previous, skipped])
        steps[t] = scores.argmax(0)
        score = scores.max(0) + emitted[t]
    state = len(states) - 1 if score[-1] >= score[-2] else len(states) - 2
    if score[state] <= NEVER / 2:
        return []
    frames = [[len(log_probs), 0] for _ in symbols]
    for t in range(len(log_probs) - 1, -1, -1):
        if state % 2:
            span = frames[state // 2]
            span[0], span[1] = min(span[0], t), max(span[1], t + 1)
        state -= int(steps[t, state])  # a numpy int8 would make the index one too
    return _words(log_probs, alphabet, symbols, frames)


def beam_search(
    log_probs: np.ndarray,
    alphabet: str,
    *,
    beam: int = 16,
    language: LanguageModel | None = None,
    partial: bool = False,
) -> str:
    """The most likely text, over all its alignments and under a language model.

    Args:
        log_probs, alphabet: as for `greedy`.
        beam: texts that are followed at a time.
        language: which words there are and how likely they follow one another; default: any word.
        partial: whether the frames may end within a word: what there is of it is then left out of
            the text, which otherwise can only be one that ends in a word that there is.
    """
    state: State = language.start() if language else ()
    # Prefix -> (log p that ends in a blank, log p that ends in its last character, language state,
    # language score).
    beams = {"": (0.0, NEVER, state, 0.0)}
    for frame in log_probs:
        likely = [int(s) for s in np.flatnonzero(frame > LEAST) if s != BLANK]
        merged: dict[str, list[float]] = defaultdict(lambda: [NEVER, NEVER])
        states: dict[str, tuple[Any, ...]] = {}
        for prefix, (blank, ends, state, bonus) in beams.items():
            total = _add(blank, ends)
            stay = merged[prefix]
            states.setdefault(prefix, (state, bonus))
            stay[0] = _add(stay[0], total + float(frame[BLANK]))
            for symbol in likely:
                character, p = alphabet[symbol - 1], float(frame[symbol])
                if prefix and prefix[-1] == character:
                    stay[1] = _add(stay[1], ends + p)
                    before = blank
                else:
                    before = total
                if before <= NEVER / 2:
                    continue
                longer = prefix + character
                if longer not in states:
                    step = _step(language, prefix, character, state)
                    if step is None:
                        continue
                    states[longer] = (step[0], bonus + step[1])
                merged[longer][1] = _add(merged[longer][1], before + p)
        ranked = sorted(
            merged.items(), key=lambda kv: _add(*kv[1]) + states[kv[0]][1], reverse=True
        )[:beam]
        beams = {prefix: (ends[0], ends[1], *states[prefix]) for prefix, ends in ranked}
    best, best_score = "", NEVER
    for prefix, (blank, ends, state, bonus) in beams.items():
        score = _add(blank, ends) + bonus
        if language:
            whole, _, word = prefix.rpartition(" ")
            last = language.word(state, word)
            if last is None and not partial:
                continue  # ends in the middle of a word that is in no list
            if last is None:
                prefix = whole
            else:
                score += last[1] + (0.0 if partial else language.end(last[0]))
        if score > best_score:
            best, best_score = prefix, score
    return " ".join(best.split())


def _step(
    language: LanguageModel | None, prefix: str, character: str, state: State
) -> tuple[State, float] | None:
    """(state, change of the score) of a prefix with one more character; None: there is no such
    word.
    """
    if language is None:
        return state, 0.0
    word = prefix.rpartition(" ")[2]
    if character != " ":
        return (state, 0.0) if language.begins(word + character) else None
    return language.word(state, word)


def _add(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    return a + math.log1p(math.exp(b - a)) if b > NEVER / 2 else a
