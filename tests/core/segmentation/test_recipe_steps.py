"""Optional steps before a recipe: bias-field correction and skull stripping."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.bundle import (
    Bundle,
    NetworkSpec,
    PreprocessingSpec,
    load_bundle,
    save_bundle,
)
from napari_brainseg.core.segmentation.engines.ir import write_ir
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.preprocessing import bias, get_recipe
from napari_brainseg.core.segmentation.preprocessing.bias import correct_bias
from napari_brainseg.core.segmentation.preprocessing.skull import brain_mask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

needs_simpleitk = pytest.mark.skipif(
    importlib.util.find_spec("SimpleITK") is None, reason="SimpleITK is not installed"
)


def head(depth: int = 6, side: int = 160) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A head with scalp, a dark ring of bone, and a brain; and where the brain is."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    radius = np.hypot((y - side / 2) / 1.1, x - side / 2)
    brain = np.broadcast_to(radius < 48, (depth, side, side))
    plane = np.select([radius < 48, radius < 55, radius < 64], [120, 15, 200], 0)
    image = np.broadcast_to(plane, (3, depth, side, side)) + rng.normal(
        0, 6, (3, depth, side, side)
    )
    image[:, :, radius >= 64] = rng.integers(0, 5, (3, depth, int((radius >= 64).sum())))
    return image.clip(0, 255).astype(np.uint8), brain


def test_scalp_goes_and_brain_stays() -> None:
    image, brain = head()
    found = brain_mask(image)
    assert found.dtype == np.bool_
    overlap = 2 * np.count_nonzero(found & brain) / (found.sum() + brain.sum())
    assert overlap > 0.95
    scalp = (image[1] > 150) & ~brain
    assert not found[scalp].any()


def test_a_bright_lesion_at_the_surface_and_a_dark_cyst_within_stay() -> None:
    image, brain = head()
    y, x = np.mgrid[:160, :160]
    at_surface = brain & ((y - 80) ** 2 + (x - 122) ** 2 < 9**2)
    cyst = brain & ((y - 70) ** 2 + (x - 60) ** 2 < 12**2)
    image[:, at_surface] = 240
    image[:, cyst] = 5
    found = brain_mask(image)
    assert found[cyst].all()
    assert found[at_surface].mean() > 0.97


def test_distances_are_millimetres_where_the_spacing_is_known() -> None:
    image, _ = head()
    fine = image.repeat(2, axis=2).repeat(2, axis=3)
    found = brain_mask(fine, spacing_mm=(5.0, 0.47, 0.47))
    expected = brain_mask(image).repeat(2, axis=1).repeat(2, axis=2)
    overlap = 2 * np.count_nonzero(found & expected) / (found.sum() + expected.sum())
    assert overlap > 0.97


@pytest.mark.parametrize("value", [0, 100])
def test_where_there_is_no_head_nothing_is_stripped(value: int) -> None:
    assert brain_mask(np.full((3, 4, 40, 40), value, np.uint8)).all()


@pytest.mark.parametrize("recipe", ["native", "reference"])
def test_a_recipe_with_skull_stripping_sees_the_brain_only(recipe: str) -> None:
    image, brain = head()
    plain = get_recipe(recipe).prepare(image)
    stripped = get_recipe(recipe, skull_stripping=True).prepare(image)
    assert plain.brain is None
    assert stripped.brain is not None
    ones = np.ones(stripped.data[:, 0].shape, np.float32)
    seen = stripped.restore(ones) > 0
    assert seen[1:-1][brain[1:-1]].mean() > 0.95
    assert seen.sum() < (plain.restore(np.ones(plain.data[:, 0].shape, np.float32)) > 0).sum()


def test_a_phantoms_lesion_survives_skull_stripping() -> None:
    study = phantom_study(3, 1)
    assert study.truth is not None
    lesion = study.truth.data > 0
    found = brain_mask(study.image.data, spacing_mm=study.image.geometry.spacing_mm)
    assert found[lesion].mean() > 0.99
    assert found.mean() < 0.95


def test_steps_stand_in_the_parameters_only_where_they_are_on() -> None:
    assert get_recipe("native").parameters() == {"nominal_mm": 0.94, "multiple": 16}
    recipe = get_recipe("native", skull_stripping=True)
    assert recipe.parameters()["skull_stripping"] is True
    assert get_recipe("native", **recipe.parameters()).parameters() == recipe.parameters()
    assert "skull_stripping" not in get_recipe("reference", skull_stripping=False).parameters()


def test_parameters_of_another_version_are_refused() -> None:
    with pytest.raises(ConfigError, match="deep_stripping"):
        get_recipe("native", deep_stripping=True)


def test_without_simpleitk_bias_correction_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bias.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        get_recipe("native", bias_correction=True)
    assert 'pip install "napari-brainseg[itk]"' in caught.value.hint
    get_recipe("native", bias_correction=False)


@needs_simpleitk
def test_a_slow_change_of_brightness_is_evened_out() -> None:
    image, brain = head()
    x = np.linspace(0.7, 1.3, 160)
    shaded = (image * x).clip(0, 255).astype(np.uint8)
    corrected = correct_bias(shaded)
    assert corrected.dtype == np.float32

    def unevenness(volume: NDArray[np.generic]) -> float:
        columns = [volume[1][:, 75:85, c : c + 10].mean() for c in range(40, 120, 10)]
        return float(np.std(columns) / np.mean(columns))

    assert unevenness(shaded) > 0.08
    assert unevenness(corrected) < unevenness(shaded) / 3
    assert corrected[:, brain].mean() == pytest.approx(shaded[:, brain].mean(), rel=0.1)
    np.testing.assert_array_equal(corrected, correct_bias(shaded))


@needs_simpleitk
def test_blank_channels_and_single_slices_do_no_harm() -> None:
    image, _ = head(depth=1)
    image[2] = 0
    data = get_recipe("native", bias_correction=True).prepare(image).data
    assert np.isfinite(data).all()


@pytest.fixture(scope="module")
def stripping_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    import torch

    from napari_brainseg.core.segmentation.networks import build_network

    torch.manual_seed(0)
    network = build_network("unet", features=2).eval()
    recipe = get_recipe("native", skull_stripping=True)
    return save_bundle(
        tmp_path_factory.mktemp("stripping") / "bundle",
        {key: value.numpy() for key, value in network.state_dict().items()},
        name="stripping",
        write_ir=lambda path: write_ir(network, path),
        network=NetworkSpec(features=2),
        preprocessing=PreprocessingSpec(recipe="native", parameters=recipe.parameters()),
    )


def test_a_bundle_carries_its_steps_to_inference(
    stripping_bundle: Bundle, small_study: Study
) -> None:
    text = (stripping_bundle.path / "model.json").read_text()
    assert json.loads(text)["preprocessing"]["parameters"]["skull_stripping"] is True
    parameters = load_bundle(stripping_bundle.path).manifest.preprocessing.parameters
    assert parameters == get_recipe("native", skull_stripping=True).parameters()
    image, brain = head()
    from dataclasses import replace

    from napari_brainseg.core.imaging import ScalarVolume

    study = replace(small_study, image=ScalarVolume(image), slice_numbers=())
    probability = predict(study, stripping_bundle, device="cpu").probability
    rows = np.flatnonzero(probability.any(axis=(0, 2)))
    brain_rows = np.flatnonzero(brain.any(axis=(0, 2)))
    assert abs(int(rows[0]) - int(brain_rows[0])) <= 3, "the box is the head's, not the brain's"


@pytest.mark.real_data
def test_real_lesions_survive_skull_stripping(data_root: Path) -> None:
    for folder in discover(data_root).folders[:2]:
        study = load_study(folder)
        assert study.truth is not None
        lesion = study.truth.data > 0
        found = brain_mask(study.image.data)
        head_voxels = study.image.data.max(axis=0) > 0.1 * study.image.data.max()
        assert found[lesion].mean() > 0.98
        assert 0.35 < found.sum() / head_voxels.sum() < 0.8
