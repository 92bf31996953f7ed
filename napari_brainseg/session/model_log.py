"""What the catalogue knows about model versions: origin, promotions, measurements.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from sqlalchemy import insert, select

from napari_brainseg.session import tables

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["measured", "note_act", "note_dsc", "note_version", "used_versions"]


def note_version(catalogue: Catalogue, bundle: Bundle, run_id: str | None) -> None:
    """Keep where a version comes from; a version that is known is left as it is."""
    columns = tables.model_versions.c
    with catalogue.write() as connection:
        known = connection.execute(
            select(columns.version).where(columns.version == bundle.version)
        ).first()
        if known is None:
            connection.execute(
                insert(tables.model_versions).values(
                    version=bundle.version,
                    path=str(bundle.path),
                    name=bundle.name,
                    parent=bundle.manifest.parent,
                    run_id=run_id,
                    created=time.time(),
                )
            )


def note_act(
    catalogue: Catalogue,
    act: Literal["promote", "rollback"],
    version: str,
    *,
    editor: str,
    reason: str,
) -> None:
    """Keep who took which version into use, and why."""
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.promotions).values(
                act=act, version=version, editor=editor, reason=reason, created=time.time()
            )
        )


def used_versions(catalogue: Catalogue, first: str) -> list[str]:
    """List the versions on the way to the current one, which is the last.

    Parameters
    ----------
    catalogue : Catalogue
    first : str
        Version in use before any promotion.
    """
    columns = tables.promotions.c
    with catalogue.read() as connection:
        rows = connection.execute(select(columns.act, columns.version).order_by(columns.id)).all()
    stack = [first]
    for act, version in rows:
        if act == "promote":
            stack.append(version)
        elif len(stack) > 1:
            stack.pop()
    return stack


def note_dsc(
    catalogue: Catalogue,
    version: str,
    *,
    split_digest: str,
    patients: int,
    dsc: float,
    run_id: str | None,
) -> None:
    """Keep a version's mean DSC on the validation patients of a split."""
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.evaluations).values(
                version=version,
                split_digest=split_digest,
                patients=patients,
                dsc=dsc,
                run_id=run_id,
                created=time.time(),
            )
        )


def measured(catalogue: Catalogue, split_digest: str) -> dict[str, tuple[float, int]]:
    """Latest mean DSC of each version on a split, with the number of patients."""
    columns = tables.evaluations.c
    with catalogue.read() as connection:
        rows = connection.execute(
            select(columns.version, columns.dsc, columns.patients)
            .where(columns.split_digest == split_digest)
            .order_by(columns.id)
        ).all()
    return {version: (dsc, patients) for version, dsc, patients in rows}
