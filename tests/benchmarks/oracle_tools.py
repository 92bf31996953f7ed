"""What the oracle may try next, with what each would mend; nothing here changes the mask."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from oracle_hand import Hand, deepest, islands
from scipy import ndimage
from skimage.measure import perimeter

from napari_brainseg.core.editing import Edit, Tool
from napari_brainseg.core.editing.between import interpolate
from napari_brainseg.core.editing.brush import Footprint, adaptive, capsule, within
from napari_brainseg.core.editing.flood import flood_fill
from napari_brainseg.core.editing.holes import fill_holes
from napari_brainseg.core.editing.islands import keep_largest, remove_island, remove_smaller
from napari_brainseg.core.editing.seeds import grow_from_seeds
from napari_brainseg.core.editing.shape import dilate, erode, smooth
from napari_brainseg.core.editing.slices import clear_slice, copy_slice
from napari_brainseg.core.editing.taking import snap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_brainseg.session.case import Case

GOAL = 0.95
SIZES = (3, 5, 9, 13, 19, 27)
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

WORTH_DRAWING = 20
"""Wrong pixels that make a slice worth an outline before its neighbours are interpolated."""

Painted = list[tuple[int, "NDArray[np.bool_]", int]]


@dataclass(frozen=True)
class Try:
    """One thing to do. `painted` for what a brush covers slice by slice, else `edit`."""

    tool: str
    gain: float
    edit: Edit
    painted: Painted | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    gestures: int = 1
    first: tuple[Try, ...] = ()
    """To be done before it; their gain and gestures are counted in."""
    travel_px: float = 0.0
    """How far the hand draws for this one."""

    @property
    def rate(self) -> float:
        """Voxels mended per gesture."""
        return self.gain / self.gestures


def outlines(truth: NDArray[np.uint8]) -> list[list[NDArray[np.bool_]]]:
    """Return what a hand would draw around the lesions of each slice, the largest first."""
    found = []
    for z, plane in enumerate(truth):
        hand = Hand(z)
        drawn = (hand.outline(region) for region in islands(plane != 0, 2, least=20))
        found.append([outline for outline in drawn if outline is not None])
    return found


def gain(mask: NDArray[np.uint8], truth: NDArray[np.uint8], edit: Edit) -> float:
    """Return how far an edit brings the mask towards the goal, in voxels or so.

    DSC is at the goal where 2 TP - goal (mask + truth) is 0; this is by how much that rises.
    """
    before, true = mask[edit.box], truth[edit.box]
    hits = int(np.count_nonzero(edit.values & true)) - int(np.count_nonzero(before & true))
    more = int(np.count_nonzero(edit.values)) - int(np.count_nonzero(before))
    return 2 * hits - GOAL * more


def brushes(
    mask: NDArray[np.uint8], truth: NDArray[np.uint8], z: int, *, seed: int
) -> Iterator[Try]:
    """Brush and eraser on a slice: a hand sees no other while it paints."""
    hand = Hand(seed)
    for tool, value in ((Tool.BRUSH, 1), (Tool.ERASER, 0)):
        reward = rewards(mask, truth, z, value)
        for size in SIZES:
            drag = hand.drag(reward, size)
            if drag is None:
                continue
            yield from _painting(tool, mask, truth, [(z, drag.cover, value)], size,
                                 drag.travel_px)  # fmt: skip


def rewards(
    mask: NDArray[np.uint8], truth: NDArray[np.uint8], z: int, value: int, harm: float = 1.0
) -> NDArray[np.float32]:
    """What each pixel of a slice pays if it gets a value: 1 mended, -harm spoiled, else 0."""
    changes = mask[z] != value
    pays = np.where(truth[z] == value, 1.0, -harm)
    return np.where(changes, pays, 0.0).astype(np.float32)


def slice_tools(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    z: int,
    image: NDArray[Any],
    around: Sequence[NDArray[np.bool_]],
    *,
    seed: int,
) -> Iterator[Try]:
    """All that works on one slice, brush and eraser aside; `around`: outlines of its lesions."""
    hand = Hand(seed)
    missed = (
        (truth[z] > mask[z]) if mask[z].any() or truth[z].any() else np.zeros_like(mask[z], bool)
    )
    surplus = mask[z] > truth[z]
    yield from _clever_brushes(mask, truth, z, image[z], hand)
    for region in islands(missed, 2):
        yield from _lasso(mask, truth, z, hand.outline(region), 1)
        at = (z, *deepest(region))
        for tolerance in (0.06, 0.12, 0.2):
            edit = flood_fill(mask, image, at, tolerance=tolerance)
            yield from _tool(Tool.FLOOD_FILL, mask, truth, edit, tolerance=tolerance)
    if missed.any():
        for outline in around:
            yield from _lasso(mask, truth, z, outline, 1)
    for region in islands(surplus, 2):
        yield from _lasso(mask, truth, z, hand.outline(region), 0)
    for source in (z - 1, z + 1):
        if 0 <= source < len(mask):
            yield from _tool(Tool.COPY_SLICE, mask, truth, copy_slice(mask, source, z))
    yield from _tool(Tool.CLEAR_SLICE, mask, truth, clear_slice(mask, z))
    yield from _tool(Tool.FILL_HOLES, mask, truth, fill_holes(mask, z))
    for radius in (1.0, 2.0):
        edit = smooth(mask, radius, slice_index=z)
        yield from _tool(Tool.SMOOTH, mask, truth, edit, radius=radius)
    yield from _tool(Tool.DILATE, mask, truth, dilate(mask, 1, slice_index=z), radius=1)
    yield from _tool(Tool.ERODE, mask, truth, erode(mask, 1, slice_index=z), radius=1)


def snaps(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    z: int,
    probability: NDArray[np.float32],
    *,
    seed: int,
) -> Iterator[Try]:
    """The prediction at another threshold: on a slice, in a drawn region, some slices deep."""
    hand = Hand(seed)
    regions = [np.ones(mask.shape[1:], bool)]
    for error in (truth[z] > mask[z], mask[z] > truth[z]):
        for island in islands(error, 1, least=20):
            drawn = hand.outline(ndimage.binary_dilation(island, iterations=3))
            if drawn is not None:
                regions.append(drawn)
    drawn = [0.0, *(perimeter(region) for region in regions[1:])]
    for depth, (region, travel_px) in itertools.product(
        (0, 1, 2), zip(regions, drawn, strict=True)
    ):
        slices = range(z - depth, z + depth + 1)
        for threshold in THRESHOLDS:
            edit = snap(mask, probability, threshold, region, slices)
            yield from _tool(Tool.SNAP_TO_PROBABILITY, mask, truth, edit, travel_px=travel_px,
                             threshold=threshold, depth=depth)  # fmt: skip


def gap_tries(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    first: int,
    last: int,
    around: Sequence[Sequence[NDArray[np.bool_]]],
) -> Iterator[Try]:
    """Interpolation between two slices, as they are or after drawing around their lesion."""
    for keep in (False, True):
        edit = interpolate(mask, first, last, keep=keep)
        yield from _tool(Tool.INTERPOLATE, mask, truth, edit, first=first, last=last)
    ahead, drawn = mask.copy(), []
    for z in (first, last):
        if (mask[z] != truth[z]).sum() >= WORTH_DRAWING:
            for outline in around[z][:1]:
                drawn += _lasso(mask, truth, z, outline, 1)
    if not drawn:
        return
    for one in drawn:
        one.edit.write(ahead)
    for keep in (False, True):
        edit = interpolate(ahead, first, last, keep=keep)
        if edit is None:
            continue
        after = ahead.copy()
        edit.write(after)
        whole = Edit.between(mask, after)
        mended = 0.0 if whole is None else gain(mask, truth, whole)
        if mended > 0:
            yield Try(Tool.INTERPOLATE, mended, edit, None, {"first": first, "last": last},
                      1 + len(drawn), tuple(drawn))  # fmt: skip


def anywhere(
    mask: NDArray[np.uint8], truth: NDArray[np.uint8], case: Case, *, start: bool
) -> Iterator[Try]:
    """All that works on the volume."""
    yield from _tool(Tool.KEEP_LARGEST, mask, truth, keep_largest(mask))
    yield from _tool(Tool.FILL_HOLES, mask, truth, fill_holes(mask))
    for voxels in (10, 30, 100, 300):
        edit = remove_smaller(mask, voxels)
        yield from _tool(Tool.REMOVE_SMALL, mask, truth, edit, voxels=voxels)
    labels, _ = ndimage.label(mask)
    wrong = np.bincount(labels[mask > truth], minlength=2)
    for label in np.argsort(wrong[1:])[::-1][:3] + 1:
        if wrong[label]:
            point = tuple(int(i) for i in np.argwhere(labels == label)[0])
            edit = remove_island(mask, point)
            yield from _tool(Tool.REMOVE_ISLAND, mask, truth, edit, point=point)
    for radius in (1.0, 2.0, 3.0):
        yield from _tool(Tool.SMOOTH, mask, truth, smooth(mask, radius), radius=radius)
    yield from _tool(Tool.DILATE, mask, truth, dilate(mask, 1), radius=1)
    yield from _tool(Tool.ERODE, mask, truth, erode(mask, 1), radius=1)
    if case.prediction is None:
        return
    everywhere = np.ones(mask.shape[1:], bool)
    for threshold in THRESHOLDS:
        edit = snap(mask, case.prediction.probability, threshold, everywhere, range(len(mask)))
        yield from _tool(Tool.SNAP_TO_PROBABILITY, mask, truth, edit, threshold=threshold)
    if start:
        yield from _seeds(mask, truth, case)


def _tool(
    tool: Tool,
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    edit: Edit | None,
    *,
    gestures: int = 1,
    travel_px: float = 0.0,
    **parameters: Any,
) -> Iterator[Try]:
    if edit is not None:
        mended = gain(mask, truth, edit)
        if mended > 0:
            yield Try(tool, mended, edit, None, parameters, gestures, travel_px=travel_px)


def _painting(
    tool: Tool,
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    painted: Painted,
    size: int,
    travel_px: float,
    **parameters: Any,
) -> Iterator[Try]:
    slices = slice(painted[0][0], painted[-1][0] + 1)
    after = mask[slices].copy()
    for z, cover, value in painted:
        after[z - slices.start][cover] = value
    edit = Edit.inside(mask, (slices, slice(0, mask.shape[1]), slice(0, mask.shape[2])), after)
    if edit is not None:
        mended = gain(mask, truth, edit)
        if mended > 0:
            settings = {"size": size, **parameters}
            yield Try(tool, mended, edit, painted, settings, travel_px=travel_px)


def _clever_brushes(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    z: int,
    plane: NDArray[Any],
    hand: Hand,
) -> Iterator[Try]:
    reward = rewards(mask, truth, z, 1)
    if (reward > 0).sum() < 30:
        return
    for size in (5, 9, 15):
        drag = hand.drag(reward, size)
        if drag is None:
            continue
        click = capsule(plane.shape, drag.path[0], drag.path[0], size)
        strokes = (click, 0.0), (_footprint(drag.cover), drag.travel_px)
        for footprint, travel_px in strokes:
            for tolerance in (0.2, 0.4):
                if footprint is None:
                    continue
                cover = _plane(adaptive(plane, footprint, tolerance=tolerance), plane.shape)
                yield from _painting(Tool.ADAPTIVE_BRUSH, mask, truth, [(z, cover, 1)],
                                     size, travel_px, tolerance=tolerance)  # fmt: skip
    loose = rewards(mask, truth, z, 1, harm=0.3)
    for size in (13, 19, 27):
        drag = hand.drag(loose, size)
        if drag is None:
            continue
        click = capsule(plane.shape, drag.path[0], drag.path[0], 5)
        if click is None:
            continue
        under = plane[click.box][click.inside].astype(float)
        low, high = (float(under.mean() + k * max(2 * under.std(), 8)) for k in (-1, 1))
        cover = _plane(within(plane, _footprint(drag.cover), low, high), plane.shape)
        yield from _painting(Tool.THRESHOLD_BRUSH, mask, truth, [(z, cover, 1)], size,
                             drag.travel_px, window=[low, high])  # fmt: skip


def _lasso(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    z: int,
    inside: NDArray[np.bool_] | None,
    value: int,
) -> Iterator[Try]:
    if inside is not None:
        after = np.where(inside, value, mask[z])
        box = (slice(z, z + 1), slice(0, mask.shape[1]), slice(0, mask.shape[2]))
        edit = Edit.inside(mask, box, after[None])
        travel_px = perimeter(inside)
        yield from _tool(Tool.LASSO, mask, truth, edit, travel_px=travel_px, add=bool(value))


def _seeds(mask: NDArray[np.uint8], truth: NDArray[np.uint8], case: Case) -> Iterator[Try]:
    """Scribbles inside the largest lesion and around it on three slices, then grown."""
    labels, _ = ndimage.label(truth)
    largest = labels == 1 + np.bincount(labels.reshape(-1))[1:].argmax()
    planes = np.flatnonzero(largest.any(axis=(1, 2)))
    inside, outside = np.zeros(truth.shape, bool), np.zeros(truth.shape, bool)
    hand, travel_px = Hand(), 0.0
    for share in (0.2, 0.5, 0.8):
        z = int(planes[round(share * (len(planes) - 1))])
        depth = ndimage.distance_transform_edt(largest[z])
        middle = np.asarray(deepest(largest[z]))
        deep = np.argwhere(depth > max(2.0, depth.max() / 2))
        end = deep[((deep - middle) ** 2).sum(axis=1).argmax()] if len(deep) else middle
        line = capsule(depth.shape, hand.lands(middle), hand.lands(end), 3)
        ring = hand.outline(ndimage.binary_dilation(truth[z], iterations=8))
        if line is None or ring is None:
            return
        travel_px += perimeter(ring) + float(np.hypot(*(end - middle)))
        inside[z] |= _plane(line, depth.shape)
        outside[z] |= ring & ~ndimage.binary_erosion(ring, iterations=2)
    outside &= ~inside
    edit = grow_from_seeds(case.study.image.data, inside, outside, mask)
    yield from _tool(Tool.GROW_FROM_SEEDS, mask, truth, edit, gestures=7, travel_px=travel_px)


def _footprint(cover: NDArray[np.bool_]) -> Footprint:
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return Footprint(*box, cover[box])


def _plane(footprint: Footprint, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    cover = np.zeros(shape, bool)
    cover[footprint.box] = footprint.inside
    return cover
