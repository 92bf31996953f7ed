from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.imaging import LabelVolume, Modality, ScalarVolume, Study
from napari_brainseg.core.segmentation.case_facts import case_facts, mask_faults
from napari_brainseg.core.segmentation.evaluation_results import PatientResult, Seconds
from napari_brainseg.core.segmentation.metrics import (
    dsc,
    largest_component,
    precision,
    sensitivity,
    volume,
)
from training.card.reasons import UNKNOWN, Case, Peers, reasons


def measured(study: Study, mask: np.ndarray, **changes: Any) -> PatientResult:
    assert study.truth is not None
    truth = study.truth.data
    figures = {
        "patient": study.patient,
        "slices": truth.shape[0],
        "dsc_reference": None,
        "dsc_native": dsc(mask, truth),
        "dsc_native_lcc": dsc(largest_component(mask), truth),
        "hd95_vox": None,
        "sensitivity": sensitivity(mask, truth),
        "precision": precision(mask, truth),
        "volume_truth_vox": volume(truth),
        "volume_prediction_vox": volume(mask),
        "seconds": Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0),
    }
    return PatientResult(**{**figures, **changes})


def told(study: Study, mask: np.ndarray, peers: Peers | None = None) -> str:
    case = Case(case_facts(study), mask_faults(study, mask))
    result = measured(study, mask)
    return "; ".join(reasons(result, case, peers or Peers((result.volume_truth_vox,))))


def one_lesion(brightness: int = 200) -> Study:
    """A block of 4 slices, 10 x 10 pixels."""
    image = np.full((3, 6, 64, 64), 100, dtype=np.uint8)
    image[1] += np.random.default_rng(0).integers(0, 20, image[1].shape, dtype=np.uint8)
    truth = np.zeros((6, 64, 64), dtype=np.uint8)
    truth[1:5, 20:30, 20:30] = 1
    image[1][truth > 0] = brightness
    return Study("TCGA_DU_0001_20000101", ScalarVolume(image), LabelVolume(truth))


@pytest.fixture
def phantom() -> Study:
    return phantom_study(5, lesions=1, slices=6, size=64, missing=(Modality.PRE, Modality.POST))


def test_copies_of_flair_are_a_reason(phantom: Study) -> None:
    assert phantom.truth is not None

    assert "pre-contrast and post-contrast are missing" in told(phantom, phantom.truth.data)


def test_a_lesion_that_was_missed_altogether_is_said_so(phantom: Study) -> None:
    text = told(phantom, np.zeros_like(phantom.image.channel(Modality.FLAIR)))

    assert "missed altogether" in text
    assert "of the lesion found" not in text


def test_what_was_missed_is_told_by_share_and_slices() -> None:
    study = one_lesion()
    mask = np.zeros((6, 64, 64), dtype=np.uint8)
    mask[1:3, 20:30, 20:30] = 1

    text = told(study, mask)

    assert "missed more than invented (50% of the lesion found, 100% of the mask is lesion)" in text
    assert "2 of 4 slices with lesion left empty" in text
    assert "what was missed is bright, not faint" in text


def test_islands_apart_from_the_lesion_are_told() -> None:
    study = one_lesion()
    assert study.truth is not None
    mask = study.truth.data.copy()
    mask[1:5, 45:60, 45:60] = 1

    text = told(study, mask)

    assert "invented more than missed" in text
    assert "an island apart from the lesion (900 voxels)" in text
    assert "slices with lesion left empty" not in text


def test_a_mask_that_runs_on_is_told_apart_from_islands() -> None:
    study = one_lesion()
    assert study.truth is not None
    mask = study.truth.data.copy()
    mask[1:5, 20:30, 30:35] = 1

    text = told(study, mask)

    assert "200 voxels invented where the mask runs on from the lesion" in text
    assert "apart from the lesion" not in text


def test_without_the_mask_the_largest_component_gives_islands_away() -> None:
    study = one_lesion()
    assert study.truth is not None
    mask = study.truth.data.copy()
    mask[1:3, 45:55, 45:55] = 1
    result = measured(study, mask)

    found = reasons(result, Case(case_facts(study)), Peers((400,)))

    assert "false islands (its largest component alone has 1.000)" in found


def test_a_faint_lesion_is_one_among_brighter_ones_only() -> None:
    study = one_lesion(brightness=112)
    assert study.truth is not None
    facts = case_facts(study)
    assert facts.separation is not None
    assert facts.separation < 0.9
    brighter = Peers((400,) * 4, (0.95, 0.96, 0.97, facts.separation))
    alike = Peers((400,) * 4, (facts.separation,) * 4)

    assert "stands out little in FLAIR" in told(study, study.truth.data, brighter)
    assert "stands out little in FLAIR" not in told(study, study.truth.data, alike)


def test_a_lesion_is_small_among_larger_ones() -> None:
    study = one_lesion()
    assert study.truth is not None

    text = told(study, study.truth.data, Peers((400, 2000, 3000, 10_000)))

    assert "the lesion is small: 400 voxels (median of 4 patients: 2,500)" in text


def test_few_patients_say_nothing_of_what_is_small() -> None:
    study = one_lesion()
    assert study.truth is not None

    assert "small" not in told(study, study.truth.data, Peers((400, 2000, 3000)))


def test_a_mask_where_there_is_nothing_to_find() -> None:
    empty = phantom_study(5, lesions=0, slices=4, size=64)
    mask = np.zeros((4, 64, 64), dtype=np.uint8)
    mask[1, 30:34, 30:34] = 1

    assert "there is no lesion to find" in told(empty, mask)


def test_nothing_is_made_up_where_nothing_is_seen() -> None:
    study = one_lesion()
    assert study.truth is not None

    assert told(study, study.truth.data) == UNKNOWN


def test_figures_of_older_versions_still_say_too_small() -> None:
    study = one_lesion()
    mask = np.zeros((6, 64, 64), dtype=np.uint8)
    mask[1:3, 20:30, 20:30] = 1
    old = measured(study, mask, sensitivity=None, precision=None)

    assert reasons(old, None, Peers(())) == ["the mask is 50% smaller than the lesion"]
