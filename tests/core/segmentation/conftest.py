"""A bundle of random weights and a small study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_brainseg.core.imaging import ScalarVolume, Study
from napari_brainseg.core.segmentation.bundle import Bundle, NetworkSpec, save_bundle


@pytest.fixture(scope="session")
def golden() -> Path:
    return Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The golden 4-feature network as a bundle, with OpenVINO's representation."""
    from safetensors.torch import load_file

    from napari_brainseg.core.segmentation.engines.ir import write_ir
    from napari_brainseg.core.segmentation.networks import UNet

    network = UNet(features=4)
    network.load_state_dict(
        load_file(Path(__file__).parents[2] / "golden" / "unet_f4_weights.safetensors")
    )
    return save_bundle(
        tmp_path_factory.mktemp("models") / "tiny",
        {key: value.numpy() for key, value in network.state_dict().items()},
        name="tiny",
        card="# {version}",
        write_ir=lambda path: write_ir(network, path),
        network=NetworkSpec(features=4),
    )


@pytest.fixture(scope="session")
def small_study() -> Study:
    """Seven slices of 72 x 60 pixels with a bright ellipse for a head."""
    rng = np.random.default_rng(3)
    z, y, x = np.ogrid[:7, :72, :60]
    head = ((y - 35) / 26) ** 2 + ((x - 30) / 20) ** 2 + ((z - 3) / 9) ** 2 < 1
    image = (head * rng.integers(60, 160, (3, 7, 72, 60))).astype(np.uint8)
    return Study("SMALL_0001", ScalarVolume(image))
