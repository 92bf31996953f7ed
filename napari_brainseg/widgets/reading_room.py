"""What stands around the picture: worklist, planes, slice strip, annotations, keys."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_brainseg.viewer.planes import Plane
from napari_brainseg.viewer.readout import Readout
from napari_brainseg.widgets.brush_badge import BrushBadge
from napari_brainseg.widgets.brush_wheel import BrushWheel
from napari_brainseg.widgets.canvas_filter import RightDrag
from napari_brainseg.widgets.corners import Corners
from napari_brainseg.widgets.help_overlay import HelpOverlay
from napari_brainseg.widgets.linked_views import install as install_planes
from napari_brainseg.widgets.region_path import RegionPath
from napari_brainseg.widgets.slice_strip import SliceStrip
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.worklist_panel import COMPACT_WIDTH, WIDE_WIDTH, WorklistPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from qtpy.QtWidgets import QMainWindow

    from napari_brainseg.viewer.workbench import Workbench

__all__ = ["CANVAS_SHARE", "DOCK_WIDTH", "HANDLES", "ReadingRoom"]

WORKLIST_DOCK = "Worklist"
STRIP_DOCK = "Slices"
_WORKLIST_SHARE = 0.18
"""Of the window's width, where that is more than the compact form needs."""
CANVAS_SHARE = 0.6
"""Least share of the window's width that the picture keeps."""
DOCK_WIDTH = 320
"""Of the dock at the right, in pixels."""
HANDLES = 26
"""Between docks and picture, in pixels."""
_DOCKS_SETTLE_MS = 100
"""How long Qt takes to lay out docks of other widths."""
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
            workbench.desk, workbench.select, choose_folder,
            open_phantoms=workbench.open_phantoms, open_folder=workbench.open,
        )  # fmt: skip
        self._ties = Subscriptions(self)
        self._ties.add(workbench.loading, self.worklist.show_loading)
        for ended in (workbench.loading_failed, workbench.desk.opened):
            self._ties.add(ended, lambda _what: self.worklist.show_loading(""))
        # After the panel was laid out anew: until then it needs the width of its other form.
        self._resizing = QTimer(self, singleShot=True, interval=_DOCKS_SETTLE_MS)
        self._resizing.timeout.connect(self.take_room)
        self.worklist.wide_changed.connect(lambda _wide: self._resizing.start())
        view = workbench.view
        self.strip = SliceStrip(viewer, view, view.display, workbench.desk)
        self.planes = install_planes(viewer, workbench.views)
        window: Any = viewer.window
        canvas = window._qt_viewer.canvas.native  # noqa: SLF001 -- no public way to it
        self.right_drag = RightDrag(canvas, viewer, view.display)
        self.corners = Corners(
            canvas, viewer, view, view.display, workbench.desk, lambda: self.strip.facts, self
        )
        brushes = workbench.brushes
        self.wheel = BrushWheel(canvas, viewer, brushes)
        self.badge = BrushBadge(canvas, viewer, brushes)
        self.path = RegionPath(canvas, viewer, view, brushes.regions, self.planes.crosshair)
        # The status line costs a second redraw of the window at every move of a brush.
        status: QObject = window._qt_window.status_thread  # noqa: SLF001
        view.editor.hush = status.blockSignals
        self.readout = Readout(viewer, view)
        self._ties.add(view.shown, self.readout.follow)
        self._views = workbench.views
        for plane, beside in self.planes.linked.planes.items():
            beside.hovered.connect(partial(self._tell, plane, None))
        for number, beside in enumerate(self.planes.side_by_side.planes):
            beside.hovered.connect(partial(self._tell, Plane.AXIAL, number))
        # The clock of a case runs while somebody is at it.
        self._ties.add_napari(viewer.dims.events.current_step, workbench.desk.active)
        self._ties.add(view.display.changed, lambda _what: workbench.desk.active())
        self._on_move = lambda _viewer, _event: workbench.desk.active()
        viewer.mouse_move_callbacks.append(self._on_move)
        self.help = HelpOverlay(self._window())
        self._docks: list[QDockWidget] = []
        parent.destroyed.connect(self._go)

    @property
    def has_next(self) -> bool:
        """Whether the worklist suggests another case."""
        return self.worklist.next_case.suggestion is not None

    def install(self) -> None:
        """Put the docks into the window; once."""
        if self._docks or not hasattr(self._viewer.window, "_qt_window"):
            # There already, or the window was closed meanwhile.
            return
        window: Any = self._viewer.window
        for widget, name, area in (
            (self.worklist, WORKLIST_DOCK, "left"),
            (self.strip, STRIP_DOCK, "bottom"),
        ):
            dock = window.add_dock_widget(
                widget, name=name, area=area, add_vertical_stretch=False, tabify=False
            )
            # Without napari's title and its cross: closing would be easier than coming back.
            dock.setTitleBarWidget(QWidget(dock))
            dock.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
            self._docks.append(dock)
        # The strip belongs to the picture: the docks beside it keep their whole height.
        corners, areas = Qt.Corner, Qt.DockWidgetArea
        qt_window = self._window()
        qt_window.setCorner(corners.BottomLeftCorner, areas.LeftDockWidgetArea)
        qt_window.setCorner(corners.BottomRightCorner, areas.RightDockWidgetArea)
        self.take_room()

    def take_room(self) -> int:
        """Give the worklist the width of its form; returns it, in pixels."""
        if not self._docks:
            return 0
        window = self._docks[0].window()
        width = window.width()
        if self.worklist.view.wide:
            wanted = min(WIDE_WIDTH, int(_LARGEST_SHARE * width))
        else:
            spare = int((1 - CANVAS_SHARE) * width) - DOCK_WIDTH - HANDLES
            wanted = min(int(_WORKLIST_SHARE * width), spare, 2 * COMPACT_WIDTH)
            wanted = max(COMPACT_WIDTH, wanted)
        # napari keeps a dock from getting narrower than it is shown.
        self._docks[0].setMinimumWidth(0)
        self.planes.keep_fit(_DOCKS_SETTLE_MS)
        window.resizeDocks([self._docks[0]], [wanted], Qt.Orientation.Horizontal)
        return wanted

    def go_to_worklist(self) -> None:
        """Show the worklist and put the keys there."""
        self._show_worklist()
        self.worklist.focus_list()

    def search(self) -> None:
        """Show the worklist and put the cursor into its search field."""
        self._show_worklist()
        self.worklist.focus_search()

    def _tell(self, plane: Plane, number: int | None, row: float, column: float) -> None:
        """Let the status bar tell of a place on a plane beside the canvas."""
        voxel: list[float] = list(self._views.crosshair)
        voxel[plane.rows], voxel[plane.columns] = row, column
        beside = self.planes.side_by_side
        self.readout.tell(voxel, None if number is None else beside.modality_of(number))

    def _show_worklist(self) -> None:
        if self._docks:
            self._docks[0].show()

    def dress(self, theme_id: str) -> None:
        """Take the colours of a napari theme."""
        from napari_brainseg.widgets.look import stylesheet

        self.strip.setStyleSheet(stylesheet(theme_id))
        self.worklist.dress(theme_id)
        self.strip.dress()

    def _window(self) -> QMainWindow:
        window: Any = self._viewer.window
        found: QMainWindow = window._qt_window  # noqa: SLF001 -- docks are sized by it alone
        return found

    def _go(self, _object: Any = None) -> None:
        if self._on_move in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self._on_move)
        self.readout.close()
        docks, self._docks = self._docks, []
        for widget in (
            *docks, self.planes, self.right_drag, self.help, self.wheel, self.badge, self.path,
        ):  # fmt: skip
            # When the whole window goes, they may have gone before.
            with contextlib.suppress(RuntimeError):
                widget.deleteLater()
