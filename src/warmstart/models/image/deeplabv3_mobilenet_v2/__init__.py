"""DeepLabV3 on MobileNetV2, as Google published it."""
