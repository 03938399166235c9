"""Licences that forbid what most people do: their weights are announced before they are used."""

import warnings

SEGFORMER = "LicenseRef-NVIDIA-SegFormer"

RESTRICTED = {
    SEGFORMER: "NVIDIA's weights of SegFormer are for research and evaluation, not for commercial use "
    "(https://github.com/NVlabs/SegFormer/blob/master/LICENSE)",
}


class LicenceWarning(UserWarning):
    """The licence of a model's weights forbids common uses."""


def announce(name: str, licence: str) -> None:
    """Warn, once a process and model, if the licence restricts the use."""
    if licence in RESTRICTED:
        warnings.warn(f"{name}: {RESTRICTED[licence]}.", LicenceWarning, stacklevel=2)
