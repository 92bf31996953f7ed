"""What was measured in the image of a case, in the catalogue: rulers and areas.

Thread-safety: every method may be called from any thread; `changed` is emitted in the calling one.
All that writes or reads touches the disk: a window uses `case_measurements`, which does so in a
thread.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.imaging.measuring import Quantity, Unit, area, length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.imaging import Geometry
    from napari_brainseg.session.catalogue import Catalogue

__all__ = [
    "PLANES",
    "Kind",
    "Measurement",
    "Measurements",
    "Point",
    "as_kept",
    "measure",
    "measurements_of",
]

PLANES = ("axial", "coronal", "sagittal")
"""Words for the axis of (z, y, x) that a plane lies across."""
Point = tuple[float, float, float]
"""(z, y, x) in voxels, the centre of the first voxel at (0, 0, 0)."""
_DECIMALS = 3
"""Points are kept to a thousandth of a voxel."""


class Kind(StrEnum):
    """What is measured."""

    RULER = "ruler"
    AREA = "area"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A ruler or an area.

    Parameters
    ----------
    id : int
        Row in the catalogue; negative while it is not written yet.
    kind : Kind
        Which of the two.
    axis : int
        0 axial, 1 coronal, 2 sagittal.
    plane : int
        Index of the slice along that axis, from 0.
    points : tuple of (float, float, float)
        (z, y, x) in voxels: the ends of a ruler, the corners of an area.
    value : float
        Length or area.
    unit : Unit
        ``mm``, ``px``, ``mm2`` or ``px2``.
    label : str
        As the reader named it; may be empty.
    editor : str or None
        Who measured.
    created : float
        When, Unix seconds.
    removed : float or None
        When it was taken away; it stays in the catalogue.
    """

    id: int
    kind: Kind
    axis: int
    plane: int
    points: tuple[Point, ...]
    value: float
    unit: Unit
    label: str = ""
    editor: str | None = None
    created: float = 0.0
    removed: float | None = None

    @property
    def text(self) -> str:
        """The value as people read it, e.g. ``32.4 mm`` or ``5.1 cm²``."""
        return Quantity(self.value, self.unit).text

    @property
    def plane_name(self) -> str:
        """``axial``, ``coronal`` or ``sagittal``."""
        return PLANES[self.axis]


def measure(
    kind: Kind, axis: int, points: Sequence[Sequence[float]], geometry: Geometry | None
) -> Quantity:
    """Length of a ruler or area of an outline; see `core.imaging.measuring`.

    Raises
    ------
    DataError
        If that cannot be measured, e.g. as the outline crosses itself.
    """
    return length(points, geometry) if kind is Kind.RULER else area(points, axis, geometry)


def as_kept(points: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    """Round points as the catalogue keeps them, so that a value is the same before and after."""
    return tuple(
        (round(float(z), _DECIMALS), round(float(y), _DECIMALS), round(float(x), _DECIMALS))
        for z, y, x in points
    )


def measurements_of(catalogue: Catalogue, case_id: int) -> tuple[Measurement, ...]:
    """All measurements of a case that were not taken away, the oldest first; for reports.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    """
    return _read(catalogue, case_id, removed=False)


class Measurements:
    """The measurements of one case.

    Parameters
    ----------
    catalogue : Catalogue
        Where they are kept; each is on the disk when the method that made it returns.
    case_id : int
        Row of the case; an image with other voxels is another case.
    geometry : Geometry or None
        Of the image.
    """

    changed = Signal()
    """`items` has others, or they look otherwise."""

    def __init__(self, catalogue: Catalogue, case_id: int, geometry: Geometry | None) -> None:
        self._catalogue = catalogue
        self._case_id = case_id
        self._geometry = geometry
        self._lock = threading.Lock()
        self._items: tuple[Measurement, ...] = ()

    @property
    def geometry(self) -> Geometry | None:
        """Of the image."""
        return self._geometry

    @property
    def items(self) -> tuple[Measurement, ...]:
        """Those that are there, the oldest first, as of the last look into the catalogue."""
        with self._lock:
            return self._items

    def load(self) -> tuple[Measurement, ...]:
        """Read again: another window may have measured too. See `items`.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        found = measurements_of(self._catalogue, self._case_id)
        with self._lock:
            news, self._items = found != self._items, found
        if news:
            self.changed.emit()
        return found

    def removed(self) -> tuple[Measurement, ...]:
        """Those that were taken away, in the order in which that was done."""
        found = _read(self._catalogue, self._case_id, removed=True)
        return tuple(sorted(found, key=lambda m: (m.removed or 0.0, m.id)))

    def add(
        self,
        kind: Kind,
        axis: int,
        plane: int,
        points: Sequence[Sequence[float]],
        editor: str | None = None,
        label: str = "",
    ) -> Measurement:
        """Measure and keep it.

        Parameters
        ----------
        kind : Kind
            Ruler or area.
        axis, plane : int
            Where it lies, see `Measurement`.
        points : sequence of (float, float, float)
            (z, y, x) in voxels.
        editor : str, optional
            Who measures.
        label : str
            A name for it.

        Raises
        ------
        DataError
            If that cannot be measured, or the catalogue cannot be written; nothing is kept then.
        """
        from sqlalchemy import insert, select

        from napari_brainseg.session.tables import measurements as table

        points = as_kept(points)
        found = measure(kind, axis, points, self._geometry)
        values = {
            "case_id": self._case_id,
            "kind": kind.value,
            "axis": int(axis),
            "plane": int(plane),
            "points": json.dumps(points),
            "value": found.value,
            "unit": found.unit.value,
            "label": label.strip(),
            "editor": editor,
            "created": time.time(),
        }
        with self._catalogue.write() as connection:
            made = connection.execute(insert(table).values(values))
            assert made.inserted_primary_key is not None
            row = connection.execute(
                select(table).where(table.c.id == made.inserted_primary_key[0])
            ).one()
        self.load()
        return _record(row)

    def move(self, measurement_id: int, points: Sequence[Sequence[float]]) -> None:
        """Put the points of a measurement elsewhere; its value follows.

        Raises
        ------
        DataError
            If that cannot be measured, it is not there, or the catalogue cannot be written.
        """
        item, points = self._need(measurement_id), as_kept(points)
        found = measure(item.kind, item.axis, points, self._geometry)
        self._update(
            measurement_id,
            points=json.dumps(points),
            value=found.value,
            unit=found.unit.value,
        )

    def rename(self, measurement_id: int, label: str) -> None:
        """Give a measurement another name."""
        self._need(measurement_id)
        self._update(measurement_id, label=label.strip())

    def remove(self, measurement_id: int) -> None:
        """Take a measurement away; `restore` brings it back."""
        self._need(measurement_id)
        self._update(measurement_id, removed=time.time())

    def restore(self, measurement_id: int) -> None:
        """Bring a measurement back that was taken away."""
        self._update(measurement_id, removed=None)

    def undo(self) -> Measurement | None:
        """Bring back the one that was taken away last; `None` if there is none."""
        gone = self.removed()
        if not gone:
            return None
        self.restore(gone[-1].id)
        return gone[-1]

    def _need(self, measurement_id: int) -> Measurement:
        found = {item.id: item for item in self.load()}
        if measurement_id not in found:
            raise DataError(
                f"Measurement {measurement_id} is not there any more.",
                "It may have been deleted in another window.",
            )
        return found[measurement_id]

    def _update(self, measurement_id: int, **values: Any) -> None:
        # SQLAlchemy takes a fifth of a second to import: not before something is measured.
        from sqlalchemy import update

        from napari_brainseg.session.tables import measurements as table

        with self._catalogue.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == measurement_id, table.c.case_id == self._case_id)
                .values(values)
            )
        self.load()


def _read(catalogue: Catalogue, case_id: int, *, removed: bool) -> tuple[Measurement, ...]:
    from sqlalchemy import select

    from napari_brainseg.session.tables import measurements as table

    state = table.c.removed.is_not(None) if removed else table.c.removed.is_(None)
    with catalogue.read() as connection:
        rows = connection.execute(
            select(table).where(table.c.case_id == case_id, state).order_by(table.c.id)
        ).all()
    return tuple(found for found in map(_record_or_none, rows) if found is not None)


def _record_or_none(row: Any) -> Measurement | None:
    try:
        return _record(row)
    except (ValueError, TypeError):
        # Measured again in a moment; a damaged record must not keep the case from opening.
        return None


def _record(row: Any) -> Measurement:
    points = tuple((float(z), float(y), float(x)) for z, y, x in json.loads(row.points))
    return Measurement(
        id=row.id,
        kind=Kind(row.kind),
        axis=row.axis,
        plane=row.plane,
        points=points,
        value=row.value,
        unit=Unit(row.unit),
        label=row.label,
        editor=row.editor,
        created=row.created,
        removed=row.removed,
    )
