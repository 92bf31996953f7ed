"""What napari's layers of a study carry: where their voxels lie, and whose they are.

Nothing of the patient's identity: layers are saved, copied and handed to other plugins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.viewer.spacing import canvas_scale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_brainseg.core.imaging import Geometry, Modality, SourceGrid, Study

__all__ = [
    "GEOMETRY",
    "GRID",
    "give_units",
    "layer_metadata",
    "layer_space",
    "space_of",
    "take_units",
]

GEOMETRY = "geometry"
"""Key of the `Geometry` in a layer's metadata."""
GRID = "grid"
"""Key of the `SourceGrid` in a layer's metadata; its value is ``None`` for kaggle_3m."""

_AXES = ("slice", "y", "x")


def layer_space(study: Study) -> dict[str, Any]:
    """Keywords of a layer that place a study: ``scale``, ``units`` and ``axis_labels``.

    The volume is upright already, so that no affine is needed; millimetres are claimed only where
    the files carry them.
    """
    spacing = study.image.geometry.spacing_mm
    return {
        "scale": canvas_scale(study.image.geometry),
        "units": ("pixel" if spacing is None else "millimeter",) * 3,
        "axis_labels": _AXES,
    }


def give_units(viewer: Viewer, units: tuple[str, str, str]) -> None:
    """Give all volumes of a viewer the same units: napari does not mix millimetres and pixels."""
    for layer in viewer.layers:
        if layer.ndim == len(units) and tuple(map(str, layer.units)) != units:
            layer.units = units


def take_units(viewer: Viewer, layer: Layer) -> None:
    """Give a layer that is about to join a viewer the units of those that are there."""
    beside = next((other for other in viewer.layers if other.ndim == layer.ndim), None)
    if beside is not None and tuple(layer.units) != tuple(beside.units):
        layer.units = beside.units


def layer_metadata(study: Study, modality: Modality | None = None) -> dict[str, Any]:
    """Metadata of a layer that shows a study, or one modality of it.

    Parameters
    ----------
    study : Study
        What is shown.
    modality : Modality, optional
        What an image layer shows.

    Returns
    -------
    dict
        Patient (its name in the window), format, path, series behind the modalities, and the grid
        of the files, so that what is painted over the study can be written onto it.
    """
    geometry = study.image.geometry
    facts: dict[str, Any] = {
        "patient": study.patient,
        "format": str(study.format),
        "path": None if study.path is None else str(study.path),
        "slice_numbers": study.slice_numbers,
        "spacing_known": geometry.spacing_mm is not None,
        "orientation_known": geometry.affine_lps is not None,
        "shape": study.image.grid_shape,
        "roles": {str(role): key for role, key in study.roles.items()},
        GEOMETRY: geometry,
        GRID: study.grid,
    }
    if modality is not None:
        facts["modality"] = str(modality)
        facts["series"] = study.roles.get(modality, "")
    return facts


def space_of(
    metadata: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[Geometry, SourceGrid | None] | None:
    """Grid of the study that a layer belongs to; ``None`` where it belongs to none of that shape.

    Parameters
    ----------
    metadata : mapping
        Of a layer.
    shape : tuple of int
        (Z, Y, X) of what shall be written.
    """
    geometry = metadata.get(GEOMETRY)
    if geometry is None or tuple(metadata.get("shape", ())) != tuple(shape):
        return None
    return geometry, metadata.get(GRID)
