"""Gates that were measured, as the catalogue keeps them: added to, never changed.

Thread-safety: every method may be called from any thread; `changed` is emitted in the calling one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal
from sqlalchemy import insert, select

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.gate import GateOutcome, judge, parse_evidence
from napari_brainseg.session import tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sqlalchemy import Row

    from napari_brainseg.core.segmentation.gate import GateEvidence, GateVerdict
    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["GateRecord", "Gates"]


@dataclass(frozen=True, slots=True)
class GateRecord:
    """A gate that was measured.

    Parameters
    ----------
    id : int
        Later ones have larger numbers.
    candidate, current : str
        Versions that were held against each other.
    outcome : GateOutcome
        As it was said when the gate was recorded.
    evidence : GateEvidence
        The figures.
    verdict : GateVerdict
        Of the evidence by the rules of this version of BrainSeg.
    locked_digest : str or None
        Of the locked set that was measured.
    created : float
        Unix seconds.
    run_id : str or None
        Run that measured it.
    """

    id: int
    candidate: str
    current: str
    outcome: GateOutcome
    evidence: GateEvidence
    verdict: GateVerdict
    locked_digest: str | None
    created: float
    run_id: str | None


class Gates:
    """Gates of a workspace.

    Parameters
    ----------
    catalogue : Catalogue
        Keeps them.
    locked_digest : callable, optional
        Gives the digest of the present locked set; `latest` goes by it.
    """

    changed = Signal()
    """A gate was recorded."""

    def __init__(
        self, catalogue: Catalogue, *, locked_digest: Callable[[], str | None] | None = None
    ) -> None:
        self._catalogue = catalogue
        self._present = locked_digest
        # records never change, and judging one takes some milliseconds
        self._read: dict[int, GateRecord] = {}

    def record(self, evidence: GateEvidence, run_id: str | None = None) -> GateRecord:
        """Judge evidence and keep it; the same evidence is kept once.

        Parameters
        ----------
        evidence : GateEvidence
            As `load_evidence` gives it.
        run_id : str, optional
            Run that measured it.

        Raises
        ------
        DataError
            If the catalogue cannot be written.
        """
        verdict = judge(evidence)
        text = evidence.model_dump_json()
        columns = tables.gates.c
        same = select(tables.gates).where(
            columns.candidate == evidence.candidate,
            columns.current == evidence.current,
            columns.evidence == text,
        )
        with self._catalogue.write() as connection:
            known = connection.execute(same).first()
            if known is not None:
                return self._record(known)
            connection.execute(
                insert(tables.gates).values(
                    candidate=evidence.candidate,
                    current=evidence.current,
                    locked_digest=evidence.locked_digest,
                    outcome=verdict.outcome.value,
                    evidence=text,
                    run_id=run_id,
                    created=time.time(),
                )
            )
            row = connection.execute(same).one()
        self.changed.emit()
        return self._record(row)

    def latest(
        self, candidate: str, current: str, *, locked_digest: str | None = None
    ) -> GateRecord | None:
        """Return the gate of two versions that was recorded last.

        Parameters
        ----------
        candidate, current : str
            Versions.
        locked_digest : str, optional
            Of the present locked set: a gate measured on another one does not count. If left
            out, that which the constructor was told of; with none at all every gate counts.
        """
        wanted = locked_digest or (self._present() if self._present is not None else None)
        columns = tables.gates.c
        query = select(tables.gates).where(
            columns.candidate == candidate, columns.current == current
        )
        if wanted is not None:
            query = query.where(columns.locked_digest == wanted)
        with self._catalogue.read() as connection:
            row = connection.execute(query.order_by(columns.id.desc())).first()
        return None if row is None else self._record(row)

    def get(self, number: int) -> GateRecord:
        """Return a gate by its number, such as the one that a promotion stood on.

        Raises
        ------
        DataError
            If there is none with that number, or it is damaged.
        """
        with self._catalogue.read() as connection:
            row = connection.execute(
                select(tables.gates).where(tables.gates.c.id == number)
            ).first()
        if row is None:
            raise DataError(
                f"The catalogue holds no gate with the number {number}.", "Measure the gate again."
            )
        return self._record(row)

    def of(self, candidate: str) -> tuple[GateRecord, ...]:
        """List all gates of a candidate, the oldest first."""
        columns = tables.gates.c
        with self._catalogue.read() as connection:
            rows = connection.execute(
                select(tables.gates).where(columns.candidate == candidate).order_by(columns.id)
            ).all()
        return tuple(self._record(row) for row in rows)

    def _record(self, row: Row[Any]) -> GateRecord:
        if row.id not in self._read:
            evidence = parse_evidence(row.evidence, f"of gate {row.id} in the catalogue")
            self._read[row.id] = GateRecord(
                id=row.id,
                candidate=row.candidate,
                current=row.current,
                outcome=GateOutcome(row.outcome),
                evidence=evidence,
                verdict=judge(evidence),
                locked_digest=row.locked_digest,
                created=row.created,
                run_id=row.run_id,
            )
        return self._read[row.id]
