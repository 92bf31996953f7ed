"""NIfTI, DICOM and zip archives in a real window: dropped, named, put together otherwise, left."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QFontMetricsF
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import PhantomPatient, write_dicom_phantom
from napari_brainseg.core.formats.nifti.writing import write_nifti
from napari_brainseg.core.imaging import Geometry, Modality
from napari_brainseg.widgets.export_window import MASKS, PICTURES, REPORT
from napari_brainseg.widgets.next_act import Act, next_act
from napari_brainseg.widgets.worklist_delegate import fitting_name

if TYPE_CHECKING:
    from pathlib import Path

PAULA = PhantomPatient(name="Gruenbaum^Paula", patient_id="ID-4711")
GEOMETRY = Geometry.from_affine(
    ((0.0, 0.0, 1.2, -40.0), (0.0, 1.2, 0.0, -40.0), (5.0, 0.0, 0.0, -20.0), (0, 0, 0, 1.0))
)


@pytest.fixture(scope="module")
def phantom():
    return phantom_study(11, 0, lesions=1, slices=6, size=64, missing=())


@pytest.fixture
def dicom(tmp_path: Path, phantom) -> Path:
    return write_dicom_phantom(tmp_path / "dicom" / "export", phantom, patient=PAULA)


def drop(window, *paths: Path) -> None:
    """Drop files on the dock, as a file manager does."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(5, 5), copy, mime, buttons, none)
    QApplication.sendEvent(window.dock, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window.dock, QDropEvent(QPointF(5, 5), copy, mime, buttons, none))


def opened(window) -> None:
    window.wait(lambda: window.view.case is not None and not window.dock.study.is_loading)


def test_a_dropped_zip_of_dicom_opens_and_its_series_can_be_chosen(
    window, dicom: Path, tmp_path: Path
) -> None:
    archive = shutil.make_archive(str(tmp_path / "scans"), "zip", dicom.parent)
    drop(window, tmp_path / archive)
    opened(window)

    study, panel = window.view.case.study, window.dock.study
    assert study.patient.startswith("PT-")
    assert "Gruenbaum, Paula" in panel.identity.text()
    assert window.dock.room.worklist.model.names.short(study.patient) == "Gruenbaum, Paula"
    flair = window.view.layers.image(Modality.FLAIR)
    assert flair.data.max() > 255, "native intensities"
    assert {str(unit) for unit in flair.units} == {"millimeter"}
    assert flair.metadata["patient"] == study.patient
    assert "Gruenbaum" not in repr(flair.metadata)
    window.viewer.mouse_over_canvas = True
    status, _tip = window.viewer._calc_status_from_cursor()
    assert " mm    FLAIR " in status["coordinates"]

    window.desk.preferences.set(hide_identifiers=True)
    window.wait(lambda: not panel.identity.isVisible())

    panel.series_fold.button.click()
    before = dict(study.roles)
    row = panel.series.rows[before[Modality.POST]]
    row.box.setCurrentIndex(row.box.findText("Pre-contrast"))
    row.box.activated.emit(row.box.currentIndex())
    QTest.mouseClick(panel.series.use_button, Qt.MouseButton.LeftButton)
    window.wait(
        lambda: (
            window.view.case is not None
            and window.view.case.study.roles.get(Modality.PRE) == before[Modality.POST]
        )
    )
    assert Modality.POST in window.view.case.study.missing_modalities

    QTest.mouseClick(panel.series.reset_button, Qt.MouseButton.LeftButton)
    window.wait(lambda: dict(window.view.case.study.roles) == before)


def test_files_of_a_nifti_patient_dropped_together_open_as_one(
    window, tmp_path: Path, phantom
) -> None:
    folder = tmp_path / "brats"
    folder.mkdir()
    files = []
    for modality, name in ((Modality.FLAIR, "flair"), (Modality.POST, "t1ce")):
        files.append(folder / f"P1_{name}.nii.gz")
        write_nifti(files[-1], phantom.image.channel(modality).astype(np.int16), GEOMETRY)

    drop(window, *files)
    opened(window)

    case = window.view.case
    assert case.patient == "P1"
    assert case.study.missing_modalities == (Modality.PRE,)
    assert "No pre-contrast: FLAIR stands in" in window.dock.study.notices.text()


def test_the_export_window_follows_the_patient_and_its_key(window, dicom: Path) -> None:
    window.open()
    window.key(Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    window.wait(lambda: window.dock.export_window is not None)
    export = window.dock.export_window
    window.wait(export.isVisible)
    assert window.view.case.patient in export.windowTitle()
    assert [export.tabs.tabText(tab) for tab in (MASKS, PICTURES, REPORT)] == [
        "Masks", "Pictures", "Report",
    ]  # fmt: skip
    frame = window.viewer.window._qt_window.frameGeometry()
    assert abs(export.geometry().right() - frame.right()) < 40, "beside the picture"

    before = window.view.case.patient
    window.dock.workbench.open(dicom)
    window.wait(lambda: window.view.case is not None and window.view.case.patient != before)
    window.wait(lambda: window.view.case.patient in export.windowTitle())
    export.close()


def test_a_long_search_says_how_far_it_is_and_stops(window, dicom: Path) -> None:
    window.open()
    before = window.view.case.patient
    first = next(path for path in sorted(dicom.rglob("*")) if path.is_file())
    for number in range(1500):
        shutil.copy(first, dicom / f"copy{number}.dcm")
    panel = window.dock.study
    told: list[str] = []

    def stop(_count: int) -> None:
        told.append(panel.facts.text())
        if panel.stop_button.isVisible():
            panel.stop_button.click()

    panel.ties.add(window.desk.finding, stop)
    window.dock.workbench.open(dicom)
    window.wait(lambda: bool(told) and not panel.is_loading)

    if window.view.case.patient == before:
        assert any("files looked at" in text for text in told)
    assert not panel.stop_button.isVisible()
    assert not panel.fault.isVisible()


def test_after_3d_a_patient_of_another_spacing_opens_on_its_lesion(window, dicom: Path) -> None:
    window.open()
    views = window.dock.workbench.views
    views.set_mode("3d")
    window.wait(lambda: any(layer.name == "Surface" for layer in window.viewer.layers))
    views.set_mode("axial")
    before = window.view.case.patient

    window.dock.workbench.open(dicom)
    window.wait(lambda: window.view.case is not None and window.view.case.patient != before)

    depth = window.view.case.shape[0]
    assert window.viewer.dims.nsteps[0] == depth
    assert window.view.slice_index == depth // 2, "no mask yet: the middle"


def test_without_flair_what_there_is_is_shown_and_the_series_are_asked_for(
    window, tmp_path: Path, phantom
) -> None:
    folder = tmp_path / "unnamed"
    folder.mkdir()
    for modality, name in ((Modality.PRE, "t1"), (Modality.FLAIR, "t2")):
        data = phantom.image.channel(modality).astype(np.int16)
        write_nifti(folder / f"P1_{name}.nii.gz", data, GEOMETRY)

    window.dock.workbench.open(folder)
    opened(window)

    panel = window.dock.study
    assert window.view.display.modality is Modality.PRE
    assert "nothing can be predicted" in panel.notices.text()
    window.wait(panel.series_fold.button.isChecked)
    assert not window.dock.predict.predict_button.isEnabled()
    assert next_act(window.desk) is Act.CHOOSE_SERIES

    (folder / "P1_t2.nii.gz").rename(folder / "P1_flair.nii.gz")
    window.dock.workbench.open(folder)
    window.wait(lambda: Modality.FLAIR not in window.view.case.study.missing_modalities)
    assert not panel.series_fold.button.isChecked()


def test_a_name_is_shortened_so_that_the_date_stays_whole(qapp) -> None:
    metrics = QFontMetricsF(qapp.font())
    name = "Gruenbaum-Lindenthal, Paula Henriette, 2024-03-12"
    short = fitting_name(name, metrics, metrics.horizontalAdvance("Gruenbaum 2024-03-12"))

    assert short.startswith("Gru")
    assert short.endswith("… 2024-03-12")
    assert fitting_name(name, metrics, 10_000.0) == name
