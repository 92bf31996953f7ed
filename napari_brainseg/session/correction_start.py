"""Who started a correction, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from napari_brainseg.session import tables

if TYPE_CHECKING:
    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["CorrectionStart", "correction_start"]


@dataclass(frozen=True, slots=True)
class CorrectionStart:
    """The beginning of a correction.

    Parameters
    ----------
    editor : str
        Who started it.
    created : float
        When, Unix seconds (UTC).
    """

    editor: str
    created: float


def correction_start(catalogue: Catalogue, correction_id: int) -> CorrectionStart:
    """Look the beginning of a correction up.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    """
    columns = tables.corrections.c
    with catalogue.read() as connection:
        row = connection.execute(
            select(columns.editor, columns.created).where(columns.id == correction_id)
        ).one()
    return CorrectionStart(row.editor, row.created)
