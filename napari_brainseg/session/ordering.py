"""Which case comes next, and why: the strategies, each with its reason in words.

Nothing here has state or touches files: rows in, suggestions out.
"""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_brainseg.session.readers import is_same_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_brainseg.session.worklist_row import WorklistRow

__all__ = ["DEFAULT_BLIND_SHARE", "STRATEGIES", "Strategy", "Suggestion", "order"]

DEFAULT_BLIND_SHARE = 0.2
"""Of the strategy ``blind`` where no share is given."""

_BLIND = "Read without the prediction"
_NORMAL = 1.4826
"""Median absolute deviation to standard deviation, of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to choose the next case, for a list to choose from."""

    key: str
    title: str
    description: str
    """One sentence."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A case to read.

    Parameters
    ----------
    patient : str
        Which case.
    reason : str
        Why, in words, with the figure; it tells nothing of the prediction where `blind` is set.
    blind : bool
        The case is to be read without the prediction.
    """

    patient: str
    reason: str
    blind: bool = False


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        strategy.key: strategy
        for strategy in (
            Strategy("worklist", "Worklist order", "Patients by name, as the worklist shows them."),
            Strategy(
                "uncertainty",
                "Highest uncertainty",
                "First the cases where the model is least sure of the outline.",
            ),
            Strategy(
                "disagreement",
                "Test-time disagreement",
                "First the cases whose mask changes most when the volume is mirrored.",
            ),
            Strategy(
                "volume",
                "Volume outlier",
                "First the cases with an unusually large or small predicted lesion.",
            ),
            Strategy(
                "dsc",
                "Lowest DSC",
                "First the cases where the prediction fits the ground truth worst.",
            ),
            Strategy("random", "Random", "A shuffled order that stays the same all day."),
            Strategy(
                "blind",
                "Blind share",
                "First a drawn share of the cases, which are read without the prediction.",
            ),
        )
    }
)


def order(
    rows: Sequence[WorklistRow],
    strategy: str,
    *,
    seed: int = 0,
    blind_share: float = 0.0,
    day: str | None = None,
    editor: str | None = None,
) -> tuple[Suggestion, ...]:
    """Put the cases that are still to do in order, the best first.

    Parameters
    ----------
    rows : sequence of WorklistRow
        The worklist, in its order.
    strategy : str
        Key of `STRATEGIES`.
    seed : int
        Of the random order and of the blind share.
    blind_share : float
        Share of the patients to be read without the prediction, 0 to 1. Which ones depends on
        their names and the seed only, so a patient stays blind however the worklist changes.
    day : str, optional
        The random order holds for it; today if left out.
    editor : str, optional
        Who reads: a case that waits for a second reader is to do for everybody but the one who
        asked. Case of letters does not matter.

    Returns
    -------
    tuple of Suggestion
        Without cases that are approved or rejected, cannot be read, vanished, are open elsewhere,
        or wait for another reader than `editor`. Cases without the figure that the strategy needs
        come last, in worklist order.

    Raises
    ------
    ValueError
        If there is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"There is no ordering {strategy!r}; known: {', '.join(STRATEGIES)}.")
    share = blind_share
    if strategy == "blind" and share <= 0:
        share = DEFAULT_BLIND_SHARE
    todo = [row for row in rows if _is_to_do(row, editor)]
    ranked = _rank(rows, todo, strategy, seed, share, day or time.strftime("%Y-%m-%d"))
    return tuple(
        Suggestion(row.patient, _asked(row))
        if row.status == "second reader"
        else Suggestion(row.patient, _BLIND, blind=True)
        if _draw("blind", seed, row.patient) < share
        else Suggestion(row.patient, reason)
        for row, reason in ranked
    )


_Ranked = list[tuple["WorklistRow", str]]


def _rank(
    rows: Sequence[WorklistRow],
    todo: list[WorklistRow],
    strategy: str,
    seed: int,
    share: float,
    day: str,
) -> _Ranked:
    if strategy == "worklist":
        return _in_order(rows, todo)
    if strategy == "random":
        todo.sort(key=lambda row: _draw(f"random {day}", seed, row.patient))
        return [(row, f"Drawn at random, {i} of {len(todo)}") for i, row in enumerate(todo, 1)]
    if strategy == "blind":
        ranked = _in_order(rows, todo)
        # A stable sort: both parts stay in worklist order.
        return sorted(ranked, key=lambda item: _draw("blind", seed, item[0].patient) >= share)
    if strategy == "volume":
        return _by_volume(rows, todo)
    figure, words, none = _FIGURES[strategy]
    known = sorted(v for row in rows if (v := figure(row)) is not None)
    highest_first = strategy != "dsc"
    having = [(v, row) for row in todo if (v := figure(row)) is not None]
    having.sort(key=lambda item: item[0], reverse=highest_first)
    ranked = [(row, words(value) + _standing(value, known)) for value, row in having]
    return ranked + [(row, none(row)) for row in todo if figure(row) is None]


def _asked(row: WorklistRow) -> str:
    return f"{row.asked_by or 'The first reader'} asks for a second reader"


def _is_to_do(row: WorklistRow, editor: str | None) -> bool:
    mine = row.status == "second reader" and is_same_reader(row.asked_by, editor)
    return (
        row.status not in ("approved", "rejected")
        and not mine
        and row.fault is None
        and not row.vanished
        and row.open_elsewhere is None
    )


def _in_order(rows: Sequence[WorklistRow], todo: Sequence[WorklistRow]) -> _Ranked:
    places = {row.patient: place for place, row in enumerate(rows, 1)}
    return [(row, f"Number {places[row.patient]} of {len(rows)} in the worklist") for row in todo]


def _without_prediction(row: WorklistRow) -> str:
    return "Not predicted yet" if row.volume_vox is None else "Predicted without this figure"


def _without_mirror(row: WorklistRow) -> str:
    if row.volume_vox is None:
        return "Not predicted yet"
    return "Not predicted with the mirrored view yet"


def _without_dsc(row: WorklistRow) -> str:
    if not row.has_truth:
        return "No ground truth to compare with"
    return _without_prediction(row)


_FIGURES: Mapping[
    str,
    tuple[
        Callable[[WorklistRow], float | None], Callable[[float], str], Callable[[WorklistRow], str]
    ],
] = {
    "uncertainty": (
        lambda row: row.uncertainty,
        lambda value: f"Uncertainty {value:.2f} bit",
        _without_prediction,
    ),
    "disagreement": (
        lambda row: row.disagreement,
        lambda value: f"Mirrored view disagrees by {value:.2f}",
        _without_mirror,
    ),
    "dsc": (lambda row: row.dsc, lambda value: f"DSC {value:.2f}", _without_dsc),
}


def _by_volume(rows: Sequence[WorklistRow], todo: Sequence[WorklistRow]) -> _Ranked:
    predicted = [row for row in rows if row.volume_vox is not None]
    # Millilitres and voxels must not be mixed: voxels of two patients may differ in size.
    in_ml = all(row.volume_ml is not None for row in predicted)

    def volume(row: WorklistRow) -> float:
        return float((row.volume_ml if in_ml else row.volume_vox) or 0.0)

    known = sorted(volume(row) for row in predicted)
    smallest = min((v for v in known if v > 0), default=1.0)

    def log(value: float) -> float:
        # An empty mask is an outlier too, but a finite one.
        return math.log(max(value, smallest / 10))

    logs = [log(value) for value in known]
    centre = statistics.median(logs) if logs else 0.0
    spread = _NORMAL * statistics.median(abs(v - centre) for v in logs) if logs else 0.0
    spread = spread or (statistics.pstdev(logs) if logs else 0.0) or 1.0

    having = [row for row in todo if row.volume_vox is not None]
    having.sort(key=lambda row: abs(log(volume(row)) - centre) / spread, reverse=True)
    unit = "ml" if in_ml else "voxels"
    ranked = [(row, _volume_reason(volume(row), unit, known)) for row in having]
    return ranked + [(row, _without_prediction(row)) for row in todo if row.volume_vox is None]


def _volume_reason(value: float, unit: str, known: Sequence[float]) -> str:
    if value == 0:
        return "No lesion predicted"
    digits = 1 if unit == "ml" and value < 10 else 0
    figure = f"{value:,.{digits}f}".replace(",", "\u2009")
    return f"Volume {figure} {unit}" + _standing(value, known, "larg", "small")


def _standing(value: float, known: Sequence[float], above: str = "high", below: str = "low") -> str:
    """Where a figure stands among the ascending ones of all predicted cases, in words.

    `above` and `below` are what "er" and "est" are put to.
    """
    others = len(known) - 1
    if others < 1:
        return ", the only one so far"
    under, over = bisect_left(known, value), len(known) - bisect_right(known, value)
    count, word = (under, above) if under >= over else (over, below)
    if count == others:
        return f", the {word}est of {len(known)}"
    if count == 0:
        return ", as all others"
    return f", {word}er than {100 * count / others:.0f} % of the worklist"


def _draw(purpose: str, seed: int, patient: str) -> float:
    """Draw a number from 0 to 1 that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{purpose}|{seed}|{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
