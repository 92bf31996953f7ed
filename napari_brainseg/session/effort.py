"""What correcting cost: seconds, strokes and voxels by case and model version.

A row is the active correction of a case. Seconds, strokes and voxels are of the strokes:

- seconds are editing time, pauses left out; an undone stroke's time was spent all the same;
- strokes, added and removed voxels count the strokes in force only, each for itself: a voxel added
  by one and removed by the next counts once as added and once as removed;
- the model version is that of the prediction the correction started from.

Time of reading, from opening a case to leaving it, stands beside these; it holds the editing.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.visits import time_spent
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = [
    "EffortRow",
    "VersionEffort",
    "effort",
    "effort_of_workspace",
    "summary",
    "to_csv",
    "to_json",
    "utc",
    "write_csv",
]

_NEW, _IN_PROGRESS = "new", "in progress"  # of `CaseStatus`
_IS_BEGUN = attrgetter("is_begun")
_COLUMNS: tuple[tuple[str, Callable[[EffortRow], object]], ...] = (
    ("patient", lambda row: row.patient),
    ("image_sha256", lambda row: row.image_sha256),
    ("base", lambda row: row.base),
    ("model_version", lambda row: row.model_version or ""),
    ("editor", lambda row: row.editor),
    ("status", lambda row: row.status),
    ("started (UTC)", lambda row: utc(row.created)),
    ("editing (s)", lambda row: f"{row.seconds:.1f}"),
    ("reading (s)", lambda row: f"{row.reading_seconds:.1f}"),
    ("strokes in force", lambda row: row.strokes),
    ("strokes taken back", lambda row: row.undone),
    ("added (voxels)", lambda row: row.voxels_added),
    ("removed (voxels)", lambda row: row.voxels_removed),
    ("tools (strokes)", lambda row: "; ".join(f"{t}: {n}" for t, n in row.tools.items())),
)


@dataclass(frozen=True, slots=True)
class EffortRow:
    """Effort of one case.

    Parameters
    ----------
    patient : str
        Name of the patient.
    model_version : str or None
        Of the prediction that the correction started from; `None` if it did not start from one.
    editor : str
        Who made most of the strokes in force, or started the correction if there are none.
    seconds : float
        Editing time, pauses left out; that of undone strokes too.
    strokes : int
        Strokes in force.
    voxels_added, voxels_removed : int
        Summed over the strokes in force.
    tools : mapping of str to int
        Strokes in force by tool, the most used first.
    status : str
        `CaseStatus` of the case.
    created : float
        When the correction was started, Unix seconds (UTC).
    base : str
        What the correction started from: ``prediction``, ``truth`` or ``empty``.
    reading_seconds : float
        Time with the case open, pauses left out; all visits of the case.
    undone : int
        Strokes that were taken back.
    image_sha256 : str
        Content hash of the image.
    """

    patient: str
    model_version: str | None
    editor: str
    seconds: float
    strokes: int
    voxels_added: int
    voxels_removed: int
    tools: Mapping[str, int]
    status: str
    created: float
    base: str = "prediction"
    reading_seconds: float = 0.0
    undone: int = 0
    image_sha256: str = ""

    @property
    def voxels(self) -> int:
        """Voxels added and removed."""
        return self.voxels_added + self.voxels_removed

    @property
    def is_begun(self) -> bool:
        """Whether somebody painted, or decided that there was nothing to paint.

        A mask that was approved without a stroke counts: that is what a model is for.
        """
        return self.strokes + self.undone > 0 or self.status not in (_NEW, _IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class VersionEffort:
    """Effort of the cases that started from one model version.

    Parameters
    ----------
    model_version : str or None
        `None` for corrections that did not start from a prediction.
    base : str
        What they started from: ``prediction``, ``truth`` or ``empty``.
    cases : int
        Number of cases.
    seconds, strokes, voxels, reading_seconds : float
        Medians over these cases.
    """

    model_version: str | None
    base: str
    cases: int
    seconds: float
    strokes: float
    voxels: float
    reading_seconds: float


def effort(catalogue: Catalogue) -> tuple[EffortRow, ...]:
    """Effort of every case that has a correction, the earliest started first.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    """
    corrections, cases, strokes = tables.corrections, tables.cases, tables.strokes.c
    in_force = case((strokes.state == "done", 1), else_=0)
    tally = (
        select(
            strokes.correction_id,
            strokes.tool,
            strokes.editor,
            func.sum(strokes.seconds).label("seconds"),
            func.sum(in_force).label("done"),
            func.count().label("all"),
            func.sum(in_force * strokes.added).label("added"),
            func.sum(in_force * strokes.removed).label("removed"),
        )
        .join(corrections, corrections.c.id == strokes.correction_id)
        .where(corrections.c.active)
        .group_by(strokes.correction_id, strokes.tool, strokes.editor)
    )
    with catalogue.read() as connection:
        started = connection.execute(
            select(
                corrections.c.id,
                corrections.c.case_id,
                corrections.c.base,
                corrections.c.base_version,
                corrections.c.editor,
                corrections.c.created,
                cases.c.patient,
                cases.c.image_sha256,
                cases.c.status,
            )
            .join(cases, cases.c.id == corrections.c.case_id)
            .where(corrections.c.active)
            .order_by(corrections.c.created, corrections.c.id)
        ).all()
        tallies: dict[int, list[tuple[str, str, float, int, int, int, int]]] = {}
        for row in connection.execute(tally):
            tallies.setdefault(row.correction_id, []).append(tuple(row)[1:])
    reading = time_spent(catalogue)
    rows = []
    for one in started:
        tools: Counter[str] = Counter()
        editors: Counter[str] = Counter()
        seconds, every, added, removed = 0.0, 0, 0, 0
        for tool, editor, spent, done, count, more, less in tallies.get(one.id, ()):
            tools[tool] += done
            editors[editor] += done
            seconds += spent
            every += count
            added += more
            removed += less
        done = tools.total()
        rows.append(
            EffortRow(
                patient=one.patient,
                model_version=one.base_version,
                editor=editors.most_common(1)[0][0] if done else one.editor,
                seconds=seconds,
                strokes=done,
                voxels_added=added,
                voxels_removed=removed,
                tools={tool: count for tool, count in tools.most_common() if count},
                status=one.status,
                created=one.created,
                base=one.base,
                reading_seconds=reading.get(one.case_id, 0.0),
                undone=every - done,
                image_sha256=one.image_sha256,
            )
        )
    return tuple(rows)


def effort_of_workspace(folder: Path) -> tuple[EffortRow, ...]:
    """Effort of a workspace that no window needs to have open; see `effort`.

    Parameters
    ----------
    folder : Path
        Folder of the workspace, or its catalogue.

    Raises
    ------
    DataError
        If there is no catalogue, or it cannot be read.
    """
    path = Workspace(folder).catalogue if folder.is_dir() else folder
    if not path.is_file():
        raise DataError(
            f"{folder} is no workspace: it has no {Workspace(folder).catalogue.name}.",
            "`brainseg doctor` names the folder of the workspaces.",
        )
    catalogue = Catalogue(path)
    try:
        return effort(catalogue)
    finally:
        catalogue.close()


def summary(rows: Iterable[EffortRow]) -> tuple[VersionEffort, ...]:
    """Medians by model version, in the order in which the versions were first corrected.

    Corrections that nobody worked on yet are left out, see `EffortRow.is_begun`.
    """
    groups: dict[tuple[str | None, str], list[EffortRow]] = {}
    for row in filter(_IS_BEGUN, rows):
        groups.setdefault((row.model_version, row.base), []).append(row)
    return tuple(
        VersionEffort(
            model_version=version,
            base=base,
            cases=len(group),
            seconds=median(row.seconds for row in group),
            strokes=median(row.strokes for row in group),
            voxels=median(row.voxels for row in group),
            reading_seconds=median(row.reading_seconds for row in group),
        )
        for (version, base), group in groups.items()
    )


def to_csv(rows: Iterable[EffortRow]) -> str:
    """Rows as CSV (RFC 4180): a header with the units, lines that end with CR LF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([name for name, _value in _COLUMNS])
    for row in rows:
        writer.writerow([value(row) for _name, value in _COLUMNS])
    return text.getvalue()


def to_json(rows: Iterable[EffortRow]) -> str:
    """Cases and their summary as JSON; times in seconds, `created` in Unix seconds."""
    cases = tuple(rows)
    return json.dumps(
        {
            "cases": [asdict(row) for row in cases],
            "medians": [asdict(version) for version in summary(cases)],
        },
        indent=2,
        ensure_ascii=False,
    )


def write_csv(rows: Iterable[EffortRow], path: Path) -> None:
    """Write rows to a CSV file (RFC 4180, UTF-8); a file that is there is replaced as a whole.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    write_atomically(path.absolute(), to_csv(rows).encode())


def utc(seconds: float) -> str:
    """Time of day and date in ISO 8601, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
