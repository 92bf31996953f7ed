"""The child that looks at the weights of an imported model, and writes what OpenVINO runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.segmentation.bundle import (
    Bundle,
    NetworkSpec,
    PreprocessingSpec,
    save_bundle,
)
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.model_registry import ModelRegistry
from napari_brainseg.session.workspace import Workspace
from training.represent import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Bundle]:
    from napari_brainseg.core.segmentation.networks import build_network

    def save(features: int = 4, **fields: Any) -> Bundle:
        state = build_network("unet", features=4).state_dict()
        values = {key: value.numpy() for key, value in state.items()}
        spec = fields.pop("network", NetworkSpec(features=features))
        return save_bundle(tmp_path / "made", values, name="made", network=spec, **fields)

    return save


def told(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    code = main([str(bundle.path)])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"features": 5}, "has"),
        ({"network": NetworkSpec(name="unheard-of", features=4)}, "unheard-of"),
        ({"preprocessing": PreprocessingSpec(recipe="unheard-of")}, "unheard-of"),
    ],
)
def test_weights_that_fit_nothing_are_refused(
    fields: dict[str, Any],
    why: str,
    make: Callable[..., Bundle],
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, answer = told(make(**fields), capsys)
    assert code == 1
    assert why in answer["fault"]


def test_an_imported_model_gets_its_representation_from_a_child(
    make: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = make()
    workspace = Workspace(tmp_path / "workspace").create()
    catalogue = Catalogue(workspace.catalogue)
    default = save_bundle(tmp_path / "default", {"w": np.ones(3)}, name="default")
    registry = ModelRegistry(workspace, catalogue, bundled=lambda: (default,))
    loaded = registry.load(registry.import_bundle(bundle.path).version)
    catalogue.close()
    assert loaded.ir_path is not None
    assert set(loaded.manifest.files) == {"weights.safetensors", "model.xml", "model.bin"}
