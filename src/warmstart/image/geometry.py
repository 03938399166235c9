"""The position of a photo in the input of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warmstart.errors import UsageError
from warmstart.image import preprocessing

if TYPE_CHECKING:
    from warmstart.catalog import ImagePreprocessing


@dataclass(frozen=True)
class Frame:
    """The position of a photo in the network's input.

    Attributes:
        width, height: of the upright photo, in pixels.
        left, top, inner_width, inner_height: the rectangle of the input that contains the photo, in
            pixels.
        input_width, input_height: of the network's input.
    """

    width: int
    height: int
    left: int
    top: int
    inner_width: int
    inner_height: int
    input_width: int
    input_height: int

    @classmethod
    def of(cls, size: tuple[int, int], rules: ImagePreprocessing) -> Frame:
        """For a photo of (width, height); the resize rule must keep all of it ("squash" or "pad").

        Raises:
            UsageError: the rule is "crop".
        """
        width, height = size
        input_height, input_width = rules.size
        if rules.resize == "squash" or (width, height) == (input_width, input_height):
            return cls(width, height, 0, 0, input_width, input_height, input_width, input_height)
        if rules.resize == "crop":
            raise UsageError(
                "The resize rule 'crop' loses the sides of photos; this task needs 'squash' or 'pad'."
            )
        inner_width, inner_height = preprocessing.fitted(size, rules.size)
        return cls(
            width,
            height,
            (input_width - inner_width) // 2,
            (input_height - inner_height) // 2,
            inner_width,
            inner_height,
            input_width,
            input_height,
        )
