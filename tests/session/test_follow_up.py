"""Volumes of all studies of a patient, from what the catalogue knows."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from napari_brainseg.core.dataset.hashing import image_sha256
from napari_brainseg.core.imaging import Geometry, LabelVolume, ScalarVolume, Study
from napari_brainseg.core.reporting.patient_report import Basis
from napari_brainseg.session import tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.follow_up import day_of, follow_up, merged, studies_of
from napari_brainseg.session.patient_log import PatientRecord, save_patients
from napari_brainseg.session.patient_report import point_of, report_of_study
from napari_brainseg.session.prediction_store import PredictionStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

FIRST, SECOND, THIRD = "AB_1_20200101", "AB_1_20200601", "AB_1_20210101"


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "napari_brainseg.core.reporting.key_pictures.key_pictures", lambda *_arguments: ()
    )


@pytest.fixture
def store(workspace: Workspace, catalogue: Catalogue) -> PredictionStore:
    return PredictionStore(workspace, catalogue)


@pytest.fixture
def predicted(
    store: PredictionStore,
    make_study: Callable[..., Study],
    predict_mask: Callable[..., Prediction],
) -> Callable[..., Study]:
    """A study that a model predicted; voxels of 5 x 1 x 1 mm unless told otherwise."""

    def make(patient: str, version: str = "v1", *, spaced: bool = True) -> Study:
        study = make_study(patient)
        assert study.truth is not None
        if spaced:
            geometry = Geometry((5.0, 1.0, 1.0))
            study = replace(
                study,
                image=ScalarVolume(study.image.data, study.image.modalities, geometry),
                truth=LabelVolume(study.truth.data, geometry),
            )
        store.save(study, predict_mask(study, version=version), image_sha256(study))
        return study

    return make


def correct(catalogue: Catalogue, study: Study) -> None:
    case = Case(study, catalogue)
    correction = case.start_correction("truth", "Ada")
    correction.data[2, 20:24, 20:24] = 1
    correction.commit("brush")
    case.close()


def test_the_name_tells_the_day() -> None:
    assert day_of("TCGA_CS_4944_20010208") == date(2001, 2, 8)
    assert day_of("PT-3fa9_20010208b") == date(2001, 2, 8)
    assert day_of("TCGA_CS_4944") is None
    assert day_of("TCGA_CS_4944_20011341") is None


def test_only_studies_of_the_same_person_belong_together(
    catalogue: Catalogue, predicted: Callable[..., Study]
) -> None:
    for name in (SECOND, FIRST, "AB_11_20200101", "AB_1", "AC_1_20200101"):
        predicted(name)
    assert studies_of(catalogue, SECOND) == (FIRST, SECOND)
    assert studies_of(catalogue, "AB_1") == ("AB_1",)
    assert studies_of(catalogue, "XY_20200101") == ("XY_20200101",)


def test_a_wildcard_in_a_name_is_a_letter(
    catalogue: Catalogue, predicted: Callable[..., Study]
) -> None:
    predicted("ABx1_20200101")
    assert studies_of(catalogue, FIRST) == (FIRST,)


def test_predictions_and_corrections_are_told_apart(
    catalogue: Catalogue, predicted: Callable[..., Study]
) -> None:
    predicted(FIRST)
    correct(catalogue, predicted(SECOND))
    first, second = follow_up(catalogue, FIRST)
    assert (first.study, first.day, first.basis) == (FIRST, date(2020, 1, 1), Basis.PREDICTION)
    assert (first.voxels, first.ml, first.model_version) == (128, pytest.approx(0.64), "v1")
    assert (second.basis, second.voxels) == (Basis.CORRECTION, 144)
    assert second.ml == pytest.approx(0.72)


def test_the_version_in_use_counts_before_a_later_one(
    catalogue: Catalogue, predicted: Callable[..., Study]
) -> None:
    predicted(FIRST, "v1")
    predicted(FIRST, "v2")
    assert follow_up(catalogue, FIRST)[0].model_version == "v2"
    assert follow_up(catalogue, FIRST, version="v1")[0].model_version == "v1"


def test_a_study_that_nobody_predicted_has_no_volume(
    catalogue: Catalogue, predicted: Callable[..., Study], tmp_path: Path
) -> None:
    predicted(FIRST)
    record = PatientRecord(SECOND, tmp_path, "f", 20, time.time(), image_sha256="0" * 64)
    save_patients(catalogue, str(tmp_path), [record])
    _first, second = follow_up(catalogue, FIRST)
    assert (second.study, second.voxels, second.basis) == (SECOND, None, None)


def test_spacing_of_the_files_counts_where_nothing_was_predicted(
    catalogue: Catalogue, make_study: Callable[..., Study], tmp_path: Path
) -> None:
    study = make_study(FIRST)
    correct(catalogue, study)
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.patients).values(
                root=str(tmp_path), patient=FIRST, path=str(tmp_path), fingerprint="f", slices=6,
                spacing_mm="5x1x2", image_sha256=image_sha256(study), found=0.0,
            )
        )  # fmt: skip
    (point,) = follow_up(catalogue, FIRST)
    assert (point.voxels, point.ml) == (144, pytest.approx(1.44))


def test_a_report_has_its_own_study_as_it_says_itself(
    catalogue: Catalogue,
    predicted: Callable[..., Study],
    predict_mask: Callable[..., Prediction],
) -> None:
    predicted(FIRST)
    second = predicted(SECOND)
    predicted(THIRD)
    smaller = predict_mask(second).mask.copy()
    smaller[2] = 0
    report = report_of_study(second, catalogue=catalogue, prediction=predict_mask(second, smaller))
    assert report.follow_up is not None
    assert [p.study for p in report.follow_up.points] == [FIRST, SECOND, THIRD]
    assert [p.voxels for p in report.follow_up.points] == [128, 64, 128]
    assert [p.is_this for p in report.follow_up.points] == [False, True, False]
    assert report.follow_up.points[1] == point_of(report)


def test_a_single_study_has_no_course(
    catalogue: Catalogue,
    predicted: Callable[..., Study],
    predict_mask: Callable[..., Prediction],
) -> None:
    study = predicted(FIRST)
    report = report_of_study(study, catalogue=catalogue, prediction=predict_mask(study))
    assert report.follow_up is None
    assert merged(point_of(report), []) is None
