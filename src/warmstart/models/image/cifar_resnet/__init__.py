"""ResNet for small images."""
