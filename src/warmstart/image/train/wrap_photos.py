"""Wrapping models of photos: size, scaling and axis order of the input."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from warmstart.catalog import ImagePreprocessing, get
from warmstart.core.options import Option
from warmstart.errors import UsageError
from warmstart.image.train import scaling_check
from warmstart.image.train.scaling_check import PER_CHANNEL, SCALINGS, Quality
from warmstart.models.image.transfer.saved_front import FRONT, Front, front_nodes, read_front
from warmstart.models.image.transfer.saved_graph import Graph, Node, graph_of
from warmstart.training.types import Examples, PhotoRules
from warmstart.training.wrap.wrapper import WrapOptions, Wrapper

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.training.wrap.opened_model import OpenedModel

LEAST_SPAN, LARGEST_SPAN = 0.5, 12.0
"""The range of plausible differences between black and white after the first layers."""
RGB, GREY = 3, 1


@dataclass(frozen=True, kw_only=True)
class PhotoRuleOptions(WrapOptions):
    """Options that define how photos become inputs."""

    scaling: Annotated[
        Literal["0..255", "0..1", "-1..1", "imagenet", "caffe"] | None,
        Option(
            "Range of pixels that the model takes; imagenet: 0..1, then ImageNet's mean and "
            "deviation; caffe: BGR minus ImageNet's mean. Default: inferred from a scaling "
            "layer at the beginning."
        ),
    ] = None
    resize: Annotated[
        Literal["squash", "crop", "pad"],
        Option("How photos are resized to the model's input; squash ignores the aspect ratio."),
    ] = "squash"
    crop_ratio: Annotated[
        float, Option("The fraction of the shorter side that crop uses.", gt=0, le=1)
    ] = 1.0
    interpolation: Annotated[
        Literal["nearest", "bilinear", "bicubic", "lanczos", "area"], Option("Of resizing.")
    ] = "bilinear"
    size: Annotated[
        int | None,
        Option("Height and width in pixels, if the model accepts any size.", ge=1, le=4096),
    ] = None
    preprocessing: Annotated[
        PhotoRules,
        Option(
            "An ImagePreprocessing, its fields, or the name of a model with the same "
            "preprocessing; replaces scaling, resize, crop_ratio and interpolation."
        ),
    ] = None
    check: Annotated[
        Examples,
        Option(
            "A few labelled photos: the model is evaluated on them with each of the usual scalings."
        ),
    ] = None


RulesT = TypeVar("RulesT", bound=PhotoRuleOptions)


class PhotoWrapper(Wrapper[RulesT], Generic[RulesT]):
    """Defines how photos become inputs; subclasses define the meaning of the outputs.

    Attributes:
        quality: the metric that `check` compares.
        channels_first: whether the model takes (channels, rows, columns).
    """

    quality: ClassVar[Quality]

    def __init__(self, opened: OpenedModel, options: RulesT):
        transposed = opened.channels_last()
        self.channels_first = transposed is not opened
        super().__init__(transposed, options)

    def preprocessing(self) -> ImagePreprocessing:
        options, size = self.options, self._size()
        if options.preprocessing is not None:
            if options.scaling is not None:
                raise UsageError("scaling is a part of preprocessing; pass one of the two.")
            return replace(rules_of(options.preprocessing, size), size=size)
        return ImagePreprocessing(
            size=size,
            **SCALINGS[self._scaling()],
            resize=options.resize,
            crop_ratio=options.crop_ratio,
            interpolation=options.interpolation,
        )

    def report(self, model: Model[Any, Any, Any]) -> None:
        if self.options.check is not None:
            grey = self.opened.model.inputs[0].shape[-1] == GREY
            lines = scaling_check.report(model, self.options.check, self.quality, grey=grey)
            print(*lines, sep="\n", file=sys.stderr)

    def check_input(self) -> None:
        inputs = self.opened.model.inputs
        shape = tuple(inputs[0].shape)
        if len(inputs) != 1 or len(shape) != 4 or shape[-1] not in (RGB, GREY):
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
            raise UsageError(
                "A model of photos takes (None, height, width, 3) or (…, 1). This model takes "
                f"{shapes}; wrap it for the task 'tensors'."
            )

    def _size(self) -> tuple[int, int]:
        self.check_input()
        height, width = self.opened.model.inputs[0].shape[1:3]
        side = self.options.size
        if isinstance(height, int) and isinstance(width, int):
            if side not in (None, height, width):
                raise UsageError(
                    f"The model takes {height} x {width} pixels, not size={side}; leave size out."
                )
            return height, width
        front = self._front
        size = (side, side) if side else front.size if front else None
        if size is None:
            raise UsageError(
                "The model takes photos of any size; pass the one that it was trained with, "
                "such as size=224."
            )
        return size

    @cached_property
    def _front(self) -> Front | None:
        """The scaling by the first layers; None if they do not scale pixels, or it is unknown."""
        if self.opened.network is None:
            return None
        try:
            graph = graph_of(self.opened.network, "the model")
            nodes = front_nodes(graph, (), "the model")
            if not any(graph.nodes[index].class_name in FRONT for index in nodes):
                return None
            return read_front(graph, nodes, self._arrays_of(graph), "the model")
        except UsageError:
            return None

    def _arrays_of(self, graph: Graph) -> Any:
        def arrays(node: Node) -> list[np.ndarray]:
            layer: Any = self.opened.model
            for name in node.names:
                layer = layer.get_layer(name)
            return [np.asarray(value) for value in layer.get_weights()]

        return arrays

    def _scaling(self) -> str:
        """The key of `SCALINGS`: the option, or what the first layers of the model imply.

        Raises:
            UsageError: both are missing, or they contradict each other.
        """
        own, scaling = self._recognised(), self.options.scaling
        if own is None and scaling is None:
            raise UsageError(
                "The scaling of pixels is unknown. Pass the one that the model was trained "
                f"with as scaling=: {', '.join(SCALINGS)}; or pass a model of the catalogue "
                "with the same preprocessing as preprocessing=."
            )
        if scaling is None:
            assert own is not None
            return own
        if scaling in PER_CHANNEL and self.opened.model.inputs[0].shape[-1] == GREY:
            raise UsageError(
                f"The model takes greyscale photos, but scaling={scaling!r} is for colour "
                f"photos; pass one of {', '.join(sorted(SCALINGS.keys() - PER_CHANNEL))}."
            )
        if own not in (None, scaling):
            raise UsageError(
                f"The first layers of the model take pixels of {own} and scale them; with "
                f"scaling={scaling!r} they would be scaled twice. Leave scaling out; or, if both "
                "are intended, pass preprocessing={'scaling': …}."
            )
        return scaling

    def _recognised(self) -> str | None:
        """The pixel range that the first layers take, 0..255 or 0..1, by the range of their output;
        else None.
        """
        front = self._front
        if front is None or not front.scales:
            return None
        span = float(np.abs(front.scale).max())
        for name, white in (("0..255", 255.0), ("0..1", 1.0)):
            if LEAST_SPAN <= span * white <= LARGEST_SPAN:
                return name
        return None


def rules_of(rules: Any, size: tuple[int, int]) -> ImagePreprocessing:
    """The rules of the option `preprocessing`.

    Raises:
        UsageError: the value has another type, or a field is unknown.
    """
    if isinstance(rules, ImagePreprocessing):
        return rules
    if isinstance(rules, str):
        own = get(rules).preprocessing
        if own is None:
            raise UsageError(f"{rules} is not a model of photos, so it has no preprocessing.")
        return own
    if not isinstance(rules, Mapping):
        raise UsageError(
            "preprocessing must be an ImagePreprocessing, a mapping of its fields, or the name "
            "of a model."
        )
    fields = {"size": size, "resize": "squash", "crop_ratio": 1.0, **rules}
    fields |= SCALINGS.get(str(fields.get("scaling")), {})
    try:
        return ImagePreprocessing(**fields)
    except TypeError as error:
        known = ", ".join(ImagePreprocessing.__dataclass_fields__)
        raise UsageError(f"preprocessing: {error}; its fields are {known}.") from None
