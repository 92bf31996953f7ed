"""The window beside the picture in which results leave: masks, pictures, the patient's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QFrame, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from napari_brainseg.widgets.look import stylesheet
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.widgets.mask_import_box import MakesChange

__all__ = ["MASKS", "PICTURES", "REPORT", "ExportWindow"]

MASKS, PICTURES, REPORT = range(3)
"""The tabs."""
_WIDTH_CHARS = 62
_HEIGHT_LINES = 38


class ExportWindow(QDialog):
    """Not modal: she goes on reading, and what is exported is what is open then.

    Parameters
    ----------
    desk : Desk
        The state it exports.
    theme : callable
        Gives the name of napari's theme.
    make : callable, optional
        Makes the change of a mask that is loaded, and draws it.
    slice_on_show : callable, optional
        Gives the index of the slice on show.
    """

    def __init__(
        self,
        desk: Desk,
        theme: Callable[[], str],
        *,
        make: MakesChange | None = None,
        slice_on_show: Callable[[], int] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        from napari_brainseg.widgets.mask_export_view import MaskExportView
        from napari_brainseg.widgets.pictures_view import PicturesView
        from napari_brainseg.widgets.report_view import ReportView

        self.setObjectName("brainseg-export")
        self.setModal(False)
        self.setWindowFlag(Qt.WindowType.WindowContextHelpButtonHint, False)
        self._desk = desk
        self._theme = theme
        self.ties = Subscriptions(self)
        self.masks = MaskExportView(desk, make)
        self.pictures = PicturesView(desk, slice_on_show)
        self.report = ReportView(desk)
        self.tabs = QTabWidget()
        for view, title in (
            (self.masks, self.tr("Masks")),
            (self.pictures, self.tr("Pictures")),
            (self.report, self.tr("Report")),
        ):
            self.tabs.addTab(_scrolling(view), title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.tabs)
        letters = self.fontMetrics()
        self.resize(_WIDTH_CHARS * letters.averageCharWidth(), _HEIGHT_LINES * letters.height())
        self.ties.add(desk.opened, lambda _case: self.refresh())
        self.ties.add(desk.closed, self.refresh)
        self.refresh()

    def show_tab(self, tab: int) -> None:
        """Come to the front with a tab."""
        self.tabs.setCurrentIndex(tab)
        self.refresh()
        if not self.isVisible():
            self._go_aside()
        self.show()
        # Not before: a style sheet given to a window that was never shown is lost on its children.
        self.dress()
        self.raise_()
        self.activateWindow()

    def dress(self) -> None:
        """Follow napari's theme."""
        self.setStyleSheet(stylesheet(self._theme()))

    def refresh(self) -> None:
        """Name the patient on show."""
        case = self._desk.case
        self.setWindowTitle(
            self.tr("Export")
            if case is None or self._desk.preferences.get("hide_identifiers")
            else self.tr("Export: {patient}").format(patient=case.patient)
        )

    def _go_aside(self) -> None:
        """Stand at the right edge of the window: over the dock, not over the picture."""
        parent = self.parentWidget()
        if parent is not None:
            frame = parent.frameGeometry()
            corner = frame.topRight()
            self.move(corner.x() - self.width(), corner.y() + (frame.height() - self.height()) // 4)


def _scrolling(inside: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inside)
    return area
