"""Write a tiny random EfficientNet-Lite in its public layout, with the reference's outputs, to
tests/golden/vision/.

    pip install -r scripts/requirements.txt
    python scripts/make_goldens_efficientnet_lite.py

The reference is the PyPI package efficientnet-lite-pytorch, whose names the published PyTorch
checkpoint has. timm, in whose names the Hub has the larger variants, builds the same network;
`timm.json` says which of its arrays is which.
"""

import json
from pathlib import Path

import numpy as np
import timm.models.efficientnet as timm_models
import torch
from efficientnet_lite_pytorch import EfficientNet
from efficientnet_lite_pytorch.utils import efficientnet
from safetensors.torch import save_file

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "vision" / "efficientnet_lite"
WIDTH, DEPTH, SIZE, CLASSES = 0.1, 0.6, 64, 5


def shake(model: torch.nn.Module) -> None:
    """Random numbers everywhere, of sizes that let the signal through all blocks."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.dtype.is_floating_point:
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if tensor.ndim > 1:
                tensor.copy_(noise * (2.0 / tensor[0].numel()) ** 0.5)
            elif name.endswith("running_var"):
                tensor.copy_(0.7 + 0.1 * noise.abs())
            else:
                tensor.copy_(0.1 * noise + (1.0 if name.endswith("weight") else 0.0))
        model.half().float()


def networks() -> tuple[torch.nn.Module, torch.nn.Module, dict[str, str]]:
    """The same network by the two references, with the same numbers; the names of the second for
    those of the first.
    """
    blocks, sizes = efficientnet(
        width_coefficient=WIDTH, depth_coefficient=DEPTH, image_size=SIZE, num_classes=CLASSES
    )
    sizes = sizes._replace(relu_fn="relu6", fix_head_stem=True, use_se=False)
    first = EfficientNet([block._replace(se_ratio=None) for block in blocks], sizes).eval()
    shake(first)
    second = timm_models._gen_efficientnet_lite(
        "tf_efficientnet_lite0",
        channel_multiplier=WIDTH,
        depth_multiplier=DEPTH,
        num_classes=CLASSES,
        bn_eps=1e-3,
        pad_type="same",
    ).eval()
    arrays = first.state_dict()
    names = dict(zip(second.state_dict(), arrays, strict=True))
    second.load_state_dict({name: arrays[other] for name, other in names.items()})
    return first, second, names


def main() -> None:
    first, second, names = networks()
    images = (
        (torch.rand((2, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(1)) * 2 - 1)
        .half()
        .float()
    )
    images[1] = images[1].sort(dim=1).values  # another picture, and not only other noise
    with torch.no_grad():
        logits, other, maps = first(images), second(images), first.extract_features(images)
    print("the two references differ by", float((logits - other).abs().max()), "logits", logits)
    GOLDEN.mkdir(exist_ok=True)
    halves = {
        key: value.half().contiguous() for key, value in first.state_dict().items() if value.ndim
    }
    save_file(halves, GOLDEN / "model.safetensors")
    config = {"width": WIDTH, "depth": DEPTH, "image_size": SIZE, "classes": CLASSES}
    (GOLDEN / "sizes.json").write_text(json.dumps(config) + "\n")
    (GOLDEN / "timm.json").write_text(json.dumps(names, indent=1) + "\n")
    np.savez_compressed(
        GOLDEN / "expected.npz",
        images=images.numpy().transpose(0, 2, 3, 1).astype(np.float16),
        probabilities=logits.softmax(1).numpy(),
        features=maps.mean((2, 3)).numpy(),
    )
    print(sum(file.stat().st_size for file in GOLDEN.iterdir()), "bytes")


if __name__ == "__main__":
    main()
