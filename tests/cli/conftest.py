"""A quick model and small patients for the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_brainseg.cli import app
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.segmentation.bundle import Bundle, NetworkSpec, save_bundle


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Bundle:
    """The golden 4-feature network as a bundle."""
    from safetensors.torch import load_file

    from napari_brainseg.core.segmentation.engines.ir import write_ir
    from napari_brainseg.core.segmentation.networks import UNet

    network = UNet(features=4)
    golden = Path(__file__).parents[1] / "golden" / "unet_f4_weights.safetensors"
    network.load_state_dict(load_file(golden))
    return save_bundle(
        tmp_path_factory.mktemp("models") / "quick",
        {key: value.numpy() for key, value in network.state_dict().items()},
        name="quick",
        write_ir=lambda path: write_ir(network, path),
        network=NetworkSpec(features=4),
    )


@pytest.fixture(scope="session")
def patients(tmp_path_factory) -> Path:
    """Two small phantoms with masks; tests only read them."""
    root = tmp_path_factory.mktemp("patients")
    for index in range(2):
        study = phantom_study(9, index, slices=5, size=64, lesions=1)
        write_patient(
            root, study.patient, study.image, study.truth, study.slice_numbers, durable=False
        )
    return root


@pytest.fixture
def brainseg(monkeypatch):
    """Run the command line in this process; leaves the process's priority alone."""
    for command in ("predict", "evaluate"):
        monkeypatch.setattr(f"napari_brainseg.cli.{command}.lower_priority", lambda: None)
    runner = CliRunner()

    def run(*arguments: object):
        result = runner.invoke(app, [str(a) for a in arguments])
        expected = (SystemExit, type(None))
        assert isinstance(result.exception, expected), result.exception
        return result

    return run
