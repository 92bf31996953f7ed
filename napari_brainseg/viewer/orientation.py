"""Which way the edges of a picture point in the patient, where the files say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging.edge_letters import axis_letters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.imaging import Geometry
    from napari_brainseg.viewer.planes import Plane

__all__ = ["edge_letters", "scene_letters"]


def edge_letters(geometry: Geometry, plane: Plane) -> tuple[str, str, str, str] | None:
    """Letters for the edges towards lower and higher rows, lower and higher columns.

    Parameters
    ----------
    geometry : Geometry
        Of the volume.
    plane : Plane
        Which way the plane lies.

    Returns
    -------
    tuple of str or None
        See `axis_letters`; `None` where the orientation is not known.
    """
    rows, columns = (
        axis_letters(geometry.affine_lps, axis) for axis in (plane.rows, plane.columns)
    )
    return None if rows is None or columns is None else (*rows, *columns)


def scene_letters(
    geometry: Geometry, view: Sequence[float], up: Sequence[float]
) -> tuple[str, str, str, str] | None:
    """Letters for the upper, lower, left and right edge of the 3D view.

    Parameters
    ----------
    geometry : Geometry
        Of the volume.
    view, up : sequence of float
        Where napari's camera looks to and what is up, (z, y, x) of its world, in which the slices
        of `surface_job` descend.

    Returns
    -------
    tuple of str or None
        As of `edge_letters`.
    """
    if geometry.affine_lps is None:
        return None
    axes = np.array(geometry.affine_lps, float)[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0) * (-1.0, 1.0, 1.0)
    shown = np.zeros((4, 4))
    shown[:3, 1], shown[:3, 2] = axes @ -np.array(up, float), axes @ np.cross(view, up)
    affine = tuple(tuple(map(float, row)) for row in shown)
    rows, columns = axis_letters(affine, 1), axis_letters(affine, 2)
    return None if rows is None or columns is None else (*rows, *columns)
