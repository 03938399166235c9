"""From logits on a coarse grid to a class per pixel of the photo, without all logits in full size.

Bilinear upsampling followed by argmax, as in the reference implementations, computes height x width
x classes numbers: 300 million for a photo of 1920x1080 and 150 classes. But upsampled logits are
weighted means of those at the corners of a cell, so where the four corners have the same best
class, that class is best in the whole cell. Only the other cells are upsampled, and only for the
classes that can be best: a class cannot if its highest logit is below the lowest of another class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from warmstart.core import cancellation

Samples = tuple[np.ndarray, np.ndarray]
"""Indices of cells, and positions in them from 0 to 1."""

if TYPE_CHECKING:
    from warmstart.image.geometry import Frame

CANDIDATES = 8  # classes per cell that the fast comparison covers
CHUNK = 2**22  # logits that are processed at once
PIXELS = 2**20  # pixels of the photo that are processed at once


def label_map(logits: np.ndarray, frame: Frame) -> np.ndarray:
    """The best class of every pixel of the photo.

    Args:
        logits: (h, w, classes), of the network's whole input.
        frame: the position of the photo in the input.

    Returns:
        (height, width) of the photo; uint8 for up to 256 classes, else uint16. Up to float
        rounding, it equals the argmax of bilinearly upsampled logits (half-pixel centres, repeated
        edges).
    """
    height, width, classes = logits.shape
    dtype = np.uint8 if classes <= 256 else np.uint16
    rows = _sample_points(frame.height, frame.top, frame.inner_height, frame.input_height, height)
    columns = _sample_points(frame.width, frame.left, frame.inner_width, frame.input_width, width)
    grid = logits.astype(np.float32, copy=False)
    grid = grid[
        np.ix_(np.append(np.arange(height), height - 1), np.append(np.arange(width), width - 1))
    ]
    cells = _Cells(grid)
    out = np.empty((frame.height, frame.width), dtype)
    step = max(1, PIXELS // frame.width)
    for start in range(0, frame.height, step):
        cancellation.check()
        strip = slice(start, start + step)
        cells.fill(out[strip], (rows[0][strip], rows[1][strip]), columns)
    return out


def _sample_points(length: int, start: int, inner: int, whole: int, cells: int) -> Samples:
    """The cell of the grid in which the centre of each pixel of a side lies, and the position in
    it.
    """
    index = ((np.arange(length) + 0.5) * (inner / length) + start) * (cells / whole) - 0.5
    index = np.clip(index, 0, cells - 1)
    cell = index.astype(np.intp)
    return cell, (index - cell).astype(np.float32)


class _Cells:
    """The cells between neighbouring grid points; `grid` is (h + 1, w + 1, classes), with the last
    row and column repeated.
    """

    def __init__(self, grid: np.ndarray):
        best = grid.argmax(-1)
        corners = [best[:-1, :-1], best[:-1, 1:], best[1:, :-1], best[1:, 1:]]
        self.agreed = np.where(
            (corners[0] == corners[1]) & (corners[0] == corners[2]) & (corners[0] == corners[3]),
            corners[0],
            -1,
        ).astype(np.int32)
        down, across = np.nonzero(self.agreed < 0)
        self.number = np.full(self.agreed.shape, -1, np.int32)
        self.number[down, across] = np.arange(len(down))
        # (cells, 4 corners, classes) of the cells whose corners disagree
        self.values = np.stack(
            [
                grid[down, across],
                grid[down, across + 1],
                grid[down + 1, across],
                grid[down + 1, across + 1],
            ],
            axis=1,
        )
        highest = self.values.max(1)
        possible = highest >= self.values.min(1).max(-1, keepdims=True)
        count = min(CANDIDATES, grid.shape[-1])
        self.few = possible.sum(-1) <= count
        # Ascending, so that of equal logits the first class wins, as in argmax.
        self.names = np.sort(np.argpartition(-highest, count - 1, axis=-1)[:, :count], axis=-1)
        self.shortlist = np.take_along_axis(self.values, self.names[:, None], axis=-1)

    def fill(self, out: np.ndarray, rows: Samples, columns: Samples) -> None:
        """Write the best class of every pixel into `out` (rows, columns)."""
        index = np.ix_(rows[0], columns[0])
        agreed = self.agreed[index]
        np.copyto(out, agreed, casting="unsafe")
        y, x = np.nonzero(agreed < 0)
        if not len(y):
            return
        number = self.number[rows[0][y], columns[0][x]]
        down, across = rows[1][y], columns[1][x]
        weights = np.stack(
            [(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across], 1
        )
        few = self.few[number]
        for chosen, values, names in ((few, self.shortlist, self.names), (~few, self.values, None)):
            indices = np.nonzero(chosen)[0]
            step = max(1, CHUNK // (4 * values.shape[-1]))
            for start in range(0, len(indices), step):
                chunk = indices[start : start + step]
                mixed = np.einsum("nk,nkc->nc", weights[chunk], values[number[chunk]])
                best = mixed.argmax(-1)
                if names is not None:
                    best = names[number[chunk], best]
                out[y[chunk], x[chunk]] = best
