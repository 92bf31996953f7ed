"""All that measures in one window, put together: state, canvas, planes, panel."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_brainseg.session.case_measurements import CaseMeasurements
from napari_brainseg.viewer.measuring import Measuring
from napari_brainseg.viewer.planes import Plane
from napari_brainseg.widgets.measure_badge import MeasureBadge
from napari_brainseg.widgets.measure_overlay import MeasureOverlay
from napari_brainseg.widgets.measure_panel import MeasurePanel
from napari_brainseg.widgets.measure_panes import CanvasPane, PlanePane
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.workbench import Workbench
    from napari_brainseg.widgets.linked_views import SidePlanes

__all__ = ["MeasureSet"]


class MeasureSet(QObject):
    """Rulers and areas of a window; made with the dock and gone with it.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    workbench : Workbench
        Its state.
    canvas : QWidget
        Widget of the picture.
    planes : SidePlanes
        What stands beside it.
    parent : QObject
        The dock.

    Attributes
    ----------
    measurements : CaseMeasurements
        Of the open case.
    measuring : Measuring
        The tools.
    panel : MeasurePanel
        Buttons and list; to be put into the dock.
    """

    def __init__(
        self,
        viewer: Viewer,
        workbench: Workbench,
        canvas: QWidget,
        planes: SidePlanes,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        desk, views = workbench.desk, workbench.views
        self.measurements = CaseMeasurements(desk)
        self.measuring = Measuring(
            viewer, workbench.view, self.measurements, workbench.brushes, workbench.bench
        )
        pane = CanvasPane(canvas, views, planes.crosshair)
        self.overlay = MeasureOverlay(pane, self.measuring)
        self.on_planes = {
            plane: MeasureOverlay(PlanePane(view, views, plane), self.measuring, has_keys=False)
            for plane, view in planes.linked.planes.items()
        }
        beside = planes.side_by_side
        self.on_modalities = tuple(
            MeasureOverlay(
                PlanePane(view, views, Plane.AXIAL, partial(beside.modality_of, number)),
                self.measuring,
                has_keys=False,
            )
            for number, view in enumerate(beside.planes)
        )
        self.badge = MeasureBadge(canvas, self.measuring)
        self.panel = MeasurePanel(self.measuring, views)
        self._ties = ties = Subscriptions(self)
        ties.add(self.measurements.fault, desk.fault.emit)
        camera = viewer.scene.camera
        for emitter in (
            camera.events.zoom, camera.events.center, viewer.dims.events.current_step,
        ):  # fmt: skip
            ties.add_napari(emitter, self.overlay.follow)
        for plane, view in planes.linked.planes.items():
            view.placed.connect(self.on_planes[plane].follow)
        for overlay, view in zip(self.on_modalities, beside.planes, strict=True):
            view.placed.connect(overlay.follow)
        ties.add(views.crosshair_moved, self._on_crosshair)
        parent.destroyed.connect(self._go)

    def actions(self) -> dict[str, Callable[[], None]]:
        """Return what the keys do, see `viewer.shortcuts`."""
        return self.panel.actions()

    def _on_crosshair(self, _position: tuple[int, int, int]) -> None:
        for overlay in (*self.on_planes.values(), *self.on_modalities):
            overlay.follow()

    def _go(self, _object: QObject | None = None) -> None:
        self.measuring.end()
        self.measurements.close()
        for widget in (self.overlay, *self.on_planes.values(), *self.on_modalities, self.badge):
            # When the whole window goes, they may have gone before.
            with contextlib.suppress(RuntimeError):
                widget.deleteLater()
