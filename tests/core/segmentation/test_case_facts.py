from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.imaging import DataError, LabelVolume, Modality, ScalarVolume, Study
from napari_brainseg.core.segmentation.case_facts import case_facts, mask_faults


def study(lesion: int = 200, *, beside: int = 100, copies: bool = False) -> Study:
    """Two blocks of lesion in a head, the larger one in slices 1 and 2, the other in slice 5."""
    image = np.full((3, 7, 64, 64), beside, dtype=np.uint8)
    image[:, :, :4] = 0
    truth = np.zeros((7, 64, 64), dtype=np.uint8)
    truth[1:3, 20:30, 20:30] = 1
    truth[5, 40:44, 40:44] = 1
    image[1][truth > 0] = lesion
    missing = (Modality.PRE, Modality.POST) if copies else ()
    return Study("A", ScalarVolume(image), LabelVolume(truth), missing_modalities=missing)


def test_a_plain_lesion_is_counted_and_stands_out() -> None:
    facts = case_facts(study(copies=True))

    assert (facts.slices, facts.lesion_slices) == (7, 3)
    assert (facts.lesion_vox, facts.lesion_parts) == (216, 2)
    assert facts.brightness == pytest.approx(2.0)
    assert facts.separation == 1.0
    assert facts.missing == (Modality.PRE, Modality.POST)


def test_a_lesion_as_bright_as_what_lies_beside_it_does_not_stand_out() -> None:
    assert case_facts(study(lesion=100)).separation == 0.5
    assert case_facts(study(lesion=60)).separation == 0.0


def test_the_air_around_the_head_is_no_surroundings() -> None:
    edge = study()
    image = edge.image.data.copy()
    image[:, :, :, 31:] = 0

    facts = case_facts(Study("A", ScalarVolume(image), edge.truth))

    assert facts.brightness is not None
    assert facts.brightness == pytest.approx(2.0, rel=0.1)


def test_without_a_lesion_there_is_no_contrast() -> None:
    empty = Study(
        "A", ScalarVolume(np.ones((3, 2, 16, 16), np.uint8)), LabelVolume(np.zeros((2, 16, 16)))
    )

    facts = case_facts(empty)
    faults = mask_faults(empty, np.zeros((2, 16, 16)))

    assert (facts.lesion_vox, facts.lesion_parts) == (0, 0)
    assert facts.brightness is None
    assert facts.separation is None
    assert (faults.missed_vox, faults.false_islands) == (0, 0)
    assert faults.missed_separation is None


def test_faults_say_which_part_was_missed_and_what_was_invented() -> None:
    one = study()
    mask = np.zeros((7, 64, 64), dtype=np.uint8)
    mask[1, 20:30, 20:32] = 1  # a slice of the large part, and two columns too many
    mask[3, 50:53, 50:53] = 1  # an island of nothing

    faults = mask_faults(one, mask)

    assert faults.missed_vox == 116
    assert (faults.missed_parts, faults.missed_parts_vox) == (1, 16)
    assert faults.missed_slices == 2
    assert faults.false_vox == 20 + 9
    assert (faults.false_islands, faults.false_islands_vox) == (1, 9)
    assert faults.missed_separation == 1.0
    assert faults.false_separation == 0.5


def test_a_mask_as_the_truth_has_no_faults() -> None:
    one = phantom_study(11, lesions=2, slices=6, size=64)
    assert one.truth is not None

    faults = mask_faults(one, one.truth.data)

    assert (faults.missed_vox, faults.false_vox) == (0, 0)
    assert (faults.missed_parts, faults.missed_slices, faults.false_islands) == (0, 0, 0)


def test_lesions_of_phantoms_are_brighter_than_what_lies_beside_them() -> None:
    facts = [case_facts(phantom_study(5, n, lesions=1, slices=6, size=96)) for n in range(4)]

    assert min(f.separation for f in facts if f.separation is not None) > 0.7
    assert min(f.brightness for f in facts if f.brightness is not None) > 1.05


def test_copies_of_flair_are_named_missing_in_phantoms() -> None:
    one = phantom_study(5, lesions=1, slices=4, size=64, missing=(Modality.POST,))

    assert case_facts(one).missing == (Modality.POST,)


@given(st.integers(0, 2**32 - 1))
def test_faults_add_up_to_both_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, mask = (rng.random((2, 3, 8, 8)) < 0.3).astype(np.uint8)
    image = rng.integers(1, 200, (3, 3, 8, 8)).astype(np.uint8)

    faults = mask_faults(Study("A", ScalarVolume(image), LabelVolume(truth)), mask)

    common = int((truth & mask).sum())
    assert faults.missed_vox + common == truth.sum()
    assert faults.false_vox + common == mask.sum()
    assert faults.missed_parts_vox <= faults.missed_vox
    assert faults.false_islands_vox <= faults.false_vox


def test_no_truth_or_another_grid_is_refused() -> None:
    one = study()

    with pytest.raises(DataError, match="no ground truth"):
        case_facts(Study("A", one.image))
    with pytest.raises(DataError, match="shape"):
        mask_faults(one, np.zeros((1, 64, 64)))
