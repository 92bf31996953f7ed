"""Conditions of robustness: what each does to a study, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.imaging import (
    ConfigError,
    DataError,
    Geometry,
    LabelVolume,
    Modality,
    ScalarVolume,
    Study,
)
from napari_brainseg.core.segmentation.metrics import dsc
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.robustness.conditions import all_conditions, chosen

CONDITIONS = {condition.name: condition for condition in all_conditions()}
GRID = {"rotation-plus-10", "rotation-minus-10", "mirrored"} | {
    name for name in CONDITIONS if name.startswith("pixels")
}
PRE, FLAIR, POST = 0, 1, 2


@pytest.fixture(scope="module")
def study() -> Study:
    """A phantom as kaggle_3m would hold it: uint8, no spacing, nothing missing."""
    made = phantom_study(2, 1, lesions=1, slices=4, size=64, missing=())
    assert made.truth is not None
    assert made.truth.voxels > 100
    return replace(made, image=ScalarVolume(made.image.data), truth=LabelVolume(made.truth.data))


def changed(name: str, study: Study) -> Study:
    found = CONDITIONS[name].change(study)
    assert found is not None
    return found


def pixels(study: Study) -> np.ndarray:
    return study.image.data.astype(np.float64)


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_original_stays_and_the_truth_changes_only_with_the_grid(
    study: Study, name: str
) -> None:
    before = study.image.data.copy()
    found = changed(name, study)
    assert np.array_equal(study.image.data, before)
    assert found.patient == study.patient
    assert not np.array_equal(found.image.data, before)
    assert found.truth is not None
    assert study.truth is not None
    same = found.truth.data.shape == study.truth.data.shape and np.array_equal(
        found.truth.data, study.truth.data
    )
    assert same == (name not in GRID)


def test_flair_stands_in_for_what_is_missing(study: Study) -> None:
    for name, gone in (("no-pre", [PRE]), ("no-post", [POST]), ("flair-only", [PRE, POST])):
        found = changed(name, study)
        for channel in range(3):
            source = FLAIR if channel in gone else channel
            assert np.array_equal(found.image.data[channel], study.image.data[source])
    assert changed("flair-only", study).missing_modalities == (Modality.PRE, Modality.POST)


def test_what_is_missing_already_is_no_condition(study: Study) -> None:
    lacking = changed("no-post", study)
    assert CONDITIONS["no-post"].change(lacking) is None
    assert CONDITIONS["post-x2"].change(lacking) is None
    assert CONDITIONS["flair-only"].change(lacking) is not None


@pytest.mark.parametrize(
    "name", ["flair-x2", "all-x0.5", "noise", "jpeg-50", "offset", "gamma-1.5"]
)
def test_a_copy_of_flair_stays_one(study: Study, name: str) -> None:
    lacking = changed("flair-only", study)
    data = changed(name, lacking).image.data
    assert np.array_equal(data[PRE], data[FLAIR])
    assert np.array_equal(data[POST], data[FLAIR])


def test_intensities_are_scaled_beyond_255_of_one_modality_or_all(study: Study) -> None:
    assert np.array_equal(pixels(changed("all-x2", study)), 2 * pixels(study))
    one = pixels(changed("post-x0.5", study))
    assert np.array_equal(one[POST], pixels(study)[POST] / 2)
    assert np.array_equal(one[:POST], pixels(study)[:POST])


def test_offset_gamma_and_noise_by_their_numbers(study: Study) -> None:
    original = pixels(study)
    difference = pixels(changed("offset", study)) - original
    assert difference == pytest.approx(0.08 * original.max(), abs=1e-3)
    gamma = pixels(changed("gamma-0.7", study))
    top = original[FLAIR].max()
    assert gamma[FLAIR] == pytest.approx(top * (original[FLAIR] / top) ** 0.7, abs=1e-3)
    noise = pixels(changed("noise", study)) - original
    bright = original[FLAIR] > 40
    assert noise[FLAIR][bright].std() == pytest.approx(0.03 * top, rel=0.1)
    assert abs(noise[FLAIR][bright].mean()) < 0.01 * top


def test_noise_is_the_same_each_time_and_another_for_another_patient(study: Study) -> None:
    first = pixels(changed("noise", study))
    assert np.array_equal(first, pixels(changed("noise", study)))
    assert not np.array_equal(first, pixels(changed("noise", replace(study, patient="OTHER_1"))))


def test_coding_loses_little_whatever_the_type(study: Study) -> None:
    found = changed("jpeg-50", study)
    assert found.image.data.dtype == np.uint8
    error = np.abs(pixels(found) - pixels(study))
    assert 0 < error.mean() < 5
    wide = replace(study, image=ScalarVolume(study.image.data.astype(np.uint16) * 10))
    wide_error = np.abs(pixels(changed("jpeg-50", wide)) - pixels(wide))
    assert 0 < wide_error.mean() < 50


@pytest.mark.parametrize("mm", [0.4, 0.6, 0.8, 1.2])
def test_a_recipe_brings_other_pixels_back_to_the_nominal_size(study: Study, mm: float) -> None:
    found = changed(f"pixels-{mm:g}-mm", study)
    spacing = found.image.geometry.spacing_mm
    assert spacing is not None
    assert spacing[1:] == pytest.approx((mm, mm), rel=0.02)
    assert found.image.grid_shape[1] == round(64 * 0.94 / mm)
    assert found.image.data.dtype == np.uint8
    assert abs(pixels(found).mean() - pixels(study).mean()) < 0.03 * pixels(study).mean()

    recipe = get_recipe("native")
    there = recipe.prepare(found.image.data, spacing_mm=spacing)
    here = recipe.prepare(study.image.data)
    assert found.truth is not None
    assert study.truth is not None
    volumes = [p.prepare_mask(s.truth.data).sum() for p, s in ((there, found), (here, study))]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.1)


def test_a_spacing_that_the_study_says_is_believed(study: Study) -> None:
    geometry = Geometry((6.0, 0.5, 0.5))
    fine = replace(study, image=ScalarVolume(study.image.data, geometry=geometry))
    found = changed("pixels-0.4-mm", fine)
    assert found.image.geometry.spacing_mm == pytest.approx((6.0, 0.4, 0.4))
    assert found.image.grid_shape == (4, 80, 80)


def test_image_and_truth_turn_together(study: Study) -> None:
    assert study.truth is not None
    marked = ScalarVolume(np.stack([study.truth.data * 200] * 3))
    for name in GRID:
        found = changed(name, replace(study, image=marked))
        assert found.truth is not None
        assert dsc(found.image.data[FLAIR] > 100, found.truth.data) > 0.97
    there = changed("rotation-plus-10", study)
    back = changed("rotation-minus-10", there)
    assert back.truth is not None
    assert dsc(back.truth.data, study.truth.data) > 0.85
    assert there.truth is not None
    assert dsc(there.truth.data, study.truth.data) < dsc(back.truth.data, study.truth.data)


def test_mirrored_twice_is_as_before(study: Study) -> None:
    twice = changed("mirrored", changed("mirrored", study))
    assert np.array_equal(twice.image.data, study.image.data)


def test_a_grid_cannot_change_without_truth(study: Study) -> None:
    with pytest.raises(DataError, match="no ground truth"):
        CONDITIONS["mirrored"].change(replace(study, truth=None))


def test_conditions_are_chosen_by_name() -> None:
    conditions = all_conditions()
    assert chosen(conditions, None) == conditions
    assert [c.name for c in chosen(conditions, ["noise", "no-pre", "noise"])] == ["noise", "no-pre"]
    with pytest.raises(ConfigError, match="no condition fog") as raised:
        chosen(conditions, ["fog", "noise"])
    assert "flair-only" in raised.value.hint
