"""When the training of a model version began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from napari_brainseg.session.tables import model_versions, runs

if TYPE_CHECKING:
    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["training_began"]


def training_began(catalogue: Catalogue, version: str) -> float | None:
    """Unix seconds; `None` for a version that was not trained in this workspace."""
    with catalogue.read() as connection:
        began = connection.execute(
            select(runs.c.created)
            .join(model_versions, model_versions.c.run_id == runs.c.id)
            .where(model_versions.c.version == version)
        ).scalar()
    return None if began is None else float(began)
