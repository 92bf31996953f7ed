from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import text

from napari_brainseg.core.imaging import DataError, ScalarVolume, Study
from napari_brainseg.session.case import Case, CaseStatus, case_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


@pytest.fixture
def case(study: Study, catalogue: Catalogue) -> Case:
    return Case(study, catalogue)


def test_the_status_follows_the_work_and_can_be_reopened(case: Case) -> None:
    seen: list[str] = []
    case.status_changed.connect(seen.append)
    assert case.status is CaseStatus.NEW
    correction = case.start_correction("empty", "Ada")
    correction.data[0, 0, 0] = 1
    correction.commit()
    case.mark(CaseStatus.APPROVED)
    correction.undo()  # what was signed off is not what is there now
    assert seen == ["in progress", "corrected", "approved", "corrected"]


def test_the_status_is_kept(case: Case, study: Study, catalogue: Catalogue) -> None:
    case.mark(CaseStatus.APPROVED)
    assert Case(study, catalogue).status is CaseStatus.APPROVED
    (record,) = case_records(catalogue)
    assert (record.patient, record.status) == (study.patient, CaseStatus.APPROVED)


def test_a_correction_starts_as_a_copy_of_its_base(
    case: Case, predict_mask: Callable[..., Prediction]
) -> None:
    prediction = predict_mask(case.study)
    case.set_prediction(prediction)
    correction = case.start_correction("prediction", "Ada")
    np.testing.assert_array_equal(correction.data, prediction.mask)
    assert correction.base_version == "v1"
    correction.data[:] = 0
    assert prediction.mask.any()
    assert correction.base_mask.any()


def test_a_saved_correction_wins_over_a_new_prediction_and_another_base(
    case: Case, study: Study, catalogue: Catalogue, predict_mask: Callable[..., Prediction]
) -> None:
    first = case.start_correction("truth", "Ada")
    first.data[0, :4, :4] = 1
    first.commit()
    again = Case(study, catalogue)
    again.set_prediction(predict_mask(study))
    assert again.correction is not None
    np.testing.assert_array_equal(again.correction.data, first.data)
    assert again.start_correction("prediction", "Bob") is again.correction
    assert again.correction.base == "truth"
    assert again.correction.editor == "Bob"


def test_a_prediction_that_comes_later_is_compared_with(
    case: Case, predict_mask: Callable[..., Prediction]
) -> None:
    meters = []
    case.corrected.connect(meters.append)
    correction = case.start_correction("truth", "Ada")
    assert correction.meter.dsc_prediction is None
    case.set_prediction(predict_mask(case.study))
    assert meters[-1].dsc_prediction == pytest.approx(0.75)


def test_a_discarded_correction_makes_way_and_stays_in_the_catalogue(
    case: Case, catalogue: Catalogue
) -> None:
    first = case.start_correction("truth", "Ada")
    first.data[0, 0, 0] = 1
    first.commit()
    case.discard_correction()
    assert case.correction is None
    assert case.status is CaseStatus.NEW
    assert not case.start_correction("empty", "Ada").data.any()
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM strokes")).scalar_one() == 1


@pytest.mark.parametrize(
    ("base", "truth", "words"),
    [("prediction", True, "no prediction"), ("truth", False, "no ground truth")],
)
def test_a_base_that_is_not_there_is_refused(
    base: str,
    truth: bool,
    words: str,
    make_study: Callable[..., Study],
    catalogue: Catalogue,
) -> None:
    case = Case(make_study(truth=truth), catalogue)
    with pytest.raises(DataError, match=words) as caught:
        case.start_correction(base, "Ada")  # type: ignore[arg-type]
    assert "empty mask" in caught.value.hint
    assert case.status is CaseStatus.NEW


def test_nobody_corrects_anonymously(case: Case) -> None:
    with pytest.raises(DataError, match="Nobody"):
        case.start_correction("empty", " ")


def test_a_prediction_of_another_patient_or_grid_is_refused(
    case: Case, make_study: Callable[..., Study], predict_mask: Callable[..., Prediction]
) -> None:
    with pytest.raises(DataError, match="is for OTHER"):
        case.set_prediction(predict_mask(make_study("OTHER")))
    small = np.zeros((1, 2, 2), np.uint8)
    with pytest.raises(DataError, match=r"\(1, 2, 2\)"):
        case.set_prediction(predict_mask(case.study, small))


def test_the_same_patient_with_other_voxels_is_another_case_and_says_so(
    case: Case, study: Study, catalogue: Catalogue
) -> None:
    case.start_correction("truth", "Ada")
    changed = dataclasses.replace(study, image=ScalarVolume(study.image.data // 2))
    other = Case(changed, catalogue)
    assert other.correction is None
    assert "other voxels" in other.notes[-1]
    assert Case(study, catalogue).notes == ()
    renamed = Case(dataclasses.replace(study, patient="RENAMED"), catalogue)
    assert f"corrected as {study.patient}." in renamed.notes[-1]


def test_a_damaged_correction_is_named(case: Case, study: Study, catalogue: Catalogue) -> None:
    case.start_correction("truth", "Ada")
    with catalogue.write() as connection:
        connection.execute(text("UPDATE corrections SET base_mask = X'00'"))
    with pytest.raises(DataError, match="cannot be read") as caught:
        Case(study, catalogue)
    assert "catalogue.sqlite" in caught.value.hint


def test_a_blind_case_withholds_its_prediction_until_something_is_drawn(
    study: Study, catalogue: Catalogue, predict_mask: Callable[..., Prediction]
) -> None:
    case = Case(study, catalogue, blind=True)
    shown: list[object] = []
    case.prediction_changed.connect(shown.append)
    prediction = predict_mask(study)
    case.set_prediction(prediction)
    assert (case.is_blind, case.prediction, shown) == (True, None, [])
    with pytest.raises(DataError, match="without the prediction"):
        case.start_correction("prediction", "Ada")
    correction = case.start_correction("empty", "Ada")
    assert correction.meter.dsc_prediction is None
    correction.data[0, 0, 0] = 1
    correction.commit()
    assert (case.is_blind, case.prediction, shown) == (False, prediction, [prediction])
    assert correction.meter.dsc_prediction == 0.0
    # What was seen cannot be unseen.
    assert not Case(study, catalogue, blind=True).is_blind


def test_a_blind_case_signed_off_without_a_stroke_shows_its_prediction(
    study: Study, catalogue: Catalogue, predict_mask: Callable[..., Prediction]
) -> None:
    case = Case(study, catalogue, blind=True)
    case.set_prediction(predict_mask(study))
    case.start_correction("empty", "Ada")
    case.mark(CaseStatus.APPROVED)
    assert case.prediction is not None


def test_opening_a_known_case_again_writes_nothing(
    study: Study, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    Case(study, catalogue)
    monkeypatch.setattr(type(catalogue), "write", lambda _self: 1 // 0)
    Case(study, catalogue)


@pytest.mark.parametrize("status", [CaseStatus.IN_PROGRESS, CaseStatus.APPROVED])
def test_a_stroke_of_a_window_that_was_killed_before_it_wrote_the_status_counts(
    status: CaseStatus, case: Case, study: Study, catalogue: Catalogue
) -> None:
    correction = case.start_correction("empty", "Ada")
    case.mark(status)
    correction.committed.disconnect()  # as if killed between the two writes
    correction.data[0, 0, 0] = 1
    correction.commit()
    assert case.status is status
    case.close()
    assert Case(study, catalogue).status is CaseStatus.CORRECTED
    assert [r.status for r in case_records(catalogue)] == [CaseStatus.CORRECTED]
