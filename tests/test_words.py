"""Words that say nothing in a name or sentence: counted over src/, with limits that only shrink.

    python tests/test_words.py      # the counts of now, as the table below

Counted are parts of identifiers that the code defines or uses, and words of comments and docstrings. Say what a
thing is (`index`, `config`, `scores`, `class_names`), and use the terms of the field.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "warmstart"
LIMITS = {
    "told": 0,
    "tells": 0,
    "said": 1,
    "given": 1,
    "kept": 3,
    "wanted": 0,
    "found": 23,
    "held": 0,
    "beside": 1,
    "alone": 0,
    "place": 21,
    "places": 1,
    "kind": 78,
    "kinds": 1,
    "futures": 4,
    "surest": 0,
    "imagined": 0,
    "drawn": 3,
    "varied": 0,
}
"""Word -> how often it may occur. Lower a limit when the count has shrunk; never raise one."""
INSTEAD = {
    "told": "say what the value is",
    "tells": "says, shows, returns",
    "said": "say what the value is",
    "given": "say what the value is",
    "kept": "stored, saved, selected",
    "wanted": "requested, required",
    "found": "result, match, or what it is",
    "held": "validation, stored",
    "beside": "next to",
    "alone": "single, only",
    "place": "index, position",
    "places": "indices, positions",
    "kind": "type, class",
    "kinds": "types, classes",
    "futures": "sample paths",
    "surest": "most confident",
    "imagined": "false positive",
    "drawn": "sampled",
    "varied": "augmented",
}
FINE = {"InputKind", "FileKind", "input_kind"}
"""The vocabulary of the design."""


def identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).rpartition(".")[2]


def sentences(text: str, tree: ast.AST) -> Iterator[str]:
    """Comments and docstrings, those of attributes included."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.value.value


def words(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    for name in identifiers(tree):
        if name not in FINE:
            yield from re.findall(r"[A-Z]?[a-z]+", name)
    for sentence in sentences(text, tree):
        yield from re.findall(r"[A-Za-z]+", re.sub("|".join(FINE), "", sentence))


@cache
def counts() -> Counter[str]:
    texts = [path.read_text("utf-8") for path in SOURCE.rglob("*.py")]
    any_word = re.compile("|".join(INSTEAD), re.IGNORECASE)  # most files have none
    occurring = (word.lower() for text in texts if any_word.search(text) for word in words(text))
    return Counter(word for word in occurring if word in INSTEAD)


@pytest.mark.parametrize("word", INSTEAD)
def test_no_more_of(word):
    count, limit = counts()[word], LIMITS[word]
    if count < limit:
        print(f"Lower the limit of {word!r} from {limit} to {count} in {__file__}.")
    assert count <= limit, (
        f"{word!r} occurs {count} times where {limit} are allowed; instead: {INSTEAD[word]}."
    )


def test_what_is_counted():
    code = '''
def found(held_out: int, x: InputKind) -> int:
    """Told, and kept: InputKind."""
    return held_out  # beside
'''
    counted = [word.lower() for word in words(code) if word.lower() in INSTEAD]
    assert sorted(counted) == ["beside", "found", "held", "held", "kept", "told"]


if __name__ == "__main__":
    sys.stdout.write("".join(f'    "{word}": {counts()[word]},\n' for word in INSTEAD))
