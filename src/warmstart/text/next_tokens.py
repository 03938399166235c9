"""Agreement of precisions of a model that generates text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from warmstart.core.inputs import Item, Row
from warmstart.core.result_agreement import Parts, ResultRule
from warmstart.text.decoding import scorer
from warmstart.text.decoding.sequence import prompt_tokens


class NextTokens(ResultRule):
    """The share of the tokens of texts after which the most probable token is the same.

    Generated texts are not compared: after their first difference, all later tokens differ.
    """

    words = "same next tokens"

    def read(self, model: Any, item: Item) -> Row:
        tokens = prompt_tokens(model, item, min_tokens=2)[: model.max_length]
        return {"tokens": np.asarray(tokens, np.int32)}

    def parts(self, model: Any, row: Row) -> Parts:
        tokens: list[int] = scorer.best_tokens(model, model.engine, row["tokens"].tolist()).tolist()
        return tokens

    def agreement(self, actual: Sequence[Parts], expected: Sequence[Parts]) -> float:
        return float(np.mean(np.concatenate(actual) == np.concatenate(expected)))


NEXT_TOKENS = NextTokens()
