"""Where the voxels of a NIfTI file lie, by the fields of its header."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_brainseg.core.imaging import DataError, Reorientation, upright

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import Affine

__all__ = ["AS_DRAWN", "Placement", "placement_of"]

AS_DRAWN = Reorientation((2, 1, 0), (False, True, False))
"""Order for files that do not say how they lie: slices along k, the last row of j at the top.

Most programs write the patient's front at the end of j; nothing is claimed about left and right.
"""
_PLAUSIBLE_MM = (0.005, 100.0)
"""Distances between voxels beyond this are a mistake of units or a broken header."""
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_DIFFER_MM = 1.0


class Placement(NamedTuple):
    """Where the voxels of a file lie.

    Parameters
    ----------
    affine_lps : Affine or None
        From stored index (i, j, k, 1) to LPS in millimetres; ``None`` where the file does not say.
    spacing_mm : tuple of float or None
        Distances of voxel centres along i, j, k; ``None`` where unknown.
    warnings : tuple of str
        What is doubtful.
    """

    affine_lps: Affine | None
    spacing_mm: tuple[float, float, float] | None
    warnings: tuple[str, ...] = ()


def placement_of(raw: Any, shape: tuple[int, int, int]) -> Placement:
    """Find where voxels lie: by sform, else by qform, else by spacing alone.

    Parameters
    ----------
    raw : nibabel.Nifti1Header
        All fields.
    shape : tuple of int
        (i, j, k).
    """
    warnings: list[str] = []
    unit = int(raw["xyzt_units"]) & 7
    scale = _MM_PER_UNIT.get(unit, 1.0)
    if (np.array(raw["pixdim"][1:4], float) < 0).any():
        # They "should be positive" (nifti1.h); what is meant by a sign differs between programs.
        warnings.append(
            f"The spacing in the header is negative ({_listed(raw['pixdim'][1:4])}); its size is "
            "taken. Check left and right."
        )
        raw = raw.copy()
        raw["pixdim"][1:4] = np.abs(raw["pixdim"][1:4])
    found: dict[str, Affine] = {}
    for name in ("sform", "qform"):
        matrix = _matrix(raw, name)
        if matrix is None:
            continue
        affine = _lps(matrix, scale)
        if doubt := _doubt(affine, shape):
            warnings.append(f"The {name} in the header is not usable: {doubt}.")
        else:
            found[name] = affine
    if found:
        name, affine = next(iter(found.items()))
        if len(found) == 2 and _apart(found["sform"], found["qform"], shape) > _DIFFER_MM:
            warnings.append(
                "The header gives two different positions (sform and qform); the sform is used. "
                "Check left and right."
            )
        steps = np.linalg.norm(np.array(affine)[:3, :3], axis=0)
        return Placement(
            affine, (float(steps[0]), float(steps[1]), float(steps[2])), tuple(warnings)
        )
    steps = np.array(raw["pixdim"][1:4], float) * scale
    if not all(_is_plausible(step) for step in steps):
        if warnings or steps.any():
            warnings.append(f"Spacing is unknown: {_listed(steps)} mm makes no sense.")
        return Placement(None, None, tuple(warnings))
    if unit == 0 and (steps == 1).all():
        # What programs write that know nothing.
        return Placement(None, None, tuple(warnings))
    if unit == 0:
        warnings.append(f"The header names no unit; its spacing {_listed(steps)} is taken as mm.")
    return Placement(None, (float(steps[0]), float(steps[1]), float(steps[2])), tuple(warnings))


def _matrix(raw: Any, name: str) -> np.ndarray[Any, Any] | None:
    """4x4 matrix to RAS in the unit of the file; nan where the header is broken."""
    from nibabel.spatialimages import HeaderDataError

    if int(raw[f"{name}_code"]) <= 0:
        return None
    if name == "qform" and raw["pixdim"][0] == 0:
        # "If pixdim[0]=0.0 (which should not occur), we take qfac=1" (nifti1.h).
        raw = raw.copy()
        raw["pixdim"][0] = 1
    try:
        with np.errstate(all="ignore"):
            matrix = raw.get_sform() if name == "sform" else raw.get_qform()
    except (HeaderDataError, ValueError, ArithmeticError):
        return np.full((4, 4), np.nan)
    return np.array(matrix, float)


def _lps(ras: np.ndarray[Any, Any], scale: float) -> Affine:
    lps = np.array(ras, float)
    with np.errstate(all="ignore"):
        lps[:3] *= scale
    # Adding zero turns -0.0 into 0.0.
    lps[:2] *= -1
    return tuple(tuple(float(value) + 0.0 for value in row) for row in lps)


def _doubt(affine: Affine, shape: tuple[int, int, int]) -> str:
    """Why a matrix is none that voxels can lie by; empty where it is fine."""
    matrix = np.array(affine)
    if not np.isfinite(matrix).all():
        return "it is not finite"
    with np.errstate(all="ignore"):
        steps = np.linalg.norm(matrix[:3, :3], axis=0)
    if not all(_is_plausible(step) for step in steps):
        return f"voxels of {_listed(steps)} mm make no sense"
    try:
        upright(affine, shape)
    except DataError:
        return "its axes do not span space"
    return ""


def _apart(a: Affine, b: Affine, shape: tuple[int, int, int]) -> float:
    """Greatest distance in mm between the corners of two placements."""
    ends = [(0.0, n - 1.0) for n in shape]
    corners = np.array([(i, j, k, 1.0) for i in ends[0] for j in ends[1] for k in ends[2]]).T
    with np.errstate(all="ignore"):
        moved = (np.array(a) - np.array(b)) @ corners
    return float(np.abs(moved).max())


def _is_plausible(step: float) -> bool:
    low, high = _PLAUSIBLE_MM
    return bool(math.isfinite(step) and low <= step <= high)


def _listed(steps: np.ndarray[Any, Any]) -> str:
    return " x ".join(f"{step:.4g}" for step in steps)
