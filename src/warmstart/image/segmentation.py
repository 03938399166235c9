"""Image segmentation: photo -> array -> engine -> logits on a grid -> a class for every pixel -> `Segmentation`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from warmstart.catalog import Entry
from warmstart.engines.base import TensorSpec
from warmstart.errors import UsageError
from warmstart.image.classification import PROBE_RANGES
from warmstart.image.geometry import Photo, PhotoModel, Rows
from warmstart.image.label_maps import label_map
from warmstart.image.results.segmentation import Segmentation

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program


class ImageSegmenter(PhotoModel):
    """Tells for every pixel of a photo what it belongs to.

    Example:
        >>> model = ws.load("segformer_b0")
        >>> result = model("street.jpg")
        >>> result.areas[0].label, result.overlay().size
        ('road', (1920, 1080))
    """

    task = "image-segmentation"

    def __call__(self, inputs: Any, *, batch_size: int | None = None, value_range: Any = None, **options: Any) -> Any:
        """Segment photos.

        Args:
            inputs: a path, URL, bytes, file object, PIL image or array (H, W, 3); or a list, generator,
                folder, glob or array (N, H, W, 3) of them.
            batch_size: photos per call of the engine where there are several; does not change results.
            value_range: `"0..1"` or `"0..255"`; needed for float arrays.

        Returns:
            One `Segmentation`; a list of them for a list or batch array; an iterator for a generator,
            folder or glob. In a list or iterator an unusable photo is a `Failed` in its place.

        Raises:
            InputError: the one photo is unusable.
            UsageError: an option is wrong, or a folder or glob holds no photos.
        """
        if options:
            raise UsageError(f"ImageSegmenter takes no option {next(iter(options))!r}.")
        return self._results(inputs, ("logits",), batch_size, value_range, self._result)

    def _result(self, photo: Photo, rows: Rows) -> Segmentation:
        return Segmentation(photo.name, self.name, label_map(rows["logits"], photo.frame), self.labels, photo.picture)

    def evaluate(self, data: Any, *, batch_size: int | None = None,
                 progress: Callable[[str, int, int | None], None] | None = None) -> dict[str, Any]:
        """Mean IoU and its companions on photos with masks.

        Args:
            data: pairs (photo, mask), or a folder with `images/` and `masks/`; see `read_masks`. A mask is a
                path or array (H, W) of class indices; 255 is not counted.
            batch_size: photos per call of the engine; does not change results.
            progress: called with (name of the model, photos so far, photos in all).

        Returns:
            `{"miou", "pixel_accuracy", "mean_dice", "iou": {label: …}, "dice": {label: …}, "count", "errors"}`.

        Raises:
            UsageError: no photos, or masks that do not fit.
        """
        from warmstart.image.evaluation import evaluate_segmentation

        pairs: Iterable[Any] = data
        return evaluate_segmentation(self, pairs, batch_size, progress)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: images float32 (batch, H, W, 3) -> logits (batch, h, w, classes), features (batch, D)."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models import architecture
        from warmstart.models.image.outputs import with_features

        rules = entry.preprocessing
        assert rules is not None
        outputs = with_features(model, {"logits": model.output},
                                architecture(entry.architecture).feature_map(model))
        images = TensorSpec("images", "float32", ("batch", *rules.size, 3), *PROBE_RANGES[rules.scaling])
        return Program({"forward": Function(lambda images: outputs(images, training=False), (images,))}, outputs)
