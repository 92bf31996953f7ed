"""Reading mode: napari's layer list and controls folded away, so that the picture has the room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["LAYERS_KEY", "is_reading", "set_reading"]

LAYERS_KEY = "F9"
"""Brings napari's layer list and controls back, or folds them away."""


def is_reading(viewer: Viewer) -> bool:
    """Whether the layer list is folded away."""
    return not _docks(viewer)[0].isVisible()


def set_reading(viewer: Viewer, reading: bool) -> None:
    """Fold napari's layer list and layer controls away, or bring them back."""
    for dock in _docks(viewer):
        dock.setVisible(not reading)


def _docks(viewer: Viewer) -> tuple[Any, Any]:
    # napari offers no public way to its own docks.
    window: Any = viewer.window
    qt_viewer = window._qt_viewer  # noqa: SLF001
    return qt_viewer.dockLayerList, qt_viewer.dockLayerControls
