from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.networks import UNet
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.import_checkpoint import import_checkpoint

WEIGHTS = Path(__file__).parents[1] / "golden" / "unet_f4_weights.safetensors"


def test_a_published_checkpoint_predicts_with_the_published_preprocessing(tmp_path: Path) -> None:
    state = load_file(WEIGHTS)
    torch.save(state, tmp_path / "unet.pt")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "training", "import", tmp_path / "unet.pt", "--out",
         tmp_path / "published"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bundle = load_bundle(tmp_path / "published")
    assert bundle.version in done.stdout
    assert bundle.manifest.network.features == 4

    study = phantom_study(5, 0, size=96, slices=6)
    prediction = predict(study, bundle, device="cpu")
    network = UNet(features=4).eval()
    network.load_state_dict(state)
    prepared = get_recipe("reference").prepare(study.image.data)
    with torch.inference_mode():
        expected = torch.sigmoid(network(torch.from_numpy(prepared.data)))[:, 0].numpy()
    here = prepared.restore(expected)
    assert prediction.probability.shape == study.image.grid_shape
    assert np.abs(prediction.probability - here).mean() < 0.005


class _Bad:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_a_file_with_code_is_refused_unread(tmp_path: Path) -> None:
    torch.save({"x": _Bad()}, tmp_path / "bad.pt")
    with pytest.raises(ModelError, match="cannot be read"):
        import_checkpoint(tmp_path / "bad.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("state", [{"layer.weight": torch.zeros(2)}, [1, 2]])
def test_another_network_is_named(state: object, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="no plain U-Net"):
        import_checkpoint(tmp_path / "other.pt", tmp_path / "out")
