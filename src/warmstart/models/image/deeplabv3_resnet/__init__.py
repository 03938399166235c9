"""DeepLabV3 and DeepLabV3+ on ResNet, as KerasHub builds them."""
