"""A DICOM study from the scanner's files to an approved mask, DICOM SEG and report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.widgets.correcting_tour import begin, look_at_unseen
from napari_brainseg.widgets.dock import CASE, CORRECT
from napari_brainseg.widgets.export_window import MASKS, REPORT
from napari_brainseg.widgets.hands import Hands, TourError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.session.case import Case
    from napari_brainseg.widgets.dock import BrainSegDock

__all__ = ["clinical"]

_PATIENCE_S = 60.0


def clinical(
    hands: Hands,
    dock: BrainSegDock,
    show: Callable[[str, str, str], None],
    *,
    source: Path,
    output: Path,
    editor: str,
) -> dict[str, object]:
    """Take a DICOM study from the scanner's files to a segmentation that a PACS reads.

    Parameters
    ----------
    hands : Hands
        The user's.
    dock : BrainSegDock
        Of a window.
    show : callable
        Gets name, title and text of each step, and takes its picture.
    source : Path
        Folder of DICOM files; only read.
    output : Path
        Folder for what leaves.
    editor : str
        Name to give when it is asked for.

    Returns
    -------
    dict
        Figures.

    Raises
    ------
    TourError
        If a step did not do what it says.
    """
    before = _stamps(source)
    case = _open(hands, dock, show, source)
    _correct(hands, dock, case, editor)
    looked = look_at_unseen(hands, dock)
    hands.click(dock.export.export_button)
    hands.wait_for(lambda: case.status.value == "approved", 30, "the approval")
    show(
        "dicom-approved", "DICOM: approve",
        f"Corrected by brush, {looked} slices looked at, approved into the training set.",
    )  # fmt: skip
    written = _export_mask(hands, dock, case, output)
    show("dicom-seg", "DICOM: the mask leaves", f"As DICOM SEG, {written.name}, read back equal.")
    page = _export_report(hands, dock, output)
    show("dicom-report", "DICOM: report", f"One page: {page.name}.")
    dock.export_window.hide()  # type: ignore[union-attr]
    if _stamps(source) != before:
        raise TourError(f"The DICOM files in {source} are not what they were.")
    return {"dicom_slices": case.shape[0], "dicom_seg": written.name}


def _open(
    hands: Hands, dock: BrainSegDock, show: Callable[[str, str, str], None], source: Path
) -> Case:
    desk = dock.workbench.desk
    dock.tabs.setCurrentIndex(CASE)
    dock.workbench.open(source)
    hands.wait_for(
        lambda: desk.case is not None and desk.case.study.path == source, _PATIENCE_S,
        "the DICOM study to open",
    )  # fmt: skip
    case = desk.case
    assert case is not None
    hands.wait_for(lambda: case.prediction is not None, 2 * _PATIENCE_S, "the prediction")
    hands.wait_for(lambda: not dock.predict.is_busy, 10, "the end of the prediction")
    series = dock.study.series_fold
    if series is None or not series.isVisible():
        raise TourError("The series of the DICOM study are not shown.")
    hands.click(series.button)
    show(
        "dicom-open", "DICOM: open and predict",
        f"{len(case.study.series)} series, recognised and brought onto the grid of FLAIR.",
    )  # fmt: skip
    hands.click(series.button)
    return case


def _correct(hands: Hands, dock: BrainSegDock, case: Case, editor: str) -> None:
    correction = begin(hands, dock, case, editor)
    areas = correction.data.sum(axis=(1, 2))
    z = int(areas.argmax())
    dock.workbench.view.go_to(z)
    hands.rest(0.3)
    lesion = correction.data[z] > 0
    rows = np.flatnonzero(lesion.any(axis=1))
    if rows.size == 0:
        raise TourError("The prediction of the DICOM study is empty.")
    # Along its right edge, outwards.
    edge = [(float(y), float(np.flatnonzero(lesion[y]).max() + 2)) for y in rows[2:-2]]
    dock.correct.tools.take("brush")
    dock.workbench.brushes.size = 4
    strokes = correction.meter.strokes
    hands.stroke(edge)
    if correction.meter.strokes == strokes:
        raise TourError("The brush stroke on the DICOM study changed nothing.")
    dock.correct.tools.take("move")
    dock.tabs.setCurrentIndex(CORRECT)


def _export_mask(hands: Hands, dock: BrainSegDock, case: Case, output: Path) -> Path:
    from napari_brainseg.core.formats.masks import MaskFormat, read_mask

    assert case.correction is not None
    dock.show_export(MASKS)
    assert dock.export_window is not None
    view = dock.export_window.masks
    hands.rest(0.3)
    view.folder = output
    view.refresh()
    hands.click(view.formats[MaskFormat.DICOM_SEG])
    hands.click(view.export_button)
    hands.wait_for(lambda: view.open_button.isVisible(), _PATIENCE_S, "the DICOM SEG")
    (path,) = output.glob("*.dcm")
    found = read_mask(path, case.study)
    if not np.array_equal(found.data, case.correction.data):
        raise TourError(f"{path} does not hold the corrected mask.")
    return path


def _export_report(hands: Hands, dock: BrainSegDock, output: Path) -> Path:
    dock.show_export(REPORT)
    assert dock.export_window is not None
    view = dock.export_window.report
    view.set_folder(output)
    hands.wait_for(lambda: view.write_button.isEnabled(), _PATIENCE_S, "the report's outlook")
    hands.click(view.write_button)
    hands.wait_for(lambda: view.open_pdf.isVisible(), _PATIENCE_S, "the report")
    (page,) = output.glob("*.pdf")
    return page


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
