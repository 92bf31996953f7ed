"""A window with everything in place: for `make run`, `brainseg demo` and napari's menus."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from napari_brainseg.viewer import shortcuts
from napari_brainseg.viewer.modes import set_reading
from napari_brainseg.viewer.reader import prefer_own_reader
from napari_brainseg.viewer.workbench import attach, unwrapped, workbench_of

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_brainseg.session.desk import Desk

__all__ = ["DOCK", "PLUGIN", "open_window", "show_dock"]

PLUGIN = "napari-brainseg"
DOCK = "Workbench"
"""Name of the dock widget in the manifest."""


def open_window(
    path: os.PathLike[str] | str | None = None,
    *,
    desk: Desk | None = None,
    phantoms: bool = False,
    phantom_root: Path | None = None,
    size: tuple[int, int] | None = None,
    show: bool = True,
    reading: bool = True,
) -> Viewer:
    """Open a napari window with the dock, and a study loading.

    Call ``napari.run()`` afterwards.

    Parameters
    ----------
    path : path-like, optional
        A patient's folder, or a folder of patients.
    desk : Desk, optional
        State to use, e.g. with a workspace of its own.
    phantoms : bool
        Open phantom studies if no path is given.
    phantom_root : Path, optional
        Where phantom studies are kept.
    size : tuple of int, optional
        Width and height of the window in pixels.
    show : bool
        Whether to show the window at once.
    reading : bool
        Fold napari's layer list and controls away; F9 brings them back.

    Returns
    -------
    napari.Viewer
        The study is still loading when this returns.
    """
    import napari

    _prevent_binding_notices()
    # Keys that were changed stand in napari's settings, which a new window looks through.
    shortcuts.prepare()
    prefer_own_reader()
    viewer = napari.Viewer(title="BrainSeg", show=False)
    window: Any = viewer.window
    if desk is not None:
        attach(viewer, desk, phantom_root=phantom_root)
    show_dock(viewer).fold_title()
    set_reading(viewer, reading)
    darken_canvas(viewer)
    if show:
        viewer.show()
    if size is not None:
        # After showing: napari restores the size of the last window then.
        window.resize(*size)
    if path is not None:
        workbench_of(viewer).open(str(path))
    elif phantoms:
        workbench_of(viewer).open_phantoms()
    return viewer


def show_dock(viewer: Viewer) -> Any:
    """Show the dock of a viewer, making it where there is none; return its widget."""
    from napari.plugins import menu_item_template
    from npe2 import PluginManager

    viewer = unwrapped(viewer)
    manager = PluginManager.instance()
    if PLUGIN not in manager:
        manager.discover()
    manifest = manager.get_manifest(PLUGIN)
    # The name that the Plugins menu gives it, so that the menu finds it and makes no second one.
    name = menu_item_template.format(manifest.display_name, DOCK)
    window: Any = viewer.window
    known = window._wrapped_dock_widgets  # noqa: SLF001 -- as napari's own menu does
    if name in known:
        known[name].setVisible(True)
        return known[name].inner_widget()
    contribution = next(w for w in manifest.contributions.widgets or () if w.display_name == DOCK)
    widget = contribution.get_callable()(napari_viewer=viewer)
    window.add_dock_widget(widget, name=name, area="right")
    widget.room.install()
    return widget


def darken_canvas(viewer: Viewer) -> None:
    """Keep the surroundings of the picture black in light themes too: glare hides faint lesions."""
    canvas = getattr(viewer, "canvas", None)
    if hasattr(canvas, "background_color_override"):  # napari 0.9
        canvas.background_color_override = "black"


def _prevent_binding_notices() -> None:
    """Keep napari from saying what it would rather have than PyQt5: not for radiologists."""
    warnings.filterwarnings("ignore", message="System theme detection requires")
    from napari._qt import qt_main_window

    if hasattr(qt_main_window, "SHOW_QT_WARNING"):
        qt_main_window.SHOW_QT_WARNING = False
