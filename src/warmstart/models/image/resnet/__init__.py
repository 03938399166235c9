"""ResNet as PyTorch has it."""
