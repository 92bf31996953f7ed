"""What the catalogue knows of a correction beside its voxels, for the manifest.

Thread-safety: the function may be called from any thread.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from napari_brainseg.session import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["CorrectionRecord", "read_correction_record"]

_WORKSPACE = "workspace_id"


@dataclass(frozen=True, slots=True)
class CorrectionRecord:
    """A correction in figures.

    Parameters
    ----------
    created : float
        When it was started, Unix seconds.
    tools : mapping of str to int
        Strokes that stand, by the tool that made them.
    workspace_id : str
        Of the catalogue: ids of corrections are unique in it only.
    """

    created: float
    tools: Mapping[str, int]
    workspace_id: str


def read_correction_record(catalogue: Catalogue, correction_id: int) -> CorrectionRecord:
    """Read what is known of a correction; names the catalogue when first asked.

    Raises
    ------
    DataError
        If the catalogue cannot be used.
    """
    corrections, strokes = tables.corrections.c, tables.strokes.c
    workspace = catalogue.get(_WORKSPACE)
    if workspace is None:
        workspace = uuid.uuid4().hex
        catalogue.set(_WORKSPACE, workspace)
    with catalogue.read() as connection:
        created = connection.execute(
            select(corrections.created).where(corrections.id == correction_id)
        ).scalar_one()
        rows = connection.execute(
            select(strokes.tool, func.count())
            .where(strokes.correction_id == correction_id, strokes.state == "done")
            .group_by(strokes.tool)
            .order_by(strokes.tool)
        ).all()
    return CorrectionRecord(created, {tool: int(count) for tool, count in rows}, workspace)
