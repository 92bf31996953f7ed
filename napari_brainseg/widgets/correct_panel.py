"""The tools of a correction, its live figures, and everything that was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.widgets.history_list import HistoryList
from napari_brainseg.widgets.meter_view import MeterView
from napari_brainseg.widgets.panel import Panel, hint_label
from napari_brainseg.widgets.tools_panel import ToolsPanel

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.meter import Meter
    from napari_brainseg.viewer.workbench import Workbench

__all__ = ["CorrectPanel"]


class CorrectPanel(Panel):
    """What a correction is made with, and how it stands.

    Parameters
    ----------
    workbench : Workbench
        Keeps the correction, and paints it.

    Attributes
    ----------
    tools : ToolsPanel
    meter : MeterView
    history : HistoryList
    """

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        desk, view = workbench.desk, workbench.view
        super().__init__(desk, parent)
        self.heading.setText(self.tr("Correct"))
        self.empty = hint_label(
            self.tr("The tools come with a correction: start one in the tab Case.")
        )
        self.tools = ToolsPanel(view, workbench.brushes, workbench.bench)
        self.meter = MeterView()
        self.history = HistoryList(desk, view)
        for widget in (self.empty, self.tools, self.meter, self.history):
            self.body.addWidget(widget)
        self.ties.add(desk.opened, lambda _case: self._on_opened())
        self.ties.add(desk.closed, self.refresh)
        self.ties.add(desk.correction_started, lambda _correction: self.refresh())
        self.ties.add(desk.corrected, self._on_corrected)
        self.ties.add(view.editor.failed, self._on_failed)
        self.ties.add(workbench.bench.failed, self.fault.show_error)
        self.ties.add(view.shown, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the desk."""
        case = self.desk.case
        correction = None if case is None else case.correction
        self.empty.setVisible(correction is None)
        # With a case there is the tab Case; here only the way there is told.
        for widget in (self.heading, self.tools, self.meter, self.history):
            widget.setVisible(correction is not None)
        if correction is not None:
            self.meter.show_meter(correction.meter)
            self.tools.refresh()

    def _on_opened(self) -> None:
        self.fault.clear()
        self.refresh()

    def _on_failed(self, error: BrainSegError) -> None:
        from napari_brainseg.session.catalogue_errors import CatalogueError
        from napari_brainseg.session.write_right import TakenOverError

        # The bar at the top says what the disk refuses and who took the case over.
        if not isinstance(error, CatalogueError | TakenOverError):
            self.fault.show_error(error)

    def _on_corrected(self, meter: Meter) -> None:
        self.fault.clear()
        self.meter.show_meter(meter)
        self.tools.refresh()
