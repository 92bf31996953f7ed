"""Measuring a bundle: figures by hand, patients that cannot be measured, summary."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_brainseg.core.dataset.convert import convert
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.formats import discover
from napari_brainseg.core.imaging import (
    CancelledError,
    DataError,
    Geometry,
    LabelVolume,
    Modality,
    ScalarVolume,
    Study,
)
from napari_brainseg.core.segmentation.bundle import Bundle
from napari_brainseg.core.segmentation.calibration import CalibrationCounts
from napari_brainseg.core.segmentation.evaluation import (
    Evaluation,
    PatientResult,
    Seconds,
    evaluate_folders,
    evaluate_root,
    evaluate_study,
    summarise,
)
from napari_brainseg.core.segmentation.evaluation_results import tally_of
from napari_brainseg.core.segmentation.evaluation_text import summary_lines
from napari_brainseg.core.segmentation.inference import Prediction

TIMINGS = {"preprocess": 0.1, "infer": 0.2, "postprocess": 0.3, "total": 0.6}


def _study(truth: np.ndarray) -> Study:
    """A head that fills the grid, so that the reference's crop is known: all but the end slices."""
    image = np.full((3, *truth.shape), 100, np.uint8)
    return Study("HAND_0001", ScalarVolume(image), LabelVolume(truth))


def _prediction(mask: np.ndarray) -> Prediction:
    blank = np.zeros(mask.shape, np.float32)
    return Prediction("HAND_0001", blank, mask, blank, "model-1", "an engine", "", dict(TIMINGS))


@pytest.fixture
def masks():
    truth, mask = np.zeros((2, 6, 128, 128), np.uint8)
    truth[0:4, 40:60, 40:60] = 1
    mask[1:4, 40:60, 40:60] = 1
    mask[3, 100:104, 100:104] = 1
    return truth, mask


def test_each_figure_by_hand(masks):
    truth, mask = masks
    result = evaluate_study(_study(truth), _prediction(mask), load_seconds=0.4)
    a_slice, island = 400, 16
    assert result.volume_truth_vox == 4 * a_slice
    assert result.volume_prediction_vox == 3 * a_slice + island
    assert result.dsc_native == pytest.approx(2 * 3 / (4 + 3 + island / a_slice))
    assert result.dsc_native_lcc == pytest.approx(2 * 3 / (4 + 3))
    # The reference drops the slice that the prediction missed, and the island is no component.
    assert result.dsc_reference == 1.0
    assert result.slices == 6
    assert result.hd95_vox is not None
    assert result.hd95_vox >= 1
    assert result.sensitivity == pytest.approx(3 / 4)
    assert result.precision == pytest.approx(3 * a_slice / (3 * a_slice + island))
    assert result.relative_volume_error == pytest.approx((island - a_slice) / (4 * a_slice))
    assert result.hd95_mm is None
    assert (result.lesion_free_slices, result.lesion_free_slices_marked) == (2, 0)
    assert result.seconds.load == 0.4
    assert result.seconds.total == pytest.approx(1.0)


def test_distance_in_mm_where_the_spacing_is_known():
    truth = np.zeros((6, 32, 32), np.uint8)
    truth[2:4, 8:16, 8:16] = 1
    geometry = Geometry((5.0, 0.5, 0.5))
    image = ScalarVolume(np.full((3, *truth.shape), 100, np.uint8), geometry=geometry)
    study = Study("HAND_0001", image, LabelVolume(truth, geometry=geometry))
    result = evaluate_study(study, _prediction(np.roll(truth, 1, axis=0)))
    assert (result.hd95_vox, result.hd95_mm) == (1, 5)


def test_figures_of_an_older_version_still_load(tiny_bundle):
    new = summarise([_result("A", 0.9)], bundle=tiny_bundle, engine="e").model_dump()
    for name in ("hd95_mm", "sensitivity", "precision", "relative_volume_error"):
        del new["summary"][name], new["patients"][0][name]
    for name in ("lesion_free_slices", "lesion_free_slices_marked"):
        del new["patients"][0][name]
    del new["calibration"], new["summary"]["tally"]
    old = Evaluation.model_validate(new)
    assert old.summary.tally is None
    assert "under 0.5" not in "\n".join(summary_lines(old))
    assert old.patients[0].sensitivity is None
    assert old.summary.precision.patients == 0


def test_empty_prediction_of_a_lesion_has_no_distance(masks):
    truth, _ = masks
    result = evaluate_study(_study(truth), _prediction(np.zeros_like(truth)))
    assert result.hd95_vox is None
    assert result.dsc_native == 0


def test_empty_prediction_of_a_patient_without_lesion_is_perfect():
    empty = np.zeros((4, 32, 32), np.uint8)
    result = evaluate_study(_study(empty), _prediction(empty))
    assert (result.dsc_native, result.dsc_reference, result.hd95_vox) == (1.0, 1.0, 0.0)


def test_stack_too_short_for_the_reference_grid_has_no_reference_figure():
    truth = np.zeros((2, 32, 32), np.uint8)
    truth[1, 4:9, 4:9] = 1
    result = evaluate_study(_study(truth), _prediction(truth))
    assert result.dsc_reference is None
    assert result.dsc_native == 1


def test_study_without_truth_and_foreign_grid_are_refused(masks):
    truth, mask = masks
    bare = Study("BARE_0001", ScalarVolume(np.full((3, *truth.shape), 9, np.uint8)))
    with pytest.raises(DataError, match="BARE_0001 has no ground truth"):
        evaluate_study(bare, _prediction(mask))
    with pytest.raises(DataError, match="shape"):
        evaluate_study(_study(truth), _prediction(mask[:5]))


def _result(
    patient: str, value: float, truth: int = 10, predicted: int = 10,
    free: tuple[int, int] | None = None,
) -> PatientResult:  # fmt: skip
    of_free, marked = free or (None, None)
    return PatientResult(
        patient=patient, slices=4, dsc_reference=None, dsc_native=value, dsc_native_lcc=value,
        hd95_vox=None, volume_truth_vox=truth, volume_prediction_vox=predicted,
        seconds=Seconds(load=1, preprocess=1, infer=1, postprocess=1, total=4),
        lesion_free_slices=of_free, lesion_free_slices_marked=marked,
    )  # fmt: skip


def test_summary_has_mean_median_and_intervals_and_counts_missed_lesions(tiny_bundle):
    results = [_result("A", 0.9), _result("B", 0.8), _result("C", 0.1, 7, 0), _result("D", 1, 0, 0)]
    summary = summarise(results, bundle=tiny_bundle, engine="e").summary
    assert summary.dsc_native.mean == pytest.approx(0.7)
    assert summary.dsc_native.median == pytest.approx(0.85)
    low, high = summary.dsc_native.mean_interval
    assert 0.1 <= low < 0.7 < high <= 1
    assert summary.dsc_reference.mean is None
    assert summary.missed_lesions == 1
    assert summary.seconds["total"].mean == 4
    assert (summary.tally.under_half, summary.tally.under_half_share) == (1, 0.25)


def test_lesion_free_slices_are_counted_over_all_patients():
    tally = tally_of([_result("A", 0.5, free=(8, 1)), _result("B", 0.49, free=(2, 0))])
    assert (tally.lesion_free_slices, tally.lesion_free_slices_marked) == (10, 1)
    assert tally.lesion_free_slices_marked_share == 0.1
    assert tally.under_half == 1  # 0.5 itself is not under it

    none = tally_of([_result("A", 0.9, free=(0, 0))])
    assert none.lesion_free_slices_marked_share is None


def test_one_patient_without_counts_leaves_the_share_unknown():
    tally = tally_of([_result("A", 0.9, free=(8, 1)), _result("B", 0.9)])
    assert tally.lesion_free_slices is None
    assert tally.lesion_free_slices_marked is None
    assert tally.lesion_free_slices_marked_share is None


def test_words_name_mean_median_and_how_many_have_the_figure(tiny_bundle):
    results = [_result("A", 0.9, free=(4, 1)), _result("B", 0.3, free=(4, 0))]
    results[0] = results[0].model_copy(update={"sensitivity": 0.75, "hd95_mm": 3.2})
    lines = summary_lines(summarise(results, bundle=tiny_bundle, engine="e"))
    told = dict(line.split(": ", 1) for line in lines)
    assert told["DSC native"].startswith("mean 0.6000 (0.3000 to 0.9000), median 0.6000 (")
    assert told["DSC native"].endswith("0.3000 to 0.9000")
    assert told["sensitivity"].endswith("; n = 1")
    assert told["DSC reference"] == "undefined"
    assert told["HD95 in mm"].startswith("mean 3.2 ")
    assert told["patients under 0.5 DSC"] == "1 of 2 (50.0 %)"
    assert told["lesion-free slices marked"] == "1 of 8 (12.5 %)"


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Three small phantoms, one of them without masks, and a broken one."""
    root = tmp_path_factory.mktemp("patients")
    for index in range(3):
        study = phantom_study(8, index, slices=5, size=64, lesions=1)
        truth = None if index == 2 else study.truth
        write_patient(root, study.patient, study.image, truth, study.slice_numbers, durable=False)
    broken = root / "BROKEN_0001"
    broken.mkdir()
    (broken / "BROKEN_0001_1.tif").write_bytes(b"not a TIFF")
    (broken / "BROKEN_0001_1_mask.tif").write_bytes(b"not a TIFF")
    return root


def test_one_bad_patient_does_not_stop_the_others(patients, tiny_bundle):
    seen = []
    evaluation = evaluate_root(patients, tiny_bundle, device="cpu", progress=seen.append)
    assert [p.patient for p in evaluation.patients] == ["PHANTOM_0008_0000", "PHANTOM_0008_0001"]
    skipped = {n.patient: n.reason for n in evaluation.summary.not_measured}
    assert skipped.keys() == {"PHANTOM_0008_0002", "BROKEN_0001"}
    assert "no masks" in skipped["PHANTOM_0008_0002"]
    assert "BROKEN_0001_1" in skipped["BROKEN_0001"]
    assert (seen[-1].done, seen[-1].total) == (4, 4)
    assert evaluation.summary.engine.startswith("OpenVINO")


def test_named_patients_only_and_json_comes_back(patients, tiny_bundle):
    evaluation = evaluate_root(
        patients, tiny_bundle, patients=["PHANTOM_0008_0001"] * 2, device="cpu"
    )
    text = evaluation.to_json()
    assert Evaluation.model_validate_json(text) == evaluation
    assert json.loads(text).keys() == {"patients", "summary", "calibration"}
    assert evaluation.summary.patients == 1
    assert evaluation.patients[0].seconds.infer > 0


def test_a_patient_of_other_series_than_recognised_says_so(patients, tiny_bundle, tmp_path):
    convert(patients / "PHANTOM_0008_0001", tmp_path, "nifti", durable=False)
    (folder,) = discover(tmp_path).folders
    roles = {Modality.FLAIR: dict(folder.roles)[Modality.PRE]}
    changed = folder.with_roles(roles)
    said = [
        evaluate_folders([one], tiny_bundle, device="cpu").patients[0].chosen_series
        for one in (folder, changed)
    ]
    assert said[0] == ""
    assert f"{Modality.FLAIR} from series" in said[1]


def test_masks_and_probabilities_are_handed_out_once_and_give_the_calibration(
    patients, tiny_bundle
):
    seen = {}
    evaluation = evaluate_folders(
        discover(patients).folders, tiny_bundle, device="cpu",
        seen=lambda study, prediction: seen.update({study.patient: (study, prediction)}),
    )  # fmt: skip
    assert list(seen) == [p.patient for p in evaluation.patients]
    counts = CalibrationCounts()
    for result in evaluation.patients:
        study, found = seen[result.patient]
        assert result.volume_prediction_vox == found.mask.sum()
        counts += CalibrationCounts.of(
            found.probability, found.uncertainty, found.mask, study.truth.data
        )
    assert evaluation.calibration == counts.summary()
    assert evaluation.calibration.patients == 2


def test_unknown_name_nothing_to_measure_and_cancel(patients, tiny_bundle):
    with pytest.raises(DataError, match="no patient NOBODY"):
        evaluate_root(patients, tiny_bundle, patients=["NOBODY"], device="cpu")
    with pytest.raises(DataError, match="None of 1 patients"):
        evaluate_root(patients, tiny_bundle, patients=["PHANTOM_0008_0002"], device="cpu")
    with pytest.raises(CancelledError):
        evaluate_root(patients, tiny_bundle, device="cpu", cancelled=lambda: True)


def test_patients_the_model_learnt_from_are_named_whatever_the_study_date(tiny_bundle):
    training = {"train_patients": ["TCGA_AB_0001_19990101"]}
    bundle = Bundle(
        tiny_bundle.path, tiny_bundle.manifest.model_copy(update={"training": training})
    )
    results = [_result("TCGA_AB_0001_20010101", 0.9), _result("TCGA_AB_0002_20010101", 0.9)]
    summary = summarise(results, bundle=bundle, engine="e").summary
    assert summary.trained_on == ("TCGA_AB_0001_20010101",)
