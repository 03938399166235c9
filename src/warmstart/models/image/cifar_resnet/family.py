"""ResNet for 32x32 images, as He et al. train it on CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass

from warmstart.models.configs import Config

BACKBONE = True


@dataclass(frozen=True)
class CifarResNetConfig(Config):
    """Sizes of one network: `depth` is 6n + 2, `filters` the width of the first stage."""

    depth: int = 20
    filters: int = 16
    classes: int = 10
    image_size: int = 32

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image_size, self.image_size

    @property
    def blocks_per_stage(self) -> int:
        if self.depth < 8 or (self.depth - 2) % 6:
            raise ValueError(
                f"depth must be 6n + 2 with n of 1 or more (8, 14, 20, ...), not {self.depth}"
            )
        return (self.depth - 2) // 6
