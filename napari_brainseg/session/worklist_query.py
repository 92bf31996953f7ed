"""What the catalogue knows of the work on patients: for all at once, for one, and what is new.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from napari_brainseg.session.tables import (
    cases,
    corrections,
    predictions,
    promotions,
    reviews,
    strokes,
    visits,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Select

    from napari_brainseg.session.catalogue import Catalogue

__all__ = [
    "NOTHING",
    "CaseFacts",
    "Known",
    "Marks",
    "PredictionFacts",
    "news",
    "read_known",
    "read_marks",
]


@dataclass(slots=True)
class CaseFacts:
    """The work on one image of a patient."""

    id: int
    image_sha256: str
    status: str
    updated: float
    editor: str | None = None
    seconds: float = 0.0
    opened: float | None = None
    asked_by: str | None = None


@dataclass(frozen=True, slots=True)
class PredictionFacts:
    """Figures of one prediction."""

    image_sha256: str
    model_version: str
    created: float
    volume_vox: int
    volume_ml: float | None
    dsc: float | None
    hd95: float | None
    hd95_unit: str | None
    uncertainty: float | None
    disagreement: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """Cases and predictions of one patient, of every image that went by the name."""

    cases: tuple[CaseFacts, ...] = ()
    predictions: tuple[PredictionFacts, ...] = ()

    def case_of(self, image_sha256: str | None) -> CaseFacts | None:
        """Return the case of an image; of an image not looked at yet, the latest of the name."""
        fitting = [c for c in self.cases if image_sha256 in (None, c.image_sha256)]
        return max(fitting, key=lambda c: c.updated, default=None)

    def predictions_of(
        self, image_sha256: str | None, version: str | None
    ) -> tuple[PredictionFacts, ...]:
        """Predictions of an image by one model, the latest first.

        By the model `version` if it predicted the image, else by the one that did so last.
        """
        fitting = [p for p in self.predictions if image_sha256 in (None, p.image_sha256)]
        fitting.sort(key=lambda p: p.created, reverse=True)
        if not any(p.model_version == version for p in fitting):
            version = fitting[0].model_version if fitting else None
        return tuple(p for p in fitting if p.model_version == version)


NOTHING = Known()


@dataclass(frozen=True, slots=True)
class Marks:
    """How far the tables that change with the work have been read."""

    case_updated: float = 0.0
    case: int = 0
    stroke: int = 0
    visit: int = 0
    prediction_created: float = 0.0
    promotion: int = 0


def read_known(catalogue: Catalogue, patients: Iterable[str] | None = None) -> dict[str, Known]:
    """Read what is known of some patients, or of all; those without anything are left out."""
    chosen = None if patients is None else tuple(patients)
    found: dict[str, list[CaseFacts]] = defaultdict(list)
    predicted: dict[str, list[PredictionFacts]] = defaultdict(list)
    with catalogue.read() as connection:
        by_id: dict[int, CaseFacts] = {}
        query = select(
            cases.c.id, cases.c.image_sha256, cases.c.status, cases.c.updated, cases.c.patient
        )
        for *facts, patient in _of(connection, query, cases.c.patient, chosen):
            case = CaseFacts(*facts)
            by_id[case.id] = case
            found[patient].append(case)
        if by_id:
            _add_work(connection, by_id, None if chosen is None else tuple(by_id))
        columns = predictions.c
        figures = select(
            columns.patient,
            columns.image_sha256,
            columns.model_version,
            columns.created,
            columns.volume_vox,
            columns.volume_ml,
            columns.dsc,
            columns.hd95,
            columns.hd95_unit,
            columns.uncertainty,
            columns.disagreement,
        )
        for patient, *facts in _of(connection, figures, columns.patient, chosen):
            predicted[patient].append(PredictionFacts(*facts))
    return {
        patient: Known(tuple(found.get(patient, ())), tuple(predicted.get(patient, ())))
        for patient in found.keys() | predicted.keys()
    }


def read_marks(catalogue: Catalogue) -> Marks:
    """How far the tables go now."""
    with catalogue.read() as connection:
        return _marks(connection)


def news(catalogue: Catalogue, since: Marks) -> tuple[frozenset[str], Marks]:
    """Patients that other windows or other parts of this one worked on.

    Parameters
    ----------
    catalogue : Catalogue
        Of the workspace.
    since : Marks
        What the last call returned.

    Returns
    -------
    patients : frozenset of str
    marks : Marks
        For the next call.
    """
    with catalogue.read() as connection:
        now = _marks(connection)
        if now == since:
            return frozenset(), now
        painted = (
            select(corrections.c.case_id)
            .join(strokes, strokes.c.correction_id == corrections.c.id)
            .where(strokes.c.id > since.stroke)
        )
        visited = select(visits.c.case_id).where(visits.c.id > since.visit)
        worked = select(cases.c.patient).where(
            (cases.c.updated > since.case_updated)
            | (cases.c.id > since.case)
            | cases.c.id.in_(painted)
            | cases.c.id.in_(visited)
        )
        predicted = select(predictions.c.patient).where(
            predictions.c.created > since.prediction_created
        )
        names = {row[0] for query in (worked, predicted) for row in connection.execute(query)}
    return frozenset(names), now


def _marks(connection: Connection) -> Marks:
    row = connection.execute(
        select(
            select(func.max(cases.c.updated)).scalar_subquery(),
            select(func.max(cases.c.id)).scalar_subquery(),
            select(func.max(strokes.c.id)).scalar_subquery(),
            select(func.max(visits.c.id)).scalar_subquery(),
            select(func.max(predictions.c.created)).scalar_subquery(),
            select(func.max(promotions.c.id)).scalar_subquery(),
        )
    ).one()
    return Marks(*(value or 0 for value in row))


def _of(
    connection: Connection, query: Select[Any], column: Any, chosen: Sequence[Any] | None
) -> Sequence[Any]:
    return connection.execute(query if chosen is None else query.where(column.in_(chosen))).all()


def _add_work(
    connection: Connection, by_id: dict[int, CaseFacts], chosen: Sequence[int] | None
) -> None:
    """Add editor, seconds, last opening and who asks for a second reader to cases."""
    asked = select(reviews.c.case_id, reviews.c.editor).where(reviews.c.act == "ask")
    for case_id, editor in _of(connection, asked.order_by(reviews.c.id), reviews.c.case_id, chosen):
        # The latest request comes last.
        if case_id in by_id:
            by_id[case_id].asked_by = editor
    visited = select(
        visits.c.case_id, func.sum(visits.c.seconds), func.max(visits.c.opened)
    ).group_by(visits.c.case_id)
    for case_id, seconds, opened in _of(connection, visited, visits.c.case_id, chosen):
        case = by_id.get(case_id)
        if case is not None:
            case.seconds, case.opened = seconds, opened
    started = select(
        corrections.c.case_id, corrections.c.editor, func.max(corrections.c.created)
    ).group_by(corrections.c.case_id, corrections.c.editor)
    painted = (
        select(
            corrections.c.case_id,
            strokes.c.editor,
            func.max(strokes.c.created),
            func.sum(strokes.c.seconds),
        )
        .join(strokes, strokes.c.correction_id == corrections.c.id)
        .group_by(corrections.c.case_id, strokes.c.editor)
    )
    latest: dict[int, float] = {}
    painting: dict[int, float] = defaultdict(float)
    for query in (started, painted):
        for case_id, editor, when, *seconds in _of(
            connection, query, corrections.c.case_id, chosen
        ):
            if case_id in by_id and when >= latest.get(case_id, 0.0):
                latest[case_id] = when
                by_id[case_id].editor = editor
            painting[case_id] += sum(seconds)
    for case_id, spent in painting.items():
        # Work from before visits were kept counts too; later strokes lie within visits.
        if case_id in by_id and spent > by_id[case_id].seconds:
            by_id[case_id].seconds = spent
