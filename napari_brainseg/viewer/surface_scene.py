"""The 3D view: smooth surfaces of the masks, and the dim head behind them if wanted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Surface
from psygnal import Signal

from napari_brainseg.viewer.layer_metadata import take_units
from napari_brainseg.viewer.overlay_layers import OVERLAYS, lock
from napari_brainseg.viewer.surface_job import NOTHING, KeptSurfaces, joined, shades_of_masks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_brainseg.viewer.layers import CaseLayers
    from napari_brainseg.viewer.surface import MaskSurface
    from napari_brainseg.viewer.surface_job import SurfaceJob

__all__ = ["HEAD_NAME", "SURFACE_NAME", "SurfaceScene"]

SURFACE_NAME = "Surface"
HEAD_NAME = "Head"
_HEAD_STEP = 2  # every second pixel of the head: dim and behind, nobody counts its voxels
_HEAD_OPACITY = 0.35
_LOOK, _UP = (0.35, 1.0, 0.45), (-1.0, 0.0, 0.0)
"""(z, y, x): from the upper edge of the slices, from above and from one side; slices ascend."""
_FILLED = 0.85
"""Share of the canvas that what is shown takes."""


class SurfaceScene:
    """3D in a napari viewer. Methods belong on the main thread; surfaces are made in a worker.

    Parameters
    ----------
    viewer : napari.Viewer
        Where it is shown.
    layers : CaseLayers
        Images and masks, which are not seen in 3D.

    Attributes
    ----------
    state : str
        ``off``, ``making``, ``shown``, ``empty`` (no voxel in any mask) or ``failed``.
    """

    changed = Signal(str)
    """The new `state`."""
    _made = Signal(object, object)

    def __init__(self, viewer: Viewer, layers: CaseLayers) -> None:
        self._viewer = viewer
        self._layers = layers
        self.state = "off"
        self._layer: Surface | None = None
        self._head: Image | None = None
        self._before: dict[Layer, bool] = {}
        self._changed_meanwhile = False
        self._mode: tuple[Labels, str] | None = None
        self._camera: dict[str, Any] = {}
        self._job: SurfaceJob | None = None
        self._running: SurfaceJob | None = None
        self._framed = False
        self._made.connect(self._on_made, thread="main")
        self._kept = KeptSurfaces()

    @property
    def is_on(self) -> bool:
        """Whether the viewer shows 3D."""
        return self.state != "off"

    def enter(self, job: SurfaceJob) -> None:
        """Hide images and masks, go to 3D, and show the surfaces once they are made."""
        if not self.is_on:
            self._leave_slices()
        self._framed = False
        self.update(job)

    def update(self, job: SurfaceJob) -> None:
        """Show other masks, or the same with other voxels."""
        self._job = job
        self._set_state("making")
        if self._running is None:
            self._make()

    def leave(self) -> None:
        """Go back to slices; visibility, camera and tools are as they were."""
        if not self.is_on:
            return
        self._job = None
        self._set_state("off")
        viewer = self._viewer
        viewer.layers.events.inserted.disconnect(self._on_inserted)
        for layer in (self._layer, self._head):
            if layer is not None and layer in viewer.layers:
                layer.visible = False
        if self._layer is not None:
            self._layer.data = NOTHING
        self._park_head()
        # napari goes to the slice that the camera looks at.
        _, y, x = self._camera["center"]
        viewer.scene.camera.center = (viewer.dims.point[0], y, x)
        # Before the layers are seen again: in 3D each of them would take seconds.
        viewer.dims.ndisplay = 2
        for layer in self._before:
            layer.events.visible.disconnect(self._on_visible)
        before, self._before = self._before, {}
        for layer, visible in before.items():
            if layer in viewer.layers and layer.visible != visible:
                layer.visible = visible
        if self._changed_meanwhile:
            self._layers.images.apply()
        self._layers.overlays.suspended = False
        tool, self._mode = self._mode, None
        if tool is not None and tool[0] is self._layers.correction:
            tool[0].mode = tool[1]
        viewer.scene.camera.update(self._camera)

    def remove(self) -> None:
        """Take the layers of this class out of the viewer."""
        self.leave()
        for layer in (self._layer, self._head):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layer = self._head = None

    def match_scale(self, scale: tuple[float, float, float]) -> None:
        """Take over the images' scale, so that napari goes on counting slices as before."""
        for layer in (self._layer, self._head):
            if layer is not None and tuple(layer.scale) != tuple(scale):
                layer.scale = scale

    def set_moving(self, moving: bool) -> None:
        """Hide the head while the camera turns, where drawing it is slow."""
        if self._head is not None and self._job is not None and self._job.head is not None:
            self._head.visible = not moving

    def _leave_slices(self) -> None:
        viewer, camera = self._viewer, self._viewer.scene.camera
        self._camera = {
            "center": tuple(camera.center),
            "zoom": camera.zoom,
            "angles": tuple(camera.angles),
        }
        correction = self._layers.correction
        if correction is not None and correction.mode != "pan_zoom":
            self._mode = (correction, str(correction.mode))
            correction.mode = "pan_zoom"
        self._changed_meanwhile = False
        self._layers.overlays.suspended = True
        for layer in viewer.layers:
            self._hide(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.dims.ndisplay = 3

    def _hide(self, layer: Layer) -> None:
        masks = map(self._layers.overlays.layer, OVERLAYS)
        if layer is self._head or layer in masks or not isinstance(layer, Image | Labels):
            return
        self._before[layer] = layer.visible
        layer.visible = False
        layer.events.visible.connect(self._on_visible)

    def _on_visible(self, event: Any) -> None:
        # Another modality was chosen, or another patient: to be seen on the slices.
        layer = event.source
        if layer.visible:
            self._changed_meanwhile = True
            layer.visible = False

    def _on_inserted(self, event: Any) -> None:
        self._hide(event.value)

    def _make(self) -> None:
        job = self._running = self._job
        # A daemon: Python may end in the middle of it, nothing is written.
        threading.Thread(
            target=self._work, args=(job,), name="brainseg-surface", daemon=True
        ).start()

    def _work(self, job: SurfaceJob) -> None:
        try:
            found = {
                name: self._kept.surface(mask, job.spacing.mm) for name, mask in job.masks.items()
            }
        except Exception as error:  # noqa: BLE001 -- raised again on the main thread
            self._made.emit(job, error)
        else:
            self._made.emit(job, found)

    def _on_made(self, job: SurfaceJob, found: Any) -> None:
        self._running = None
        if self._job is None:
            return
        if job is not self._job:
            self._make()
            return
        if isinstance(found, Exception):
            self._set_state("failed")
            raise found
        self._show(job, {name: mesh for name, mesh in found.items() if mesh is not None})

    def _show(self, job: SurfaceJob, meshes: Mapping[str, MaskSurface]) -> None:
        layer = self._surface_layer(job)
        layer.data = joined(job, meshes) if meshes else NOTHING
        layer.visible = bool(meshes)
        self._show_head(job)
        if not self._framed:
            self._frame(job, meshes)
        self._set_state("shown" if meshes else "empty")

    def _surface_layer(self, job: SurfaceJob) -> Surface:
        if self._layer is None or self._layer not in self._viewer.layers:
            from napari.utils.colormaps import Colormap

            shades = shades_of_masks()
            self._layer = Surface(
                NOTHING, name=SURFACE_NAME, scale=job.scale, shading="smooth", visible=False,
                colormap=Colormap(shades, name="masks"), contrast_limits=(0, len(shades) - 1),
                blending="translucent",
            )  # fmt: skip
            self._add(self._layer)
        return self._layer

    def _show_head(self, job: SurfaceJob) -> None:
        if job.head is None:
            self._park_head()
            return
        if self._head is None or self._head not in self._viewer.layers:
            self._head = Image(
                np.zeros((1, 1, 1), np.uint8), name=HEAD_NAME, scale=job.scale, visible=False,
                colormap=_mist(), blending="translucent_no_depth", opacity=_HEAD_OPACITY,
                rendering="attenuated_mip",
            )  # fmt: skip
            self._head.attenuation = 0.02
            self._add(self._head)
        small = job.head[::-1, ::_HEAD_STEP, ::_HEAD_STEP]
        self._head.data = small
        self._head.contrast_limits_range = (min(0.0, float(small.min())), float(small.max()) or 1.0)
        self._head.contrast_limits = job.head_window
        to_layer = job.to_layer * np.array(job.spacing.mm) * (1, _HEAD_STEP, _HEAD_STEP)
        self._head.scale = to_layer * np.array(job.scale)
        self._head.visible = True

    def _park_head(self) -> None:
        if self._head is None or self._layer is None:
            return
        self._head.visible = False
        if self._head.data.shape != (1, 1, 1):
            self._head.data = np.zeros((1, 1, 1), np.uint8)
            self._head.scale = self._layer.scale

    def _add(self, layer: Layer) -> None:
        active = self._viewer.layers.selection.active
        take_units(self._viewer, layer)
        # At the bottom: whoever looks for the uppermost layers must not find these.
        self._viewer.layers.insert(0, layer)
        self._viewer.layers.selection.active = active
        self._layers.join(layer)
        lock(layer)

    def _frame(self, job: SurfaceJob, meshes: Mapping[str, MaskSurface]) -> None:
        if job.head is not None:
            points = np.array([(0, 0, 0), job.head.shape]) * np.array(job.spacing.mm)
        elif meshes:
            points = np.concatenate([mesh.vertices_mm for mesh in meshes.values()])
        else:
            return
        world = job.placed(points) * np.array(job.scale)
        corners = np.array([world.min(axis=0), world.max(axis=0)])
        size = float((corners[1] - corners[0]).max()) or 1.0
        camera = self._viewer.scene.camera
        camera.set_view_direction(_LOOK, _UP)
        camera.center = tuple(corners.mean(axis=0))
        canvas = min(self._viewer.canvas.size)
        camera.zoom = canvas * _FILLED / size
        self._framed = True

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit(state)


def _mist() -> Any:
    """Grey that is the more transparent the darker it is, so that nothing hides a light canvas."""
    from napari.utils.colormaps import Colormap

    ramp = np.linspace(0.0, 1.0, 32)
    return Colormap(np.stack([*[0.35 + 0.4 * ramp] * 3, ramp], axis=1), name="brainseg mist")
