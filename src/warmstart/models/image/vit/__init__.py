"""Vision Transformer: ViT, DeiT and DINOv2."""
