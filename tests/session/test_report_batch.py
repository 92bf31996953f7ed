"""Reports of patients that no window has open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import BrainSegError, DataError, Study
from napari_brainseg.core.reporting.patient_report import Basis
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.prediction_store import PredictionStore
from napari_brainseg.session.report_batch import ReportBatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.workspace import Workspace

FIRST, SECOND, OTHER = "AB_1_20200101", "AB_1_20200601", "XY_9_20200101"


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "napari_brainseg.core.reporting.key_pictures.key_pictures", lambda *_arguments: ()
    )


class Model:
    """Counts what it is asked to predict."""

    def __init__(self, predict_mask: Callable[..., Prediction]) -> None:
        self.asked: list[str] = []
        self._predict = predict_mask
        self.fault: BrainSegError | None = None

    def __call__(self, study: Study) -> Prediction:
        self.asked.append(study.patient)
        if self.fault is not None:
            raise self.fault
        return self._predict(study, version="now")


@pytest.fixture
def model(predict_mask: Callable[..., Prediction]) -> Model:
    return Model(predict_mask)


def no_fault(folder: StudyFolder, error: BrainSegError) -> None:
    pytest.fail(f"{folder.patient}: {error}")


def test_without_a_workspace_everybody_is_predicted_and_followed(
    model: Model, make_root: Callable[..., Path]
) -> None:
    folders = discover(make_root(SECOND, OTHER, FIRST)).folders
    batch = ReportBatch(model, None, heading="Ward 7")
    made = list(batch.reports(folders, no_fault))
    batch.close()
    assert [report.patient for report in made] == [FIRST, SECOND, OTHER]
    assert {report.basis for report in made} == {Basis.PREDICTION}
    assert {report.heading for report in made} == {"Ward 7"}
    assert [len(r.follow_up.points) if r.follow_up else 0 for r in made] == [2, 2, 0]
    second = made[1].follow_up
    assert second is not None
    assert [point.is_this for point in second.points] == [False, True]


def test_a_correction_counts_first_then_a_kept_prediction(
    model: Model,
    make_root: Callable[..., Path],
    workspace: Workspace,
    predict_mask: Callable[..., Prediction],
) -> None:
    from napari_brainseg.core.dataset.hashing import image_sha256

    folders = discover(make_root(FIRST, SECOND, OTHER)).folders
    catalogue = Catalogue(workspace.catalogue)
    corrected, kept = load_study(folders[0]), load_study(folders[1])
    case = Case(corrected, catalogue)
    correction = case.start_correction("truth", "Ada")
    correction.data[0, 0:2, 0:2] = 1
    correction.commit("brush")
    case.close()
    store = PredictionStore(workspace, catalogue)
    store.save(kept, predict_mask(kept, version="before"), image_sha256(kept))
    catalogue.close()
    before = workspace.catalogue.stat().st_mtime_ns
    batch = ReportBatch(model, None, workspace=workspace)
    made = list(batch.reports(folders, no_fault))
    batch.close()
    assert [report.basis for report in made] == [
        Basis.CORRECTION, Basis.PREDICTION, Basis.PREDICTION,
    ]  # fmt: skip
    assert made[0].lesion.voxels == 132
    assert [None if r.model is None else r.model.version for r in made] == [None, "before", "now"]
    assert model.asked == [OTHER]
    assert made[0].follow_up is not None
    assert made[0].follow_up.is_mixed
    assert workspace.catalogue.stat().st_mtime_ns == before


def test_another_model_than_the_kept_one_predicts_anew(
    model: Model,
    make_root: Callable[..., Path],
    workspace: Workspace,
    predict_mask: Callable[..., Prediction],
) -> None:
    from napari_brainseg.core.dataset.hashing import image_sha256

    (folder,) = discover(make_root(FIRST)).folders
    catalogue = Catalogue(workspace.catalogue)
    study = load_study(folder)
    PredictionStore(workspace, catalogue).save(
        study, predict_mask(study, version="before"), image_sha256(study)
    )
    catalogue.close()
    batch = ReportBatch(model, "now", workspace=workspace)
    report = batch.report(folder)
    batch.close()
    assert report.model is not None
    assert report.model.version == "now"


def test_what_cannot_be_predicted_is_reported_by_its_truth_or_told(
    model: Model, make_root: Callable[..., Path]
) -> None:
    model.fault = DataError("no FLAIR")
    folders = (
        *discover(make_root(FIRST)).folders,
        *discover(make_root(OTHER, name="bare", truth=False)).folders,
    )
    told: list[tuple[str, str]] = []
    batch = ReportBatch(model, None)
    made = list(
        batch.reports(folders, lambda folder, error: told.append((folder.patient, error.message)))
    )
    assert [report.basis for report in made] == [Basis.TRUTH]
    assert told == [(OTHER, "no FLAIR")]
