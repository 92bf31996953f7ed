"""Layers of a case in a viewer without a window."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_brainseg.core.imaging import Geometry, LabelVolume, Modality, ScalarVolume, Study
from napari_brainseg.viewer.case_view import fullest_slice
from napari_brainseg.viewer.layers import CaseLayers


def study(shape=(4, 32, 32), *, seed=0, truth=True, spacing=None, missing=()):
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, np.uint8)
    mask[1, 5:15, 5:15] = 1
    geometry = Geometry(spacing)
    return Study(
        f"P{seed}",
        ScalarVolume(rng.integers(1, 255, (3, *shape), dtype=np.uint8), geometry=geometry),
        LabelVolume(mask, geometry) if truth else None,
        missing_modalities=missing,
    )


@pytest.fixture
def layers():
    return CaseLayers(ViewerModel())


def test_the_brush_writes_into_the_array_of_the_session(layers):
    layers.show_study(study())
    mine = np.zeros((4, 32, 32), np.uint8)
    layers.show_correction(mine)
    layers.correction.paint((1, 20, 20), 1)
    assert mine[1, 20, 20] == 1
    assert layers._viewer.layers.selection.active is layers.correction


def test_read_only_masks_stay_so_whatever_is_assigned(layers):
    layers.show_study(study())
    for seed in (1, 2):
        layers.show_study(study(seed=seed))
        layers.truth.editable = True
        assert not layers.truth.editable
        with pytest.raises(ValueError, match="read-only"):
            layers.truth.paint((1, 2, 2), 1)


def test_a_case_of_another_size_without_truth_reuses_the_layers(layers):
    layers.show_study(study(spacing=(5.0, 1.0, 1.0)))
    known = list(layers._viewer.layers)
    other = study((7, 40, 48), seed=1, truth=False)
    layers.show_study(other, prediction=np.ones((7, 40, 48), np.uint8))
    assert list(layers._viewer.layers) == known
    assert layers.truth is None
    assert layers.correction is None
    assert layers.prediction.visible
    assert layers._viewer.dims.nsteps[0] == 7
    assert {tuple(layer.scale) for layer in known} == {(1.0, 1.0, 1.0)}
    assert all(layer.data.shape == (7, 40, 48) for layer in known)


def test_spacing_becomes_scale(layers):
    layers.show_study(study(spacing=(6.0, 0.9, 0.8)))
    (scale,) = {tuple(layer.scale) for layer in layers._viewer.layers}
    assert scale == pytest.approx((6.0, 0.9, 0.8), abs=1e-9)


@pytest.mark.parametrize("thick", [4.999999999999987, 3.3, 0.7, 5.2 * np.cos(0.3)])
def test_the_last_slice_is_reached_whatever_the_spacing(layers, thick):
    for count in (7, 28, 29):
        layers.show_study(study((count, 8, 8), spacing=(thick, 0.9, 0.8), truth=False))
        assert layers._viewer.dims.nsteps[0] == count


def test_a_deleted_layer_comes_back_with_the_next_case(layers):
    layers.show_study(study())
    layers._viewer.layers.remove(layers.truth)
    layers._viewer.layers.remove(layers.image(Modality.FLAIR))
    layers.show_study(study(seed=1))
    names = [layer.name for layer in layers._viewer.layers]
    assert sorted(names) == sorted(
        ["pre-contrast", "FLAIR", "post-contrast", "Ground truth", "Prediction", "Correction"]
    )
    assert names[-3:] == ["Ground truth", "Prediction", "Correction"]


def test_a_missing_modality_is_named_so(layers):
    layers.show_study(study(missing=(Modality.POST,)))
    assert "post-contrast (missing)" in layers._viewer.layers
    layers.show_study(study(seed=1))
    assert "post-contrast" in layers._viewer.layers


def test_closing_removes_our_layers_only(layers):
    theirs = layers._viewer.add_image(np.zeros((4, 32, 32)), name="theirs")
    layers.show_study(study())
    layers.clear()
    assert list(layers._viewer.layers) == [theirs]


@pytest.mark.parametrize("history", [1, 5])
def test_naparis_own_undo_is_off(layers, history):
    layers.show_study(study())
    layers.show_correction(np.zeros((4, 32, 32), np.uint8))
    for column in range(history):
        layers.correction.paint((1, 20, column * 5), 1)
    painted = layers.correction.data.copy()
    layers.correction.undo()
    assert np.array_equal(layers.correction.data, painted)


def test_the_fullest_slice():
    mask = np.zeros((5, 8, 8), np.uint8)
    assert fullest_slice(None, mask.shape) == 2
    assert fullest_slice(mask, mask.shape) == 2
    mask[1, :2], mask[4, :3] = 1, 1
    assert fullest_slice(mask, mask.shape) == 4
