"""What the correction tools are called, what can be set of them, and what they need.

Only those that work on the mask as a whole, an island or a slice; brushes belong to the viewer.
The ids are those of `core.editing.Tool`, which the history keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from napari_brainseg.core.editing.flood import FLOOD_LIMIT_VOXELS, FLOOD_TOLERANCE
from napari_brainseg.core.editing.seeds import SEED_MARGIN, SEED_METHOD

__all__ = [
    "ISLAND",
    "MM",
    "NEXT",
    "PREVIOUS",
    "REGION",
    "SLICE",
    "TOOLS",
    "VOLUME",
    "VOXELS",
    "Kind",
    "Need",
    "Parameter",
    "ToolSpec",
    "spec_of",
]

SLICE, VOLUME, ISLAND, REGION = "slice", "volume", "island", "region"
"""Values of the parameter `scope`: where a tool acts."""
VOXELS, MM = "voxels", "mm"
"""Values of the parameter `unit`."""
NEXT, PREVIOUS = "next", "previous"
"""Values of the parameter `to`: the slice that is copied onto."""
LEAST_THRESHOLD, MOST_THRESHOLD = 0.01, 0.99


class Kind(StrEnum):
    """What a parameter is, and with it how it is asked for."""

    WHOLE = "whole"
    """An int."""
    REAL = "real"
    """A float."""
    SHARE = "share"
    """A float from 0 to 1 that people read in per cent."""
    SLICE = "slice"
    """Index of a slice, 0-based; people count from 1."""
    CHOICE = "choice"
    """One of some words."""


class Need(StrEnum):
    """What a tool cannot do without."""

    PREDICTION = "prediction"
    TRUTH = "truth"
    POINT = "point"
    """A voxel: the one under the mouse."""
    SEEDS = "seeds"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that can be set of a tool.

    Parameters
    ----------
    name : str
        As the history keeps it.
    title : str
        For the user, sentence case.
    kind : Kind
        Sort of value.
    default : int, float or str
        Where nothing is said.
    low, high, step : float
        Range of a number, both ends allowed, and how far one step of its slider goes.
    unit : str
        For the user; empty for a plain number, and where a parameter `unit` tells.
    choices : tuple of (str, str)
        Value and title of each.
    """

    name: str
    title: str
    kind: Kind
    default: float | str
    low: float = 0.0
    high: float = 0.0
    step: float = 1.0
    unit: str = ""
    choices: tuple[tuple[str, str], ...] = ()

    def starting_with(self, default: float | str) -> Parameter:
        """Return it with another default."""
        return replace(self, default=default)

    def valid(self, value: object) -> float | str:
        """Return a value as it is used: numbers within the range, words that are known.

        Raises
        ------
        ValueError
            If it is no number, or none of the choices.
        """
        if self.kind is Kind.CHOICE:
            known = [choice for choice, _title in self.choices]
            if value not in known:
                raise ValueError(f"{self.title}: {value!r} is none of {', '.join(known)}.")
            return str(value)
        if not isinstance(value, int | float):
            raise ValueError(f"{self.title}: {value!r} is not a number.")
        number = min(max(float(value), self.low), self.high)
        return number if self.kind in (Kind.REAL, Kind.SHARE) else round(number)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool.

    Parameters
    ----------
    id : str
        One of `core.editing.Tool`.
    title : str
        For the user.
    parameters : tuple of Parameter
        What can be set.
    needs : frozenset of Need
        What it always needs; a scope may need more, e.g. an island a point.
    previewed : bool
        What it would do is worth a look before it is done. The others act at once: undo is there.
    nothing : str
        Said where the mask would stay as it is.
    """

    id: str
    title: str
    parameters: tuple[Parameter, ...] = ()
    needs: frozenset[Need] = frozenset()
    previewed: bool = True
    nothing: str = "Nothing would change."

    def parameter(self, name: str) -> Parameter:
        """Return a parameter by its name.

        Raises
        ------
        KeyError
            If it has none of that name.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)


_TITLES = {
    SLICE: "This slice",
    VOLUME: "Whole volume",
    ISLAND: "Island under the mouse",
    REGION: "Drawn region",
}


def _scope(*values: str) -> Parameter:
    choices = tuple((value, _TITLES[value]) for value in values)
    return Parameter("scope", "Where", Kind.CHOICE, values[0], choices=choices)


_UNIT = Parameter(
    "unit", "Unit", Kind.CHOICE, VOXELS, choices=((VOXELS, "Voxels"), (MM, "Millimetres"))
)


def _radius(default: float) -> Parameter:
    return Parameter("radius", "Radius", Kind.REAL, default, 0.5, 10.0, 0.5)


_SHAPE = (_radius(1.0), _UNIT, _scope(SLICE, VOLUME))
_TAKE = (_scope(SLICE, ISLAND, VOLUME),)

TOOLS = (
    ToolSpec("fill holes", "Fill holes", (_scope(SLICE, VOLUME),), previewed=False),
    ToolSpec(
        "flood fill",
        "Flood fill",
        (
            Parameter("tolerance", "Tolerance", Kind.SHARE, FLOOD_TOLERANCE, 0.01, 0.5, 0.01),
            Parameter("limit_voxels", "Reach", Kind.WHOLE, FLOOD_LIMIT_VOXELS, 5, 200, 5, "voxels"),
            _scope(SLICE, VOLUME),
        ),
        frozenset({Need.POINT}),
    ),
    ToolSpec(
        "grow from seeds",
        "Grow from seeds",
        (
            Parameter(
                "method",
                "Method",
                Kind.CHOICE,
                SEED_METHOD,
                choices=(("random walker", "Random walker"), ("growcut", "GrowCut")),
            ),
            Parameter("margin", "Margin", Kind.WHOLE, SEED_MARGIN, 2, 60, 1, "voxels"),
        ),
        frozenset({Need.SEEDS}),
    ),
    ToolSpec(
        "interpolate",
        "Interpolate",
        (
            Parameter("first", "From slice", Kind.SLICE, 0),
            Parameter("last", "To slice", Kind.SLICE, 0),
        ),
        nothing="There is nothing to fill between these slices.",
    ),
    ToolSpec(
        "copy slice",
        "Copy slice",
        (
            Parameter(
                "to",
                "Onto",
                Kind.CHOICE,
                NEXT,
                choices=((NEXT, "Next slice"), (PREVIOUS, "Previous slice")),
            ),
        ),
        previewed=False,
    ),
    ToolSpec("keep largest", "Keep the largest island", previewed=False),
    ToolSpec(
        "remove small",
        "Remove small islands",
        (Parameter("voxels", "Smaller than", Kind.WHOLE, 20, 2, 2000, 1, "voxels"),),
    ),
    ToolSpec(
        "remove island",
        "Remove the island under the mouse",
        needs=frozenset({Need.POINT}),
        previewed=False,
    ),
    ToolSpec("smooth", "Smooth", _SHAPE),
    ToolSpec("dilate", "Dilate", _SHAPE),
    ToolSpec("erode", "Erode", _SHAPE),
    ToolSpec(
        "snap to probability",
        "Snap to probability",
        (
            Parameter(
                "threshold",
                "Threshold",
                Kind.REAL,
                0.5,
                LEAST_THRESHOLD,
                MOST_THRESHOLD,
                0.01,
            ),
            _scope(SLICE, REGION, VOLUME),
            Parameter("depth", "Slices ±", Kind.WHOLE, 0, 0, 10),
        ),
        frozenset({Need.PREDICTION}),
    ),
    ToolSpec("take prediction", "Take the prediction", _TAKE, frozenset({Need.PREDICTION})),
    ToolSpec("take truth", "Take the ground truth", _TAKE, frozenset({Need.TRUTH})),
    ToolSpec("clear slice", "Clear the slice", previewed=False),
)
"""All operations."""

_BY_ID = {spec.id: spec for spec in TOOLS}


def spec_of(tool: str) -> ToolSpec:
    """Return a tool by its id.

    Raises
    ------
    KeyError
        If there is none of that name.
    """
    return _BY_ID[tool]
