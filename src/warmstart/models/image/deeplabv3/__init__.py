"""DeepLabV3+ on any classification backbone."""
