"""Volume of a lesion over several studies of one patient, and its change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from napari_brainseg.core.reporting.patient_report import Basis

__all__ = ["Change", "FollowUp", "FollowUpPoint"]


@dataclass(frozen=True, slots=True)
class FollowUpPoint:
    """One study of the patient.

    Parameters
    ----------
    study : str
        Name of the study.
    day : date or None
        Of the study; ``None`` where unknown.
    voxels : int or None
        Of the mask; ``None`` where there is no mask yet.
    ml : float or None
        Their volume in millilitres, ``None`` where the spacing is unknown.
    basis : Basis or None
        What the volume stands on.
    model_version : str or None
        Model of the prediction that it stands on, or that was corrected.
    is_this : bool
        Whether it is the study of the report.
    """

    study: str
    day: date | None
    voxels: int | None = None
    ml: float | None = None
    basis: Basis | None = None
    model_version: str | None = None
    is_this: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Change of one volume against an earlier one.

    Parameters
    ----------
    share : float or None
        (now - then) / then; ``None`` where there is nothing to compare with.
    is_mixed : bool
        Whether the two stand on different things: another kind of mask, or another model.
    """

    share: float | None
    is_mixed: bool = False


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Studies of one patient, the earliest first.

    Parameters
    ----------
    points : tuple of FollowUpPoint
    """

    points: tuple[FollowUpPoint, ...]

    @property
    def unit(self) -> str:
        """``ml`` where every volume is known in it, else ``vox``."""
        known = self.measured
        return "ml" if known and all(point.ml is not None for point in known) else "vox"

    @property
    def measured(self) -> tuple[FollowUpPoint, ...]:
        """Points that have a volume."""
        return tuple(point for point in self.points if point.voxels is not None)

    @property
    def is_mixed(self) -> bool:
        """Whether the volumes stand on different things."""
        return len({_stands_on(point) for point in self.measured}) > 1

    def volume(self, point: FollowUpPoint) -> float | None:
        """Volume of a point in `unit`."""
        if point.voxels is None:
            return None
        return point.ml if self.unit == "ml" else float(point.voxels)

    def since_first(self, point: FollowUpPoint) -> Change:
        """Change since the first volume."""
        earlier = self._before(point)
        return self._change(point, earlier[0]) if earlier else Change(None)

    def since_smallest(self, point: FollowUpPoint) -> Change:
        """Change since the smallest volume before (nadir, as RANO calls it)."""
        earlier = self._before(point)
        if not earlier:
            return Change(None)
        return self._change(point, min(earlier, key=lambda p: self.volume(p) or 0.0))

    def _before(self, point: FollowUpPoint) -> tuple[FollowUpPoint, ...]:
        measured = self.measured
        return measured[: measured.index(point)] if point in measured else ()

    def _change(self, point: FollowUpPoint, then: FollowUpPoint) -> Change:
        mixed = _stands_on(point) != _stands_on(then)
        now, before = self.volume(point), self.volume(then)
        if now is None or not before:
            return Change(None, mixed)
        return Change((now - before) / before, mixed)


def _stands_on(point: FollowUpPoint) -> tuple[object, object]:
    """Tell apart what may not be compared silently: predictions of two models are of two kinds."""
    from napari_brainseg.core.reporting.patient_report import Basis

    version = point.model_version if point.basis is Basis.PREDICTION else None
    return point.basis, version
