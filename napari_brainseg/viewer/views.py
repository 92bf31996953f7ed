"""Ways to look at the open case: axial stack, linked planes, 3D, modalities side by side."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_info
from psygnal import Signal

from napari_brainseg.viewer.overlay_layers import CORRECTION_NAME, MASKS, PREDICTION_NAME
from napari_brainseg.viewer.shortcuts import key_text
from napari_brainseg.viewer.spacing import canvas_scale, display_spacing
from napari_brainseg.viewer.surface_job import SurfaceJob
from napari_brainseg.viewer.surface_scene import SurfaceScene

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.display import Display
    from napari_brainseg.viewer.spacing import DisplaySpacing

__all__ = ["AXIAL", "LINKED", "MODES", "SIDE_BY_SIDE", "THREE_D", "Views"]

AXIAL = "axial"
LINKED = "linked"
THREE_D = "3d"
SIDE_BY_SIDE = "side by side"
MODES = (AXIAL, LINKED, THREE_D, SIDE_BY_SIDE)
"""In the order in which one key goes through them."""

_ORIENTATION = ("down", "right")
"""Where rows and columns of napari's canvas run to: posterior and left in an upright volume."""

Position = tuple[int, int, int]


class Views:
    """Which view is on, and where in the volume it looks. All methods belong on the main thread.

    The napari canvas is the axial view in every mode but 3D. The slice it shows and the z of the
    crosshair are the same.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    case_view : CaseView
        What is shown; its `display` says how.
    preferences : Preferences, optional
        Where the mode, the slice thickness and `show_volume` are kept.

    Attributes
    ----------
    scene : SurfaceScene
        The 3D view.
    surfaces : dict of str to bool
        Mask layer's name to whether the user wants its surface; those not named are shown.
    """

    changed = Signal(str)
    """The new mode."""
    crosshair_moved = Signal(tuple)
    """(z, y, x) in voxels."""
    spacing_changed = Signal()
    """The slice thickness to draw with changed."""

    def __init__(
        self, viewer: Viewer, case_view: CaseView, preferences: Preferences | None = None
    ) -> None:
        self._viewer = viewer
        self._view = case_view
        self._preferences = preferences
        self._case: Case | None = None
        self._crosshair: Position = (0, 0, 0)
        self._touched = False
        self._mode = AXIAL
        self._thickness: float | None = None
        self._show_volume = False
        self.surfaces: dict[str, bool] = {}
        self.scene = SurfaceScene(viewer, case_view.layers)
        if preferences is not None:
            kept = preferences.get("view")
            # 3D is for a look, not for the start of a reading.
            self._mode = kept if kept in MODES and kept != THREE_D else AXIAL
            self._thickness = preferences.get("slice_thickness_mm")
            self._show_volume = preferences.get("show_volume")
            preferences.changed.connect(self._on_preference, thread="main")
        self._slices_mode = self._mode if self._mode != THREE_D else AXIAL
        case_view.shown.connect(self._on_shown)
        viewer.dims.events.current_step.connect(self._on_slice)
        viewer.dims.events.order.connect(self._stay_axial)
        viewer.scene.camera.events.orientation.connect(self._stay_axial)
        case_view.display.changed.connect(self._on_display)
        self._on_shown()

    @property
    def mode(self) -> str:
        """``axial``, ``linked``, ``3d`` or ``side by side``."""
        return self._mode

    @property
    def case(self) -> Case | None:
        """The case on show."""
        return self._case

    @property
    def case_view(self) -> CaseView:
        """What is shown."""
        return self._view

    @property
    def crosshair(self) -> Position:
        """(z, y, x) in voxels; z is the slice on show."""
        return self._crosshair

    @crosshair.setter
    def crosshair(self, position: Position) -> None:
        if self._case is not None:
            self._touched = True
            self._move_to(position)

    @property
    def spacing(self) -> DisplaySpacing | None:
        """Spacing to draw with, `None` where no case is shown."""
        if self._case is None:
            return None
        geometry = self._case.study.image.geometry
        return display_spacing(geometry, self._case.shape[0], self._thickness)

    @property
    def show_volume(self) -> bool:
        """Whether the dim head stands behind the surface in 3D."""
        return self._show_volume

    @show_volume.setter
    def show_volume(self, on: bool) -> None:
        if on != self._show_volume:
            self._show_volume = on
            self._keep(show_volume=on)
            self._refresh_scene(frame=True)

    def set_mode(self, mode: str) -> None:
        """Show another view.

        Raises
        ------
        ValueError
            If there is no such mode.
        """
        if mode not in MODES:
            raise ValueError(f"There is no view {mode!r}; known: {', '.join(MODES)}.")
        if mode == self._mode or (mode == THREE_D and self._case is None):
            return
        if mode == THREE_D and self._view.editor.is_painting:
            return
        left, self._mode = self._mode, mode
        if left == THREE_D:
            self.scene.leave()
        else:
            self._slices_mode = left
        if mode == THREE_D:
            self.scene.enter(self._job())
        else:
            self._keep(view=mode)
        self.changed.emit(mode)

    def next_mode(self) -> None:
        """Show the next view: axial, linked, 3D, side by side, and axial again."""
        place = MODES.index(self._mode) + 1
        after = MODES[place % len(MODES)]
        if after == THREE_D and self._case is None:
            after = MODES[(place + 1) % len(MODES)]
        self.set_mode(after)

    def leave_3d(self) -> None:
        """Go back to the slices as they were looked at before 3D; nothing in other views."""
        if self._mode == THREE_D:
            self.set_mode(self._slices_mode)

    def toggle_3d(self) -> None:
        """Show 3D, or what was shown before it."""
        if self._mode == THREE_D:
            self.leave_3d()
        else:
            self.set_mode(THREE_D)

    def set_thickness(self, thickness_mm: float | None) -> None:
        """Set the slice thickness in mm for files that carry none; `None`: assumed again."""
        if thickness_mm != self._thickness:
            self._thickness = thickness_mm
            self._keep(slice_thickness_mm=thickness_mm)
            self.spacing_changed.emit()
            self._refresh_scene(frame=True)

    def show_surface(self, name: str, on: bool) -> None:
        """Show or hide the surface of a mask, by its layer's name."""
        self.surfaces[name] = on
        self._refresh_scene()

    def wants_surface(self, name: str) -> bool:
        """Whether the surface of a mask is shown where there is such a mask.

        A correction takes the place of the prediction that it began from.
        """
        corrected = self.display.mask(CORRECTION_NAME) is not None
        return self.surfaces.get(name, not (name == PREDICTION_NAME and corrected))

    @property
    def display(self) -> Display:
        """How the case is shown."""
        return self._view.display

    def close(self) -> None:
        """Stop following."""
        self.scene.leave()
        self._view.shown.disconnect(self._on_shown)
        self._view.display.changed.disconnect(self._on_display)
        self._viewer.dims.events.current_step.disconnect(self._on_slice)
        self._viewer.dims.events.order.disconnect(self._stay_axial)
        self._viewer.scene.camera.events.orientation.disconnect(self._stay_axial)
        if self._preferences is not None:
            self._preferences.changed.disconnect(self._on_preference)

    def _move_to(self, position: Position) -> None:
        if self._case is None:
            return
        z, y, x = (
            min(max(round(p), 0), n - 1) for p, n in zip(position, self._case.shape, strict=True)
        )
        if (z, y, x) == self._crosshair:
            return
        self._crosshair = (z, y, x)
        if self._view.slice_index != z:
            self._view.go_to(z)
        self.crosshair_moved.emit(self._crosshair)

    def _stay_axial(self, _event: Any = None) -> None:
        """Take back what napari does to a case on show by roll, transpose and turned axes.

        Letters, measurements, crosshair and tools all belong to the axial slice seen from below:
        on another plane they would be wrong, and nobody would notice.
        """
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        upright = tuple(range(dims.ndim))
        turned = tuple(map(str, camera.orientation2d)) != _ORIENTATION
        if self._case is None or (dims.order == upright and not turned):
            return
        if turned:
            camera.orientation2d = _ORIENTATION
        if dims.order != upright:
            dims.order = upright
        key = key_text("view_linked")
        show_info(f"The picture stays axial; other planes: {key}")

    def _on_slice(self, _event: Any = None) -> None:
        if self._case is not None and self._view.case is self._case:
            _, y, x = self._crosshair
            self._move_to((self._view.slice_index, y, x))

    def _on_shown(self) -> None:
        case = self._view.case
        if case is not self._case:
            before, self._case = self._case, case
            self._touched = False
            if self._mode == THREE_D:
                # Another patient begins on its slices, as without 3D.
                self.leave_3d()
                if case is not None and before is not None and case.shape != before.shape:
                    self._viewer.reset_view()
            if case is None:
                self.scene.remove()
                return
            self._stay_axial()
            self.scene.match_scale(self._scale())
        if not self._touched:
            self._move_to(self._start())
        self._refresh_scene()

    def _start(self) -> Position:
        """Middle of the lesion on the slice on show; middle of the picture without one."""
        z = self._view.slice_index
        for name in reversed(MASKS):
            mask = self.display.mask(name)
            if mask is not None and mask[z].any():
                y, x = np.nonzero(mask[z])
                return z, round(float(y.mean())), round(float(x.mean()))
        _, height, width = self._case.shape if self._case is not None else (1, 1, 1)
        return z, height // 2, width // 2

    def _on_display(self, what: str) -> None:
        if what in ("masks", "threshold"):
            self._refresh_scene()

    def _on_preference(self, name: str) -> None:
        if self._preferences is None:
            return
        if name == "slice_thickness_mm":
            self.set_thickness(self._preferences.get(name))
        elif name == "show_volume":
            self.show_volume = self._preferences.get(name)

    def _refresh_scene(self, *, frame: bool = False) -> None:
        if self._mode == THREE_D and self._case is not None:
            (self.scene.enter if frame else self.scene.update)(self._job())

    def _scale(self) -> tuple[float, float, float]:
        return canvas_scale(None if self._case is None else self._case.study.image.geometry)

    def _job(self) -> SurfaceJob:
        case, spacing, display = self._case, self.spacing, self.display
        if case is None or spacing is None:
            raise RuntimeError("3D needs a case.")
        masks = {}
        for name in MASKS:
            mask = display.mask(name)
            if mask is not None and self.wants_surface(name):
                # A copy: the worker must not see half a stroke.
                masks[name] = np.array(mask, np.uint8)
        if not self._show_volume:
            return SurfaceJob(masks, spacing, self._scale(), case.shape[0])
        modality = display.modality
        head = case.study.shown(modality)
        window = display.window(modality)
        return SurfaceJob(masks, spacing, self._scale(), case.shape[0], head, window)

    def _keep(self, **changes: Any) -> None:
        if self._preferences is not None:
            with suppress(ValueError):
                self._preferences.set(**changes)
