"""Continuous batching of texts: each joins and leaves the batch between steps.

As in Yu, Jeong, Kim, Kim, Chun, "Orca: A Distributed Serving System for Transformer-Based
Generative Models" (2022), section 3. Long prompts are processed in chunks, so that every step is
short, as in Agrawal, Panwar, Mohan, Kwatra, Gulavani, Ramjee, "Sarathi: Efficient LLM Inference by
Piggybacking Decodes with Chunked Prefills" (2023).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from warmstart.engines.base import Engine
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


class TextBatch:
    """Texts that are continued together, one token per step.

    The result of a text depends on its own prompt, options and seed only.

    Args:
        engine: of the model.
        max_length: the length of its context in tokens.
        part: number of prompt tokens to process before the other texts get their next token; None:
            all.
    """

    def __init__(self, engine: Engine, max_length: int, part: int | None = None):
        self._engine, self._max_length, self._part = engine, max_length, part
        self._decoder = open_decoder(engine, max_length)
        self._texts: list[Continuation] = []  # in the order of the decoder
        self._prompts: deque[Continuation] = deque()  # short ones, each processed in one step
        self._long: deque[_LongPrompt] = deque()
        self._has_read_part = False  # when a prompt was last read
        self._read_count = 0  # prompt tokens processed since the texts got their last token

    def __len__(self) -> int:
        return len(self._texts) + len(self._prompts) + len(self._long)

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
        self._keep([id(text) not in leaving for text in self._texts])

    def step(self) -> None:
        """Process prompts, or a part of one, and choose their first tokens; or choose the next token
        of every other text. If there is both to do, take turns.

        A text that has ended (`Continuation.ended`) is no longer part of the batch.
        """
        is_part = bool(self._long) and not (self._prompts and self._has_read_part)
        count = self._next_count(is_part)
        if count and (not self._texts or self._may_read(count)):
            self._has_read_part, self._read_count = is_part, self._read_count + count
            if is_part:
                self._read_part()
            else:
                self._read()
        else:
            self._read_count = 0
            last = [text.tokens[-1] for text in self._texts]
            self._extend(self._texts, self._decoder.step(last))
        self._keep([not text.ended for text in self._texts])
        self._slide()

    def _next_count(self, is_part: bool) -> int:
        """Number of prompt tokens that the next step would process; 0 if there are none."""
        if is_part:
            return min(len(self._long[0].unread), self._part or 0)
        return sum(len(text.context) for text in self._next_prompts())

    def _next_prompts(self) -> list[Continuation]:
        """The prompt that has waited longest, and those after it as far as their tokens fit."""
        prompts: list[Continuation] = []
        count, limit = 0, self._part or TOGETHER
        for text in self._prompts:
            count += len(text.context)
            if prompts and count > limit:
                break
            prompts.append(text)
        return prompts

    def _may_read(self, count: int) -> bool:
        """Whether `count` prompt tokens may be processed before the other texts get their next
        token.
        """
        return self._part is None or not self._read_count or self._read_count + count <= self._part

    def _read(self) -> None:
        """Process the prompts that have waited longest."""
        texts = self._next_prompts()
        for _ in texts:
            self._prompts.popleft()
        self._extend(texts, self._decoder.add([text.context for text in texts]))
        self._texts += texts

    def _read_part(self) -> None:
        """Process a part of a long prompt; long prompts take turns."""
        prompt = self._long.popleft()
        assert self._part is not None
        logits = prompt.read(self._part)
        if prompt.unread:
            self._long.append(prompt)
        else:
            self._extend([prompt.text], logits)
            self._decoder.add_from(prompt.decoder)
            self._texts.append(prompt.text)

    def _slide(self) -> None:
        """For texts that have filled the context, process their later half again."""
        full = self._decoder.full
        if full.any():
            texts = [text for text, is_full in zip(self._texts, full, strict=True) if is_full]
            self._keep([not is_full for is_full in full])
            for text in texts:
                text.slide()
            self.join(texts)

    def _keep(self, stays: Sequence[bool]) -> None:
        indices = [index for index, does_stay in enumerate(stays) if does_stay]
        if len(indices) < len(stays):
            self._texts = [self._texts[index] for index in indices]
            self._decoder.keep(indices)

    @staticmethod
    def _extend(texts: Sequence[Continuation], logits: NDArray[np.float32]) -> None:
        """Choose the next token of each text; a text that fails ends, and the others continue."""
        for text, row in zip(texts, logits, strict=True):
            try:
                text.extend(row)
            except Exception as error:
                text.error = error
