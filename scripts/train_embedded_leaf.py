"""Train the embedded model `leaf_deeplabv3`: leaf and symptoms of disease on photos of coffee leaves (MIT licence).

    python scripts/train_embedded_leaf.py coffee-leaves --weights mobilenet_v1_0.25_224_imagenet.h5 --work work/leaf

`coffee-leaves` has train/, val/ and test/, each with images/ and masks/ (0 background, 1 leaf, 2 symptom), made from
the segmentation data of https://github.com/esgario/lara2018 at 512x256 pixels. The bundle lies in `work/leaf/bundle`
afterwards; the package ships a copy of it in src/warmstart/embedded/leaf_deeplabv3. The run is resumable. For the
benefit of the weights: the same with another --work and without --weights first, then with `--random` and that folder.
"""

from collections.abc import Mapping
from typing import Any

from embedded_vision import options, publish, train
from warmstart.image.train.dense_augment import Variation

SIZE = (256, 512)
LABELS = ("background", "leaf", "symptom")
WIDTH = 64  # of pyramid and decoder: three classes need no more
VARIATION = Variation(flip_y=0.5, scale=(0.8, 1.5), colour=0.2, mosaic=0.0)


def rows(figures: Mapping[str, Any]) -> str:
    lines = [
        "| | IoU | Dice |",
        "|---|--:|--:|",
        f"| mean | **{figures['miou']:.3f}** | **{figures['mean_dice']:.3f}** |",
    ]
    lines += [
        f"| {name} | {value:.3f} | {figures['dice'][name]:.3f} |"
        for name, value in figures["iou"].items()
    ]
    return "\n".join(lines) + f"\n\n{figures['pixel_accuracy']:.2%} of the pixels are correct.\n"


def main() -> None:
    told = options(__doc__ or "", epochs=15, rate=2e-3).parse_args()
    model = train(
        told,
        "image-segmentation",
        told.data / "train",
        told.data / "val",
        image_size=SIZE,
        labels=LABELS,
        augment=VARIATION,
        width=WIDTH,
    )
    figures = model.evaluate(told.data / "test")
    print({key: figures[key] for key in ("miou", "iou", "count")})
    publish(
        told,
        model,
        name="leaf_deeplabv3",
        title="DeepLabV3+ on MobileNet 0.25 for coffee leaves",
        figures=figures,
        metrics=[("miou", figures["miou"]), ("iou_symptom", figures["iou"]["symptom"])],
        dataset=f"the test part, {figures['count']} photos",
        script="scripts/train_embedded_leaf.py",
        about="Segments photos of single coffee leaves into background, leaf and symptom of disease. A "
        "demonstration and a test object.",
        rows=rows,
        precision="float16",
    )


if __name__ == "__main__":
    main()
