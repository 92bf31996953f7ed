"""How far a run of several stages is, and how long the rest will take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_brainseg.core.protocol import StageStarted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.stream import EventStream

__all__ = ["PREDICTION_STEPS", "Course", "Part"]

PREDICTION_STEPS = 2.0
"""About what predicting and measuring a patient costs, in training steps: a guess for volumes of
some 25 slices and batches of 16, with which a run begins to tell how far it is."""


class Part(NamedTuple):
    """A stage of a run."""

    stage: Literal["inner fold", "training", "interpolation", "gate"]
    cost: float
    """In training steps."""
    text: str = ""
    """For the user."""


class Course:
    """The stages of a run in order, and where it is.

    Parameters
    ----------
    parts : sequence of Part
        At least one; a run of one stage does not speak of stages.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._at = 0

    @property
    def text(self) -> str:
        """Of the stage at hand; empty in a run of one stage."""
        return self._parts[self._at].text if len(self._parts) > 1 else ""

    @property
    def steps_later(self) -> float:
        """Cost of the stages to come, in steps."""
        return sum(part.cost for part in self._parts[self._at + 1 :])

    def begin(self, number: int, events: EventStream) -> None:
        """Enter a stage, counted from 0, and tell it."""
        self._at = number
        if len(self._parts) > 1:
            part = self._parts[number]
            events.send(
                StageStarted(
                    stage=part.stage, number=number + 1, stages=len(self._parts), text=part.text
                )
            )

    def progress(self, steps: float) -> float:
        """Share of the whole run that is done, 0 to 1, after `steps` of the stage at hand."""
        before = sum(part.cost for part in self._parts[: self._at])
        here = min(steps, self._parts[self._at].cost)
        return min((before + here) / max(sum(part.cost for part in self._parts), 1e-9), 1.0)
