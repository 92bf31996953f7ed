"""What a report of the open case stands on, and what it knows of the work on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.imaging import (
    DataError,
    Geometry,
    LabelVolume,
    Modality,
    ScalarVolume,
    SeriesInfo,
    Study,
    StudyFormat,
)
from napari_brainseg.core.reporting.patient_report import Basis
from napari_brainseg.session.case import Case, CaseStatus
from napari_brainseg.session.patient_report import report_of, report_of_study, standing_of_study
from napari_brainseg.session.report_export import ReportWish, export_report, outlook
from napari_brainseg.session.review_log import Decision, ReviewAct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing has tests of its own, and takes a second."""
    monkeypatch.setattr(
        "napari_brainseg.core.reporting.key_pictures.key_pictures", lambda *_arguments: ()
    )


@pytest.fixture
def make_case(
    catalogue: Catalogue, make_study: Callable[..., Study]
) -> Iterator[Callable[..., Case]]:
    made: list[Case] = []

    def make(**options: object) -> Case:
        made.append(Case(make_study(), catalogue, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for case in made:
        case.close()


@pytest.fixture
def corrected(make_case: Callable[..., Case], predict_mask: Callable[..., Prediction]) -> Case:
    """Predicted, started from the prediction by Ada, two strokes, one of them by Bo."""
    case = make_case()
    case.set_prediction(predict_mask(case.study))
    correction = case.start_correction("prediction", "Ada")
    correction.data[2, 8:16, 8:10] = 1
    correction.commit("brush")
    correction.editor = "Bo"
    correction.data[3, 8:10, 10:18] = 0
    correction.commit("eraser")
    return case


def approve(case: Case, editor: str = "Cleo", note: str = "") -> None:
    from napari_brainseg.core.dataset.hashing import sha256_of_arrays

    assert case.correction is not None
    sha = sha256_of_arrays(case.correction.saved)
    case.decide(Decision(ReviewAct.APPROVE, editor, note, case.correction.id, sha))


def test_a_correction_tells_who_did_what(catalogue: Catalogue, corrected: Case) -> None:
    report = report_of(catalogue, corrected)
    assert report.basis is Basis.CORRECTION
    assert report.lesion.voxels == 128 + 16 - 16
    assert (report.lesion.ml, report.lesion.components, report.lesion.slices) == (None, 1, 2)
    work = report.work
    assert work is not None
    assert (work.editors, work.strokes) == (("Ada", "Bo"), 2)
    assert (work.base, work.base_version) == ("prediction", "v1")
    assert (work.added_vox, work.removed_vox) == (16, 16)
    assert work.last is not None
    assert report.sign_off is None
    assert report.outlines == ("truth", "correction", "prediction")
    assert [agreement.of for agreement in report.agreements] == ["correction", "prediction"]
    assert report.agreements[1].dsc == pytest.approx(0.75)
    assert report.model is not None
    assert report.model.version == "v1"


def test_an_approval_holds_for_the_mask_that_was_approved(
    catalogue: Catalogue, corrected: Case
) -> None:
    approve(corrected, note="clear")
    report = report_of(catalogue, corrected)
    assert report.basis is Basis.APPROVED
    assert report.sign_off is not None
    assert (report.sign_off.act, report.sign_off.by) == ("approved", "Cleo")
    assert (report.sign_off.note, report.sign_off.second_reader) == ("clear", None)
    assert corrected.correction is not None
    corrected.correction.data[4, 0:4, 0:4] = 1
    corrected.correction.commit("brush")
    changed = report_of(catalogue, corrected)
    assert changed.basis is Basis.CHANGED
    assert changed.sign_off is not None
    assert (changed.sign_off.act, changed.sign_off.by) == ("approved", "Cleo")
    corrected.correction.undo()
    assert report_of(catalogue, corrected).basis is Basis.CORRECTION


def test_a_reopened_case_is_not_approved_any_more(catalogue: Catalogue, corrected: Case) -> None:
    approve(corrected)
    corrected.decide(Decision(ReviewAct.REOPEN, "Cleo"))
    report = report_of(catalogue, corrected)
    assert report.basis is Basis.CORRECTION
    assert report.sign_off is None


def test_a_rejected_case_says_so(catalogue: Catalogue, corrected: Case) -> None:
    corrected.decide(Decision(ReviewAct.REJECT, "Cleo", "motion"))
    report = report_of(catalogue, corrected)
    assert report.basis is Basis.CORRECTION
    assert report.sign_off is not None
    assert (report.sign_off.act, report.sign_off.note) == ("rejected", "motion")


def test_the_second_reader_is_named(catalogue: Catalogue, corrected: Case) -> None:
    corrected.decide(Decision(ReviewAct.ASK, "Ada", "look at slice 3"))
    asked = report_of(catalogue, corrected).sign_off
    assert asked is not None
    assert asked.act == "second reader asked for"
    approve(corrected, "Dr. Two")
    report = report_of(catalogue, corrected)
    assert report.sign_off is not None
    assert (report.sign_off.by, report.sign_off.second_reader) == ("Dr. Two", "Dr. Two")


def test_who_corrected_after_being_asked_is_the_second_reader(
    catalogue: Catalogue, corrected: Case
) -> None:
    corrected.decide(Decision(ReviewAct.ASK, "Ada"))
    assert corrected.correction is not None
    corrected.correction.editor = "Dr. Two"
    corrected.correction.data[2, 0:2, 0:2] = 1
    corrected.correction.commit("brush")
    approve(corrected, "Ada")
    report = report_of(catalogue, corrected)
    assert report.sign_off is not None
    assert (report.sign_off.by, report.sign_off.second_reader) == ("Ada", "Dr. Two")


def test_a_prediction_alone_says_so(
    catalogue: Catalogue, make_case: Callable[..., Case], predict_mask: Callable[..., Prediction]
) -> None:
    case = make_case()
    case.set_prediction(predict_mask(case.study))
    report = report_of(catalogue, case)
    assert report.basis is Basis.PREDICTION
    assert report.work is None
    assert report.outlines == ("truth", "prediction")


def test_without_anything_else_it_is_the_ground_truth(
    catalogue: Catalogue, make_case: Callable[..., Case]
) -> None:
    report = report_of(catalogue, make_case())
    assert report.basis is Basis.TRUTH
    assert report.agreements == ()
    assert report.lesion.voxels == 128


def test_a_study_without_any_mask_is_a_fault(
    catalogue: Catalogue, make_study: Callable[..., Study]
) -> None:
    with pytest.raises(DataError, match="neither a correction nor a prediction"):
        report_of_study(make_study(truth=False), catalogue=catalogue)


def test_a_case_that_is_read_blind_gives_nothing_away(
    catalogue: Catalogue, make_case: Callable[..., Case], predict_mask: Callable[..., Prediction]
) -> None:
    case = make_case(blind=True)
    case.set_prediction(predict_mask(case.study))
    with pytest.raises(DataError, match="read blind"):
        report_of(catalogue, case)


def test_the_catalogue_alone_tells_the_same(catalogue: Catalogue, corrected: Case) -> None:
    approve(corrected)
    opened = report_of(catalogue, corrected)
    standing = standing_of_study(corrected.study, catalogue, corrected.image_sha256)
    read = report_of_study(
        corrected.study, standing, catalogue=catalogue, prediction=corrected.prediction
    )
    assert replace(read, created=opened.created, warnings=opened.warnings) == opened


def test_reading_a_case_for_a_report_leaves_the_right_to_paint_alone(
    catalogue: Catalogue, corrected: Case
) -> None:
    standing_of_study(corrected.study, catalogue, corrected.image_sha256)
    corrected.follow()
    assert corrected.read_only is None
    assert corrected.status is CaseStatus.CORRECTED


def test_measurements_of_the_case_are_in_it(catalogue: Catalogue, corrected: Case) -> None:
    from napari_brainseg.session.measurements import Kind, Measurements

    kept = Measurements(catalogue, corrected.id, corrected.study.image.geometry)
    kept.add(Kind.RULER, 0, 2, ((2.0, 4.0, 4.0), (2.0, 7.0, 8.0)), "Ada", "shift")
    (line,) = report_of(catalogue, corrected).measurements
    assert (line.kind, line.label, line.value) == ("ruler", "shift", pytest.approx(5.0))
    assert (line.unit, line.plane) == ("px", "axial slice 3")


@pytest.fixture
def clinical(make_study: Callable[..., Study]) -> Study:
    """A study as DICOM gives one."""
    study = make_study()
    assert study.truth is not None
    geometry = Geometry((5.0, 1.0, 1.0))
    return replace(
        study,
        image=ScalarVolume(study.image.data, study.image.modalities, geometry),
        truth=LabelVolume(study.truth.data, geometry),
        format=StudyFormat.DICOM,
        roles={Modality.FLAIR: "1.2.840.99"},
        series=(SeriesInfo("1.2.840.99", "AX FLAIR", ()),),
        missing_modalities=(Modality.POST,),
        attributes={"Age": "58 y", "Internal code": "7"},
        identity={"Name": "Doe^Jane", "ID": "4711"},
    )


def test_identity_and_uids_stay_out_unless_asked_for(clinical: Study) -> None:
    report = report_of_study(clinical)
    assert report.identity == {}
    assert "Doe" not in repr(report)
    assert "1.2.840.99" not in repr(report)
    assert report.attributes == {"Age": "58 y"}
    assert report.source == (
        ("Format", "DICOM"), ("FLAIR", "AX FLAIR"), ("Missing", "post-contrast"),
    )  # fmt: skip
    assert report.lesion.ml == pytest.approx(128 * 5 / 1000)
    named = report_of_study(clinical, identifiers=True)
    assert named.identity == {"Name": "Doe^Jane", "ID": "4711"}


def test_the_window_writes_both_files_beside_the_data(
    corrected: Case, catalogue: Catalogue, tmp_path: Path
) -> None:
    class Desk:
        workspace = type("W", (), {"root": tmp_path / "ws"})

    desk = Desk()
    desk.catalogue = catalogue  # type: ignore[attr-defined]
    found = outlook(desk, corrected)  # type: ignore[arg-type]
    assert (found.basis, found.folder) == (Basis.CORRECTION, tmp_path / "ws" / "reports")
    wish = ReportWish(found.folder, heading="Ward 7")
    html, pdf = export_report(desk, corrected, wish)  # type: ignore[arg-type]
    assert "Ward 7" in html.read_text(encoding="utf-8")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_the_patients_own_folder_is_never_written_to(
    catalogue: Catalogue, make_study: Callable[..., Study], tmp_path: Path
) -> None:
    source = tmp_path / "originals"
    source.mkdir()
    case = Case(make_study(path=source), catalogue)
    with pytest.raises(DataError, match="patient's own folder"):
        export_report(None, case, ReportWish(source / "new"))  # type: ignore[arg-type]
    assert list(source.iterdir()) == []
    case.close()


def test_masks_are_not_changed_by_a_report(catalogue: Catalogue, corrected: Case) -> None:
    assert corrected.correction is not None
    before = corrected.correction.data.copy()
    report_of(catalogue, corrected)
    assert np.array_equal(corrected.correction.data, before)
