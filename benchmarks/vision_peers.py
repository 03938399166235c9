"""The processes that `detection.py` and `segmentation.py` measure: a JPEG to boxes or to a label
map.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from image_peers import KINDS, Job, serve
from memory import peak_mb

THRESHOLD = 0.0  # random weights are sure of nothing: all 300 boxes are answered


def dfine_transformers(job: Job) -> tuple[dict, dict]:
    """DFineForObjectDetection of D-FINE-nano's size; writes its random weights into `folder`."""
    import torch
    from PIL import Image
    from transformers import DFineConfig, DFineForObjectDetection
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    facts = _threads(torch)
    backbone = {
        "model_type": "hgnet_v2",
        "stem_channels": [3, 16, 16],
        "stage_in_channels": [16, 64, 256, 512],
        "stage_mid_channels": [16, 32, 64, 128],
        "stage_out_channels": [64, 256, 512, 1024],
        "stage_num_blocks": [1, 1, 2, 1],
        "stage_downsample": [False, True, True, True],
        "stage_light_block": [False, False, True, True],
        "stage_kernel_size": [3, 3, 5, 5],
        "stage_numb_of_layers": [3, 3, 3, 3],
        "use_learnable_affine_block": True,
        "out_indices": [3, 4],
        "hidden_sizes": [64, 256, 512, 1024],
    }
    names = {n: f"thing {n}" for n in range(80)}
    model = DFineForObjectDetection(
        DFineConfig(
            backbone_config=backbone,
            id2label=names,
            label2id={v: k for k, v in names.items()},
            num_feature_levels=2,
            encoder_ffn_dim=512,
            encode_proj_layers=[1],
            d_model=128,
            encoder_hidden_dim=128,
            decoder_ffn_dim=512,
            encoder_in_channels=[512, 1024],
            decoder_n_points=[6, 6],
            decoder_in_channels=[128, 128],
            feat_strides=[16, 32],
            depth_mult=0.5,
            decoder_layers=3,
            hidden_expansion=0.34,
        )
    ).eval()
    _shake(torch, model)
    processor = RTDetrImageProcessorPil(do_normalize=False)
    _save(model, processor, job)
    pixels = processor(Image.open(job["photo"]).convert("RGB"), return_tensors="pt")["pixel_values"]

    @torch.inference_mode()
    def call() -> Any:
        photo = Image.open(job["photo"]).convert("RGB")
        answer = model(**processor(photo, return_tensors="pt"))
        return processor.post_process_object_detection(
            answer, threshold=THRESHOLD, target_sizes=[photo.size[::-1]]
        )[0]

    @torch.inference_mode()
    def network() -> Any:
        return model(pixel_values=pixels)

    found = call()
    np.save(
        Path(job["folder"]) / "answer.npy",
        np.concatenate(
            [
                found["scores"].numpy()[:, None],
                found["labels"].numpy()[:, None],
                found["boxes"].numpy(),
            ],
            axis=1,
        ),
    )
    return {"call": call, "network": network}, facts


def segformer_transformers(job: Job) -> tuple[dict, dict]:
    """SegformerForSemanticSegmentation of b0's size and 150 classes; writes its random weights into
    `folder`.
    """
    import torch
    from PIL import Image
    from transformers import SegformerConfig, SegformerForSemanticSegmentation
    from transformers.models.segformer.image_processing_pil_segformer import (
        SegformerImageProcessorPil,
    )

    facts = _threads(torch)
    names = {n: f"thing {n}" for n in range(150)}
    model = SegformerForSemanticSegmentation(
        SegformerConfig(id2label=names, label2id={v: k for k, v in names.items()})
    ).eval()
    _shake(torch, model)
    processor = SegformerImageProcessorPil()
    _save(model, processor, job)
    pixels = processor(Image.open(job["photo"]).convert("RGB"), return_tensors="pt")["pixel_values"]

    @torch.inference_mode()
    def call() -> Any:
        photo = Image.open(job["photo"]).convert("RGB")
        answer = model(**processor(photo, return_tensors="pt"))
        return processor.post_process_semantic_segmentation(
            answer, target_sizes=[photo.size[::-1]]
        )[0]

    @torch.inference_mode()
    def network() -> Any:
        return model(pixel_values=pixels)

    np.save(Path(job["folder"]) / "answer.npy", call().numpy())
    return {"call": call, "network": network}, facts


def _threads(torch: Any) -> dict[str, Any]:
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
    }


def _shake(torch: Any, model: Any) -> None:
    """Random kernels of the usual size: as they are made, classes are all but equal and boxes do
    not move.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) * (1.5 / parameter[0].numel()) ** 0.5)


def _save(model: Any, processor: Any, job: Job) -> None:
    model.save_pretrained(job["folder"])
    processor.save_pretrained(job["folder"])


def vision_warmstart(job: Job) -> tuple[dict, dict]:
    """The same weights and photo in the compiled program; how far the answers are from those of
    transformers.
    """
    import warmstart as ws

    model = ws.load(job["folder"], engine=job.get("engine", "auto"))
    options: dict[str, Any] = {"threshold": THRESHOLD} if model.task == "object-detection" else {}
    prepared = model.preprocess(job["photo"])[None]
    engine = model.engine
    facts = {"engine": engine.name, **_compared(job, model(job["photo"], **options))}
    return {
        "call": lambda: model(job["photo"], **options),
        "engine": lambda: engine.run("forward", images=prepared),
        "preprocessing": lambda: model.preprocess(job["photo"]),
    }, facts


def _compared(job: Job, result: Any) -> dict[str, Any]:
    want = np.load(Path(job["folder"]) / "answer.npy", allow_pickle=False)
    if want.ndim == 2 and want.shape[1] == 6 and hasattr(result, "boxes"):
        # Of both, the boxes with the best scores: near the end of 300 ties decide who is in.
        count = 100
        have = np.array([[b.score, b.index, b.xmin, b.ymin, b.xmax, b.ymax] for b in result.boxes])
        edge = np.array([0, 0, 0, 0]), np.array([*result.size, *result.size])
        want[:, 2:] = np.clip(want[:, 2:], *edge)
        return {
            "scores": float(
                np.abs(np.sort(have[:, 0])[::-1][:count] - np.sort(want[:, 0])[::-1][:count]).max()
            ),
            "same": float(np.mean([np.abs(have - row).max(1).min() < 0.1 for row in want[:count]])),
        }
    return {"same": float((result.labels_map == want).mean())}


def memory(job: Job) -> tuple[dict, dict]:
    """Peak memory of this process after the first photos and after all of them, through the
    iterator.
    """
    import warmstart as ws

    model = ws.load(job["folder"])
    at, count = 0.0, 0
    for count, result in enumerate(model.stream(job["photo"] for _ in range(job["count"])), 1):
        result.to_dict()
        if count == job["early"]:
            at = peak_mb()
    return {}, {"early": at, "end": peak_mb(), "count": count}


if __name__ == "__main__":
    KINDS.update(
        {
            f.__name__: f
            for f in (dfine_transformers, segformer_transformers, vision_warmstart, memory)
        }
    )
    sys.exit(serve(KINDS))
