"""DICOM segmentations on the grid of a study.

Every frame is placed by itself, so their order, and frames that are left out as they are empty,
do not matter: by the image that it refers to, else by its position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.formats.dicom.quiet import quiet
from napari_brainseg.core.formats.grids import SAME_GRID_VOXELS, resample
from napari_brainseg.core.imaging import AS_STORED, DataError, LabelVolume, SourceGrid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_brainseg.core.formats.dicom.segmentation_reading import Segmentation
    from napari_brainseg.core.imaging import Affine, Study

__all__ = ["on_grid", "place_segmentation"]

_MOST_VOXELS = 2**29
_ONE_STACK = 0.01
"""Of a pixel: directions of slices that differ by less are those of one stack, see `stack`."""
_SLACK = 0.05
"""Of a step: distances that differ by less are whole multiples of it."""
_MOST_LEFT_OUT = 500
"""Frames between two that are there."""


def place_segmentation(
    found: Segmentation, study: Study, *, resample_it: bool = False
) -> LabelVolume:
    """Bring a segmentation onto the grid of a study.

    Parameters
    ----------
    found : Segmentation
        All its frames count.
    study : Study
        Of any format whose files say where voxels lie, or the DICOM study that it refers to.
    resample_it : bool
        Bring it from another grid, too: the nearest voxel's value.

    Returns
    -------
    LabelVolume
        Upright, on the grid of the study.

    Raises
    ------
    DataError
        If it lies on another grid or in another frame of reference and `resample_it` is False, or
        nobody can tell where it lies.
    """
    grid = study.grid
    geometry = study.image.geometry
    if grid is None:
        # Slices of kaggle_3m with a file that says where they lie.
        grid = SourceGrid(study.image.grid_shape, geometry.affine_lps, AS_STORED)
    upright = on_grid(found, grid, study.patient, resample_it=resample_it)
    return LabelVolume(upright, geometry)


def on_grid(
    found: Segmentation, grid: SourceGrid, name: str, *, resample_it: bool = False
) -> NDArray[np.uint8]:
    """Bring a segmentation onto a stored grid and turn it upright; see `place_segmentation`.

    Parameters
    ----------
    found : Segmentation
        All its frames count.
    grid : SourceGrid
        Of the series that it shall lie on.
    name : str
        Of the study, for messages.
    resample_it : bool
        Bring it from another grid, too.

    Returns
    -------
    ndarray of uint8, shape (Z, Y, X)
        0 and 1, contiguous.
    """
    known = {
        (frame.sop_instance_uid, frame.frame): index
        for index, frame in enumerate(grid.frames)
        if frame is not None
    }
    if len(known) < sum(frame is not None for frame in grid.frames):
        # Several slices under one UID: only positions tell them apart.
        known = {}
    refers = any(source in known for source in found.sources)
    if not refers:
        _require_same_space(found, grid, name, resample_it)
    stored = np.zeros(grid.shape, np.uint8)
    for index in range(len(found.frames)):
        if found.frames[index].any() and not _place(found, index, grid, known, stored):
            if resample_it:
                stored = _resampled(found, grid, name)
                break
            raise _other_grid(found, index, grid, name)
    return np.ascontiguousarray(grid.reorientation.apply(stored))


def _place(
    found: Segmentation,
    index: int,
    grid: SourceGrid,
    known: Mapping[tuple[str, int], int],
    stored: NDArray[np.uint8],
) -> bool:
    """Write one frame into the stored grid; whether its pixels are voxels of it."""
    frame = found.frames[index]
    source = found.sources[index]
    at = None if source is None else known.get(source)
    affine = found.affines[index]
    if affine is None or grid.affine_lps is None:
        # No position: only the image that it was drawn on tells.
        if at is None or frame.shape != grid.shape[1:]:
            return False
        stored[at] |= frame
        return True
    matrix = np.linalg.solve(np.array(grid.affine_lps, float), np.array(affine, float))
    corners = matrix @ _corners(frame.shape)
    if at is not None and _lies_in_slices(corners):
        # Slices that are not evenly spaced lie beside where the grid says.
        matrix[0, 3] = at
        corners[0] = at
    whole = np.rint(corners[:3])
    if np.abs(corners[:3] - whole).max() > SAME_GRID_VOXELS:
        if at is None or frame.shape != grid.shape[1:] or not _is_slice(matrix, affine, grid):
            return False
        stored[at] |= frame
        return True
    rows, columns = np.rint(matrix[:3, 1]).astype(int), np.rint(matrix[:3, 2]).astype(int)
    if np.abs(rows).sum() != 1 or np.abs(columns).sum() != 1:
        return False
    r, c = np.nonzero(frame)
    voxels = np.rint(matrix[:3, 3]).astype(int)[:, None] + np.outer(rows, r) + np.outer(columns, c)
    if (voxels < 0).any() or (voxels >= np.array(grid.shape)[:, None]).any():
        return False
    stored[tuple(voxels)] = 1
    return True


def _is_slice(matrix: NDArray[np.float64], affine: Affine, grid: SourceGrid) -> bool:
    """Whether a frame is one of the stack's slices, which need not be parallel to half a degree.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        From the frame's pixels to voxels of the grid.
    affine : Affine
        Of the frame.
    grid : SourceGrid
    """
    own, there = (np.array(a, float)[:3, 1:3] for a in (grid.affine_lps, affine))
    step = float(np.linalg.norm(own, axis=0).max())
    begins = bool(np.abs(matrix[1:3, 3]).max() <= 0.5)
    return begins and float(np.abs(own - there).max()) <= _ONE_STACK * step


def _lies_in_slices(corners: NDArray[np.float64]) -> bool:
    """Whether a frame is parallel to the stored slices."""
    return bool(np.ptp(corners[0]) < SAME_GRID_VOXELS)


def _corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    rows, columns = (float(max(n - 1, 1)) for n in shape)
    return np.array([(0.0, r, c, 1.0) for r in (0.0, rows) for c in (0.0, columns)], float).T


def _resampled(found: Segmentation, grid: SourceGrid, name: str) -> NDArray[np.uint8]:
    """Stack the frames on their own grid, and look it up from the study's."""
    if grid.affine_lps is None or any(affine is None for affine in found.affines):
        raise DataError(
            f"Nobody can tell where {found.path} lies in {name}: one of the two has no geometry.",
            "Use a mask that was drawn on this study.",
        )
    affines = [np.array(affine, float) for affine in found.affines]
    first = affines[0]
    normal = np.cross(first[:3, 1], first[:3, 2])
    normal /= np.linalg.norm(normal)
    if any(not np.allclose(a[:3, 1:3], first[:3, 1:3], rtol=0, atol=1e-3) for a in affines):
        raise DataError(
            f"The frames of {found.path} are not parallel, so they cannot be brought onto the "
            f"grid of {name}.",
            "Export the mask on the grid of the study.",
        )
    heights = np.array([(a[:3, 3] - first[:3, 3]) @ normal for a in affines])
    gaps = np.diff(np.unique(heights.round(3)))
    step = _distance(found, gaps) if gaps.size else float(np.linalg.norm(first[:3, 0]))
    levels = np.rint((heights - heights.min()) / step).astype(int)
    shape = (int(levels.max()) + 1, *found.frames.shape[1:])
    if np.prod(shape, dtype=float) > _MOST_VOXELS:
        raise DataError(
            f"The frames of {found.path} span {shape} voxels, which is too many.",
            "Export the mask on the grid of the study.",
        )
    volume = np.zeros(shape, np.uint8)
    for level, frame in zip(levels, found.frames, strict=True):
        volume[level] |= frame
    low, high = affines[int(heights.argmin())], affines[int(heights.argmax())]
    affine = low.copy()
    # From the lowest to the highest frame: stacks of a tilted gantry do not run along the normal.
    affine[:3, 0] = (high - low)[:3, 3] / levels.max() if levels.max() else normal * step
    rows = tuple(tuple(float(v) for v in row) for row in affine)
    placed: NDArray[np.uint8] = resample(volume, rows, grid.affine_lps, grid.shape, order=0)
    return placed


def _distance(found: Segmentation, gaps: NDArray[np.float64]) -> float:
    """Distance of slices in mm; frames without a segment may be left out of the file."""
    least = float(gaps.min())
    if found.between_mm is not None and _fits(gaps, found.between_mm):
        return found.between_mm
    if len(gaps) > 1 and _fits(gaps, least) and gaps.max() < least * 1.5:
        # Frames at one distance all along are neighbours, however thin they are said to be.
        return least
    # Slices hardly lie farther apart than twice their thickness.
    most = int(least / found.thickness_mm + _SLACK) if found.thickness_mm else 1
    shares = [least / count for count in range(min(most, _MOST_LEFT_OUT), 0, -1)]
    return next((step for step in shares if _fits(gaps, step)), least)


def _fits(gaps: NDArray[np.float64], step: float) -> bool:
    """Whether distances are whole multiples of a step."""
    whole = np.rint(gaps / step)
    return bool(whole.min() >= 1 and np.abs(gaps / step - whole).max() <= _SLACK)


def _require_same_space(
    found: Segmentation, grid: SourceGrid, name: str, resample_it: bool
) -> None:
    here, there = found.frame_of_reference, _frame_of_reference(grid)
    if resample_it or not here or not there or here == there:
        return
    raise DataError(
        f"The DICOM segmentation {found.path} lies in another frame of reference than {name}, and "
        "refers to none of its images: it may be of another examination or another patient.",
        "Choose the segmentation of this study, or ask for it to be resampled if you know that "
        "both lie in the same space.",
    )


def _frame_of_reference(grid: SourceGrid) -> str:
    import pydicom

    frame = next((frame for frame in grid.frames if frame is not None), None)
    if frame is None:
        return ""
    try:
        with quiet():
            header = pydicom.dcmread(
                frame.path, stop_before_pixels=True, specific_tags=["FrameOfReferenceUID"]
            )
            return str(header.get("FrameOfReferenceUID") or "")
    except Exception:  # noqa: BLE001 -- the study is open; what cannot be compared is let pass
        return ""


def _other_grid(found: Segmentation, index: int, grid: SourceGrid, name: str) -> DataError:
    shape = found.frames.shape
    where = "somewhere that it does not say"
    affine = found.affines[index]
    if affine is not None:
        matrix = np.array(affine, float)
        row, column = np.linalg.norm(matrix[:3, 1:3], axis=0)
        at = ", ".join(f"{v:.1f}" for v in matrix[:3, 3])
        where = f"with pixels of {row:.3g} x {column:.3g} mm, frame {index + 1} at ({at}) mm"
    own = "without geometry"
    if grid.affine_lps is not None:
        matrix = np.array(grid.affine_lps, float)
        sizes = " x ".join(f"{v:.3g}" for v in np.linalg.norm(matrix[:3, :3], axis=0))
        at = ", ".join(f"{v:.1f}" for v in matrix[:3, 3])
        own = f"with voxels of {sizes} mm from ({at}) mm"
    return DataError(
        f"The mask {found.path} lies on another grid than {name}: {shape[0]} frames of "
        f"{shape[1]} x {shape[2]}, {where}; the study has "
        f"{' x '.join(str(n) for n in grid.shape)}, {own}.",
        "Choose the mask of this study, or ask for it to be resampled (nearest voxel).",
    )
