"""Commands of napari's menus and command palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.viewer.launch import show_dock

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["open_study"]


def open_study(viewer: Viewer) -> None:
    """Show the dock and ask for a patient's folder."""
    dock = show_dock(viewer)
    dock.study.choose_folder()
