"""What the 3D view is to show, and the one mesh that napari gets for it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.viewer.overlay_layers import MASKS
from napari_brainseg.viewer.surface import mask_surface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_brainseg.viewer.spacing import DisplaySpacing
    from napari_brainseg.viewer.surface import MaskSurface

__all__ = ["NOTHING", "KeptSurfaces", "SurfaceJob", "joined", "shades_of_masks"]

_TRANSLUCENT = 0.35
_LIFT_MM = 0.4
_KEPT = 12  # surfaces; some megabytes together
NOTHING = (
    np.zeros((3, 3), np.float32),
    np.array([[0, 1, 2]], np.int32),
    np.zeros(3, np.float32),
)
"""A mesh of which nothing is seen: (vertices, faces, values)."""


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceJob:
    """What is to be shown.

    Parameters
    ----------
    masks : mapping of str to ndarray (Z, Y, X)
        Mask layer's name to voxels; the last one is opaque, those before it translucent.
    spacing : DisplaySpacing
        To draw with.
    scale : tuple of float, length 3
        Of the image layers.
    slices : int
        Number of slices of the case.
    head : ndarray, shape (Z, Y, X), or None
        Intensities to show dimly behind.
    head_window : tuple of float
        (low, high) of them.
    """

    masks: Mapping[str, NDArray[np.uint8]]
    spacing: DisplaySpacing
    scale: tuple[float, float, float]
    slices: int
    head: NDArray[Any] | None = None
    head_window: tuple[float, float] = (0.0, 1.0)

    @property
    def to_layer(self) -> NDArray[np.float64]:
        """Millimetres to coordinates of a layer that has the images' scale, factors (z, y, x).

        Shrunken so that nothing sticks out of the images: a larger extent would change the
        slices that napari's slider counts.
        """
        mm, scale = np.array(self.spacing.mm), np.array(self.scale)
        return 1.0 / (mm / scale).max() / scale

    def placed(self, vertices_mm: NDArray[np.floating]) -> NDArray[np.float32]:
        """Coordinates of a layer that has the images' scale, shape (V, 3).

        The last slice lies at 0. napari's third axis points at the viewer; slices ascend away
        from the viewer, as they are seen one by one. Without this, 3D would be a mirror image.
        """
        turned = np.array(vertices_mm, np.float64)
        turned[:, 0] = (self.slices - 1) * self.spacing.mm[0] - turned[:, 0]
        return (turned * self.to_layer).astype(np.float32)


def joined(
    job: SurfaceJob, meshes: Mapping[str, MaskSurface]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """One mesh of several surfaces: (vertices, faces, values) of a surface layer.

    The values choose among `shades_of_masks`. The last surface is opaque and comes first, so that
    it shines through those around it.
    """
    vertices, faces, values, count = [], [], [], 0
    names = list(MASKS)
    for place, name in enumerate(reversed(list(meshes))):
        mesh = meshes[name]
        shells = [(mesh.vertices_mm, names.index(name))]
        if place:
            # Unseen, it only says how deep the shell lies: its far side is not drawn through
            # its near side then, in whatever order the triangles come.
            outer = mesh.vertices_mm + _LIFT_MM * mesh.normals
            shells = [(mesh.vertices_mm, 2 * len(names)), (outer, len(names) + shells[0][1])]
        for points, value in shells:
            vertices.append(job.placed(points))
            # The other way round, as the slices are.
            faces.append(mesh.faces[:, ::-1] + count)
            values.append(np.full(len(points), value, np.float32))
            count += len(points)
    return np.concatenate(vertices), np.concatenate(faces), np.concatenate(values)


def shades_of_masks() -> list[tuple[float, float, float, float]]:
    """Colours of the values 0, 1, ...: the masks opaque, the masks translucent, and nothing."""
    rgb = [tuple(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)) for c in MASKS.values()]
    shades = [(r, g, b, alpha) for alpha in (1.0, _TRANSLUCENT) for r, g, b in rgb]
    return [*shades, (0.0, 0.0, 0.0, 0.0)]


class KeptSurfaces:
    """Surfaces made before, by content of the mask and spacing."""

    def __init__(self) -> None:
        self._surfaces: OrderedDict[Any, MaskSurface | None] = OrderedDict()

    def surface(
        self, mask: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
    ) -> MaskSurface | None:
        """Return the surface of a mask (Z, Y, X); see `surface.mask_surface`."""
        content = blake2b(np.packbits(mask != 0).tobytes(), digest_size=16).digest()
        key = (content, mask.shape, spacing_mm)
        if key not in self._surfaces:
            self._surfaces[key] = mask_surface(mask, spacing_mm)
        self._surfaces.move_to_end(key)
        while len(self._surfaces) > _KEPT:
            self._surfaces.popitem(last=False)
        return self._surfaces[key]
