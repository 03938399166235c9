"""Texts that are continued together: each joins and leaves between steps.

As in Yu, Jeong, Kim, Kim, Chun, "Orca: A Distributed Serving System for Transformer-Based
Generative Models" (2022), section 3; long prompts are read in parts, as in Agrawal, Panwar, Mohan,
Kwatra, Gulavani, Ramjee, "Sarathi: Efficient LLM Inference by Piggybacking Decodes with Chunked
Prefills" (2023), so that no step is long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from warmstart.engines.base import Engine
from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.sequence import Continuation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _LongPrompt:
    """A text whose prompt is read in parts, in a cache of its own."""

    def __init__(self, text: Continuation, engine: Engine, max_length: int):
        self.text = text
        self.unread = text.context
        self.decoder = Decoder(engine, max_length)

    def read(self, count: int) -> NDArray[np.float32]:
        """Read so many tokens more; float32 (1, V): logits of what follows."""
        part, self.unread = self.unread[:count], self.unread[count:]
        return self.decoder.extend(part, only_last=True)


class TextBatch:
    """Texts that are continued side by side, a token a step.

    What becomes of a text depends on its own prompt, options and seed, not on the others.

    Args:
        engine: of the model.
        max_length: the most tokens of its context.
        part: tokens of prompts that are read in one step at most; None: all of all prompts.
    """

    def __init__(self, engine: Engine, max_length: int, part: int | None = None):
        self._engine, self._max_length, self._part = engine, max_length, part
        self._decoder = Decoder(engine, max_length)
        self._texts: list[Continuation] = []  # in the order of the decoder
        self._prompts: deque[Continuation] = deque()  # to be read in one step
        self._long: deque[_LongPrompt] = deque()
        self._has_read = self._has_read_part = False  # in the last step; when it last read

    def __len__(self) -> int:
        return len(self._texts) + len(self._prompts) + len(self._long)

    def join(self, texts: Sequence[Continuation]) -> None:
        """Continue these texts as well, from the next step on."""
        for text in texts:
            if self._part is None or len(text.context) <= self._part:
                self._prompts.append(text)
            else:
                self._long.append(_LongPrompt(text, self._engine, self._max_length))

    def leave(self, texts: Collection[Continuation]) -> None:
        """Leave out texts that have not ended."""
        leaving = set(map(id, texts))
        self._prompts = deque(text for text in self._prompts if id(text) not in leaving)
        self._long = deque(prompt for prompt in self._long if id(prompt.text) not in leaving)
        self._keep([id(text) not in leaving for text in self._texts])

    def step(self) -> None:
        """Read prompts and choose their first tokens, or choose the next token of every text that
        has one: in turns, where there is both to do.

        A text that has ended (`Continuation.ended`) is no longer part of the batch.
        """
        self._has_read = bool(self._prompts or self._long) and not (self._has_read and self._texts)
        if not self._has_read:
            last = [text.tokens[-1] for text in self._texts]
            self._extend(self._texts, self._decoder.step(last))
        else:
            self._has_read_part = bool(self._long) and not (self._prompts and self._has_read_part)
            if self._has_read_part:
                self._read_part()
            else:
                self._read()
        self._keep([not text.ended for text in self._texts])
        self._slide()

    def _read(self) -> None:
        """Read prompts, as many as a step may."""
        texts: list[Continuation] = []
        count = 0
        while self._prompts:
            count += len(self._prompts[0].context)
            if texts and self._part is not None and count > self._part:
                break
            texts.append(self._prompts.popleft())
        self._extend(texts, self._decoder.add([text.context for text in texts]))
        self._texts += texts

    def _read_part(self) -> None:
        """Read a part of a long prompt; such prompts take turns."""
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
        """Read those texts anew that have filled the context: their later half."""
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
        """Choose the next token of each; one that fails ends, and the others go on."""
        for text, row in zip(texts, logits, strict=True):
            try:
                text.extend(row)
            except Exception as error:
                text.error = error
