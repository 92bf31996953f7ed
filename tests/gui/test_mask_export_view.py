"""Masks out of the window and into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from psygnal.qt import start_emitting_from_queue, stop_emitting_from_queue
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import write_dicom_phantom
from napari_brainseg.core.formats.masks import MaskFormat, read_mask
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.workspace import Workspace
from napari_brainseg.widgets.mask_export_view import MaskExportView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@pytest.fixture
def view(qtbot: Any, tmp_path: Path) -> Iterator[MaskExportView]:
    preferences = Preferences(tmp_path / "preferences.json")
    preferences.set(predict_on_open=False, prefetch=False)
    desk = Desk(Workspace(tmp_path / "workspace").create(), preferences=preferences)
    start_emitting_from_queue()
    shown = MaskExportView(desk)
    qtbot.addWidget(shown)
    shown.resize(420, 600)
    shown.show()
    yield shown
    stop_emitting_from_queue()
    desk.close()


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = phantom_study(4, 0, slices=5, size=48, lesions=1)
    return write_dicom_phantom(tmp_path_factory.mktemp("export"), study)


def opened(view: MaskExportView, path: Path, qtbot: Any) -> Any:
    case = view.desk.open(path)
    qtbot.waitUntil(lambda: view.load.file_button.isEnabled())
    return case


def predicted(case: Any) -> None:
    mask = np.zeros(case.shape, np.uint8)
    mask[1:3, 5:9, 5:9] = 1
    case.set_prediction(
        Prediction(
            case.patient,
            mask * np.float32(0.9),
            mask,
            np.zeros(case.shape, np.float32),
            "default-3",
            "a test",
            "a test",
        )
    )


def offered(view: MaskExportView) -> list[str]:
    return [view.which.itemData(i) for i in range(view.which.count())]


def enabled(view: MaskExportView) -> set[MaskFormat]:
    return {kind for kind, button in view.formats.items() if button.isEnabled()}


def exported(view: MaskExportView, qtbot: Any) -> Path:
    view.export_button.click()
    qtbot.waitUntil(lambda: view.open_button.isVisible() or bool(view.fault.text))
    assert view.fault.text == ""
    return Path(view.result.text().removeprefix("Written: ").replace("\u200b", ""))


def test_without_a_patient_nothing_can_be_done(view: MaskExportView) -> None:
    assert offered(view) == []
    assert not view.export_button.isEnabled()
    assert not view.load.file_button.isEnabled()
    assert "Open a patient" in view.about.text()


def test_a_dicom_patient_goes_out_as_segmentation(
    view: MaskExportView, export: Path, tmp_path: Path, qtbot: Any
) -> None:
    case = opened(view, export, qtbot)
    assert offered(view) == []
    assert "no mask yet" in view.about.text()
    predicted(case)
    qtbot.waitUntil(lambda: offered(view) == ["prediction"])
    assert enabled(view) == set(MaskFormat)
    assert "default-3" in view.about.text()
    view.desk.editor = "Ada"
    correction = view.desk.start_correction("prediction")
    correction.data[0, :3, :3] = 1
    correction.commit("brush")
    qtbot.waitUntil(lambda: view.which.currentData() == "correction")
    qtbot.waitUntil(lambda: "corrected prediction, default-3, Ada" in view.about.text())
    assert enabled(view) == set(MaskFormat) - {MaskFormat.DICOM_SEG_FRACTIONAL}
    assert "Only a prediction has probabilities" in view.reason.text()

    view.folder = tmp_path / "out"
    view.formats[MaskFormat.DICOM_SEG].setChecked(True)
    path = exported(view, qtbot)

    assert path == tmp_path / "out" / f"{case.patient}_correction.dcm"
    np.testing.assert_array_equal(read_mask(path, case.study).data, correction.data)
    assert exported(view, qtbot).name == f"{case.patient}_correction_2.dcm"


def test_a_tiff_patient_says_why_there_is_no_segmentation(
    view: MaskExportView, root: Path, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(view, root, qtbot)
    assert offered(view) == ["truth"]
    assert enabled(view) == {MaskFormat.TIFF, MaskFormat.NIFTI}
    assert "files are kaggle_3m" in view.reason.text()
    assert view.export_button.text().endswith("…")
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *_args: str(tmp_path / "chosen")
    )
    assert exported(view, qtbot).parent == tmp_path / "chosen"


def test_a_fault_stands_in_the_view(view: MaskExportView, root: Path, qtbot: Any) -> None:
    case = opened(view, root, qtbot)
    view.folder = case.study.path
    view.export_button.click()
    qtbot.waitUntil(lambda: "original data is never written to" in view.fault.text)
    assert view.export_button.isEnabled()
    assert not view.open_button.isVisible()


def mask_on_disk(folder: Path, case: Any, mask: NDArray[np.uint8]) -> Path:
    return write_patient(folder, case.patient, None, mask, case.study.slice_numbers)


def test_a_mask_from_a_file_is_one_action(
    view: MaskExportView, root: Path, tmp_path: Path, qtbot: Any
) -> None:
    case = opened(view, root, qtbot)
    mask = np.zeros(case.shape, np.uint8)
    mask[2, 5:8, 5:9] = 1
    view.load.load(mask_on_disk(tmp_path / "masks", case, mask))
    qtbot.waitUntil(lambda: view.load.editor_field.isVisible())
    view.load.editor_field.name.setText("Ada")
    view.load.editor_field.accept.click()
    qtbot.waitUntil(lambda: "12 voxels added" in view.load.result.text())

    assert view.desk.editor == "Ada"
    (action,) = case.correction.actions()
    assert (action.tool, action.editor) == ("import", "Ada")
    np.testing.assert_array_equal(case.correction.data, mask)
    case.correction.undo()
    assert not case.correction.data.any()
    view.load.load(tmp_path / "masks" / case.patient)
    qtbot.waitUntil(lambda: len(case.correction.actions()) == 2)
    view.load.load(tmp_path / "masks" / case.patient)
    qtbot.waitUntil(lambda: "holds this mask already" in view.load.result.text())


def test_of_several_segments_one_is_chosen(
    view: MaskExportView, export: Path, tmp_path: Path, qtbot: Any
) -> None:
    import highdicom as hd
    import pydicom
    from pydicom.sr.codedict import codes

    case = opened(view, export, qtbot)
    grid = case.study.grid
    labels = np.zeros(grid.shape, np.uint8)
    labels[1, 4:8, 4:8], labels[2, 4:8, 4:8] = 1, 2
    described = [
        hd.seg.SegmentDescription(
            n, label, codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Edema, "MANUAL"
        )
        for n, label in ((1, "Core"), (2, "Edema"))
    ]
    hd.seg.Segmentation(
        [pydicom.dcmread(frame.path) for frame in grid.frames], labels, "BINARY", described,
        hd.UID(), 1, hd.UID(), 1, "Other", "Other", "1", "1",
    ).save_as(tmp_path / "two.dcm")  # fmt: skip
    view.desk.editor = "Ada"

    view.load.load(tmp_path / "two.dcm")
    qtbot.waitUntil(lambda: view.load.take_button.isVisible())
    assert [view.load.segment.itemText(i) for i in range(3)] == [
        "All 2 segments together", "Core", "Edema",
    ]  # fmt: skip
    view.load.segment.setCurrentIndex(2)
    view.load.take_button.click()
    qtbot.waitUntil(lambda: "16 voxels added" in view.load.result.text())

    expected = grid.reorientation.apply(labels == 2)
    np.testing.assert_array_equal(case.correction.data, expected)


def test_a_mask_that_does_not_fit_is_refused_in_place(
    view: MaskExportView, root: Path, tmp_path: Path, qtbot: Any
) -> None:
    case = opened(view, root, qtbot)
    path = write_patient(tmp_path / "other", "X", None, np.ones((2, 4, 4), np.uint8), [1, 2])
    view.desk.editor = "Ada"
    view.load.load(path)
    qtbot.waitUntil(lambda: "another grid" in view.load.fault.text)
    assert case.correction is None
    assert view.load.file_button.isEnabled()


@pytest.mark.parametrize("width", [300, 420])
def test_nothing_is_wider_than_the_view(
    view: MaskExportView, root: Path, qtbot: Any, width: int
) -> None:
    opened(view, root, qtbot)
    view.resize(width, 700)
    qtbot.wait(1)
    assert view.minimumSizeHint().width() <= width
    for child in view.findChildren(QWidget):
        if child.isVisible():
            assert child.mapTo(view, child.rect().topRight()).x() <= width


def test_the_canvas_shows_a_mask_at_once(window: Any, tmp_path: Path) -> None:
    window.open()
    window.correct()
    case, layer = window.desk.case, window.view.layers.correction
    drawn: list[object] = []
    layer.events.set_data.connect(drawn.append)
    view = MaskExportView(window.desk, window.view.editor.apply)
    mask = np.zeros(case.shape, np.uint8)
    mask[1, 3:6, 3:6] = 1
    drawn.clear()

    view.load.load(mask_on_disk(tmp_path / "masks", case, mask))
    window.wait(lambda: view.load.result.text() != "")

    assert drawn
    np.testing.assert_array_equal(layer.data, mask)
    window.view.editor.undo()
    assert (layer.data == case.prediction.mask).all()
    view.deleteLater()
