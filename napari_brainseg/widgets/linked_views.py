"""Sagittal and coronal plane beside the canvas, tied to it by a crosshair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from napari_brainseg.viewer.orientation import edge_letters
from napari_brainseg.viewer.plane_pictures import plane_picture
from napari_brainseg.viewer.planes import Plane
from napari_brainseg.viewer.views import LINKED, SIDE_BY_SIDE
from napari_brainseg.widgets.canvas_crosshair import CanvasCrosshair
from napari_brainseg.widgets.look import stylesheet
from napari_brainseg.widgets.plane_texts import PlaneTexts
from napari_brainseg.widgets.plane_view import PlaneView
from napari_brainseg.widgets.scene_overlay import SceneOverlay
from napari_brainseg.widgets.side_by_side import SideBySide
from napari_brainseg.widgets.strokes_in_planes import StrokesInPlanes
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.thickness_row import ThicknessRow
from napari_brainseg.widgets.throttle import Throttle

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtGui import QShowEvent

    from napari_brainseg.viewer.views import Views

__all__ = ["LinkedViews", "SidePlanes", "install"]

CANVAS_STRETCH, PLANES_STRETCH = 62, 38
"""Shares of the picture's width."""


class LinkedViews(QWidget):
    """Sagittal plane above coronal plane, read-only, live while somebody paints.

    Parameters
    ----------
    views : Views
        Where the crosshair is and what is shown.
    """

    def __init__(self, views: Views, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._views = views
        self._dirty = {Plane.SAGITTAL, Plane.CORONAL}
        self.sagittal = PlaneView(rows_up=True)
        self.coronal = PlaneView(rows_up=True)
        self.planes = {Plane.SAGITTAL: self.sagittal, Plane.CORONAL: self.coronal}
        self.thickness = ThicknessRow(views)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 0, 0)
        layout.setSpacing(2)
        for plane, view in self.planes.items():
            layout.addWidget(view, 1)
            view.pointed.connect(lambda row, column, p=plane: self._point(p, row, column))
            view.scrolled.connect(lambda steps, p=plane: self._scroll(p, steps))
        layout.addWidget(self.thickness)
        self._redraw = Throttle(self._draw, self)
        self._strokes = StrokesInPlanes(views, self._on_stroke, self)
        self._ties = ties = Subscriptions(self)
        ties.add(views.crosshair_moved, self._on_crosshair)
        ties.add(views.spacing_changed, self.refresh)
        ties.add(views.display.changed, self._on_display)
        ties.add(views.case_view.shown, self.refresh)
        self._drawn_at = views.crosshair

    def refresh(self, *_news: Any) -> None:
        """Draw both planes again, soon."""
        self._mark(Plane.SAGITTAL, Plane.CORONAL)

    def draw_now(self) -> None:
        """Draw what is waiting to be drawn, at once."""
        self._redraw.now()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened unseen."""
        super().showEvent(event)
        self.refresh()

    def _mark(self, *planes: Plane) -> None:
        self._dirty.update(planes)
        if self._dirty and self.isVisible():
            self._redraw.ask()

    def _on_crosshair(self, position: tuple[int, int, int]) -> None:
        z, y, x = position
        self._mark(
            *(
                plane
                for plane, view in self.planes.items()
                if view.picture is None or position[plane] != self._drawn_at[plane]
            )
        )
        # The lines move at once, before the planes that they belong to are drawn.
        self.sagittal.set_crosshair((z, y))
        self.coronal.set_crosshair((z, x))

    def _on_display(self, _what: str) -> None:
        self.refresh()

    def _on_stroke(self, rows: range, columns: range) -> None:
        _, y, x = self._views.crosshair
        if y in rows:
            self._mark(Plane.CORONAL)
        if x in columns:
            self._mark(Plane.SAGITTAL)

    def _draw(self) -> None:
        dirty, self._dirty = self._dirty, set()
        case, spacing = self._views.case, self._views.spacing
        position = self._views.crosshair
        for plane in dirty:
            view = self.planes[plane]
            if case is None or spacing is None:
                view.show_picture(None, (1.0, 1.0))
                continue
            picture = plane_picture(case.study, self._views.display, plane, position[plane])
            view.show_picture(picture, (spacing.mm[plane.rows], spacing.mm[plane.columns]))
            letters = edge_letters(case.study.image.geometry, plane)
            texts = PlaneTexts(
                self._title(plane).format(i=position[plane] + 1, n=case.shape[plane]),
                self._note() if plane is Plane.SAGITTAL else "",
                letters=letters,
                up_text=self.tr("slices ↑, orientation unknown"),
                bar=spacing.is_known,
            )
            view.set_texts(texts)
        self._drawn_at = position
        self._on_crosshair(position)

    def _title(self, plane: Plane) -> str:
        if plane is Plane.SAGITTAL:
            return self.tr("Sagittal  {i}/{n}")
        return self.tr("Coronal  {i}/{n}")

    def _note(self) -> str:
        display = self._views.display
        return self.tr("colour composite") if display.composite else str(display.modality)

    def _point(self, plane: Plane, row: float, column: float) -> None:
        position: list[float] = list(self._views.crosshair)
        position[plane.rows], position[plane.columns] = row, column
        z, y, x = position
        self._views.crosshair = (round(z), round(y), round(x))

    def _scroll(self, plane: Plane, steps: int) -> None:
        position = list(self._views.crosshair)
        position[plane] += steps
        z, y, x = position
        self._views.crosshair = (z, y, x)


class SidePlanes(QWidget):
    """What stands beside the canvas in the linked and the side-by-side view; hidden in others.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    views : Views
        Which view is on.
    canvas : QWidget
        Widget of the picture.
    """

    def __init__(
        self, viewer: Viewer, views: Views, canvas: QWidget, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._views, self._canvas = viewer, views, canvas
        self.linked = LinkedViews(views)
        self.side_by_side = SideBySide(viewer, views, canvas)
        self.crosshair = CanvasCrosshair(viewer, views, canvas)
        self.scene = SceneOverlay(viewer, views, canvas)
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self.linked)
        self._stack.addWidget(self.side_by_side)
        # The layout alone decides how wide it is.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self._ties = Subscriptions(self)
        self._ties.add(views.changed, self.show_mode)
        self._ties.add(views.case_view.shown, lambda: self.show_mode(views.mode))
        self._ties.add_napari(viewer.events.theme, self._dress)
        self._dressed = False
        self._fit_before: float | None = None
        self._zoom_before = 1.0
        self._flat_fit = 0.0
        self._is_deep = False
        canvas.installEventFilter(self)
        self.show_mode(views.mode)

    def show_mode(self, mode: str) -> None:
        """Show what belongs to a view; the picture on the canvas keeps its share of the room."""
        wanted = mode in (LINKED, SIDE_BY_SIDE) and self._views.case is not None
        if mode == SIDE_BY_SIDE:
            self._stack.setCurrentWidget(self.side_by_side)
        elif mode == LINKED:
            self._stack.setCurrentWidget(self.linked)
        flat, changes = self._viewer.dims.ndisplay == 2, wanted == self.isHidden()
        if flat and (changes or self._is_deep) and self._fit_before is None:
            # After 3D the camera is as it was before it, the canvas perhaps not.
            self._fit_before = self._flat_fit if self._is_deep else self._fit()
            self._zoom_before = self._viewer.scene.camera.zoom
        self._is_deep = not flat
        self.setVisible(wanted)
        if self._fit_before is not None:
            self.keep_fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Note how large the slice fits the canvas, for the way back from 3D."""
        flat = self._viewer.dims.ndisplay == 2 and not self._is_deep
        if event.type() == QEvent.Type.Resize and flat:
            self._flat_fit = self._fit()
        return False

    def showEvent(self, event: QShowEvent) -> None:
        """Take the theme's colours; before the window's own style was set they would be lost."""
        super().showEvent(event)
        if not self._dressed:
            self._dress()

    def _dress(self) -> None:
        self._dressed = self.isVisible()
        self.setStyleSheet(stylesheet(self._viewer.theme))

    def keep_fit(self, after_ms: int = 0) -> None:
        """Let the picture fill as much of the canvas after a change of its size as now.

        Parameters
        ----------
        after_ms : int
            When the change has happened.
        """
        if self._fit_before is None:
            self._fit_before = self._fit()
            self._zoom_before = self._viewer.scene.camera.zoom
        # After the layout, and after napari heard of the canvas's new size.
        QTimer.singleShot(after_ms, self._fit_again)

    def _fit(self) -> float:
        """Pixels a unit with which the whole slice just fits the canvas."""
        case = self._views.case
        if case is None or self._viewer.dims.ndisplay != 2:
            return 0.0
        _, height, width = case.shape
        _, along_y, along_x = case.study.image.geometry.spacing_mm or (1.0, 1.0, 1.0)
        return float(
            min(
                self._canvas.height() / (height * along_y), self._canvas.width() / (width * along_x)
            )
        )

    def _fit_again(self) -> None:
        before, self._fit_before = self._fit_before, None
        now = self._flat_fit = self._fit()
        if not (before and now and before != now):
            return
        camera = self._viewer.scene.camera
        if camera.zoom == self._zoom_before:
            camera.zoom *= now / before
        else:
            # Another case was fitted into the canvas while that had neither the one size nor the
            # other for certain.
            self._viewer.reset_view()


def install(viewer: Viewer, views: Views) -> SidePlanes:
    """Put the planes to the right of the canvas of a window, and the crosshair on it.

    Parameters
    ----------
    viewer : napari.Viewer
        A real window, shown or not.
    views : Views
        Which view is on.

    Returns
    -------
    SidePlanes
        A child of the window, which ends with it.
    """
    window: Any = viewer.window
    # napari offers no public way to the widget of its canvas, nor beside it.
    qt_viewer = window._qt_viewer  # noqa: SLF001
    centre = qt_viewer.parentWidget()
    layout = centre.layout()
    if not isinstance(layout, QHBoxLayout):
        raise RuntimeError("napari's window is built in another way than expected.")
    planes = SidePlanes(viewer, views, qt_viewer.canvas.native, centre)
    layout.addWidget(planes)
    layout.setStretch(layout.indexOf(qt_viewer), CANVAS_STRETCH)
    layout.setStretch(layout.indexOf(planes), PLANES_STRETCH)
    return planes
