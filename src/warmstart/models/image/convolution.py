"""Convolutions and padding of the image networks."""

from __future__ import annotations

from typing import Any

from keras import layers


def padded(x: Any, before: tuple[int, int], after: tuple[int, int] | None = None) -> Any:
    """(B, H, W, C) with rows and columns of zeros before it, and after it (default: as `before`)."""
    after = before if after is None else after
    if not any((*before, *after)):
        return x
    return layers.ZeroPadding2D(((before[0], after[0]), (before[1], after[1])))(x)


def convolution(
    x: Any,
    filters: int | None,
    size: int,
    name: str,
    *,
    stride: int = 1,
    dilation: int = 1,
    same: bool = False,
    initializer: str = "glorot_uniform",
) -> Any:
    """A convolution without bias of (B, H, W, C), depthwise if `filters` is None.

    Args:
        same: pad as TensorFlow's "same" does; default: symmetrically, as PyTorch's layers do.
        initializer: of the kernel.
    """
    if not same:
        x = padded(x, ((size - 1) // 2 * dilation,) * 2)
    options: dict[str, Any] = {
        "padding": "same" if same else "valid",
        "dilation_rate": dilation,
        "use_bias": False,
        "name": name,
    }
    if filters is None:
        return layers.DepthwiseConv2D(size, stride, depthwise_initializer=initializer, **options)(x)
    return layers.Conv2D(filters, size, stride, kernel_initializer=initializer, **options)(x)
