"""The one obvious next act, from the state of the desk: it alone has a filled button."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import Modality
from napari_brainseg.session.readers import is_same_reader

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk

__all__ = ["Act", "is_flair_to_choose", "is_settled", "next_act"]


class Act(Enum):
    """What a person may do next."""

    WAIT = auto()
    OPEN = auto()
    CHOOSE_SERIES = auto()
    """Among several, none of which was recognised as FLAIR; the list has its own button."""
    PREDICT = auto()
    CORRECT = auto()
    EXPORT = auto()
    NEXT_PATIENT = auto()
    TRAIN = auto()
    PROMOTE = auto()


def next_act(desk: Desk, *, loading: bool = False, more: bool = False) -> Act:
    """Choose the next act for the open case.

    Parameters
    ----------
    desk : Desk
        The state.
    loading : bool
        Whether a study is on its way.
    more : bool
        Whether the worklist suggests another case.
    """
    case = desk.case
    if loading or desk.predictions.is_busy:
        return Act.WAIT
    if case is None:
        return Act.OPEN
    if case.correction is None:
        if Modality.FLAIR in case.study.missing_modalities:
            return Act.CHOOSE_SERIES if is_flair_to_choose(case.study) else Act.CORRECT
        # A blind case keeps its prediction to itself until the first contour is drawn.
        shown = case.prediction is not None or case.is_blind
        return Act.CORRECT if shown else Act.PREDICT
    if not is_settled(desk, case):
        return Act.EXPORT
    return Act.NEXT_PATIENT if more else Act.TRAIN


def is_flair_to_choose(study: Study) -> bool:
    """Whether a study lacks FLAIR and has several series, one of which may be it."""
    images = [series for series in study.series if not series.is_mask]
    return Modality.FLAIR in study.missing_modalities and len(images) > 1


def is_settled(desk: Desk, case: Case) -> bool:
    """Whether nothing is left to do about a case for the person who sits here."""
    # The enumeration's module brings SQLAlchemy along, which an empty dock does not need.
    status = case.status.value
    if status != "second reader":
        return status in ("approved", "rejected")
    row = desk.worklist.row(case.patient)
    return row is not None and is_same_reader(row.asked_by, desk.editor)
