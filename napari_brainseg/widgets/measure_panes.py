"""Where voxels lie on the canvas and on the planes beside it, for what is drawn over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QPointF
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import Modality
    from napari_brainseg.viewer.planes import Plane
    from napari_brainseg.viewer.views import Views
    from napari_brainseg.widgets.plane_view import PlaneView
    from napari_brainseg.widgets.region_path import Places

__all__ = ["CanvasPane", "PlanePane"]


class CanvasPane:
    """The axial slice on napari's canvas.

    Parameters
    ----------
    canvas : QWidget
        Widget of the picture.
    views : Views
        Which slice is shown.
    places : Places
        Knows how the picture lies on the canvas, e.g. `CanvasCrosshair`.
    """

    axis = 0
    modality: Modality | None = None
    """That on show."""

    def __init__(self, canvas: QWidget, views: Views, places: Places) -> None:
        self._canvas, self._views, self._places = canvas, views, places

    @property
    def widget(self) -> QWidget:
        """The canvas."""
        return self._canvas

    @property
    def plane(self) -> int | None:
        """The slice on show, 0-based."""
        view = self._views.case_view
        return None if view.case is None else view.slice_index

    def to_widget(self, row: float, column: float) -> QPointF:
        """Where a voxel lies on the canvas."""
        return self._places.to_canvas(row, column)

    def to_plane(self, point: QPointF) -> tuple[float, float]:
        """(y, x) in voxels at a point of the canvas."""
        return self._places.to_voxel(point)


class PlanePane:
    """A sagittal or coronal plane, or the axial one of another modality.

    Parameters
    ----------
    view : PlaneView
        Draws it.
    views : Views
        Where the crosshair is.
    plane : Plane
        Which way it lies.
    modality : callable, optional
        Tells which modality it shows; that on show otherwise.
    """

    def __init__(
        self,
        view: PlaneView,
        views: Views,
        plane: Plane,
        modality: Callable[[], Modality | None] | None = None,
    ) -> None:
        self._view, self._views, self._modality = view, views, modality
        self.axis = int(plane)

    @property
    def modality(self) -> Modality | None:
        """Modality in this plane; `None` for that on show."""
        return None if self._modality is None else self._modality()

    @property
    def widget(self) -> QWidget:
        """Draws the plane."""
        return self._view

    @property
    def plane(self) -> int | None:
        """Where it lies, 0-based; `None` before it was drawn."""
        shown = self._views.case is not None and self._view.picture is not None
        return self._views.crosshair[self.axis] if shown else None

    def to_widget(self, row: float, column: float) -> QPointF:
        """Where a place of the plane lies on the widget."""
        return self._view.to_widget(row, column)

    def to_plane(self, point: QPointF) -> tuple[float, float]:
        """(row, column) at a point of the widget."""
        return self._view.to_plane(point)
