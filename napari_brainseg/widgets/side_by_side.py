"""The modalities that the canvas does not show, on the same slice beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_brainseg.viewer.orientation import edge_letters
from napari_brainseg.viewer.plane_pictures import plane_picture
from napari_brainseg.viewer.planes import Plane
from napari_brainseg.widgets.plane_texts import PlaneTexts
from napari_brainseg.widgets.plane_view import PlaneView
from napari_brainseg.widgets.strokes_in_planes import StrokesInPlanes
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.throttle import Throttle

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtGui import QShowEvent

    from napari_brainseg.core.imaging import Modality
    from napari_brainseg.viewer.views import Views

__all__ = ["SideBySide"]

PLANES = 2


class SideBySide(QWidget):
    """Two planes with the other two modalities, each under its own window.

    They follow slice, zoom and pan of the canvas. A double click brings a modality to the canvas.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    views : Views
        What is shown.
    canvas : QWidget
        Widget of the picture.
    """

    def __init__(
        self, viewer: Viewer, views: Views, canvas: QWidget, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._views, self._canvas = viewer, views, canvas
        self.planes = tuple(PlaneView() for _ in range(PLANES))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 0, 2)
        layout.setSpacing(2)
        for number, view in enumerate(self.planes):
            layout.addWidget(view, 1)
            view.pointed.connect(self._point)
            view.scrolled.connect(self._scroll)
            view.chosen.connect(lambda n=number: self._choose(n))
            view.setToolTip(self.tr("Double click: bring this modality to the large picture"))
        self._redraw = Throttle(self._draw, self)
        self._strokes = StrokesInPlanes(views, self._on_stroke, self)
        self._ties = ties = Subscriptions(self)
        ties.add(views.crosshair_moved, self._on_crosshair)
        for signal in (views.display.changed, views.case_view.shown):
            ties.add(signal, self.refresh)
        camera = viewer.scene.camera
        ties.add_napari(camera.events.center, self._look)
        ties.add_napari(camera.events.zoom, self._look)
        canvas.installEventFilter(self)
        self._slice = -1

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those beside the canvas, from top to bottom."""
        display = self._views.display
        return tuple(m for m in display.modalities if m is not display.modality)[:PLANES]

    def modality_of(self, number: int) -> Modality | None:
        """Modality in a plane, from the top; `None` where there is none."""
        shown = self.modalities
        return shown[number] if number < len(shown) else None

    def refresh(self, *_news: Any) -> None:
        """Draw all again, soon."""
        if self.isVisible():
            self._redraw.ask()

    def draw_now(self) -> None:
        """Draw at once."""
        self._redraw.now()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened unseen."""
        super().showEvent(event)
        self.refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the canvas."""
        if event.type() == QEvent.Type.Resize:
            self._look()
        return False

    def _draw(self) -> None:
        case, display = self._views.case, self._views.display
        if case is None:
            for view in self.planes:
                view.show_picture(None, (1.0, 1.0))
            return
        self._slice = self._views.crosshair[0]
        _, along_y, along_x = case.study.image.geometry.spacing_mm or (1.0, 1.0, 1.0)
        letters = edge_letters(case.study.image.geometry, Plane.AXIAL)
        known = case.study.image.geometry.spacing_mm is not None
        modalities = self.modalities
        for number, view in enumerate(self.planes):
            view.setVisible(number < len(modalities))
            if number >= len(modalities):
                continue
            modality = modalities[number]
            picture = plane_picture(case.study, display, Plane.AXIAL, self._slice, modality)
            view.show_picture(picture, (along_y, along_x))
            name = self.tr("{modality} (missing)") if display.is_missing(modality) else "{modality}"
            view.set_texts(PlaneTexts(name.format(modality=modality), letters=letters, bar=known))
        self._look()
        self._on_crosshair(self._views.crosshair)

    def _look(self) -> None:
        case = self._views.case
        if case is None or not self.isVisible() or self._viewer.dims.ndisplay != 2:
            return
        camera = self._viewer.scene.camera
        _, along_y, along_x = case.study.image.geometry.spacing_mm or (1.0, 1.0, 1.0)
        _, y, x = camera.center
        reach = min(self._canvas.width(), self._canvas.height()) / camera.zoom
        for view in self.planes:
            view.look_at(((y / along_y, x / along_x), reach))

    def _on_crosshair(self, position: tuple[int, int, int]) -> None:
        z, y, x = position
        if z != self._slice:
            self.refresh()
        for view in self.planes:
            view.set_crosshair((y, x))

    def _on_stroke(self, _rows: range, _columns: range) -> None:
        self.refresh()

    def _point(self, row: float, column: float) -> None:
        self._views.crosshair = (self._views.crosshair[0], round(row), round(column))

    def _scroll(self, steps: int) -> None:
        z, y, x = self._views.crosshair
        self._views.crosshair = (z + steps, y, x)

    def _choose(self, number: int) -> None:
        if number < len(self.modalities):
            self._views.display.modality = self.modalities[number]
