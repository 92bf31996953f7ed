"""What a panel shows of the sign-off of one case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_brainseg.session.review_log import ReviewRecord
    from napari_brainseg.session.sign_off_checks import Finding

__all__ = ["SignOffState"]


@dataclass(frozen=True, slots=True)
class SignOffState:
    """What a panel shows of the sign-off; see `Review.state`.

    Parameters
    ----------
    findings : tuple of Finding
        What the checks find now.
    reviews : tuple of ReviewRecord
        Decisions on the open case, oldest first.
    refused : str or None
        Why this editor may not approve, `None` if they may.
    second_reader : str or None
        Who read the mask in the training set as well.
    waiting : int or None
        Corrections that wait for training; `None` where the model in use cannot be told.
    """

    findings: tuple[Finding, ...] = ()
    reviews: tuple[ReviewRecord, ...] = ()
    refused: str | None = None
    second_reader: str | None = None
    waiting: int | None = None

    @property
    def must_acknowledge(self) -> bool:
        """Whether the case is approved only by saying so."""
        return any(finding.must_acknowledge for finding in self.findings)
