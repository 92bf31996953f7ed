"""Pretrained weights of an encoder, from a local file; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.networks.resnet34_unet import ResNet34UNet

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.networks.base import SegmentationNetwork

__all__ = ["load_encoder_weights"]

CLASSIFIER = "fc."
FIRST_KERNEL = "conv1.weight"
HINT = (
    "It must be a state dict with the keys of torchvision's resnet34 (resnet34-*.pth or "
    "safetensors), for a network with features=64."
)


def load_encoder_weights(network: SegmentationNetwork, path: Path | str) -> None:
    """Start the encoder of `network` from the weights in a file.

    The classifier in the file is ignored. Where the network takes several slices of three
    channels, the first convolution's kernels are repeated for each and divided by their number,
    so that equal slices give what one slice gave.

    Parameters
    ----------
    network : SegmentationNetwork
        ``resnet34-unet``.
    path : Path or str
        Written by ``torch.save`` or in the safetensors format; only tensors are read, never code.

    Raises
    ------
    ConfigError
        If the network has no such encoder, the file cannot be read safely, or its keys or shapes
        do not fit.
    """
    if not isinstance(network, ResNet34UNet):
        raise ConfigError(
            f"The network {type(network).__name__} takes no encoder weights.",
            "Choose the network resnet34-unet, or leave encoder_weights out.",
        )
    state = {k: v for k, v in _read(Path(path)).items() if not k.startswith(CLASSIFIER)}
    kernel = state.get(FIRST_KERNEL)
    if kernel is not None and kernel.ndim == 4 and kernel.shape[1] != network.in_channels:
        slices, rest = divmod(network.in_channels, kernel.shape[1])
        if not rest:
            state[FIRST_KERNEL] = kernel.repeat(1, slices, 1, 1) / slices
    own = network.encoder.state_dict()
    absent, foreign = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    # files older than 2018 do not count batches
    absent = [key for key in absent if not key.endswith("num_batches_tracked")]
    for what, keys in (("lacks", absent), ("holds the unknown", foreign)):
        if keys:
            raise ConfigError(f"The encoder weights {path} {what} {', '.join(keys[:3])}.", HINT)
    for key, value in state.items():
        if value.shape != own[key].shape:
            raise ConfigError(
                f"In the encoder weights {path}, {key} has the shape {tuple(value.shape)}, where "
                f"the network has {tuple(own[key].shape)}.",
                HINT,
            )
    network.encoder.load_state_dict(state, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign files fail in many ways
        what = str(error).partition("\n")[0]
        raise ConfigError(f"The encoder weights {path} cannot be read: {what}.", HINT) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f"The encoder weights {path} are no state dict.", HINT)
    return state
