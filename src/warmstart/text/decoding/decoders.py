"""The decoder that fits a program."""

from __future__ import annotations

from warmstart.engines import paged
from warmstart.engines.base import Engine
from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.masked_decoder import MaskedDecoder
from warmstart.text.decoding.paged_decoder import PagedDecoder


def open_decoder(engine: Engine, max_length: int) -> Decoder:
    """A decoder without texts.

    Args:
        engine: of the model.
        max_length: the length of its context in tokens.
    """
    is_paged = isinstance(engine, paged.PagedEngine)
    return (PagedDecoder if is_paged else MaskedDecoder)(engine, max_length)
