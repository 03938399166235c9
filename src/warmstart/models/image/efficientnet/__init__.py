"""EfficientNet and MobileNetV3 as PyTorch has them."""
