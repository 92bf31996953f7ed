"""Whether a model version needs less work than the one before: a ratio of medians, with doubt.

The cases of two versions are different cases, read one after the other: who got quicker at the
work, or had easier cases, looks like a better model. The interval tells of chance alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_brainseg.session.effort import EffortRow

__all__ = ["LEAST_CASES", "EffortFigure", "EffortRatio", "compare_versions"]

EffortFigure = Literal["seconds", "strokes", "voxels", "reading_seconds"]
LEAST_CASES = 5
"""With fewer cases of either version, a median is an anecdote and its interval too narrow."""
RESAMPLES = 5000
SEED = 0
_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class EffortRatio:
    """What correcting one version cost against another.

    Parameters
    ----------
    earlier, later : str
        Versions; `later` is that of the latest case.
    earlier_cases, later_cases : int
        Cases that started from a prediction of each.
    earlier_median, later_median : float
        Of the figure, in its unit.
    ratio : float or None
        `later_median` over `earlier_median`; `None` where the latter is 0.
    interval : tuple of float or None
        95 % interval of the ratio: percentile bootstrap over the cases of each version (Efron and
        Tibshirani 1993, doi 10.1201/9780429246593). `None` with fewer than `LEAST_CASES` of
        either, and where too many resampled medians of the earlier version are 0.
    """

    earlier: str
    later: str
    earlier_cases: int
    later_cases: int
    earlier_median: float
    later_median: float
    ratio: float | None
    interval: tuple[float, float] | None

    @property
    def is_enough(self) -> bool:
        """Whether both have the cases that a comparison needs."""
        return min(self.earlier_cases, self.later_cases) >= LEAST_CASES


def compare_versions(rows: Iterable[EffortRow], figure: EffortFigure) -> EffortRatio | None:
    """Compare the version of the latest case with the one that was corrected before it.

    Parameters
    ----------
    rows : iterable of EffortRow
        The earliest started first, as `effort` gives them. Cases that nobody worked on, and those
        that did not start from a prediction, are left out.
    figure : {'seconds', 'strokes', 'voxels', 'reading_seconds'}
        What is compared.

    Returns
    -------
    EffortRatio or None
        `None` while all cases are of one version.
    """
    groups: dict[str, list[float]] = {}
    order: list[str] = []
    for row in rows:
        if row.is_begun and row.base == "prediction" and row.model_version is not None:
            groups.setdefault(row.model_version, []).append(float(getattr(row, figure)))
            order.append(row.model_version)
    if len(groups) < 2:
        return None
    later = order[-1]
    earlier = next(version for version in reversed(order) if version != later)
    old, new = groups[earlier], groups[later]
    before, after = median(old), median(new)
    enough = min(len(old), len(new)) >= LEAST_CASES
    return EffortRatio(
        earlier=earlier,
        later=later,
        earlier_cases=len(old),
        later_cases=len(new),
        earlier_median=before,
        later_median=after,
        ratio=after / before if before > 0 else None,
        interval=_interval(old, new) if enough and before > 0 else None,
    )


def _interval(old: Sequence[float], new: Sequence[float]) -> tuple[float, float] | None:
    generator = np.random.default_rng(SEED)
    below, above = (_medians(values, generator) for values in (old, new))
    # 0 over 0 tells nothing; anything else over 0 is as much more as there is.
    ratios = np.full(RESAMPLES, math.nan)
    known = below > 0
    ratios[known] = above[known] / below[known]
    ratios[~known & (above > 0)] = math.inf
    if np.isnan(ratios).any():
        return None
    low, high = np.quantile(ratios, (_TAIL, 1 - _TAIL), method="inverted_cdf")
    return (float(low), float(high)) if math.isfinite(high) else None


def _medians(values: Sequence[float], generator: np.random.Generator) -> NDArray[np.float64]:
    drawn = generator.choice(np.asarray(values, np.float64), (RESAMPLES, len(values)))
    medians: NDArray[np.float64] = np.median(drawn, axis=1)
    return medians
