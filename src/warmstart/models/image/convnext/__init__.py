"""ConvNeXt as PyTorch has it."""
