"""Vision Transformers (ViT, DeiT, DINOv2): what reads them, and the names of their arrays."""

from warmstart.checkpoints.layout import PYTORCH, Layout
from warmstart.models.image.vit.timm import read as read_timm
from warmstart.models.image.vit.transformers import read

__all__ = ["BLOCK", "LAYOUT", "read", "read_timm"]
BLOCK = r"blocks\.(\d+)\."
LAYOUT = Layout(
    modules=((r"^tokens$", ""),),
    variables={**PYTORCH, "scale": "gamma"},
    optional=("mask_token", "pooler.*"),  # of pretraining; of an unused head
)
"""The names of timm, without those of its prefix tokens in a module."""
