"""Networks by name. Importing this package imports torch; the viewer's process must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.networks.unet import UNet

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "UNet", "build_network"]

NETWORKS: dict[str, type[UNet]] = {"unet": UNet}


def build_network(name: str, *, in_channels: int = 3, features: int = 16) -> nn.Module:
    """Build a network that gives logits (B, 1, H, W).

    Raises
    ------
    ConfigError
        If no network has that name.
    """
    if name not in NETWORKS:
        raise ConfigError(f"There is no network '{name}'.", f"Known: {', '.join(NETWORKS)}.")
    return NETWORKS[name](in_channels=in_channels, features=features)
