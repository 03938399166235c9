"""From log probabilities to words: the best path, all alignments, word lists, n-grams, times."""

from itertools import product

import numpy as np
import pytest

from warmstart.errors import InputError
from warmstart.speech.ctc.decoder import align, beam_search, greedy
from warmstart.speech.ctc.language_model import LanguageModel

ALPHABET = " ab"


def frames(text, sure=0.9):
    """One frame a character; "." is the blank."""
    rows = np.full((len(text), 4), (1 - sure) / 3)
    for row, character in zip(rows, text, strict=True):
        row[0 if character == "." else 1 + ALPHABET.index(character)] = sure
    return np.log(rows).astype(np.float32)


def test_the_best_path_with_times_and_scores():
    words = greedy(frames("..aa.ab.. .bb."), ALPHABET)
    assert [(w.text, w.start, w.end) for w in words] == [("aab", 2, 7), ("b", 11, 13)]
    assert words[0].score == pytest.approx(0.9, rel=1e-5)
    assert greedy(frames("....  .."), ALPHABET) == []


def every_text(log_probs):
    """The probability of each text, by all its alignments."""
    found = {}
    for path in product(range(4), repeat=len(log_probs)):
        text = "".join(
            ALPHABET[s - 1] for i, s in enumerate(path) if s and (i == 0 or s != path[i - 1])
        )
        found[text] = found.get(text, 0.0) + np.exp(
            sum(log_probs[t, s] for t, s in enumerate(path))
        )
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_beam_finds_the_text_that_is_most_likely_over_all_alignments(seed):
    logits = np.random.default_rng(seed).normal(0, 1.5, (5, 4))
    log_probs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    texts = every_text(log_probs)
    assert beam_search(log_probs, ALPHABET, beam=400) == " ".join(max(texts, key=texts.get).split())


def test_a_word_list_allows_only_its_words():
    heard = frames("a.b. .bb.a")
    assert beam_search(heard, ALPHABET) == "ab ba"
    assert beam_search(heard, ALPHABET, language=LanguageModel(["ab", "bb"])) == "ab bb"
    assert beam_search(frames("......"), ALPHABET, language=LanguageModel(["ab"])) == ""


def test_what_there_is_of_a_word_that_is_still_being_said_is_left_out():
    words = LanguageModel(["ab", "baa"])
    heard = frames("a.b. .b.a", sure=0.999)
    assert (
        beam_search(heard, ALPHABET, language=words, beam=1) == ""
    )  # it follows "ab ba", which ends in no word
    assert beam_search(heard, ALPHABET, language=words, beam=1, partial=True) == "ab"


def test_ngrams_decide_between_words_that_sound_alike(tmp_path):
    path = tmp_path / "model.arpa"
    path.write_text(
        "\\data\\\nngram 1=4\nngram 2=3\n\n\\1-grams:\n-1 <s> 0\n-1 </s>\n-0.3 aa 0\n-0.3 ab 0\n\n"
        "\\2-grams:\n-0.1 aa ab\n-2 aa aa\n-2 ab ab\n\\end\\\n"
    )
    model = LanguageModel.of(path)
    assert model.order == 2
    assert model.log_probability(("aa",), "ab") == pytest.approx(-0.1 * np.log(10))
    assert model.log_probability(("ab",), "aa") == pytest.approx(-0.3 * np.log(10))  # backs off
    unclear = frames("a.a. .a.a")
    unclear[-1] = np.log([0.02, 0.02, 0.5, 0.46])  # aa or ab
    assert beam_search(unclear, ALPHABET, language=LanguageModel(["aa", "ab"])) == "aa aa"
    assert beam_search(unclear, ALPHABET, language=model) == "aa ab"
    path.write_text("\\data\\\n\\1-grams:\nnonsense aa\n")
    with pytest.raises(InputError, match="line 3"):
        LanguageModel.of(path)
    with pytest.raises(InputError, match="cannot be read"):
        LanguageModel.of(tmp_path / "nowhere")


def test_alignment_gives_the_times_of_a_given_text():
    log_probs = frames("..aa.ab.. .bb.")
    found = align(log_probs, ALPHABET, "aab b")
    assert [(w.text, w.start, w.end) for w in found] == [("aab", 2, 7), ("b", 11, 13)]
    assert align(log_probs[:2], ALPHABET, "aab") == []
