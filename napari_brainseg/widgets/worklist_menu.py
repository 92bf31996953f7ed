"""What can be done with one patient of the worklist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QGuiApplication
from qtpy.QtWidgets import QMenu

from napari_brainseg.widgets.worklist_filter import STATUSES, status_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.worklist_row import WorklistRow
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["mark", "row_menu"]


def row_menu(
    parent: QWidget,
    row: WorklistRow,
    names: Names,
    *,
    open_patient: Callable[[str], None],
    predict: Callable[[str], None] | None,
    mark_as: Callable[[str, str], None],
    sort_menu: QMenu,
) -> QMenu:
    """Build the context menu of a row.

    Parameters
    ----------
    parent : QWidget
        Owner.
    row : WorklistRow
        The patient.
    names : Names
        Where identifiers are hidden, nothing in the menu shows the name.
    open_patient : callable
        Gets the patient.
    predict : callable, optional
        Gets the patient; left out while all are being predicted.
    mark_as : callable
        Gets the patient and a status.
    sort_menu : QMenu
        Ways to sort the list.
    """
    patient, tr = row.patient, parent.tr
    is_readable = not (row.fault or row.vanished)
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.setToolTipsVisible(True)
    opening = menu.addAction(tr("Open\tEnter"), lambda: open_patient(patient))
    opening.setEnabled(is_readable)
    predicting = menu.addAction(tr("Predict now"))
    predicting.setEnabled(is_readable and predict is not None)
    if predict is None:
        predicting.setToolTip(tr("All patients are being predicted; this one has its turn"))
    else:
        predicting.triggered.connect(lambda: predict(patient))
        predicting.setToolTip(tr("In the background, without opening the patient"))
    marks = menu.addMenu(tr("Mark as"))
    marks.setEnabled(is_readable)
    for status in STATUSES:
        action = marks.addAction(
            status_word(status), lambda status=status: mark_as(patient, status.value)
        )
        action.setCheckable(True)
        action.setChecked(row.status == status)
    menu.addSeparator()
    menu.addMenu(sort_menu)
    folder = menu.addAction(
        tr("Show folder"), lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(row.path)))
    )
    # A file manager would show the name.
    folder.setEnabled(not (row.vanished or names.hidden))
    menu.addAction(
        tr("Copy name"), lambda: QGuiApplication.clipboard().setText(names.full(patient))
    )
    if row.fault:
        fault = names.scrub(f"{row.fault} {row.hint or ''}".strip())
        menu.addAction(tr("Copy fault"), lambda: QGuiApplication.clipboard().setText(fault))
    return menu


def mark(desk: Desk, patient: str, status: str) -> None:
    """Set the status of a patient; waits for the catalogue, so run it in a worker."""
    desk.review.mark(patient, status)
