"""What several strokes come to, taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.session.stroke import Parameters, Stroke, VoxelEdit
from napari_brainseg.session.voxels import fullest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_brainseg.session.history import StrokeHistory

__all__ = ["net_stroke", "unsaved_edits"]


def net_stroke(
    history: StrokeHistory, numbers: Sequence[int], mask: NDArray[np.uint8], *, backwards: bool
) -> Stroke:
    """Sum up the strokes on a path through the history.

    Parameters
    ----------
    history : StrokeHistory
        Has the strokes.
    numbers : sequence of int
        Strokes to take back, the latest first, or to do again, the oldest first; at least one.
    mask : ndarray of uint8, shape (Z, Y, X)
        The mask at the beginning of the path.
    backwards : bool
        Whether they are taken back.

    Returns
    -------
    Stroke
        One alone as it is. Of several the net change, which may have no voxels; its slice is the
        one with most of it, or that of the last stroke done again.
    """
    start = mask.reshape(-1)
    target = None if len(numbers) == 1 else start.copy()
    for stroke in history.strokes(numbers, backwards=backwards):
        if target is None:
            return stroke
        target[stroke.indices] = stroke.before if backwards else stroke.after
    assert target is not None
    indices = np.flatnonzero(target != start)
    old, new = start[indices], target[indices]
    first, most, last = stroke.first_slice, stroke.slice_index, stroke.last_slice
    if indices.size:
        z, y, x = mask.shape
        first, fullest_one, last = fullest(indices, (z, y, x))
        most = fullest_one if backwards else most
    return Stroke(
        number=numbers[-1],
        slice_index=most,
        indices=indices,
        before=new if backwards else old,
        after=old if backwards else new,
        seconds=0.0,
        first_slice=first,
        last_slice=last,
    )


def unsaved_edits(
    history: StrokeHistory, mask: NDArray[np.uint8]
) -> tuple[tuple[VoxelEdit, str, Parameters], ...]:
    """Return what the disk lacks as changes of what it has.

    Parameters
    ----------
    history : StrokeHistory
        With strokes that were not saved.
    mask : ndarray of uint8, shape (Z, Y, X)
        The mask with all strokes in force.

    Returns
    -------
    tuple of (VoxelEdit, str, mapping)
        Change, tool and parameters, oldest first; steps through the history come before new
        strokes, as one change.
    """
    new = history.unsaved_strokes()
    before_new = mask.reshape(-1).copy()
    for stroke in reversed(new):
        before_new[stroke.indices] = stroke.before
    there, here = history.unsaved_moves()
    saved = before_new.copy()
    for stroke in history.strokes(here, backwards=True):
        saved[stroke.indices] = stroke.before
    for stroke in history.strokes(there):
        saved[stroke.indices] = stroke.after
    edits: list[tuple[VoxelEdit, str, Parameters]] = []
    moved = np.flatnonzero(saved != before_new)
    if moved.size:
        edits.append((VoxelEdit(moved, before_new[moved]), "other", {}))
    edits += [(VoxelEdit(s.indices, s.after), s.tool, s.parameters) for s in new]
    return tuple(edits)
