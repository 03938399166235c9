"""Wrap a user's model as a segmenter or a detector: the format of its maps, or of its boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from warmstart.catalog import Label
from warmstart.core.options import Option
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.train.scaling_check import Quality
from warmstart.image.train.wrap_photos import PhotoRuleOptions, PhotoWrapper
from warmstart.training.types import ClassNames
from warmstart.training.wrap.classes import class_labels, class_names, last_activation

BACKGROUND = ["background", "object"]
"""The classes of a map of one channel."""
CORNERS = 4
BOXES = "box"
"""Part of the name of the boxes' output, for models whose shapes do not identify it."""
NOISE = 0.01
"""Differences of these metrics on a few photos that are not significant."""
LABELS = "Class names, or a file with one per line, in the order of the outputs."


@dataclass(frozen=True, kw_only=True)
class DenseOptions(PhotoRuleOptions):
    """Options of wrapping a segmenter or a detector, in addition to those for photos."""

    labels: Annotated[ClassNames, Option(LABELS)] = None
    features: Annotated[
        str | None, Option("Layer whose outputs are the features; default: none.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class WrapSegmenterOptions(DenseOptions):
    """Options of wrapping a segmenter."""

    channels: Annotated[
        Literal["last", "first"] | None,
        Option(
            "Axis of the classes: last, (rows, columns, classes), or first. Default: the "
            "axis with as many entries as labels, else as in the input."
        ),
    ] = None
    activation: Annotated[
        Literal["sigmoid", "none"] | None,
        Option(
            "For a map with one channel: sigmoid if it is a logit, none if it is a "
            "probability. Default: inferred from the last layer."
        ),
    ] = None


class SegmenterWrapper(PhotoWrapper[WrapSegmenterOptions]):
    """Defines the axis of the classes in the output."""

    task = "image-segmentation"
    quality = Quality("Mean intersection over union", ("miou",), NOISE)
    options_class: ClassVar = WrapSegmenterOptions

    @cached_property
    def form(self) -> tuple[str, str, int]:
        """(form, position of the channels, number of channels; 0 for a map of class indices)."""
        outputs = self.opened.model.outputs
        shape = tuple(outputs[0].shape)
        is_integer = "int" in str(outputs[0].dtype)
        if len(outputs) != 1 or len(shape) not in ((3, 4) if is_integer else (4,)):
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in outputs)
            raise UsageError(
                "A segmenter has one output: scores (None, rows, columns, classes) or (None, "
                "classes, rows, columns), or integers (None, rows, columns). The outputs of "
                f"this model are {shapes}."
            )
        if is_integer:
            return "indices", "last", 0
        channels = self.options.channels or self._channels(shape)
        count = shape[-1] if channels == "last" else shape[1]
        if not isinstance(count, int):
            raise UsageError("The number of classes of the map is unknown.")
        return "scores", channels, count

    def _channels(self, shape: tuple[int | None, ...]) -> str:
        names = class_names(self.options.labels)
        if names is not None:
            axes = (("last", -1), ("first", 1))
            fits = [channels for channels, axis in axes if shape[axis] == len(names)]
            if len(fits) == 1:
                return fits[0]
        return "first" if self.channels_first else "last"

    @cached_property
    def activation(self) -> str:
        """The activation for a map of one channel; "none" for others."""
        if self.form[2] != 1:
            return "none"
        own = last_activation(self.opened.model)
        if self.options.activation is None and own != "sigmoid":
            raise UsageError(
                "The map has one channel, which may be a logit or a probability. Pass "
                "activation='sigmoid' (a logit) or 'none' (a probability)."
            )
        if self.options.activation == "sigmoid" and own == "sigmoid":
            raise UsageError("The model already ends with a sigmoid; leave activation out.")
        return "binary" if self.options.activation == "sigmoid" else "complement"

    def config(self) -> dict[str, Any]:
        self.check_input()
        form, channels, _ = self.form
        return {
            "form": form,
            "channels": channels,
            "activation": self.activation,
            "classes": len(self.labels()),
        }

    def labels(self) -> tuple[Label, ...]:
        form, _, count = self.form
        names = class_names(self.options.labels)
        if form == "indices":
            if names is None:
                raise UsageError("The model returns class indices: labels must name the classes.")
            count = len(names)
        elif count == 1:
            count, names = 2, BACKGROUND if names is None else names
        return class_labels(names, count)


@dataclass(frozen=True, kw_only=True)
class WrapDetectorOptions(DenseOptions):
    """Options of wrapping a detector."""

    boxes: Annotated[
        Literal["xyxy", "yxyx", "xywh", "cxcywh"] | None,
        Option(
            "Format of a box: two corners (xyxy, yxyx), or the corner or centre with width "
            "and height (xywh, cxcywh). Required."
        ),
    ] = None
    units: Annotated[
        Literal["pixels", "fractions"] | None,
        Option(
            "Unit of the coordinates: pixels of the model's input, or fractions of it. Required."
        ),
    ] = None
    activation: Annotated[
        Literal["none", "softmax", "sigmoid"],
        Option("Activation that turns scores into probabilities."),
    ] = "none"
    background: Annotated[
        Literal["none", "first", "last"],
        Option("Index of the background score, if there is one; the labels do not include it."),
    ] = "none"
    iou_threshold: Annotated[
        float | None,
        Option(
            "IoU threshold of non-maximum suppression: of two boxes of a class with a higher "
            "IoU, the one with the lower score is dropped. Default: off.",
            gt=0,
            le=1,
        ),
    ] = None
    threshold: Annotated[float, Option("Default of the lowest score of a box.", ge=0, le=1)] = 0.5


class DetectorWrapper(PhotoWrapper[WrapDetectorOptions]):
    """Defines which output has boxes, and their format."""

    task = "object-detection"
    quality = Quality("Average precision at an overlap of 0.5", ("ap50",), NOISE)
    options_class: ClassVar = WrapDetectorOptions

    @cached_property
    def layout(self) -> tuple[dict[str, Any], int]:
        """(the layout of boxes and scores, the number of scores per box).

        Raises:
            UsageError: the outputs are not boxes and scores.
        """
        shapes = [tuple(tensor.shape) for tensor in self.opened.model.outputs]
        names = class_names(self.options.labels)
        if len(shapes) == 1 and len(shapes[0]) == 3:
            if names is None:
                raise UsageError(
                    "The model has one output for boxes and scores: labels must name the classes."
                )
            return self._joined(shapes[0], len(names))
        boxes = [index for index, shape in enumerate(shapes) if shape[2:] == (CORNERS,)]
        scores = [index for index, shape in enumerate(shapes) if len(shape) == 3]
        if len(boxes) == len(scores) == 2:  # there are four classes
            boxes = [index for index in boxes if BOXES in self._output_names[index].lower()]
            if len(boxes) != 1:
                raise UsageError(
                    f"Either of the outputs {' and '.join(self._output_names)} may have the 4 "
                    f"numbers of a box; call one of them {BOXES!r}, as the key of a dict or the "
                    "name of its layer."
                )
        if len(boxes) != 1 or len(scores) != 2:
            shown = ", ".join(map(str, shapes))
            raise UsageError(
                "A detector returns boxes (None, N, 4) and scores (None, N, classes), or both "
                f"in one output (None, N, 4 + classes). The outputs of this model are {shown}."
            )
        (other,) = (index for index in scores if index != boxes[0])
        count = shapes[other][-1]
        if not isinstance(count, int):
            raise UsageError("The number of classes is unknown.")
        return {"boxes": boxes[0], "scores": other}, count

    @property
    def _output_names(self) -> list[str]:
        """The keys of the outputs, or else the names of the layers that return them."""
        model = self.opened.model
        outputs = getattr(model, "output", None)
        keys = (
            {id(tensor): name for name, tensor in outputs.items()}
            if isinstance(outputs, dict)
            else {}
        )
        own = [(id(tensor), tensor._keras_history.operation.name) for tensor in model.outputs]
        return [str(keys.get(key, name)) for key, name in own]

    def _joined(self, shape: tuple[int | None, ...], classes: int) -> tuple[dict[str, Any], int]:
        count = classes + (self.options.background != "none")
        fits = [
            {"joined": joined, "objectness": objectness}
            for objectness in (False, True)
            for joined, side in (("rows", shape[2]), ("columns", shape[1]))
            if side == CORNERS + objectness + count
        ]
        if len(fits) > 1:
            raise UsageError(
                f"Either axis of the output {shape} may have the 4 numbers of a box and "
                f"{counted(count, 'class score')}. Return boxes (None, N, 4) and scores (None, N, classes) separately."
            )
        if fits:
            return fits[0], count
        raise UsageError(
            f"No axis of the output {shape} has the 4 numbers of a box and {counted(count, 'class score')}, "
            "with or without an objectness score; check the labels."
        )

    def config(self) -> dict[str, Any]:
        self.check_input()
        if self.options.boxes is None or self.options.units is None:
            raise UsageError(
                "The format of the boxes is unknown: pass boxes='xyxy', 'yxyx', 'xywh' or "
                "'cxcywh', and units='pixels' or 'fractions'."
            )
        layout, _ = self.layout
        return {
            **layout,
            "corners": self.options.boxes,
            "units": self.options.units,
            "size": list(self.preprocessing().size),
            "activation": self.options.activation,
            "background": self.options.background,
            "classes": len(self.labels()),
        }

    def processing(self) -> dict[str, Any]:
        own = {"threshold": self.options.threshold}
        if self.options.iou_threshold is not None:
            own["suppression"] = self.options.iou_threshold
        return own

    def labels(self) -> tuple[Label, ...]:
        _, count = self.layout
        return class_labels(self.options.labels, count - (self.options.background != "none"))
