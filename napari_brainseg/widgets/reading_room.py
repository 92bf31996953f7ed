"""What stands around the picture: worklist, planes, slice strip, annotations, keys."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_brainseg.widgets.linked_views import install as install_planes
from napari_brainseg.widgets.worklist_panel import COMPACT_WIDTH, WIDE_WIDTH, WorklistPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from qtpy.QtWidgets import QMainWindow

    from napari_brainseg.viewer.workbench import Workbench

__all__ = ["ReadingRoom"]

WORKLIST_DOCK = "Worklist"
STRIP_DOCK = "Slices"
_WORKLIST_SHARE = 0.18
"""Of the window's width, where that is more than the compact form needs."""
_PANELS_SHARE = 0.4
"""Of the window's width; the picture keeps the rest."""
_DOCK_WIDTH = 346
"""What the dock at the right takes, with the handles between, in pixels."""
_LARGEST_SHARE = 0.62
"""Of the window's width, for the wide form."""


class ReadingRoom(QObject):
    """The neighbours of the dock, made with it and gone with it.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    workbench : Workbench
        Its state.
    choose_folder : callable
        Asks for a folder to open.
    parent : QObject
        The dock.
    """

    def __init__(
        self,
        viewer: Viewer,
        workbench: Workbench,
        choose_folder: Callable[[], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.worklist = WorklistPanel(
            workbench.desk, workbench.select, choose_folder, open_phantoms=workbench.open_phantoms
        )
        self.worklist.wide_changed.connect(lambda _wide: self.take_room())
        self.planes = install_planes(viewer, workbench.views)
        self._docks: list[QDockWidget] = []
        parent.destroyed.connect(self._go)

    @property
    def is_installed(self) -> bool:
        """Whether the docks stand in the window."""
        return bool(self._docks)

    @property
    def has_next(self) -> bool:
        """Whether the worklist suggests another case."""
        return self.worklist.next_case.suggestion is not None

    def install(self) -> None:
        """Put the docks into the window; once."""
        if self._docks:
            return
        window: Any = self._viewer.window
        for widget, name, area in ((self.worklist, WORKLIST_DOCK, "left"),):
            dock = window.add_dock_widget(
                widget, name=name, area=area, add_vertical_stretch=False, tabify=False
            )
            # Without napari's title and its cross: closing would be easier than coming back.
            dock.setTitleBarWidget(QWidget(dock))
            dock.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
            self._docks.append(dock)
        self.take_room()

    def take_room(self) -> int:
        """Give the worklist the width of its form; returns it, in pixels."""
        if not self._docks:
            return 0
        window = self._window()
        width = window.width()
        if self.worklist.view.wide:
            wanted = min(WIDE_WIDTH, int(_LARGEST_SHARE * width))
        else:
            spare = int(_PANELS_SHARE * width) - _DOCK_WIDTH
            wanted = min(int(_WORKLIST_SHARE * width), spare, 2 * COMPACT_WIDTH)
            wanted = max(COMPACT_WIDTH, wanted)
        window.resizeDocks([self._docks[0]], [wanted], Qt.Orientation.Horizontal)
        return wanted

    def toggle_worklist(self) -> None:
        """Show or hide the worklist."""
        if self._docks:
            self._docks[0].setVisible(not self._docks[0].isVisible())

    def dress(self, theme_id: str) -> None:
        """Take the colours of a napari theme."""
        from napari_brainseg.widgets.look import stylesheet

        self.worklist.setStyleSheet(stylesheet(theme_id))
        self.worklist.dress(theme_id)

    def _window(self) -> QMainWindow:
        window: Any = self._viewer.window
        found: QMainWindow = window._qt_window  # noqa: SLF001 -- docks are sized by it alone
        return found

    def _go(self, _object: Any = None) -> None:
        docks, self._docks = self._docks, []
        for widget in (*docks, self.planes):
            # When the whole window goes, they may have gone before.
            with contextlib.suppress(RuntimeError):
                widget.deleteLater()
