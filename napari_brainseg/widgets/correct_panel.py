"""Correction by brush: the tools, and the live figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.widgets.meter_view import MeterView
from napari_brainseg.widgets.panel import Panel, hint_label
from napari_brainseg.widgets.tools import Tools

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.meter import Meter
    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["CorrectPanel"]


class CorrectPanel(Panel):
    """What a correction is made with, and how it stands.

    Parameters
    ----------
    desk : Desk
        Keeps the correction.
    view : CaseView
        Paints it.
    """

    def __init__(self, desk: Desk, view: CaseView, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.heading.setText(self.tr("Correct"))
        self.empty = hint_label(
            self.tr("The tools come with a correction: start one in the tab Case.")
        )
        self.tools = Tools(view)
        self.meter = MeterView()
        for widget in (self.empty, self.tools, self.meter):
            self.body.addWidget(widget)
        self.ties.add(desk.opened, lambda _case: self._on_opened())
        self.ties.add(desk.closed, self.refresh)
        self.ties.add(desk.correction_started, lambda _correction: self.refresh())
        self.ties.add(desk.corrected, self._on_corrected)
        self.ties.add(view.editor.failed, self.fault.show_error)
        self.ties.add(view.shown, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the desk."""
        case = self.desk.case
        correction = None if case is None else case.correction
        self.empty.setVisible(correction is None)
        for widget in (self.tools, self.meter):
            widget.setVisible(correction is not None)
        if correction is not None:
            self.meter.show_meter(correction.meter)
            self.tools.refresh()

    def _on_opened(self) -> None:
        self.fault.clear()
        self.refresh()

    def _on_corrected(self, meter: Meter) -> None:
        self.fault.clear()
        self.meter.show_meter(meter)
        self.tools.refresh()
