"""A look at the model versions of a workspace, taken in a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.gates import GateRecord
    from napari_brainseg.session.model_version import ModelVersion

__all__ = ["ModelLook", "look"]


@dataclass(frozen=True)
class ModelLook:
    """What was found.

    Parameters
    ----------
    versions : tuple of ModelVersion
        As the registry lists them.
    previous : str or None
        Version that a roll-back brings back.
    gates : mapping of str to GateRecord
        Latest gate of each version against the one in use, where there is one.
    reasons : mapping of str to str
        Why each version was taken into use last; may be empty.
    reviews : mapping of str to Reviewed
        How far the review of each version against the one in use came.
    """

    versions: tuple[ModelVersion, ...] = ()
    previous: str | None = None
    gates: Mapping[str, GateRecord] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    reviews: Mapping[str, Reviewed] = field(default_factory=dict)

    @property
    def current(self) -> ModelVersion | None:
        """The version in use."""
        return next((v for v in self.versions if v.is_current), None)

    @property
    def candidate(self) -> ModelVersion | None:
        """The latest version that a run made, as long as it never was in use."""
        made = [v for v in self.versions if v.origin == "run" and not v.fault]
        # Of two that were made in one second the one that is listed last.
        latest = max(reversed(made), key=lambda v: v.created, default=None)
        if latest is None or latest.is_current or latest.promoted_at is not None:
            return None
        return latest

    def of(self, name: str | None) -> ModelVersion | None:
        """Return a version by its name."""
        return next((v for v in self.versions if v.version == name), None)


def look(desk: Desk) -> ModelLook:
    """Read versions and gates; hashes are checked, so it belongs in a worker.

    Raises
    ------
    BrainSegError
        If there is no model at all, or the catalogue cannot be read.
    """
    registry = desk.registry
    versions = registry.versions()
    current = next((v.version for v in versions if v.is_current), None)
    gates, reviews = {}, {}
    for version in versions:
        if current is not None and version.version != current:
            record = desk.gates.latest(version.version, current)
            if record is not None:
                gates[version.version] = record
            reviews[version.version] = desk.effects.reviewed(version.version, current)
    reasons = {act.version: act.reason for act in registry.history()}
    return ModelLook(versions, registry.rollback_version, gates, reasons, reviews)
