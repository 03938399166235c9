"""Continuous batching of texts: each joins and leaves the batch between steps.

As in Yu, Jeong, Kim, Kim, Chun, "Orca: A Distributed Serving System for Transformer-Based
Generative Models" (2022), section 3. Long prompts are processed in chunks, so that every step is
short, as in Agrawal, Panwar, Mohan, Kwatra, Gulavani, Ramjee, "Sarathi: Efficient LLM Inference by
Piggybacking Decodes with Chunked Prefills" (2023).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from warmstart.engines.base import Engine
from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.decoders import open_decoder
from warmstart.text.decoding.sequence import Continuation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


TOGETHER = 512
"""Tokens of prompts that are processed together, where nothing else limits them."""


class _LongPrompt:
    """A text whose prompt is processed in parts, in a separate cache."""

    def __init__(self, text: Continuation, engine: Engine, max_length: int):
        self.text = text
        self.unread = text.context
        self.decoder = open_decoder(engine, max_length)

    def read(self, count: int) -> NDArray[np.float32]:
        """Process `count` more tokens; float32 (1, V): logits of the next token."""
        part, self.unread = self.unread[:count], self.unread[count:]
        return self.decoder.extend(part, only_last=True)


class _Group:
    """Texts that get their next tokens in the same step, in the order of their decoder."""

    def __init__(self, decoder: Decoder):
        self.decoder = decoder
        self.texts: list[Continuation] = []

    def keep(self, stays: Sequence[bool]) -> None:
        indices = [index for index, remains in enumerate(stays) if remains]
        if len(indices) < len(stays):
            self.texts = [self.texts[index] for index in indices]
            self.decoder.keep(indices)


class TextBatch:
    """Texts that are continued together.

    The result of a text depends on its own prompt, options and seed only.

    Args:
        engine: of the model.
        max_length: the length of its context in tokens.
        part: number of prompt tokens to process before the other texts get their next token; None:
            all.
        group_size: the maximum number of texts that get their next tokens in the same step. Smaller
            groups make steps shorter, so that a new prompt waits less. None: all texts.
    """

    def __init__(
        self,
        engine: Engine,
        max_length: int,
        part: int | None = None,
        group_size: int | None = None,
    ):
        self._engine, self._max_length, self._part = engine, max_length, part
        self._group_size = group_size
        self._groups: list[_Group] = []
        self._due: list[_Group] = []  # groups that have not had their turn in this round
        self._prompts: deque[Continuation] = deque()  # short ones, each processed in one step
        self._long: deque[_LongPrompt] = deque()
        self._has_read_part = False  # when a prompt was last read
        self._read_count = 0  # prompt tokens processed in this round

    def __len__(self) -> int:
        texts = sum(len(group.texts) for group in self._groups)
        return texts + len(self._prompts) + len(self._long)

    def join(self, texts: Sequence[Continuation]) -> None:
        """Add texts, from the next step on."""
        for text in texts:
            if self._part is None or len(text.context) <= self._part:
                self._prompts.append(text)
            else:
                self._long.append(_LongPrompt(text, self._engine, self._max_length))

    def leave(self, texts: Collection[Continuation]) -> None:
        """Remove texts that have not ended."""
        leaving = set(map(id, texts))
        self._prompts = deque(text for text in self._prompts if id(text) not in leaving)
        self._long = deque(prompt for prompt in self._long if id(prompt.text) not in leaving)
        for group in self._groups:
            group.keep([id(text) not in leaving for text in group.texts])
        self._drop_empty()

    def step(self) -> None:
        """Process prompts, or a part of one, and choose their first tokens; or choose the next tokens
        of a group of the other texts. If both are possible, take turns.

        A text that has ended (`Continuation.ended`) is no longer part of the batch.
        """
        is_part = bool(self._long) and not (self._prompts and self._has_read_part)
        count = self._next_count(is_part)
        if count and self._may_read(count):
            self._has_read_part, self._read_count = is_part, self._read_count + count
            group = self._read_part() if is_part else self._read()
        else:
            group = self._continue()
        if group is not None:
            group.keep([not text.ended for text in group.texts])
            self._slide(group)
        self._drop_empty()

    def _continue(self) -> _Group:
        """Choose the next tokens of a group; the groups take turns."""
        if not self._due:
            self._due = [group for group in self._groups if group.texts]
        group = self._due.pop(0)
        if not self._due:
            self._read_count = 0
        last = [text.tokens[-1] for text in group.texts]
        self._extend(group.texts, group.decoder.step(last))
        return group

    def _group_with_room(self) -> _Group:
        """The group with the fewest texts; a new one if all are full."""
        group = min(self._groups, key=lambda group: len(group.texts), default=None)
        if group is None or len(group.texts) == self._group_size:
            group = _Group(open_decoder(self._engine, self._max_length))
            self._groups.append(group)
        return group

    @property
    def _room(self) -> int:
        """How many texts `_group_with_room` can take."""
        size = self._group_size or sys.maxsize
        fewest = min((len(group.texts) for group in self._groups), default=0)
        return (size - fewest) or size

    def _drop_empty(self) -> None:
        self._due = [group for group in self._due if group.texts]
        # One stays, so that its cache is used again.
        self._groups = [group for group in self._groups if group.texts] or self._groups[:1]

    def _next_count(self, is_part: bool) -> int:
        """Number of prompt tokens that the next step would process; 0 if there are none."""
        if is_part:
            return min(len(self._long[0].unread), self._part or 0)
        return sum(len(text.context) for text in self._next_prompts())

    def _next_prompts(self) -> list[Continuation]:
        """The prompt that has waited longest, and those after it as far as they fit."""
        prompts: list[Continuation] = []
        count, limit, room = 0, self._part or TOGETHER, self._room
        for text in self._prompts:
            count += len(text.context)
            if prompts and (count > limit or len(prompts) == room):
                break
            prompts.append(text)
        return prompts

    def _may_read(self, count: int) -> bool:
        """Whether `count` prompt tokens may be processed before the other texts get their next
        token.
        """
        if self._part is None or not self._read_count:
            return True
        has_others = any(group.texts for group in self._groups)
        return not has_others or self._read_count + count <= self._part

    def _read(self) -> _Group:
        """Process the prompts that have waited longest; returns the group that they join."""
        group = self._group_with_room()
        texts = self._next_prompts()
        for _ in texts:
            self._prompts.popleft()
        self._extend(texts, group.decoder.add([text.context for text in texts]))
        group.texts += texts
        return group

    def _read_part(self) -> _Group | None:
        """Process a part of a long prompt; long prompts take turns.

        Returns:
            The group that the text joins; None if a part of its prompt is left.
        """
        prompt = self._long.popleft()
        assert self._part is not None
        logits = prompt.read(self._part)
        if prompt.unread:
            self._long.append(prompt)
            return None
        group = self._group_with_room()
        self._extend([prompt.text], logits)
        group.decoder.add_from(prompt.decoder)
        group.texts.append(prompt.text)
        return group

    def _slide(self, group: _Group) -> None:
        """For texts that have filled the context, process their later half again."""
        full = group.decoder.full
        if full.any():
            texts = [text for text, is_full in zip(group.texts, full, strict=True) if is_full]
            group.keep([not is_full for is_full in full])
            for text in texts:
                text.slide()
            self.join(texts)

    @staticmethod
    def _extend(texts: Sequence[Continuation], logits: NDArray[np.float32]) -> None:
        """Choose the next token of each text; a text that fails ends, and the others continue."""
        for text, row in zip(texts, logits, strict=True):
            try:
                text.extend(row)
            except Exception as error:
                text.error = error
