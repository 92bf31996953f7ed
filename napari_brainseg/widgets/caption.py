"""Patient and slice, written over the picture's corner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["Caption"]

_CORNER = (10, 8)  # pixels from the upper left


class Caption(QLabel):
    """Says which patient and slice is shown.

    A label of Qt: napari's text overlay needs 10 ms for each letter that it has not drawn before.

    Parameters
    ----------
    canvas : QWidget
        Widget of the picture.
    viewer : napari.Viewer
        Whose slice is shown.
    view : CaseView
        Whose case is shown.
    """

    def __init__(self, canvas: QWidget, viewer: Viewer, view: CaseView) -> None:
        super().__init__(canvas)
        self._view = view
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setStyleSheet(
            "color: #e8e8e8; background: rgba(0, 0, 0, 150); padding: 2px 6px; font-size: 10pt;"
        )
        self.move(*_CORNER)
        self._ties = Subscriptions(self)
        self._ties.add(view.shown, self.refresh)
        self._ties.add_napari(viewer.dims.events.current_step, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow case and slice."""
        case = self._view.case
        self.setVisible(case is not None)
        if case is not None:
            index, count = self._view.slice_index, case.shape[0]
            text = self.tr("{patient}   slice {i} of {n}").format(
                patient=case.patient, i=index + 1, n=count
            )
            if case.study.slice_numbers[index] != index + 1:
                text += self.tr(" (number {k})").format(k=case.study.slice_numbers[index])
            self.setText(text)
            self.adjustSize()
