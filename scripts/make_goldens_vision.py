"""Write tiny random checkpoints in public layouts, with the reference's outputs, to
tests/golden/vision/.

    pip install -r scripts/requirements.txt
    python scripts/make_goldens_vision.py

The test suite needs neither torch nor transformers; this script does. Running it again gives the
same files.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "vision"


def shake(model: torch.nn.Module) -> None:
    """Random numbers everywhere: fresh models have zeros and ones where errors of loading would
    hide.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in sorted(model.state_dict().items()):
            if not tensor.dtype.is_floating_point or name.endswith(
                ("reg_scale", ".up", "num_points_scale")
            ):
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(1 + 0.2 * noise.abs())
            elif tensor.ndim == 1:
                tensor.copy_(
                    0.1 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
                )
            else:
                fan = tensor[0].numel()
                tensor.copy_(noise * (1.5 / fan) ** 0.5)


def write(
    name: str,
    model: Any,
    size: tuple[int, int],
    outputs: tuple[str, ...],
    processor: dict[str, Any],
) -> None:
    """One repository, and `expected.npz` with the input and the reference's outputs, channels last."""
    folder = GOLDEN / name
    shutil.rmtree(folder, ignore_errors=True)
    model.eval()
    model.half().save_pretrained(
        folder
    )  # float16 halves the files; the reference computes with the rounded numbers
    model = (
        type(model).from_pretrained(folder, dtype=torch.float32).eval()
    )  # what the files say, ties included
    images = (
        (torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(1)) * 2 - 1)
        .half()
        .float()
    )
    with torch.no_grad():
        answer = model(pixel_values=images)
    arrays: dict[str, Any] = {"images": images.numpy().transpose(0, 2, 3, 1).astype(np.float16)}
    for key in outputs:
        value = answer[key].numpy()
        arrays[key] = value.transpose(0, 2, 3, 1) if value.ndim == 4 else value
    np.savez_compressed(folder / "expected.npz", **arrays)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1) + "\n")
    print(
        name,
        sum(file.stat().st_size for file in folder.iterdir()),
        {k: v.shape for k, v in arrays.items()},
    )


def labels(count: int) -> dict[str, Any]:
    names = {index: f"thing {index}" for index in range(count)}
    return {"id2label": names, "label2id": {name: index for index, name in names.items()}}


def segformer(name: str, size: tuple[int, int], **sizes: Any) -> None:
    torch.manual_seed(0)
    model = transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(**labels(5), **sizes)
    )
    shake(model)
    write(
        name,
        model,
        size,
        ("logits",),
        {
            "do_normalize": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "resample": 2,
            "image_std": [0.229, 0.224, 0.225],
            "reduce_labels": True,
            "size": {"height": size[0], "width": size[1]},
            "image_processor_type": "SegformerFeatureExtractor",
        },
    )


def deeplab(name: str, size: tuple[int, int], **sizes: Any) -> None:
    torch.manual_seed(0)
    model = transformers.MobileNetV2ForSemanticSegmentation(
        transformers.MobileNetV2Config(**labels(4), image_size=size[0], **sizes)
    )
    shake(model)
    write(
        name,
        model,
        size,
        ("logits",),
        {
            "crop_size": {"height": size[0], "width": size[1]},
            "do_center_crop": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"shortest_edge": size[0]},
            "image_processor_type": "MobileNetV2FeatureExtractor",
        },
    )


def dfine(name: str, size: tuple[int, int], backbone: dict[str, Any], **sizes: Any) -> None:
    torch.manual_seed(0)
    model = transformers.DFineForObjectDetection(
        transformers.DFineConfig(
            backbone_config={"model_type": "hgnet_v2", **backbone},
            num_denoising=4,
            **labels(3),
            **sizes,
        )
    )
    shake(model)
    write(
        name,
        model,
        size,
        ("logits", "pred_boxes"),
        {
            "do_normalize": False,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225],
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"height": size[0], "width": size[1]},
            "image_processor_type": "RTDetrImageProcessor",
        },
    )


def dfine_losses(name: str) -> None:
    """`losses.npz`: random boxes, and the losses of the reference on them for each stage of the decoder.

    The stages are assembled here, because the loss of `DFineForObjectDetection` pairs the boxes of
    each stage with the distributions of the next one.
    """
    from transformers.loss.loss_d_fine import DFineLoss

    folder = GOLDEN / name
    model = transformers.DFineForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
    model.model.decoder.training = True  # returns the outputs of all layers; statistics stay
    images = torch.from_numpy(np.load(folder / "expected.npz")["images"].astype(np.float32))
    random = np.random.default_rng(3)
    truth, labels = np.full((2, 6, 5), -1.0, np.float32), []
    for photo, count in enumerate((5, 2)):
        sizes = random.uniform(0.05, 0.5, (count, 2))
        boxes = np.concatenate([random.uniform(sizes / 2, 1 - sizes / 2), sizes], axis=1)
        truth[photo, :count] = np.concatenate([random.integers(0, 3, (count, 1)), boxes], axis=1)
        own = torch.from_numpy(truth[photo, :count])
        labels.append({"class_labels": own[:, 0].long(), "boxes": own[:, 1:]})
    with torch.no_grad():
        answer = model.model(images.permute(0, 3, 1, 2))
        logits, boxes = answer.intermediate_logits, answer.intermediate_reference_points
        corners, initial = answer.intermediate_predicted_corners, answer.initial_reference_points
        layers = [
            {
                "logits": logits[:, index + 1],
                "pred_boxes": boxes[:, index + 1].clamp(0, 1),
                "pred_corners": corners[:, index],
                "ref_points": initial[:, index],
                "teacher_corners": corners[:, -1],
                "teacher_logits": logits[:, -1],
            }
            for index in range(corners.shape[1])
        ]
        chosen = {"logits": answer.enc_topk_logits, "pred_boxes": answer.enc_topk_bboxes}
        first = {"logits": logits[:, 0], "pred_boxes": boxes[:, 0]}
        criterion = DFineLoss(model.config)
        computed = criterion(
            {**layers[-1], "auxiliary_outputs": [chosen, first, *layers[:-1]]}, labels
        )
    losses = {key: np.float32(value) for key, value in computed.items()}
    np.savez_compressed(folder / "losses.npz", truth=truth, **losses)
    print(name, losses)


def coco() -> None:
    """Random boxes with crowds, ties, empty photos and all sizes, and pycocotools' figures for
    them.
    """
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    from pycocotools.mask import encode

    random = np.random.default_rng(0)
    photos, truths, told = [], [], []
    for photo in range(1, 25):
        photos.append({"id": photo, "width": 400, "height": 300})
        for _ in range(random.integers(0, 9)):
            x, y = random.uniform(0, 250), random.uniform(0, 200)
            width, height = np.exp(random.uniform(np.log(8), np.log(150), 2))
            crowd = int(random.random() < 0.08)
            kind = int(random.integers(1, 4))
            area = float(width * height * random.uniform(0.6, 1))
            truths.append(
                {
                    "id": len(truths) + 1,
                    "image_id": photo,
                    "category_id": kind,
                    "iscrowd": crowd,
                    "bbox": [float(x), float(y), float(width), float(height)],
                    "area": area,
                }
            )
            for _ in range(random.integers(0, 4)):
                moved = np.array([x, y, width, height]) + random.normal(0, 0.08, 4) * max(
                    width, height
                )
                told.append(
                    {
                        "image_id": photo,
                        "category_id": kind if random.random() < 0.85 else 1,
                        "bbox": [float(v) for v in [*moved[:2], *np.maximum(moved[2:], 2)]],
                        "score": round(float(random.random()), 1),
                    }
                )
        told += [
            {
                "image_id": photo,
                "category_id": int(random.integers(1, 5)),
                "bbox": [*random.uniform(0, 200, 2).tolist(), *random.uniform(5, 90, 2).tolist()],
                "score": round(float(random.random()), 2),
            }
            for _ in range(random.integers(0, 3))
        ]
    data = {
        "images": photos,
        "annotations": truths,
        "categories": [{"id": n, "name": f"c{n}"} for n in range(1, 5)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = data
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(told), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        precision = evaluation.eval["precision"]
    per_class = [
        [
            float(p[p > -1].mean()) if (p > -1).any() else None
            for p in (precision[:, :, k, 0, 2], precision[0, :, k, 0, 2])
        ]
        for k in range(4)
    ]
    mask = random.random((23, 31)) < np.linspace(0.1, 0.9, 31)
    run_lengths = {
        "counts": encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode(),
        "mask": ["".join("01"[int(v)] for v in row) for row in mask],
    }
    golden = {
        **data,
        "run_lengths": run_lengths,
        "detections": told,
        "stats": [float(v) for v in evaluation.stats],
        "per_class": per_class,
    }
    (GOLDEN / "coco.json").write_text(json.dumps(golden) + "\n")
    print("coco", (GOLDEN / "coco.json").stat().st_size, golden["stats"])


def main() -> None:
    coco()
    dfine(
        "dfine_a",
        (64, 64),
        {
            "stem_channels": [3, 8, 8],
            "stage_in_channels": [8, 16, 24, 32],
            "stage_mid_channels": [8, 8, 8, 8],
            "stage_out_channels": [16, 24, 32, 48],
            "stage_num_blocks": [1, 1, 2, 1],
            "stage_downsample": [False, True, True, True],
            "stage_light_block": [False, False, True, True],
            "stage_kernel_size": [3, 3, 5, 5],
            "stage_numb_of_layers": [2, 2, 2, 2],
            "use_learnable_affine_block": True,
            "out_indices": [3, 4],
            "depths": [1, 1, 2, 1],
            "hidden_sizes": [16, 24, 32, 48],
        },
        encoder_hidden_dim=16,
        encoder_in_channels=[32, 48],
        feat_strides=[16, 32],
        encoder_ffn_dim=24,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=12,
        decoder_in_channels=[16, 16],
        decoder_ffn_dim=24,
        num_feature_levels=2,
        decoder_n_points=[6, 4],
        decoder_layers=3,
        decoder_attention_heads=2,
        encode_proj_layers=[1],
        depth_mult=0.5,
        hidden_expansion=0.34,
    )
    dfine(
        "dfine_b",
        (96, 64),
        {
            "stem_channels": [3, 8, 8],
            "stage_in_channels": [8, 16, 24, 32],
            "stage_mid_channels": [4, 8, 8, 8],
            "stage_out_channels": [16, 24, 32, 40],
            "stage_num_blocks": [1, 1, 1, 1],
            "stage_downsample": [False, True, True, True],
            "stage_light_block": [False, True, True, False],
            "stage_kernel_size": [3, 3, 5, 3],
            "stage_numb_of_layers": [2, 3, 1, 2],
            "use_learnable_affine_block": False,
            "out_indices": [2, 3, 4],
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [16, 24, 32, 40],
        },
        encoder_hidden_dim=24,
        encoder_in_channels=[24, 32, 40],
        feat_strides=[8, 16, 32],
        encoder_ffn_dim=32,
        encoder_attention_heads=4,
        d_model=16,
        num_queries=20,
        decoder_in_channels=[24, 24, 24],
        decoder_ffn_dim=24,
        num_feature_levels=3,
        decoder_n_points=[3, 6, 3],
        decoder_layers=2,
        decoder_attention_heads=4,
        encode_proj_layers=[2],
        depth_mult=0.34,
        hidden_expansion=0.5,
        max_num_bins=16,
        reg_scale=8.0,
    )
    dfine_losses("dfine_a")
    dfine_losses("dfine_b")
    segformer(
        "segformer_a",
        (64, 64),
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 24, 32],
        decoder_hidden_size=16,
        num_attention_heads=[1, 2, 2, 4],
    )
    segformer(
        "segformer_b",
        (64, 96),
        depths=[1, 2, 2, 1],
        hidden_sizes=[4, 8, 20, 32],
        decoder_hidden_size=24,
        num_attention_heads=[1, 2, 5, 8],
        mlp_ratios=[4, 4, 2, 2],
        sr_ratios=[4, 2, 2, 1],
    )
    deeplab(
        "deeplabv3_a",
        (65, 65),
        depth_multiplier=0.1,
        output_stride=8,
        min_depth=4,
        depth_divisible_by=4,
        expand_ratio=2.0,
        finegrained_output=False,
    )
    deeplab(
        "deeplabv3_b",
        (64, 64),
        depth_multiplier=0.2,
        output_stride=16,
        min_depth=8,
        expand_ratio=2.0,
        finegrained_output=False,
        first_layer_is_expansion=False,
        tf_padding=False,
    )


if __name__ == "__main__":
    main()
