"""What a person should look at again before a correction is signed off.

Pure: arrays and facts in, findings out; some 20 ms for 60 slices of 256 by 256. Not for the GUI
thread all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["Finding", "FindingKind", "SignOffFacts", "sign_off_checks"]

MOST_ISLANDS = 8
"""So many small islands are named one by one; more are counted."""
LONGEST_GAP = 3
"""Slices. Two parts that lie further apart are taken for two lesions."""


class FindingKind(StrEnum):
    """What is odd."""

    EMPTY = "empty"
    UNSEEN = "unseen"
    ISLAND = "island"
    ISOLATED = "isolated"
    GAP = "gap"
    UNSAVED = "unsaved"
    SOURCE_CHANGED = "source changed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at before signing off.

    Parameters
    ----------
    kind : FindingKind
        What it is.
    message : str
        In the reader's words; slices are counted from 1.
    slice_index : int or None
        Where to look (0-based), `None` where no slice is meant.
    must_acknowledge : bool
        Whether the case is approved only by saying so.
    """

    kind: FindingKind
    message: str
    slice_index: int | None = None
    must_acknowledge: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class SignOffFacts:
    """What the checks look at; masks are uint8 of shape (Z, Y, X), not zero is lesion.

    Parameters
    ----------
    mask : ndarray
        The correction.
    base : ndarray
        What it started from.
    prediction, truth : ndarray or None
        `None` where there is none, or it must not be known.
    seen : ndarray of bool, shape (Z,), or None
        Slices that were looked at; `None`: not known, then nothing is said about it.
    least_island_vox : int
        Islands with fewer voxels are odd; 0 for none.
    unsaved : int
        Strokes that are not on disk.
    changed_sources : iterable of str
        Files of the patient that are not what was read, by name.
    """

    mask: NDArray[np.uint8]
    base: NDArray[np.uint8]
    prediction: NDArray[np.uint8] | None = None
    truth: NDArray[np.uint8] | None = None
    seen: NDArray[np.bool_] | None = None
    least_island_vox: int = 0
    unsaved: int = 0
    changed_sources: Iterable[str] = ()


def sign_off_checks(facts: SignOffFacts) -> tuple[Finding, ...]:
    """Look for what may have been overlooked; gravest first."""
    return (
        *_empty(facts),
        *_unsaved(facts),
        *_sources(facts),
        *_unseen(facts),
        *_shape(facts),
    )


def _empty(facts: SignOffFacts) -> list[Finding]:
    if facts.mask.any():
        return []
    for other, words in (
        (facts.truth, "the ground truth is not"),
        (facts.prediction, "the prediction is not"),
        (facts.base, "the correction started from a mask that was not"),
    ):
        if other is not None and other.any():
            message = f"The mask is empty, but {words}."
            return [Finding(FindingKind.EMPTY, message, int(_areas(other).argmax()))]
    return []


def _unsaved(facts: SignOffFacts) -> list[Finding]:
    if facts.unsaved <= 0:
        return []
    count = _count(facts.unsaved, "stroke is", "strokes are")
    return [Finding(FindingKind.UNSAVED, f"{count} not saved on disk yet.")]


def _sources(facts: SignOffFacts) -> list[Finding]:
    names = tuple(facts.changed_sources)
    if not names:
        return []
    count = _count(len(names), "file", "files")
    message = f"{count} of this patient changed on disk since it was opened: {_some(names)}."
    return [Finding(FindingKind.SOURCE_CHANGED, message)]


def _unseen(facts: SignOffFacts) -> list[Finding]:
    if facts.seen is None:
        return []
    lesion = _areas(facts.mask) > 0
    if facts.prediction is not None:
        lesion |= _areas(facts.prediction) > 0
    near = lesion.copy()
    near[1:] |= lesion[:-1]
    near[:-1] |= lesion[1:]
    missed = np.flatnonzero(near & ~facts.seen)
    if missed.size == 0:
        return []
    count = _count(int(missed.size), "slice", "slices")
    message = f"{count} with or beside a lesion not looked at: {_ranges(missed)}."
    return [Finding(FindingKind.UNSEEN, message, int(missed[0]))]


def _shape(facts: SignOffFacts) -> list[Finding]:
    """Islands, and slices that hang alone; only the box around the lesion is looked at."""
    from scipy import ndimage

    lesion = facts.mask != 0
    slices = np.flatnonzero(_areas(facts.mask))
    if slices.size == 0:
        return []
    plane = lesion[slices[0] : slices[-1] + 1].any(axis=0)
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    top = int(slices[0])
    box = np.s_[top : slices[-1] + 1, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = lesion[box]
    edited = inside != (facts.base[box] != 0)
    # Voxels that touch by an edge or a corner belong together, as for the island tools.
    islands, count = ndimage.label(inside, np.ones((3, 3, 3), np.uint8))
    sizes = np.bincount(islands.reshape(-1), minlength=count + 1)
    small = [i for i in range(1, count + 1) if sizes[i] < facts.least_island_vox]
    found = _islands(islands, sizes, small, top, count)
    kept = inside if not small else inside & ~np.isin(islands, small)
    return found + _isolated(kept, edited, top) + _gaps(kept, edited, top)


def _islands(
    islands: NDArray[np.signedinteger[Any]],
    sizes: NDArray[np.int64],
    small: list[int],
    top: int,
    count: int,
) -> list[Finding]:
    from scipy import ndimage

    if not small or len(small) == count == 1:
        # A lesion that is small as a whole is no island beside another one.
        return []
    small.sort(key=lambda i: int(sizes[i]))
    boxes = ndimage.find_objects(islands)
    found = []
    for i in small[:MOST_ISLANDS]:
        z = boxes[i - 1][0]
        middle = top + (z.start + z.stop - 1) // 2
        message = f"Island of {_count(int(sizes[i]), 'voxel', 'voxels')} in slice {middle + 1}."
        found.append(Finding(FindingKind.ISLAND, message, middle))
    more = len(small) - MOST_ISLANDS
    if more > 0:
        z = boxes[small[MOST_ISLANDS] - 1][0]
        message = f"{_count(more, 'more small island', 'more small islands')}."
        found.append(Finding(FindingKind.ISLAND, message, top + z.start))
    return found


def _isolated(lesion: NDArray[np.bool_], edited: NDArray[np.bool_], top: int) -> list[Finding]:
    """Edited outlines with nothing above and below them."""
    alone = []
    for z, labels, count in _outlines(lesion):
        touched = np.unique(labels[edited[z]])
        held = {0}
        for other in (z - 1, z + 1):
            if 0 <= other < len(lesion):
                held.update(np.unique(labels[lesion[other]]).tolist())
        if count and any(i not in held for i in touched.tolist()):
            alone.append(top + z)
    if not alone:
        return []
    is_one = len(alone) == 1
    what = "The outline you edited in" if is_one else "Outlines you edited in"
    message = f"{what} {_slices(alone)} {'has' if is_one else 'have'} no lesion above or below."
    return [Finding(FindingKind.ISOLATED, message, alone[0])]


def _gaps(lesion: NDArray[np.bool_], edited: NDArray[np.bool_], top: int) -> list[Finding]:
    """Edited lesions that stop for a slice or two and go on behind."""
    gaps: set[int] = set()
    for z, labels, count in _outlines(lesion):
        if count == 0 or z + 2 >= len(lesion):
            continue
        open_ended = set(range(1, count + 1)) - set(np.unique(labels[lesion[z + 1]]).tolist())
        for far in range(z + 2, min(z + LONGEST_GAP + 2, len(lesion))):
            reached = open_ended & set(np.unique(labels[lesion[far]]).tolist())
            for i in reached:
                here = labels == i
                if edited[z : far + 1, here].any():
                    gaps.update(range(top + z + 1, top + far))
            open_ended -= reached
    if not gaps:
        return []
    where = sorted(gaps)
    message = f"The lesion stops and goes on: nothing in {_slices(where)} between its parts."
    return [Finding(FindingKind.GAP, message, where[0])]


def _outlines(
    lesion: NDArray[np.bool_],
) -> Iterable[tuple[int, NDArray[np.signedinteger[Any]], int]]:
    """Islands of each slice by themselves: index, labels (Y, X), how many."""
    from scipy import ndimage

    corners = np.ones((3, 3), np.uint8)
    for z, plane in enumerate(lesion):
        labels, count = ndimage.label(plane, corners)
        yield z, labels, count


def _areas(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.fromiter((np.count_nonzero(plane) for plane in mask), np.int64, len(mask))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _slices(indices: Iterable[int]) -> str:
    where = list(indices)
    return f"slice{'' if len(where) == 1 else 's'} {_ranges(np.asarray(where))}"


def _ranges(indices: NDArray[np.int64]) -> str:
    """Slices counted from 1, neighbours as a range: ``3-7, 12``."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    words = [
        f"{run[0] + 1}" if run.size == 1 else f"{run[0] + 1}\u2013{run[-1] + 1}" for run in runs
    ]
    return _some(words, 6)


def _some(words: Iterable[str], most: int = 3) -> str:
    names = list(words)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
