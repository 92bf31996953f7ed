"""Thumbnails in napari's layer list rest while nobody sees the list.

napari draws one for each layer at each step of the slider: a tenth of the time of a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.viewer.modes import is_reading

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["rest_unseen"]


def rest_unseen(viewer: Viewer, layer: Any) -> None:
    """Draw a layer's thumbnails only while the layer list is seen."""
    # napari offers no switch for it.
    draw = layer._update_thumbnail  # noqa: SLF001

    def draw_if_seen() -> None:
        if _list_is_seen(viewer):
            draw()

    layer._update_thumbnail = draw_if_seen  # noqa: SLF001


def _list_is_seen(viewer: Viewer) -> bool:
    if not hasattr(getattr(viewer, "window", None), "_qt_window"):
        # No window, or one that was closed while a prediction was on its way.
        return False
    try:
        return not is_reading(viewer)
    except RuntimeError:
        # The window is being closed.
        return False
