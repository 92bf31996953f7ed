"""What the menus of tools offer: tools with some of their parameters set, by name and group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_brainseg.session.tool_specs import NEXT, PREVIOUS, SLICE, VOLUME

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENTRIES", "GROUPS", "ToolEntry"]

SLICES, ISLANDS, SHAPE, GROW, TAKE = GROUPS = ("Slice", "Islands", "Shape", "Grow", "Take")
"""Titles of the menus, in their order."""


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """One line of a menu.

    Parameters
    ----------
    id : str
        Name of its action, an identifier: `viewer.shortcuts` knows its keys by it.
    group : str
        One of `GROUPS`.
    title : str
        For the user; three dots say that it asks before it acts.
    tool : str
        Id of the tool.
    parameters : mapping
        Set from the start.
    hint : str
        What it does, in a sentence.
    """

    id: str
    group: str
    title: str
    tool: str
    hint: str
    parameters: Mapping[str, object] = field(default_factory=dict)


ENTRIES = (
    ToolEntry(
        "interpolate", SLICES, "Interpolate between slices...", "interpolate",
        "Fill the empty slices between two drawn ones",
    ),
    ToolEntry(
        "copy_to_next", SLICES, "Copy to the next slice", "copy slice",
        "The next slice gets the mask of this one, and is shown", {"to": NEXT},
    ),
    ToolEntry(
        "copy_to_previous", SLICES, "Copy to the previous slice", "copy slice",
        "The previous slice gets the mask of this one, and is shown", {"to": PREVIOUS},
    ),
    ToolEntry(
        "clear_slice", SLICES, "Clear this slice", "clear slice", "Empty the mask of this slice"
    ),
    ToolEntry(
        "keep_largest", ISLANDS, "Keep the largest", "keep largest",
        "Remove all islands of the volume but the largest",
    ),
    ToolEntry(
        "remove_small", ISLANDS, "Remove small ones...", "remove small",
        "Remove the islands that have fewer voxels than you say",
    ),
    ToolEntry(
        "remove_island", ISLANDS, "Remove the one under the mouse", "remove island",
        "Remove one island; click on it, or press the key over it",
    ),
    ToolEntry(
        "fill_holes", SHAPE, "Fill holes in this slice", "fill holes",
        "Fill what the lesion closes in on this slice", {"scope": SLICE},
    ),
    ToolEntry(
        "fill_holes_volume", SHAPE, "Fill holes in the volume", "fill holes",
        "Fill what the lesion closes in on all sides", {"scope": VOLUME},
    ),
    ToolEntry("smooth", SHAPE, "Smooth...", "smooth", "Round the outline off"),
    ToolEntry("dilate", SHAPE, "Dilate...", "dilate", "Let the mask grow by a margin"),
    ToolEntry("erode", SHAPE, "Erode...", "erode", "Let the mask shrink by a margin"),
    ToolEntry(
        "flood_fill", GROW, "Flood fill...", "flood fill",
        "Add what hangs together with a voxel and is as bright",
    ),
    ToolEntry(
        "grow_from_seeds", GROW, "Grow from seeds...", "grow from seeds",
        "Scribble in the lesion and around it; the rest is found",
    ),
    ToolEntry(
        "snap_to_probability", TAKE, "Snap to probability...", "snap to probability",
        "Take the prediction at another threshold, on a slice or in a region",
    ),
    ToolEntry(
        "take_prediction", TAKE, "Prediction...", "take prediction",
        "Take the prediction for this slice, one island, or all",
    ),
    ToolEntry(
        "take_truth", TAKE, "Ground truth...", "take truth",
        "Take the ground truth for this slice, one island, or all",
    ),
)  # fmt: skip
"""All lines of all menus."""
