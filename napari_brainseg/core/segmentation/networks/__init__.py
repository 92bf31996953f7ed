"""Networks by name. Importing this package imports torch; the viewer's process must not."""

from __future__ import annotations

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.networks.attention_unet import AttentionUNet
from napari_brainseg.core.segmentation.networks.attention_unet_single import (
    SingleGateAttentionUNet,
)
from napari_brainseg.core.segmentation.networks.base import Option, SegmentationNetwork
from napari_brainseg.core.segmentation.networks.double_conv_unet import DoubleConvUNet
from napari_brainseg.core.segmentation.networks.efficientnet_lite_unet import EfficientNetLiteUNet
from napari_brainseg.core.segmentation.networks.pretrained import (
    imagenet_weights,
    load_encoder_weights,
)
from napari_brainseg.core.segmentation.networks.residual_unet import ResidualUNet
from napari_brainseg.core.segmentation.networks.resnet34_unet import ResNet34UNet
from napari_brainseg.core.segmentation.networks.segnet import SegNet
from napari_brainseg.core.segmentation.networks.unet import UNet
from napari_brainseg.core.segmentation.networks.unet3_plus import UNet3Plus
from napari_brainseg.core.segmentation.networks.unet_plus_plus import UNetPlusPlus

__all__ = [
    "NETWORKS",
    "SegmentationNetwork",
    "UNet",
    "build_network",
    "imagenet_weights",
    "load_encoder_weights",
]

NETWORKS: dict[str, type[SegmentationNetwork]] = {
    "unet": UNet,
    "unet-double-conv": DoubleConvUNet,
    "attention-unet": AttentionUNet,
    "attention-unet-single": SingleGateAttentionUNet,
    "residual-unet": ResidualUNet,
    "resnet34-unet": ResNet34UNet,
    "efficientnet-lite-unet": EfficientNetLiteUNet,
    "unet++": UNetPlusPlus,
    "unet3+": UNet3Plus,
    "segnet": SegNet,
}


def build_network(
    name: str, *, in_channels: int = 3, features: int = 16, **options: Option
) -> SegmentationNetwork:
    """Build a network that gives logits (B, 1, H, W).

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    in_channels : int
        Channels of the images.
    features : int
        Feature maps of the first level.
    **options
        Of the network's `OPTIONS`, such as ``norm="instance"``.

    Raises
    ------
    ConfigError
        If no network has that name, it has no such option, an option not that value, or MONAI is
        not installed and the network is made of it.
    """
    if name not in NETWORKS:
        raise ConfigError(f"There is no network '{name}'.", f"Known: {', '.join(NETWORKS)}.")
    kind = NETWORKS[name]
    for option, value in options.items():
        _check_option(name, kind, option, value)
    for what, number in (("in_channels", in_channels), ("features", features)):
        if number < 1:
            raise ConfigError(f"{what}={number} of the network '{name}' is no count.", "Give 1 up.")
    try:
        return kind(in_channels=in_channels, features=features, **options)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The network '{name}' needs the package {error.name}, which is not installed.",
            f"Install it (pip install {error.name}), or choose another network.",
        ) from error


def _check_option(name: str, kind: type[SegmentationNetwork], option: str, value: Option) -> None:
    if option not in kind.OPTIONS:
        known = ", ".join(kind.OPTIONS)
        raise ConfigError(
            f"The network '{name}' has no option '{option}'.",
            f"Known: {known}." if known else "It has none.",
        )
    values = kind.OPTIONS[option]
    # 1 == True, but prune=true means nothing
    if not any(value == known and type(value) is type(known) for known in values):
        raise ConfigError(
            f"The option {option}={value!r} of the network '{name}' is impossible.",
            f"Known: {', '.join(str(known).lower() for known in values)}.",
        )
