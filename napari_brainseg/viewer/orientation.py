"""Which way a plane's edges point in the patient, where the files say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging.edge_letters import axis_letters

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import Geometry
    from napari_brainseg.viewer.planes import Plane

__all__ = ["edge_letters"]


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
