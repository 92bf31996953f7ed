"""Slices of a series in the order in which they lie in the patient, and what is wrong with it.

Slices are sorted along their normal, never by instance number (PS3.3, C.7.6.2.1.1: the position
and orientation of the plane; instance numbers promise nothing).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.formats.dicom.loose_slices import (
    along_stack,
    lacking,
    told_mm,
    without_one_place,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_brainseg.core.formats.dicom.frames import Frame
    from napari_brainseg.core.imaging import Affine

__all__ = ["Stack", "build_stack"]

ORIENTATION_TOLERANCE = 0.01
"""Direction cosines that differ by less are one orientation (half a degree)."""
SAME_POSITION_MM = 0.01
"""Slices closer than this lie at one place."""
SPACING_TOLERANCE = 0.05
"""Distances of slices that differ by less than this share are regular."""
SHEAR_DEG = 0.5
"""A stack that leans by more than this against the normal of its slices is sheared."""
_NO_MAGNITUDE = {"PHASE", "PHASE MAP", "P", "REAL", "R", "IMAGINARY", "I"}
_UNIT = 0.05
"""Direction cosines this far from length 1, or from a right angle, are none."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices in order.

    Parameters
    ----------
    frames : tuple of Frame or None
        Ascending along the normal of the slices; ``None`` where one is missing.
    affine_lps : Affine or None
        Index (slice, row, column, 1) to LPS in mm; ``None`` where the files do not say.
    spacing_mm : tuple of float or None
        (slices, rows, columns), where it is known.
    warnings : tuple of str
        What a reader should know.
    """

    frames: tuple[Frame | None, ...]
    affine_lps: Affine | None
    spacing_mm: tuple[float, float, float] | None
    warnings: tuple[str, ...] = ()

    @property
    def there(self) -> tuple[Frame, ...]:
        """Frames that are not missing."""
        return tuple(frame for frame in self.frames if frame is not None)


def build_stack(frames: Sequence[Frame]) -> Stack:
    """Put the frames of a series in order.

    Parameters
    ----------
    frames : sequence of Frame
        At least one, of any order.

    Returns
    -------
    Stack
        Of the frames that belong together; others are left out with a warning.
    """
    said: list[str] = []
    kept = _largest(frames, lambda f: (f.pixels.rows, f.pixels.columns), "of another size", said)
    kept = _largest(kept, lambda f: f.stack, "of another stack", said, first=True)
    kept = _magnitude(kept, said)
    apart = without_one_place(kept)
    if apart is not kept:
        said.append("All slices name one position though they lie apart; it does not count.")
        kept = apart
    kept = _largest(kept, _has_place, "that do not say where they lie", said)
    if not _has_place(kept[0]):
        return _unplaced(kept, said)
    kept = _one_orientation(kept, said)
    kept = _largest(kept, _spacing_key, "with another distance of pixels", said)
    if _repeats(kept):
        kept = _largest(kept, lambda f: f.kind, "of another kind", said, first=True)
        kept = _largest(kept, lambda f: f.moment, "of another echo or time", said, first=True)
    return _placed(kept, said)


def _largest(
    frames: Sequence[Frame],
    key: Callable[[Frame], Any],
    what: str,
    said: list[str],
    *,
    first: bool = False,
) -> list[Frame]:
    """Keep the group with the most frames; of equal ones the one that comes first."""
    groups: dict[Any, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(key(frame), []).append(frame)
    ordered = list(groups.values())
    if first:
        ordered.sort(key=lambda group: min(f.number for f in group))
    best = max(ordered, key=len)
    if len(best) < len(frames):
        said.append(f"{len(frames) - len(best)} of {len(frames)} slices {what} are left out.")
    return best


def _magnitude(frames: list[Frame], said: list[str]) -> list[Frame]:
    """Leave out phases and parts of complex numbers that a file holds beside its images."""
    kept = [frame for frame in frames if _NO_MAGNITUDE.isdisjoint(frame.kind)]
    if not kept or len(kept) == len(frames):
        return frames
    lost = len(frames) - len(kept)
    said.append(
        f"{lost} of {len(frames)} pictures show phases or parts of complex numbers; left out."
    )
    return kept


def _has_place(frame: Frame) -> bool:
    if frame.position is None or frame.orientation is None or frame.pixel_spacing_mm is None:
        return False
    row, column = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    square = abs(float(row @ column)) < _UNIT
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    return square and all(abs(n - 1) < _UNIT for n in lengths) and min(frame.pixel_spacing_mm) > 0


def _spacing_key(frame: Frame) -> Any:
    return tuple(round(size, 4) for size in frame.pixel_spacing_mm or ())


def _one_orientation(frames: list[Frame], said: list[str]) -> list[Frame]:
    cosines = np.array([frame.orientation for frame in frames])
    seen: list[NDArray[Any]] = []
    labels: dict[int, int] = {}
    for k, one in enumerate(cosines):
        near = (n for n, it in enumerate(seen) if np.abs(it - one).max() < ORIENTATION_TOLERANCE)
        label = next(near, len(seen))
        if label == len(seen):
            seen.append(one)
        labels[id(frames[k])] = label
    return _largest(frames, lambda f: labels[id(f)], "of another orientation", said)


def _repeats(frames: list[Frame]) -> bool:
    """Whether several frames lie at one place."""
    *_, normal = _directions(frames)
    along = np.sort(np.array([frame.position for frame in frames]) @ normal)
    return bool((np.diff(along) < SAME_POSITION_MM).any())


def _unplaced(frames: list[Frame], said: list[str]) -> Stack:
    along, order_by = along_stack(frames)
    order = sorted(
        range(len(frames)),
        key=lambda k: (along[k], frames[k].number, str(frames[k].path), frames[k].index),
    )
    ordered = [frames[k] for k in order]
    first = ordered[0]
    said.append(
        f"The files do not say where their slices lie ({lacking(first)}): orientation unknown, "
        f"slices in the order of their {order_by}."
    )
    gaps = np.diff(np.sort(along))
    pixel = first.pixel_spacing_mm
    between = float(np.median(gaps)) if gaps.any() else told_mm(first)
    known = pixel is not None and min(pixel) > 0 and between is not None
    spacing = (float(between or 0), *(pixel or ())) if known else None
    return Stack(
        tuple(ordered),
        None,
        None if spacing is None else (spacing[0], spacing[1], spacing[2]),
        _with_doubts(ordered, said),
    )


def _placed(frames: list[Frame], said: list[str]) -> Stack:
    row, column, normal = _directions(frames)
    places = np.array([frame.position for frame in frames])
    along = places @ normal
    order = sorted(
        range(len(frames)), key=lambda k: (along[k], frames[k].number, str(frames[k].path))
    )
    order = _without_duplicates(order, along, said)
    ordered = [frames[k] for k in order]
    at, places = along[order], places[order]
    steps, between = _steps(ordered, at, said)
    step = _step(places, steps, between, normal, said)
    slots: list[Frame | None] = [None] * (int(steps.sum()) + 1)
    for slot, frame in zip(np.concatenate([[0], np.cumsum(steps)]), ordered, strict=True):
        slots[int(slot)] = frame
    down, right = ordered[0].pixel_spacing_mm or (1.0, 1.0)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([step, column * down, row * right], axis=1)
    matrix[:3, 3] = places[0]
    affine = tuple(tuple(float(v) for v in line) for line in matrix)
    return Stack(
        tuple(slots),
        affine,
        (float(np.linalg.norm(step)), float(down), float(right)),
        _with_doubts(ordered, said),
    )


def _directions(frames: list[Frame]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Directions of rows, of columns and of the normal, of length 1 and at right angles."""
    mean = np.array([frame.orientation for frame in frames], float).mean(axis=0)
    row = mean[:3] / np.linalg.norm(mean[:3])
    column = mean[3:] - row * (row @ mean[3:])
    column /= np.linalg.norm(column)
    return row, column, np.cross(row, column)


def _without_duplicates(order: list[int], along: NDArray[Any], said: list[str]) -> list[int]:
    kept = order[:1]
    for k in order[1:]:
        if along[k] - along[kept[-1]] >= SAME_POSITION_MM:
            kept.append(k)
    if gone := len(order) - len(kept):
        said.append(
            f"{gone} slices lie where another lies already; the first of each place is kept."
        )
    return kept


def _steps(
    frames: list[Frame], at: NDArray[Any], said: list[str]
) -> tuple[NDArray[np.int64], float]:
    """Give for each slice how many steps lie between it and the next, and the length of a step."""
    if len(frames) == 1:
        alone = told_mm(frames[0])
        if alone is None:
            said.append("One slice of unknown thickness: taken as 1 mm.")
        return np.zeros(0, np.int64), 1.0 if alone is None else alone
    gaps = np.diff(at)
    between = float(np.median(gaps))
    even = np.abs(gaps - between).max() <= SPACING_TOLERANCE * between
    steps = np.ones(len(gaps), np.int64)
    if even:
        between = float(gaps.mean())
    else:
        least = float(np.median(gaps[gaps <= gaps.min() * (1 + SPACING_TOLERANCE)]))
        whole = np.rint(gaps / least)
        lost = int(whole.sum()) - len(gaps)
        if np.abs(gaps / least - whole).max() <= SPACING_TOLERANCE and lost <= len(frames):
            steps, between = whole.astype(np.int64), float(gaps.sum() / whole.sum())
            said.append(_lost(steps))
        else:
            said.append(
                f"Distances of slices vary from {gaps.min():.3g} to {gaps.max():.3g} mm; "
                f"{between:.3g} mm is taken for all, so distances across slices are approximate."
            )
    told = frames[0].between_mm
    # Scanners of GE used to write the gap between slices there, not the way to the next.
    meant = (abs(told or 0.0), abs(told or 0.0) + (frames[0].thickness_mm or 0.0))
    if told is not None and all(abs(mm - between) > SPACING_TOLERANCE * between for mm in meant):
        said.append(
            f"The header says that slices are {abs(told):.3g} mm apart, their positions "
            f"{between:.3g} mm; the positions count."
        )
    return steps, between


def _lost(steps: NDArray[np.int64]) -> str:
    missing: list[str] = []
    slot = 1
    for step in steps:
        missing.extend(str(slot + k) for k in range(1, int(step)))
        slot += int(step)
    shown = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
    one = len(missing) == 1
    return (
        f"{'Slice' if one else 'Slices'} {shown} of {slot} {'is' if one else 'are'} missing; "
        f"{'a blank one stands' if one else 'blank ones stand'} in."
    )


def _step(
    places: NDArray[Any],
    steps: NDArray[np.int64],
    between: float,
    normal: NDArray[Any],
    said: list[str],
) -> NDArray[Any]:
    """Give the way from one slice to the next; a gantry tilt shears the stack."""
    if not len(steps):
        alone: NDArray[Any] = normal * between
        return alone
    way = (places[-1] - places[0]) / steps.sum()
    aside = way - normal * (way @ normal)
    angle = float(np.degrees(np.arctan2(np.linalg.norm(aside), way @ normal)))
    slots = np.concatenate([[0], np.cumsum(steps)])
    line = places[0] + slots[:, None] * way
    off = places - line
    off -= np.outer(off @ normal, normal)
    stray = float(np.linalg.norm(off, axis=1).max())
    if stray > 1.0:
        said.append(
            f"Slices are moved against each other by up to {stray:.2g} mm; they are shown as if "
            "they lay straight."
        )
    if angle > SHEAR_DEG:
        said.append(
            f"The stack leans by {angle:.1f} degrees against its slices (gantry tilt); positions "
            "are right, shapes across slices look sheared."
        )
    step: NDArray[Any] = normal * between + aside
    return step


def _with_doubts(frames: Sequence[Frame], said: list[str]) -> tuple[str, ...]:
    doubts = Counter(doubt for frame in frames for doubt in frame.doubts)
    return (*said, *doubts)
