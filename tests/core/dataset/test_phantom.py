"""Phantom patients: repeatable, plausible, and readable as kaggle_3m."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_brainseg.core.dataset.phantom import phantom_study, write_phantoms
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import ConfigError, Modality


@pytest.fixture(scope="module")
def patient():
    return phantom_study(11, 2, lesions=1, skull_stripped=False, slices=18, missing=())


def test_same_seed_and_index_give_the_same_patient_whatever_came_before(patient):
    phantom_study(11, 1, slices=4, size=64)
    again = phantom_study(11, 2, lesions=1, skull_stripped=False, slices=18, missing=())
    assert np.array_equal(patient.image.data, again.image.data)
    assert np.array_equal(patient.truth.data, again.truth.data)


def test_other_index_or_seed_gives_another_patient():
    first = phantom_study(11, 0, slices=6, size=64)
    for other in (phantom_study(11, 1, slices=6, size=64), phantom_study(12, 0, slices=6, size=64)):
        assert not np.array_equal(first.image.data, other.image.data)


def test_name_axes_and_types_are_those_of_kaggle_3m(patient):
    assert patient.patient == "PHANTOM_0011_0002"
    assert patient.image.data.shape == (3, 18, 256, 256)
    assert patient.image.data.dtype == np.uint8
    assert patient.slice_numbers == tuple(range(1, 19))
    assert patient.image.geometry.spacing_mm[1:] == (0.9375, 0.9375)
    assert 4 <= patient.image.geometry.spacing_mm[0] <= 6


def test_lesion_is_bright_on_flair_and_dark_on_t1(patient):
    lesion = patient.truth.data.astype(bool)
    flair = patient.image.channel(Modality.FLAIR)
    t1 = patient.image.channel(Modality.PRE)
    shown = lesion.any(axis=(1, 2))[:, None, None]
    # Between bone or CSF and scalp: brain.
    around = shown & ~ndimage.binary_dilation(lesion, iterations=2) & (t1 > 40) & (t1 < 120)
    assert np.median(flair[lesion]) > 1.25 * np.median(flair[around])
    assert np.median(t1[lesion]) < np.median(t1[around])


def test_head_fills_the_frame_as_in_kaggle_3m_and_air_is_dark(patient):
    flair = patient.image.channel(Modality.FLAIR)
    assert np.median(flair[:, :12, :12]) <= 3
    head = flair[9] > 25
    rows, columns = np.flatnonzero(head.any(1)), np.flatnonzero(head.any(0))
    assert 150 <= np.ptp(rows) <= 230
    assert 130 <= np.ptp(columns) <= 200


@pytest.mark.slow
def test_lesions_have_the_volumes_of_real_ones_and_lie_inside_the_brain():
    for index in range(3):
        study = phantom_study(21, index, lesions=1, skull_stripped=True)
        assert 1_500 <= study.truth.voxels <= 60_000
        assert 2 <= np.count_nonzero(study.truth.data.any(axis=(1, 2))) <= 27
        inside = study.image.channel(Modality.FLAIR)[study.truth.data.astype(bool)] > 0
        assert inside.mean() > 0.99


def test_stripped_head_leaves_only_the_brain():
    whole = phantom_study(5, 0, skull_stripped=False, slices=8, size=128)
    bare = phantom_study(5, 0, skull_stripped=True, slices=8, size=128)
    assert np.mean(bare.image.data == 0) > np.mean(whole.image.data == 0) + 0.2
    assert np.array_equal(bare.truth.data, whole.truth.data)


def test_number_of_lesions_is_as_asked():
    assert phantom_study(5, 0, lesions=0, slices=8, size=96).truth.voxels == 0
    two = phantom_study(5, 0, lesions=2, slices=20, size=128).truth.data
    assert ndimage.label(two)[1] in (1, 2)


def test_flair_stands_in_for_a_missing_sequence():
    study = phantom_study(5, 0, slices=4, size=64, missing=[Modality.POST, Modality.PRE])
    assert study.missing_modalities == (Modality.PRE, Modality.POST)
    flair = study.image.channel(Modality.FLAIR)
    assert np.array_equal(study.image.channel(Modality.POST), flair)
    assert np.array_equal(study.image.channel(Modality.PRE), flair)


def test_series_holds_patients_without_lesion_stripped_ones_and_missing_sequences():
    series = [phantom_study(0, i, slices=3, size=48) for i in range(60)]
    empty = [s for s in series if not s.truth.voxels]
    gaps = [s for s in series if s.missing_modalities]
    assert 1 <= len(empty) <= 15
    assert 1 <= len(gaps) <= 15


@pytest.mark.parametrize(
    "wrong",
    [{"seed": -1}, {"lesions": -1}, {"slices": 0}, {"size": 8}, {"missing": [Modality.FLAIR]}],
)
def test_impossible_wishes_are_refused_with_the_value(wrong):
    with pytest.raises(ConfigError) as caught:
        phantom_study(**{"seed": 1, **wrong})
    assert caught.value.hint


def test_written_series_reads_back_voxel_by_voxel(tmp_path):
    folders = write_phantoms(tmp_path / "series", patients=1, seed=3)
    assert [f.name for f in folders] == ["PHANTOM_0003_0000"]
    read, made = load_study(folders[0]), phantom_study(3, 0)
    assert np.array_equal(read.image.data, made.image.data)
    assert np.array_equal(read.truth.data, made.truth.data)
    assert read.missing_modalities == made.missing_modalities


def test_no_patients_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="0 phantoms"):
        write_phantoms(tmp_path, patients=0, seed=1)
