from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.networks import UNet, build_network

if TYPE_CHECKING:
    from pathlib import Path


def test_published_weights_give_the_published_output(golden: Path) -> None:
    network = UNet(features=4)
    network.load_state_dict(load_file(golden / "unet_f4_weights.safetensors"), strict=True)
    io = np.load(golden / "unet_f4_io.npz")
    with torch.inference_mode():
        probability = torch.sigmoid(network.eval()(torch.from_numpy(io["x"])))
    np.testing.assert_allclose(probability.numpy(), io["probability"], atol=1e-5)


def test_size_and_keys_are_those_of_the_published_program() -> None:
    network = UNet(features=32)
    assert sum(p.numel() for p in network.parameters()) == 7_763_041
    keys = set(network.state_dict())
    assert {
        "encoder1.enc1conv1.weight",
        "encoder1.enc1norm1.running_mean",
        "bottleneck.bottleneckconv2.weight",
        "upconv4.bias",
        "decoder4.dec4norm2.weight",
        "conv.bias",
    } <= keys
    assert not any("enc1conv1.bias" in key for key in keys)


def test_an_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unet"):
        build_network("vnet")
